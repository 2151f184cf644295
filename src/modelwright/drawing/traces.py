"""Channels over time as a small picture: what one sequence looks like, beside hundreds of others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing.style import SERIES

MOST_CHANNELS = 8
"""Channels drawn; of more, the first."""
NARROW = 0.05
_PAPER = (255, 255, 255)


def traces(values: NDArray[Any], width: int, height: int, scale: Sequence[tuple[float, float]] | None = None) -> Any:
    """Return a ``PIL.Image`` of the channels as lines over a common axis.

    Parameters
    ----------
    values
        ``(T, C)``; missing values break a line. More steps than pixels are drawn as their range in each pixel, so that
        no peak is lost.
    scale
        Lowest and highest value of each channel; None: its own. A channel that varies by less than a twentieth of it is
        drawn on its own scale: it would be a straight line.
    """
    from PIL import Image, ImageDraw

    twice = 2  # drawn at twice the size and made smaller, since Pillow's lines have hard edges
    picture = Image.new("RGB", (width * twice, height * twice), _PAPER)
    pen = ImageDraw.Draw(picture)
    for place in range(min(values.shape[1], MOST_CHANNELS)):
        column = values[:, place].astype(np.float64)
        known = column[np.isfinite(column)]
        if not len(known):
            continue
        low, high = float(known.min()), float(known.max())
        if scale is not None and high - low >= NARROW * (scale[place][1] - scale[place][0]):
            low, high = scale[place]
        colour = SERIES[place % len(SERIES)]
        for piece in _pieces(column, low, high, width * twice, height * twice):
            if len(piece) == 1:
                x, y = piece[0]
                pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
            else:
                pen.line(piece, fill=colour, width=3, joint="curve")
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _pieces(
    column: NDArray[np.float64], low: float, high: float, width: int, height: int
) -> list[list[tuple[float, float]]]:
    """Return the line's points in pixels, a list for each stretch without a missing value."""
    count = len(column)
    span = high - low
    if count > 2 * width:
        edges = np.linspace(0, count, width + 1).astype(np.int64)
        filled = np.where(np.isfinite(column), column, np.nan)
        x = np.repeat(np.arange(width), 2).astype(np.float64)
        with np.errstate(invalid="ignore"):
            y = np.stack([np.fmin.reduceat(filled, edges[:-1]), np.fmax.reduceat(filled, edges[:-1])], 1).ravel()
    else:
        x = np.linspace(0, width - 1, count) if count > 1 else np.array([width / 2])
        y = column
    share = np.clip((y - low) / span, -0.05, 1.05) if span > 0 else np.where(np.isfinite(y), 0.5, np.nan)
    down = height - 4 - share * (height - 8)
    pieces: list[list[tuple[float, float]]] = [[]]
    for across, level in zip(x.tolist(), down.tolist(), strict=True):
        if np.isfinite(level):
            pieces[-1].append((across, level))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def png(picture: Any) -> bytes:
    """Return a ``PIL.Image`` of few colours as a small PNG."""
    file = io.BytesIO()
    picture.quantize(48).save(file, "PNG", optimize=True)
    return file.getvalue()
