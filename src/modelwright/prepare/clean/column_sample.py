"""A part of a table held in memory: evenly spaced rows of its columns, for checks that look at several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        places = np.flatnonzero(usable)
        most = min(MOST_ROWS, max(1000, _MOST_CELLS // max(min(width, MOST_COLUMNS), 1)))
        if len(places) > most:
            places = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
        return cls(places, codes[places], numbers[places])

    def add(self, name: str, kind: str, dense: Any, values: NDArray[np.float64], distinct: int) -> None:
        """Keep a column: ``dense`` is it whole in Arrow, texts dictionary-encoded, ``values`` its numbers or codes."""
        if len(self.columns) < MOST_COLUMNS:
            words = dense.dictionary.to_pylist() if kind == "text" and distinct <= MOST_ROWS else []
            if kind != "text" or words:
                self.columns.append(Column(name, kind, values[self.places], words, distinct))
