"""What classifiers need beyond their layers: images, recipes, training, prediction."""
