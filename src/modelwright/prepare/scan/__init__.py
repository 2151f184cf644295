"""Scan: one pass over each sample's bytes, alone or in processes side by side."""
