"""The step: a Package is measured on the locked test split, from raw bytes, and the gate says yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.engine.threads import usable_cores
from modelwright.errors import InputError, IntegrityError, ModelwrightError
from modelwright.progress import SILENT, Progress
from modelwright.runtime import footprint
from modelwright.runtime.parity import Parity
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.tasks.abilities import PerClass
from modelwright.tasks.base import Arrays
from modelwright.validate import gate, page, scoring
from modelwright.validate.compare import Paired, paired
from modelwright.validate.scoring import Scored
from modelwright.validate.slices import worst_slices

if TYPE_CHECKING:
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store
    from modelwright.store.dataset import Dataset

TRAIN_SAMPLES = 2000
"""Training samples, evenly spread, behind the train-test gap."""
TIMED_SAMPLES = 200
"""Test samples, evenly spread, that are timed."""
MISTAKES = 12


@dataclass(frozen=True)
class Against:
    """What the package was compared with, on the same samples."""

    digest: str
    paired: Paired | None
    metrics: Mapping[str, float]
    reason: str
    """In words: who is better, or why they cannot be compared."""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        found: dict[str, Any] = {"package": self.digest, "metrics": dict(self.metrics), "reason": self.reason}
        if self.paired is not None:
            found |= self.paired.as_dict() | {"better": self.paired.better(), "worse": self.paired.worse()}
        return found


def validate(
    spec: Spec,
    dataset: Dataset,
    model: Artifact,
    package: Artifact,
    store: Store,
    *,
    champion: Artifact | None = None,
    key: tuple[str, str] | None = None,
    progress: Progress = SILENT,
) -> Artifact:
    """Measure a package and ask the gate.

    Parameters
    ----------
    spec
        The project's spec: ``accept`` is the gate.
    dataset
        Whose test split is looked at. The look is counted before it happens.
    model
        What was packaged.
    package
        What is measured: only what the packaged runtime answers counts.
    store
        Where the report is published.
    champion
        The package in production, for a paired test on the same samples.
    key
        Step-cache key.
    progress
        Listener.

    Returns
    -------
    Artifact
        Of kind ``report``: ``report.json``; ``report.html`` and ``measurements.json`` attached.

    Raises
    ------
    InputError
        If ``accept`` names a figure that does not exist, or there is no test split.
    """
    gate.check_names(spec.accept, dataset.target.higher_is_better)
    if not dataset.count("test"):
        raise InputError(
            "the dataset has no test samples, so there is nothing to measure with",
            code="no-samples",
            hint="raise `split: {test: …}`, or give more data",
        )
    looks = _count_look(store, dataset, package)
    progress.say(f"look {looks} at the locked test split of {dataset.count('test')} samples")
    with PackageReader.open(package.folder) as reader:
        predictor = Predictor(reader)
        parity = predictor.check_golden()
        size = sum(entry["size"] for entry in reader.manifest["files"].values())
    schema = dataset.schema["output"]
    test = _score(predictor, dataset, "test", None, progress)
    if not test.known.any():
        raise InputError("no test sample has a label that the model knows", code="no-samples")
    seed = spec.train.seed
    progress.begin(f"intervals from {scoring.REPEATS} resamples")
    metrics = scoring.with_intervals(dataset.target, test, schema, seed)
    train = _train_metrics(predictor, dataset, progress)
    measured = _measure(package, dataset, size, progress)
    against = None if champion is None else _against(champion, dataset, test, seed, progress)
    verdict = gate.judge(
        spec.accept,
        metrics,
        {name: measured[name] for name in gate.MEASUREMENTS},
        known=dataset.target.higher_is_better,
        objections=_objections(parity, against),
    )
    baseline = _baseline(dataset, test, seed)
    report: dict[str, Any] = {
        "verdict": verdict.word,
        "reasons": list(verdict.reasons),
        "metrics": metrics,
        "primary_metric": dataset.target.primary_metric,
        "train_metrics": train,
        "gap": scoring.gap(train, metrics, dataset.target.higher_is_better),
        "baseline": baseline,
        "confusion": _confusion(dataset, test),
        "classes": list(schema.get("classes", ())),
        "per_class": _per_class(dataset, test, predictor),
        "reliability": scoring.reliability(test),
        "slices": _slices(dataset, test),
        "mistakes": _mistakes(dataset, test, predictor),
        "parity": parity.as_dict(),
        "champion": against.as_dict() if against else None,
        "samples": len(test.truth),
        "unknown_labels": int((~test.known).sum()),
        "test_looks": looks,
        "seed": seed,
    }
    for reason in verdict.reasons:
        progress.say(f"{verdict.word}: {reason}")
    return _publish(store, spec, dataset, report, measured, _inputs(dataset, model, package, champion), key, test)


def _count_look(store: Store, dataset: Dataset, package: Artifact) -> int:
    """Write down that this package looks at this test split, and return how many packages have, this one included.

    Counted by package: looking twice at the same one teaches nothing new, and a step that was interrupted and is run
    again comes to the same figure.
    """
    split = canonical.digest_value(sorted(dataset.ids("test")))
    audit = store.catalog.audit
    seen = {str(event.details.get("package")) for event in audit.events(subject=split, event="test-look")}
    if package.digest not in seen:
        audit.look(split, "validate", {"package": package.digest, "dataset": dataset.digest})
    return len(seen | {package.digest})


def _score(
    predictor: Predictor, dataset: Dataset, split: str, indices: NDArray[np.int64] | None, progress: Progress
) -> Scored:
    count = dataset.count(split) if indices is None else len(indices)
    progress.begin(f"{split} samples through the package", count)
    outputs = predictor.outputs(dataset.raw(split, indices), progress.advance, decoders=min(4, usable_cores()))
    truth = dataset.truth(split)
    return scoring.score(dataset.target, outputs, truth if indices is None else truth[indices])


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)) if count else np.empty(0, np.int64)


def _train_metrics(predictor: Predictor, dataset: Dataset, progress: Progress) -> dict[str, float]:
    indices = _evenly(dataset.count("train"), TRAIN_SAMPLES)
    if not len(indices):
        return {}
    scored = _score(predictor, dataset, "train", indices, progress)
    return dataset.target.metrics(scored.truth, scored.outputs, dataset.schema["output"])


def _measure(package: Artifact, dataset: Dataset, size: int, progress: Progress) -> dict[str, Any]:
    indices = _evenly(dataset.count("test"), TIMED_SAMPLES)
    progress.begin(f"latency and memory in a process of its own, {len(indices)} samples")
    raws: list[bytes] = []
    for raw in dataset.raw("test", indices):
        if sum(map(len, raws)) > (64 << 20):
            break
        raws.append(raw)
    return {**footprint.measure(package.folder, raws), "size_mb": size / 1e6}


def _against(champion: Artifact, dataset: Dataset, test: Scored, seed: int, progress: Progress) -> Against:
    """Compare with the champion, sample by sample, by a paired test on the losses."""
    task = {"modality": dataset.meta["modality"], "target": dataset.meta["target"]}
    try:
        with PackageReader.open(champion.folder) as reader:
            if reader.manifest["task"] != task:
                return Against(champion.digest, None, {}, "the champion solves another task: not compared")
            predictor = Predictor(reader)
        progress.begin("test samples through the champion", dataset.count("test"))
        outputs = predictor.outputs(dataset.raw("test"), progress.advance, decoders=min(4, usable_cores()))
    except IntegrityError:
        raise
    except ModelwrightError as error:
        return Against(champion.digest, None, {}, f"the champion cannot answer these samples: {error.message}")
    theirs = predictor.output_schema
    truth = dataset.target.encode(dataset.labels("test"), theirs)
    losses = dataset.target.per_sample_loss(truth, outputs)
    if scoring.has_tags(test):
        ours = dataset.schema["output"]["classes"]
        losses = dataset.target.per_sample_loss(test.truth, scoring.onto(outputs, theirs["classes"], ours))
    # A class that the champion never heard of: it cannot be right, so it is charged the largest loss that there is.
    losses = np.where(np.isnan(losses), _largest(losses, test.loss), losses)
    found = paired(losses[test.known], test.loss[test.known], seed=seed)
    word = "better than" if found.better() else "worse than" if found.worse() else "not distinguishable from"
    reason = f"{word} the champion: mean loss differs by {found.difference:.3g} (p = {found.p_value:.2g})"
    return Against(champion.digest, found, dataset.target.metrics(truth, outputs, theirs), reason)


def _largest(*losses: NDArray[np.float64]) -> float:
    return max(float(np.nanmax(each, initial=0.0)) for each in losses)


def _objections(parity: Parity, against: Against | None) -> list[str]:
    found = []
    if not parity.passed:
        found.append(f"golden sample {parity.worst} differs by {parity.largest_difference:.3g} from the trained model")
    if against is not None and against.paired is not None and against.paired.worse():
        found.append(against.reason)
    return found


def _baseline(dataset: Dataset, test: Scored, seed: int) -> dict[str, Any]:
    schema = dataset.schema["output"]
    scored = scoring.trivial(dataset.target, schema, dataset.truth("train"), test.truth)
    found = paired(scored.loss[test.known], test.loss[test.known], seed=seed)
    return {
        "metrics": dataset.target.metrics(scored.truth, scored.outputs, schema),
        "better": found.better(),
        **found.as_dict(),
    }


def _confusion(dataset: Dataset, test: Scored) -> list[list[int]] | None:
    matrix = getattr(dataset.target, "confusion", None)
    counts = None if matrix is None else matrix(test.truth, test.outputs, dataset.schema["output"])
    return None if counts is None else counts.tolist()


def _per_class(dataset: Dataset, test: Scored, predictor: Predictor) -> list[dict[str, Any]]:
    """Return the figures of each class with its threshold, where classes are judged one by one."""
    target = dataset.target
    if not isinstance(target, PerClass):
        return []
    found = target.per_class(test.truth, test.outputs, dataset.schema["output"])
    for entry, threshold in zip(found, predictor.output_schema.get("thresholds", ()), strict=False):
        entry["threshold"] = threshold
    return found


def _slices(dataset: Dataset, test: Scored) -> list[dict[str, Any]]:
    scores, metric, higher = scoring.slice_scores(test)
    measures = {name: values[test.known] for name, values in dataset.measures("test").items()}
    return worst_slices(scores[test.known], measures, metric=metric, higher_is_better=higher)


def _mistakes(dataset: Dataset, test: Scored, predictor: Predictor) -> list[dict[str, Any]]:
    """Return the samples with the largest losses: for categories, only those that were wrong."""
    losses = np.nan_to_num(test.loss, nan=-1.0)
    if "probabilities" in test.outputs:
        losses = np.where(scoring.rightness(test) == 1.0, -1.0, losses)
    order = [int(index) for index in np.argsort(-losses, kind="stable")[:MISTAKES] if losses[index] > 0]
    if not order:
        return []
    chosen: Arrays = {name: values[order] for name, values in test.outputs.items()}
    answers = predictor.answers(chosen)
    ids, labels = dataset.ids("test"), dataset.labels("test")
    return [
        {"index": index, "sample": ids[index], "truth": labels[index], "answer": _short(answer), "loss": losses[index]}
        for index, answer in zip(order, answers, strict=True)
    ]


def _short(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "scores"}


def _inputs(dataset: Dataset, model: Artifact, package: Artifact, champion: Artifact | None) -> dict[str, str]:
    found = {"dataset": dataset.digest, "model": model.digest, "package": package.digest}
    return found if champion is None else found | {"champion": champion.digest}


def _publish(
    store: Store,
    spec: Spec,
    dataset: Dataset,
    report: Mapping[str, Any],
    measured: Mapping[str, Any],
    inputs: Mapping[str, str],
    key: tuple[str, str] | None,
    test: Scored,
) -> Artifact:
    with store.artifacts.begin("report") as writer:
        writer.file("report.json").write_bytes(canonical.dumps(report))
        writer.attach("measurements.json").write_bytes(canonical.dumps(measured))
        behind = store.catalog.lineage.of(inputs["package"])
        drawn = page.draw(spec.name, dataset, report, measured, test, behind)
        writer.attach("report.html").write_text(drawn, encoding="utf-8")
        meta = {
            "name": spec.name,
            "verdict": report["verdict"],
            "metric": report["primary_metric"],
            "value": report["metrics"].get(report["primary_metric"]),
            "test_looks": report["test_looks"],
        }
        return writer.publish(meta, inputs, key)
