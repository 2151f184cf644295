"""Which type a column of text cells has, decided over the whole file in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from modelwright.prepare.collect.delimited import NUMBER
from modelwright.tasks.limits import FLOAT32_MAX

MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A")
"""Cells that mean "missing" unless the spec says otherwise."""

_STRAY_SHARE = 0.05
_STRAY_WORDS = 20


@dataclass
class Tally:
    """What was seen of one column so far."""

    name: str
    seen: int = 0
    missing: int = 0
    integers: int = 0
    numbers: int = 0
    """Cells that are numbers, whole ones included."""
    commas: int = 0
    """Cells that are numbers only if a comma is the decimal point."""
    padded: int = 0
    """Whole numbers with a leading zero, such as postcodes: text, not quantities."""
    strays: dict[str, int] = field(default_factory=dict)
    """Cells that are no numbers, the first 21 different ones."""

    def add(self, cell: str) -> None:
        """Count one cell that is not missing."""
        self.seen += 1
        if cell.isascii() and cell.isdigit():
            self.integers += 1
            self.numbers += 1
            if cell[0] == "0" and len(cell) > 1:
                self.padded += 1
        elif NUMBER.match(cell):
            self.numbers += 1
            if cell.lstrip("+-").isdigit():
                self.integers += 1
        elif cell.count(",") == 1 and NUMBER.match(cell.replace(",", ".")):
            self.commas += 1
        elif len(self.strays) <= _STRAY_WORDS or cell in self.strays:
            self.strays[cell] = self.strays.get(cell, 0) + 1

    def type(self, decimal: str) -> str:
        """Return ``integer``, ``number`` or ``text``.

        A column counts as numbers if at least 95 % of its cells are, and what is left is at most 20 different words
        (hidden codes for "missing", usually); those cells become missing, and an issue.
        """
        numbers = self.numbers + (self.commas if decimal == "," else 0)
        if not numbers or self.padded:
            return "text"
        rest = self.seen - numbers
        if rest > _STRAY_SHARE * self.seen or len(self.strays) > _STRAY_WORDS:
            return "text"
        return "integer" if self.integers == self.seen - rest else "number"


def decimal_sign(tallies: Sequence[Tally], delimiter: str) -> str:
    """Return ``.`` or ``,``: whichever more fractions are written with; never the delimiter."""
    if delimiter == ",":
        return "."
    fractions = sum(tally.numbers - tally.integers for tally in tallies)
    return "," if sum(tally.commas for tally in tallies) > fractions else "."


def number(cell: str, whole: bool, decimal: str) -> int | float | None:
    """Return the number in a cell, or None if there is none, or one that models' 32 bits don't hold.

    Examples
    --------
    >>> number("3", True, "."), number("1,5", False, ","), number("abc", False, "."), number("1e999", False, ".")
    (3, 1.5, None, None)
    """
    if decimal == ",":
        cell = cell.replace(",", ".", 1)
    if not NUMBER.match(cell):
        return None
    if whole:
        value = int(cell) if cell.lstrip("+-").isdigit() else int(float(cell))
        return value if -(2**63) <= value < 2**63 else None
    wide = float(cell)
    return wide if abs(wide) <= FLOAT32_MAX else None


def widest(types: list[str]) -> str:
    """Return the type that holds all of ``types``.

    Examples
    --------
    >>> widest(["integer", "number"]), widest(["integer", "text"])
    ('number', 'text')
    """
    if "text" in types:
        return "text"
    return "number" if "number" in types else "integer"
