"""Vectors of samples by a model: the project's own in production, or one with pretrained weights in a local folder."""
