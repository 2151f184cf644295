"""Fitting and judging one candidate, with everything finished kept in ``cache/`` so that a killed run goes on.

What is kept is named by the digest of all that it depends on. A folder appears under its name by one rename, with the
digests of its files inside; one that does not verify is made again.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.models import files
from modelwright.models.base import FitContext, Fitted, Fold, History, family
from modelwright.progress import Progress
from modelwright.train import plan
from modelwright.train.data import Samples
from modelwright.train.plan import Candidate, Metric


@dataclass(frozen=True)
class Settings:
    """What all candidates of one run share."""

    seed: int
    loss: str
    threads: int
    deadline: float
    weights: str
    """How classes are weighed, as part of the cache's names."""
    cache: Path
    progress: Progress
    warm_folder: Path | None = None


@dataclass
class Outcome:
    """What became of one candidate."""

    candidate: Candidate
    status: str
    """``done``, ``skipped`` (no time left) or ``failed``."""
    score: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    scores: NDArray[np.float32] | None = None
    """Of the samples it was judged by."""
    fitted: Fitted | None = None
    """Where it was judged by the validation samples: the very model."""
    cut_short: bool = False

    def entry(self) -> dict[str, Any]:
        """Return its line of ``leaderboard.json``."""
        return {
            "family": self.candidate.family,
            "params": dict(self.candidate.params),
            "score": self.score if math.isfinite(self.score) else None,
            "metrics": self.metrics,
            "status": self.status,
            "reason": self.reason,
        }


class Workshop:
    """Fits candidates on one dataset's samples."""

    def __init__(self, samples: Samples, settings: Settings) -> None:
        self.samples = samples
        self.settings = settings

    def key(self, candidate: Candidate, part: str) -> str:
        """Return the name under which a finished fit is kept."""
        learner = family(candidate.family)
        dataset = self.samples.dataset
        graph = dataset.modality.graph(dataset.schema["input"], self.samples.encoding(learner))
        facts = {
            "dataset": dataset.digest,
            "graph": canonical.digest_bytes(graph.SerializeToString(deterministic=True)),
            "family": candidate.family,
            "version": learner.version,
            "params": dict(candidate.params),
            "warm": candidate.warm,
            "loss": self.settings.loss,
            "seed": self.settings.seed,
            "threads": self.settings.threads,
            "weights": self.settings.weights,
            "part": part,
        }
        return canonical.digest_value(facts)

    def fit(self, candidate: Candidate, train: Fold, validation: Fold, part: str, *, unhurried: bool = False) -> Fitted:
        """Return the fitted candidate, from the cache if it is there; ``unhurried`` fits know no deadline."""
        learner = family(candidate.family)
        key = self.key(candidate, part)
        folder, work = self.settings.cache / key, self.settings.cache / f"{key}.work"
        kept = _open_kept(folder)
        if kept is not None:
            fitted = learner.load(folder / "family")
            fitted.history = kept
            return fitted
        context = FitContext(
            seed=self.settings.seed,
            loss=self.settings.loss,
            threads=self.settings.threads,
            deadline=math.inf if unhurried else self.settings.deadline,
            checkpoints=work,
            progress=self.settings.progress,
            warm_start=self.settings.warm_folder if candidate.warm is not None else None,
        )
        fitted = learner.fit(train, validation, self.samples.task(learner), candidate.params, context)
        if not fitted.history.cut_short:  # else a later run with more time goes on from the checkpoint
            _keep(fitted, folder)
            shutil.rmtree(work, ignore_errors=True)
        return fitted

    def final(self, candidate: Candidate, *, unhurried: bool = False) -> Fitted:
        """Fit on all training samples, stopping by the validation samples."""
        encoding = self.samples.encoding(family(candidate.family))
        train, validation = self.samples.train(encoding), self.samples.validation(encoding)
        return self.fit(candidate, train, validation, "all", unhurried=unhurried)

    def part(self, candidate: Candidate, positions: NDArray[np.int64], name: str) -> Fitted:
        """Fit on some of the training samples."""
        encoding = self.samples.encoding(family(candidate.family))
        train = self.samples.train(encoding).part(positions)
        return self.fit(candidate, train, self.samples.validation(encoding), name)

    def judge(self, candidate: Candidate, metric: Metric, folds: NDArray[np.int64] | None) -> Outcome:
        """Score a candidate: on the validation samples, or on every training sample by a model that did not see it."""
        encoding = self.samples.encoding(family(candidate.family))
        if folds is None:
            fitted = self.final(candidate)
            outcome = self._outcome(
                candidate, metric, predict(fitted, self.samples.validation(encoding)), self.samples.held_truth
            )
            outcome.fitted, outcome.cut_short = fitted, fitted.history.cut_short
            return outcome
        train = self.samples.train(encoding)
        joined: NDArray[np.float32] | None = None
        cut_short = False
        for fold in range(int(folds.max()) + 1):
            inside, outside = self.samples.learned(folds, fold), np.flatnonzero(folds == fold)
            fitted = self.part(candidate, inside, f"fold {fold} of {int(folds.max()) + 1}")
            found = predict(fitted, train.part(outside))
            joined = np.zeros((train.count, found.shape[1]), np.float32) if joined is None else joined
            joined[outside] = found
            cut_short = cut_short or fitted.history.cut_short
        assert joined is not None
        real = self.samples.real
        outcome = self._outcome(candidate, metric, joined[real], self.samples.truth[real])
        outcome.cut_short = cut_short
        return outcome

    def _outcome(
        self,
        candidate: Candidate,
        metric: Metric,
        scores: NDArray[np.float32],
        truth: NDArray[Any],
    ) -> Outcome:
        figures = self.figures(scores, truth)
        score = figures.get(metric.name, math.nan)
        outcome = Outcome(candidate, "done", score, figures, "", scores)
        if not math.isfinite(score):
            outcome.status = "failed"
            outcome.reason = f"{metric.name} is not defined on {len(truth)} held-out samples"
        return outcome

    def figures(self, scores: NDArray[np.float32], truth: NDArray[Any]) -> dict[str, float]:
        """Return every metric of calibrated scores."""
        target, schema = self.samples.dataset.target, self.samples.dataset.schema["output"]
        calibration = target.calibrate(scores, truth, schema)
        found = target.metrics(truth, target.outputs(scores, schema, calibration), schema)
        return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def predict(fitted: Fitted, fold: Fold) -> NDArray[np.float32]:
    """Return the scores of a fold's samples, a few thousand at a time."""
    pieces = [fitted.scores(fold.take(slice(start, start + 2048))) for start in range(0, fold.count, 2048)]
    return np.concatenate(pieces) if pieces else np.zeros((0, 1), np.float32)


