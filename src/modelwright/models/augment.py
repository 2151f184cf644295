"""Random changes of training pictures, on whole batches of tensors: what a camera would also have shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STANDARD: dict[str, float] = {
    "shift": 0.08,
    "scale": 0.1,
    "rotate": 8.0,
    "brightness": 0.15,
    "contrast": 0.2,
    "flip": 0.0,
}
"""Shift as a share of the side, scale as a factor around 1, rotation in degrees, brightness as a share of full white,
contrast as a factor around 1, flip as the probability of a left-right mirror image."""


SPECTROGRAM: dict[str, float] = {**STANDARD, "rotate": 0.0, "flip": 0.0}
"""For pictures of sounds: earlier or later, higher or lower, faster or slower, louder or softer; time never runs
back."""


def _uniform(n: int, most: float, generator: torch.Generator) -> torch.Tensor:
    import torch

    return (torch.rand(n, generator=generator) * 2 - 1) * most


def apply(pixels: torch.Tensor, settings: Mapping[str, Any], generator: torch.Generator) -> torch.Tensor:
    """Return changed pictures.

    Parameters
    ----------
    pixels
        ``(n, channels, height, width) float32``, 0 to 255.
    settings
        As :data:`STANDARD`.
    generator
        The only source of chance; the same state gives the same pictures.
    """
    import torch
    from torch.nn import functional

    n = len(pixels)
    angle = _uniform(n, math.radians(settings["rotate"]), generator)
    size = 1.0 + _uniform(n, settings["scale"], generator)
    mirror = torch.where(torch.rand(n, generator=generator) < settings["flip"], -1.0, 1.0)
    # Inverse mapping: from a place in the new picture to the place in the old one. Frames reach from -1 to 1.
    matrix = torch.empty(n, 2, 3)
    matrix[:, 0, 0] = angle.cos() * size * mirror
    matrix[:, 0, 1] = -angle.sin() * size
    matrix[:, 1, 0] = angle.sin() * size * mirror
    matrix[:, 1, 1] = angle.cos() * size
    matrix[:, 0, 2] = _uniform(n, 2 * settings["shift"], generator)
    matrix[:, 1, 2] = _uniform(n, 2 * settings["shift"], generator)
    contrast = 1.0 + _uniform(n, settings["contrast"], generator)[:, None, None, None]
    brightness = _uniform(n, 255.0 * settings["brightness"], generator)[:, None, None, None]
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    middle = moved.mean(dim=(1, 2, 3), keepdim=True)
    return ((moved - middle) * contrast + (middle + brightness)).clamp_(0.0, 255.0)
