"""Texts: any encoding, read, checked, measured, compared, and turned into words and characters that count."""
