"""What is odd in a column's values: codes for "missing", and values that hardly occur."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.clean.column_whole import Whole
from modelwright.prepare.issues import Issue

_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_LEAST = 3
"""Times a code must occur to be one."""
_FEW_DISTINCT = 20
_MOST_ZEROS = 0.6
"""Share of zeros beyond which zero is the usual value, and real."""
_MOST = 400_000
_GAP = 3.0
"""How many times wider the gap beside a code is than the usual step between neighbouring values."""


def hidden_missing(column: Whole) -> Iterator[Issue]:
    """Yield ``hidden-missing`` where a value stands apart from all others as a code does.

    A zero counts where the column is never negative, has at least 20 different values, and the smallest positive one is
    more than three usual steps away; 99, 999, -1 … where they are the largest or smallest value and as far away.
    """
    name, rows = column.name, len(column.values)
    if column.kind == "text":
        for word, count in column.coded.items():
            yield _hidden(name, word, count, rows)
        return
    known = column.present
    if known > _MOST:
        # Codes stand at the ends or at zero: with these three beside an even sample, nothing is overlooked.
        present = column.known(np.linspace(0, known - 1, _MOST).astype(np.int64))
        present = np.concatenate([present, [column.low, column.high], np.zeros(int(column.count(0) > 0))])
    else:
        present = column.known(np.arange(known))
    for code, count, more in codes(np.unique(present), known, column.count):
        yield _hidden(name, code, count, rows, more)


def codes(distinct: NDArray[np.float64], known: int, count: Callable[[float], int]) -> Iterator[tuple[float, int, str]]:
    """Yield numbers that stand for "missing": what, how often, and what lies beside it; see :func:`hidden_missing`.

    Parameters
    ----------
    distinct
        Different values, sorted; of very many a part, with the ends and zero.
    known
        Cells with a value.
    count
        Gives how often a value occurs.
    """
    if len(distinct) < _FEW_DISTINCT:
        return
    step = float(np.median(np.diff(distinct)))
    rest = distinct[distinct > 0]
    apart = len(rest) and float(rest[0]) > _GAP * step
    if distinct[0] == 0 and apart and _LEAST <= (zeros := count(0)) <= _MOST_ZEROS * known:
        yield 0, zeros, f"; the next value is {rest[0]:g}"
    for place, beside in ((0, 1), (-1, -2)):
        code = float(distinct[place])
        if code not in _CODES:
            continue
        spread = float(distinct[-1 if place == 0 else -2] - distinct[1 if place == 0 else 0])
        lonely = abs(code - distinct[beside]) > max(_GAP * step, 0.5 * spread if abs(code) > 1 else 0)
        lonely |= code < 0 and float(distinct[1]) >= 0 and place == 0  # the only negative value
        if lonely and (often := count(code)) >= _LEAST:
            yield code, often, f"; the next value is {distinct[beside]:g}"


def _hidden(name: str, code: Any, count: int, rows: int, more: str = "") -> Issue:
    shown = f"{code:g}" if isinstance(code, float) else repr(code)
    return Issue(
        "hidden-missing",
        round(min(0.4 + count / rows, 0.8), 3),
        f"column {name!r}: {shown} occurs {count} times and probably means 'missing'{more}",
        column=name,
        evidence={"code": code, "count": count, "rows": rows},
    )


def rare_categories(column: Whole) -> Iterator[Issue]:
    """Yield ``rare-category`` for the words of a column that occur in less than one row of a thousand."""
    rows = len(column.values)
    if not 2 <= column.distinct <= 100 or rows < 1000:
        return
    counts = dict(zip(column.words, column.counts.tolist(), strict=True))
    rare = {word: count for word, count in counts.items() if count < 0.001 * rows}
    if rare:
        listed = ", ".join(f"{word!r} ({count})" for word, count in sorted(rare.items(), key=lambda each: each[1])[:8])
        yield Issue(
            "rare-category",
            0.3,
            f"column {column.name!r}: {len(rare)} of {len(counts)} values occur in less than one row of a thousand: "
            f"{listed}",
            column=column.name,
            evidence={"values": dict(sorted(rare.items(), key=lambda each: each[1])[:50])},
        )
