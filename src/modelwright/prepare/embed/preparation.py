"""How samples become the inputs of a pretrained model, as the small JSON files beside its weights say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import base as tasks
from modelwright.tasks.modalities.audio import files as audio_files
from modelwright.tasks.modalities.audio.modality import loudest
from modelwright.tasks.modalities.audio.resample import resample
from modelwright.tasks.modalities.text import encoding as text_encoding

PREPROCESSOR = "preprocessor_config.json"
TOKENIZER = "tokenizer.json"
MOST_TOKENS = 512
"""Of longer texts the beginning counts."""
SECONDS = 10.0
"""Of longer sounds the loudest stretch counts."""
_LARGEST = 2048
"""Pixels of a side, at most."""
_SMALL_FILE = 64 << 20

Inputs = dict[str, NDArray[Any]]
Prepare = Callable[[bytes], Inputs]


@dataclass(frozen=True)
class Pictures:
    """Resizing, cutting out the middle, and bringing to a scale.

    Parameters
    ----------
    short
        Pixels that the shorter side gets; None: the picture gets ``size`` whatever its shape.
    size
        ``(height, width)`` when ``short`` is None.
    crop
        ``(height, width)`` that are cut out of the middle; None: everything stays.
    resample
        Number of Pillow's filter.
    factor, mean, deviation
        A value v of 0..255 becomes ``(v * factor - mean) / deviation``, by channel.
    """

    short: int | None
    size: tuple[int, int]
    crop: tuple[int, int] | None
    resample: int
    factor: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any], where: Path) -> Pictures:
        """Read what ``preprocessor_config.json`` says.

        Raises
        ------
        InputError
            Code ``bad-weights``: it says nothing that is understood, and which entry.
        """
        read = _Entries(told, where)
        short: int | None = None
        size = (0, 0)
        if read.flag("do_resize"):
            short, size = read.size("size", (224, 224))
        crop = read.size("crop_size", size)[1] if read.flag("do_center_crop", otherwise="crop_size" in told) else None
        share = read.number("crop_pct", 0.0, 0.0, 1.0)
        if share and short is not None and short < 384:  # as ConvNeXt was trained: resized a little larger, then cut
            crop, short = (short, short), round(short / share)
        elif share and short is not None:
            size, short = (short, short), None
        factor = read.number("rescale_factor", 1 / 255, 0.0, 1.0) if read.flag("do_rescale") else 1.0
        scaled = read.flag("do_normalize")
        mean = read.channels("image_mean") if scaled else (0.0,) * 3
        deviation = read.channels("image_std") if scaled else (1.0,) * 3
        if not all(deviation):
            raise _unknown(where, "image_std", deviation, "three numbers above 0")
        return cls(short, size, crop, int(read.number("resample", 2, 0, 5)), factor, mean, deviation)

    def __call__(self, raw: bytes) -> Inputs:
        """Return ``{"pixel_values": (1, 3, height, width) float32}``."""
        from PIL import Image

        picture = Image.fromarray(tasks.modality("image").decode(raw, {})["image"][0])
        size = self.size[::-1]
        if self.short is not None:
            least = min(picture.size)
            size = tuple(max(1, side * self.short // least) for side in picture.size)  # type: ignore[assignment]
            if max(size) > 8 * _LARGEST:
                size = (min(size[0], 8 * _LARGEST), min(size[1], 8 * _LARGEST))
        if size not in {(0, 0), picture.size}:
            picture = picture.resize(size, Image.Resampling(self.resample))
        if self.crop is not None:
            height, width = self.crop
            left, top = (picture.width - width) // 2, (picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))  # black where the picture is smaller
        values = np.asarray(picture, np.float32) * np.float32(self.factor)
        made = (values - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)
        return {"pixel_values": np.ascontiguousarray(made.transpose(2, 0, 1)[None])}


class Texts:
    """Tokens of a text, by the tokenizer that a folder holds.

    Raises
    ------
    InputError
        ``missing-extra``, or ``bad-weights`` if the file is no tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / TOKENIZER
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise InputError(
                f"{path} needs the package 'tokenizers'",
                code="missing-extra",
                hint="pip install 'modelwright[pretrained]'",
            ) from None
        try:
            self._tokenizer = Tokenizer.from_str(_small(path).decode())
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"{path} is no tokenizer: {error}", code="bad-weights") from error
        told = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
        most = told.get("model_max_length")
        most = MOST_TOKENS if not isinstance(most, int) or isinstance(most, bool) else most
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max(8, min(MOST_TOKENS, most)))

    def __call__(self, raw: bytes) -> Inputs:
        """Return ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``(1, tokens) int64``."""
        found = self._tokenizer.encode(text_encoding.read(raw).text)
        named = {"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}
        return {name: np.array([values], np.int64) for name, values in named.items()}


@dataclass(frozen=True)
class Sounds:
    """A sound at a model's rate.

    Parameters
    ----------
    rate
        Samples a second.
    normal
        Whether each sound gets mean 0 and variance 1.
    """

    rate: int
    normal: bool

    @classmethod
    def of(cls, told: Mapping[str, Any], where: Path) -> Sounds:
        """Read what ``preprocessor_config.json`` says: of models that listen to the samples themselves.

        Raises
        ------
        InputError
            Code ``bad-weights``: the model wants a spectrogram, or the rate is missing.
        """
        read = _Entries(told, where)
        if told.get("feature_size", 1) != 1:
            raise _unknown(where, "feature_size", told["feature_size"], "1: samples, not a spectrogram")
        return cls(int(read.number("sampling_rate", 0, 1000, 384_000)), read.flag("do_normalize"))

    def __call__(self, raw: bytes) -> Inputs:
        """Return ``{"input_values": (1, samples) float32}``."""
        found = audio_files.read(raw)
        piece = loudest(found.samples, int(SECONDS * found.rate))
        made = resample(piece, found.rate, self.rate)
        made = np.pad(made, (0, max(0, self.rate // 10 - len(made))))  # networks need a few frames
        if self.normal:
            made = (made - made.mean()) / np.sqrt(made.var() + 1e-7)
        return {"input_values": made[None].astype(np.float32)}


def of_folder(folder: Path, modality: str) -> Prepare:
    """Return what prepares samples for the model in a folder.

    Raises
    ------
    InputError
        If the folder does not say how, or nobody knows how for this kind of input.
    """
    if modality == "text":
        return Texts(folder)
    if modality not in {"image", "audio"}:
        raise InputError(
            f"pretrained weights are used for pictures, sounds and texts, not for {modality}",
            code="other-modality",
            hint="clean.embeddings: light, or model",
        )
    where = folder / PREPROCESSOR
    if not where.is_file():
        raise InputError(
            f"{folder} has no {PREPROCESSOR}: nothing says how samples are prepared for the model",
            code="bad-weights",
            hint='write one: {"size": 224, "image_mean": [...], "image_std": [...]}, or {"sampling_rate": 16000}',
        )
    told = read_json(where)
    return Pictures.of(told, where) if modality == "image" else Sounds.of(told, where)


def read_json(path: Path) -> dict[str, Any]:
    """Return a small JSON object.

    Raises
    ------
    InputError
        Code ``bad-weights``.
    """
    try:
        told = json.loads(_small(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}", code="bad-weights") from None
    if not isinstance(told, dict):
        raise InputError(f"{path} holds {type(told).__name__}, not an object", code="bad-weights")
    return told


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_SMALL_FILE + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", code="unreadable") from None
    if len(data) > _SMALL_FILE:
        raise InputError(f"{path} has more than {_SMALL_FILE:,} bytes", code="bad-weights")
    return data


class _Entries:
    """The entries of a configuration, each checked when it is read."""

    def __init__(self, told: Mapping[str, Any], where: Path) -> None:
        self._told = told
        self._where = where

    def flag(self, name: str, *, otherwise: bool = True) -> bool:
        value = self._told.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            raise _unknown(self._where, name, value, "true or false")
        return value

    def number(self, name: str, otherwise: float, low: float, high: float) -> float:
        value = self._told.get(name)
        value = otherwise if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise _unknown(self._where, name, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def channels(self, name: str) -> tuple[float, ...]:
        value = self._told.get(name)
        fine = isinstance(value, list) and len(value) == 3
        if not fine or not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value or ()):
            raise _unknown(self._where, name, value, "three numbers")
        return tuple(float(each) for each in value or ())

    def size(self, name: str, otherwise: tuple[int, int]) -> tuple[int | None, tuple[int, int]]:
        """Return the shorter side, or None, and ``(height, width)``."""
        value = self._told.get(name)
        if value is None:
            return None, otherwise
        short = value.get("shortest_edge") if isinstance(value, Mapping) else None
        sides = value if short is None else short
        height, width = (sides.get("height"), sides.get("width")) if isinstance(sides, Mapping) else (sides, sides)
        if not (_is_side(height) and _is_side(width)):
            raise _unknown(self._where, name, value, f"height and width, or shortest_edge, up to {_LARGEST}")
        return (None if short is None else height), (height, width)


def _is_side(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _unknown(where: Path, name: str, value: Any, right: str) -> InputError:
    return InputError(f"{where}: {name!r} is {value!r}; {right} is needed", code="bad-weights")
