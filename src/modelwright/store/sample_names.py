"""File names as text that can be stored anywhere and turned back into the operating system's bytes."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes


def printable(name: bytes) -> str:
    """Return a file name as text that :func:`os_path` turns back.

    Names that are not UTF-8 (any byte but ``/`` and NUL is allowed in one), or hold control characters, are written
    percent-encoded after ``bytes:``.

    Examples
    --------
    >>> printable("a b/ü.png".encode()), printable(b"caf\\xe9.png")
    ('a b/ü.png', 'bytes:caf%E9.png')
    >>> os_path(printable(b"caf\\xe9.png"))
    b'caf\\xe9.png'
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + quote_from_bytes(name, safe="/ ")
    if text.startswith("bytes:") or not text.isprintable():
        return "bytes:" + quote_from_bytes(name, safe="/ ")
    return text


def os_path(name: str) -> bytes:
    """Return the bytes of a file name that :func:`printable` wrote."""
    return unquote_to_bytes(name[6:]) if name.startswith("bytes:") else name.encode()
