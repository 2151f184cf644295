"""Exports of annotated pictures, one file a form; each is a folder with a ``modelwright.yaml`` that reads it back."""
