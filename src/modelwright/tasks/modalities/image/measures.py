"""What is measured on an image: cheap figures in which a dirty lens, a moved camera or another product shows up.

The same figures describe training data in a package's profile and production images in monitoring. All are taken from
a picture whose shorter side is 160 to 319 pixels: larger ones are averaged over squares of 2, 4, 8 … pixels. That makes
sharpness a figure of the picture and not of the camera's pixel count, and it is what a JPEG decoder gives when asked
for a picture of half, a quarter or an eighth of the size: a picture decoded small has the same figures as one decoded
in full, sharpness to within 1 %, the others to within 0.01. All but sharpness are of every second pixel.

Luma is a whole number of sixteenths of a grey level, and what is summed are whole numbers in floats that hold them
exactly: a sum is the same in whatever order and beside whatever other pictures it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, lru_cache
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

_RED, _GREEN, _BLUE = np.uint16(77), np.uint16(150), np.uint16(29)
"""Weights of luma (ITU-R BT.601: 0.299, 0.587, 0.114) in 256ths."""
_WHITE = 16 * 255
"""Luma of white."""
LEAST_SIDE = 160
"""Pixels that the shorter side keeps when a picture is reduced to be measured."""
TOGETHER = 1 << 18
"""Bytes of a picture up to which it is measured together with others of its size, to the last bit as alone."""
TOGETHER_ALWAYS = 1 << 14
"""Bytes of a picture up to which that holds for the steps that go over all of its pixels, too."""
_COARSE_SIDE = 80
_MIN_FOR_BLUR = 64
_BLURRY = 0.1
_DARK = 0.25
_LIGHT, _FAINT = 0.88, 0.1
_LITTLE = 0.2
_NARROW = 3
"""What :func:`problems` calls odd: set on sharp, blurred, dark and washed-out photos."""


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
    # All but sharpness is as good from every second pixel.
    step = factor(images.shape[1], images.shape[2], _COARSE_SIDE)
    if images[0].nbytes <= TOGETHER_ALWAYS:
        luma, detail = _fine(images, step)
    else:  # one by one: what the processor's cache holds is several times as fast
        parts = [_fine(images[place : place + 1], step) for place in range(count)]
        luma, detail = (np.concatenate(each) if count > 1 else each[0] for each in zip(*parts, strict=True))
    brightness, contrast = _moments(luma)
    sharpness = detail / np.maximum(contrast, 0.004 * _WHITE)
    saturation, red_cast, blue_cast = _colour(images[:, ::step, ::step])
    values = {
        "brightness": brightness / _WHITE,
        "contrast": contrast / _WHITE,
        "sharpness": sharpness,
        "saturation": saturation,
        "red_cast": red_cast,
        "blue_cast": blue_cast,
        **_histogram(luma.reshape(count, -1)),
        **_positions(luma),
        **_shape(luma),
        "width": sizes[:, 1],
        "height": sizes[:, 0],
        "aspect": sizes[:, 1] / sizes[:, 0],
    }
    return {name: np.asarray(values[name], np.float64) for name in NAMES}


def _fine(images: NDArray[np.uint8], step: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return luma of every ``step``-th pixel, and the deviation of the Laplacian of all of it."""
    luma = _luma(images)
    inner = (luma.shape[1] - 2) * (luma.shape[2] - 2) if min(luma.shape[1:]) > 2 else 1
    return np.ascontiguousarray(luma[:, ::step, ::step]), _moments(_laplacian(luma), inner)[1]


