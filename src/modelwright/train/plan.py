"""What is going to be tried, and by what it is judged: pure decisions, each with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright import registry
from modelwright.errors import InputError, SpecError
from modelwright.models.base import Family, Task, Tunable, family

if TYPE_CHECKING:
    from modelwright.spec import Spec
    from modelwright.tasks.base import Target

THREADS = 2
"""Threads of a fit unless the spec says otherwise. A constant: the number changes the last bits of sums, and the same
data, spec and seed are to give the same model on every machine."""
FEW = 3000
"""Training pictures or sounds up to which simple models are worth a try beside the convnet."""
HARD_TO_JUDGE = 200
"""Validation samples below which one split is a poor judge of candidates for rows and series, quick to fit."""
EVEN_METRICS = frozenset({"balanced_accuracy", "f1_macro", "precision_macro", "recall_macro"})
"""Metrics in which every class counts the same, however rare."""


@dataclass(frozen=True)
class Candidate:
    """One family with one parameter set."""

    family: str
    params: Mapping[str, Any]
    warm: str | None = None
    """Digest of the model whose weights it starts from, or None."""

    def words(self) -> str:
        """Return a short name for progress and reports."""
        shown = ", ".join(f"{key} {value}" for key, value in self.params.items() if not isinstance(value, dict))
        return f"{self.family} ({'from the model before, ' if self.warm else ''}{shown})"


@dataclass(frozen=True)
class Metric:
    """What candidates are compared by."""

    name: str
    higher: bool
    reason: str

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is better than ``other``."""
        return one > other if self.higher else one < other


def metric_of(spec: Spec, target: Target) -> Metric:
    """Return the metric to select by: the spec's, or the first that ``accept`` asks for, or the target's own.

    Raises
    ------
    SpecError
        If the spec names a metric that the target does not have.
    """
    known = target.higher_is_better
    if spec.train.metric != "auto":
        name = spec.train.metric
        if name not in known:
            raise SpecError(
                f"{spec.path}: train.metric is {name!r}; a {target.name} has {', '.join(known)}",
                hint="choose one of these, or auto",
            )
        return Metric(name, known[name], "the spec names it")
    for condition in spec.accept:
        if condition.metric in known:
            return Metric(condition.metric, known[condition.metric], "it is the first that accept asks for")
    return Metric(target.primary_metric, known[target.primary_metric], f"it is the usual one of {target.name}")


def loss_of(spec: Spec, target: Target) -> str:
    """Return the loss to learn with.

    Raises
    ------
    SpecError
        If the target has no loss of that name.
    """
    if spec.train.loss == "auto":
        return target.losses[0]
    if spec.train.loss not in target.losses:
        raise SpecError(
            f"{spec.path}: train.loss is {spec.train.loss!r}; a {target.name} has {', '.join(target.losses)}",
            hint="choose one of these, or auto",
        )
    return spec.train.loss


def family_names(spec: Spec, modality: str, target: str, samples: int) -> list[str]:
    """Return the families to try, the baseline first.

    Raises
    ------
    SpecError
        If the spec asks for a family that cannot learn the task.
    """
    asked = spec.train.models
    if asked != "auto":
        for name in asked:
            if (modality, target) not in family(name).tasks:
                able = [each for each in registry.names("families") if (modality, target) in family(each).tasks]
                raise SpecError(
                    f"{spec.path}: train.models asks for {name!r}, which cannot learn {modality} × {target}",
                    hint=f"families that can: {', '.join(able)}",
                )
        return ["baseline", *(name for name in asked if name != "baseline")]
    if modality in {"image", "audio"}:
        shortlist = ["convnet"]
        if samples <= FEW:
            shortlist += ["ridge"] if target == "number" else ["logistic"]
            shortlist += ["boosting"] if modality == "audio" else []
    elif modality == "text":
        # Thousands of words, each of little weight: a linear model is hard to beat, and quick.
        shortlist = ["ridge" if target == "number" else "logistic", "boosting"]
    elif target in {"category", "tags"}:
        shortlist = ["boosting", "logistic"]
    else:
        shortlist = ["boosting", "ridge", "lasso"]
    own = registry.BUILT_IN["families"]
    plugins = [
        name for name in registry.names("families") if name not in own and (modality, target) in family(name).tasks
    ]
    return ["baseline", *shortlist, *plugins]


def candidates(families: Sequence[tuple[Family, Task]], warm: tuple[str, str] | None) -> list[Candidate]:
    """Return all candidates: the first choice of every family, then the second of each, and so on.

    Parameters
    ----------
    families
        Each with the task as that family sees it (its own encoding).
    warm
        ``(family, digest)`` of a model to start from: that family's first choice starts there.
    """
    choices = [(each.name, each.candidates(task)) for each, task in families]
    found = []
    for rank in range(max((len(sets) for _, sets in choices), default=0)):
        for name, sets in choices:
            if rank < len(sets):
                start = warm[1] if warm is not None and warm[0] == name and rank == 0 else None
                found.append(Candidate(name, sets[rank], start))
    return found


