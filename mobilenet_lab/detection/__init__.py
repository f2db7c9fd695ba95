"""What detectors and segmenters do after their layers: priors, boxes, masks; no table counts it."""
