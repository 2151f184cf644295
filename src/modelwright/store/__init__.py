"""Where everything is kept: objects, artifacts, the catalog, annotations and prediction logs.

The only room that touches disk or database for state. Formats are in ``docs/formats.md``.
"""
