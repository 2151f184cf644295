"""Image files to upright 8-bit RGB: Pillow, with an allow-list of formats and limits checked before a pixel is read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import lookalikes
from modelwright.tasks.base import Problem, UndecodableError
from modelwright.tasks.modalities.image import plain_png

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
"""Default limit on width × height, read from the header: an RGB copy of the largest image is 192 MB."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_ORIENTATION = 0x0112
_BLOCK_PIXELS = 2_000_000
_MOST_SMALLER = 8
"""What a JPEG can be reduced by while it is decoded: each of its 8 × 8 blocks to one pixel."""


@dataclass(frozen=True)
class Decoded:
    """A picture as it was read.

    Parameters
    ----------
    pixels
        ``(h, w, 3) uint8``, upright; smaller than the picture where that was asked for.
    height, width
        The picture's own size, upright.
    orientation
        The EXIF tag that was undone; 1 is upright.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int
    orientation: int = 1


def decode_rgb(raw: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return ``(H, W, 3) uint8`` of an image file's bytes.

    Raises
    ------
    UndecodableError
        Whatever is wrong with the bytes.
    """
    return decode(raw, max_pixels, _whole).pixels


def _whole(_height: int, _width: int) -> int:
    return 1


def decode(raw: bytes, max_pixels: int, factor: Callable[[int, int], int]) -> Decoded:
    """Decode an image file's bytes, reduced by ``factor(height, width)``, a power of two.

    A reduced JPEG is decoded small (the format's own way, by fewer cosine coefficients of each block): all of its
    entropy-coded data is read all the same, so what is broken or cut off is found as in a full decode. Every other
    format is decoded in full and averaged.

    Raises
    ------
    UndecodableError
        Whatever is wrong with the bytes.
    """
    from PIL import Image as Pillow

    if not raw:
        raise UndecodableError(Problem("empty", 1.0, "the file is empty (0 bytes)"))
    plain = plain_png.decode(raw, max_pixels)
    if plain is not None:
        height, width = plain.shape[:2]
        return _averaged(plain, height, width, factor(height, width), 1)
    load_decoders()
    try:
        image = Pillow.open(io.BytesIO(raw), formats=FORMATS)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        message = f"the header asks for {int(found[1]):,} pixels" if found else "the header asks for too many pixels"
        raise UndecodableError(Problem("too-large", 1.0, f"{message}, more than the {max_pixels:,} allowed")) from error
    except Exception as error:
        raise UndecodableError(_unopened(raw)) from error
    with image:
        width, height = image.size
        if width * height > max_pixels:
            message = f"the header asks for {width} × {height} pixels, more than the {max_pixels:,} allowed"
            raise UndecodableError(Problem("too-large", 1.0, message, {"width": width, "height": height}))
        if width < 1 or height < 1:
            raise UndecodableError(Problem("corrupt", 1.0, f"the header says {width} × {height} pixels"))
        kind = image.format or "image"
        by = factor(height, width)
        try:
            small = _small(raw, image, min(by, _MOST_SMALLER)) if by > 1 and kind == "JPEG" else None
            pixels = _loaded(raw, image, min(by, _MOST_SMALLER)) if small is None else small
            orientation = _orientation(image)
        except Exception as error:
            what = str(error).split("\n", maxsplit=1)[0][:200] or type(error).__name__
            raise UndecodableError(Problem("corrupt", 1.0, f"the {kind} data is broken or cut off: {what}")) from error
    return _averaged(pixels, height, width, by, orientation)


