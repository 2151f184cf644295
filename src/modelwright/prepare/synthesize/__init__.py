"""New training samples out of real ones, and what they are worth."""