def _luma(images: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return ``(n, h, w)``, 0 to 4080."""
    made, green, blue = (images[..., channel].astype(np.uint16) for channel in range(3))
    made *= _RED
    green *= _GREEN
    made += green
    blue *= _BLUE
    made += blue
    made >>= 4
    return made.view(np.int16)


def _laplacian(luma: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), ``(n, h - 2, w)``; zeros in the last two columns.

    Pixels are gone through as one line, without a stop at the end of each row; what reaches over an end is put out.
    """
    count, height, width = luma.shape
    if height < 3 or width < 3:
        return np.zeros((count, 1, 1), np.int16)
    line = luma.reshape(count, -1)
    made = np.empty((count, (height - 2) * width), np.int16)
    inner = made[:, :-2]
    np.multiply(line[:, width + 1 : -width - 1], np.int16(-4), out=inner)
    inner += line[:, width : -width - 2]
    inner += line[:, width + 2 : -width]
    inner += line[:, 1 : -2 * width - 1]
    inner += line[:, 2 * width + 1 : -1]
    planes = made.reshape(count, height - 2, width)
    planes[:, :, -2:] = 0
    return planes


def _moments(planes: NDArray[np.int16], area: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each of ``(n, h, w)``; squares are below 2²⁸, and so is the pixel count.

    ``area`` is how many of the pixels count, where the others are zeros.
    """
    values = planes.astype(np.float64)
    area = area or values[0].size
    mean = values.sum((1, 2)) / area
    squares = np.vecdot(values, values).sum(1)  # by rows: BLAS takes longer vectors to threads that are not free
    return mean, np.sqrt(np.maximum(squares / area - mean * mean, 0.0))


def _colour(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return saturation and the casts of red and blue of each of ``(n, h, w, 3)``."""
    count = len(images)
    # Planes of their own: numpy is several times faster along contiguous memory than across three channels.
    planes = np.moveaxis(images, 3, 0).copy()
    red, green, blue = planes
    if np.array_equal(red, green) and np.array_equal(green, blue):
        none = np.zeros(count)
        return none, none, none
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    size = red[0].size
    area = 255.0 * max(1, size)
    wide = np.uint32 if size < 1 << 24 else np.uint64  # what is enough is twice as fast
    sums = planes.reshape(3, count, -1).sum(2, dtype=wide) / area
    return spread.reshape(count, -1).sum(1, dtype=wide) / area, sums[0] - sums[1], sums[2] - sums[1]


def _histogram(flat: NDArray[np.int16]) -> dict[str, NDArray[np.float64]]:
    count, size = flat.shape
    levels = (flat >> 6).astype(np.int64)
    if count > 1:
        levels += np.arange(count)[:, None] * 64
    shares = np.bincount(levels.ravel(), minlength=count * 64).reshape(count, 64) / size
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    reached = np.cumsum(shares, axis=1)
    return {
        "entropy": np.abs((shares * logs).sum(1)),
        "shadows": (reached >= 0.05).argmax(1) / 64.0,
        "highlights": ((reached >= 0.99 - 1e-9).argmax(1) + 1) / 64.0,
    }


def _positions(luma: NDArray[np.int16]) -> dict[str, NDArray[np.float64]]:
    """Return where edges and foreground lie, 0 (left, top) to 1; the middle where there are none."""
    across, down = np.abs(np.diff(luma, axis=2)), np.abs(np.diff(luma, axis=1))
    sides = (luma[:, 0], luma[:, -1], luma[:, :, 0], luma[:, :, -1])
    border = np.rint(sum(side.sum(1) / side.shape[1] for side in sides) / 4.0).astype(np.int16)
    mass = np.abs(luma - border[:, None, None])
    profiles = {
        "edges_x": across.sum(1),
        "edges_y": down.sum(2),
        "mass_x": mass.sum(1),
        "mass_y": mass.sum(2),
    }
    totals = np.array([profile.sum(1) for profile in profiles.values()])
    moments = np.array([profile @ _places(profile.shape[1]) for profile in profiles.values()])
    centres = np.where(totals > 0, moments / np.maximum(totals, 1), 0.5)
    return dict(zip(profiles, centres, strict=True))


@lru_cache(64)
def _places(length: int) -> NDArray[np.float64]:
    """Return where the middles of ``length`` pixels lie, 0 to 1, in steps of 2⁻²⁰: sums of products are exact."""
    return np.asarray(np.rint((np.arange(length) + 0.5) / max(length, 1) * 2**20) / 2**20)


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the first three rows of the orthonormal 8-point DCT-II."""
    frequency, place = np.arange(3)[:, None], np.arange(8)[None]
    rows = np.cos(math.pi * frequency * (2 * place + 1) / 16) * 0.5
    rows[0] /= math.sqrt(2)
    return np.asarray(rows, np.float64)


@lru_cache(64)
def _parts(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where eight parts of a line of pixels begin, and how long they are (at least 1)."""
    first = np.arange(8) * length // 8
    return first, np.maximum(np.diff(first, append=length), 1)


def _shape(luma: NDArray[np.int16]) -> dict[str, NDArray[np.float64]]:
    (rows, heights), (columns, widths) = _parts(luma.shape[1]), _parts(luma.shape[2])
    thumbnail = np.add.reduceat(np.add.reduceat(luma, rows, axis=1, dtype=np.float64), columns, axis=2)
    thumbnail /= heights[:, None] * widths * _WHITE
    cosines = _cosines()
    waves = cosines @ thumbnail @ cosines.T
    return {name: waves[:, int(name[-2]), int(name[-1])] for name in SHAPE_NAMES}


def remarkable(measures: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return ``(n,)``: of which images :func:`problems` has something to say."""
    height, width = (np.asarray(measures[name], np.int64) for name in ("height", "width"))
    aspect, entropy = measures["aspect"], measures["entropy"]
    blurry = (np.minimum(height, width) >= _MIN_FOR_BLUR) & (measures["sharpness"] < _BLURRY)
    overexposed = (measures["shadows"] > _LIGHT) & (measures["contrast"] < _FAINT)
    return np.asarray(
        (measures["highlights"] < _DARK)
        | overexposed
        | (entropy < _LITTLE)
        | blurry
        | ~((aspect >= 1 / _NARROW) & (aspect <= _NARROW))
    )


def problems(measures: Mapping[str, NDArray[Any]]) -> list[Problem]:
    """Return what is odd about one image: remarks for the issue list, none a reason to drop it.

    Thresholds were set on sharp, blurred, dark and washed-out photos; each is a figure that a person can check.
    ``measures`` are those of :func:`measure`.
    """
    values = {name: float(value[0]) for name, value in measures.items()}
    height, width = int(values["height"]), int(values["width"])
    low, high = values["shadows"], values["highlights"]
    found = []
    if high < _DARK:
        message = f"dark: 99 % of the picture is below {high:.0%} of full brightness"
        found.append(Problem("dark", 0.5, message, {"highlights": high, "limit": _DARK}))
    if low > _LIGHT and values["contrast"] < _FAINT:
        message = f"overexposed: 95 % of the picture is above {low:.0%} of full brightness"
        found.append(Problem("overexposed", 0.5, message, {"shadows": low, "limit": _LIGHT}))
    if values["entropy"] < _LITTLE:
        message = f"low information: nearly one shade of grey (entropy {values['entropy']:.2f} bits)"
        found.append(Problem("low-information", 0.5, message, {"entropy": values["entropy"], "limit": _LITTLE}))
    elif min(height, width) >= _MIN_FOR_BLUR and values["sharpness"] < _BLURRY:
        message = f"blurry: sharpness {values['sharpness']:.3f}, clear pictures have more than {_BLURRY}"
        found.append(Problem("blurry", 0.4, message, {"sharpness": values["sharpness"], "limit": _BLURRY}))
    if not 1 / _NARROW <= values["aspect"] <= _NARROW:
        message = f"odd aspect: {width} × {height} pixels, more than {_NARROW} to 1"
        found.append(Problem("odd-aspect", 0.3, message, {"width": width, "height": height}))
    return found
