"""JSON of any size, in bounded memory: the elements of its long lists one by one.

The standard decoder is asked for one value at a time from a window of the text, and for a longer window where a value
does not end within it. So the parsing is done in C, and memory is bounded by the largest single element.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

WINDOW = 1 << 18
LONGEST = 64 << 20
"""Characters of the longest single element."""
_BLANKS = re.compile(r"[ \t\r\n]*")
_NUMBER = "0123456789.eE+-"
_LONGEST_TAIL = 8
"""Characters behind what looks like a number from which it is one."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""The escape of half a character; two of them are one."""
_DECODER = json.JSONDecoder()


def storable(value: Any) -> Any:
    """Return a JSON value with ``?`` for halves of characters, which UTF-8 cannot write.

    Examples
    --------
    >>> storable({"a\\ud800": ["b", 1, "\\udc80"]})
    {'a?': ['b', 1, '?']}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    return value


class JsonError(Exception):
    """The text is no JSON, or has a single element that is too long."""


class _Text:
    """A window into a file's text that moves on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.at = 0
        self.ended = False
        self._taken = 0

    def more(self, least: int) -> None:
        """Read until ``least`` characters lie ahead, or the file ends."""
        pieces = [self.text[self.at :]]
        self._taken += self.at
        have = len(pieces[0])
        while have < least and not self.ended:
            try:
                data = self._file.read(WINDOW)
                piece = self._decode.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise JsonError(f"is not UTF-8 (after {self._taken + have:,} characters: {error.reason})") from None
            except OSError as error:
                raise JsonError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
            self.ended = not data
            pieces.append(piece)
            have += len(piece)
        self.text, self.at = "".join(pieces), 0

    def peek(self) -> str:
        """Return the next character that is no blank, without taking it; empty at the end."""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]  # it always matches
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.more(WINDOW)

    def take(self, wanted: str) -> str:
        """Take the next character, which must be one of ``wanted``."""
        found = self.peek()
        if not found or found not in wanted:
            what = f"{found!r}" if found else "the end"
            raise self.wrong(f"{what} where {' or '.join(repr(each) for each in wanted)} should be")
        self.at += 1
        return found

    def value(self) -> Any:
        """Take the next value, however it is nested."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                trouble = error.msg
            except RecursionError:
                raise self.wrong("is nested too deeply") from None
            except ValueError as error:  # a number of more digits than Python turns into one
                raise self.wrong(str(error).split(";", maxsplit=1)[0]) from None
            else:
                # A number may go on behind the window's end, of which "0." or "1e" shows a part.
                whole = len(self.text) - end > _LONGEST_TAIL or self.text[end:].strip(_NUMBER)
                if whole or self.ended or not isinstance(found, (int, float)):
                    halves = _HALF.search(self.text, self.at, end)
                    self.at = end
                    return self._storable(found) if halves else found
                trouble = "a number that does not end"
            ahead = len(self.text) - self.at
            if self.ended:
                raise self.wrong(trouble)
            if ahead > LONGEST:
                raise self.wrong(f"one element has more than {LONGEST:,} characters, or is broken ({trouble})")
            self.more(2 * ahead + WINDOW)

    def _storable(self, found: Any) -> Any:
        try:
            return storable(found)
        except RecursionError:
            raise self.wrong("is nested too deeply") from None

    def wrong(self, what: str) -> JsonError:
        """Return the error, with its place."""
        return JsonError(f"is no JSON: {what} (near character {self._taken + self.at:,})")


def elements(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Yield ``(key, value)`` of a top-level object, where a list gives one pair an element; of a list, keys are empty.

    An empty list gives nothing.

    Raises
    ------
    JsonError
        With the reason and the place, when it is come upon.

    Examples
    --------
    >>> import io
    >>> list(elements(io.BytesIO(b'{"a": [1, {"b": 2}], "c": "d"}')))
    [('a', 1), ('a', {'b': 2}), ('c', 'd')]
    """
    text = _Text(file)
    if text.peek() == "[":
        yield from _list(text, "")
    else:
        text.take("{")
        if text.peek() == "}":
            text.take("}")
        else:
            more = ","
            while more == ",":
                key = text.value()
                if not isinstance(key, str):
                    raise text.wrong("a key that is no text")
                text.take(":")
                if text.peek() == "[":
                    yield from _list(text, key)
                else:
                    yield key, text.value()
                more = text.take(",}")
    if text.peek():
        raise text.wrong("something follows the end")


def _list(text: _Text, key: str) -> Iterator[tuple[str, Any]]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    more = ","
    while more == ",":
        yield key, text.value()
        more = text.take(",]")


def keys(file: BinaryIO, most: int = 1 << 16) -> frozenset[str]:
    """Return the keys of a top-level object, or of the first object in a top-level list, that the first bytes show.

    For telling what a file is; nothing is raised for what is broken.

    Examples
    --------
    >>> import io
    >>> sorted(keys(io.BytesIO(b'{"images": [{"id": 1}], "annotations": [')))
    ['annotations', 'images']
    """
    head = file.read(most).decode("utf-8-sig", "replace")
    found = set()
    depth = 0
    listed = head.lstrip()[:1] == "["
    at = 0
    while at < len(head):
        sign = head[at]
        if sign == '"':
            end = at + 1
            while end < len(head) and head[end] != '"':
                end += 2 if head[end] == "\\" else 1
            rest = head[end + 1 : end + 20].lstrip()
            if rest[:1] == ":" and depth == (2 if listed else 1):
                found.add(head[at + 1 : end])
            at = end
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if listed and depth == 1:
                break
        at += 1
    return frozenset(found)
