"""Masks as sources bring them, to the one form that a label describes; see :mod:`modelwright.tasks.targets.mask`."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.store.packed import flat_png
from modelwright.tasks.targets.mask import IGNORED, MOST_CLASSES

MOST_PIXELS = 64_000_000
_ROWS = 256
MOST_VALUES = 4096
"""Different values of a file that are told apart; more is a photograph."""


class MaskError(Exception):
    """A file is no mask; the reason is in words."""


@dataclass(frozen=True)
class Values:
    """Which value of a mask's file is which class.

    Parameters
    ----------
    names
        All classes, sorted: the stored mask has places in this list.
    of
        Value to class. Values are grey levels or palette entries, or ``0xRRGGBB`` where files have colours.
    ignored
        Values of pixels that are nobody's.
    nearest
        Take a value that stands for no class as the nearest one that does: for masks with soft edges.
    """

    names: tuple[str, ...]
    of: Mapping[int, str]
    ignored: frozenset[int] = frozenset()
    nearest: bool = False


def opened(raw: bytes) -> NDArray[np.integer]:
    """Return ``(H, W)`` values of a mask's file: grey levels, palette entries, or colours as ``0xRRGGBB``.

    Raises
    ------
    MaskError
        If it is no picture, or too large.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    from modelwright.tasks.modalities.image import decoding as image

    image.load_decoders()
    try:
        with Pillow.open(io.BytesIO(raw), formats=image.FORMATS) as picture:
            if picture.width * picture.height <= MOST_PIXELS:
                return _values(picture)
            trouble = f"asks for {picture.width} × {picture.height} pixels, more than {MOST_PIXELS:,}"
    except UnidentifiedImageError as error:
        raise MaskError("is no picture") from error
    except Exception as error:
        what = str(error).split("\n", maxsplit=1)[0][:120] or type(error).__name__
        raise MaskError(f"is no picture that opens ({what})") from error
    raise MaskError(trouble)


def _values(picture: Any) -> NDArray[np.integer]:
    if picture.mode in {"LA", "PA"}:
        return np.ascontiguousarray(np.asarray(picture.convert("LA"))[..., 0])
    if picture.mode in {"L", "P"}:
        return np.asarray(picture)
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode in {"I", "I;16", "I;16L", "I;16B", "F"}:
        return np.asarray(picture).astype(np.int32)
    bands = [np.asarray(band) for band in picture.convert("RGB").split()]
    if np.array_equal(bands[0], bands[1]) and np.array_equal(bands[1], bands[2]):
        return bands[0]
    red, green, blue = (band.astype(np.int32) for band in bands)
    return np.asarray((red << 16) | (green << 8) | blue)


def counted(values: NDArray[np.integer]) -> dict[int, int]:
    """Return how many pixels have each value, by value.

    Raises
    ------
    MaskError
        If there are more values than any mask has.
    """
    found: Counter[int] = Counter()
    for start in range(0, len(values), _ROWS):
        some, counts = np.unique(values[start : start + _ROWS], return_counts=True)
        found.update(dict(zip(some.tolist(), counts.tolist(), strict=True)))
        if len(found) > MOST_VALUES:
            raise MaskError(f"has more than {MOST_VALUES:,} different values: a photograph, no mask")
    return dict(sorted(found.items()))


def label(values: NDArray[np.integer], meaning: Values, store: Any, size: tuple[int, int] | None) -> dict[str, Any]:
    """Put the mask into the store's objects, as large as its picture, and return what describes it.

    Parameters
    ----------
    values
        ``(H, W)`` from :func:`opened`.
    size
        Width and height of the picture, or None if they aren't known; another size is brought to it, each pixel taking
        the value of the nearest.
    """
    places, notes = _classes(values, meaning)
    height, width = places.shape
    if size is not None and size != (width, height):
        notes["from"] = [width, height]
        places = resized(places, *size)
    return described(places, meaning.names, store) | notes


def described(places: NDArray[np.uint8], names: Sequence[str], store: Any) -> dict[str, Any]:
    """Put ``(H, W) uint8`` places in ``names`` into the store's objects, and return what describes them."""
    counts = np.bincount(places.reshape(-1), minlength=256)
    return {
        "mask": store.objects.put(flat_png.encode(places)),
        "width": places.shape[1],
        "height": places.shape[0],
        "names": list(names),
        "classes": {name: int(count) for name, count in zip(names, counts, strict=False) if count},
    }


