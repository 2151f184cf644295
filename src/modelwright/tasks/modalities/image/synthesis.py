"""New pictures from real ones: what cameras, lamps, mounts and weather do to them.

The kinds and their ranges follow Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", at their mild end, since the label must still be right; ``mix`` is mixup (Zhang, Cisse,
Dauphin and Lopez-Paz 2018) of two samples of one class.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Way

WAYS: Mapping[str, Way] = {
    "light": Way("another exposure, contrast and colour temperature"),
    "blur": Way("out of focus, or moved while the shutter was open"),
    "noise": Way("photon and read-out noise of a sensor in poor light"),
    "perspective": Way("seen from a slightly different place", moves=True),
    "weather": Way("rain streaks, or fog"),
    "mix": Way("two pictures of one class, blended", second=True, moves=True, between=True),
}

Picture = NDArray[np.float32]
"""``(H, W, 3)``, 0..255."""


def synthesize(images: Sequence[NDArray[np.uint8]], way: str, random: np.random.Generator) -> bytes:
    """Return a PNG made from one ``(H, W, 3) uint8`` picture, or from two for ``mix``.

    Raises
    ------
    KeyError
        For a way that isn't in :data:`WAYS`.
    """
    from PIL import Image

    made = _ways()[way]([image.astype(np.float32) for image in images], random)
    out = io.BytesIO()
    Image.fromarray(np.clip(np.rint(made), 0, 255).astype(np.uint8)).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _ways() -> Mapping[str, Callable[[Sequence[Picture], np.random.Generator], Picture]]:
    return {
        "light": lambda images, random: _light(images[0], random),
        "blur": lambda images, random: _blur(images[0], random),
        "noise": lambda images, random: _noise(images[0], random),
        "perspective": lambda images, random: _perspective(images[0], random),
        "weather": lambda images, random: _weather(images[0], random),
        "mix": _mix,
    }


def _light(image: Picture, random: np.random.Generator) -> Picture:
    gamma = np.exp(random.uniform(-0.45, 0.45))
    contrast, shift = random.uniform(0.75, 1.25), random.uniform(-20, 20)
    warmth = np.array([1 + (tint := random.uniform(-0.08, 0.08)), 1.0, 1 - tint])
    curved = 255.0 * (image / 255.0) ** gamma
    made = (curved - 127.5) * contrast + 127.5 + shift
    # A grey picture stays grey: its camera has no colour temperature.
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    return np.asarray(made if grey else made * warmth, np.float32)


def _blur(image: Picture, random: np.random.Generator) -> Picture:
    size = float(min(image.shape[:2]))
    if random.random() < 0.5:
        return _convolved(image, _bell(random.uniform(0.6, max(0.8, size / 150))))
    length = int(np.clip(round(size * random.uniform(0.02, 0.05)), 2, 25))
    kernel = np.full(length, 1.0 / length)
    return _along(image, kernel, int(random.integers(0, 2)))


def _bell(sigma: float) -> NDArray[np.float64]:
    places = np.arange(-int(np.ceil(3 * sigma)), int(np.ceil(3 * sigma)) + 1)
    kernel = np.exp(-0.5 * np.square(places / sigma))
    return np.asarray(kernel / kernel.sum())


def _convolved(image: Picture, kernel: NDArray[np.float64]) -> Picture:
    return _along(_along(image, kernel, 0), kernel, 1)


def _along(image: Picture, kernel: NDArray[np.float64], axis: int) -> Picture:
    before = (len(kernel) - 1) // 2
    widths = [(0, 0)] * 3
    widths[axis] = (before, len(kernel) - 1 - before)
    padded = np.pad(image, widths, mode="edge")
    made = np.zeros_like(image)
    for place, weight in enumerate(kernel.tolist()):
        piece = padded[place : place + image.shape[0]] if axis == 0 else padded[:, place : place + image.shape[1]]
        made += np.float32(weight) * piece
    return made


def _noise(image: Picture, random: np.random.Generator) -> Picture:
    photons = random.uniform(40, 250)
    made = random.poisson(np.clip(image, 0, 255) / 255.0 * photons) * (255.0 / photons)
    return np.asarray(made + random.normal(0, random.uniform(1, 6), image.shape), np.float32)


def _perspective(image: Picture, random: np.random.Generator) -> Picture:
    from PIL import Image

    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    moved = corners + random.uniform(-0.07, 0.07, (4, 2)) * [width, height]
    # Eight equations of the projective map that takes the corners there (Heckbert 1989, section 2.2.3).
    rows = []
    for (x, y), (u, v) in zip(corners.tolist(), moved.tolist(), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    coefficients = np.linalg.solve(np.array(rows), moved.ravel())
    fill = tuple(int(value) for value in np.median(_frame(image), 0))
    source = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    made = source.transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        coefficients.tolist(),
        Image.Resampling.BILINEAR,
        fillcolor=fill,
    )
    return np.asarray(made, np.float32)


def _frame(image: Picture) -> Picture:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _weather(image: Picture, random: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    if random.random() < 0.5:
        coarse = random.random((4, 4)).astype(np.float32)
        from PIL import Image

        veil = np.asarray(Image.fromarray(coarse, "F").resize((width, height), Image.Resampling.BICUBIC))[..., None]
        thick = np.clip(random.uniform(0.15, 0.45) * (0.5 + veil), 0, 0.7)
        return np.asarray(image * (1 - thick) + 235.0 * thick, np.float32)
    drops = np.where(random.random((height, width)) < 0.006, 1.0, 0.0).astype(np.float32)
    length = int(np.clip(height // 12, 3, 31))
    streaks = _along(np.repeat(drops[..., None], 3, 2), np.full(length, 1.0), 0)
    return np.asarray(image + np.minimum(streaks, 1.0) * (220.0 - image) * 0.5, np.float32)


def _mix(images: Sequence[Picture], random: np.random.Generator) -> Picture:
    from PIL import Image

    one, other = images[0], images[1]
    if other.shape != one.shape:
        picture = Image.fromarray(np.clip(other, 0, 255).astype(np.uint8))
        other = np.asarray(picture.resize((one.shape[1], one.shape[0]), Image.Resampling.BILINEAR), np.float32)
    share = random.uniform(0.3, 0.7)
    return np.asarray(share * one + (1 - share) * other, np.float32)
