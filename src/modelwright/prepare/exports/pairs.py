"""A dataset of masks as pictures and masks of the same name in two folders."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from modelwright.prepare.exports.drawn import pictures, wanted
from modelwright.prepare.exports.plain import make_export
from modelwright.spec.model import Source
from modelwright.store.dataset import SPLITS, Dataset
from modelwright.store.packed import flat_png
from modelwright.tasks.targets.mask import IGNORED


def export_pairs(dataset: Dataset, destination: Path) -> Path:
    """Write ``data/images/<split>`` and ``data/masks/<split>``: 8-bit grey PNGs, a place in ``names``, 255 is ignored.

    Where sources had different classes, the masks are written anew over all of them.
    """
    import json

    wanted(dataset, "mask", "pairs of pictures and masks")
    labels = [json.loads(label) for split in SPLITS for label in dataset.labels(split)]
    names = sorted({name for label in labels for name in label["names"]})
    place = {name: number for number, name in enumerate(names)}

    def fill(folder: Path) -> Source:
        data = folder / "data"
        for split in SPLITS:
            for kind in ("images", "masks"):
                (data / kind / split).mkdir(parents=True)
        for each in pictures(dataset):
            mask = bytes(dataset.store.objects.get(each.label["mask"]))
            if each.label["names"] != names:
                mask = _renumbered(mask, [place[name] for name in each.label["names"]])
            (data / "images" / each.split / each.name).write_bytes(each.data)
            (data / "masks" / each.split / f"{each.stem}.png").write_bytes(mask)
        return Source("pairs", "data", {"names": names, "ignore": IGNORED}, 0)

    return make_export(dataset, destination, fill)


def _renumbered(mask: bytes, places: list[int]) -> bytes:
    from PIL import Image

    table = np.full(256, IGNORED, np.uint8)
    table[: len(places)] = places
    return flat_png.encode(table[np.asarray(Image.open(io.BytesIO(mask)))])
