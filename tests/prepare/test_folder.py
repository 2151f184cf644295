"""Folders of pictures, clean and dirty, through the whole step."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright.errors import InputError, IntegrityError
from modelwright.prepare import fingerprint, prepare

from .conftest import Project, issues, picture

SPEC = "sources: [{folder: photos}]\noutput: category\n"


def bomb() -> bytes:
    """Return a PNG of 50,000 × 50,000 one-bit pixels: 312 MB unpacked, 300 kB packed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(1)
    row = bytes(1 + 50_000 // 8)
    packed = b"".join(rows.compress(row * 1000) for _ in range(50)) + rows.flush()
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_clean_folder(project: Project, photos: Path) -> None:
    dataset = project.prepare(SPEC)
    assert dataset.meta["counts"] == {"train": 28, "validation": 4, "test": 8, "dropped": 0}
    assert dataset.meta["classes"] == ["apple", "pear"]
    assert {each["kind"] for each in issues(dataset)} <= {"small-split"}
    raws = list(dataset.raw("test"))
    paths = dataset.samples("test")["path"].to_pylist()
    assert raws == [(photos / path).read_bytes() for path in paths]
    assert list(dataset.raw("test", [3, 0])) == [raws[3], raws[0]]
    features = dataset.features("train", "pixels")
    assert features.shape[0] == 28
    assert isinstance(features, np.memmap)
    assert sorted(dataset.truth("test").tolist()) == [0] * 4 + [1] * 4
    assert dataset.measures("train")["brightness"].shape == (28,)


def test_same_inputs_same_digest_in_another_place(project: Project, photos: Path, tmp_path: Path) -> None:
    one = project.prepare(SPEC)
    other = Project(shutil.copytree(project.root, tmp_path / "other", ignore=shutil.ignore_patterns(".modelwright")))
    text = "name: project\n" + SPEC
    assert other.prepare(text).digest == project.prepare(text).digest == one.digest


def test_everything_bad_is_an_issue_and_the_rest_goes_on(project: Project, photos: Path) -> None:
    apple = photos / "apple"
    (apple / "zero.jpg").write_bytes(b"")
    (apple / "cut.jpg").write_bytes(picture(1)[:700])
    (apple / "page.jpg").write_bytes(b"<!DOCTYPE html><html><body>404</body></html>")
    (apple / "bomb.png").write_bytes(bomb())
    (apple / "copy.jpg").write_bytes((apple / "00.jpg").read_bytes())
    (photos / "pear" / "conflict.jpg").write_bytes((apple / "01.jpg").read_bytes())
    (photos / "no-class.jpg").write_bytes(picture(500))
    os.mkfifo(apple / "pipe")
    (apple / "away.jpg").symlink_to("/etc/hostname")
    (apple / ".hidden").write_bytes(b"hidden")
    (photos / "lonely").mkdir()
    (photos / "lonely" / "one.jpg").write_bytes(picture(900))
    dataset = project.prepare(SPEC)
    found = {str(each["path"]).partition("/")[2]: each for each in issues(dataset) if each["path"]}
    kinds = {path: each["kind"] for path, each in found.items()}
    assert kinds["apple/zero.jpg"] == "empty"
    assert kinds["apple/cut.jpg"] == "corrupt"
    assert kinds["apple/page.jpg"] == "wrong-format"
    assert kinds["apple/bomb.png"] == "too-large"
    assert kinds["apple/copy.jpg"] == "duplicate"
    assert kinds["pear/conflict.jpg"] == kinds["apple/01.jpg"] == "conflicting-labels"
    assert kinds["no-class.jpg"] == "missing-label"
    assert kinds["apple/pipe"] == "not-a-file"
    assert kinds["apple/away.jpg"] == "symlink"
    assert all(each["decision"] == "drop" for each in found.values())
    assert all(each["suggestion"] and each["why"] for each in found.values())
    assert ".hidden" not in str(kinds)
    (rare,) = issues(dataset, "rare-class")
    assert rare["column"] == "lonely"
    samples = dataset.samples().to_pylist()
    assert next(each for each in samples if each["path"] == "lonely/one.jpg")["split"] == "train"
    assert next(each for each in samples if each["path"] == "apple/cut.jpg")["status"] == "dropped"
    assert dataset.meta["classes"] == ["apple", "lonely", "pear"]


def test_unusual_but_sound_pictures_are_used(project: Project, photos: Path) -> None:
    apple = photos / "apple"
    base = Image.open(io.BytesIO(picture(1000)))
    base.convert("CMYK").save(apple / "cmyk.jpg")
    Image.fromarray((np.random.default_rng(0).random((64, 64)) * 65535).astype(np.uint16)).save(apple / "deep.png")
    Image.open(io.BytesIO(picture(1001))).convert("P").save(apple / "palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(picture(1002))).save(apple / "turned.jpg", exif=exif)
    dataset = project.prepare(SPEC)
    assert dataset.meta["counts"]["dropped"] == 0
    turned = next(each for each in dataset.samples().to_pylist() if each["path"] == "apple/turned.jpg")
    assert (turned["measure.width"], turned["measure.height"]) == (80, 96)


def test_names_of_all_sorts(project: Project, photos: Path) -> None:
    apple = os.fsencode(photos / "apple")
    names = [
        b"with space.jpg",
        "ünï ☃.jpg".encode(),
        b"a" * 251 + b".jpg",
        b"caf\xe9.jpg",
        b"new\nline.jpg",
        b"bytes:x.jpg",
    ]
    for number, name in enumerate(names):
        Path(os.fsdecode(apple + b"/" + name)).write_bytes(picture(2000 + number))
    (photos / "klasse ü").mkdir()
    for number in range(3):
        (photos / "klasse ü" / f"{number}.jpg").write_bytes(picture(2100 + number))
    dataset = project.prepare(SPEC)
    assert dataset.meta["counts"]["dropped"] == 0
    assert "klasse ü" in dataset.meta["classes"]
    assert sum(len(list(dataset.raw(split))) for split in ("train", "validation", "test")) == 49


def test_near_duplicates_never_straddle(project: Project, photos: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(12):
        original = Image.open(photos / "apple" / f"{number:02}.jpg")
        brighter = Image.fromarray(
            np.clip(np.asarray(original) * 1.06 + rng.normal(0, 1, (80, 96, 3)), 0, 255).astype(np.uint8)
        )
        brighter.save(photos / "apple" / f"again-{number:02}.jpg", quality=70)
    dataset = project.prepare(SPEC)
    found = issues(dataset, "near-duplicate")
    assert len(found) == 12
    split = {each["path"]: each["split"] for each in dataset.samples().to_pylist()}
    for number in range(12):
        assert split[f"apple/{number:02}.jpg"] == split[f"apple/again-{number:02}.jpg"]


def test_decisions_by_rule_and_by_hand(project: Project, photos: Path) -> None:
    Image.fromarray((np.random.default_rng(0).random((80, 80, 3)) * 30).astype(np.uint8)).save(
        photos / "apple" / "dark.png"
    )
    first = project.prepare(SPEC)
    (dark,) = issues(first, "dark")
    assert (dark["decision"], dark["decided_by"]) == ("keep", "default")
    ruled = project.prepare(SPEC + "clean: {drop: [dark]}\n")
    (dark,) = issues(ruled, "dark")
    assert (dark["decision"], dark["decided_by"]) == ("drop", "rule:drop.dark")
    assert ruled.meta["counts"]["dropped"] == 1
    before = fingerprint(project.spec(SPEC), project.store)
    project.store.decisions.record(str(dark["id"]), "drop", "ann", "too dark to see")
    assert fingerprint(project.spec(SPEC), project.store) != before
    decided = project.prepare(SPEC)
    (dark,) = issues(decided, "dark")
    assert (dark["decision"], dark["decided_by"]) == ("drop", "person:ann")
    assert decided.meta["counts"]["dropped"] == 1


def test_an_annotation_settles_a_conflict(project: Project, photos: Path) -> None:
    raw = (photos / "apple" / "01.jpg").read_bytes()
    (photos / "pear" / "conflict.jpg").write_bytes(raw)
    first = project.prepare(SPEC)
    (sample,) = {each["sample"] for each in issues(first, "conflicting-labels")}
    project.store.annotations.append(str(sample), "label", "pear", "ann", "person")
    settled = project.prepare(SPEC)
    assert not issues(settled, "conflicting-labels")
    assert len(issues(settled, "duplicate")) == 1
    row = next(each for each in settled.samples().to_pylist() if each["path"] == "apple/01.jpg")
    assert row["label"] == "pear"
    assert str(row["annotation"]).startswith("annotation:")


def test_groups_by_name_never_straddle(project: Project, photos: Path) -> None:
    for path in list(photos.rglob("*.jpg")):
        path.rename(
            path.with_name(
                f"exp{path.stem[-1]}_num_{int(path.stem) // 4 + (50 if 'pear' in str(path) else 0)}_{path.stem}.jpg"
            )
        )
    dataset = project.prepare(SPEC + "split: {by: group, group: 'num_([0-9]+)'}\n")
    splits: dict[str, set[str]] = {}
    for each in dataset.samples().to_pylist():
        splits.setdefault(each["path"].split("num_")[1].split("_")[0], set()).add(each["split"])
    assert len(splits) == 10
    assert all(len(each) == 1 for each in splits.values())


def test_samples_keep_their_split_when_a_dataset_grows(project: Project, photos: Path) -> None:
    first = project.prepare(SPEC)
    before = dict(zip(first.samples()["id"].to_pylist(), first.samples()["split"].to_pylist(), strict=True))
    for number in range(30):
        (photos / "apple" / f"new{number}.jpg").write_bytes(picture(3000 + number))
    second = project.prepare(SPEC + "split: {train: 0.5, validation: 0.25, test: 0.25}\n", parent=first)
    after = dict(zip(second.samples()["id"].to_pylist(), second.samples()["split"].to_pylist(), strict=True))
    assert {sample: after[sample] for sample in before} == before
    assert second.artifact.observed["parent"] == first.digest
    assert {node.id for node in project.store.catalog.lineage.of(second.digest).nodes} >= {first.digest, second.digest}


def test_file_pattern_and_level(project: Project, photos: Path) -> None:
    for path in list(photos.rglob("*.jpg")):
        Image.new("L", (96, 80)).save(path.with_suffix(".png"))
    dataset = project.prepare("sources: [{folder: photos, files: '*.jpg'}]\noutput: category\n")
    assert dataset.meta["counts"]["dropped"] == 0
    assert len(dataset.samples()) == 40


def test_source_file_changed_or_gone_is_named(project: Project, photos: Path) -> None:
    dataset = project.prepare(SPEC)
    path = photos / dataset.samples("train")["path"].to_pylist()[0]
    path.write_bytes(picture(9999))
    with pytest.raises(IntegrityError, match="changed since") as caught:
        next(dataset.raw("train"))
    assert path.name in caught.value.message
    path.unlink()
    with pytest.raises(IntegrityError, match="cannot be read: no such file") as caught:
        next(dataset.raw("train"))
    assert path.name in caught.value.message


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda root: None, "no-such-path"),
        (lambda root: (root / "photos").mkdir(), "empty-source"),
        (lambda root: (root / "photos").write_text("no folder"), "not-a-folder"),
    ],
)
def test_nothing_to_learn_from(project: Project, make: object, code: str) -> None:
    make(project.root)  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        project.prepare(SPEC)
    assert caught.value.code == code
    assert "\n" not in caught.value.message
    assert not list((project.root / ".modelwright").rglob("samples.parquet"))


