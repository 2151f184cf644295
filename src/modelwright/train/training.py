"""The step itself: try what is planned, keep the best, calibrate it, publish it with its reasons."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from modelwright.engine.memory import keep_freed
from modelwright.engine.threads import settle_openmp, usable_cores
from modelwright.errors import ModelwrightError
from modelwright.models import files
from modelwright.models.base import Fitted, family
from modelwright.progress import SILENT, Progress
from modelwright.store.artifact import Artifact
from modelwright.store.dataset import Dataset
from modelwright.store.store import Store
from modelwright.train import plan, report
from modelwright.train.candidate import Outcome, Settings, Workshop, predict, rung, thin
from modelwright.train.data import Samples
from modelwright.train.plan import Candidate, Metric

if TYPE_CHECKING:
    from modelwright.spec import Spec

VERSION = 1
"""Declared version of this step's code: raise it when the same dataset and spec give another model."""
RUNG = 4
"""Random trials are first compared on one in so many samples, and one in so many goes on (successive halving)."""


class Search:
    """The candidates of one run, tried in a fixed order until they or the time run out."""

    def __init__(self, workshop: Workshop, metric: Metric, folds: NDArray[np.int64] | None) -> None:
        self.workshop = workshop
        self.metric = metric
        self.folds = folds
        self.outcomes: list[Outcome] = []
        self.seconds: dict[str, float] = {}
        self.cut_short = False

    @property
    def best(self) -> Outcome | None:
        """The best so far; of equal ones the earlier."""
        found: Outcome | None = None
        for outcome in self.outcomes:
            if outcome.status == "done" and (found is None or self.metric.better(outcome.score, found.score)):
                found = outcome
        return found

    @property
    def baseline(self) -> Outcome | None:
        """The best trivial answer."""
        found: Outcome | None = None
        for outcome in self.outcomes:
            if outcome.candidate.family == "baseline" and outcome.status == "done":
                found = outcome if found is None or self.metric.better(outcome.score, found.score) else found
        return found

    def out_of_time(self) -> bool:
        """Whether the budget is spent and something better than nothing is there."""
        spent = time.monotonic() >= self.workshop.settings.deadline
        return spent and any(each.status == "done" and each.candidate.family != "baseline" for each in self.outcomes)

    def run(self, candidates: Sequence[Candidate]) -> None:
        """Try all of them."""
        for candidate in candidates:
            if self.out_of_time():
                self.cut_short = True
                self.outcomes.append(Outcome(candidate, "skipped", reason="the time budget was spent"))
                continue
            began = time.monotonic()
            self.outcomes.append(self._try(candidate))
            self.seconds[candidate.words()] = round(time.monotonic() - began, 3)

    def _try(self, candidate: Candidate) -> Outcome:
        progress = self.workshop.settings.progress
        try:
            outcome = self.workshop.judge(candidate, self.metric, self.folds)
        except ModelwrightError as error:
            if error.code != "fit-failed":
                raise
            progress.say(f"{candidate.words()} failed: {error.message}")
            return Outcome(candidate, "failed", reason=error.message)
        self.cut_short = self.cut_short or outcome.cut_short
        progress.say(f"{candidate.words()}: {self.metric.name} {outcome.score:.4g}")
        return outcome

    def search(self, candidates: Sequence[Candidate]) -> None:
        """Try randomly drawn settings: all on a quarter of the samples first, where there are many of both."""
        count = len(self.workshop.samples.truth)
        if len(candidates) <= RUNG or count < 4000:
            self.run(candidates)
            return
        positions = rung(self.workshop.samples, RUNG, self.workshop.settings.seed)
        marks: list[tuple[float, int]] = []
        for number, candidate in enumerate(candidates):
            if self.out_of_time():
                self.cut_short = True
                break
            fitted = self.workshop.part(candidate, positions, f"rung 1/{RUNG}")
            encoding = self.workshop.samples.encoding(family(candidate.family))
            scores = predict(fitted, self.workshop.samples.validation(encoding))
            score = self.workshop.figures(scores, self.workshop.samples.held_truth).get(self.metric.name)
            if score is not None:
                marks.append((-score if self.metric.higher else score, number))
        chosen = sorted(number for _, number in sorted(marks)[: max(1, len(candidates) // RUNG)])
        self.workshop.settings.progress.say(f"{len(chosen)} of {len(marks)} random settings go on to all samples")
        self.run([candidates[number] for number in chosen])


def train(
    spec: Spec,
    dataset: Dataset,
    store: Store,
    *,
    key: tuple[str, str] | None = None,
    warm_start: Artifact | None = None,
    progress: Progress = SILENT,
) -> Artifact:
    """Learn a model from a dataset.

    Parameters
    ----------
    spec
        Its ``train`` part says what is tried; ``accept`` says by what the best is chosen.
    dataset
        Its training and validation splits are used, its test split is not opened.
    store
        Where the model is published; finished candidates are kept in its ``cache/``.
    key
        ``(step, key)`` under which the model is found again.
    warm_start
        A model artifact whose weights the same family may start from.
    progress
        Hears every automatic choice with its reason.

    Returns
    -------
    Artifact
        Of kind ``model`` (``docs/formats.md``). The same dataset, spec and seed give the same digest, unless the budget
        cut the search short; then ``meta["cut_short"]`` says so.

    Raises
    ------
    SpecError
        If the spec asks for a family, loss or metric that the task does not have.
    ModelwrightError
        If no candidate could be fitted.
    """
    settle_openmp()
    keep_freed()
    began = time.monotonic()
    metric, loss = plan.metric_of(spec, dataset.target), plan.loss_of(spec, dataset.target)
    progress.say(f"candidates are compared by {metric.name}: {metric.reason}")
    samples = Samples(dataset, progress, spec.train.seed)
    schema = dataset.schema
    classes = len(schema["output"].get("classes", ()))
    if classes:
        samples.weights, why = plan.class_weights(spec.train.class_weights, samples.truth, classes, metric.name)
        if why:
            progress.say(why)
    settings = Settings(
        seed=spec.train.seed,
        loss=loss,
        threads=_threads(spec, progress),
        deadline=began + spec.train.budget_seconds,
        weights=spec.train.class_weights if samples.weights is not None else "none",
        cache=store.cache_dir("train"),
        progress=progress,
        warm_folder=_warm_folder(warm_start, dataset, progress),
    )
    workshop = Workshop(samples, settings)
    search = Search(workshop, metric, _folds(spec, samples, progress))
    _run_all(search, spec, warm_start if settings.warm_folder is not None else None)
    best = search.best
    if best is None:
        reasons = "; ".join(f"{each.candidate.family}: {each.reason}" for each in search.outcomes)
        raise ModelwrightError(f"no candidate could be fitted ({reasons})"[:500], code="fit-failed")
    fitted = best.fitted or workshop.final(best.candidate, unhurried=True)
    reason = _reason(search, best, len(samples.truth[samples.real] if search.folds is not None else samples.held_truth))
    progress.say(reason)
    return _publish(store, key, workshop, search, best, fitted, reason, began)


def _threads(spec: Spec, progress: Progress) -> int:
    if spec.train.threads is not None:
        return spec.train.threads
    cores = usable_cores()
    if cores > plan.THREADS:
        progress.say(
            f"learning with {plan.THREADS} threads, so that every machine gives the same model; "
            f"train.threads can use more of the {cores} cores here"
        )
    return plan.THREADS


_SEEN = {
    "image": ("height", "width"),
    "audio": ("rate", "window", "hop", "frames", "pool", "bands", "low", "high", "features"),
}
"""What of an input's schema decides what a family that goes on from an earlier model sees."""


def _warm_folder(warm_start: Artifact | None, dataset: Dataset, progress: Progress) -> Path | None:
    """Return the family folder to start from, if its inputs and classes are those of this dataset."""
    if warm_start is None:
        return None
    before = json.loads(warm_start.path("schema.json").read_bytes())
    schema = dataset.schema
    same = before["target"] == schema["target"]
    same = same and before["output"].get("classes") == schema["output"].get("classes")
    same = same and before["modality"] == schema["modality"]
    # A network sees pixels of one size, made in one way; what else the schema says does not change them.
    keys = _SEEN.get(schema["modality"], before["input"].keys() | schema["input"].keys())
    same = same and all(before["input"].get(key) == schema["input"].get(key) for key in keys)
    if not same:
        progress.say("the model before saw other inputs or classes: training starts from nothing")
        return None
    paths = [warm_start.path(name) for name in warm_start.files if name.startswith("family/")]  # each one checked
    return paths[0].parent if paths else None


def _folds(spec: Spec, samples: Samples, progress: Progress) -> NDArray[np.int64] | None:
    modality = samples.dataset.schema["modality"]
    kept = samples.kept_folds
    if kept is not None and spec.train.folds in {0, int(kept.max()) + 1}:
        progress.say(f"{int(kept.max()) + 1}-fold cross-validation: by the folds that the dataset keeps")
        return kept
    count, why = plan.fold_count(spec, modality, len(samples.truth), len(samples.held_truth))
    if count < 2:
        return None
    progress.say(f"{count}-fold cross-validation: {why}")
    return plan.deal(samples.truth, samples.groups_of(samples.train_rows), count, spec.train.seed)


def _run_all(search: Search, spec: Spec, warm: Artifact | None) -> None:
    """Try the shortlist, then random settings for the family that did best."""
    samples, schema = search.workshop.samples, search.workshop.samples.dataset.schema
    names = plan.family_names(spec, schema["modality"], schema["target"], len(samples.truth))
    samples.progress.say(f"families to try: {', '.join(names)}")
    families = [(family(name), samples.task(family(name))) for name in names]
    start = None if warm is None else (str(warm.meta["family"]), warm.digest)
    search.run(plan.candidates(families, start))
    best = search.best
    if spec.train.trials and best is not None and best.candidate.family != "baseline":
        learner = family(best.candidate.family)
        drawn = plan.trial_candidates(learner, samples.task(learner), spec.train.trials, spec.train.seed)
        if not drawn:
            samples.progress.say(f"{learner.name} has no settings to search")
        search.search(drawn)


def _reason(search: Search, best: Outcome, count: int) -> str:
    metric, baseline = search.metric, search.baseline
    how = "by cross-validation on" if search.folds is not None else "on"
    words = f"{best.candidate.words()} did best: {metric.name} {best.score:.4g} {how} {count:,} samples"
    others = [
        each
        for each in search.outcomes
        if each.status == "done" and each.candidate.family not in {best.candidate.family, "baseline"}
    ]
    if others:
        second = max(others, key=lambda each: each.score if metric.higher else -each.score)
        words += f"; {second.candidate.family} {second.score:.4g}"
    if best.candidate.family == "baseline":
        return words + "; nothing learned more than the trivial answer, so the inputs may not tell the output"
    return words + (f"; the trivial answer {baseline.score:.4g}" if baseline is not None else "")


def _ordered(search: Search, best: Outcome) -> list[Outcome]:
    """Return all outcomes, best first, the skipped and failed last."""
    done = [each for each in search.outcomes if each.status == "done" and each is not best]
    rest = [each for each in search.outcomes if each.status != "done"]
    done.sort(key=lambda each: -each.score if search.metric.higher else each.score)
    return [best, *done, *rest]


def _importance(fitted: Fitted, names: Sequence[str] | None) -> dict[str, float]:
    """Return the share of each feature in the whole, zeros left out; empty where the family knows none."""
    values = fitted.importance()
    if values is None or not np.isfinite(values).all() or values.sum() <= 0:
        return {}
    labels = names if names is not None and len(names) == len(values) else [f"feature {i}" for i in range(len(values))]
    shares = values / values.sum()
    return {label: float(share) for label, share in zip(labels, shares, strict=True) if share > 0}


def _publish(
    store: Store,
    key: tuple[str, str] | None,
    workshop: Workshop,
    search: Search,
    best: Outcome,
    fitted: Fitted,
    reason: str,
    began: float,
) -> Artifact:
    """Calibrate and write the artifact."""
    samples, settings = workshop.samples, workshop.settings
    dataset, learner = samples.dataset, family(best.candidate.family)
    encoding, schema = samples.encoding(learner), dataset.schema
    truth = samples.held_truth if search.folds is None else samples.truth[samples.real]
    assert best.scores is not None
    calibration = dataset.target.calibrate(best.scores, truth, schema["output"])
    outputs = dataset.target.outputs(best.scores, schema["output"], calibration)
    leaderboard = [outcome.entry() for outcome in _ordered(search, best)]
    importance = _importance(fitted, samples.names(encoding))
    baseline = search.baseline
    cut_short = search.cut_short or fitted.history.cut_short
    meta = {
        "family": learner.name,
        "family_version": learner.version,
        "params": dict(best.candidate.params),
        "warm_start": best.candidate.warm,
        "modality": schema["modality"],
        "target": schema["target"],
        "metric": search.metric.name,
        "score": best.score,
        "baseline_score": None if baseline is None else baseline.score,
        "folds": 0 if search.folds is None else int(search.folds.max()) + 1,
        "loss": settings.loss,
        "class_weights": settings.weights,
        "seed": settings.seed,
        "reason": reason,
        "cut_short": cut_short,
        "threads": settings.threads,
    }
    graph = dataset.modality.graph(schema["input"], encoding).SerializeToString(deterministic=True)
    with store.artifacts.begin("model") as writer:
        fitted.save(writer.file("family/x").parent)
        writer.file("preprocess.onnx").write_bytes(graph)
        described = {"format": 1, "family": learner.name, "version": learner.version, "encoding": encoding}
        files.write_json(writer.file("model.json"), described)
        files.write_json(writer.file("calibration.json"), calibration)
        files.write_json(writer.file("schema.json"), schema)
        files.write_json(writer.file("leaderboard.json"), leaderboard)
        files.write_json(writer.file("history.json"), thin(fitted.history))
        files.write_json(writer.file("importance.json"), importance)
        page = report.page(meta, leaderboard, thin(fitted.history), importance, (truth, outputs), schema)
        writer.attach("report.html").write_text(page, encoding="utf-8")
        timings = {"seconds": round(time.monotonic() - began, 3), "candidates": search.seconds}
        files.write_json(writer.attach("timings.json"), timings)
        inputs = {"dataset": dataset.digest}
        if best.candidate.warm is not None:
            inputs["warm_start"] = best.candidate.warm
        return writer.publish(meta, inputs, key)
