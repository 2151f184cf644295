"""Hostile files among sound ones, through the whole preparation: each is named with its reason, the rest goes on."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from modelwright.errors import InputError
from modelwright.store.dataset import Dataset

from . import hostiles
from .annotated import coco, png, put, square, voc
from .conftest import Project, issues, picture

SPEC = "sources: [{%s}]\noutput: %s\n"
Said = list[tuple[str, str, str]]
"""Kind of an issue, the name that its message says, and a part of the reason."""


def check(dataset: Dataset, said: Said, kept: set[str]) -> None:
    """Check that every hostile thing is an issue with its name and reason, and that sound samples are in."""
    found = issues(dataset)
    for kind, name, reason in said:
        messages = [str(each["message"]) for each in found if each["kind"] == kind]
        assert any(name in each and reason in each for each in messages), (kind, name, messages or found)
    used = dataset.samples().to_pylist()
    assert kept <= {each["path"] for each in used if each["split"] in {"train", "validation", "test"}}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int, rows: int) -> bytes:
    """A PNG with a header that says a size, and fewer rows of zeros."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(rows * (width + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def photos() -> dict[str, bytes]:
    return {f"{'ab'[n % 2]}/{n}.jpg": picture(n) for n in range(16)}


def test_a_folder_of_hostile_pictures(project: Project) -> None:
    sound = photos()
    put(project.root / "data", sound)
    folder = project.root / "data" / "a"
    put(
        folder,
        {
            "empty.jpg": b"",
            "cut.jpg": picture(50)[:900],
            "claims.png": png_that_claims(60_000, 60_000, 1),
            "words.jpg": b"words and words",
            "archive.jpg": b"PK\x03\x04" + bytes(99),
            "\u202egpj.exe.jpg": picture(60),
        },
    )
    (folder / "out.jpg").symlink_to("/etc/passwd")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo.jpg")
    (folder / os.fsdecode(b"\xed\xa0\x80.jpg")).write_bytes(picture(61))
    said: Said = [
        ("empty", "a/empty.jpg", "0 bytes"),
        ("corrupt", "a/cut.jpg", "broken or cut off"),
        ("too-large", "a/claims.png", "pixels"),
        ("wrong-format", "a/words.jpg", "not an image but text"),
        ("wrong-format", "a/archive.jpg", "archive"),
        ("symlink", "a/out.jpg", "leaves the folder"),
        ("symlink", "a/zero.jpg", "leaves the folder"),
        ("not-a-file", "a/fifo.jpg", "FIFO"),
    ]
    dataset = project.prepare(SPEC % ("folder: data", "category"))
    check(dataset, said, set(sound))
    assert sum("gpj.exe" in each or "bytes:" in each for each in dataset.samples()["path"].to_pylist()) == 2


