"""Images: read, checked, measured, compared, and turned into pixels of one size."""
