"""Gathering: all sources into columns, one pass, in bounded memory.

A sample costs some hundred bytes here whatever it is; pictures and rows themselves are not kept. Rows of tables go
straight to ``rows.parquet``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.chronology import Moments
from modelwright.prepare.collect.base import Block, Blocked, Item, Rejected, Source
from modelwright.prepare.collect.regular import MOST_ROWS
from modelwright.prepare.collect.typing_columns import widest
from modelwright.prepare.index import Index
from modelwright.prepare.issues import Issue
from modelwright.prepare.scan import Scan, Scanner
from modelwright.progress import Progress
from modelwright.store.dataset import ROW_TEXT
from modelwright.tasks.base import LabelKind, Labels, Modality, Tabular, UndecodableError
from modelwright.tasks.modalities.cells import FLOAT32_MAX

_CHUNK = 8192
_TEXT_GROUP = 32_000_000
_NO_TEXT: Mapping[str, Any] = {ROW_TEXT: None}
_ARROW = {"integer": "int64", "number": "double", "text": "string"}


class Texts:
    """A long list of texts, kept as Arrow chunks."""

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._open: list[str] = []

    def append(self, text: str) -> None:
        """Add one."""
        self._open.append(text)
        if len(self._open) == _CHUNK:
            self._close()

    def extend(self, prefix: str, first: int, count: int) -> None:
        """Add ``<prefix>#<first>``, ``<prefix>#<first + 1>`` …"""
        import pyarrow as pa
        from pyarrow import compute

        self._close()
        numbers = pa.array(np.arange(first, first + count)).cast(pa.string())
        self._chunks.append(compute.binary_join_element_wise(prefix, numbers, "#"))

    def _close(self) -> None:
        import pyarrow as pa

        if self._open:
            self._chunks.append(pa.array(self._open, pa.string()))
            self._open = []

    def arrow(self) -> Any:
        """Return a ``pyarrow.ChunkedArray``."""
        import pyarrow as pa

        self._close()
        return pa.chunked_array(self._chunks, pa.string())


class Codes:
    """A long list of texts of which few are different: a number each."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self._codes = array("i")
        self._missing = 0
        """Missing ones before the first that is there: what a source never tells takes no memory."""

    @property
    def codes(self) -> array[int]:
        """The codes, -1 for missing."""
        if self._missing:
            self._codes = array("i", np.full(self._missing, -1, np.int32).tobytes())
            self._missing = 0
        return self._codes

    def append(self, text: str | None) -> None:
        """Add one; None is -1."""
        if text is None and not self._codes:
            self._missing += 1
            return
        self.codes.append(-1 if text is None else self.values.setdefault(text, len(self.values)))

    def extend(self, texts: Any, count: int) -> None:
        """Add an Arrow array of ``count`` texts; None: nothing but missing ones."""
        if texts is None and not self._codes:
            self._missing += count
            return
        if texts is None:
            self.codes.frombytes(np.full(count, -1, np.int32).tobytes())
            return
        coded = texts.dictionary_encode()
        self.extend_coded(coded.dictionary.to_pylist(), coded.indices)

    def extend_coded(self, words: Sequence[str | None], indices: Any) -> None:
        """Add an Arrow array of indices of ``words``; null and a word that is None are missing."""
        own = [-1 if word is None else self.values.setdefault(word, len(self.values)) for word in words]
        places = indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        self.codes.frombytes(np.array([*own, -1], np.int32)[places].tobytes())

    def numpy(self) -> NDArray[np.int64]:
        """Return ``(n,) int64`` codes."""
        return np.full(self._missing, -1, np.int64) if self._missing else np.array(self._codes, np.int64)


@dataclass
class Gathered:
    """Everything that was found, one entry a sample, in the order of the sources."""

    label_kind: LabelKind
    ids: bytearray = field(default_factory=bytearray)
    sources: array[int] = field(default_factory=lambda: array("H"))
    paths: Texts = field(default_factory=Texts)
    labels: Codes = field(default_factory=Codes)
    numbers: array[float] = field(default_factory=lambda: array("d"))
    times: Moments = field(default_factory=Moments)
    begins: array[float] = field(default_factory=lambda: array("d"))
    """When samples begin that are stretches of time; as long as the last one of them."""
    """As the source tells them."""
    told: Codes = field(default_factory=Codes)
    """Splits as the source tells them."""
    groups: Codes = field(default_factory=Codes)
    annotations: array[int] = field(default_factory=lambda: array("q"))
    """Sequence number of the annotation behind a label; -1: the source itself."""
    unusable: bytearray = field(default_factory=bytearray)
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    hashed: bytearray = field(default_factory=bytearray)
    measures: dict[str, array[float]] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    faults: dict[tuple[str, str], array[int]] = field(default_factory=dict)
    """``(kind, what is wrong in words)`` to the places of samples whose label is missing or unusable."""
    columns: dict[str, str] = field(default_factory=dict)
    source_digests: list[str] = field(default_factory=list)
    scanner: str = ""
    _shown: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def coded(self) -> bool:
        """Whether labels are texts, a code each: class names, or canonical JSON."""
        return self.label_kind in {"class", "structured"}

    def id(self, place: int) -> str:
        """Return a sample's digest."""
        return self.ids[32 * place : 32 * place + 32].hex()

    def id_array(self) -> NDArray[Any]:
        """Return ``(n,)`` digests as ``V32``; not a copy, so nothing can be gathered any more while it is there."""
        return np.frombuffer(self.ids, "V32")

    def label(self, place: int) -> str | float | None:
        """Return a sample's label."""
        if not self.coded:
            value = self.numbers[place]
            return None if np.isnan(value) else value
        code = self.labels.codes[place]
        if len(self._shown) != len(self.labels.values):
            self._shown = self.names()
        return None if code < 0 else self._shown[code]

    def beginnings(self) -> NDArray[np.float64]:
        """Return ``(n,)`` when each sample begins, NaN where it is no stretch of time."""
        made = np.full(len(self), np.nan)
        made[: len(self.begins)] = self.begins
        return made

    def names(self) -> list[str]:
        """Return the labels by code: class names, or the texts of structured labels."""
        return list(self.labels.values)


