"""A part of a table held in memory: evenly spaced rows of its columns, for checks that look at several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.gather.scratch import evenly, forget

MOST_ROWS = 200_000
MOST_COLUMNS = 200
_MOST_CELLS = 10_000_000


@dataclass(frozen=True)
class Column:
    """One column's sampled rows.

    Parameters
    ----------
    kind
        ``integer``, ``number`` or ``text``.
    values
        ``(m,) float64``: the numbers, or the codes of texts; NaN is missing.
    words
        Of texts: by code.
    distinct
        Different values in the whole column.
    """

    name: str
    kind: str
    values: NDArray[np.float64]
    words: Sequence[str]
    distinct: int

    @property
    def known(self) -> NDArray[np.bool_]:
        """``(m,)`` which are not missing."""
        return ~np.isnan(self.values)

    def codes(self, most: int = 100) -> NDArray[np.int64] | None:
        """Return ``(m,)`` a code for each value (0 is missing) if there are at most ``most`` different ones."""
        if self.distinct > most:
            return None
        different = np.unique(self.values[self.known])
        made = np.searchsorted(different, self.values) + 1
        return np.where(self.known, made, 0)

    def shown(self, code: int) -> str:
        """Return the value with a code of :meth:`codes`."""
        if not code:
            return "missing"
        value = float(np.unique(self.values[self.known])[code - 1])
        return self.words[int(value)] if self.kind == "text" else f"{value:g}"


@dataclass
class Sample:
    """Some rows of a table.

    Parameters
    ----------
    places
        ``(m,)`` which rows.
    codes, numbers
        ``(m,)`` their labels: class codes (-1 unknown), or numbers (NaN unknown).
    """

    places: NDArray[np.int64]
    codes: NDArray[np.int64]
    numbers: NDArray[np.float64]
    columns: list[Column] = field(default_factory=list)

    @classmethod
    def of(
        cls, usable: NDArray[np.bool_], codes: NDArray[np.int64], numbers: NDArray[np.float64], width: int
    ) -> Sample:
        """Return a sample of the usable rows, without columns yet."""
        most = min(MOST_ROWS, max(1000, _MOST_CELLS // max(min(width, MOST_COLUMNS), 1)))
        places = evenly(usable, most)
        made = cls(places, codes[places].astype(np.int64), numbers[places])
        forget(numbers)
        return made

    def add(self, name: str, kind: str, values: NDArray[np.float64], words: Sequence[str], distinct: int) -> None:
        """Keep a column: its numbers or codes at :attr:`places`; of texts, with what the codes stand for."""
        if len(self.columns) < MOST_COLUMNS and (kind != "text" or (words and distinct <= MOST_ROWS)):
            self.columns.append(Column(name, kind, values, words if kind == "text" else [], distinct))
