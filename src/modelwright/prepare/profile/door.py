"""From a path, or the address of a database, to a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.progress import SILENT, Progress

if TYPE_CHECKING:
    from modelwright.prepare.profile.engine import Gathered
    from modelwright.prepare.profile.facts import Profile
    from modelwright.prepare.profile.reading import Reading

_PATTERNS = 20
_MOST_ROWS = 1 << 40
"""Rows that are read at most: memory doesn't grow with them."""


def profile(
    source: str | Path, *, sheet: str | None = None, query: str | None = None, progress: Progress = SILENT
) -> Profile:
    """Return what is in a table.

    CSV and its like (also gzipped), JSON lines, Parquet, Arrow, Excel workbooks, and the addresses of SQLite and
    PostgreSQL databases. The file is read once, in bounded memory; twice if a column that began with numbers turns out
    to hold words.

    Parameters
    ----------
    source
        A path, or an address such as ``sqlite:///data.db``.
    sheet
        Of a workbook; default: the first.
    query
        Of a database: the SELECT whose rows are the table; default: its only table.

    Raises
    ------
    modelwright.errors.InputError
        If there is nothing there, or nothing that is a table.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "fruit.csv")
    >>> _ = path.write_text("fruit,grams\\napple,120\\npear,\\napple,99.5\\n")
    >>> found = profile(path)
    >>> found.rows, found.column("grams").missing, found.column("grams").numbers.mean
    (3, 1, 109.75)
    """
    reading, name, size = _open(str(source), sheet, query)
    return _profile(reading, name, size, progress)


def _open(source: str, sheet: str | None, query: str | None) -> tuple[Reading, str, int | None]:
    from modelwright.prepare.collect.typed import arrow

    arrow("profiling a table")
    if source.partition(":")[0].partition("+")[0] in {"sqlite", "postgresql", "postgres"} and ":" in source:
        return _of_database(source, query), source.rpartition("/")[2] or source, None
    if query is not None:
        raise InputError("--query goes with the address of a database", code="usage", hint="such as sqlite:///data.db")
    path = Path(source)
    try:
        size = path.stat().st_size
    except OSError as error:
        from modelwright.prepare.collect.regular import reason

        raise InputError(f"{path} cannot be read: {reason(error)}", code="no-such-path") from None
    if not path.is_file():
        raise InputError(
            f"{path} is not a file", code="no-such-path", hint="name the table inside, or mw init for a folder"
        )
    return _of_file(path, sheet, size), path.name, size


def _of_file(path: Path, sheet: str | None, size: int) -> Reading:
    from modelwright.prepare.collect.typed import ArrowTable, ParquetTable, typed_file
    from modelwright.prepare.profile.reading import Delimited
    from modelwright.prepare.profile.reading_typed import Columnar, Plain, rows_of_parquet

    typed = typed_file(path, str(path), sheet, _MOST_ROWS)
    if typed is None:
        opened = Delimited(path)
        opened.total = None if path.name.lower().endswith(".gz") else size
        return opened
    if isinstance(typed, (ParquetTable, ArrowTable)):
        return Columnar(path, typed, rows_of_parquet(path) if isinstance(typed, ParquetTable) else None)
    return Plain(typed.columns(), lambda: typed.rows(()))


def _of_database(address: str, query: str | None) -> Reading:
    from modelwright.prepare.collect import typing_columns
    from modelwright.prepare.collect.base import Settings
    from modelwright.prepare.collect.sql import SqlSource
    from modelwright.prepare.collect.typed import tallied
    from modelwright.prepare.profile.reading_typed import Plain

    def source(text: str) -> SqlSource:
        options: dict[str, Any] = {"query": text}
        settings = Settings(
            location=address, options=options, root=Path.cwd(), input="table", output="none", label=None, store=None
        )
        return SqlSource(settings)

    if query is None:
        query = _only_table(source)
    rows = source(query).rows
    types, _ = tallied(rows(), frozenset(typing_columns.MISSING), address)
    return Plain(types, rows)


def _only_table(source: Any) -> str:
    listing = (
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    try:
        names = [str(row["name"]) for row in source(listing).rows()]
    except InputError as error:
        if error.code != "database":
            raise
        raise InputError(error.message, code="database", hint="say which rows: --query 'SELECT …'") from None
    if len(names) != 1:
        some = ", ".join(names[:12]) or "none"
        raise InputError(
            f"the database has {len(names)} tables: {some}", code="bad-option", hint="--query 'SELECT * FROM …'"
        )
    quoted = names[0].replace('"', '""')
    return f'SELECT * FROM "{quoted}"'  # noqa: S608 - a name that the database gave, quoted


def _profile(reading: Reading, name: str, size: int | None, progress: Progress, threads: int | None = None) -> Profile:
    from modelwright.prepare.profile.engine import gather

    found = gather(reading, progress, f"profiling {name}", threads)
    return _finished(reading, found, name, size)


def _finished(reading: Reading, found: Gathered, name: str, size: int | None) -> Profile:
    from modelwright.prepare.profile import kinds, pairs
    from modelwright.prepare.profile.columns import Sizes
    from modelwright.prepare.profile.facts import Profile
    from modelwright.prepare.profile.findings import findings

    sizes = Sizes.of(len(reading.names))
    columns = [kinds.figures(column, sizes) for column in found.columns]
    some = [
        pairs.sampled(found, place, column, asked)
        for place, (column, asked) in enumerate(zip(columns, reading.asked, strict=True))
    ]
    related = pairs.pairs(found, columns, some)
    copies, copied, error = found.copies.counted()
    patterns, others = found.gaps.frequent(_PATTERNS)
    places = found.sample.rows()
    return Profile(
        name=name,
        bytes_on_disk=size,
        bytes_in_memory=found.bytes,
        rows=found.rows,
        complete_rows=found.gaps.complete,
        missing=sum(column.missing for column in columns),
        columns=tuple(columns),
        copies=copies,
        copies_error=error,
        copied=copied,
        patterns=tuple((tuple(reading.names[place] for place in each), count) for each, count in patterns),
        other_patterns=others,
        pairs=related,
        clouds=pairs.clouds(related, columns, some),
        findings=tuple(findings(found.rows, (copies, error), columns, found.columns, some, places, related)),
        rejected=dict(sorted(found.left.counts.items())),
        rejected_shown=tuple(found.left.shown),
        remarks=tuple(reading.remarks),
        head=tuple(map(tuple, found.head)),
        tail=tuple(map(tuple, found.tail)),
        sampled=len(places),
    )
