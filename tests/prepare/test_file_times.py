"""Files of which one class was made at another time, small sets with two odd files, and groups with few files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright.tasks.modalities.image.made import made

from .conftest import Project, issues, picture

EACH = 24
SPEC = "sources: [{folder: photos}]\nclean: {review: []}"


def stamped(seed: int, when: str) -> bytes:
    """A picture whose EXIF says when it was taken."""
    image = Image.open(io.BytesIO(picture(seed)))
    tags = image.getexif()
    tags[0x0132] = when
    out = io.BytesIO()
    image.save(out, "JPEG", exif=tags, quality=90)
    return out.getvalue()


def write(root: Path, name: str, raw: bytes) -> None:
    path = root / "photos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


@pytest.mark.parametrize("apart", [True, False])
def test_the_date_in_the_files_tells_the_class(project: Project, apart: bool) -> None:
    for number in range(EACH):
        for code, name in enumerate(("good", "bad")):
            day = 1 + number % 9 + 12 * code * apart
            raw = stamped(number + 100 * code, f"2024:03:{day:02} 10:{number:02}:00")
            write(project.root, f"{name}/{name}_{(number * 7 + code * 3) % 97}.jpg", raw)
    found = issues(project.prepare(SPEC), "leaking-time")
    assert [json.loads(str(each["evidence"]))["where"] for each in found] == ["file"] * apart
    again = issues(project.prepare(SPEC), "leaking-time")
    assert [each["message"] for each in again] == [each["message"] for each in found]


@pytest.mark.parametrize("apart", [True, False])
def test_the_date_in_names_tells_the_class(project: Project, apart: bool) -> None:
    for number in range(EACH):
        for code, name in enumerate(("good", "bad")):
            day = 1 + number % 9 + 12 * code * apart
            write(project.root, f"{name}/IMG_202403{day:02}_10{number:02}00{code}.jpg", picture(number + 100 * code))
    found = issues(project.prepare(SPEC), "leaking-time")
    assert [json.loads(str(each["evidence"]))["where"] for each in found] == ["name"] * apart


def test_running_numbers_of_the_names_are_a_remark(project: Project) -> None:
    for number in range(EACH):
        for code, name in enumerate(("good", "bad")):
            write(project.root, f"{name}/DSC{1000 + number + EACH * code}.jpg", picture(number + 100 * code))
    (found,) = issues(project.prepare(SPEC), "leaking-time")
    assert float(str(found["severity"])) == 0.3


def test_numbers_that_start_anew_for_each_class_are_none(project: Project) -> None:
    for number in range(EACH):
        for code, name in enumerate(("good", "bad")):
            write(project.root, f"{name}/{name}{number}.jpg", picture(number + 100 * code))
    assert not issues(project.prepare(SPEC), "leaking-time")


def test_the_time_in_a_manifest_tells_the_class(project: Project) -> None:
    lines = ["file,label,when"]
    for number in range(2 * EACH):
        write(project.root, f"{number * 31 % 101}.jpg", picture(number))
        lines.append(f"{number * 31 % 101}.jpg,{'ab'[number % 2]},2024-{1 + number % 2 + 2 * (number % 4 // 2):02}-17")
    (project.root / "list.csv").write_text("\n".join(lines))
    text = "sources: [{manifest: list.csv, folder: photos, time: when}]\nclean: {review: []}"
    (found,) = issues(project.prepare(text), "leaking-time")
    assert "source" in str(found["message"])


def test_when_a_picture_was_taken() -> None:
    assert made(stamped(1, "2024:03:01 12:00:00")) == 19783.5
    assert np.isnan(made(stamped(1, "0000:00:00 00:00:00")))
    assert np.isnan(made(picture(1)))
    assert np.isnan(made(stamped(1, "2024:03:01 12:00:00")[:40]))


@pytest.mark.parametrize(("odd", "found"), [(2, 2), (5, 5), (12, 0)])
def test_two_odd_files_of_a_small_set_do_not_hide_each_other(project: Project, odd: int, found: int) -> None:
    for number in range(60):
        write(project.root, f"{'ab'[number % 2]}/{number}.jpg", picture(number))
    for number in range(odd):
        write(project.root, f"a/big{number}.jpg", picture(500 + number, (500 + number, 900)))
    assert len(issues(project.prepare(SPEC), "odd-size")) == found


def test_a_group_of_few_pictures(project: Project) -> None:
    lines = ["file,label,cam"]
    for number in range(60):
        write(project.root, f"{number}.jpg", picture(number))
        lines.append(f"{number}.jpg,{'ab'[number % 2]},{'rare' if number < 3 else f'c{number % 4}'}")
    (project.root / "list.csv").write_text("\n".join(lines))
    text = "sources: [{manifest: list.csv, folder: photos, group: cam}]\nclean: {review: []}"
    (found,) = issues(project.prepare(text), "under-represented")
    assert json.loads(str(found["evidence"]))["groups"] == {"rare": 3}
    (project.root / "list.csv").write_text("\n".join(lines).replace("rare", "c1"))
    assert not issues(project.prepare(text), "under-represented")
