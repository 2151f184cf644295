"""The sheets of an ``.xlsx`` workbook as a stream of rows, in bounded memory and time (ECMA-376, part 1, 18).

Read here and not by openpyxl, which makes a cell for each place that the file says there is up to the last one, keeps
a row's whole tree of XML, and so turns a few kilobytes into hours; its functions for number formats are used. Nothing
is resolved, fetched or computed: a document that declares entities is refused, and of formulas the value counts that
was saved with them.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO
from xml.parsers import expat

from modelwright.errors import InputError
from modelwright.prepare.collect.delimited import LONGEST_FIELD
from modelwright.prepare.collect.regular import FREE_ROWS, MOST_COLUMNS

LARGEST_WORKBOOK = 512 << 20
"""Bytes that a workbook may have when unpacked."""
RATIO, CREDIBLE = 100, 32 << 20
"""Beyond so many times its size and so many bytes it is a bomb: workbooks unpack to 5 to 30 times their size."""
MOST_STRINGS = 5_000_000
MOST_CHARACTERS = 128 << 20
"""Texts that cells share, and their characters: they are held in memory."""
DEEPEST = 64
_PIECE = 1 << 16
_LONGEST_FORMAT = 1000
_BUILT_IN = 164
"""Numbers of formats from which on a workbook has its own."""

Start = Callable[[str, dict[str, str]], None]
Cells = dict[int, Any]


class Workbook:
    """A workbook, opened: its sheets by name.

    Parameters
    ----------
    file
        A path, or a seekable file.
    where
        The source and the file, for messages.

    Raises
    ------
    InputError
        ``corrupt``, or ``bomb``.
    """

    def __init__(self, file: Any, where: str, size: int) -> None:
        self._where = where
        try:
            self._archive = zipfile.ZipFile(file)
            self._names = {info.filename: info for info in self._archive.infolist()}
        except Exception as error:  # noqa: BLE001 - the library meets whatever the bytes are with whatever it likes
            raise self._damaged(str(error).split("\n", 1)[0][:200] or type(error).__name__) from None
        unpacked = sum(info.file_size for info in self._names.values())
        if unpacked > LARGEST_WORKBOOK or (unpacked > CREDIBLE and unpacked > RATIO * size):
            self.close()
            raise InputError(
                f"{where} unpacks to {unpacked:,} bytes, {unpacked // max(size, 1):,} times its size",
                code="bomb",
                hint="save it as CSV or Parquet",
            )
        self.sheets: dict[str, str] = {}
        self._strings: list[str] | None = None
        self._styles = ""
        self._shared = ""
        self._since_1904 = False
        try:
            self._look()
            self._dates, self._lengths = self._formats()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _damaged(self, what: str) -> InputError:
        return InputError(f"{self._where} is not readable as a workbook: {what}", code="corrupt")

    def _open(self, name: str) -> BinaryIO:
        info = self._names.get(name)
        if info is None:
            raise self._damaged(f"it has no {name[:100]}")
        try:
            return self._archive.open(info)  # type: ignore[return-value]
        except Exception as error:  # noqa: BLE001 - encrypted, packed in an unknown way, a header that lies …
            raise self._damaged(f"{name[:100]}: {str(error)[:200]}") from None

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._open(name) as file:
            while True:
                try:
                    piece = file.read(_PIECE)
                except Exception as error:  # noqa: BLE001 - as above
                    raise self._damaged(f"{name[:100]} is damaged: {str(error)[:200]}") from None
                if not piece:
                    return
                yield piece

    def _parser(self, start: Start, end: Callable[[str], None], text: Callable[[str], None]) -> Any:
        """Return a parser that calls back with names without their namespaces."""
        parser = expat.ParserCreate(namespace_separator=" ")
        depth = 0

        def opened(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > DEEPEST:
                raise self._damaged(f"its XML is nested deeper than {DEEPEST}")
            start(name.rpartition(" ")[2], attributes)

        def closed(name: str) -> None:
            nonlocal depth
            depth -= 1
            end(name.rpartition(" ")[2])

        def refuse(*_about: object) -> int:
            raise InputError(f"{self._where} declares entities, as a workbook never does", code="bomb")

        parser.buffer_text = True
        parser.StartElementHandler = opened
        parser.EndElementHandler = closed
        parser.CharacterDataHandler = text
        parser.EntityDeclHandler = refuse
        parser.UnparsedEntityDeclHandler = refuse
        parser.ExternalEntityRefHandler = refuse
        return parser

    def _parse(self, name: str, parser: Any) -> Iterator[None]:
        """Feed a part to a parser, a piece at a time."""
        try:
            for piece in self._pieces(name):
                parser.Parse(piece, False)  # noqa: FBT003 - expat's own signature
                yield
            parser.Parse(b"", True)  # noqa: FBT003
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise self._damaged(f"{name[:100]} is no XML: {str(error)[:200]}") from None
        yield

    def _elements(self, name: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the elements of a small part, by name, with their attributes."""
        found: list[tuple[str, dict[str, str]]] = []
        parser = self._parser(lambda name, attributes: found.append((name, attributes)), _nothing, _nothing)
        for _ in self._parse(name, parser):
            yield from found
            found.clear()

    def _related(self, name: str) -> dict[str, tuple[str, str]]:
        """Return what a part refers to: id to kind and path."""
        folder, base = posixpath.split(name)
        rels = f"{folder}/_rels/{base}.rels".lstrip("/")
        if rels not in self._names:
            return {}
        found = {}
        for element, attributes in self._elements(rels):
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = kind, path
        return found

    def _look(self) -> None:
        """Find the sheets, the shared texts and the styles."""
        root = next((path for kind, path in self._related("").values() if kind == "officeDocument"), "xl/workbook.xml")
        related = self._related(root)
        for kind, path in related.values():
            if kind == "sharedStrings":
                self._shared = path
            elif kind == "styles":
                self._styles = path
        for element, attributes in self._elements(root):
            if element == "workbookPr":
                self._since_1904 = attributes.get("date1904") in {"1", "true"}
            elif element == "sheet":
                key = next((value for name, value in attributes.items() if name.endswith(" id")), "")
                kind, path = related.get(key, ("", ""))
                if kind == "worksheet" and path in self._names:
                    self.sheets.setdefault(attributes.get("name", ""), path)
        if not self.sheets:
            raise self._damaged("it has no sheet")

    def _formats(self) -> tuple[frozenset[int], frozenset[int]]:
        """Return the numbers of the styles that show dates, and of those that show lengths of time."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format

        if self._styles not in self._names:
            return frozenset(), frozenset()
        own: dict[int, str] = {}
        dates, lengths = set(), set()
        inside, number = False, 0
        for element, attributes in self._elements(self._styles):
            if element == "numFmt":
                own[_whole(attributes.get("numFmtId"), 0)] = attributes.get("formatCode", "")[:_LONGEST_FORMAT]
            elif element in {"cellXfs", "cellStyleXfs", "cellStyles", "dxfs"}:
                inside = element == "cellXfs"
            elif element == "xf" and inside:
                kind = _whole(attributes.get("numFmtId"), 0)
                form = own.get(kind) if kind in own or kind >= _BUILT_IN else BUILTIN_FORMATS.get(kind)
                if form and is_timedelta_format(form):
                    lengths.add(number)
                elif form and is_date_format(form):
                    dates.add(number)
                number += 1
        return frozenset(dates), frozenset(lengths)

    def _texts(self) -> list[str]:
        """Return the texts that cells share."""
        if self._strings is not None:
            return self._strings
        made: list[str] = []
        collected = _Collected({"t"})
        characters = 0

        def end(name: str) -> None:
            nonlocal characters
            collected.end(name)
            if name == "si":
                made.append(collected.taken())
                characters += len(made[-1])
                if len(made) > MOST_STRINGS or characters > MOST_CHARACTERS:
                    raise self._damaged(f"it has more than {MOST_STRINGS:,} texts, or {MOST_CHARACTERS:,} characters")

        if self._shared in self._names:
            for _ in self._parse(self._shared, self._parser(collected.start, end, collected.text)):
                continue
        self._strings = made
        return made

    def rows(self, sheet: str) -> Iterator[tuple[int, Cells]]:
        """Yield the rows of a sheet that hold something: number from 1, and cells by column from 0.

        Raises
        ------
        InputError
            Where it turns out to be damaged, or has too many columns or rows.
        """
        reader = _Rows(self._texts(), self._value, self._where)
        for _ in self._parse(self.sheets[sheet], self._parser(reader.start, reader.end, reader.collected.text)):
            yield from reader.done
            reader.done.clear()

    def _value(self, text: str, style: int) -> Any:
        """Return what a cell with a number shows."""
        from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

        try:
            number = float(text)
        except ValueError:
            return text
        if style in self._dates or style in self._lengths:
            epoch = CALENDAR_MAC_1904 if self._since_1904 else CALENDAR_WINDOWS_1900
            try:
                return from_excel(number, epoch, timedelta=style in self._lengths)
            except (ValueError, OverflowError):
                return "#VALUE!"
        whole = text.strip()
        return int(whole) if len(whole) <= 20 and whole.lstrip("+-").isdecimal() else number


class _Collected:
    """Gathers the text of some elements; readings of Asian texts (``rPh``) are no part of it."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self._open = self._aside = 0
        self._parts: list[str] = []
        self._length = 0

    def start(self, name: str, _attributes: Mapping[str, str]) -> None:
        self._open += name in self._wanted
        self._aside += name == "rPh"

    def end(self, name: str) -> None:
        self._open -= name in self._wanted
        self._aside -= name == "rPh"

    def text(self, found: str) -> None:
        if self._open and not self._aside:
            self._length += len(found)
            if self._length > LONGEST_FIELD:
                raise ValueError(f"a cell of more than {LONGEST_FIELD:,} characters")
            self._parts.append(found)

    def taken(self) -> str:
        made = "".join(self._parts)
        self._parts.clear()
        self._length = 0
        return made


