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
    from modelwright.prepare.step import Outcome


def write_samples(path: Path, gathered: Gathered, outcome: Outcome) -> None:
    """Write one row a sample, kept or dropped, in the order of the sources."""
    import pyarrow
    import pyarrow.parquet as parquet

    count = len(gathered)
    if gathered.categories:
        codes = pyarrow.array(outcome.labels, mask=outcome.labels < 0)
        labels = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(outcome.names, pyarrow.string()))
        labels = labels.cast(pyarrow.string())
    else:
        labels = pyarrow.array(outcome.labels, mask=np.isnan(outcome.labels))
    splits = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(outcome.splits, mask=outcome.splits < 0), pyarrow.array(split.NAMES)
    )
    annotations = ["source" if each < 0 else f"annotation:{each}" for each in gathered.annotations]
    columns: dict[str, Any] = {
        "id": pyarrow.array([gathered.id(place) for place in range(count)], pyarrow.string()),
        "source": pyarrow.array(np.array(gathered.sources, np.int32)),
        "path": gathered.paths.arrow(),
        "label": labels,
        "split": splits.cast(pyarrow.string()),
        "group": pyarrow.array([f"{key:016x}" for key in outcome.group_keys[outcome.groups].tolist()], pyarrow.string()),
        "status": pyarrow.array(np.where(outcome.kept, "kept", "dropped").tolist(), pyarrow.string()),
        "annotation": pyarrow.array(annotations, pyarrow.string()),
    }
    for name, values in gathered.measures.items():
        full = np.full(count, np.nan)
        full[: len(values)] = values
        columns[f"measure.{name}"] = pyarrow.array(full, mask=np.isnan(full))
    parquet.write_table(pyarrow.table(columns), path, compression="zstd", row_group_size=65536)


def write_issues(path: Path, decided: Sequence[Decided]) -> None:
    """Write one row an issue, the most severe first."""
    import pyarrow
    import pyarrow.parquet as parquet

    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("kind", pyarrow.string()),
            ("severity", pyarrow.float64()),
            ("sample", pyarrow.string()),
            ("path", pyarrow.string()),
            ("column", pyarrow.string()),
            ("message", pyarrow.string()),
            ("evidence", pyarrow.string()),
            ("suggestion", pyarrow.string()),
            ("decision", pyarrow.string()),
            ("decided_by", pyarrow.string()),
            ("why", pyarrow.string()),
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
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path, compression="zstd")
