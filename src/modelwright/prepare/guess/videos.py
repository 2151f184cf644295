"""Guessing recordings: a video file, or a folder or archive of them, perhaps in class folders. By names alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from modelwright.errors import InputError
from modelwright.store.packed import archive_kind, open_archive
from modelwright.store.sample_names import printable

ENDINGS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".wmv", ".flv", ".ogv", ".3gp",
)  # fmt: skip
"""Names of recordings; not ``.ts``, which is TypeScript as often."""
_LOOKED_AT = 5000


@dataclass(frozen=True)
class Recordings:
    """What was found: whether the recordings lie in class folders, and why that is thought."""

    classes: bool
    reasons: list[str]


def guess(path: Path) -> Recordings | None:
    """Return what a path holds if most of its files are recordings, or None."""
    if path.is_file() and path.name.lower().endswith(ENDINGS):
        return Recordings(classes=False, reasons=[f"{path.name} is a recording: its frames are pictures"])
    if path.is_file() and not archive_kind(path):
        return None
    names = list(islice(_in_folder(path) if path.is_dir() else _in_archive(path), _LOOKED_AT))
    films = [name.split("/") for name in names if name.lower().endswith(ENDINGS)]
    found, files = len(films), len(names)
    if not found or 2 * found < files:
        return None
    if not path.is_dir() and len({parts[0] for parts in films}) == 1 and any(len(parts) > 2 for parts in films):
        films = [parts[1:] for parts in films]  # as the source passes over a single top folder of an archive
    inside = sorted({parts[0] for parts in films if len(parts) > 1})
    classes = len(inside) >= 2 and all(len(parts) > 1 for parts in films)
    what = f"{found} of {files} files are recordings: their frames are pictures, a second apart"
    where = (
        f"they lie in {len(inside)} folders, so each is a class ({', '.join(inside[:6])})"
        if classes
        else "they don't lie in class folders, so nothing says what is to be predicted: the output is none"
    )
    return Recordings(classes=classes, reasons=[what, where])


def _in_folder(path: Path) -> Iterator[str]:
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield printable(os.fsencode((Path(folder) / name).relative_to(path).as_posix()))


def _in_archive(path: Path) -> Iterator[str]:
    if archive_kind(path) != "zip" and not path.name.lower().endswith(".tar"):
        return  # a compressed TAR would be unpacked only to be guessed at
    try:
        archive = open_archive(path, path.parent)
        names = [printable(member.name) for member in islice(archive.members(), _LOOKED_AT)]
        archive.close()
    except InputError:
        return  # whoever reads it says what is wrong with it
    for name in names:
        if name and not any(part[:1] in {".", "_"} for part in name.split("/")):
            yield name