def test_an_archive_that_would_write_elsewhere(project: Project) -> None:
    sound = photos()
    with zipfile.ZipFile(project.root / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in sound.items():
            archive.writestr(name, raw)
        for name in ("../slip.jpg", "/etc/passwd.jpg", "a/../../up.jpg", "C:\\slip.jpg"):
            archive.writestr(name, picture(70))
        archive.writestr("a/bomb.png", png_that_claims(50_000, 50_000, 1000))
        link = zipfile.ZipInfo("a/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a/inner.zip", b"PK\x05\x06" + bytes(18))
    said: Said = [
        ("unsafe-name", "../slip.jpg", "leave"),
        ("unsafe-name", "/etc/passwd.jpg", "absolute"),
        ("unsafe-name", "up.jpg", "leave"),
        ("unsafe-name", "C:\\slip.jpg", "absolute"),
        ("too-large", "a/bomb.png", "pixels"),
        ("symlink", "a/link.jpg", "link"),
        ("nested-archive", "a/inner.zip", "archive in the archive"),
    ]
    check(project.prepare(SPEC % ("folder: x.zip", "category")), said, set(sound))
    assert not list(project.root.parent.rglob("slip*"))


def test_a_table_of_hostile_rows(project: Project) -> None:
    rows = [f"{n},{n * 7 % 5}.5,{'pq'[n % 2]}" for n in range(60)]
    odd = [
        "1,a\0b,p",
        "1,2,3,4,5",
        "1,\"=cmd|' /C calc'!A0\",p",
        "1,\u202eabc,q",
        "1," + "x" * (9 << 20) + ",p",
        "1,NaN,nan",
        "1,inf,inf",
        "1,1e400,p",
    ]
    data = "\r\n".join(["a,b,y", *rows[:30]]).encode() + b"\n" + "\n".join(odd).encode() + b"\n1,caf\xe9,p\n"
    put(project.root, {"x.csv": data + b"1,\xed\xa0\x80,q\n" + "\n".join(rows[30:]).encode()})
    dataset = project.prepare("input: table\nlabel: y\n" + SPEC % ("table: x.csv", "category"))
    said: Said = [
        ("nul-bytes", "x.csv line 32", "NUL bytes"),
        ("ragged-row", "x.csv", "cells"),
        ("too-large", "x.csv line 36", "bytes long"),
        ("mixed-encoding", "x.csv", "UTF-8"),
        ("missing-label", "x.csv", "label"),
    ]
    found = issues(dataset)
    for kind, name, reason in said:
        assert any(
            each["kind"] == kind and name in str(each["message"]) and reason in str(each["message"]) for each in found
        ), (kind, found)
    assert len(dataset.samples()) >= 60


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e999", "0x10", "--"])
def test_labels_that_are_no_numbers(project: Project, cell: str) -> None:
    rows = [f"{n % 9},{n * 7 % 11},{n / 3}" for n in range(40)]
    put(project.root, {"x.csv": "\n".join(["a,b,y", *rows, f"1,2,{cell}"])})
    dataset = project.prepare("input: table\nlabel: y\n" + SPEC % ("table: x.csv", "number"))
    assert sum(dataset.count(split) for split in ("train", "validation", "test")) == 40
    assert any("x.csv" in str(each["message"]) and "label" in str(each["kind"]) for each in issues(dataset))


def odd_coco(root: Path) -> tuple[str, Said]:
    images: list[dict[str, Any]] = [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 80} for n in range(14)]
    boxes = [[n % 5, n % 7, 30, 20 + n] for n in range(14)]
    notes = [{"id": n, "image_id": n, "category_id": 1 + n % 2, "bbox": box} for n, box in enumerate(boxes)]
    bad = [[1, 2, -30, -40], [50, 50, 0, 0], [float("nan"), 1, 2, 3], [-500, -500, 10, 10]]
    notes += [{"id": 100 + n, "image_id": n, "category_id": 1, "bbox": box} for n, box in enumerate(bad)]
    notes += [{"id": 200, "image_id": 777, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    notes += [{"id": 201, "image_id": 1, "category_id": 99, "bbox": [1, 1, 5, 5]}]
    put(root / "data", {"notes.json": coco(images, notes, ["cat", "dog"])})
    return "coco: data", [
        ("inverted-box", "0.png", "wrong way round"),
        ("bad-annotation", "notes.json", "2.png"),
        ("dangling-annotation", "notes.json", "777"),
        ("dangling-annotation", "notes.json", "99"),
        ("zero-area-box", "1.png", "without area"),
        ("outside-box", "3.png", "reaching out"),
    ]


def odd_voc(root: Path) -> tuple[str, Said]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">{laughs}]>' + voc(
        [("cat", (1, 1, 9, 9))], more="&l11;"
    )
    outside = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + voc([("&e;", (1, 1, 9, 9))])
    files = {f"Annotations/{n}.xml": voc([("cat", (1 + n, 2, 30, 40))], f"{n}.png") for n in range(2, 14)}
    files |= {"Annotations/0.xml": bomb, "Annotations/1.xml": outside}
    files["Annotations/5.xml"] = voc([("cat", (30, 40, 1, 2)), ("cat", (1, 2, 30, 40))], "5.png")
    put(root / "data", files)
    return "voc: data", [
        ("corrupt", "0.xml", "entities"),
        ("corrupt", "1.xml", "never resolved"),
        ("inverted-box", "5.png", "wrong way round"),
    ]


@pytest.mark.parametrize("make", [odd_coco, odd_voc])
def test_hostile_annotations(project: Project, make: Any) -> None:
    source, said = make(project.root)
    inner = "JPEGImages/" if source.startswith("voc") else ""
    put(project.root / "data", {f"{inner}{n}.png": png(square(3 * n, 2 * n, 20 + n)) for n in range(14)})
    dataset = project.prepare("input: image\n" + SPEC % (source, "boxes"))
    check(dataset, said, set())
    assert len(dataset.samples()) == 14
    assert "etc/hostname" not in json.dumps(issues(dataset), default=str)


def test_a_bomb_of_a_table_ends_with_one_error_and_nothing_is_written(project: Project) -> None:
    hostiles.xlsx_rows(project.root)
    with pytest.raises(InputError, match=r"x\.xlsx unpacks to") as caught:
        project.prepare("input: table\nlabel: y\n" + SPEC % ("table: x.xlsx", "category"))
    assert caught.value.code == "bomb"
    assert project.store.artifacts.list("dataset") == []
