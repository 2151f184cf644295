"""A dataset of boxes in the form of Pascal VOC: one XML file a picture, and lists of the splits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from modelwright.errors import InputError
from modelwright.prepare.exports.drawn import OTHERWISE, Drawn, number, pictures, wanted
from modelwright.prepare.exports.plain import make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset

_LISTS = {"train": "train", "validation": "val", "test": "test"}


def export_voc(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/Annotations``, ``data/JPEGImages`` and ``data/ImageSets/Main``.

    Corners are written as they stand. Outlines are ``polygon`` elements with ``x1, y1, x2 …``, and a crowd is
    ``crowd``: neither is VOC's own, other readers pass over them.

    Raises
    ------
    InputError
        If a class has characters that XML cannot hold.
    """
    wanted(dataset, "boxes", "Pascal VOC")
    for name in dataset.meta["classes"]:
        if any((ord(letter) < 32 and letter not in "\t\n\r") or letter in "\ufffe\uffff" for letter in name):
            raise InputError(f"the class {name!r} cannot stand in XML", code="wrong-form", hint=OTHERWISE)

    def fill(folder: Path) -> Source:
        data = folder / "data"
        for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (data / name).mkdir(parents=True)
        with ExitStack() as stack:
            lists = {
                split: stack.enter_context((data / f"ImageSets/Main/{_LISTS[split]}.txt").open("w", encoding="utf-8"))
                for split in SPLITS
            }
            for each in pictures(dataset):
                (data / "JPEGImages" / each.name).write_bytes(each.data)
                (data / "Annotations" / f"{each.stem}.xml").write_text(_xml(each), "utf-8")
                lists[each.split].write(f"{each.stem}\n")
        return Source("voc", "data", {}, 0)

    return make_export(dataset, destination, fill, split="split")


def _xml(each: Drawn) -> str:
    objects = "".join(_object(box) for box in each.label)
    return (
        f"<annotation>\n  <filename>{escape(each.name)}</filename>\n"
        f"  <size><width>{each.width}</width><height>{each.height}</height><depth>3</depth></size>\n"
        f"{objects}</annotation>\n"
    )


def _object(box: Mapping[str, Any]) -> str:
    corners = {
        "xmin": box["x"], "ymin": box["y"], "xmax": box["x"] + box["width"], "ymax": box["y"] + box["height"],
    }  # fmt: skip
    places = "".join(f"<{name}>{number(value)}</{name}>" for name, value in corners.items())
    flags = "".join(f"<{flag}>{int(bool(box.get(flag)))}</{flag}>" for flag in ("truncated", "difficult"))
    flags += "<crowd>1</crowd>" if box.get("crowd") else ""
    rings = "".join(
        "<polygon>"
        + "".join(f"<x{n}>{number(x)}</x{n}><y{n}>{number(y)}</y{n}>" for n, (x, y) in enumerate(ring, 1))
        + "</polygon>"
        for ring in box.get("polygons", ())
    )
    name = escape(box["class"], {"\r": "&#13;"})
    return f"  <object><name>{name}</name>{flags}<bndbox>{places}</bndbox>{rings}</object>\n"
