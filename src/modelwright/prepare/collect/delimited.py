"""Delimited text as it is found in the wild: encoding, delimiter, header and line faults, in bounded memory."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Rejected, reason
from modelwright.prepare.collect.member_files import File
from modelwright.prepare.collect.regular import MOST_COLUMNS
from modelwright.prepare.collect.replayed import Replayed
from modelwright.store.packed.unpacked import watched

LONGEST_LINE = 8 << 20
"""Bytes of the longest line taken as a row; a longer one is skipped and reported."""
LONGEST_FIELD = 1 << 20
SAMPLE_BYTES = 256 << 10
NEEDS = "it needs a header and at least two rows"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff\xe0": "a picture",
    b"\xff\xd8\xff\xe1": "a picture",
    b"SQLi": "a database",
}
_CONTROLS = [bytes([code]) for code in range(1, 32) if code not in b"\t\n\v\f\r\x1a\x1b"]
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class Dialect:
    """How one file is written."""

    delimiter: str
    header: bool
    encoding: str
    """``utf-8`` (with lines that are not taken as Windows-1252), or what the spec or the byte order mark said."""
    bom: bool
    names: tuple[str, ...]
    remarks: tuple[str, ...]
    index_column: bool = False
    """The header is one name short: the first cell of each row is an unnamed index."""
    returns: bool = False
    """Lines end in CR alone, as old Macintosh programs (and Excel's "CSV (Macintosh)") write them."""
    literal: bool = False
    """Quotation marks are part of the cells: of a tab-separated file whose cells aren't quoted as CSV's are."""


@dataclass(frozen=True)
class Wanted:
    """What the spec says about a file; None where it says nothing."""

    delimiter: str | None = None
    header: bool | None = None
    encoding: str | None = None
    columns: tuple[str, ...] = ()


def open_bytes(path: File) -> BinaryIO:
    """Open a file for reading, decompressed on the way if its first bytes are gzip's."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened = path.open("rb")
    return watched(opened, "gzip", path) if packed else opened


def sniff(path: File, wanted: Wanted) -> Dialect:
    """Find out how ``path`` is written, from its first 256 KiB.

    Raises
    ------
    InputError
        If it is empty, no text, or its gzip stream is broken at the start.
    """
    head, whole = _head(path)
    if not head.strip(b"\0 \r\n\t"):
        raise InputError(f"table {path} is empty", code="empty-table", hint=NEEDS)
    encoding, bom, remarks = _encoding(head, wanted, path)
    text = _decoded(head, encoding).removeprefix("\ufeff")
    returns = "\n" not in text and "\r" in text
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) == 1 and len(head) >= LONGEST_LINE:
        raise _too_long(path, wanted.delimiter or _delimiter(lines))
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    delimiter = wanted.delimiter or _delimiter(lines[:200])
    if not wanted.delimiter:
        remarks.append(f"{path.name}: columns are separated by {_NAMES.get(delimiter, repr(delimiter))}")
    literal = delimiter == "\t" and _literal_quotes(lines)
    if literal:
        remarks.append(f"{path.name}: quotation marks are part of the cells: some begin one and don't end it")
    rows = _sample_rows(lines, delimiter, literal=literal)
    if not rows:
        raise InputError(f"table {path} has no rows", code="empty-table", hint=NEEDS)
    header = wanted.header
    if header is None:
        header, why = (False, "the spec names the columns") if wanted.columns else _has_header(rows)
        if wanted.columns and [cell.strip() for cell in rows[0]] == list(wanted.columns):
            header, why = True, "the first row repeats the names in the spec"
        remarks.append(f"{path.name}: {'the first row is the header' if header else 'there is no header'}: {why}")
    dialect = Dialect(delimiter, header, encoding, bom, (), (), returns=returns, literal=literal)
    return _named(dialect, rows, wanted, path, remarks)


def _decoded(head: bytes, encoding: str) -> str:
    """Return the sample as text: of UTF-8, with the lines that are not as :class:`Reader` reads them."""
    if encoding != "utf-8":
        return head.decode(encoding, "replace")
    try:
        return head.decode()
    except UnicodeDecodeError:
        return "".join(map(_other_line, head.splitlines(keepends=True)))


def _other_line(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # Windows-1252 leaves five bytes undefined; Latin-1 defines all, so this cannot fail.
        return raw.decode("latin-1" if set(raw) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "cp1252")


def _named(dialect: Dialect, rows: list[list[str]], wanted: Wanted, path: File, remarks: list[str]) -> Dialect:
    widths = Counter(len(row) for row in rows[1 if dialect.header else 0 :])
    usual = widths.most_common(1)[0][0] if widths else len(rows[0])
    if max(usual, len(rows[0])) > MOST_COLUMNS:
        raise InputError(
            f"table {path} has {max(usual, len(rows[0])):,} columns, more than {MOST_COLUMNS:,}",
            code="too-many-columns",
            hint="is the delimiter right? set 'delimiter:'; or leave columns out before",
        )
    index_column = False
    if wanted.columns:
        names = list(wanted.columns)
        if len(names) != usual:
            raise InputError(
                f"table {path}: the spec names {len(names)} columns, the rows have {usual}", code="column-count"
            )
    elif dialect.header:
        names = [cell.strip() for cell in rows[0]]
        if len(names) == usual - 1:
            index_column = True
            remarks.append(f"{path.name}: the header is one name short; the first column is taken as an unnamed index")
        names = [name or f"column{place}" for place, name in enumerate(names, 1)]
    else:
        names = [f"column{place}" for place in range(1, usual + 1)]
        remarks.append(f"{path.name}: columns are named column1 … column{usual}; name them with 'columns:'")
    return replace(dialect, names=tuple(names), remarks=tuple(remarks), index_column=index_column)


def _head(path: File) -> tuple[bytes, bool]:
    head = bytearray()
    ended = False
    try:
        with open_bytes(path) as file:
            # The first line of a wide table can be longer than the sample.
            while len(head) < SAMPLE_BYTES or (len(head) < LONGEST_LINE and not ended):
                piece = file.read(1 << 12)  # small, so that little of a broken gzip stream is lost
                if not piece:
                    return bytes(head), True
                ended = ended or (bool(head) and (b"\n" in piece or b"\r" in piece))
                head += piece
            return bytes(head), False
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if head:
            return bytes(head), False  # what is there is used; the reader reports where it ends
        raise InputError(f"table {path}: the gzip stream is broken: {error}", code="corrupt") from None
    except OSError as error:
        raise InputError(f"table {path} cannot be read: {reason(error)}", code="unreadable") from None


def _too_long(path: File, delimiter: str) -> InputError:
    """Return the error for a file whose first line does not end soon enough; the line is read to its end to say so."""
    size = columns = 0
    with contextlib.suppress(EOFError, zlib.error, OSError), open_bytes(path) as file:
        while piece := file.readline(LONGEST_LINE):
            size += len(piece)
            columns += piece.count(delimiter.encode())
            if piece.endswith((b"\n", b"\r")):
                break
    if columns >= MOST_COLUMNS:
        return InputError(
            f"table {path} has {columns + 1:,} columns in its first line, more than {MOST_COLUMNS:,}",
            code="too-many-columns",
            hint="is the delimiter right? set 'delimiter:'; or leave columns out before",
        )
    return InputError(
        f"table {path}: its first line has {size:,} bytes, more than {LONGEST_LINE:,}",
        code="too-large",
        hint="is this a table, one row a line?",
    )


def _encoding(head: bytes, wanted: Wanted, path: File) -> tuple[str, bool, list[str]]:
    remarks: list[str] = []
    for mark, name in _BOMS:
        if head.startswith(mark):
            remarks.append(f"{path.name}: encoded as {name}, said by its byte order mark")
            return name, True, remarks
    if wanted.encoding:
        try:
            return codecs.lookup(wanted.encoding).name, False, remarks
        except LookupError:
            raise InputError(
                f"table {path}: there is no encoding {wanted.encoding!r}",
                code="bad-option",
                hint="for example utf-8 or cp1252",
            ) from None
    if head.count(b"\0") > len(head) // 4:
        even = head[0::2].count(b"\0") > head[1::2].count(b"\0")
        name = "utf-16-be" if even else "utf-16-le"
        if b"\0\0\0" in head:
            raise InputError(f"table {path} is not text (it is full of NUL bytes)", code="wrong-format")
        remarks.append(f"{path.name}: encoded as {name}, seen by its NUL bytes")
        return name, False, remarks
    if what := _no_table(head):
        raise InputError(
            f"table {path} is not delimited text but {what}",
            code="wrong-format",
            hint="CSV, TSV, JSON lines, Parquet, Arrow and Excel are read",
        )
    return "utf-8", False, remarks


def _no_table(head: bytes) -> str:
    """Return what bytes are that are no delimited text; empty for what may be."""
    if (known := _MAGIC.get(head[:4])) is not None:
        return known
    if head[:64].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML or XML page"
    # Text has tabs, line ends and form feeds, and hardly another control character, whatever its encoding.
    return "binary data" if sum(map(head.count, _CONTROLS)) > len(head) // 50 else ""


def _delimiter(lines: Sequence[str]) -> str:
    # A comma that is really a decimal comma splits rows as evenly as the true delimiter does, so the rarer characters,
    # which hardly occur in data by chance, are believed first. One that is not in the first line divides what is inside
    # of the cells, such as tags, and is believed last.
    best, best_share = ",", 0.0
    for delimiter in ("\t", ";", "|", ","):
        rows = _sample_rows(lines, delimiter)
        widths = Counter(map(len, rows))
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        share = count / widths.total()
        if width > 1 and share >= 0.98 and len(rows[0]) > 1:
            return delimiter
        if width > 1 and share > best_share:
            best, best_share = delimiter, share
    return best


def _literal_quotes(lines: Sequence[str]) -> bool:
    """Whether a tab-separated file quotes nothing: some cells begin a quotation and don't end it, and yet nearly all
    lines have as many cells, which they have not where quoted cells go on in the next line.
    """
    if not any(map(_unquoted, lines)):
        return False
    widths = Counter(line.count("\t") for line in lines if line.strip())
    return widths.most_common(1)[0][1] >= 0.98 * widths.total()


def _unquoted(line: str) -> bool:
    """Whether a line of a tab-separated file has a cell that begins with a quotation mark and isn't quoted by it."""
    if '"' not in line:
        return False
    cells = [cell.strip(" ") for cell in line.rstrip("\r\n").split("\t")]
    return any(cell.startswith('"') and not _QUOTED.fullmatch(cell) for cell in cells)


_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def _sample_rows(lines: Sequence[str], delimiter: str, *, literal: bool = False) -> list[list[str]]:
    if literal:
        return [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip()]
    rows, longest = _parsed(lines, delimiter)
    if longest > 1 and longest * 2 > len(lines):  # a quote that is not closed swallows what follows
        rows = [row for line in lines for row in _parsed([line], delimiter)[0]]
    return rows


def _parsed(lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], int]:
    """Return the rows, and the number of lines of the longest."""
    rows: list[list[str]] = []
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    longest = before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return rows, longest
        except csv.Error:
            continue
        longest, before = max(longest, reader.line_num - before), reader.line_num
        if row:
            rows.append(row)


