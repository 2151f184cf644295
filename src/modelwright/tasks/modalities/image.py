"""Images: bytes of a common format to upright 8-bit RGB, and from there to pixels of one size.

Decoding is Pillow's, outside the graph, with an allow-list of formats and with the header's limits checked before any
pixel is read. Everything after it is in the graph, so that training and production resize alike.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks.base import Arrays, Encoding, Problem, Sketch, UndecodableError, Way
from modelwright.tasks.modalities import image_measures, image_sketch, image_synthesis, plain_png

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
"""Default limit on width × height, read from the header: an RGB copy of the largest image is 192 MB."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_ORIENTATION = 0x0112
_BLOCK_PIXELS = 2_000_000
_SIZES = (96, 128)
_DENSE_GREY = 32
_DENSE_COLOUR = 16


class Image:
    """The modality ``image``: input ``image`` ``(1, H, W, 3) uint8``, any height and width."""

    name: ClassVar[str] = "image"
    version: ClassVar[int] = 1
    media_types: ClassVar[tuple[str, ...]] = (
        "image/png",
        "image/jpeg",
        "image/bmp",
        "image/gif",
        "image/tiff",
        "image/webp",
    )
    encodings: ClassVar[tuple[Encoding, ...]] = ("pixels", "dense", "trees")

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Return ``{"image": (1, H, W, 3) uint8}``: upright, RGB, transparency over white, 16 bits scaled to 8.

        Of a GIF, TIFF or WebP with several pictures the first one counts. ``schema`` may carry ``max_pixels``.

        Raises
        ------
        UndecodableError
            ``empty``, ``wrong-format``, ``too-large`` or ``corrupt``.
        """
        return {"image": decode_rgb(raw, int(schema.get("max_pixels", MAX_PIXELS)))[None]}

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return remarks: ``dark``, ``overexposed``, ``blurry``, ``low-information``, ``odd-aspect``."""
        return image_measures.problems(inputs["image"], measures)

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return ``(n,)`` float64 per name of :data:`~modelwright.tasks.modalities.image_measures.NAMES`."""
        return image_measures.measure(inputs["image"])

    ways: ClassVar[Mapping[str, Way]] = image_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a PNG of a new picture; see :mod:`~modelwright.tasks.modalities.image_synthesis`."""
        return image_synthesis.synthesize([decode_rgb(raw, MAX_PIXELS) for raw in raws], way, random)

    sketch_bytes: ClassVar[int] = image_sketch.BYTES
    carried: ClassVar[tuple[str, ...]] = ("width", "height")

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return the sketch of one picture; see :mod:`~modelwright.tasks.modalities.image_sketch`."""
        return image_sketch.sketch(inputs["image"][0])

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Say whether two sketches show the same picture, changed little."""
        return image_sketch.alike(one, other, agreement)

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, 384) float32``: coarse brightness and colours."""
        return image_sketch.vectors(sketches)

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the model's input size, and learn whether there is colour, and its mean and deviation.

        Parameters
        ----------
        batches
            Arrays with ``image`` ``(n, H, W, 3)``, or lists of such; read once.
        settings
            ``height`` and ``width`` fix the size, ``max_pixels`` the decoder's limit; ``samples`` says how many there
            are, where the batches are but a part of them.

        Returns
        -------
        dict
            ``height``, ``width``, ``channels`` (1 or 3), ``mean`` and ``std`` per channel (0..1), ``dense`` ``[h, w]``,
            ``samples``, ``max_pixels`` where set, and ``reason``: how the size was chosen, in words.
        """
        total, squares = np.zeros(3, np.int64), np.zeros(3, np.int64)
        count, samples, grey = 0, 0, True
        heights: list[int] = []
        widths: list[int] = []
        for images in _each(batches):
            step = max(1, math.ceil(math.sqrt(images.shape[1] * images.shape[2] / 65_536)))
            pixels = images[:, ::step, ::step].reshape(-1, 3).astype(np.int64)
            total += pixels.sum(0)
            squares += (pixels * pixels).sum(0)
            count += len(pixels)
            samples += len(images)
            heights += [images.shape[1]] * len(images)
            widths += [images.shape[2]] * len(images)
            grey = grey and bool((pixels[:, 0] == pixels[:, 1]).all() and (pixels[:, 1] == pixels[:, 2]).all())
        if not samples:
            raise InputError("no image could be read, so there is nothing to learn from", code="no-samples")
        samples = int(settings.get("samples", samples))
        mean = total / (255.0 * count)
        std = np.sqrt(np.maximum(squares / (255.0**2 * count) - mean * mean, 1e-6))
        height, width, reason = _choose_size(heights, widths, samples, settings)
        channels = 1 if grey else 3
        most = _DENSE_GREY if grey else _DENSE_COLOUR
        schema: dict[str, Any] = {
            "height": height,
            "width": width,
            "channels": channels,
            "mean": [float(value) for value in mean[:channels]],
            "std": [float(value) for value in std[:channels]],
            "dense": [min(height, most), min(width, most)],
            "samples": samples,
            "reason": reason,
        }
        if "max_pixels" in settings:
            schema["max_pixels"] = int(settings["max_pixels"])
        return schema

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return ``image (n, H, W, 3) uint8`` → ``features``.

        ``pixels``: ``(n, height, width, 3) uint8``, antialiased linear resize (none where the size is right already),
        grey where training was all grey. ``dense`` and ``trees``: ``(n, h·w·channels) float32``, standardised pixels of
        a smaller copy.
        """
        from modelwright.tasks.modalities import image_graph

        if encoding == "pixels":
            return image_graph.pixels(schema)
        return image_graph.dense(schema)

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the one input tensor, of any height and width."""
        return [{"name": "image", "dtype": "uint8", "shape": [-1, -1, -1, 3]}]

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return ``row 3, column 5`` (and the colour) per feature; ``pixels`` has no named features: an empty list."""
        if encoding == "pixels":
            return []
        height, width = schema["dense"]
        colours = [""] if schema["channels"] == 1 else [", red", ", green", ", blue"]
        return [f"row {y}, column {x}{c}" for y in range(height) for x in range(width) for c in colours]


def _each(batches: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
    for batch in batches:
        for arrays in batch if isinstance(batch, (list, tuple)) else [batch]:
            yield arrays["image"]


def _choose_size(
    heights: list[int], widths: list[int], samples: int, settings: Mapping[str, Any]
) -> tuple[int, int, str]:
    if settings.get("height") and settings.get("width"):
        return int(settings["height"]), int(settings["width"]), "the size was set"
    height, width = int(np.median(heights)), int(np.median(widths))
    size = max(height, width)
    if size <= 64:
        return (
            max(height, 1),
            max(width, 1),
            f"the pictures are small ({width} × {height}, the median) and keep their size",
        )
    # Below some 2,000 pictures a larger input is fitted by its noise; above, it costs more than a CPU gives.
    side = _SIZES[0] if size < 192 or samples < 2000 else _SIZES[1]
    return side, side, f"the pictures are larger ({width} × {height}, the median) than a model on a CPU needs"


def decode_rgb(raw: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return ``(H, W, 3) uint8`` of an image file's bytes.

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
        return plain
    _load_decoders()
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
        try:
            image.load()
            orientation = _orientation(image)
            pixels = _pixels(image)
        except Exception as error:
            what = str(error).split("\n", maxsplit=1)[0][:200] or type(error).__name__
            raise UndecodableError(Problem("corrupt", 1.0, f"the {kind} data is broken or cut off: {what}")) from error
    return _upright(pixels, orientation)


@cache
def _load_decoders() -> None:
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
    lower = head[:64].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        found = "an HTML page"
    elif lower.startswith((b"<?xml", b"<svg")):
        found = "XML or SVG"
    elif head.startswith(b"%PDF"):
        found = "a PDF"
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        found = "a zip archive"
    elif lower.startswith(b"version https://git-lfs"):
        found = "a Git LFS pointer"
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
