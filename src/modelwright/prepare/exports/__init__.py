"""Exports of datasets, one file a family of forms; each is a folder with a ``modelwright.yaml`` that reads it back."""
