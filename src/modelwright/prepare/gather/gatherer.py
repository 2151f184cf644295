"""Gathering: all sources into columns, one pass, in bounded memory.

A sample costs some hundred bytes here whatever it is; pictures and rows themselves are not kept. Rows of tables go
straight to ``rows.parquet``.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.cache.scanned import Found
from modelwright.prepare.collect.base import Block, Blocked, Item, Rejected, Source, os_path
from modelwright.prepare.collect.listing import Files, Listed
from modelwright.prepare.collect.regular import most_samples, too_many
from modelwright.prepare.collect.typing_columns import widest
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.rows import NoRows, RowWriter
from modelwright.prepare.gather.scratch import Scratch
from modelwright.prepare.issues import Issue
from modelwright.prepare.scan import small_files
from modelwright.prepare.scan.columns import digest_array
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.prepare.scan.scanner import Scanner
from modelwright.progress import Progress
from modelwright.store.dataset import ROW_TEXT
from modelwright.tasks.abilities import Tabular
from modelwright.tasks.base import Labels, Modality, UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX

_NO_TEXT: Mapping[str, Any] = {ROW_TEXT: None}
_TAKEN = 65_536
"""Samples that are taken over at a time."""


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
        Returns a sample's group from its path, or None; from the spec's ``split.group``. None if it reads no groups.
    labels
        Sample digest to ``(label, sequence number)``: what people and production said since; the newest wins.
    progress
        Who listens.
    scratch
        Where large columns go; None: nowhere, they stay in memory.
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
        scratch: Scratch | None = None,
    ) -> None:
        self._modality = modality
        self._target = target
        self._index = index
        self._workers = workers
        self._group_by = group_by
        self._labels = labels
        self._progress = progress
        self.found = Gathered(target.label_kind, scratch or Scratch())
        self._tabular = isinstance(modality, Tabular)
        self._stated: NDArray[Any] | None = None
        self._most = most_samples()
        self.listed: set[int] = set()
        """Sources whose files were all taken by column, as they were listed."""
        self.moved: set[int] = set()
        """Those of them of which a file held something else when it was scanned than when it was listed."""

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
        with RowWriter(rows, kept, texts=not self._tabular) if kept else NoRows() as writer:
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
        scanner = Scanner(self._index, source_key(source), self._modality, self._workers)
        self.found.scanner = scanner.name
        files = source.files(self._index) if isinstance(source, Listed) else None
        if files is not None:
            self._take_files(number, files, scanner, writer)
            return
        items = source.items(self.found.columns)
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

    def _take_files(self, number: int, files: Files, scanner: Scanner, writer: Any) -> None:
        """Take all files of a folder by column; only those that were never scanned are read."""
        self.listed.add(number)
        for rejected in files.rejected:
            self._reject(number, rejected)
        digests = files.digests.copy()
        kept = np.ones(len(files), bool)
        scanned = self._index.scanned(scanner.name)
        self._scan(number, files, digests, kept, scanner)
        if (digests[kept] != files.digests[kept]).any():
            self.moved.add(number)
        read = max(scanner.read, files.scanned)
        if read < len(files):
            self._progress.say(f"{len(files) - read} unchanged files were not read again, {read} were read")
        places = np.flatnonzero(kept)
        rows = scanned.rows(digests[places])
        for start in range(0, len(places), _TAKEN):
            some = places[start : start + _TAKEN]
            try:
                found = scanned.take(rows[start : start + _TAKEN])
            except ValueError:  # damaged, and thrown away: what is needed of it is made again
                self._scan(number, files, digests, kept, scanner)
                rows = scanned.rows(digests[places])
                found = scanned.take(rows[start : start + _TAKEN])
            self._take_found(number, files, some, digests[some], found)
            for _ in range(len(some) if not isinstance(writer, NoRows) else 0):
                writer.add(_NO_TEXT)

    def _scan(
        self, number: int, files: Files, digests: NDArray[np.uint8], kept: NDArray[np.bool_], scanner: Scanner
    ) -> None:
        """Scan the files whose digest was never scanned; what they hold now is put into ``digests``."""
        missing = np.flatnonzero(kept & (self._index.scanned(scanner.name).rows(digests) < 0))
        size = int(files.sizes[missing].sum())
        if small_files.many(len(missing), size):
            self._scan_many(number, files, missing, digests, kept, scanner)
            return
        places = missing.tolist()
        for place, (_, scan) in zip(places, scanner.run_files(files.items(places), len(places), size), strict=True):
            self._progress.advance()
            if isinstance(scan, Rejected):
                self._cannot_read(number, place, scan, digests, kept)
            else:
                digests[place] = np.frombuffer(bytes.fromhex(scan.digest), np.uint8)

    def _scan_many(
        self,
        number: int,
        files: Files,
        missing: NDArray[np.int64],
        digests: NDArray[np.uint8],
        kept: NDArray[np.bool_],
        scanner: Scanner,
    ) -> None:
        """Scan many small files."""
        import pyarrow as pa

        names = [os_path(path) for path in files.paths.take(pa.array(missing)).to_pylist()]
        for part in scanner.run_many(os.fsencode(files.root), names):
            places = missing[part.first : part.first + len(part.digests)]
            self._progress.advance(len(places))
            for position, rejected in part.rejected.items():
                self._cannot_read(number, int(places[position]), rejected, digests, kept)
            digests[places[kept[places]]] = part.digests[kept[places]]

    def _cannot_read(
        self, number: int, place: int, rejected: Rejected, digests: NDArray[np.uint8], kept: NDArray[np.bool_]
    ) -> None:
        self._reject(number, rejected)
        kept[place] = False
        if digests[place].any():
            self.moved.add(number)

    def _take_found(
        self, number: int, files: Files, some: NDArray[np.int64], digests: NDArray[np.uint8], scans: Found
    ) -> None:
        """Take samples whose scans are known: ``some`` are their places in ``files``."""
        import pyarrow as pa

        found, count, start = self.found, len(some), len(self.found)
        self._refuse_more(start + count)
        at = pa.array(some)
        paths = files.paths.take(at)
        fatal = np.zeros(count, bool)
        for place, scan in scans.odd.items():
            fatal[place] = scan.fatal
            self._remark(number, paths[place].as_py(), start + place, scan)
        found.ids.extend(digests.tobytes())
        found.sources.extend(number, count)
        found.paths.extend_arrow(paths)
        bad = self._take_labels(files.labels.take(at), count, start, fatal)
        found.times.extend(None, count)
        found.told.extend(None, count)
        found.groups.extend(self._groups_of(paths), count)
        found.annotations.extend(None, count)
        found.unusable.extend((bad | fatal).tobytes())
        found.hashes.frombytes(scans.hashes.tobytes())
        found.hashed.extend((scans.hashed & ~fatal).tobytes())
        self._take_measures(scans, start, count)
        if self._labels:
            self._take_statements(start, count)
        self._progress.advance(count)

    def _take_measures(self, scans: Found, start: int, count: int) -> None:
        columns = dict(scans.measures)
        for place, scan in scans.odd.items():
            for name, value in scan.measures.items():
                columns.setdefault(name, np.full(count, np.nan))[place] = value
        for name, values in columns.items():
            column = self.found.measures.setdefault(name, array("d"))
            column.frombytes(np.full(start - len(column), np.nan).tobytes())
            column.frombytes(values.tobytes())

    def _groups_of(self, paths: Any) -> Any:
        """Return the groups that the spec reads from paths as an Arrow array, or None if it reads none."""
        import pyarrow as pa

        if self._group_by is None:
            return None
        return pa.array([self._group_by(path) for path in paths.to_pylist()], pa.string())

    def _take_row(self, number: int, item: Item, writer: Any) -> None:
        assert item.raw is not None
        assert item.row is not None
        self._progress.advance()
        digest = canonical.digest_bytes(item.raw)
        writer.add(item.row)
        self._take(number, item, digest, unusable=False)

    def _take_block(self, number: int, block: Block, writer: Any) -> None:
        import pyarrow as pa

        from modelwright.prepare.collect import rowtext

        found, count, start = self.found, len(block.inputs), len(self.found)
        self._refuse_more(start + count)
        for texts in rowtext.of_table(block.inputs) if block.texts is None else block.texts:
            found.ids.extend(rowtext.digests(texts))
        writer.add_table(block.inputs)
        found.sources.extend(number, count)
        found.paths.extend(block.name, block.first, count)
        label = pa.nulls(count) if block.label is None else block.label
        bad = self._take_labels(label, count, start, np.zeros(count, bool))
        found.times.extend(block.time, count)
        found.told.extend(block.split, count)
        found.groups.extend(block.group, count)
        found.annotations.extend(None, count)
        found.unusable.extend(bad.tobytes())
        if self._labels:
            self._take_statements(start, count)
        self._progress.advance(count)

    def _take_labels(self, label: Any, count: int, start: int, fatal: NDArray[np.bool_]) -> NDArray[Any]:
        """Take an Arrow array of labels; return which are missing or unusable, told but where a sample is ``fatal``."""
        import pyarrow as pa
        import pyarrow.types as kinds

        found = self.found
        label = label.combine_chunks() if isinstance(label, pa.ChunkedArray) else label
        if found.label_kind == "number" and kinds.is_floating(label.type):
            values = label.to_numpy(zero_copy_only=False).astype(np.float64)
            if np.isnan(values).all() or float(np.nanmax(np.abs(values))) < FLOAT32_MAX:
                found.labels.extend(None, count)
                found.numbers.extend(values, count)
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
                self._fault(kind, message, start + np.flatnonzero((places == place) & ~fatal))
        if found.coded:
            found.labels.extend_coded(read, pa.array(places))
            found.numbers.extend(None, count)
        else:
            found.labels.extend(None, count)
            figures = np.array([np.nan if value is None else float(value) for value in read])
            found.numbers.extend(figures[places], count)
        made: NDArray[Any] = bad[places]
        return made

    def _take_statements(self, start: int, count: int) -> None:
        """Put what people and production said in place of the labels of a block's samples."""
        found = self.found
        if self._stated is None:
            self._stated = digest_array(sorted(self._labels)).view("V32").ravel()
        mine = found.ids.part(start, start + count)
        for place in (start + np.flatnonzero(np.isin(mine, self._stated))).tolist():
            said = self._labels[found.id(place)]
            value, kind, message = self._label(said[0])
            if found.coded:
                found.labels[place] = value
            else:
                found.numbers[place] = float("nan") if value is None else float(value)
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

    def _refuse_more(self, samples: int) -> None:
        if samples > self._most:
            raise too_many("the sources hold", self._most)

    def _remark(self, number: int, path: str, place: int, scan: Scan) -> None:
        for problem in scan.problems:
            self.found.issues.append(
                Issue(
                    problem.kind,
                    problem.severity,
                    f"{path}: {problem.message}",
                    place,
                    scan.digest,
                    f"{number}/{path}",
                    evidence=problem.evidence,
                )
            )

    def _take_scan(self, number: int, item: Item, scan: Scan) -> None:
        place = len(self.found)
        self._remark(number, item.path, place, scan)
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
        found.sources.extend(number, 1)
        found.paths.append(item.path)
        found.labels.append(label if found.coded else None)
        found.numbers.append(float(label) if label is not None and not found.coded else float("nan"))
        found.times.append(item.time)
        if item.begins is not None:
            found.begins.extend([float("nan")] * (place - len(found.begins)))
            found.begins.append(item.begins)
        found.told.append(item.split)
        group = item.group
        if group is None and self._group_by is not None:
            group = self._group_by(item.path)
        found.groups.append(group)
        found.annotations.append(sequence)
        found.unusable.append(unusable or bool(kind))


def source_key(source: Source) -> str:
    """Return the key under which a source's files are indexed: the one its fingerprint uses."""
    settings = getattr(source, "settings", None)
    return f"{source.kind}:{getattr(settings, 'path', '')}"