def _has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    first = [cell.strip() for cell in rows[0]]
    for cell in first:
        if NUMBER.match(cell):
            return False, f"its first row holds the number {cell}"
    below = [row for row in rows[1:200] if len(row) >= len(first)]
    for place, name in enumerate(first):
        cells = [row[place].strip() for row in below if row[place].strip()]
        if cells and sum(bool(NUMBER.match(cell)) for cell in cells) > 0.8 * len(cells):
            return True, f"{name!r} stands over a column of numbers"
    again = sum(any(row[place].strip() == name for row in below) for place, name in enumerate(first))
    if again and again * 2 >= len(first):
        return False, "the values of its first row come again below"
    return True, "its words don't come again below"


class _Returns(io.RawIOBase):
    """Bytes with every CR read as a line end."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(data)] = data
        return len(data)


class Reader:
    """Streams one file's rows: ``(line number, cells)``, and what cannot be a row as :class:`Rejected`.

    After the stream is read, ``other_encoding`` is the number of lines that were not UTF-8 (read as Windows-1252) with
    the first such line in ``other_line``; ``literal`` that of lines with quotation marks taken as text because
    they quote nothing, with the first in ``literal_line``.
    """

    def __init__(self, path: File, dialect: Dialect) -> None:
        self._path = path
        self._dialect = dialect
        self.other_encoding = 0
        self.other_line = 0
        self.literal = 0
        self.literal_line = 0
        self._faults: list[Rejected] = []
        self._line = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]] | Rejected]:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
        width = len(self._dialect.names) + self._dialect.index_column
        lines = Replayed(self._lines(), LONGEST_LINE)
        options: dict[str, Any] = {"delimiter": self._dialect.delimiter, "skipinitialspace": True}
        if self._dialect.literal:
            options["quoting"] = csv.QUOTE_NONE
        reader = csv.reader(lines, **options)
        skip = self._dialect.header
        while True:
            start = self._line + 1 - len(lines.waiting)
            lines.begin()
            row: list[str] = []
            problem = ""
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                problem = str(error)
            finally:
                yield from self._faults
                self._faults.clear()
            several = len(lines.taken) > 1 or lines.cut
            if several and (problem or (width and len(row) != width) or lines.unclosed(row)):
                # A quote that is never closed makes one row of all that follows: only its own line is given up.
                problem = f"opens a quote that is not closed before line {start + len(lines.taken)}"
                lines.again()
                reader = csv.reader(lines, **options)
                alone = lines.taken[0].rstrip("\r\n").split(self._dialect.delimiter)
                if len(alone) == width:
                    row, problem = alone, ""
                    self._literal_in(start)
            elif problem:
                reader = csv.reader(lines, **options)
            if problem:
                name = self._path.name
                yield Rejected(
                    f"{name}#line{start}", "corrupt", f"{name} line {start}: {problem}", evidence={"line": start}
                )
            elif row and not skip:
                if self._dialect.literal and _unquoted(lines.taken[0]):
                    self._literal_in(start)
                yield start, row
            skip = skip and not (row or problem)

    def _literal_in(self, line: int) -> None:
        self.literal += 1
        self.literal_line = self.literal_line or line

    def _lines(self) -> Iterator[str]:
        strict = self._dialect.encoding == "utf-8"
        try:
            with open_bytes(self._path) as opened:
                if self._dialect.encoding.startswith("utf-16"):
                    yield from self._wide_lines(opened)
                    return
                file = cast("BinaryIO", io.BufferedReader(_Returns(opened))) if self._dialect.returns else opened
                while raw := file.readline(LONGEST_LINE):
                    self._line += 1
                    if len(raw) >= LONGEST_LINE and not raw.endswith(b"\n"):
                        self._skip(file)
                        continue
                    if self._line == 1 and self._dialect.bom:
                        raw = raw.removeprefix(codecs.BOM_UTF8)
                    if b"\0" in raw:
                        self._fault("nul-bytes", "holds NUL bytes", {"count": raw.count(b"\0")})
                        continue
                    yield self._text(raw, strict)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fault("corrupt", f"the gzip stream ends here ({error}); what came before is used", {})
        except OSError as error:
            raise InputError(f"table {self._path} cannot be read: {reason(error)}", code="unreadable") from None

    def _text(self, raw: bytes, strict: bool) -> str:
        try:
            return raw.decode(self._dialect.encoding)
        except UnicodeDecodeError:
            self.other_encoding += 1
            self.other_line = self.other_line or self._line
            # Windows-1252 leaves five bytes undefined; Latin-1 defines all, so this cannot fail.
            return raw.decode("cp1252" if strict and not set(raw) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1")

    def _wide_lines(self, file: BinaryIO) -> Iterator[str]:
        with io.TextIOWrapper(file, self._dialect.encoding, errors="replace", newline="") as text:
            while line := text.readline(LONGEST_LINE):
                self._line += 1
                if len(line) >= LONGEST_LINE and line[-1] not in "\r\n":
                    self._skip_wide(text)
                    continue
                yield line.removeprefix("\ufeff") if self._line == 1 else line

    def _skip(self, file: BinaryIO) -> None:
        size = LONGEST_LINE
        while piece := file.readline(LONGEST_LINE):
            size += len(piece)
            if piece.endswith(b"\n"):
                break
        self._fault("too-large", f"is {size} bytes long, more than {LONGEST_LINE}", {"bytes": size})

    def _skip_wide(self, text: io.TextIOWrapper) -> None:
        size = LONGEST_LINE
        while piece := text.readline(1 << 20):
            size += len(piece)
            if piece[-1] in "\r\n":
                break
        self._fault("too-large", f"is {size} characters long, more than {LONGEST_LINE}", {"characters": size})

    def _fault(self, kind: str, what: str, evidence: dict[str, int]) -> None:
        name, line = self._path.name, self._line
        self._faults.append(
            Rejected(f"{name}#line{line}", kind, f"{name} line {line} {what}", evidence={"line": line, **evidence})
        )