def test_one_class_only(project: Project, photos: Path) -> None:
    shutil.rmtree(photos / "pear")
    with pytest.raises(InputError, match="only one class") as caught:
        project.prepare(SPEC)
    assert caught.value.code == "one-class"


def test_all_files_bad(project: Project, photos: Path) -> None:
    for path in photos.rglob("*.jpg"):
        path.write_bytes(zlib.compress(path.read_bytes()))
    with pytest.raises(InputError, match=r"none of 40 samples of .* is usable"):
        project.prepare(SPEC)


def test_fingerprint_sees_changes_and_nothing_else(project: Project, photos: Path) -> None:
    spec = project.spec(SPEC)
    first = fingerprint(spec, project.store)
    assert fingerprint(spec, project.store) == first
    path = photos / "apple" / "00.jpg"
    data = path.read_bytes()
    os.utime(path, ns=(1, 1))
    assert fingerprint(spec, project.store) == first
    path.write_bytes(data[::-1])
    assert fingerprint(spec, project.store) != first
    path.write_bytes(data)
    assert fingerprint(spec, project.store) == first
    path.rename(path.with_name("other.jpg"))
    assert fingerprint(spec, project.store) != first


def test_what_was_read_is_not_read_again(project: Project, photos: Path) -> None:
    project.prepare(SPEC)
    project.listener.said.clear()
    (photos / "apple" / "new.jpg").write_bytes(picture(77))
    project.prepare(SPEC)
    assert "40 unchanged files were not read again, 1 were read" in project.listener.said


def test_a_damaged_cache_is_thrown_away(project: Project, photos: Path) -> None:
    first = project.prepare(SPEC)
    for path in (project.root / ".modelwright" / "cache" / "prepare").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rubbish" * 1000)
    assert project.prepare(SPEC).digest == first.digest


def test_key_is_remembered_unless_the_sources_moved_on(project: Project, photos: Path) -> None:
    spec = project.spec(SPEC)
    dataset = prepare(spec, project.store, key=("prepare", "a" * 64))
    found = project.store.artifacts.by_key("prepare", "a" * 64)
    assert found is not None
    assert found.digest == dataset.digest


def test_report_is_one_small_page(project: Project, photos: Path) -> None:
    (photos / "apple" / "<script>alert(1).jpg").write_bytes(picture(4)[:600])
    path = project.prepare(SPEC).artifact.attached("report.html")
    assert path is not None
    page = path.read_text("utf-8")
    assert len(page) < 2_000_000
    assert "<script" not in page
    assert "data:image/jpeg" in page
