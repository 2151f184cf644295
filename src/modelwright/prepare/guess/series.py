"""Whether a folder or archive holds recordings over time, and where their labels are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Rejected, printable
from modelwright.prepare.collect.delimited import Reader, Wanted, sniff
from modelwright.prepare.collect.member_files import File, MemberFile
from modelwright.store.packed import TarMembers, ZipMembers, archive_kind, open_archive

_TEXTS = (".csv", ".tsv", ".txt", ".data", ".dat")
_MANY = 10
"""Files with one header from which each is taken for a recording."""
_SOME = 5
"""The same, where they have a column of times."""
_LABELLED = re.compile(r"(?:^|[_\W])(?:targets?|labels?|classes|classlabels?)(?:$|[_\W])", re.IGNORECASE)
_ANSWERS = ("anomaly", "label", "class", "target", "state", "activity", "event", "fault", "failure", "status", "y")
_LOOKED = 400


@dataclass(frozen=True)
class Recordings:
    """What recordings would be as a source.

    Parameters
    ----------
    label
        The column to predict; None where a folder or a file says it.
    options
        Of the source.
    reasons
        Why, one line each.
    """

    label: str | None
    options: Mapping[str, Any]
    reasons: tuple[str, ...]


def guess(path: Path) -> Recordings | None:
    """Return what the recordings at ``path`` would be, or None if there are none that look like it."""
    if path.is_dir():
        files = list(_in_folder(path))
    elif path.is_file() and archive_kind(path) in {"zip", "tar"}:
        files = list(_in_archive(path))
    else:
        return None
    texts = [(name, file) for name, file in files if name.lower().endswith(_TEXTS)]
    if len(texts) < _SOME or 2 * len(texts) < len(files):
        return None
    headers = [(name, file, _names(file)) for name, file in texts[:_LOOKED]]
    counted = Counter(names for _, _, names in headers if names)
    if not counted:
        return None
    usual, count = counted.most_common(1)[0]
    members = [(name, file) for name, file, names in headers if names == usual]
    if count < _SOME or 2 * count < len(headers):
        return None
    return _labelled(headers, members, usual) or _in_classes(members, usual) or _with_times(members, usual)


def _in_folder(path: Path) -> Iterator[tuple[str, File]]:
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if file.is_file() and not any(part.startswith((".", "_")) for part in inside.parts):
            yield inside.as_posix(), file


def _in_archive(path: Path) -> Iterator[tuple[str, File]]:
    archive: ZipMembers | TarMembers = open_archive(path, path.parent)
    for member in archive.members():
        name = printable(member.name)
        if not member.problem and not any(part.startswith((".", "_")) for part in name.split("/")):
            yield name, MemberFile(archive, member)


def _names(file: File) -> tuple[str, ...]:
    """Return the columns of a file with more than three rows, or nothing."""
    try:
        dialect = sniff(file, Wanted())
        rows = sum(1 for _ in islice(Reader(file, dialect), 4))
    except InputError:
        return ()
    return tuple(name.lstrip("# ") for name in dialect.names) if rows > 3 else ()


def _labelled(
    headers: Sequence[tuple[str, File, tuple[str, ...]]], members: Sequence[tuple[str, File]], usual: tuple[str, ...]
) -> Recordings | None:
    """Return recordings whose labels are in a table of their own."""
    for name, _, names in headers:
        stem = name.rpartition("/")[2].rpartition(".")[0]
        if names and names != usual and len(names) == 2 and _LABELLED.search(stem) and len(members) >= _MANY:
            reasons = (
                f"{len(members)} files have the columns {', '.join(usual[:6])}: each is a recording",
                f"{name} has two columns and is named like labels: the recordings' labels are taken from it",
            )
            return Recordings(None, {"labels": name}, reasons)
    return None


def _in_classes(members: Sequence[tuple[str, File]], usual: tuple[str, ...]) -> Recordings | None:
    """Return recordings in class folders, where no column could be the answer."""
    tops = Counter(name.split("/")[0] for name, _ in members if "/" in name)
    if len(tops) < 2 or sum(tops.values()) < len(members) or len(members) < _MANY or _answer(usual):
        return None
    named = ", ".join(list(tops)[:6])
    columns = ", ".join(usual[:6])
    words = f"{len(members)} files in folders have the columns {columns}: each is a recording"
    words += f", and its folder ({named}) is its class"
    return Recordings(None, {}, (words,))


def _with_times(members: Sequence[tuple[str, File]], usual: tuple[str, ...]) -> Recordings | None:
    """Return recordings with a column of times and one of answers, to be cut into windows."""
    from modelwright.tasks.modalities.series import time as series_time

    label = _answer(usual)
    time = next((name for name in usual if series_time.is_time_name(name)), None)
    if label is None or time is None:
        return None
    rows = sum(1 for each in islice(Reader(members[0][1], sniff(members[0][1], Wanted())), 5000)
               if not isinstance(each, Rejected))  # fmt: skip
    window = max(2, min(60, rows // 10))
    reasons = (
        f"{len(members)} files have the column of times {time!r} and the column {label!r}: they are recordings",
        f"a sample is a window of {window} steps of {rows}, and its label is {label!r} at its end",
    )
    return Recordings(label, {"window": window}, reasons)


def _answer(names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[word] for word in _ANSWERS if word in lower), None)