class Gatherer:
    """Reads all sources of one task into :class:`Gathered`.

    Parameters
    ----------
    modality, target
        The task.
    index
        The scan cache.
    workers
        Threads that read and decode.
    group_by
        Returns a sample's group from its path, or None; from the spec's ``split.group``.
    labels
        Sample digest to ``(label, sequence number)``: what people and production said since; the newest wins.
    progress
        Who listens.
    """

    def __init__(
        self,
        modality: Modality,
        target: Labels,
        index: Index,
        workers: int,
        group_by: Any,
        labels: Mapping[str, tuple[Any, int]],
        progress: Progress,
    ) -> None:
        self._modality = modality
        self._target = target
        self._index = index
        self._workers = workers
        self._group_by = group_by
        self._labels = labels
        self._progress = progress
        self.found = Gathered(target.label_kind)
        self._tabular = isinstance(modality, Tabular)

    def run(self, sources: Sequence[Source], rows: Path) -> Gathered:
        """Read everything; ``rows`` is where the columns of tables are written."""
        surveys = [source.survey() for source in sources]
        types: dict[str, list[str]] = {}
        for survey in surveys:
            for remark in survey.remarks:
                self._progress.say(remark)
            for name, kind in survey.columns.items():
                types.setdefault(name, []).append(kind)
        self.found.columns = {name: widest(kinds) for name, kinds in types.items()}
        if self._tabular and not self.found.columns:
            raise InputError(
                "no source has columns to learn from", code="empty-source", hint="add a source of kind 'table'"
            )
        kept: Mapping[str, str] = {}
        if self._tabular:
            kept = self.found.columns
        elif any(source.kept == "rows" for source in sources):
            kept = {ROW_TEXT: "text"}
        with RowWriter(rows, kept, texts=not self._tabular) if kept else _NoRows() as writer:
            for number, source in enumerate(sources):
                self._progress.begin(f"reading source {number + 1} of {len(sources)}", None)
                before = len(self.found)
                self._read(number, source, writer)
                if len(self.found) == before and source.kind != "feedback":
                    self._nothing(number, source)
        return self.found

    def _nothing(self, number: int, source: Source) -> None:
        seen = [issue for issue in self.found.issues if issue.path.startswith(f"{number}/")]
        location = getattr(getattr(source, "settings", None), "location", "")
        why = f"; {len(seen)} were rejected, the first: {seen[0].message}" if seen else ""
        raise InputError(
            f"source '{source.kind}: {location}' holds no samples{why}",
            code="empty-source",
            hint="a folder source wants one folder a class, with files in it" if source.kind == "folder" else "",
        )

    def _read(self, number: int, source: Source, writer: Any) -> None:
        if self._tabular:
            stream: Iterator[Item | Block | Rejected] = (
                source.blocks(self.found.columns) if isinstance(source, Blocked) else source.items(self.found.columns)
            )
            for item in stream:
                if isinstance(item, Rejected):
                    self._reject(number, item)
                elif isinstance(item, Block):
                    self._take_block(number, item, writer)
                else:
                    self._take_row(number, item, writer)
            return
        items = source.items(self.found.columns)
        scanner = Scanner(self._index, source_key(source), self._modality, self._workers)
        self.found.scanner = scanner.name
        for taken, scan in scanner.run(items):
            self._progress.advance()
            if taken is None or isinstance(scan, Rejected):
                assert isinstance(scan, Rejected)
                self._reject(number, scan)
            else:
                self._take_scan(number, taken, scan)
                writer.add(taken.row or _NO_TEXT)
        if scanner.reused:
            self._progress.say(f"{scanner.reused} unchanged files were not read again, {scanner.read} were read")

    def _reject(self, number: int, rejected: Rejected) -> None:
        self.found.issues.append(
            Issue(
                rejected.kind,
                rejected.severity,
                rejected.message,
                path=f"{number}/{rejected.path}",
                column=rejected.column,
                evidence=rejected.evidence,
            )
        )

    def _take_row(self, number: int, item: Item, writer: Any) -> None:
        assert item.raw is not None
        assert item.row is not None
        self._progress.advance()
        digest = canonical.digest_bytes(item.raw)
        writer.add(item.row)
        self._take(number, item, digest, unusable=False)

    def _take_block(self, number: int, block: Block, writer: Any) -> None:
        from modelwright.prepare.collect import rowtext

        found, count, start = self.found, len(block.inputs), len(self.found)
        self._refuse_more(start + count)
        for batch in block.inputs.combine_chunks().to_batches():
            found.ids.extend(rowtext.digests(rowtext.texts(batch)))
        writer.add_table(block.inputs)
        found.sources.frombytes(np.full(count, number, np.uint16).tobytes())
        found.paths.extend(block.name, block.first, count)
        bad = self._take_labels(block, count, start)
        found.times.extend(block.time, count)
        found.told.extend(block.split, count)
        found.groups.extend(block.group, count)
        found.annotations.frombytes(np.full(count, -1, np.int64).tobytes())
        found.unusable.extend(bad.tobytes())
        if self._labels:
            self._take_statements(start, count)
        self._progress.advance(count)

    def _take_labels(self, block: Block, count: int, start: int) -> NDArray[Any]:
        """Take the labels of a block; return which are missing or unusable."""
        import pyarrow as pa
        import pyarrow.types as kinds

        found = self.found
        label = pa.nulls(count) if block.label is None else block.label
        label = label.combine_chunks() if isinstance(label, pa.ChunkedArray) else label
        if found.label_kind == "number" and kinds.is_floating(label.type):
            values = label.to_numpy(zero_copy_only=False).astype(np.float64)
            if np.isnan(values).all() or float(np.nanmax(np.abs(values))) < FLOAT32_MAX:
                found.labels.extend(None, count)
                found.numbers.frombytes(values.tobytes())
                self._fault("missing-label", "has no label", start + np.flatnonzero(np.isnan(values)))
                missing: NDArray[Any] = np.isnan(values)
                return missing
        coded = label.dictionary_encode()
        places = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
        read: list[Any] = []
        bad = np.zeros(len(coded.dictionary) + 1, bool)
        for place, raw in enumerate([*coded.dictionary.to_pylist(), None]):
            value, kind, message = self._label(raw)
            read.append(value)
            bad[place] = bool(kind)
            if kind:
                self._fault(kind, message, start + np.flatnonzero(places == place))
        if found.coded:
            found.labels.extend_coded(read, pa.array(places))
            found.numbers.frombytes(np.full(count, np.nan).tobytes())
        else:
            found.labels.extend(None, count)
            figures = np.array([np.nan if value is None else float(value) for value in read])
            found.numbers.frombytes(figures[places].tobytes())
        made: NDArray[Any] = bad[places]
        return made

    def _take_statements(self, start: int, count: int) -> None:
        """Put what people and production said in place of the labels of a block's samples."""
        found = self.found
        for place in range(start, start + count):
            said = self._labels.get(found.id(place))
            if said is None:
                continue
            value, kind, message = self._label(said[0])
            found.labels.codes[place] = (
                -1
                if value is None or not found.coded
                else found.labels.values.setdefault(value, len(found.labels.values))
            )
            found.numbers[place] = float(value) if value is not None and not found.coded else float("nan")
            found.annotations[place] = said[1]
            found.unusable[place] = bool(kind)
            for places in found.faults.values():
                if place in places:
                    places.remove(place)
            if kind:
                self._fault(kind, message, np.array([place]))

    def _label(self, raw: Any) -> tuple[Any, str, str]:
        """Return the canonical label, and kind and words of what is wrong with it (or nothing)."""
        try:
            label = self._target.read(raw)
        except UndecodableError as error:
            return None, "bad-label", f"has an unusable label: {error.problem.message}"
        if label is None and self.found.label_kind != "none":
            return None, "missing-label", "has no label"
        return label, "", ""

    def _fault(self, kind: str, message: str, places: NDArray[np.int64]) -> None:
        if len(places):
            self.found.faults.setdefault((kind, message), array("q")).frombytes(places.astype(np.int64).tobytes())

    @staticmethod
    def _refuse_more(samples: int) -> None:
        if samples > MOST_ROWS:
            raise InputError(
                f"the sources hold more than {MOST_ROWS:,} samples, the most that are taken",
                code="too-many-rows",
                hint="give a random sample of them",
            )

    def _take_scan(self, number: int, item: Item, scan: Scan) -> None:
        place = len(self.found)
        for problem in scan.problems:
            self.found.issues.append(
                Issue(
                    problem.kind,
                    problem.severity,
                    f"{item.path}: {problem.message}",
                    place,
                    scan.digest,
                    f"{number}/{item.path}",
                    evidence=problem.evidence,
                )
            )
        self._take(number, item, scan.digest, unusable=scan.fatal)
        self.found.hashes.append(scan.hash or 0)
        self.found.hashed.append(scan.hash is not None and not scan.fatal)
        for name, value in scan.measures.items():
            column = self.found.measures.setdefault(name, array("d"))
            column.extend([float("nan")] * (place - len(column)))
            column.append(value)

    def _take(self, number: int, item: Item, digest: str, *, unusable: bool) -> None:
        found = self.found
        place = len(found)
        self._refuse_more(place + 1)
        said = self._labels.get(digest)
        raw, sequence = (item.label, int(item.annotation.partition(":")[2] or -1)) if said is None else said
        label, kind, message = self._label(raw)
        if kind and not unusable:
            self._fault(kind, message, np.array([place]))
        found.ids.extend(bytes.fromhex(digest))
        found.sources.append(number)
        found.paths.append(item.path)
        found.labels.append(label if found.coded else None)
        found.numbers.append(float(label) if label is not None and not found.coded else float("nan"))
        found.times.append(item.time)
        if item.begins is not None:
            found.begins.extend([float("nan")] * (place - len(found.begins)))
            found.begins.append(item.begins)
        found.told.append(item.split)
        group = item.group if item.group is not None else self._group_by(item.path)
        found.groups.append(group)
        found.annotations.append(sequence)
        found.unusable.append(unusable or bool(kind))


