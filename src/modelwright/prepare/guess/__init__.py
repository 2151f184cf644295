"""What a path probably holds: the first spec of a new project, with its reasons."""
