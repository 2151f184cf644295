"""What one pass over a sample's bytes found, and its form in bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwright.tasks.base import Problem


@dataclass(frozen=True)
class Scan:
    """What one pass found."""

    digest: str
    problems: tuple[Problem, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    fatal: bool = False
    """The bytes are no usable sample; ``problems`` says why."""
    hash: int | None = None
    sketch: bytes | None = None
    """As :meth:`modelwright.tasks.base.Sketched.sketch` made it, of samples that can be compared."""


def pack(scan: Scan) -> bytes:
    """Return a scan as bytes for the cache: the length of a JSON header, the header, the sketch."""
    header = json.dumps(
        {
            "problems": [[each.kind, each.severity, each.message, dict(each.evidence)] for each in scan.problems],
            "measures": dict(scan.measures),
            "fatal": scan.fatal,
            "hash": scan.hash,
        }
    ).encode()
    return struct.pack("<I", len(header)) + header + (scan.sketch or b"")


def unpack(digest: str, data: bytes) -> Scan:
    """Return what :func:`pack` wrote.

    Raises
    ------
    ValueError
        If the bytes are damaged.
    """
    try:
        (length,) = struct.unpack_from("<I", data)
        found = json.loads(data[4 : 4 + length])
        return Scan(
            digest,
            tuple(Problem(*each) for each in found["problems"]),
            found["measures"],
            found["fatal"],
            found["hash"],
            data[4 + length :] or None,
        )
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the scan of {digest} is damaged") from error
