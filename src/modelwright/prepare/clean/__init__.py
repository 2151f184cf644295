"""What is wrong with the data: the checks, one file a kind of trouble."""
