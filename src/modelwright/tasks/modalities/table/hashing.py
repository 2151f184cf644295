"""Words of a category column as numbers, for columns with too many different texts to list.

What the packaged graph counts (:mod:`modelwright.tasks.hashing`) are CRC-32 sums (ISO 3309, as in zlib, PNG and gzip;
of ``123456789`` it is 0xCBF43926) of the UTF-8 bytes of words in normal form
(:mod:`modelwright.tasks.modalities.text.words`), without the highest bit: onnxruntime 1.31 compares the lower 32 bits
of whole numbers in ``Max`` and ``Min``, and some runtimes keep no more. A text of several words has the sums of all of
them, in order, after that of the whole, so that it is known again as a whole and by its parts. Any language can make
the same numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.modalities.text import words as text_words

SIZES = (4, 8, 16, 32, 64)
"""Numbers that a row has of one column: the smallest of these that holds 99 % of the training rows' words."""
WIDTHS = (16, 1024)
"""Fewest and most columns that a column is hashed to."""
LEAST = 3
"""Rows that a word must be in to count for the width."""
COMMON = 0.98
"""Share of the rows from which a word says nothing."""


def pieces(text: str) -> list[str]:
    """Return the text as a whole in normal form, and its words where there are several.

    Examples
    --------
    >>> pieces("Braund, Mr. Owen"), pieces("S"), pieces("")
    (['braund, mr. owen', 'braund', 'mr', 'owen'], ['s'], [])
    """
    plain = text_words.normal(text)
    if not plain:
        return []
    cut = text_words.words(plain)
    return [plain, *cut] if len(cut) > 1 else [plain]


def hashes(texts: Sequence[str], size: int) -> NDArray[np.int64]:
    """Return ``(n, size) int64``: the sums of each text's first ``size`` pieces, -1 where there are no more."""
    made = np.full((len(texts), size), -1, np.int64)
    known: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        found = known.get(text)
        if found is None:
            found = [_sum(piece) for piece in pieces(text)[:size]]
            known[text] = found
        made[row, : len(found)] = found
    return made


def _sum(piece: str) -> int:
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF


def sizes(counted: Iterable[tuple[str, int]]) -> tuple[int, int, int]:
    """Return how many numbers a row gets, how many columns they are counted in, and the words seen often.

    Parameters
    ----------
    counted
        Different texts of the training rows, and in how many rows each is.
    """
    lengths: dict[int, int] = {}
    seen: dict[str, int] = {}
    for text, count in counted:
        found = pieces(text)[: SIZES[-1]]
        lengths[len(found)] = lengths.get(len(found), 0) + count
        for piece in set(found):
            seen[piece] = seen.get(piece, 0) + count
    rows, held, size = sum(lengths.values()), 0, SIZES[-1]
    for length in sorted(lengths):
        held += lengths[length]
        if held >= 0.99 * rows:
            size = next(each for each in SIZES if length <= each)
            break
    often = sum(LEAST <= count <= COMMON * rows for count in seen.values())
    width = WIDTHS[0]
    while width < min(2 * often, WIDTHS[1]):
        width *= 2
    return size, width, often
