"""Pictures that are odd beside the others, and borders that give the class away."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from .conftest import Project, issues, picture

SPEC = "input: image\noutput: category\nsources:\n  - folder: photos/\nclean:\n  review: []\n"
Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]


def planted(project: Project, change: Change, count: int = 60, size: tuple[int, int] = (96, 80)) -> Path:
    """Write three classes of pictures, changed by ``change(pixels, class number)``."""
    for number, name in enumerate(("apple", "pear", "plum")):
        folder = project.root / "photos" / name
        folder.mkdir(parents=True)
        for place in range(count // 3):
            pixels = np.asarray(Image.open(io.BytesIO(picture(1000 * number + place, size))).convert("RGB"))
            Image.fromarray(change(pixels.copy(), number)).save(folder / f"{place:03d}.png")
    return project.root / "photos"


def unchanged(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    del number
    return pixels


def framed(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    level = (10, 120, 230)[number]
    pixels[:5] = pixels[-5:] = level
    pixels[:, :5] = pixels[:, -5:] = level
    return pixels


def stamped(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    if number == 1:
        pixels[-9:, -9:] = (255, 0, 0)
    return pixels


def test_a_frame_by_class_is_a_leak(project: Project) -> None:
    planted(project, framed)
    (found,) = issues(project.prepare(SPEC), "leaking-border")
    assert "100%" in str(found["message"])
    assert float(str(found["severity"])) >= 0.85


def test_a_mark_on_one_class_is_a_leak_of_that_class(project: Project) -> None:
    planted(project, stamped, 150)
    (found,) = issues(project.prepare(SPEC), "leaking-border")
    assert found["column"] == "pear"


def test_the_same_frame_around_all_is_none(project: Project) -> None:
    planted(project, lambda pixels, _: framed(pixels, 1))
    assert not issues(project.prepare(SPEC), "leaking-border")


def test_a_few_grey_pictures_among_coloured_ones_are_odd(project: Project) -> None:
    folder = planted(project, unchanged)
    for name in ("apple/003.png", "plum/007.png"):
        Image.open(folder / name).convert("L").save(folder / name)
    found = issues(project.prepare(SPEC), "odd-colour")
    assert sorted(str(row["path"]) for row in found) == ["0/apple/003.png", "0/plum/007.png"]
    assert "grey" in str(found[0]["message"])


def test_a_few_coloured_pictures_among_grey_ones_are_odd(project: Project) -> None:
    folder = planted(project, lambda pixels, _: np.repeat(pixels[..., :1], 3, 2))
    Image.open(io.BytesIO(picture(9))).save(folder / "apple" / "003.png")
    (found,) = issues(project.prepare(SPEC), "odd-colour")
    assert "coloured" in str(found["message"])


def test_half_grey_half_coloured_is_no_oddity_of_single_pictures(project: Project) -> None:
    planted(project, lambda pixels, number: np.repeat(pixels[..., :1], 3, 2) if number == 0 else pixels)
    assert not issues(project.prepare(SPEC), "odd-colour")


@pytest.mark.parametrize(("size", "kind"), [((960, 800), "odd-size"), ((250, 80), "odd-aspect")])
def test_one_picture_of_another_size_or_shape_is_odd(project: Project, size: tuple[int, int], kind: str) -> None:
    folder = planted(project, unchanged)
    (folder / "pear" / "004.png").write_bytes(picture(77, size, "PNG"))
    found = [str(row["path"]) for row in issues(project.prepare(SPEC), kind)]
    assert set(found) == {"0/pear/004.png"}


def test_pictures_turned_by_exif_are_remarked(project: Project) -> None:
    folder = planted(project, unchanged)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(picture(5))).save(folder / "apple" / "turned.jpg", exif=exif)
    (found,) = issues(project.prepare(SPEC), "turned")
    assert found["path"] == "0/apple/turned.jpg"
    assert found["decision"] == "keep"
