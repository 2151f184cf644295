"""Guessing whether a table, or a folder, holds texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

TEXTS = (".txt", ".text", ".md", ".rst", ".eml")
"""Endings of files that hold one text each."""
_WORDS = 6.0
"""Mean words of a cell from which a column holds texts: names have two to five."""
_DIFFERENT = 0.5
_OTHERS = 1
"""Other columns that a table of texts may have, besides texts, the label, and numbers that count the rows."""


def text_columns(values: Mapping[str, Counter[str]]) -> tuple[list[str], str]:
    """Return the columns that hold texts, in order, and why; none where the table is about more than texts.

    Parameters
    ----------
    values
        Cells of each column with their counts, missing ones left out.
    """
    words = {name: _words(cells) for name, cells in values.items()}
    texts = [name for name, mean in words.items() if mean >= _WORDS and _different(values[name]) >= _DIFFERENT]
    rest = [name for name in values if name not in texts and not _counts_rows(values[name])]
    if not texts or len(rest) > 1 + _OTHERS:
        return [], ""
    means = ", ".join(f"{name!r} {words[name]:.0f}" for name in texts)
    return texts, f"the input is text: words in a cell, on average: {means}"


def _words(cells: Counter[str]) -> float:
    total = cells.total()
    return sum(len(cell.split()) * count for cell, count in cells.items()) / total if total else 0.0


def _different(cells: Counter[str]) -> float:
    return len(cells) / max(cells.total(), 1)


def _counts_rows(cells: Counter[str]) -> bool:
    """Whether every cell is another whole number, or there is none at all."""
    return len(cells) == cells.total() and all(cell.isdigit() for cell in cells)


def held_in(endings: Mapping[str, int]) -> bool:
    """Whether files with these endings (counted) are nearly all texts."""
    texts = sum(endings.get(ending, 0) for ending in TEXTS)
    return texts > 0 and texts >= 0.9 * sum(endings.values())


def label_among(names: Sequence[str], values: Mapping[str, Counter[str]], texts: Sequence[str]) -> list[str]:
    """Return the columns that can be the answer: none of the texts, and nothing that counts the rows."""
    left = [name for name in names if name not in texts and not _counts_rows(values[name])]
    return left or [name for name in names if name not in texts]
