"""Numbers that words say, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"


def numbers_of(words: Any, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what number each word is (NaN: none), which are written as whole numbers, and which padded with zeros."""
    import pyarrow as pa
    from pyarrow import compute

    texts = compute.replace_substring(words, ",", ".", max_replacements=1) if decimal == "," else words
    finite = compute.match_substring_regex(texts, _NUMBER)
    endless = compute.match_substring_regex(texts, _INFINITE)
    known = compute.or_(finite, endless)
    made = np.full(len(words), np.nan)
    mask = known.to_numpy(zero_copy_only=False)
    if mask.any():
        plain = compute.utf8_ltrim(texts.filter(known), "+")
        made[mask] = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    integers = compute.match_substring_regex(words, r"^[+-]?\d+$").to_numpy(zero_copy_only=False)
    padded = compute.match_substring_regex(words, r"^0\d+$").to_numpy(zero_copy_only=False)
    return made + 0.0, integers, padded


def whole(words: Any, known: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Return ``(m,)`` the known words as whole numbers, 0 for the others; None if 64 bits don't hold them all."""
    import pyarrow as pa
    from pyarrow import compute

    made = np.zeros(len(words), np.int64)
    try:
        plain = compute.utf8_ltrim(words.filter(pa.array(known)), "+").cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    made[known] = plain.to_numpy(zero_copy_only=False)
    return made


def word_set(words: Sequence[str]) -> Any:
    """Return words as ``pyarrow.StringArray``."""
    import pyarrow as pa

    return pa.array(sorted(words), pa.string())
