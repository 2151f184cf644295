"""Writing ``samples.parquet`` and ``issues.parquet`` (``docs/formats.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright import canonical
from modelwright.prepare import split
from modelwright.prepare.gather import Gathered
from modelwright.prepare.issues import Decided

if TYPE_CHECKING:
    from modelwright.prepare.outcome import Outcome


def write_samples(path: Path, gathered: Gathered, outcome: Outcome) -> None:
    """Write one row a sample, kept or dropped, in the order of the sources."""
    import pyarrow as pa
    from pyarrow import parquet

    count = len(gathered)
    if gathered.label_kind == "none":
        labels = pa.nulls(count, pa.string())
    elif gathered.coded:
        codes = pa.array(outcome.labels, mask=outcome.labels < 0)
        labels = pa.DictionaryArray.from_arrays(codes, pa.array(outcome.names, pa.string()))
        labels = labels.cast(pa.string())
    else:
        labels = pa.array(outcome.labels, mask=np.isnan(outcome.labels))
    splits = pa.DictionaryArray.from_arrays(pa.array(outcome.splits, mask=outcome.splits < 0), pa.array(split.NAMES))
    annotations = ["source" if each < 0 else f"annotation:{each}" for each in gathered.annotations]
    for place, issue in outcome.fixed.items():
        annotations[place] = f"fix:{issue}"
    columns: dict[str, Any] = {
        "id": pa.array([gathered.id(place) for place in range(count)], pa.string()),
        "source": pa.array(np.array(gathered.sources, np.int32)),
        "path": gathered.paths.arrow(),
        "label": labels,
        "split": splits.cast(pa.string()),
        "group": pa.array([f"{key:016x}" for key in outcome.group_keys[outcome.groups].tolist()], pa.string()),
        "status": pa.array(np.where(outcome.kept, "kept", "dropped").tolist(), pa.string()),
        "annotation": pa.array(annotations, pa.string()),
    }
    given = _given(gathered, outcome)
    if given is not None:
        columns["given"] = given
    found = outcome.division.times
    times = gathered.times.numbers() if found is None else found.values
    if not np.isnan(times).all():
        columns["time"] = pa.array(times, mask=np.isnan(times))
    if outcome.division.folds is not None:
        columns["fold"] = pa.array(outcome.division.folds, mask=outcome.division.folds < 0)
    for name, values in gathered.measures.items():
        full = np.full(count, np.nan)
        full[: len(values)] = values
        columns[f"measure.{name}"] = pa.array(full, mask=np.isnan(full))
    parquet.write_table(pa.table(columns), path, compression="zstd", row_group_size=65536)


def _given(gathered: Gathered, outcome: Outcome) -> Any:
    """Return the labels that prepare replaced, as they were before; null where it did not, None if nowhere."""
    import pyarrow as pa

    if gathered.coded:
        before = gathered.labels.numpy()
        same = (before == outcome.labels) | (before < 0)
        codes = pa.array(before, mask=same)
        found = pa.DictionaryArray.from_arrays(codes, pa.array(outcome.names, pa.string())).cast(pa.string())
    elif gathered.label_kind == "number":
        numbers = np.array(gathered.numbers)
        same = (numbers == outcome.labels) | np.isnan(numbers)
        found = pa.array(numbers, mask=same)
    else:
        return None
    return None if same.all() else found


def write_issues(path: Path, decided: Sequence[Decided]) -> None:
    """Write one row an issue, the most severe first."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            ("id", pa.string()),
            ("kind", pa.string()),
            ("severity", pa.float64()),
            ("sample", pa.string()),
            ("path", pa.string()),
            ("column", pa.string()),
            ("message", pa.string()),
            ("evidence", pa.string()),
            ("suggestion", pa.string()),
            ("decision", pa.string()),
            ("decided_by", pa.string()),
            ("why", pa.string()),
        ]
    )
    rows = [
        {
            "id": each.issue.id,
            "kind": each.issue.kind,
            "severity": float(each.issue.severity),
            "sample": each.issue.sample,
            "path": each.issue.path or None,
            "column": each.issue.column,
            "message": each.issue.message,
            "evidence": canonical.dumps(dict(each.issue.evidence)).decode(),
            "suggestion": each.issue.advice.suggestion,
            "decision": each.decision,
            "decided_by": each.by,
            "why": each.issue.advice.why,
        }
        for each in decided
    ]
    parquet.write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")
