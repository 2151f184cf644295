"""Issues as the page shows them: the worst first, of every kind some, each with the row of its sample."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright.store.columns import Columns


@dataclass(frozen=True)
class Found:
    """One issue, as the page shows it."""

    id: str
    kind: str
    severity: float
    message: str
    path: str
    """Name in its source, without the source's number; empty for what is about no sample."""
    place: int
    """Row of the sample, or -1."""
    column: str | None
    evidence: Mapping[str, Any]
    suggestion: str
    decision: str
    by: str


def find(
    issues: Any,
    table: Columns,
    most: int,
    *,
    kind: str | None = None,
    but: str = "",
    decision: str | None = None,
    each_kind: int | None = None,
    samples: bool = False,
) -> list[Found]:
    """Return the ``most`` most severe issues.

    Parameters
    ----------
    issues
        ``issues.parquet`` as an Arrow table.
    table
        ``samples.parquet``.
    kind, decision
        Of this kind, with this decision alone.
    but
        Not of this kind.
    each_kind
        At most so many of each kind.
    samples
        About single samples alone.
    """
    from pyarrow import compute

    if samples:
        issues = issues.filter(compute.is_valid(issues["sample"]))
    if kind is not None:
        issues = issues.filter(compute.equal(issues["kind"], kind))
    if but:
        issues = issues.filter(compute.not_equal(issues["kind"], but))
    if decision is not None:
        issues = issues.filter(compute.equal(issues["decision"], decision))
    if each_kind is not None:
        issues = issues.take(_first_of_each(issues["kind"], each_kind))
    chosen = issues.slice(0, most)
    places = _places(table, chosen["path"].to_pylist(), chosen["sample"].to_pylist())
    return [_found(row, place) for row, place in zip(chosen.to_pylist(), places, strict=True)]


def _found(row: Mapping[str, Any], place: int) -> Found:
    return Found(
        row["id"],
        row["kind"],
        row["severity"],
        row["message"],
        (row["path"] or "").partition("/")[2],
        place,
        row["column"],
        json.loads(row["evidence"]),
        row["suggestion"],
        row["decision"],
        row["decided_by"],
    )


def _places(table: Columns, paths: Sequence[str | None], ids: Sequence[str | None]) -> list[int]:
    """Return the rows of the samples that issues are about, -1 where there is none."""
    wanted = {path.partition("/")[2] for path, each in zip(paths, ids, strict=True) if path and each}
    rows, names = table.find("path", wanted)
    sources = table.take("source", rows).to_pylist()
    known = {f"{source}/{name}": place for source, name, place in zip(sources, names, rows, strict=True)}
    return [known.get(path or "", -1) if each else -1 for path, each in zip(paths, ids, strict=True)]


def _first_of_each(kinds: Any, most: int) -> Any:
    import pyarrow as pa

    codes = np.asarray(kinds.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False))
    chosen = [np.flatnonzero(codes == code)[:most] for code in np.unique(codes)]
    return pa.array(np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64))
