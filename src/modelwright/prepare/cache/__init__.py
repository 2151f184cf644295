"""What is remembered between runs so that nothing is read twice; without it the dataset is the same."""
