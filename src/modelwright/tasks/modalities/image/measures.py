"""What is measured on an image: cheap figures in which a dirty lens, a moved camera or another product shows up.

The same figures describe training data in a package's profile and production images in monitoring. All are taken from
a picture whose shorter side is 160 to 319 pixels: larger ones are averaged over squares of 2, 4, 8 … pixels. That makes
sharpness a figure of the picture and not of the camera's pixel count, and it is what a JPEG decoder gives when asked
for a picture of half, a quarter or an eighth of the size: a picture decoded small has the same figures as one decoded
in full, sharpness to within 1 %, the others to within 0.01. All but sharpness are of every second pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Problem

SHAPE_NAMES = ("shape_01", "shape_10", "shape_11", "shape_02", "shape_20", "shape_12", "shape_21", "shape_22")
NAMES = (
    "brightness",
    "contrast",
    "sharpness",
    "saturation",
    "red_cast",
    "blue_cast",
    "entropy",
    "shadows",
    "highlights",
    "edges_x",
    "edges_y",
    "mass_x",
    "mass_y",
    *SHAPE_NAMES,
    "width",
    "height",
    "aspect",
)
"""``brightness`` (mean luma, 0..1), ``contrast`` (its deviation), ``sharpness`` (deviation of the Laplacian divided by
contrast), ``saturation`` (mean of max - min over channels), ``red_cast`` and ``blue_cast`` (mean red or blue minus
green), ``entropy`` (bits, of 64 grey levels), ``shadows`` and ``highlights`` (luma below which 5 % and 99 % lie, in
64ths), ``edges_x``/``edges_y`` (centre of mass of the gradient, 0..1),
``mass_x``/``mass_y`` (of what differs from the border), ``shape_uv`` (low frequencies of the cosine transform of an
8 × 8 thumbnail: rows u, columns v), ``width``, ``height`` (pixels), ``aspect`` (width / height)."""

_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
LEAST_SIDE = 160
"""Pixels that the shorter side keeps when a picture is reduced to be measured."""
TOGETHER = 1 << 14
"""Bytes of a picture up to which it is measured together with others of its size, to the last bit as alone."""
_COARSE_SIDE = 80
_LUMA = np.array([_RED, _GREEN, _BLUE], np.float32) / np.float32(255.0)
_MIN_FOR_BLUR = 64
_BLURRY = 0.1


def factor(height: int, width: int, least: int = LEAST_SIDE) -> int:
    """Return the power of two by which a picture is reduced before it is measured; 1 for a small one.

    ``least`` pixels are left of the shorter side.

    Examples
    --------
    >>> factor(720, 1280), factor(319, 4000), factor(4000, 6000)
    (4, 1, 16)
    """
    made = 1
    while min(height, width) // (2 * made) >= least:
        made *= 2
    return made


def reduced(images: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Return ``(n, ceil(H / by), ceil(W / by), 3)``: averages over squares of ``by`` × ``by`` pixels."""
    if by == 1:
        return images
    from PIL import Image

    made = [np.asarray(Image.fromarray(image).reduce(by)) for image in images]
    return made[0][None] if len(made) == 1 else np.stack(made)


def measure(images: NDArray[np.uint8], sizes: NDArray[np.int64] | None = None) -> dict[str, NDArray[np.float64]]:
    """Return ``(n,)`` float64 per name in :data:`NAMES`, for ``(n, H, W, 3) uint8``; always finite.

    ``sizes``, ``(n, 2)``, are the true height and width of pictures that were reduced when they were read.
    """
    count = len(images)
    if sizes is None:
        sizes = np.full((count, 2), images.shape[1:3])
        images = reduced(images, factor(images.shape[1], images.shape[2]))
    fine = _luma(images)
    sharpness = _deviation(_laplacian(fine)) / np.maximum(_deviation(fine), 0.004)
    # All else is as good from every second pixel. Planes of their own: numpy is several times faster along contiguous
    # memory than across three channels.
    step = factor(images.shape[1], images.shape[2], _COARSE_SIDE)
    red, green, blue = np.moveaxis(images[:, ::step, ::step], 3, 0).astype(np.float32, order="C") / np.float32(255.0)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    flat = luma.reshape(count, -1)
    if np.array_equal(red, green) and np.array_equal(green, blue):
        saturation = red_cast = blue_cast = np.zeros(count)
    else:
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        saturation = spread.reshape(count, -1).mean(1)
        middle = green.reshape(count, -1).mean(1)
        red_cast, blue_cast = red.reshape(count, -1).mean(1) - middle, blue.reshape(count, -1).mean(1) - middle
    values = {
        "brightness": flat.mean(1),
        "contrast": flat.std(1),
        "sharpness": sharpness,
        "saturation": saturation,
        "red_cast": red_cast,
        "blue_cast": blue_cast,
        **_histogram(flat),
        **_positions(luma),
        **_shape(luma),
        "width": sizes[:, 1],
        "height": sizes[:, 0],
        "aspect": sizes[:, 1] / sizes[:, 0],
    }
    return {name: np.asarray(values[name], np.float64) for name in NAMES}


