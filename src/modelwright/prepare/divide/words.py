"""The names that splits usually have."""

from __future__ import annotations

from collections.abc import Sequence

WORDS = {
    **dict.fromkeys(("train", "training", "trn", "learn", "fit"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "validate", "dev", "development", "tune"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout", "hold-out", "heldout"), "test"),
}
"""What a column, a file or a folder may say, in any case, to the split that it means."""


def are_splits(names: Sequence[str]) -> bool:
    """Say whether all of several names are those of splits.

    Examples
    --------
    >>> are_splits(["test", "Train"]), are_splits(["train", "bus"]), are_splits(["test"])
    (True, False, False)
    """
    return len(names) > 1 and all(name.strip().lower() in WORDS for name in names)
