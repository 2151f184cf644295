"""A simulated camera: real scanned digits as picture files with honest dirt, and what happens when the camera slips.

Used by ``mw demo`` and by tests. The digits are scikit-learn's copy of the test part of "Optical Recognition of
Handwritten Digits" (Alpaydin and Kaynak, UCI 1998): 1,797 scans of 8 × 8 pixels, enlarged here so that blur and shift
mean something.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 32


@dataclass(frozen=True)
class Picture:
    """One picture with its truth: ``pixels`` ``(side, side, 3) uint8``, and the same as PNG bytes."""

    label: str
    pixels: NDArray[np.uint8]
    png: bytes


@dataclass(frozen=True)
class Dirt:
    """What is wrong with the written files, to check a run against. Paths are relative to the folder."""

    truncated: tuple[str, ...]
    duplicated: tuple[tuple[str, str], ...]
    """``(copy, original)``"""
    mislabelled: tuple[tuple[str, str], ...]
    """``(path, true label)``: the file lies in the folder of another class."""


@dataclass(frozen=True)
class Digits:
    """What was written, and what was held back for production, in random order."""

    folder: Path
    written: int
    held_back: tuple[Picture, ...]
    dirt: Dirt


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W, 3) uint8`` as a PNG file."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def digit_pictures(side: int = SIDE) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return the 1,797 digits as ``(label, (side, side, 3) uint8)``, enlarged bicubically, in scikit-learn's order.

    An eighth of the side is black around each, so that a camera that slips a little does not cut it off.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = []
    for scan, label in zip(data.images, data.target, strict=True):
        small = Image.fromarray(np.clip(scan * 255.0 / 16.0, 0, 255).astype(np.uint8))
        margin = side // 8
        large = np.zeros((side, side), np.uint8)
        inner = small.resize((side - 2 * margin, side - 2 * margin), Image.Resampling.BICUBIC)
        large[margin : side - margin, margin : side - margin] = np.asarray(inner)
        pictures.append((str(label), np.repeat(large[:, :, None], 3, axis=2)))
    return pictures


def write_digits(
    folder: Path,
    seed: int = 0,
    *,
    truncated: int = 8,
    duplicated: int = 20,
    mislabelled: float = 0.03,
    held_back: int = 700,
    side: int = SIDE,
) -> Digits:
    """Write digits as PNG files, a folder per class, with dirt of known kinds.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    seed
        Chooses which digits are written, held back and dirty.
    truncated
        How many files are cut off in their middle.
    duplicated
        How many files are there twice, under another name in the same folder.
    mislabelled
        Share of the files that lie in a wrong class's folder.
    held_back
        How many pictures are not written but returned, as what production will send.
    side
        Pixels of a picture's side, 8 or more.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digits = write_digits(Path(folder), seed=1)
    ...     digits.written, len(digits.held_back), len(digits.dirt.mislabelled)
    (1117, 700, 33)
    """
    random = np.random.default_rng(seed)
    pictures = digit_pictures(side)
    order = random.permutation(len(pictures))
    kept = [
        Picture(pictures[index][0], pictures[index][1], png(pictures[index][1])) for index in order[:held_back].tolist()
    ]
    rest = order[held_back:].tolist()
    classes = sorted({label for label, _ in pictures})
    for label in classes:
        (folder / label).mkdir(parents=True, exist_ok=True)
    wrong = set(random.choice(len(rest), round(mislabelled * len(rest)), replace=False).tolist())
    others = [index for index in range(len(rest)) if index not in wrong]
    chosen = random.choice(others, truncated + duplicated, replace=False).tolist()
    cut, twice = set(chosen[:truncated]), set(chosen[truncated:])
    dirt: tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]] = ([], [], [])
    for place, index in enumerate(rest):
        label, pixels = pictures[index]
        data = png(pixels)
        where = label
        if place in wrong:
            where = str(random.choice([other for other in classes if other != label]))
        name = f"{where}/scan-{index:04d}.png"
        if place in wrong:
            dirt[2].append((name, label))
        if place in cut:
            data = data[: len(data) // 2]
            dirt[0].append(name)
        (folder / name).write_bytes(data)
        if place in twice:
            copy = f"{where}/copy-of-{index:04d}.png"
            (folder / copy).write_bytes(data)
            dirt[1].append((copy, name))
    found = Dirt(tuple(sorted(dirt[0])), tuple(sorted(dirt[1])), tuple(sorted(dirt[2])))
    return Digits(folder, len(rest) + len(twice), tuple(kept), found)


def slip(image: NDArray[np.uint8], rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.uint8]:
    """Return the picture as the camera takes it after it has slipped: darker, out of focus, and to the side.

    Parameters
    ----------
    image
        ``(H, W, C) uint8``.
    rng
        Each picture differs a little: the belt shakes.
    strength
        0: nothing happened; 1: half the light, a blur of 5 % and a shift of 13 % of the side.

    Examples
    --------
    >>> bright = np.full((32, 32, 3), 200, np.uint8)
    >>> dark = slip(bright, np.random.default_rng(0), 1.0)
    >>> dark.shape, bool(dark.mean() < 130)
    ((32, 32, 3), True)
    """
    from PIL import Image, ImageFilter

    if strength <= 0:
        return image.copy()
    height, width = image.shape[:2]
    side = min(height, width)
    down = round(strength * height * (0.13 + 0.03 * rng.standard_normal()))
    right = round(strength * width * (0.13 + 0.03 * rng.standard_normal()))
    # What comes into view at the edges is taken to look like the edge.
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    moved = Image.fromarray(np.ascontiguousarray(image[rows][:, columns].squeeze()))
    radius = max(0.0, strength * side * (0.05 + 0.005 * rng.standard_normal()))
    blurred = np.asarray(moved.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float64).reshape(image.shape)
    light = 1.0 - min(0.95, strength * (0.5 + 0.05 * rng.standard_normal()))
    noise = rng.normal(0.0, 2.0, (height, width, 1))  # of the light, so the same in every channel
    return np.clip(np.rint(blurred * light + noise), 0, 255).astype(np.uint8)
