"""Series: several channels over time, read, checked, measured, compared, and turned into features."""
