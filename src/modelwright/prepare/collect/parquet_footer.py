"""What a Parquet file says about itself, read without Arrow: its footer and the headers of its pages.

Arrow ends the whole process where the footer's statistics of sizes don't fit the schema, as soon as Python asks for a
column's metadata; and it believes what a page says of its unpacked size, however the footer differs. So both are read
here first: they are structures of Thrift's compact protocol (``parquet-format``, ``parquet.thrift``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelwright.errors import InputError

Pread = Callable[[int, int], bytes]
"""``(offset, count)`` to so many bytes of the file, or fewer at its end."""

LONGEST_FOOTER = 256 << 20
MOST_CHUNKS = 2_000_000
MOST_PAGES = 5_000_000
_DEEPEST = 16
_PAGE_HEADER = 64 << 10
"""Bytes of the longest page header; statistics of texts are in it."""
_PLAIN_DICTIONARY, _RLE_DICTIONARY = 2, 8
BYTE_ARRAY = 6
_HIGHEST_RATIO = {0: 1, 1: 22, 2: 1032, 5: 256, 7: 256}
"""By codec (none, Snappy, gzip, and LZ4's two), what one byte unpacks to at most; the others have no such bound."""
_STOP, _YES, _NO, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of one row group.

    Parameters
    ----------
    path
        The column's name; of nested ones the names on the way, with dots.
    physical
        Type in the file; 6 is bytes of any length.
    coded
        Whether its values are codes of a dictionary.
    values, packed, unpacked
        Cells, and bytes as they lie and unpacked, as the footer says.
    codec, start
        How it is compressed, and where its first page begins.
    """

    path: str
    physical: int
    coded: bool
    values: int
    packed: int
    unpacked: int
    codec: int
    start: int


@dataclass(frozen=True, slots=True)
class Group:
    """One row group."""

    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Footer:
    """What the file's end says is in it."""

    rows: int
    groups: tuple[Group, ...]


class _Compact:
    """Reads Thrift's compact protocol; whatever is wrong is a ``ValueError``, ``IndexError`` or ``struct.error``."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def varint(self) -> int:
        data, at, shift, value = self.data, self.at, 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                self.at = at
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number without end")

    def integer(self) -> int:
        found = self.varint()
        return (found >> 1) ^ -(found & 1)

    def binary(self) -> bytes:
        length = self.varint()
        if length > len(self.data) - self.at:
            raise ValueError("a text beyond the end")
        self.at += length
        return self.data[self.at - length : self.at]

    def listed(self) -> tuple[int, int]:
        """Return the kind and number of a list's elements."""
        head = self.data[self.at]
        self.at += 1
        count = head >> 4 if head >> 4 != 15 else self.varint()
        if count > len(self.data) - self.at:  # an element takes a byte at least
            raise ValueError("a list beyond the end")
        return head & 15, count

    def value(self, kind: int, depth: int = 0) -> Any:
        """Return a value of any kind: a structure as a dictionary by number, a map as nothing."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if kind in {_YES, _NO}:
            return kind == _YES
        if kind in {_I16, _I32, _I64}:
            return self.integer()
        if kind == _BINARY:
            return self.binary()
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in {_LIST, _SET}:
            inner, count = self.listed()
            if inner in {_YES, _NO, _BYTE}:
                self.at += count
                return []
            return [self.value(inner, depth + 1) for _ in range(count)]
        if kind == _MAP:
            count = self.varint()
            kinds = self.value(_BYTE) if count else 0
            for _ in range(min(count, len(self.data))):
                self.value(kinds >> 4, depth + 1)
                self.value(kinds & 15, depth + 1)
            return None
        if kind not in {_BYTE, _DOUBLE}:
            raise ValueError(f"a value of the unknown kind {kind}")
        size = 1 if kind == _BYTE else 8
        self.at += size
        return self.data[self.at - 1] if size == 1 else 0.0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self.data[self.at]:
            self.at += 1
            step = head >> 4
            number = number + step if step else self.integer()
            found[number] = self.value(head & 15, depth)
        self.at += 1
        return found


def read_footer(pread: Pread, size: int, where: str) -> Footer:
    """Return what the footer says.

    Parameters
    ----------
    size
        Bytes of the file.
    where
        The source and the file, for messages.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    tail = pread(max(0, size - 8), 8)
    length = int.from_bytes(tail[:4], "little") if len(tail) == 8 and tail[4:] == b"PAR1" else 0
    if not 0 < length <= size - 12:
        raise _corrupt(where, "its end, where its list of columns stands, is not there; it was probably cut off")
    if length > LONGEST_FOOTER:
        raise _corrupt(where, f"its list of columns has {length:,} bytes, more than {LONGEST_FOOTER:,}")
    try:
        found = _Compact(pread(size - 8 - length, length)).structure()
        groups = tuple(map(_group, found.get(4, ())))
        footer = Footer(_count(found[3]), groups)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise _corrupt(where, f"its list of columns is damaged ({type(error).__name__})") from None
    if sum(len(group.chunks) for group in groups) > MOST_CHUNKS:
        raise _corrupt(where, f"it has more than {MOST_CHUNKS:,} pieces of columns")
    return footer


def _group(found: dict[int, Any]) -> Group:
    return Group(_count(found[3]), tuple(_chunk(each[3]) for each in found.get(1, ())))


def _chunk(found: dict[int, Any]) -> Chunk:
    start = _count(found[9])
    dictionary = found.get(11)
    if isinstance(dictionary, int) and 0 < dictionary < start:
        start = dictionary
    return Chunk(
        path=b".".join(found[3]).decode("utf-8", "replace"),
        physical=int(found[1]),
        coded=not {_PLAIN_DICTIONARY, _RLE_DICTIONARY}.isdisjoint(found.get(2, ())),
        values=_count(found[5]),
        packed=_count(found[7]),
        unpacked=_count(found[6]),
        codec=int(found[4]),
        start=start,
    )


def _count(found: Any) -> int:
    if type(found) is not int or found < 0:
        raise ValueError("a count that is none")
    return found


def pages_unpack_to(pread: Pread, chunk: Chunk, enough: int, where: str) -> int:
    """Return the bytes that a chunk's pages say they unpack to; where it cannot be more than ``enough``, 0.

    Raises
    ------
    InputError
        If a page header is damaged, or lies outside the chunk.
    """
    ratio = _HIGHEST_RATIO.get(chunk.codec)
    if ratio is not None and chunk.packed * ratio <= enough:
        return 0
    at, stop, total, values, seen = chunk.start, chunk.start + chunk.packed, 0, 0, 0
    while at < stop and values < chunk.values:
        size = 256
        while True:
            reader = _Compact(pread(at, min(size, stop - at)))
            try:
                header = reader.structure()
                unpacked, packed = _count(header[2]), _count(header[3])
                data = header.get(5) or header.get(8) or {}
                values += _count(data.get(1, 0))
                break
            except (ValueError, IndexError, KeyError, TypeError, AttributeError):
                if size >= min(_PAGE_HEADER, stop - at):
                    raise _corrupt(where, f"a page of the column {chunk.path!r} is damaged") from None
                size *= 16
        seen += 1
        total += unpacked
        at += reader.at + packed
        if at > stop or seen > MOST_PAGES:
            raise _corrupt(where, f"the pages of the column {chunk.path!r} reach beyond it")
    return total


def _corrupt(where: str, what: str) -> InputError:
    return InputError(f"{where} is not readable as Parquet: {what}", code="corrupt")
