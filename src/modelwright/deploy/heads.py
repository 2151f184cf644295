"""Request heads that were parsed, admitted, and may be recognised when the same bytes come again.

A client that keeps its connection sends the same head with every request, but for the length of its body. What a head
means follows from its bytes alone, so a head that was parsed and admitted once need not be parsed a second time: its
meaning is looked up under its bytes, without the digits of ``content-length``. Anything that differs in any other byte
goes the parser's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.deploy.messages import Header, content_type_of

if TYPE_CHECKING:
    from modelwright.deploy.routes import Admitted

MOST_HEADS = 256
LONGEST_HEAD = 2048
"""Bytes of a head that is kept; so what is kept takes at most half a MiB."""
_END = b"\r\n\r\n"
_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_LONGEST_LENGTH = 12
"""Digits of a length."""
_NEVER = frozenset({b"authorization", b"expect", b"transfer-encoding", b"upgrade", b"content-encoding"})
"""Headers of heads that are not kept: a secret does not belong here, and the others are rare and are the parser's."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an admitted head said."""

    admitted: Admitted
    method: str
    path: bytes
    headers: tuple[Header, ...]
    """Without ``content-length``."""
    content_type: str


def split(data: bytes) -> tuple[bytes, int, int] | None:
    """Return ``(key, where the body begins, its length)`` of a request's first bytes.

    None where there is no whole head of a bounded size with one plain ``content-length`` line in it.

    Examples
    --------
    >>> split(b"POST / HTTP/1.1\\r\\nContent-Length: 2\\r\\nA: b\\r\\n\\r\\n{}")
    (b'POST / HTTP/1.1\\r\\nContent-Length: \\r\\nA: b\\r\\n\\r\\n', 44, 2)
    >>> split(b"GET / HTTP/1.1\\r\\n\\r\\n")
    """
    end = data.find(_END, 0, LONGEST_HEAD)
    if end < 0:
        return None
    start = end + 4
    place = data.find(_NAMES[0], 0, end)
    if place < 0:
        place = data.find(_NAMES[1], 0, end)
        if place < 0:
            return None
    place += 18
    stop = data.find(b"\r", place, start)
    digits = data[place:stop]
    if not digits.isdigit() or len(digits) > _LONGEST_LENGTH:
        return None
    return data[:place] + data[stop:start], start, int(digits)


class Heads:
    """The heads that are known; bounded, and begun anew when full, so that it follows what clients send now."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self.find = self._known.get

    def learn(
        self, key: bytes, length: int, admitted: Admitted, method: str, path: bytes, headers: Sequence[Header]
    ) -> None:
        """Keep an admitted head, if it is of the plain kind and the parser understood it as :func:`split` did.

        Parameters
        ----------
        key, length
            From :func:`split`, of a request that came in one piece.
        path, headers
            As the parser gave them.
        """
        names = [name for name, _ in headers]
        lengths = [value for name, value in headers if name == b"content-length"]
        if not _NEVER.isdisjoint(names) or len(lengths) != 1 or not lengths[0].isdigit() or int(lengths[0]) != length:
            return
        lines = key.replace(b"\r\n", b"")
        if b"\r" in lines or b"\n" in lines:  # where the head ends must not be a matter of taste
            return
        if len(self._known) >= MOST_HEADS:
            self._known.clear()
        kept = tuple(header for header in headers if header[0] != b"content-length")
        self._known[key] = Known(admitted, method, path, kept, content_type_of(kept))
