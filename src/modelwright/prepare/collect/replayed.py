"""Lines of delimited text that can be had again: a quotation that nothing ends makes one row of all that follow."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

_AGAIN, _AGAIN_TIMES = 4 << 20, 8
"""Characters that are read again behind quotations that nothing ends: so many, and so many times what was read."""


class Replayed:
    """Lines, of which those that one row took can be had again but for the first.

    A row takes ``longest`` characters at most. Where far more was had again than there is, each row is one
    line from then on: in lines such as ``x"y,"``, of which each opens a quotation and none ends it, every one would be
    read as often as there are lines before it.
    """

    def __init__(self, lines: Iterator[str], longest: int) -> None:
        self._lines, self._longest = lines, longest
        self.taken: list[str] = []
        self.waiting: list[str] = []
        """To be had before any new one, the next one last."""
        self.ended = False
        self.cut = False
        """Whether the row wanted more lines than it may have."""
        self._size = self._read = self._again = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        alone = self._again > _AGAIN + _AGAIN_TIMES * self._read
        if self.taken and (alone or self._size > self._longest):
            self.cut = True
            raise csv.Error("a row of so many lines")
        if self.waiting:
            line = self.waiting.pop()
        else:
            try:
                line = next(self._lines)
            except StopIteration:
                self.ended = True
                raise
            self._read += len(line)
        self.taken.append(line)
        self._size += len(line)
        return line

    def begin(self) -> None:
        """Begin a row."""
        self.taken.clear()
        self._size, self.cut = 0, False

    def unclosed(self, row: Sequence[str]) -> bool:
        """Say whether a row ended with the file inside of a quotation: its last cell holds the last line whole."""
        return self.ended and len(self.taken) > 1 and bool(row) and row[-1].endswith(self.taken[-1])

    def again(self) -> None:
        """Put back what was taken since the row began, but for the first line."""
        self.waiting.extend(reversed(self.taken[1:]))
        self._again += self._size - len(self.taken[0])
        self.ended = False
