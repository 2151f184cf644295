"""Closed segments as Parquet: smaller, and readable by any tool that reads Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from modelwright.errors import MissingExtraError
from modelwright.store.files import READ, storage_errors, sync_file, sync_folder
from modelwright.store.locks import file_lock, held
from modelwright.store.logs.records import Damage, Frames, OnDamage, Record
from modelwright.store.logs.segments import Segment, list_segments, segments_lock
from modelwright.store.scratch import Scratch

GROUP_RECORDS = 4096
GROUP_BYTES = 16 << 20
COLUMNS = ("id", "time", "package", "sample", "media_type", "input", "output", "latency_us", "offset")


@dataclass(frozen=True)
class Compaction:
    """What one compaction did: segments and records moved to Parquet, and what could not be read.

    A segment with an unreadable stretch is kept beside its Parquet file as ``….wal.damaged``.
    """

    segments: int = 0
    records: int = 0
    damages: tuple[Damage, ...] = field(default_factory=tuple)


def parquet() -> Any:
    """Return ``pyarrow.parquet``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("a compacted prediction log", "train") from error
    return pyarrow.parquet


def compact(folder: Path, scratch: Scratch) -> Compaction:
    """Turn every closed segment of a log into Parquet; memory stays below about 100 MB whatever their size.

    A segment is removed only after its Parquet file is on the disk. Where both are there (a crash in between), readers
    take the Parquet file, and the next compaction removes the segment.
    """
    parquet()
    moved, records = 0, 0
    damages: list[Damage] = []
    with storage_errors("compact", folder), file_lock(folder, "compaction"):
        segments = list_segments(folder)
        for segment in segments:
            if segment.wal is None:
                continue
            if segment.parquet is not None:
                _remove(segment.wal, folder)
                continue
            handle = os.open(segment.wal, READ)
            try:
                if held(handle):
                    continue
                before = len(damages)
                temporary = scratch.new()
                count = _write(handle, segment.wal, temporary, damages.append)
            finally:
                os.close(handle)
            kept = len(damages) > before
            if count or segment is segments[-1]:
                _publish(segment, temporary, folder, kept=kept)
                moved, records = moved + 1, records + count
            else:
                temporary.unlink()
                if not kept:
                    _remove(segment.wal, folder)
    return Compaction(moved, records, tuple(damages))


def _write(handle: int, path: Path, temporary: Path, on_damage: OnDamage) -> int:
    """Write a segment's records to a new, flushed Parquet file and return how many they were."""
    schema = _schema()
    count = 0
    with parquet().ParquetWriter(
        temporary, schema, compression="zstd", use_dictionary=["package", "media_type"], write_page_checksum=True
    ) as writer:
        for group in groups(Frames(handle, str(path), closed=True, on_damage=on_damage)(0), GROUP_RECORDS):
            writer.write_table(_table(group, schema))
            count += len(group)
    sync_file(temporary)
    return count


def groups(
    records: Iterator[tuple[int, Record]], count: int, size: int = GROUP_BYTES
) -> Iterator[list[tuple[int, Record]]]:
    """Yield ``records`` in lists of at most ``count`` records, each about ``size`` bytes of input at most."""
    group: list[tuple[int, Record]] = []
    held_bytes = 0
    for offset, record in records:
        group.append((offset, record))
        held_bytes += len(record.input)
        if len(group) >= count or held_bytes >= size:
            yield group
            group, held_bytes = [], 0
    if group:
        yield group


def _schema() -> Any:
    import pyarrow as pa

    types = {"time": pa.int64(), "latency_us": pa.int64(), "offset": pa.int64()}
    types["input"] = pa.binary()
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])


def _table(group: list[tuple[int, Record]], schema: Any) -> Any:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [getattr(record, name) for _, record in group] for name in COLUMNS[:-1]}
    columns["output"] = [orjson.dumps(record.output).decode() for _, record in group]
    columns["offset"] = [offset for offset, _ in group]
    return pa.table([columns[name] for name in COLUMNS], schema=schema)


def _publish(segment: Segment, temporary: Path, folder: Path, *, kept: bool) -> None:
    assert segment.wal is not None
    with segments_lock(folder):
        temporary.rename(folder / f"{segment.sequence:010d}.parquet")
        sync_folder(folder)
        if kept:
            segment.wal.rename(segment.wal.with_suffix(".wal.damaged"))
        else:
            segment.wal.unlink()
        sync_folder(folder)


def _remove(path: Path, folder: Path) -> None:
    with segments_lock(folder), suppress(FileNotFoundError):
        path.unlink()
        sync_folder(folder)


def read_parquet(path: Path, start: int, batch: int, on_damage: OnDamage) -> Iterator[list[tuple[int, Record]]]:
    """Yield ``(offset, record)`` behind the offset ``start``, in lists; a row group that is damaged is reported."""
    for table in _row_groups(path, COLUMNS, on_damage, after=start):
        for piece in table.to_batches(max_chunksize=batch):
            rows = [row for row in piece.to_pylist() if row["offset"] > start]
            if rows:
                yield [(row["offset"], _record(row)) for row in rows]


def search_parquet(path: Path, column: str, wanted: set[str], on_damage: OnDamage) -> Iterator[Record]:
    """Yield the records whose ``column`` is one of ``wanted``; inputs are read only of the row groups that have one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.array(sorted(wanted), pa.string())
    for table in _row_groups(path, COLUMNS, on_damage, having=(column, values)):
        for row in table.filter(pc.is_in(table[column], value_set=values)).to_pylist():
            yield _record(row)


def _row_groups(
    path: Path,
    columns: tuple[str, ...],
    on_damage: OnDamage,
    after: int = 0,
    having: tuple[str, Any] | None = None,
) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    unreadable = (pa.ArrowException, OSError, ValueError)
    try:
        file = parquet().ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except unreadable:
        on_damage(Damage(str(path), 0, path.stat().st_size, "damaged"))
        return
    with file:
        place = file.schema_arrow.get_field_index("offset")
        for index in range(file.num_row_groups):
            group = file.metadata.row_group(index)
            first = group.column(0)
            statistics = group.column(place).statistics
            if statistics is not None and statistics.has_min_max and statistics.max <= after:
                continue
            try:
                if having is not None:
                    found = file.read_row_group(index, columns=[having[0]])[having[0]]
                    if not pc.any(pc.is_in(found, value_set=having[1])).as_py():
                        continue
                table = file.read_row_group(index, columns=list(columns))
            except unreadable:
                begin = first.dictionary_page_offset or first.data_page_offset
                size = sum(group.column(each).total_compressed_size for each in range(group.num_columns))
                on_damage(Damage(str(path), begin, size, "damaged"))
                continue
            yield table


def _record(row: dict[str, Any]) -> Record:
    return Record(
        row["id"],
        row["time"],
        row["package"],
        row["sample"],
        row["media_type"],
        row["input"],
        orjson.loads(row["output"]),
        row["latency_us"],
    )
