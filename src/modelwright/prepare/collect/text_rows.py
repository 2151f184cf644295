"""Texts out of the rows of any table: which columns hold them, and how a row becomes one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item
from modelwright.prepare.collect.rowmaking import RowMaker, Strays, some

ROW = "text"
"""The one column that rows of texts have."""
LOOKED_AT = 300
"""Rows by which the columns are chosen."""
_WORDS = 3.0
"""Mean words of a cell from which a column holds texts."""
_DIFFERENT = 0.3
"""Share of different cells below which a column holds names of something, however long they are."""


class TextMaker(RowMaker):
    """Makes a text of each row: its text columns, in order, a line each; empty cells are left out."""

    def item(self, path: str, row: Mapping[str, Any], columns: Mapping[str, str], decimal: str, strays: Strays) -> Item:
        """Return a row as a text; ``columns`` are those that hold text."""
        made = super().item(path, row, columns, decimal, strays)
        cells = [str(value) for name in columns if (value := (made.row or {}).get(name)) is not None]
        # Lone surrogates come in by JSON; no file could hold them, and nobody can read them.
        text = "\n".join(cells).encode("utf-8", "replace").decode()
        return Item(
            made.path,
            made.label,
            made.group,
            raw=text.encode(),
            row={ROW: text},
            time=made.time,
            split=made.split,
        )


def choose(
    asked: Sequence[str], names: Mapping[str, str], rows: Sequence[Mapping[str, Any]], where: str
) -> tuple[list[str], str]:
    """Return the columns that hold the text, and why.

    Parameters
    ----------
    asked
        Those that the source's options name.
    names
        Columns that may be inputs, with their types (``text``, ``number``, ``integer``).
    rows
        The first rows.
    where
        The source, for messages.

    Raises
    ------
    InputError
        If a named column isn't there, or no column holds text.
    """
    if asked:
        missing = [name for name in asked if name not in names]
        if missing:
            raise InputError(
                f"{where}: 'text' names {missing[0]!r}, which is no column that could be an input; there are: "
                f"{some(list(names))}",
                code="missing-column",
            )
        return list(asked), "the source's 'text' names them"
    words = {name: _words(name, rows) for name, kind in names.items() if kind == "text"}
    chosen = [name for name, (mean, different) in words.items() if mean >= _WORDS and different >= _DIFFERENT]
    if chosen:
        means = ", ".join(f"{name!r} {words[name][0]:.0f}" for name in chosen)
        return chosen, f"words in a cell, on average: {means}"
    if len(words) == 1:
        return list(words), "it is the only column that holds no numbers"
    raise InputError(
        f"{where}: no column holds texts of several words, so it must be said which is the text; columns: "
        f"{some(list(names))}",
        code="no-text-column",
        hint="set 'text: COLUMN' beside the source, or 'input: table' at the top",
    )


def _words(name: str, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return mean words of a cell, and the share of different cells."""
    cells = [str(row[name]) for row in rows if row.get(name) is not None]
    if not cells:
        return 0.0, 0.0
    # Scripts without spaces: two characters are about a word.
    count = sum(max(len(cell.split()), sum(char > "\u2e7f" for char in cell) // 2) for cell in cells)
    return count / len(cells), len(set(cells)) / len(cells)
