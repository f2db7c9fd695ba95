"""Leaf idioms over shapes that three papers or more share; a block lives with its paper."""

from mobilenet_lab.layers import Feature
from mobilenet_lab.net import Net


def classifier(net: Net, x: Feature, classes: int, dropout: float = 0.0) -> Feature:
    """Global average pooling, dropout where its rate is not zero, and one linear layer."""
    with net.stage("classifier", role="classifier"):
        x = net.adaptive_avg_pool(x)
        x = net.flatten(x)
        if dropout:
            x = net.dropout(x, dropout)
        return net.linear(x, classes)
