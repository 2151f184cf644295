"""Probably mislabelled samples: found from out-of-fold predictions of small models made for the purpose."""
