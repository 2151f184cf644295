"""The samples on which champion and challenger may be compared: held out from both, by the dataset's own splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelwright.errors import ModelwrightError
from modelwright.progress import SILENT, Progress
from modelwright.retrain.promotion import Pairs
from modelwright.retrain.replay import Sample, replay
from modelwright.runtime.predictor import Predictor
from modelwright.store.dataset import Dataset


@dataclass(frozen=True)
class Evidence:
    """``production``: losses on labelled production samples held out; ``locked``: on the test split's other samples."""

    production: Pairs
    locked: Pairs


def gather(dataset: Dataset, champion: Predictor, challenger: Predictor, progress: Progress = SILENT) -> Evidence:
    """Let both answer what the challenger's dataset held out.

    A sample keeps its split from one version of a dataset to the next, so what the challenger's dataset holds out, the
    champion never learned from either. Production samples are those whose label came from an annotation; of these the
    validation split counts as well as the test split, because labels from production are few. (The challenger stopped
    its training by the validation split; it did not fit to it.)

    Parameters
    ----------
    dataset
        The challenger's.

    Raises
    ------
    ModelwrightError
        If a held-out sample cannot be answered by one of them.
    """
    production: list[Pairs] = []
    locked = Pairs(np.empty(0), np.empty(0))
    for split in ("validation", "test"):
        came_from = dataset.samples(split)["annotation"].to_pylist()
        labels = dataset.labels(split)
        for wanted in (True, False):
            if split == "validation" and not wanted:
                continue
            places = [
                index
                for index, (origin, label) in enumerate(zip(came_from, labels, strict=True))
                if str(origin or "").startswith("annotation:") == wanted and label is not None
            ]
            if not places:
                continue
            raws = dataset.raw(split, places)
            traffic = (Sample("", raw, labels[index]) for index, raw in zip(places, raws, strict=True))
            found = replay(champion, challenger, traffic, progress)
            if found.failed:
                raise ModelwrightError(
                    f"{found.failed} of {len(places)} samples of the {split} split could not be answered by both "
                    "packages",
                    code="replay-failed",
                )
            if wanted:
                production.append(found.pairs)
            else:
                locked = found.pairs
    joined = Pairs(
        np.concatenate([np.empty(0), *(pairs.champion for pairs in production)]),
        np.concatenate([np.empty(0), *(pairs.challenger for pairs in production)]),
    )
    return Evidence(joined, locked)
