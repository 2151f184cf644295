"""Guessing recordings: a video file, a folder of them, or class folders of them. By names alone; nothing is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
    if path.is_file():
        if not path.name.lower().endswith(ENDINGS):
            return None
        return Recordings(classes=False, reasons=[f"{path.name} is a recording: its frames are pictures"])
    found, files, folders = 0, 0, set()
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in names:
            if name.startswith("."):
                continue
            files += 1
            if name.lower().endswith(ENDINGS):
                found += 1
                folders.add(Path(folder).relative_to(path).parts[:1])
        if files > _LOOKED_AT:
            break
    if not found or 2 * found < files:
        return None
    inside = sorted(parts[0] for parts in folders if parts)
    classes = len(inside) >= 2 and () not in folders
    what = f"{found} of {files} files are recordings: their frames are pictures, a second apart"
    where = (
        f"they lie in {len(inside)} folders, so each is a class ({', '.join(inside[:6])})"
        if classes
        else "they don't lie in class folders, so nothing says what is to be predicted: the output is none"
    )
    return Recordings(classes=classes, reasons=[what, where])
