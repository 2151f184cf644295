"""The samples on which champion and challenger may be compared: held out from both, by the datasets' own splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelwright.errors import ModelwrightError
from modelwright.progress import SILENT, Progress
from modelwright.retrain.promotion import Pairs
from modelwright.retrain.replay import Sample, replay
from modelwright.runtime.predictor import Predictor
from modelwright.store.dataset import Dataset

SPLIT = "test"
PRODUCTION = "feedback"
"""Kind of the source that holds what production saw."""


@dataclass(frozen=True)
class Evidence:
    """``production``: losses on labelled production samples of the test split; ``locked``: on its other samples."""

    production: Pairs
    locked: Pairs


def gather(
    dataset: Dataset,
    before: Dataset,
    champion: Predictor,
    challenger: Predictor,
    progress: Progress = SILENT,
) -> Evidence:
    """Let both answer the test split of the challenger's dataset.

    The validation split is no evidence: the challenger was stopped, calibrated and chosen by it. A sample keeps its
    split from one version of a dataset to the next, so the champion did not learn from the test split either; samples
    that it did learn from (after ``split`` in the spec was changed) are left out.

    Parameters
    ----------
    dataset
        The challenger's.
    before
        The champion's.

    Raises
    ------
    ModelwrightError
        If a sample cannot be answered by one of them.
    """
    kinds = [source["kind"] for source in dataset.meta["sources"]]
    table = dataset.samples(SPLIT)
    labels = dataset.labels(SPLIT)
    learned = set()
    if before.digest != dataset.digest:
        learned = {sample for split in ("train", "validation") for sample in before.samples(split)["id"].to_pylist()}
    places: dict[bool, list[int]] = {True: [], False: []}
    for place, (sample, source) in enumerate(zip(table["id"].to_pylist(), table["source"].to_pylist(), strict=True)):
        if sample not in learned and labels[place] is not None:
            places[kinds[source] == PRODUCTION].append(place)
    return Evidence(
        *(_losses(dataset, labels, places[wanted], champion, challenger, progress) for wanted in (True, False))
    )


def _losses(
    dataset: Dataset,
    labels: Sequence[object],
    places: list[int],
    champion: Predictor,
    challenger: Predictor,
    progress: Progress,
) -> Pairs:
    traffic = (Sample("", raw, labels[place]) for place, raw in zip(places, dataset.raw(SPLIT, places), strict=True))
    found = replay(champion, challenger, traffic, progress)
    if found.failed:
        raise ModelwrightError(
            f"{found.failed} of {len(places)} samples of the {SPLIT} split could not be answered by both packages",
            code="replay-failed",
        )
    return found.pairs