def resized(places: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return ``(height, width)``, each pixel the one whose middle is nearest to its own."""
    down = ((np.arange(height) + 0.5) * places.shape[0] / height).astype(np.int64)
    across = ((np.arange(width) + 0.5) * places.shape[1] / width).astype(np.int64)
    return np.ascontiguousarray(places[down[:, None], across[None, :]])


def _classes(values: NDArray[np.integer], meaning: Values) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return ``(H, W)`` places in the names, 255 for ignored, and what had to be done to values of no class."""
    counts = counted(values)
    place = {name: number for number, name in enumerate(meaning.names)}
    known = np.array(sorted(meaning.of), np.int64)
    into = np.full(len(counts), IGNORED, np.uint8)
    soft = 0
    unknown: dict[str, int] = {}
    for number, (value, count) in enumerate(counts.items()):
        if value in meaning.of:
            into[number] = place[meaning.of[value]]
        elif value in meaning.ignored:
            continue
        elif meaning.nearest and known[0] < value < known[-1]:
            # Of two equally near, the higher: 128 of 0 and 255 counts as 255, as thresholds at 128 do.
            nearest = int(known[::-1][np.abs(known[::-1] - value).argmin()])
            into[number] = place[meaning.of[nearest]]
            soft += count
        else:
            unknown[str(value)] = count
    notes: dict[str, Any] = {}
    if soft:
        notes["soft"] = soft
    if unknown:
        notes["unknown"] = unknown
    every = np.array(list(counts), np.int64)
    places = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):
        places[start : start + _ROWS] = into[np.searchsorted(every, values[start : start + _ROWS])]
    return places, notes


def guessed(counts: Sequence[Mapping[int, int]], names: Sequence[str], ignore: int | None = None) -> tuple[Values, str]:
    """Return what the values of masks stand for, by a sample of them, and why.

    Parameters
    ----------
    counts
        Pixels by value of each mask that was looked at.
    names
        Class names, in the order of the values; empty: they are made up.
    ignore
        A value of pixels that are nobody's.

    Raises
    ------
    MaskError
        If the values are those of no mask, or don't go with the names.
    """
    values = sorted({value for each in counts for value in each} - {ignore})
    total = sum(sum(each.values()) for each in counts)
    ends = sum(each.get(0, 0) + each.get(255, 0) for each in counts)
    nobody = frozenset() if ignore is None else frozenset({ignore})
    said = "" if ignore is None else f"; {ignore} is ignored"
    if names:
        return _named(values, names, nobody, said)
    grey = len(values) > 3 and values[-1] <= 255 and ends >= 0.5 * total and _between(values)
    if len(values) <= 2 or grey:
        low, high = (values[0], values[-1]) if len(values) == 2 else (0, 255)
        words = f"values {low} and {high}" + (", and others between them, which go to the nearer one" if grey else "")
        of = {low: "background", high: "foreground"}
        return Values(("background", "foreground"), of, nobody, grey), f"{words}: background and foreground{said}"
    if ignore is None and values[-1] == 255 and values[-2] < 200:
        nobody, said = frozenset({255}), "; 255 is ignored"
    left = [value for value in values if value not in nobody]
    if len(left) > MOST_CLASSES:
        raise MaskError(
            f"the masks have {len(left):,} different values, more than {MOST_CLASSES} classes; if they are grey "
            "levels, 'threshold: 128' makes two classes of them"
        )
    wide = max(len(str(value)) for value in left)
    colours = left[-1] > 0xFFFF
    made = {value: f"#{value:06x}" if colours else f"class-{value:0{wide}}" for value in left}
    words = f"{len(left)} {'colours' if colours else 'values'}, each a class"
    return Values(tuple(sorted(made.values())), made, nobody), words + said


def _between(values: Sequence[int]) -> bool:
    """Say whether values look like grey levels: some lie far from both ends."""
    return sum(8 < value < 247 for value in values) >= 2


def _named(values: Sequence[int], names: Sequence[str], nobody: frozenset[int], said: str) -> tuple[Values, str]:
    """Return classes by the names' order: of the places 0, 1, 2 …, or of the values that occur."""
    ordered = tuple(sorted(names))
    most = max((value for value in values if value != 255 or nobody), default=0)
    if most < len(names) and (nobody or 255 not in values or len(values) > len(names)):
        if 255 in values:
            nobody, said = frozenset({255}), "; 255 is ignored"
        return Values(ordered, dict(enumerate(names)), nobody), f"the values are places in {len(names)} names{said}"
    if len(values) == len(names):
        return Values(ordered, dict(zip(values, names, strict=True)), nobody), f"values {_some(values)} in order{said}"
    if len(names) == 2 and values[-1] <= 255:
        words = "0 and 255 are the two classes, and values between them go to the nearer"
        return Values(ordered, {0: names[0], 255: names[1]}, nobody, nearest=True), words + said
    raise MaskError(
        f"the masks have {len(values)} different values ({_some(values)}), and there are {len(names)} names"
    )


def _some(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:8])) + (" …" if len(values) > 8 else "")