class _Rows:
    """Makes rows of what a parser finds."""

    def __init__(self, texts: list[str], value: Callable[[str, int], Any], where: str) -> None:
        self.done: list[tuple[int, Cells]] = []
        self.collected = _Collected({"v", "t"})
        self._texts, self._value, self._where = texts, value, where
        self._row: Cells = {}
        self._number = self._seen = 0
        self._column = -1
        self._kind, self._style = "n", 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            place = attributes.get("r")
            self._column = self._column + 1 if place is None else _column(place)
            if not 0 <= self._column < MOST_COLUMNS:
                raise InputError(f"{self._where} has more than {MOST_COLUMNS:,} columns", code="too-many-columns")
            self._kind, self._style = attributes.get("t", "n"), _whole(attributes.get("s"), 0)
        elif name == "row":
            self._number = _whole(attributes.get("r"), self._number + 1)
            self._column = -1
        else:
            self.collected.start(name, attributes)

    def end(self, name: str) -> None:
        if name == "c":
            text = self.collected.taken()
            if text:
                self._row[self._column] = self._cell(text)
        elif name == "row":
            if self._row:
                self._seen += 1
                if self._seen > FREE_ROWS:
                    raise InputError(f"{self._where} has more than {FREE_ROWS:,} rows", code="too-many-rows")
                self.done.append((self._number, self._row))
            self._row = {}
        else:
            self.collected.end(name)

    def _cell(self, text: str) -> Any:
        if self._kind == "s":
            place = _whole(text, -1)
            if not 0 <= place < len(self._texts):
                raise ValueError(f"a cell with the text number {text[:20]!r} of {len(self._texts):,}")
            return self._texts[place]
        if self._kind == "b":
            return text.strip() not in {"0", "false"}
        return self._value(text, self._style) if self._kind == "n" else text


def _column(place: str) -> int:
    """Return the column of a cell's name from 0; -1 for what is none.

    Examples
    --------
    >>> _column("A1"), _column("AB12"), _column("?")
    (0, 27, -1)
    """
    number = 0
    for letter in place[:8]:
        if not "A" <= letter <= "Z":
            break
        number = 26 * number + ord(letter) - 64
    return number - 1


def _whole(text: str | None, other: int) -> int:
    if text is None or len(text) > 18:
        return other
    try:
        return int(text)
    except ValueError:
        return other


def _nothing(*_about: object) -> None:
    return
