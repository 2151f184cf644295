"""Results that take seconds and follow from a few arrays: remembered by the digest of those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from blake3 import blake3
from numpy.typing import NDArray

from modelwright.prepare.cache.journal import Journal, rewrite

VERSION = 1
"""Raised when the same arrays give other results."""
_KEPT = 4
"""Results of one check that are kept, the newest."""


class Remembered:
    """Remembers what was made of arrays.

    Parameters
    ----------
    folder
        Where; it may be deleted at any time.
    about
        What all results depend on besides the arrays.
    """

    def __init__(self, folder: Path, about: str) -> None:
        self._folder = folder
        self._about = about

    def get(
        self, check: str, inputs: Sequence[NDArray[Any]], make: Callable[[], Mapping[str, NDArray[Any]]]
    ) -> Mapping[str, NDArray[Any]]:
        """Return what ``make`` returns, remembered where the check was asked the same before.

        Parameters
        ----------
        check
            Name of the check.
        inputs
            All that its result follows from.
        """
        made = blake3(f"{VERSION} {check} {self._about}".encode())
        for values in inputs:
            made.update(f" {values.dtype.str} {values.shape} ".encode())
            made.update(values.tobytes())
        path = self._folder / f"{check}-{made.hexdigest()[:32]}"
        known = _read(path)
        if known is not None:
            return known
        found = make()
        rewrite(path, {}, found)
        with suppress(FileNotFoundError):  # another process tidies up too
            kept = sorted(self._folder.glob(f"{check}-*"), key=lambda each: each.stat().st_mtime_ns, reverse=True)
            for old in kept[_KEPT:]:
                old.unlink()
        return found


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    with Journal(path) as journal:
        if len(journal.frames) != 1:
            return None
        try:
            return {name: journal.read(column) for name, column in journal.frames[0].columns.items()}
        except ValueError:
            return None