def source_key(source: Source) -> str:
    """Return the key under which a source's files are indexed: the one its fingerprint uses."""
    settings = getattr(source, "settings", None)
    return f"{source.kind}:{getattr(settings, 'path', '')}"


class RowWriter:
    """Writes ``rows.parquet``: the columns of tables, in order, in row groups of 8,192.

    Of ``texts``, which may be long (windows of series are), groups end after 32 million characters too.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], *, texts: bool = False) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []
        self._tables: list[Any] = []
        self._held = 0
        self._texts, self._size = texts, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._flush()
        self._write(last=True)
        self._writer.close()

    def add_table(self, table: Any) -> None:
        """Add many rows, a ``pyarrow.Table`` with these columns."""
        self._flush()
        self._tables.append(table.select(self._schema.names).cast(self._schema))
        self._held += len(table)
        self._write(last=False)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        self._rows.append(row)
        if self._texts:
            self._size += len(row[ROW_TEXT] or "")
        if len(self._rows) == _CHUNK or self._size >= _TEXT_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            arrays = [pa.array([row[field.name] for row in self._rows], field.type) for field in self._schema]
            table = pa.Table.from_arrays(arrays, schema=self._schema)
            count, self._rows, self._size = len(self._rows), [], 0
            if self._texts:
                self._writer.write_table(table, row_group_size=count)
                return
            self._tables.append(table)
            self._held += count
            self._write(last=False)

    def _write(self, *, last: bool) -> None:
        """Write whole row groups, and at last what is left: the file does not depend on how rows came."""
        import pyarrow as pa

        count = self._held if last else self._held - self._held % _CHUNK
        if count:
            table = pa.concat_tables(self._tables)
            self._writer.write_table(table.slice(0, count).combine_chunks(), row_group_size=_CHUNK)
            self._tables = [table.slice(count)] if count < self._held else []
            self._held -= count


class _NoRows:
    def __enter__(self) -> Self:
        return self

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep nothing: this sample's bytes are in its source."""

    def __exit__(self, *exception: object) -> None:
        return


def columns_of(path: Path, names: Sequence[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, pyarrow.ChunkedArray)`` of a Parquet file, all columns or some, one in memory at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for name in file.schema_arrow.names if names is None else names:
            yield name, file.read(columns=[name], use_threads=False)[name]
