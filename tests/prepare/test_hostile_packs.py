"""Packed files as an attacker, a full disk or an old program leaves them: an issue or a clear error, never a crash."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, Settings, make
from modelwright.store.packed import archive_kind

from .conftest import Project, picture
from .packing import idx_of, tar_of, zip_of


def streamed(kind: str, location: str, root: Path, **options: Any) -> tuple[list[Item], dict[str, list[str]]]:
    source = make(kind, Settings(location, options, root=root, label="y"))
    columns = source.survey().columns
    items: list[Item] = []
    rejected: dict[str, list[str]] = {}
    for each in source.items(columns):
        if isinstance(each, Rejected):
            assert "\n" not in each.message
            rejected.setdefault(each.kind, []).append(each.path)
        else:
            items.append(each)
    return items, rejected


def read(item: Item) -> bytes | str:
    assert item.fetch is not None
    try:
        return item.fetch()
    except RejectedFileError as error:
        return error.message


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tar.bz2", "p.tar.xz"])
def test_a_folder_source_reads_every_kind_of_archive(project: Project, name: str) -> None:
    members = {f"top/{'ab'[n % 2]}/{n}.jpg": picture(n) for n in range(30)} | {
        "top/.hidden/x": b"",
        "__MACOSX/a/y": b"",
    }
    path = project.root / name
    if name.endswith(".zip"):
        zip_of(path, members)
    else:
        tar_of(path, members, f"w:{name.partition('.tar.')[2]}" if name.count(".") == 2 else "w")
    text = f"sources: [{{folder: {name}}}]\noutput: category\n"
    dataset = project.prepare(text)
    assert dataset.meta["classes"] == ["a", "b"]
    assert len(dataset.samples()) == 30
    assert dataset.meta["sources"][0]["kept"] == "members"
    wanted = {row["id"]: members[row["path"]] for row in dataset.samples("train").to_pylist()}
    assert list(dataset.raw("train", [5, 2])) == [list(wanted.values())[5], list(wanted.values())[2]]
    assert dataset.features("train", "pixels").shape[0] == dataset.count("train")
    project.listener.said.clear()
    project.prepare(text)
    assert "30 unchanged files were not read again, 0 were read" in project.listener.said


def test_bad_members_of_a_zip_are_issues(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a/good.jpg", "../../slip", "/etc/passwd", "b\\old.jpg", "a/inner.zip", "a/GOOD.jpg"):
            archive.writestr(zipfile.ZipInfo(name), b"data")
        link = zipfile.ZipInfo("a/link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(zipfile.ZipInfo("a/good.jpg"), b"other")
        for name in ("a/locked.jpg", "a/odd.jpg", "a/caf?.jpg"):
            archive.writestr(zipfile.ZipInfo(name), b"data")
    data = (tmp_path / "x.zip").read_bytes().replace(b"caf?", b"caf\xe9")
    at = data.rindex(b"a/locked.jpg") - 46
    data = data[: at + 8] + b"\x01\x00" + data[at + 10 :]
    at = data.rindex(b"a/odd.jpg") - 46
    data = data[: at + 10] + b"\x63\x00" + data[at + 12 :]
    (tmp_path / "x.zip").write_bytes(data)
    items, rejected = streamed("archive", "x.zip", tmp_path)
    assert [each.path for each in items] == ["a/good.jpg", "a/GOOD.jpg", "bytes:a/caf%E9.jpg"]
    assert [read(each) for each in items] == [b"data"] * 3
    assert set(rejected) == {
        "unsafe-name", "nested-archive", "symlink", "duplicate-name", "encrypted", "unreadable", "case-twins"
    }  # fmt: skip
    assert len(rejected["unsafe-name"]) == 3


def test_a_member_that_lies_about_itself_is_not_believed(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a/1": bytes(50_000), "a/2": b"fine", "a/3": b"0123456789" * 9})
    data = bytearray((tmp_path / "x.zip").read_bytes())
    at = data.rindex(b"a/1") - 46
    struct.pack_into("<I", data, at + 24, 10)  # claims ten bytes
    broken = data.index(b"a/3") + 3 + 4
    data[broken] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(data)
    first, second, third = (read(each) for each in streamed("archive", "x.zip", tmp_path)[0])
    assert first == "unpacks to more than the 10 bytes it claims"
    assert second == b"fine"
    assert isinstance(third, str)


@pytest.mark.parametrize("cut", [10, 400, 1000, -5, -30])
def test_a_cut_zip_is_one_clear_error(tmp_path: Path, cut: int) -> None:
    zip_of(tmp_path / "x.zip", {f"a/{n}.jpg": picture(n) for n in range(2)})
    data = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(data[:cut])
    with pytest.raises(InputError, match=r"x\.zip"):
        streamed("archive", "x.zip", tmp_path)


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {f"a/{n}": bytes(1000) for n in range(3)}, zipfile.ZIP_STORED)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    at = data.rindex(b"a/1") - 46
    struct.pack_into("<I", data, at + 42, 0)  # the second lies where the first does
    (tmp_path / "x.zip").write_bytes(data)
    items, rejected = streamed("archive", "x.zip", tmp_path)
    assert [each.path for each in items] == ["a/2"]
    assert len(rejected["corrupt"]) == 2


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.store.packed import unpacked, zips

    for module in (zips, unpacked):
        monkeypatch.setattr(module, "BOMB_BYTES", 1 << 20)
        monkeypatch.setattr(module, "BOMB_RATIO", 100)
    zip_of(tmp_path / "x.zip", {f"a/{n}": bytes(1 << 20) for n in range(4)})
    tar_of(tmp_path / "x.tar.gz", {"a/1": bytes(4 << 20)}, "w:gz")
    for name in ("x.zip", "x.tar.gz"):
        with pytest.raises(InputError, match="times its size") as caught:
            streamed("archive", name, tmp_path)
        assert caught.value.code == "bomb"
    assert not list((tmp_path / ".modelwright").rglob("*.*"))


def test_bad_members_of_a_tar_are_issues(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (("a/link", tarfile.SYMTYPE), ("a/device", tarfile.CHRTYPE), ("a/fifo", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name in ("a/1.jpg", "../slip", "a/1.jpg", "a/" + "long" * 60 + ".jpg"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))
    items, rejected = streamed("archive", "x.tar", tmp_path)
    assert [read(each) for each in items] == [b"data", b"data"]
    assert {kind: len(each) for kind, each in rejected.items()} == {
        "symlink": 1, "not-a-file": 2, "unsafe-name": 1, "duplicate-name": 1
    }  # fmt: skip


def test_a_cut_tar_keeps_what_is_there_and_says_so(tmp_path: Path) -> None:
    tar_of(tmp_path / "x.tar", {f"a/{n}": bytes(2000) for n in range(5)})
    data = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(data[:6500])
    items, rejected = streamed("archive", "x.tar", tmp_path)
    assert len(rejected["corrupt"]) == 1
    assert len(items) in {2, 3}
    (tmp_path / "y.tar.gz").write_bytes(gzip.compress(data)[:-40])
    with pytest.raises(InputError, match=r"y\.tar\.gz"):
        streamed("archive", "y.tar.gz", tmp_path)
    assert archive_kind(tmp_path / "none") == ""


@pytest.mark.parametrize("seed", range(30))
def test_noise_in_an_archive_never_crashes(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    members = {f"a/{n}": bytes(random.integers(0, 255, 300, np.uint8)) for n in range(4)}
    path = zip_of(tmp_path / "x", members) if seed % 2 else tar_of(tmp_path / "x", members)
    data = bytearray(path.read_bytes())
    for place in random.integers(4, len(data), 12).tolist():
        data[place] = int(random.integers(0, 255))
    path.write_bytes(data)
    message = ""
    try:
        items, _ = streamed("archive", "x", tmp_path)
        for each in items:
            read(each)
    except InputError as error:
        message = error.message
    assert "\n" not in message


def test_arrays_are_checked_before_they_are_read(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 6), np.uint8)
    labels = np.arange(4, dtype=np.uint8)
    idx_of(tmp_path / "y", labels)
    idx_of(tmp_path / "x", pixels)
    (tmp_path / "short").write_bytes((tmp_path / "x").read_bytes()[:-1])
    (tmp_path / "huge").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", *([0xFFFFFFFF] * 3)))
    np.save(tmp_path / "wide.npy", pixels.astype(np.float64))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "cut.gz").write_bytes(gzip.compress((tmp_path / "x").read_bytes())[:-9])
    for name, words in (
        ("short", "claims"), ("huge", "claims"), ("wide.npy", "uint8"), ("objects.npy", "damaged"),
        ("cut.gz", "gzip"), ("y", "height"), ("nowhere", "nothing at"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            streamed("arrays", name, tmp_path, labels="y")
    idx_of(tmp_path / "fewer", labels[:3])
    with pytest.raises(InputError, match="3 labels"):
        streamed("arrays", "x", tmp_path, labels="fewer")


def test_numpy_pictures_with_channels_first(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (3, 3, 8, 9), np.uint8)
    np.savez_compressed(tmp_path / "d.npz", x_train=pixels, y_train=np.array(["a", "b", "a"]))
    items, _ = streamed("arrays", "d.npz", tmp_path)
    assert [each.label for each in items] == ["a", "b", "a"]
    from PIL import Image

    data = read(items[1])
    assert isinstance(data, bytes)
    assert (np.asarray(Image.open(io.BytesIO(data))) == pixels[1].transpose(1, 2, 0)).all()


def test_a_manifest_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    for name in ("1.jpg", "in/2.jpg", "nobody.jpg"):
        (folder / name).write_bytes(picture(len(name)))
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "in" / "up").symlink_to(tmp_path)
    names = [
        "1.jpg",
        "./in/2.jpg",
        "../secret.jpg",
        "/etc/passwd",
        "link.jpg",
        "in/up/secret.jpg",
        "none.jpg",
        "1.jpg",
        7,
    ]
    lines = [json.dumps({"file_name": name, "label": "a"}) for name in names]
    (folder / "metadata.jsonl").write_text("\n".join([*lines, "{broken", "[1]"]), "utf-8")
    items, rejected = streamed("manifest", "data", tmp_path, label="label")
    assert [each.path for each in items] == ["1.jpg", "in/2.jpg"]
    assert {kind: len(each) for kind, each in rejected.items()} == {
        "unsafe-name": 2, "symlink": 1, "missing-file": 3, "duplicate-name": 1, "corrupt": 1, "ragged-row": 1,
        "unlisted-file": 1,
    }  # fmt: skip


def test_hugging_face_parquet_with_bytes_in_it(project: Project) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"image": {"bytes": picture(n), "path": None}, "label": n % 2} for n in range(24)]
    rows.append({"image": {"bytes": None, "path": "x.jpg"}, "label": 1})
    schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())])
    info = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.Table.from_pylist(rows, schema).replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(table, project.root / "train.parquet")
    dataset = project.prepare("sources: [{manifest: train.parquet}]\noutput: category\n")
    assert dataset.meta["classes"] == ["cat", "dog"]
    assert len(dataset.samples()) == 24
    (project.root / "train.parquet").unlink()
    assert len(list(dataset.raw("train"))) == dataset.count("train")
