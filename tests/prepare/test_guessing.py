"""What a folder or a table is guessed to be, and why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.errors import InputError
from modelwright.prepare.guess.guessing import guess

from .conftest import picture


def test_folders_in_folders_without_end_are_an_error_in_words(tmp_path: Path) -> None:
    with chdir(tmp_path):
        for _ in range(1200):
            Path("d").mkdir()
            os.chdir("d")
    try:
        with pytest.raises(InputError, match="folders in folders") as caught:
            guess(tmp_path)
        assert caught.value.code == "too-deep"
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # too deep for what clears up after tests


def test_folder_of_class_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(picture(1))
    found = guess(tmp_path)
    assert (found.input, found.output, found.label, found.metric) == ("image", "category", None, "f1_macro")
    assert found.sources == [{"folder": str(tmp_path)}]
    assert any("cat, dog" in reason for reason in found.reasons)


def test_train_and_test_folders_are_no_classes(tmp_path: Path) -> None:
    for top in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / top / name).mkdir(parents=True)
            (tmp_path / top / name / "1.jpg").write_bytes(picture(1))
    assert guess(tmp_path).sources == [{"folder": str(tmp_path), "level": 2}]


def test_masks_beside_pictures_are_left_out(tmp_path: Path) -> None:
    for name in ("crack", "free"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.jpg").write_bytes(picture(number))
            (tmp_path / name / f"{number}.png").write_bytes(picture(number, kind="PNG"))
    found = guess(tmp_path)
    assert found.sources[0]["files"] == ["*.jpg"]
    assert any("masks" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("name", "label", "output", "metric"),
    [
        ("titanic/titanic.csv", "Survived", "category", "f1_macro"),
        ("adult-income/adult-train.csv.gz", "column15", "category", "f1_macro"),
        ("california-housing/housing.csv", "median_house_value", "number", "mae"),
        ("wine-quality/winequality-red.csv", "column12", "category", "f1_macro"),
        ("penguins/penguins.csv", "species", "category", "f1_macro"),
    ],
)
def test_real_tables(shared_data: Path, name: str, label: str, output: str, metric: str) -> None:
    path = shared_data / name
    if not path.exists():
        pytest.skip("not here under this name")
    found = guess(path)
    assert (found.input, found.label, found.output, found.metric) == ("table", label, output, metric)
    assert len(found.reasons) >= 3


def test_parquet(tmp_path: Path) -> None:
    parquet.write_table(
        pa.table({"a": [1.5, 2.5] * 50, "target": [0, 1] * 50, "z": list(range(100))}), tmp_path / "x.parquet"
    )
    found = guess(tmp_path / "x.parquet")
    assert (found.label, found.output) == ("target", "category")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "no-such-path"),
        (lambda path: path.mkdir(), "empty-source"),
        (lambda path: (path / "a").mkdir(parents=True), "empty-source"),
        (lambda path: (path.mkdir(), (path / "notes.txt").write_text("x")), "no-classes"),
        (lambda path: path.write_text(""), "empty-table"),
    ],
)
def test_nothing_to_guess_from(tmp_path: Path, make: object, code: str) -> None:
    make(tmp_path / "x")  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        guess(tmp_path / "x")
    assert caught.value.code == code
    assert "\n" not in caught.value.message


def test_guess_and_fingerprint_stay_light(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,kind\n" + "1,x\n2,y\n" * 20)
    (tmp_path / "modelwright.yaml").write_text("sources: [{table: data.csv}]\nlabel: kind\noutput: category\n")
    code = f"""
import sys
from modelwright import spec
from modelwright.store import Store
from modelwright.prepare import fingerprint
from modelwright.prepare.guess.guessing import guess
guess({str(tmp_path / "data.csv")!r})
loaded = spec.load({str(tmp_path / "modelwright.yaml")!r})
store = Store.open(__import__("pathlib").Path({str(tmp_path / ".modelwright")!r}))
fingerprint(loaded, store)
heavy = {{"numpy", "pyarrow", "onnxruntime", "sqlalchemy", "PIL", "torch"}} & set(sys.modules)
assert not heavy, heavy
fingerprint(loaded, store)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def _sounds(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"RIFF")


def test_sounds_in_class_folders(tmp_path: Path) -> None:
    _sounds(tmp_path, *(f"{name}/{number}.wav" for name in ("dog", "rain") for number in range(3)), "notes.txt")
    found = guess(tmp_path)
    assert (found.input, found.output) == ("audio", "category")
    assert found.sources == [{"folder": str(tmp_path), "files": ["*.wav"]}]
    assert any("dog, rain" in reason for reason in found.reasons)


def test_sounds_whose_names_say_what_they_are(tmp_path: Path) -> None:
    who = ("ann", "bob", "eve")
    names = [f"{word}_{each}_{take}.flac" for word in ("yes", "no") for each in who for take in range(4)]
    _sounds(tmp_path, *(f"all/{name}" for name in names))
    found = guess(tmp_path)
    pattern = re.compile(found.sources[0]["label"])
    assert {match.group(1) for name in names if (match := pattern.search(f"all/{name}"))} == {"yes", "no"}
    (group,) = [reason for reason in found.reasons if "group:" in reason]
    spoken = re.compile(group.partition("'")[2].rpartition("'")[0])
    assert {match.group(1) for name in names if (match := spoken.search(name))} == set(who)


def test_sounds_that_nothing_says_anything_about(tmp_path: Path) -> None:
    _sounds(tmp_path, *(f"{number:04}.mp3" for number in range(8)))
    assert (guess(tmp_path).input, guess(tmp_path).output) == ("audio", "none")


def test_real_sounds(shared_data: Path) -> None:
    found = guess(shared_data / "fsdd-spoken-digits" / "recordings.zip")
    assert (found.input, found.output) == ("audio", "category")
    assert re.search(found.sources[0]["label"], "recordings/7_jackson_12.wav")[1] == "7"  # type: ignore[index]
    assert any("jackson" in reason for reason in found.reasons)