def trial_candidates(chosen: Family, task: Task, trials: int, seed: int) -> list[Candidate]:
    """Return ``trials`` parameter sets drawn at random for one family; none if it cannot be tuned."""
    if not isinstance(chosen, Tunable):
        return []
    random = np.random.default_rng([seed, 20_011])
    return [Candidate(chosen.name, chosen.draw(task, random)) for _ in range(trials)]


def class_weights(
    setting: str, truth: NDArray[Any], classes: int, metric: str
) -> tuple[NDArray[np.float32] | None, str]:
    """Return per-sample weights ``(n,)`` with mean 1, or ``(n, k)`` for tags, or None, and why.

    ``auto`` weighs by the inverse square root of a class's share where the largest class has three times the samples of
    the smallest and the metric counts every class the same; ``balanced`` by the inverse share. For tags, samples with
    and without a tag are the two classes, for each tag by itself.
    """
    if truth.ndim == 2:
        return _tag_weights(setting, truth, metric)
    counts = np.bincount(truth, minlength=classes)
    ratio = counts.max() / max(1, counts.min())
    if setting == "none" or classes == 0:
        return None, ""
    if setting == "auto" and (ratio < 3 or metric not in EVEN_METRICS):
        return None, ""
    power = 0.5 if setting == "auto" else 1.0
    each = (counts.sum() / np.maximum(counts, 1) / classes) ** power
    weights = each[truth]
    reason = f"rare classes weigh more: the largest class has {ratio:.1f} times the samples of the smallest"
    return (weights / weights.mean()).astype(np.float32), reason


def _tag_weights(setting: str, truth: NDArray[Any], metric: str) -> tuple[NDArray[np.float32] | None, str]:
    there = truth > 0.5
    shares = np.clip(there.mean(axis=0), 1.0 / len(truth), 1.0 - 1.0 / len(truth))
    ratio = float((np.maximum(shares, 1.0 - shares) / np.minimum(shares, 1.0 - shares)).max())
    if setting == "none" or (setting == "auto" and (ratio < 3 or metric not in EVEN_METRICS)):
        return None, ""
    power = 0.5 if setting == "auto" else 1.0
    each = np.where(there, 0.5 / shares, 0.5 / (1.0 - shares)) ** power
    reason = f"a tag weighs more where it is rare: the rarest is on {shares.min():.1%} of the samples"
    return (each / each.mean(axis=0)).astype(np.float32), reason


def rarest(truth: NDArray[Any]) -> NDArray[Any]:
    """Return what samples are dealt by: their truth, or of tags ``(n, k)`` the rarest one that each has (k: none).

    Examples
    --------
    >>> rarest(np.array([[1, 1], [1, 0], [1, 0], [0, 0]])).tolist()
    [1, 0, 0, 2]
    """
    if truth.ndim < 2:
        return truth
    there = truth > 0.5
    order = np.argsort(there.sum(axis=0), kind="stable")
    first = there[:, order].argmax(axis=1)
    return np.asarray(np.where(there.any(axis=1), order[first], truth.shape[1]))


def fold_count(spec: Spec, modality: str, train: int, validation: int) -> tuple[int, str]:
    """Return how many folds to cross-validate with (0: judge by the validation split), and why."""
    if spec.train.folds >= 2:
        return min(spec.train.folds, train), "the spec asks for it"
    if modality in {"table", "series"} and validation < HARD_TO_JUDGE and train >= 50:
        return 5, f"{validation} validation samples are too few to choose by"
    return 0, ""


def deal(truth: NDArray[Any], groups: Sequence[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold ``(n,)`` of every sample: the same mix of truths in each, and no group in two of them.

    Examples
    --------
    >>> truth = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> folds = deal(truth, [None] * 8, 2, seed=0)
    >>> [np.bincount(truth[folds == fold]).tolist() for fold in (0, 1)]
    [[2, 2], [2, 2]]
    """
    if folds < 2:
        raise InputError(f"cross-validation needs at least 2 folds, found {folds}")
    truth = rarest(truth)
    random = np.random.default_rng([seed, 7_919])
    names = [f"#{place}" if group is None else str(group) for place, group in enumerate(groups)]
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        first.setdefault(name, place)
    leaders = np.fromiter(first.values(), np.int64, len(first))
    order = np.lexsort((random.permutation(len(leaders)), truth[leaders]))
    of_group = {names[leaders[place]]: rank % folds for rank, place in enumerate(order)}
    return np.array([of_group[name] for name in names], np.int64)
