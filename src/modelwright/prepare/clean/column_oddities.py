"""What is odd in a column's values: codes for "missing", values that hardly occur, values that tell the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.issues import Issue

_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_WORDS = frozenset({"unknown", "missing", "not available", "not known", "n.a.", "-", "--", "none given", "tbd"})
_LEAST = 3
"""Times a code must occur to be one."""
_FEW_DISTINCT = 20
_MOST_ZEROS = 0.6
"""Share of zeros beyond which zero is the usual value, and real."""
_MOST = 400_000
_GAP = 3.0
"""How many times wider the gap beside a code is than the usual step between neighbouring values."""
_PURE = 0.99
_LIFT = 5.0
_ALMOST_ALONE = 0.99


def hidden_missing(name: str, dense: Any, values: NDArray[np.float64], kind: str) -> Iterator[Issue]:
    """Yield ``hidden-missing`` where a value stands apart from all others as a code does.

    A zero counts where the column is never negative, has at least 20 different values, and the smallest positive one is
    more than three usual steps away; 99, 999, -1 … where they are the largest or smallest value and as far away.
    """
    if kind == "text":
        for word, count in _counts(dense).items():
            if word.strip().lower() in _WORDS:
                yield _hidden(name, word, count, len(values))
        return
    known = values[~np.isnan(values)]
    present = known
    if len(known) > _MOST:
        # Codes stand at the ends or at zero: with these three beside an even sample, nothing is overlooked.
        present = known[np.linspace(0, len(known) - 1, _MOST).astype(np.int64)]
        present = np.concatenate([present, [known.min(), known.max()], np.zeros(int((known == 0).any()))])
    distinct = np.unique(present)
    if len(distinct) < _FEW_DISTINCT:
        return
    step = float(np.median(np.diff(distinct)))
    rest = distinct[distinct > 0]
    zeros = int((known == 0).sum())
    apart = len(rest) and float(rest[0]) > _GAP * step
    if distinct[0] == 0 and zeros >= _LEAST and zeros <= _MOST_ZEROS * len(known) and apart:
        yield _hidden(name, 0, zeros, len(values), f"; the next value is {rest[0]:g}")
    for place, beside in ((0, 1), (-1, -2)):
        code = float(distinct[place])
        if code not in _CODES:
            continue
        count = int((known == code).sum())
        spread = float(distinct[-1 if place == 0 else -2] - distinct[1 if place == 0 else 0])
        lonely = abs(code - distinct[beside]) > max(_GAP * step, 0.5 * spread if abs(code) > 1 else 0)
        lonely |= code < 0 and float(distinct[1]) >= 0 and place == 0  # the only negative value
        if count >= _LEAST and lonely:
            yield _hidden(name, code, count, len(values), f"; the next value is {distinct[beside]:g}")


def _counts(dense: Any) -> dict[str, int]:
    """Return how often each word of a dictionary-encoded column occurs."""
    indices = dense.indices.drop_null().to_numpy()
    counted = np.bincount(indices, minlength=len(dense.dictionary))
    return dict(zip(dense.dictionary.to_pylist(), counted.tolist(), strict=True))


def _hidden(name: str, code: Any, count: int, rows: int, more: str = "") -> Issue:
    shown = f"{code:g}" if isinstance(code, float) else repr(code)
    return Issue(
        "hidden-missing",
        round(min(0.4 + count / rows, 0.8), 3),
        f"column {name!r}: {shown} occurs {count} times and probably means 'missing'{more}",
        column=name,
        evidence={"code": code, "count": count, "rows": rows},
    )


def rare_categories(name: str, dense: Any, rows: int) -> Iterator[Issue]:
    """Yield ``rare-category`` for the words of a column that occur in less than one row of a thousand."""
    if not 2 <= len(dense.dictionary) <= 100 or rows < 1000:
        return
    counts = _counts(dense)
    rare = {word: count for word, count in counts.items() if count < 0.001 * rows}
    if rare:
        listed = ", ".join(f"{word!r} ({count})" for word, count in sorted(rare.items(), key=lambda each: each[1])[:8])
        yield Issue(
            "rare-category",
            0.3,
            f"column {name!r}: {len(rare)} of {len(counts)} values occur in less than one row of a thousand: {listed}",
            column=name,
            evidence={"values": dict(sorted(rare.items(), key=lambda each: each[1])[:50])},
        )


def telling(values: NDArray[np.float64], codes: NDArray[np.int64], kind: str, distinct: int) -> str:
    """Return how a column nearly gives a class away, or nothing.

    Parameters
    ----------
    values, codes
        ``(n,)`` the column and the classes, all known.
    """
    if distinct <= 10:
        return _pure_value(values, codes)
    if kind == "text" or len(np.unique(codes)) != 2:
        return ""
    area = _area(values, codes == codes.max())
    area = max(area, 1 - area)
    if area < _ALMOST_ALONE:
        return ""
    return f"alone it tells the two classes apart almost without a mistake (area under the ROC curve {area:.4f})"


def _pure_value(values: NDArray[np.float64], codes: NDArray[np.int64]) -> str:
    total = np.bincount(codes)
    for value in np.unique(values).tolist():
        inside = np.bincount(codes[values == value], minlength=len(total))
        count, best = int(inside.sum()), int(inside.argmax())
        if count < 20 or inside[best] < _PURE * count:
            continue
        base = total[best] / len(codes)
        if inside[best] / count >= _LIFT * base:
            return f"its value {value:g}, in {count} rows, means one class that only {base:.1%} of all rows have"
    return ""


def _area(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of a column by itself (Mann-Whitney, ties halved)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ones = int(positive.sum())
    zeros = len(values) - ones
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros)) if ones and zeros else 0.5
