"""Who goes where: splits and folds, by class, group, time or column, and the proof that nothing leaks."""
