"""Sounds: read, checked, measured, compared, and turned into spectra."""
