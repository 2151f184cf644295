"""One file a job; each has ``run(pairs) -> list[Record]``."""
