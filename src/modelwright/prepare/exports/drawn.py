"""What the exports of drawn annotations share: the samples one by one, and what a form cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import bounds
from modelwright.prepare.exports.plain import files_of
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.tasks.targets.boxes import DECIMALS, FLAGS

OTHERWISE = "mw export dataset-coco says everything about boxes"


@dataclass(frozen=True)
class Drawn:
    """One kept picture: split, boxes (or a mask's description), file name, bytes, size in pixels."""

    split: str
    label: Any
    name: str
    data: bytes
    width: int
    height: int

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return self.name.rpartition(".")[0] or self.name


def wanted(dataset: Dataset, target: str, form: str, hint: str = "") -> None:
    """Raise an :class:`InputError` if a dataset is not of pictures with this target."""
    meta = dataset.meta
    if meta["modality"] != "image" or meta["target"] != target:
        raise InputError(
            f"{form} holds pictures with {target}; this dataset is {meta['modality']} → {meta['target']}",
            code="wrong-form",
            hint=hint or _other(meta),
        )


def _other(meta: Mapping[str, Any]) -> str:
    if meta["target"] == "mask":
        return "mw export dataset-pairs"
    if meta["target"] == "boxes":
        return OTHERWISE
    return "mw export dataset-csv (or -jsonl, -parquet)"


def pictures(dataset: Dataset) -> Iterator[Drawn]:
    """Yield every kept picture with its label parsed."""
    sizes: Iterator[tuple[Any, Any]] = (
        pair
        for split in SPLITS
        for table in [dataset.samples(split)]
        for pair in zip(table["measure.width"].to_pylist(), table["measure.height"].to_pylist(), strict=True)
    )
    for (split, label, name, data), (width, height) in zip(files_of(dataset), sizes, strict=True):
        yield Drawn(split, json.loads(label), name, data, int(width), int(height))


def only_places(box: Mapping[str, Any], form: str) -> None:
    """Raise an :class:`InputError` if a box says more than a class and a place, or an outline that it is not around."""
    said = [flag for flag in FLAGS if box.get(flag)]
    if said:
        raise InputError(f"{form} cannot say that a box is {said[0]}, and some are", code="wrong-form", hint=OTHERWISE)
    rings: Sequence[Any] = box.get("polygons", ())
    if len(rings) > 1:
        raise InputError(f"{form} has one outline a box, and some have several", code="wrong-form", hint=OTHERWISE)
    if rings:
        around = [round(value, DECIMALS) for value in bounds(rings)]
        if around != [box["x"], box["y"], box["width"], box["height"]]:
            raise InputError(
                f"{form} makes boxes of outlines, and some boxes are not the ones around their outlines",
                code="wrong-form",
                hint=OTHERWISE,
            )


def number(value: float) -> str:
    """Return a coordinate in as few digits as give it back.

    Examples
    --------
    >>> number(12.0), number(0.25)
    ('12', '0.25')
    """
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
