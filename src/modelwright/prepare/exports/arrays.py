"""Pictures of one size as arrays: NumPy's ``.npz``, or the two IDX files of MNIST."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.exports.plain import files_of, make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.tasks import base as tasks

_OTHERWISE = "mw export dataset-folder or dataset-csv keep the files as they are"


def export_npz(dataset: Dataset, destination: Path) -> Path:
    """Write ``data.npz`` with ``images``, ``(n, H, W)`` or ``(n, H, W, 3) uint8``, and ``labels``.

    Labels are class numbers (``int64``, names in the spec beside it) or ``float64`` numbers. Pixels are kept, files are
    not: a picture that came from a JPEG is read back as a PNG of the same pixels.

    Raises
    ------
    InputError
        If samples are no pictures of one size, or labels neither classes nor numbers.
    """

    def fill(folder: Path) -> Source:
        _write(dataset, folder, folder / "images.npy")
        labels = _labels(dataset)
        images = np.load(folder / "images.npy", mmap_mode="r")
        np.savez(folder / "data.npz", images=images, labels=labels)
        del images
        (folder / "images.npy").unlink()
        return Source("arrays", "data.npz", {"images": "images", "labels": "labels", **_names(dataset)}, 0)

    return make_export(dataset, destination, fill)


def export_idx(dataset: Dataset, destination: Path) -> Path:
    """Write ``images.idx`` (unsigned bytes) and ``labels.idx`` (32-bit integers or doubles), big-endian as MNIST's.

    Raises
    ------
    InputError
        As :func:`export_npz`.
    """

    def fill(folder: Path) -> Source:
        _write(dataset, folder, folder / "images.idx")
        labels = _labels(dataset)
        kind, form = (0x0E, ">f8") if labels.dtype.kind == "f" else (0x0C, ">i4")
        with (folder / "labels.idx").open("wb") as file:
            file.write(_idx_head(kind, labels.shape))
            file.write(labels.astype(form).tobytes())
        return Source("arrays", "images.idx", {"labels": "labels.idx", **_names(dataset)}, 0)

    return make_export(dataset, destination, fill)


def _names(dataset: Dataset) -> dict[str, Any]:
    return {"names": list(dataset.meta["classes"])} if dataset.meta["target"] == "category" else {}


def _labels(dataset: Dataset) -> NDArray[Any]:
    if dataset.meta["target"] == "number":
        return np.array([value for split in SPLITS for value in dataset.labels(split)], np.float64)
    places = {name: place for place, name in enumerate(dataset.meta["classes"])}
    return np.array([places[name] for split in SPLITS for name in dataset.labels(split)], np.int64)


def _write(dataset: Dataset, folder: Path, path: Path) -> None:
    """Write all pictures one after another behind a header that fits them."""
    meta = dataset.meta
    if meta["modality"] != "image" or meta["target"] not in {"category", "number"}:
        raise InputError(
            f"arrays hold pictures with a class or a number; this dataset is {meta['modality']} → {meta['target']}",
            code="wrong-form",
            hint=_OTHERWISE,
        )
    modality = tasks.modality("image")
    count = sum(dataset.count(split) for split in SPLITS)
    with path.open("wb") as file, (folder / "pixels").open("wb+") as pixels:
        first: tuple[int, ...] = ()
        grey = True
        for _, _, name, data in files_of(dataset):
            picture = modality.decode(data, dataset.schema)["image"][0]
            first = first or picture.shape
            if picture.shape != first:
                sizes = " and ".join(f"{each[1]} × {each[0]}" for each in (first, picture.shape))
                raise InputError(
                    f"arrays hold pictures of one size; there are {sizes} pixels ({name})",
                    code="wrong-form",
                    hint=_OTHERWISE,
                )
            grey = grey and bool((picture == picture[..., :1]).all())
            pixels.write(picture.tobytes())
        _copy(file, pixels, (count, *first), grey=grey, idx=path.suffix == ".idx")
    (folder / "pixels").unlink()


def _copy(file: BinaryIO, pixels: BinaryIO, shape: tuple[int, ...], *, grey: bool, idx: bool) -> None:
    """Copy decoded pictures behind a header, one channel of them where all are grey: a picture at a time."""
    kept = shape[:3] if grey else shape
    if idx:
        file.write(_idx_head(0x08, kept))
    else:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": tuple(int(side) for side in kept)}
        )
    pixels.seek(0)
    size = int(np.prod(shape[1:]))
    for _ in range(shape[0]):
        picture = np.frombuffer(pixels.read(size), np.uint8).reshape(shape[1:])
        file.write((picture[..., 0] if grey else picture).tobytes())


def _idx_head(kind: int, shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