def _luma(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, h, w)`` in 0..1 (ITU-R BT.601)."""
    if images[0].nbytes <= TOGETHER:
        # A product's last bits depend on where in memory a row lies; those of sums by plane do not.
        red, green, blue = np.moveaxis(images, 3, 0).astype(np.float32, order="C")
        return np.asarray(_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue, np.float32)
    return np.asarray((images.reshape(-1, 3).astype(np.float32) @ _LUMA).reshape(images.shape[:3]), np.float32)


def _laplacian(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), ``(n, h - 2, w - 2)``."""
    if luma.shape[1] < 3 or luma.shape[2] < 3:
        return np.zeros((len(luma), 1, 1), np.float32)
    made = luma[:, 1:-1, 1:-1] * np.float32(-4.0)
    made += luma[:, :-2, 1:-1]
    made += luma[:, 2:, 1:-1]
    made += luma[:, 1:-1, :-2]
    made += luma[:, 1:-1, 2:]
    return made


def _deviation(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of each of ``(n, h, w)``."""
    around = planes.reshape(len(planes), -1)
    around = around - around.mean(1, keepdims=True)
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", around, around) / around.shape[1]), np.float32)


def _histogram(flat: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    count, size = flat.shape
    levels = np.minimum((flat * 64.0).astype(np.int64), 63)
    levels += np.arange(count)[:, None] * 64
    shares = np.bincount(levels.ravel(), minlength=count * 64).reshape(count, 64) / size
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    reached = np.cumsum(shares, axis=1)
    return {
        "entropy": np.abs((shares * logs).sum(1)),
        "shadows": (reached >= 0.05).argmax(1) / 64.0,
        "highlights": ((reached >= 0.99 - 1e-9).argmax(1) + 1) / 64.0,
    }


def _positions(luma: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return where edges and foreground lie, 0 (left, top) to 1; the middle where there are none."""
    across = np.abs(np.diff(luma, axis=2))
    down = np.abs(np.diff(luma, axis=1))
    border = (luma[:, 0].mean(1) + luma[:, -1].mean(1) + luma[:, :, 0].mean(1) + luma[:, :, -1].mean(1)) / 4.0
    mass = np.abs(luma - border[:, None, None])
    return {
        "edges_x": _centre(across.sum(1)),
        "edges_y": _centre(down.sum(2)),
        "mass_x": _centre(mass.sum(1)),
        "mass_y": _centre(mass.sum(2)),
    }


def _centre(profile: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the centre of mass of ``(n, length)`` non-negative profiles, as a share of the length."""
    length = profile.shape[1]
    if not length:
        return np.full(len(profile), 0.5)
    places = (np.arange(length, dtype=np.float64) + 0.5) / length
    total = profile.sum(1, dtype=np.float64)
    return np.where(total > 1e-6, (profile * places).sum(1) / np.maximum(total, 1e-6), 0.5)


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the first three rows of the orthonormal 8-point DCT-II."""
    frequency, place = np.arange(3)[:, None], np.arange(8)[None]
    rows = np.cos(math.pi * frequency * (2 * place + 1) / 16) * 0.5
    rows[0] /= math.sqrt(2)
    return np.asarray(rows, np.float64)


def _shape(luma: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    rows = np.arange(8) * luma.shape[1] // 8
    columns = np.arange(8) * luma.shape[2] // 8
    thumbnail = np.add.reduceat(np.add.reduceat(luma, rows, axis=1), columns, axis=2).astype(np.float64)
    heights = np.maximum(np.diff(rows, append=luma.shape[1]), 1)
    widths = np.maximum(np.diff(columns, append=luma.shape[2]), 1)
    thumbnail /= heights[:, None] * widths
    cosines = _cosines()
    waves = cosines @ thumbnail @ cosines.T
    return {name: waves[:, int(name[-2]), int(name[-1])] for name in SHAPE_NAMES}


def problems(measures: Mapping[str, NDArray[Any]]) -> list[Problem]:
    """Return what is odd about one image: remarks for the issue list, none a reason to drop it.

    Thresholds were set on sharp, blurred, dark and washed-out photos; each is a figure that a person can check.
    ``measures`` are those of :func:`measure`.
    """
    values = {name: float(value[0]) for name, value in measures.items()}
    height, width = int(values["height"]), int(values["width"])
    low, high = values["shadows"], values["highlights"]
    found = []
    if high < 0.25:
        message = f"dark: 99 % of the picture is below {high:.0%} of full brightness"
        found.append(Problem("dark", 0.5, message, {"highlights": high, "limit": 0.25}))
    if low > 0.88 and values["contrast"] < 0.1:
        message = f"overexposed: 95 % of the picture is above {low:.0%} of full brightness"
        found.append(Problem("overexposed", 0.5, message, {"shadows": low, "limit": 0.88}))
    if values["entropy"] < 0.2:
        message = f"low information: nearly one shade of grey (entropy {values['entropy']:.2f} bits)"
        found.append(Problem("low-information", 0.5, message, {"entropy": values["entropy"], "limit": 0.2}))
    elif min(height, width) >= _MIN_FOR_BLUR and values["sharpness"] < _BLURRY:
        message = f"blurry: sharpness {values['sharpness']:.3f}, clear pictures have more than {_BLURRY}"
        found.append(Problem("blurry", 0.4, message, {"sharpness": values["sharpness"], "limit": _BLURRY}))
    if not 1 / 3 <= values["aspect"] <= 3:
        message = f"odd aspect: {width} × {height} pixels, more than 3 to 1"
        found.append(Problem("odd-aspect", 0.3, message, {"width": width, "height": height}))
    return found
