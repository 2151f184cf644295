"""Sounds to look at: level by pitch and time as a picture, dark for quiet and bright for loud."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STOPS = (
    (0.00, 10, 8, 32),
    (0.20, 59, 15, 92),
    (0.40, 128, 37, 108),
    (0.60, 199, 67, 84),
    (0.80, 244, 129, 57),
    (0.93, 251, 203, 110),
    (1.00, 252, 246, 196),
)
"""Level and colour; lightness rises evenly, so that the picture reads the same in grey."""


@cache
def _palette() -> NDArray[np.uint8]:
    """Return ``(256, 3)``: the colour of each level."""
    stops = np.array(_STOPS)
    levels = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(levels, stops[:, 0], stops[:, 1 + part]) for part in range(3)], 1).astype(np.uint8)


def spectrogram(levels: NDArray[Any], width: int, height: int) -> Any:
    """Return a ``PIL.Image``.

    Parameters
    ----------
    levels
        ``(bands, moments)``, 0 (quiet) to 1 (loud), the lowest band first; it is drawn at the bottom.
    width, height
        Pixels.
    """
    from PIL import Image

    codes = np.clip(np.nan_to_num(levels) * 255.0, 0.0, 255.0).astype(np.uint8)[::-1]
    return Image.fromarray(_palette()[codes]).resize((width, height), Image.Resampling.BICUBIC)


def png(picture: Any) -> bytes:
    """Return a spectrogram as PNG with a palette of 64 colours: a third of the bytes of full colour."""
    file = io.BytesIO()
    picture.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()
