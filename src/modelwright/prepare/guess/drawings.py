"""Guessing annotated pictures: COCO, Pascal VOC, YOLO, pictures with masks, and Label Studio's exports.

By names, and by the beginning of a few files; no picture is opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from modelwright.prepare.collect.base import printable
from modelwright.prepare.collect.json_stream import JsonError, elements, keys
from modelwright.prepare.collect.member_files import MemberFile
from modelwright.prepare.collect.pairing import FOLDERS, SUFFIXES, by_ending, by_folder, by_suffix
from modelwright.prepare.collect.tree import PICTURES, base_of, ending, stem
from modelwright.store.packed import archive_kind, open_archive

_LOOKED_AT = 20_000
_JSON = 8
"""JSON files whose beginning is read."""
_TASKS = 200
_MOST_WITH = 0.5
"""Share of pictures that must have an annotation file, or a mask, of their name."""
_NOT_LABELS = frozenset({"readme", "classes", "labels", "names", "train", "val", "test", "license", "licence"})

Files = Mapping[str, Callable[[], BinaryIO]]


@dataclass(frozen=True)
class Drawings:
    """What annotated pictures would be as a source: its kind, the task, and why."""

    kind: str
    input: str
    output: str
    metric: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def guess(path: Path) -> Drawings | None:
    """Return what a folder, an archive or a JSON file holds if it is pictures with annotations, or None."""
    files: Files
    if path.is_dir():
        files = dict(islice(_in_folder(path), _LOOKED_AT))
    elif archive_kind(path):
        files = dict(islice(_in_archive(path), _LOOKED_AT))
    elif path.suffix.lower() == ".json":
        files = {path.name: lambda: path.open("rb")}
    else:
        return None
    pictures = [name for name in files if ending(name) in PICTURES]
    return _json(files) or (_beside(files, pictures) or _masks(path, pictures) if pictures else None)


def _in_folder(path: Path) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    for folder, below, files in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            if not name.startswith(".") and not file.is_symlink():
                yield printable(os.fsencode(file.relative_to(path).as_posix())), _opener(file)


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _in_archive(path: Path) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    archive = open_archive(path, path.parent)
    for member in archive.members():
        name = printable(member.name)
        if not member.problem and not any(part.startswith((".", "__MACOSX")) for part in name.split("/")):
            yield name, MemberFile(archive, member).open


def _json(files: Files) -> Drawings | None:
    """Recognise COCO and Label Studio by the first keys of JSON files."""
    some = [name for name in files if ending(name) == ".json"][:_JSON]
    for name in some:
        try:
            with files[name]() as file:
                found = keys(file)
        except OSError:
            continue
        parts = found & {"images", "annotations", "categories"}
        if "data" not in found and (len(parts) >= 2 or (parts and found & {"info", "licenses"})):
            why = f"{base_of(name)} has the keys of COCO, so the annotations are boxes"
            return Drawings("coco", "image", "boxes", reasons=(why, *_outlined(files[name])))
        if "data" in found and found & {"annotations", "completions", "predictions"}:
            return _tasks(name, files[name])
    return None


def _outlined(opening: Callable[[], BinaryIO]) -> tuple[str, ...]:
    """Say that masks could be made too, if the first annotations have outlines."""
    try:
        with opening() as file:
            notes = (value for key, value in elements(file) if key == "annotations")
            some = list(islice(notes, _TASKS))
    except (JsonError, OSError):
        return ()
    if any(isinstance(each, dict) and each.get("segmentation") for each in some):
        return ("annotations have outlines too: 'output: mask' makes masks of them",)
    return ()


def _tasks(name: str, opening: Callable[[], BinaryIO]) -> Drawings | None:
    """Tell by the first tasks of Label Studio what is shown and what is answered."""
    data: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    many = False
    try:
        with opening() as file:
            for _, task in islice(elements(file), _TASKS):
                data.update(key for key, value in task["data"].items() if isinstance(value, str))
                for annotation in task.get("annotations") or ():
                    for result in annotation.get("result") or ():
                        answers[str(result.get("type"))] += 1
                        many = many or len(result.get("value", {}).get("choices", ())) > 1
    except (JsonError, OSError, KeyError, TypeError, AttributeError):
        return None
    shown = next((word for word in ("image", "audio", "text") if word in data), "image")
    usual = answers.most_common(1)[0][0] if answers else ""
    output, metric = {
        "rectanglelabels": ("boxes", ""),
        "ellipselabels": ("boxes", ""),
        "polygonlabels": ("mask", ""),
        "brushlabels": ("mask", ""),
        "number": ("number", "mae"),
        "rating": ("number", "mae"),
        "choices": ("tags", "f1_macro") if many else ("category", "f1_macro"),
    }.get(usual, ("none", ""))
    why = f"{base_of(name)} holds tasks of Label Studio about data.{shown}"
    answered = f"most answers are {usual}, so the output is {output}" if usual else "no task has an answer"
    return Drawings("labelstudio", shown, output, metric, reasons=(why, answered))


def _beside(files: Files, pictures: Sequence[str]) -> Drawings | None:
    """Recognise VOC and YOLO by annotation files of the pictures' names."""
    stems = {stem(name) for name in pictures}
    for kind, end, looks in (("voc", ".xml", _is_voc), ("yolo", ".txt", _is_yolo)):
        mine = [name for name in files if ending(name) == end and stem(name) in stems]
        mine = [name for name in mine if stem(name).lower() not in _NOT_LABELS]
        if len(mine) < _MOST_WITH * len(pictures):
            continue
        heads = (_head(files[name]) for name in mine[:20])
        if any(looks(head) for head in heads):
            form = (
                "an XML file of their name, as in Pascal VOC"
                if kind == "voc"
                else "a text file of their name, as in YOLO"
            )
            why = f"{len(mine):,} of {len(pictures):,} pictures have {form}: boxes"
            return Drawings(kind, "image", "boxes", reasons=(why,))
    return None


def _head(opening: Callable[[], BinaryIO]) -> str:
    try:
        with opening() as file:
            return file.read(1 << 14).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _is_voc(head: str) -> bool:
    return "<annotation" in head and ("<bndbox" in head or "<object" in head or "<size" in head)


def _is_yolo(head: str) -> bool:
    words = head.splitlines()[0].split() if head.strip() else []
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return False
    return len(numbers) >= 5 and numbers[0].is_integer() and all(-0.5 <= value <= 1.5 for value in numbers[1:5])


def _masks(path: Path, pictures: Sequence[str]) -> Drawings | None:
    """Recognise masks by their folder or suffix; by their ending alone only where nothing else can be learned."""
    layouts = [by_folder(pictures, FOLDERS), by_suffix(pictures, SUFFIXES)]
    if len({name.rpartition("/")[0] for name in pictures}) == 1 or not path.is_dir():
        # In class folders, masks beside the pictures are left out, and the folders are the classes.
        layouts.append(by_ending(pictures))
    best = max(layouts, key=lambda layout: sum(mask is not None for mask in layout.masks.values()))
    matched = sum(mask is not None for mask in best.masks.values())
    if matched < 2 or matched < _MOST_WITH * len(best.masks):
        return None
    why = f"{matched:,} of {len(best.masks):,} pictures have a mask ({best.how})"
    reasons = [why, "the output is a class for every pixel"]
    if best is layouts[-1] and len(layouts) == 3 and len({name.partition("/")[0] for name in pictures}) > 1:
        reasons.append("if the folders are what is to be told apart: 'folder:' with files: ['*.jpg'], output: category")
    return Drawings("pairs", "image", "mask", reasons=tuple(reasons))
