"""Tables: one row a sample, read, checked, measured, and turned into columns of numbers."""
