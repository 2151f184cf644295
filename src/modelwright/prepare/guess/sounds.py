"""Guessing sounds: a folder or an archive of them, and where their labels are. By names alone; no sound is opened."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from modelwright.prepare.collect.base import printable
from modelwright.store.packed import archive_kind, open_archive

ENDINGS = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
_LOOKED_AT = 5000
_ALIKE = 0.95
"""Share of names that must have the same form for a label to be read from it."""
_MOST = 100
"""Classes at most that names are taken to hold."""
_EACH = 4
"""Sounds that each class must have, on average, if names are taken to hold it."""
_ESC = re.compile(r"^\d+-\d+-[A-Z]-\d+$")
"""The naming of ESC-50 (Piczak 2015): fold, clip, take, class."""
_PART = r"[A-Za-z0-9]+"


@dataclass(frozen=True)
class Sounds:
    """What sounds would be as a source: its kind and options, whether anything says their class, and why."""

    kind: str
    labelled: bool
    options: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def guess(path: Path) -> Sounds | None:
    """Return what a path holds if most of its files are sounds, or None."""
    archive = path.is_file()
    if archive and archive_kind(path) not in {"zip", "tar"}:
        return None
    names = list(islice(_in_archive(path) if archive else _in_folder(path), _LOOKED_AT))
    sounds = [name for name in names if name.lower().endswith(ENDINGS)]
    if not sounds or 2 * len(sounds) < len(names):
        return None
    kind = "archive" if archive else "folder"
    what = f"{len(sounds):,} of {len(names):,} files are sounds"
    options: dict[str, Any] = {}
    if len(sounds) < len(names):
        options["files"] = sorted({f"*{os.path.splitext(name)[1]}" for name in sounds})  # noqa: PTH122 - a name
    level, folders = _folders(sounds)
    if len(folders) > 1:
        if level > 1 and not (archive and level == 2):
            options["level"] = level
        why = f"they lie in {len(folders)} folders, so each is a class ({', '.join(folders[:6])})"
        return Sounds(kind, labelled=True, options=options, reasons=(what, why))
    found = _in_names(sounds)
    if found is None:
        why = "neither folders nor names say what is to be predicted: the output is none"
        return Sounds(kind, labelled=False, options=options, reasons=(what, why))
    options["label"], reasons = found
    return Sounds(kind, labelled=True, options=options, reasons=(what, *reasons))


def _in_folder(path: Path) -> Iterator[str]:
    for folder, below, files in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        inside = Path(folder).relative_to(path)
        yield from ((inside / name).as_posix() for name in sorted(files) if not name.startswith("."))


def _in_archive(path: Path) -> Iterator[str]:
    for member in open_archive(path, path.parent).members():
        name = printable(member.name)
        if not member.problem and not any(part.startswith((".", "__MACOSX")) for part in name.split("/")):
            yield name


def _folders(names: Sequence[str]) -> tuple[int, list[str]]:
    """Return the depth of the class folders and their names: the first level that has more than one."""
    parts = [name.split("/")[:-1] for name in names]
    for level in range(1, 4):
        found = {each[level - 1] for each in parts if len(each) >= level}
        if len(found) != 1 or any(len(each) < level for each in parts):
            return level, sorted(found) if all(len(each) >= level for each in parts) else []
    return 1, []


def _in_names(names: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Return the regular expression that finds the class in a file's name, and why."""
    stems = [os.path.splitext(name.rpartition("/")[2])[0] for name in names]  # noqa: PTH122 - a name, no path
    if sum(bool(_ESC.match(stem)) for stem in stems) >= _ALIKE * len(stems):
        return r"\d+-\d+-[A-Z]-(\d+)\.", ("names are those of ESC-50: fold, clip, take and last the class",)
    forms = Counter(re.sub(_PART, "x", stem) for stem in stems)
    form, count = forms.most_common(1)[0]
    if count < _ALIKE * len(stems) or form.count("x") < 2:
        return None
    rows = [re.findall(_PART, stem) for stem in stems if re.sub(_PART, "x", stem) == form]
    different = [sorted(set(column)) for column in zip(*rows, strict=True)]
    most = min(_MOST, len(rows) // _EACH)
    candidates = [place for place, values in enumerate(different) if 2 <= len(values) <= most]
    if not candidates:
        return None
    place = candidates[0]
    values = different[place]
    example = stems[0]
    why = f"part {place + 1} of names like {example!r} has {len(values)} different values, so it is the class: "
    reasons = [why + ", ".join(values[:10]) + (", …" if len(values) > 10 else "")]
    speakers = [
        other
        for other in candidates[1:]
        if any(not value.isdigit() for value in different[other]) and len(different[other]) >= 3
    ]
    if speakers:
        other = speakers[0]
        some = ", ".join(different[other][:4])
        reasons.append(
            f"part {other + 1} ({some}, …) may be who or what was recorded; to test on unheard ones, add "
            f"split: {{group: '{_pattern(form, other)}'}}"
        )
    return _pattern(form, place), tuple(reasons)


def _pattern(form: str, wanted: int) -> str:
    """Return a regular expression for names of a form such as ``x_x_x`` that catches one of its parts."""
    pieces = form.split("x")
    made = re.escape(pieces[0])
    for place, after in enumerate(pieces[1:]):
        made += (f"({_PART})" if place == wanted else _PART) + re.escape(after)
    return rf"(?:^|/){made}\.[A-Za-z0-9]+$"
