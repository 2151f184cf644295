"""Fingerprints of sources that are a few files: only files whose stat changed are hashed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect.base import printable, reason

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index


def files_digest(index: Index, key: str, paths: Sequence[Path], where: str) -> str:
    """Return the digest of the files' names and contents.

    Parameters
    ----------
    key
        What the index knows them by.
    where
        The source, for messages.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    stats = []
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            raise InputError(f"{where}: {path} cannot be opened: {reason(error)}", code="unreadable") from None
        stats.append((os.fsencode(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns))
    mark = canonical.digest_value([[printable(stat[0]), *stat[1:]] for stat in stats])
    known = index.listing(key, mark)
    if known is None:
        seen = index.known(key, [stat[0] for stat in stats])
        parts, fresh = [], []
        for stat in stats:
            entry = seen.get(stat[0])
            if entry is not None and entry[:4] == stat[1:]:
                digest = entry[4]
            else:
                digest = _digest(stat[0], where)
                fresh.append((stat, digest))
            parts.append([printable(os.path.basename(stat[0])), digest])  # noqa: PTH119 - bytes
        index.remember_files(key, fresh)
        known = canonical.digest_value(parts)
        index.remember_listing(key, mark, known)
    return known


def _digest(path: bytes, where: str) -> str:
    try:
        return canonical.digest_file(os.fsdecode(path))
    except OSError as error:
        raise InputError(f"{where}: {printable(path)} cannot be read: {reason(error)}", code="unreadable") from None