def thin(history: History) -> dict[str, Any]:
    """Return a learning curve without its seconds: they are not the same twice."""
    curve = [{key: value for key, value in step.items() if key != "seconds"} for step in history.curve]
    return {"curve": _finite(curve), "best_step": history.best_step, "cut_short": history.cut_short}


def _finite(curve: list[dict[str, float]]) -> list[Mapping[str, float | None]]:
    return [{key: value if math.isfinite(value) else None for key, value in step.items()} for step in curve]


def _keep(fitted: Fitted, folder: Path) -> None:
    """Put a fitted model into the cache, whole."""
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    fitted.save(temporary / "family")
    files.write_json(temporary / "history.json", thin(fitted.history))
    paths = sorted(path for path in temporary.rglob("*") if path.is_file())
    digests = {path.relative_to(temporary).as_posix(): canonical.digest_file(path) for path in paths}
    files.write_json(temporary / "whole", digests)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def _open_kept(folder: Path) -> History | None:
    """Return the history of a model in the cache, or None if there is none, or it is not whole."""
    try:
        digests = json.loads((folder / "whole").read_bytes())
        if any(canonical.digest_file(folder / name) != digest for name, digest in digests.items()):
            return None
        found = json.loads((folder / "history.json").read_bytes())
    except (OSError, ValueError):
        return None
    return History(tuple(found["curve"]), found["best_step"], found["cut_short"])


def rung(samples: Samples, share: int, seed: int) -> NDArray[np.int64]:
    """Return positions of one in ``share`` training samples, stratified: the first rung of a search."""
    parts = plan.deal(samples.truth, samples.groups_of(samples.train_rows), share, seed)
    return np.flatnonzero(parts == 0)
