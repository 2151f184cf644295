"""Gather: all sources into columns with one entry a sample, in memory or in nameless files beyond some size."""
