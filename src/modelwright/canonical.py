"""Canonical JSON and BLAKE3 digests: the same value has the same bytes and the same name everywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from blake3 import blake3

CHUNK = 1 << 20
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8, one form per value.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON does not have.

    Examples
    --------
    >>> dumps({"b": 1, "a": [1.5, None]})
    b'{"a":[1.5,null],"b":1}'
    """
    return _ENCODER.encode(value).encode()


def digest_bytes(data: bytes | memoryview) -> str:
    """Return the BLAKE3 digest of ``data``: 64 hexadecimal characters.

    Examples
    --------
    >>> digest_bytes(b"")[:16]
    'af1349b9f5f9a1a6'
    """
    return blake3(data).hexdigest()


def digest_value(value: Any) -> str:
    """Return the digest of the canonical JSON of ``value``."""
    return digest_bytes(dumps(value))


def digest_file(path: str | os.PathLike[str]) -> str:
    """Return the BLAKE3 digest of a file, read in pieces of 1 MiB."""
    hasher = blake3()
    with Path(path).open("rb") as file:
        while piece := file.read(CHUNK):
            hasher.update(piece)
    return hasher.hexdigest()
