"""Images: bytes of a common format to upright 8-bit RGB, and from there to pixels of one size.

Decoding is Pillow's, outside the graph, with an allow-list of formats and with the header's limits checked before any
pixel is read. Everything after it is in the graph, so that training and production resize alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import crops
from modelwright.tasks.abilities import Sketch, Sketches, Stage, Way
from modelwright.tasks.base import Arrays, Encoding, Problem
from modelwright.tasks.modalities.image import decoding as image_decoding
from modelwright.tasks.modalities.image import made as image_made
from modelwright.tasks.modalities.image import measures as image_measures
from modelwright.tasks.modalities.image import plain_png
from modelwright.tasks.modalities.image import sketch as image_sketch
from modelwright.tasks.modalities.image import synthesis as image_synthesis
from modelwright.tasks.modalities.image import words as image_words
from modelwright.tasks.modalities.image.decoding import FORMATS, MAX_PIXELS, decode_rgb, load_decoders

__all__ = ["FORMATS", "MAX_PIXELS", "Image", "decode_rgb", "load_decoders"]

_SIZES = (96, 128)
_DENSE_GREY = 32
_DENSE_COLOUR = 16
_LUMA = np.array([0.299, 0.587, 0.114])
_LEVELS = np.arange(256)


class Image:
    """The modality ``image``: input ``image`` ``(1, H, W, 3) uint8``, any height and width."""

    name: ClassVar[str] = "image"
    version: ClassVar[int] = 2
    media_types: ClassVar[tuple[str, ...]] = (
        "image/png",
        "image/jpeg",
        "image/bmp",
        "image/gif",
        "image/tiff",
        "image/webp",
    )
    encodings: ClassVar[tuple[Encoding, ...]] = ("pixels", "dense", "trees")
    # Each word is a step over all pixels, and every feature a pixel behind all steps: none is one word's, so there is
    # no ``feature_parts`` (:class:`~modelwright.tasks.abilities.Worded`); what each step does is shown by ``stages``.
    feature_words: ClassVar[Mapping[str, str]] = image_words.WORDS

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Return ``{"image": (1, H, W, 3) uint8}``: upright, RGB, transparency over white, 16 bits scaled to 8.

        Of a GIF, TIFF or WebP with several pictures the first one counts. ``schema`` may carry ``max_pixels``.

        Raises
        ------
        UndecodableError
            ``empty``, ``wrong-format``, ``too-large`` or ``corrupt``.
        """
        return {"image": decode_rgb(raw, int(schema.get("max_pixels", MAX_PIXELS)))[None]}

    def glance(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Return ``image`` ``(1, h, w, 3) uint8`` reduced as it is measured, ``size`` ``(1, 2)``, ``orientation``.

        Raises
        ------
        UndecodableError
            As :meth:`decode` does for the same bytes.
        """
        found = image_decoding.decode(raw, int(schema.get("max_pixels", MAX_PIXELS)), image_measures.factor)
        size = np.array([[found.height, found.width]], np.int64)
        return {"image": found.pixels[None], "size": size, "orientation": np.array([found.orientation], np.int64)}

    def glance_many(self, raws: Sequence[bytes]) -> list[tuple[list[int], Arrays]]:
        """Return what :meth:`glance` returns, of small plain PNGs; see :mod:`.plain_png`."""
        made: list[tuple[list[int], Arrays]] = []
        for places, images in plain_png.decode_many(raws):
            sizes = np.full((len(places), 2), images.shape[1:3], np.int64)
            made.append((places, {"image": images, "size": sizes, "orientation": np.ones(len(places), np.int64)}))
        return made

    def remarkable(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return ``(n,)``: of which pictures :meth:`check` has something to say."""
        found = image_measures.remarkable(measures)
        if "orientation" in inputs:
            found |= inputs["orientation"] != 1
        return found

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return remarks: ``dark``, ``overexposed``, ``blurry``, ``low-information``, ``odd-aspect``, ``turned``."""
        found = image_measures.problems(measures or self.measure(inputs, {}))
        turned = int(inputs["orientation"][0]) if "orientation" in inputs else 1
        if turned != 1:
            message = f"turned by EXIF orientation {turned} only: programs that pass it over see it turned or mirrored"
            found.append(Problem("turned", 0.1, message, {"orientation": turned}))
        return found

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return ``(n,)`` float64 per name of :data:`~modelwright.tasks.modalities.image.measures.NAMES`."""
        return image_measures.measure(inputs["image"], inputs.get("size"))

    def made(self, raw: bytes) -> float:
        """Return when it was taken, by its EXIF; see :mod:`.made`."""
        return image_made.made(raw)

    ways: ClassVar[Mapping[str, Way]] = image_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a PNG of a new picture; see :mod:`.synthesis`."""
        return image_synthesis.synthesize([decode_rgb(raw, MAX_PIXELS) for raw in raws], way, random)

    together: ClassVar[int] = image_measures.TOGETHER
    sketch_bytes: ClassVar[int] = image_sketch.BYTES
    carried: ClassVar[tuple[str, ...]] = ("width", "height")
    # A picture of odd width has an odd height or an odd aspect.
    unusual: ClassVar[Mapping[str, str]] = {"height": "odd-size", "aspect": "odd-aspect"}

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return the sketch of one picture; see :mod:`.sketch`."""
        images = inputs["image"]
        by = 1 if "size" in inputs else image_measures.factor(images.shape[1], images.shape[2])
        return image_sketch.sketch(image_measures.reduced(images, by)[0])

    def sketch_many(self, inputs: Arrays) -> Sketches:
        """Return the sketches of pictures of one size; see :mod:`.sketch`."""
        images = inputs["image"]
        by = 1 if "size" in inputs else image_measures.factor(images.shape[1], images.shape[2])
        return image_sketch.sketch_many(image_measures.reduced(images, by))

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Say whether two sketches show the same picture, changed little."""
        return image_sketch.alike(one, other, agreement)

    def alike_many(self, ones: NDArray[np.uint8], others: NDArray[np.uint8], agreement: float) -> NDArray[np.bool_]:
        """Return of ``(n, sketch_bytes)`` pairs of sketches what :meth:`alike` says of each."""
        return image_sketch.alike_many(ones, others, agreement)

    def cropped_hashes(self, sketches: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return ``(n, 9)`` hashes of what crops by 5 % would leave; neither small nor flat ones have any."""
        small, grey, _ = image_sketch.parts(sketches)
        hashes, there = crops.cropped_hashes(grey)
        return hashes, there & ~small

    def border(self, sketches: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return ``(n, 504)`` of the outermost sixteenth all around, and ``(n, 294)`` of what is inside."""
        return image_sketch.border(sketches)

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, 384) float32``: coarse brightness and colours."""
        return image_sketch.vectors(sketches)

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the model's input size, and learn whether there is colour, and its mean and deviation.

        Parameters
        ----------
        batches
            Arrays as :meth:`decode` or :meth:`glance` give them, or lists of such; read once.
        settings
            ``height`` and ``width`` fix the size, ``max_pixels`` the decoder's limit; ``samples`` says how many there
            are, where the batches are but a part of them; ``features``: ``auto`` or words of :attr:`feature_words`.

        Returns
        -------
        dict
            ``height``, ``width``, ``channels`` (1 or 3), ``mean`` and ``std`` per channel (0..1), ``dense`` ``[h, w]``,
            ``samples``, ``features`` and ``max_pixels`` where set, and ``reason``: how the size was chosen, in words.
        """
        words = image_words.chosen(settings.get("features"))
        total, squares = np.zeros(3, np.int64), np.zeros(3, np.int64)
        light, lights = 0.0, 0.0
        count, samples, grey = 0, 0, True
        heights: list[int] = []
        widths: list[int] = []
        for images, sizes in _each(batches):
            pixels = images.reshape(-1, 3)
            levels = np.stack([np.bincount(colour, minlength=256) for colour in pixels.T])
            total += levels @ _LEVELS
            squares += levels @ (_LEVELS * _LEVELS)
            if image_words.greying(words):
                luma = pixels @ _LUMA
                light += float(luma.sum())
                lights += float(np.square(luma).sum())
            count += len(pixels)
            samples += len(images)
            heights += sizes[:, 0].tolist()
            widths += sizes[:, 1].tolist()
            # Colours that differ in how often a level occurs differ somewhere.
            grey = grey and bool((levels == levels[0]).all()) and bool((pixels == pixels[:, :1]).all())
        if not samples:
            raise InputError("no image could be read, so there is nothing to learn from", code="no-samples")
        samples = int(settings.get("samples", samples))
        mean = total / (255.0 * count)
        std = np.sqrt(np.maximum(squares / (255.0**2 * count) - mean * mean, 1e-6))
        if side := image_words.side(words):
            settings = {**settings, "height": side, "width": side}
        height, width, reason = _choose_size(heights, widths, samples, settings)
        if side:
            reason = f"'features' asks for {next(word for word in words if word in image_words.SIDES)} pictures"
        if image_words.greying(words):
            grey = True
            mean[:] = light / (255.0 * count)
            std[:] = np.sqrt(max(lights / (255.0**2 * count) - float(mean[0]) ** 2, 1e-6))
        channels = 1 if grey else 3
        most = _DENSE_GREY if grey else _DENSE_COLOUR
        scale = [image_words.scaled(words, *each) for each in zip(mean.tolist(), std.tolist(), strict=True)][:channels]
        schema: dict[str, Any] = {
            "height": height,
            "width": width,
            "channels": channels,
            "mean": [each[0] for each in scale],
            "std": [each[1] for each in scale],
            "dense": [min(height, most), min(width, most)],
            "samples": samples,
            "reason": reason,
        }
        if words:
            schema["features"] = words
        if "max_pixels" in settings:
            schema["max_pixels"] = int(settings["max_pixels"])
        return schema

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return ``image (n, H, W, 3) uint8`` → ``features``.

        ``pixels``: ``(n, height, width, 3) uint8``, antialiased linear resize (none where the size is right already),
        grey where training was all grey, then what the words of ``features`` say. ``dense`` and ``trees``:
        ``(n, h·w·channels) float32``, standardised pixels of a smaller copy.
        """
        from modelwright.tasks.modalities.image import graph as image_graph

        if encoding == "pixels":
            return image_graph.pixels(schema)
        return image_graph.dense(schema)

    def stages(self, schema: Mapping[str, Any]) -> list[Stage]:
        """Return the resize and each word of ``features``, or the loss of colour where training had none."""
        words = [word for word in schema.get("features", ()) if word not in image_words.SIDES]
        plain = {name: value for name, value in schema.items() if name != "features"} | {"channels": 3}
        made = [Stage("resize", f"to {schema['width']} × {schema['height']} pixels, averaged", plain)]
        for number, word in enumerate(words, 1):
            made.append(Stage(word, image_words.WORDS[word], {**schema, "features": words[:number]}))
        if not schema.get("features") and schema["channels"] == 1:
            made.append(Stage("grey", "training had no colour: brightness only", schema))
        return made

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


def _each(batches: Iterable[Any]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield pictures reduced as they are measured, and their true sizes."""
    for batch in batches:
        for arrays in batch if isinstance(batch, (list, tuple)) else [batch]:
            images = arrays["image"]
            sizes = arrays.get("size")
            if sizes is None:
                sizes = np.full((len(images), 2), images.shape[1:3], np.int64)
                images = image_measures.reduced(images, image_measures.factor(images.shape[1], images.shape[2]))
            yield images, sizes


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