def _small(raw: bytes, image: Any, by: int) -> NDArray[np.uint8] | None:
    """Return ``(h, w, 3)`` of a JPEG by simplejpeg: the same pixels as by Pillow in seven eighths of the time.

    None where there is no simplejpeg, for grey and CMYK, and for whatever is odd about the data in any way: it has to
    be whole and without a warning, else it is Pillow that says what it is.
    """
    decode_jpeg = _simplejpeg()
    if decode_jpeg is None or image.mode != "RGB":
        return None
    height, width = -(-image.height // by), -(-image.width // by)
    try:
        pixels = decode_jpeg(raw, "RGB", min_height=height, min_width=width, min_factor=by, strict=True)
    except ValueError:
        return None
    return pixels if pixels.shape == (height, width, 3) else None


@cache
def _simplejpeg() -> Callable[..., NDArray[np.uint8]] | None:
    """Return the decoder of ``modelwright[train]``; a device that only predicts has Pillow alone."""
    try:
        from simplejpeg import decode_jpeg  # type: ignore[import-untyped]
    except ImportError:
        return None
    return decode_jpeg  # type: ignore[no-any-return]


def _loaded(raw: bytes, image: Any, by: int) -> NDArray[np.uint8]:
    """Return ``(h, w, 3)`` by Pillow, a JPEG reduced."""
    if by > 1:
        image.draft(None, (image.width // by, image.height // by))
    if image.format == "JPEG":
        image.decodermaxblock = max(image.decodermaxblock, len(raw))  # in one go, not by 64 KB
    image.load()
    return _pixels(image)


def _averaged(pixels: NDArray[np.uint8], height: int, width: int, by: int, orientation: int) -> Decoded:
    """Reduce what the decoder did not, and turn it upright."""
    from PIL import Image as Pillow

    left = by // max(1, round(height / pixels.shape[0]))
    if left > 1:
        pixels = np.asarray(Pillow.fromarray(pixels).reduce(left))
    if orientation in _ACROSS:
        height, width = width, height
    return Decoded(_upright(pixels, orientation), height, width, orientation)


@cache
def load_decoders() -> None:
    """Import the six decoders alone: Pillow, asked for one that isn't loaded, imports all of its forty."""
    from PIL import (  # noqa: F401 - importing registers them
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )


def _unopened(raw: bytes) -> Problem:
    """Tell a broken image from something that never was one."""
    head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if raw.startswith(_SIGNATURES):
        return Problem("corrupt", 1.0, "it begins like an image, but its header is broken or cut off")
    known = lookalikes.named(raw)
    if known is not None:
        found = known
    elif head.startswith(b"%PDF"):
        found = "a PDF"
    elif not any(byte < 9 for byte in head[:64]):
        found = "text"
    else:
        found = f"unknown data beginning with {raw[:8].hex(' ')}"
    return Problem(
        "wrong-format", 1.0, f"it is not an image but {found}; allowed: {', '.join(FORMATS)}", {"found": found}
    )


def _orientation(image: Any) -> int:
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - EXIF is an accessory: a picture with a broken one is still a picture
        return 1
    return found if isinstance(found, int) else 1


_ACROSS = frozenset({5, 6, 7, 8})
"""Orientations in which height and width change places."""
_TURNS: Mapping[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, 1),
}


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo what the EXIF orientation tag says (EXIF 2.32, section 4.6.4); 1 and nonsense are upright."""
    turn = _TURNS.get(orientation)
    return np.ascontiguousarray(pixels if turn is None else turn(pixels))


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Return ``(H, W, 3)`` of a loaded image in any mode, some rows at a time.

    Converted as a whole, the largest picture allowed would be in memory three times over.
    """
    width, height = image.size
    rows = max(1, _BLOCK_PIXELS // width)
    deep = image.mode == "F" or image.mode.startswith("I")
    blocks = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    scale = _scale(image, blocks) if deep else 0.0
    if len(blocks) == 1:
        return _deep(image, scale) if deep else _shallow(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for box in blocks:
        part = image.crop(box)
        pixels[box[1] : box[3]] = _deep(part, scale) if deep else _shallow(part)
    return pixels


def _shallow(image: Any) -> NDArray[np.uint8]:
    """Return ``(h, w, 3)`` of 8-bit samples in any mode, transparency over white."""
    from PIL import Image as Pillow

    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Pillow.new("RGB", rgba.size, (255, 255, 255))
        image.paste(rgba, mask=rgba.getchannel("A"))
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image, np.uint8)


def _scale(image: Any, blocks: Sequence[tuple[int, int, int, int]]) -> float:
    """Return what to multiply deep grey samples by: of 16 bits, 32 that hold 16, floats in 0..1, 0..255 or 0..65535."""
    if image.mode.startswith("I;16"):
        return 255.0 / 65535.0
    top = max(float(_finite(image.crop(box)).max(initial=0.0)) for box in blocks)
    if image.mode == "F" and top <= 1.0:
        return 255.0
    return 1.0 if top <= 255.0 else 255.0 / 65535.0


def _deep(image: Any, scale: float) -> NDArray[np.uint8]:
    grey = np.clip(np.round(_finite(image) * scale), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _finite(image: Any) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=65535.0, neginf=0.0)
