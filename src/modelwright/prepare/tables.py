"""Writing ``samples.parquet`` and ``issues.parquet`` (``docs/formats.md``)."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.divide import split
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.scratch import parts
from modelwright.prepare.issues import Decided

if TYPE_CHECKING:
    from modelwright.prepare.outcome import Outcome


_ROWS = 65536
"""Rows of a row group; the table is made and written one at a time, since digests as text take most of the memory."""


def write_samples(path: Path, gathered: Gathered, outcome: Outcome) -> None:
    """Write one row a sample, kept or dropped, in the order of the sources."""
    import pyarrow as pa

    fields = [
        ("id", pa.string()),
        ("source", pa.int32()),
        ("path", pa.string()),
        ("label", pa.string() if gathered.coded or gathered.label_kind == "none" else pa.float64()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("status", pa.string()),
        ("annotation", pa.string()),
    ]
    found = outcome.division.times
    times = gathered.times.numbers() if found is None else found.values
    timed = not np.isnan(times).all()
    folds = outcome.division.folds
    before = _before(gathered)
    given = before is not None and _replaced(before, outcome.labels)
    if before is not None and given:
        fields.append(("given", fields[3][1]))
    if timed:
        fields.append(("time", pa.float64()))
    if folds is not None:
        fields.append(("fold", pa.int8()))
    fields += [(f"measure.{name}", pa.float64()) for name in gathered.measures]
    digests, annotations = gathered.digests(), np.asarray(gathered.annotations)
    measures = {name: np.frombuffer(values) for name, values in gathered.measures.items()}
    plain = ("id", "group", "path", "time", "measure.")  # nearly all different: a dictionary would only cost
    coded = [name for name, _ in fields if not name.startswith(plain)]
    schema = pa.schema(fields)
    with _written_behind(path, schema, coded) as write:
        for part in parts(len(gathered), digests, outcome.labels, outcome.group_keys, size=_ROWS):
            start, count = part.start, part.stop - part.start
            columns: dict[str, Any] = {
                "id": _hex(digests[part]),
                "source": pa.array(gathered.sources.part(start, part.stop)),
                "path": gathered.paths.part(start, count),
                "label": _labels(gathered, outcome.names, outcome.labels[part]),
                "split": _words(outcome.splits[part], split.NAMES),
                "group": _hex(outcome.group_keys[outcome.groups[part]].astype(">u8").view(np.uint8).reshape(-1, 8)),
                "status": _words((~outcome.kept[part]).astype(np.int8), ("kept", "dropped")),
                "annotation": _origins(annotations[part], outcome.fixed, start),
            }
            if before is not None and given:
                columns["given"] = _labels(gathered, outcome.names, _given(before[part], outcome.labels[part]))
            if timed:
                columns["time"] = pa.array(times[part], mask=np.isnan(times[part]))
            if folds is not None:
                columns["fold"] = pa.array(folds[part], mask=folds[part] < 0)
            for name, values in measures.items():
                full = np.full(count, np.nan)
                some = values[part]
                full[: len(some)] = some
                columns[f"measure.{name}"] = pa.array(full, mask=np.isnan(full))
            write(pa.table(columns, schema=schema))


@contextmanager
def _written_behind(path: Path, schema: Any, coded: Sequence[str]) -> Iterator[Callable[[Any], None]]:
    """Give what writes row groups in another thread, one at a time, while the next one is made."""
    from concurrent.futures import Future, ThreadPoolExecutor

    from pyarrow import parquet

    last: list[Future[None]] = []
    with (
        parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=coded) as writer,
        ThreadPoolExecutor(1, "samples") as thread,
    ):

        def write(table: Any) -> None:
            while last:
                last.pop().result()
            last.append(thread.submit(writer.write_table, table, row_group_size=_ROWS))

        yield write
        while last:
            last.pop().result()


def _hex(digests: NDArray[np.uint8]) -> Any:
    """Return ``(n, width)`` bytes as an Arrow array of hexadecimal texts."""
    import pyarrow as pa

    count, width = digests.shape
    text = hexlify(digests.tobytes())
    ends = np.arange(count + 1, dtype=np.int32) * (2 * width)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))


def _words(codes: NDArray[np.int8], names: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(list(names))).cast(pa.string())


def _before(gathered: Gathered) -> NDArray[Any] | None:
    """Return the labels as they were given; None where there are none."""
    if gathered.coded:
        return gathered.labels.numpy()
    return np.asarray(gathered.numbers) if gathered.label_kind == "number" else None


def _replaced(before: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Say whether prepare replaced any label."""
    return any(_changed(before[part], labels[part]).any() for part in parts(len(labels), before, labels))


def _changed(before: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    there = before >= 0 if before.dtype.kind == "i" else ~np.isnan(before)
    return np.asarray((before != labels) & there)


def _given(before: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that prepare replaced, as they were before; missing where it did not."""
    return np.where(_changed(before, labels), before, -1 if before.dtype.kind == "i" else np.nan)


def _labels(gathered: Gathered, names: Sequence[str], labels: NDArray[Any]) -> Any:
    """Return codes or numbers as labels; codes below 0 and NaN are missing."""
    import pyarrow as pa

    if gathered.label_kind == "none":
        return pa.nulls(len(labels), pa.string())
    if gathered.coded:
        codes = pa.array(labels, mask=labels < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(names), pa.string())).cast(pa.string())
    return pa.array(labels, mask=np.isnan(labels))


def _origins(annotations: NDArray[np.int64], fixed: Mapping[int, str], start: int) -> Any:
    """Return where the labels of some samples came from, in words."""
    import pyarrow as pa

    here = {place - start: issue for place, issue in fixed.items() if 0 <= place - start < len(annotations)}
    if not here and (annotations < 0).all():
        return pa.DictionaryArray.from_arrays(np.zeros(len(annotations), np.int32), ["source"]).cast(pa.string())
    words = ["source" if each < 0 else f"annotation:{each}" for each in annotations.tolist()]
    for place, issue in here.items():
        words[place] = f"fix:{issue}"
    return pa.array(words, pa.string())


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
