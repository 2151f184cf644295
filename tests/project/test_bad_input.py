"""Bad input through the command line: one clear line and exit status 2, or an issue in the list; the good goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.project.making import (
    QUICK,
    Said,
    call,
    csv_text,
    encoded,
    huge_png,
    image_project,
    pixels,
    sound,
    table_project,
    table_rows,
    write_photos,
    write_spec,
)

IMAGES = "input: image\noutput: category\nsources: [{folder: photos/}]\n" + QUICK


def found(project: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Return what ``mw issues`` lists, but for remarks about small splits."""
    said = call("issues", cwd=project)
    assert said.status == 0, said.err
    return [each for each in said.document["issues"] if each["kind"] != "small-split" and kind in {None, each["kind"]}]


def plain_and_json(*arguments: str, cwd: Path, code: str) -> dict[str, str]:
    """Check that a refusal is the same line without ``--json``, with nothing on standard output."""
    error = call(*arguments, cwd=cwd).error(code)
    plain = call(*arguments, cwd=cwd, json=False)
    assert plain.status == 2
    assert plain.out == ""
    assert plain.err.splitlines()[-1].startswith("error: ")
    return error


# ---------------------------------------------------------------------- nothing there, or too little


@pytest.mark.parametrize("command", ["run", "init"])
def test_no_such_path(command: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    error = plain_and_json(command, "photoz", cwd=tmp_path, code="no-such-path")
    assert "'photoz'" in error["message"]
    assert error["hint"] == "did you mean 'photos'?"
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    long = call(command, "x" * 300, cwd=tmp_path).error("no-such-path")
    assert long["message"].endswith("file name too long")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    write_spec(tmp_path, IMAGES)
    error = plain_and_json("run", cwd=tmp_path, code="bad-spec")
    assert "modelwright.yaml:4: sources[0].folder" in error["message"]
    assert str(tmp_path / "photos") in error["message"]
    sound(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for command in ("init", "run"):
        error = plain_and_json(command, "photos", cwd=tmp_path, code="empty-source")
        assert str(photos) in error["message"]
        assert error["hint"]
    (photos / "red").mkdir()
    assert "they are empty" in call("run", "photos", cwd=tmp_path).error("empty-source")["message"]
    assert not (tmp_path / "modelwright.yaml").exists()
    write_spec(tmp_path, IMAGES)
    assert "photos/" in plain_and_json("run", cwd=tmp_path, code="empty-source")["message"]
    sound(tmp_path)


def test_one_class_only(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 8, ["red"])
    write_spec(tmp_path, IMAGES)
    error = plain_and_json("run", cwd=tmp_path, code="one-class")
    assert "photos/" in error["message"]
    assert "'red'" in error["message"]
    assert error["hint"]
    sound(tmp_path)
    write_photos(tmp_path / "photos", 8, ["blue"])
    assert call("prepare", cwd=tmp_path).status == 0


def test_a_class_with_one_sample(tmp_path: Path) -> None:
    project = image_project(tmp_path)
    (project / "photos" / "green").mkdir()
    (project / "photos" / "green" / "1.png").write_bytes(encoded(pixels("green", 1)))
    assert call("prepare", cwd=project).status == 0
    (rare,) = found(project, "rare-class")
    assert "'green'" in rare["message"]
    sound(project)


def test_nothing_usable(tmp_path: Path) -> None:
    write_spec(tmp_path, IMAGES)
    good = encoded(pixels("red", 1))
    for kind in ("red", "blue"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "photos" / kind / f"{number}.png").write_bytes(good[: 60 + number])
    error = plain_and_json("run", cwd=tmp_path, code="no-samples")
    assert "none of 6 samples" in error["message"]
    assert "6 corrupt" in error["message"]
    assert "blue/0.png" in error["message"]
    assert error["hint"]
    sound(tmp_path)


# ---------------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def odd_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that was run on good, broken and unusual pictures with unusual names."""
    project = image_project(tmp_path_factory.mktemp("odd"))
    red, blue = project / "photos" / "red", project / "photos" / "blue"
    good = encoded(pixels("red", 99))
    (red / "zero.png").write_bytes(b"")
    (red / "cut.png").write_bytes(good[: len(good) // 2])
    (red / "cut.jpg").write_bytes(encoded(pixels("red", 98), "JPEG")[:900])
    (red / "page.jpg").write_text("<!DOCTYPE html><html><body>404 not found</body></html>")
    (red / "huge.png").write_bytes(huge_png())
    (red / "cmyk.jpg").write_bytes(encoded(pixels("red", 50).convert("CMYK"), "JPEG", quality=95))
    (red / "palette.png").write_bytes(encoded(pixels("red", 52).quantize(64)))
    deep = np.asarray(pixels("red", 51).convert("L")).astype(np.uint16) * 257
    (red / "sixteen.png").write_bytes(encoded(Image.fromarray(deep)))
    orientation = Image.Exif()
    orientation[0x0112] = 6
    turned = pixels("red", 53).transpose(Image.Transpose.ROTATE_90)
    (red / "turned.jpg").write_bytes(encoded(turned, "JPEG", exif=orientation, quality=95))
    for number, name in enumerate(NAMES):
        (blue / os.fsdecode(name)).write_bytes(encoded(pixels("blue", 200 + number)))
    (blue / os.fsdecode(b"cut\xff\n.png")).write_bytes(good[:200])
    other = project / "photos" / os.fsdecode(b"gr\xfcn")
    other.mkdir()
    for number in range(10):
        (other / f"{number}.png").write_bytes(encoded(pixels("green", number)))
    said = call("run", cwd=project)
    assert said.status == 0, said.err
    return project


NAMES = [
    b"with space.png",
    "Übung ✓ 日本語.png".encode(),
    "שלום.png".encode(),
    "\u202egnp.png".encode(),
    "e\u0301.png".encode(),
    "é.png".encode(),
    b"x" * 251 + b".png",
    b"line\nbreak.png",
    b"-rf.png",
    b"a,b\"c';$(x)#y%41.png",
    b"back\\slash.png",
    b"undecodable\xff\xfe.png",
]


@pytest.mark.slow
def test_broken_pictures_are_issues_and_good_ones_go_on(odd_pictures: Path) -> None:
    broken = {each["path"]: each for each in found(odd_pictures) if each["decision"] == "drop"}
    assert {path: each["kind"] for path, each in broken.items()} == {
        "0/red/zero.png": "empty",
        "0/red/cut.png": "corrupt",
        "0/red/cut.jpg": "corrupt",
        "0/red/page.jpg": "wrong-format",
        "0/red/huge.png": "too-large",
        "0/bytes:blue/cut%FF%0A.png": "corrupt",
    }
    assert "HTML page" in broken["0/red/page.jpg"]["message"]
    assert "2,500,000,000 pixels" in broken["0/red/huge.png"]["message"]
    said = call("issues", cwd=odd_pictures, json=False)
    assert all(line.isprintable() for line in said.out.splitlines())
    sound(odd_pictures)


@pytest.mark.slow
def test_unusual_pictures_are_handled(odd_pictures: Path) -> None:
    """The packaged model sees them upright and in colour: it says what it says to the plain picture."""
    predictions = {
        Path(each["input"]).name: each
        for each in call("predict", "photos", cwd=odd_pictures).document["predictions"]
        if "/red/" in each["input"]
    }
    assert {name for name, each in predictions.items() if "error" in each} == {
        "zero.png",
        "cut.png",
        "cut.jpg",
        "page.jpg",
        "huge.png",
    }
    for name in ("cmyk.jpg", "palette.png", "turned.jpg"):
        assert predictions[name]["prediction"]["label"] == "red"
    from modelwright.project import open_project
    from modelwright.runtime.predictor import Predictor
    from modelwright.runtime.reader import PackageReader

    package = open_project(odd_pictures).store.artifacts.latest("package")
    assert package is not None
    predictor = Predictor(PackageReader.open(package.folder))
    for name, seed in (("cmyk.jpg", 50), ("palette.png", 52), ("turned.jpg", 53)):
        seen = predictor.decode((odd_pictures / "photos" / "red" / name).read_bytes())["image"][0]
        wanted = np.asarray(pixels("red", seed))
        assert seen.shape == wanted.shape
        close = np.abs(seen.astype(int) - wanted).mean()
        assert close < 20
        assert close < np.abs(seen.astype(int) - wanted[::-1]).mean()
        assert close < np.abs(seen.astype(int) - wanted[:, ::-1]).mean()
    deep = predictor.decode((odd_pictures / "photos" / "red" / "sixteen.png").read_bytes())["image"][0]
    assert np.abs(deep[..., 0].astype(int) - np.asarray(pixels("red", 51).convert("L"))).max() <= 1


@pytest.mark.slow
def test_unusual_names_are_handled(odd_pictures: Path) -> None:
    said = call("predict", "photos/blue", cwd=odd_pictures)
    assert said.status == 1
    answers = {os.fsencode(each["input"]).rpartition(b"/")[2]: each for each in said.document["predictions"]}
    assert all(answers[name]["prediction"]["label"] == "blue" for name in NAMES)
    assert answers[b"cut\xff\n.png"]["error"]["code"] == "corrupt"
    one = call("predict", b"photos/blue/undecodable\xff\xfe.png", cwd=odd_pictures, json=False)
    assert one.status == 0
    assert one.out.startswith("photos/blue/undecodable\\udcff\\udcfe.png  blue")
    classes = call("explore", "report", cwd=odd_pictures)
    assert classes.status == 0
    missing = call("predict", b"photos/nothing\xff.png", cwd=odd_pictures)
    assert "nothing\\udcff.png" in missing.error("no-such-path")["message"]


def test_a_project_is_begun_from_folders_with_undecodable_names(tmp_path: Path) -> None:
    for kind, name in (("red", b"r\xfct"), ("blue", b"blau\xe2\x80\xae")):
        folder = tmp_path / os.fsdecode(b"my \xff photos") / os.fsdecode(name)
        folder.mkdir(parents=True)
        for number in range(6):
            (folder / f"{number}.png").write_bytes(encoded(pixels(kind, number)))
    said = call("init", b"my \xff photos", cwd=tmp_path)
    assert said.status == 0, said.err
    assert call("run", "--to", "prepare", cwd=tmp_path).status in {0, 2}
    sound(tmp_path)


# ---------------------------------------------------------------------- tables


def lines_of(rows: list[list[str]]) -> list[bytes]:
    return csv_text(rows).encode().splitlines(keepends=True)


def with_rows(change: Callable[[list[list[str]]], None]) -> bytes:
    rows = table_rows()
    change(rows)
    return csv_text(rows).encode()


GOOD = csv_text(table_rows()).encode()
HEADER, *BODY = lines_of(table_rows())


def ragged(rows: list[list[str]]) -> None:
    rows[5] = rows[5][:2]
    rows[9] = [*rows[9], "more"]


def unclosed(rows: list[list[str]]) -> None:
    rows[3][2] = '"' + rows[3][2]


TAKEN: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "bom": (b"\xef\xbb\xbf" + GOOD, []),
    "utf-16": (GOOD.decode().encode("utf-16"), []),
    "crlf": (GOOD.replace(b"\n", b"\r\n"), []),
    "cr": (GOOD.replace(b"\n", b"\r"), []),
    "ragged": (with_rows(ragged), [("ragged-row", "line 10 has 5 cells"), ("ragged-row", "line 6 has 2 cells")]),
    "unclosed quote": (with_rows(unclosed), [("literal-quotes", "data.csv")]),
    "duplicate headers": (
        GOOD.replace(b"width", b"length", 1),
        [("duplicate-header", "more than one column is named 'length'")],
    ),
    "mixed encodings": (
        b"".join(
            line.replace(b"red", "kräftig".encode("latin-1" if number % 2 else "utf-8"))
            for number, line in enumerate([HEADER, *BODY])
        ),
        [("mixed-encoding", "are not UTF-8")],
    ),
    "nul bytes": (
        b"".join([HEADER, BODY[0].replace(b",", b",\0", 1), *BODY[1:]]),
        [("nul-bytes", "line 2 holds NUL bytes")],
    ),
    "strange names": (GOOD.replace(b"length", "длина שלום".encode(), 1).replace(b"width", b'"a""b"', 1), []),
}


@pytest.mark.parametrize("name", TAKEN)
def test_odd_tables_are_taken(name: str, tmp_path: Path) -> None:
    data, expected = TAKEN[name]
    project = table_project(tmp_path, data)
    said = call("prepare", cwd=project)
    assert said.status == 0, said.err
    # A cell with a quotation mark in it is also a rare group of its own; that is about no line.
    listed = [each for each in found(project) if each["kind"] != "under-represented"]
    assert len(listed) == len(expected), listed
    for (kind, words), each in zip(expected, sorted(listed, key=lambda each: str(each["message"])), strict=True):
        assert each["kind"] == kind
        assert words in each["message"]
        assert "data.csv" in each["message"]
    rows = sum(1 for kind, _ in expected if kind in {"ragged-row", "corrupt", "nul-bytes"})
    from modelwright.project import open_project

    dataset = open_project(project).store.artifacts.latest("dataset")
    assert dataset is not None
    assert sum(dataset.meta["counts"].values()) == 60 - rows
    sound(project)


REFUSED: dict[str, tuple[bytes, str, str, str]] = {
    "empty": (b"", "kind", "empty-table", "data.csv is empty"),
    "header only": (HEADER, "kind", "empty-table", "data.csv has no rows"),
    "missing label": (GOOD, "kint", "missing-column", "'kint', is not there"),
    "constant label": (GOOD.replace(b"small", b"big"), "kind", "one-class", "only one class, 'big'"),
    "no labels": (
        b"".join([HEADER, *(line.rsplit(b",", 1)[0] + b",\n" for line in BODY)]),
        "kind",
        "no-samples",
        "60 missing-label",
    ),
    "label twice": (GOOD.replace(b"width", b"kind", 1), "kind", "duplicate-header", "two columns are named 'kind'"),
    "binary": (np.random.default_rng(0).bytes(5000), "kind", "wrong-format", "binary data"),
    "a page": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>\n", "kind", "wrong-format", "an HTML or XML page"),
    "a picture": (encoded(pixels("red", 1)), "kind", "wrong-format", "a picture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_tables_are_refused(name: str, tmp_path: Path) -> None:
    data, label, code, words = REFUSED[name]
    project = table_project(tmp_path, data, label)
    error = call("run", cwd=project).error(code)
    assert words in error["message"]
    assert "data.csv" in error["message"]
    assert error["hint"]
    sound(project)
    (project / "data.csv").write_bytes(GOOD)
    write_spec(project, "input: table\noutput: category\nlabel: kind\nsources: [{table: data.csv}]\n" + QUICK)
    assert call("prepare", cwd=project).status == 0


@pytest.mark.parametrize("name", ["empty", "header only", "binary", "a page", "a picture"])
def test_no_project_is_made_of_what_is_no_table(name: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(REFUSED[name][0])
    for command in ("init", "run"):
        error = call(command, "data.csv", cwd=tmp_path).error(REFUSED[name][2])
        assert "data.csv" in error["message"]
        assert error["hint"]
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


# ---------------------------------------------------------------------- packages


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table project that was run, with ``good.mwpkg`` beside its spec."""
    project = table_project(tmp_path_factory.mktemp("packaged"), GOOD)
    assert call("run", cwd=project).status == 0
    assert call("export", "mwpkg", "--to", "good.mwpkg", cwd=project).status == 0
    return project


def remade(package: Path, change: Callable[[dict[str, bytes]], None], to: Path) -> Path:
    """Write a package anew with its files changed."""
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    to.write_bytes(out.getvalue())
    return to


def tampered(files: dict[str, bytes]) -> None:
    files["model.onnx"] = files["model.onnx"][:-1] + bytes([files["model.onnx"][-1] ^ 1])


def unlisted(files: dict[str, bytes]) -> None:
    files["extra.txt"] = b"hello"


def newer(files: dict[str, bytes]) -> None:
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps({**manifest, "format": 99}, separators=(",", ":"), sort_keys=True).encode()


def renamed(files: dict[str, bytes]) -> None:
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps({**manifest, "name": "other"}, separators=(",", ":"), sort_keys=True).encode()


def lacking(files: dict[str, bytes]) -> None:
    del files["card.md"]


BROKEN: dict[str, tuple[Callable[[dict[str, bytes]], None], str, str]] = {
    "tampered": (tampered, "integrity", "model.onnx"),
    "unlisted": (unlisted, "integrity", "extra.txt"),
    "newer": (newer, "format-too-new", "99"),
    "renamed": (renamed, "integrity", "sign"),
    "lacking": (lacking, "integrity", "card.md"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_package_that_is_not_what_was_made(name: str, packaged: Path, tmp_path: Path) -> None:
    change, code, words = BROKEN[name]
    path = remade(packaged / "good.mwpkg", change, tmp_path / "bad.mwpkg")
    error = call("predict", "--package", str(path), "data.csv", cwd=packaged).error(code)
    assert words in error["message"]
    assert "bad.mwpkg" in error["message"]
    assert error["hint"]
    assert [each.name for each in tmp_path.iterdir()] == ["bad.mwpkg"]


@pytest.mark.slow
def test_a_package_that_is_none(packaged: Path, tmp_path: Path) -> None:
    whole = (packaged / "good.mwpkg").read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("page", b"<html>404</html>")):
        path = tmp_path / f"{name}.mwpkg"
        path.write_bytes(data)
        error = call("predict", "--package", str(path), "data.csv", cwd=packaged).error()
        assert f"{name}.mwpkg" in error["message"]
    call("predict", "--package", str(tmp_path / "none.mwpkg"), "data.csv", cwd=packaged).error()
    call("predict", "--package", "abcd", "data.csv", cwd=packaged).error("no-such-artifact")


@pytest.mark.slow
def test_a_stored_package_that_was_changed(packaged: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(packaged, project)
    (graph,) = (project / ".modelwright" / "artifacts" / "package").glob("*/content/model.onnx")
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    error = call("predict", "data.csv", cwd=project).error("integrity")
    assert "model.onnx" in error["message"]


def answers(said: Said) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = said.document["predictions"]
    return document


@pytest.mark.slow
def test_good_rows_are_answered_beside_bad_ones(packaged: Path, tmp_path: Path) -> None:
    plain = answers(call("predict", "data.csv", cwd=packaged))
    assert len(plain) == 60
    for name in ("bom", "utf-16", "crlf", "cr", "mixed encodings"):
        (tmp_path / "odd.csv").write_bytes(TAKEN[name][0])
        said = call("predict", str(tmp_path / "odd.csv"), cwd=packaged)
        assert said.status == 0, (name, said.err)
        assert len(answers(said)) == 60
        if name != "mixed encodings":
            assert [each["prediction"] for each in answers(said)] == [each["prediction"] for each in plain]
    (tmp_path / "odd.csv").write_bytes(TAKEN["ragged"][0])
    said = call("predict", str(tmp_path / "odd.csv"), cwd=packaged)
    assert said.status == 1
    assert sum("error" in each for each in answers(said)) == 2
    assert len(answers(said)) == 60
    for name in ("empty", "binary", "a page"):
        (tmp_path / "odd.csv").write_bytes(REFUSED[name][0])
        said = call("predict", str(tmp_path / "odd.csv"), "data.csv", cwd=packaged)
        assert said.status == 1, (name, said.err)
        assert sum("prediction" in each for each in answers(said)) == 60
