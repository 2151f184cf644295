"""Which samples are probably mislabelled: from gathered samples to issues, with what was decided and why."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean.labels import belief, confident, folds, numbers, predictions
from modelwright.prepare.divide.split import bins, ranks
from modelwright.prepare.gather.scratch import parts
from modelwright.prepare.issues import Issue
from modelwright.progress import Progress

VERSION = 2
"""Raised when the same samples give other predictions: it is part of the cache's key."""
LEAST = 10
"""Samples that a class needs to be checked."""
LEAST_ALL = 50
MOST = 200_000
MOST_VALUES = 25_000_000
"""Samples × classes at most: the probabilities then take 100 MB."""
MOST_LISTED = 1000
"""Issues at most; a person looks at the worst first, and a second round finds what the first left."""
SHOWN = 8
"""Classes that are named."""
_KEPT_FILES = 4


LISTED_SHARE = 0.1
"""Share of the samples that is listed at most (but 20 always may be): where more look wrong, it mostly is the light
features that cannot tell the classes apart, and the worst are worth a look first."""


def most_listed(samples: int) -> int:
    """Return how many of so many samples are listed at most.

    Examples
    --------
    >>> most_listed(100), most_listed(5000), most_listed(1_000_000)
    (20, 500, 1000)
    """
    return min(MOST_LISTED, max(20, round(LISTED_SHARE * samples)))


@dataclass(frozen=True)
class Samples:
    """What the check needs of ``n`` samples.

    Parameters
    ----------
    ids
        ``(n,)`` digests, ``V32``.
    labels
        ``(n,)`` class codes or numbers as given, before any fix.
    names
        Class names by code; empty for numbers.
    checked
        ``(n,)``: which take part.
    settled
        ``(n,)``: which a person has labelled; they teach, and are not listed.
    groups, keys
        ``(n,)`` group numbers, and ``(groups,)`` their digests as numbers.
    folds
        ``(n,)`` folds that the dataset keeps, -1 for none; None: it keeps no folds.
    """

    ids: NDArray[Any]
    labels: NDArray[Any]
    names: Sequence[str]
    checked: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    groups: NDArray[np.int64]
    keys: NDArray[np.uint64]
    folds: NDArray[np.int64] | None = None

    def deal(self, places: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the folds of the samples at ``places``: as the dataset keeps them, else dealt; groups lie whole."""
        groups = self.groups[places]
        order = ranks(self.keys[groups], 0)
        if self.folds is None or not (self.folds[places] >= 0).any():
            return folds.deal(groups, order, strata)
        return folds.kept(self.folds[places], groups, order, strata)


@dataclass
class Result:
    """What the check found.

    ``places`` are those of the listed samples, worst first; ``facts`` is JSON-ready: how many were checked, how, how
    many look wrong, or why nothing was checked.
    """

    places: list[int] = field(default_factory=list)
    severities: list[float] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


Predict = Callable[[NDArray[np.int64], predictions.Truth], tuple[NDArray[np.int64], predictions.Predicted] | None]
"""Gives out-of-fold predictions of the samples at ``places`` ``(m,)``: which of them (positions) had features, and
their predictions; None if there are no features for this kind of sample."""


def find(
    samples: Samples,
    predict: Predict,
    cache: Path,
    progress: Progress,
    *,
    about: str = "",
    asked: Callable[[int], bool] | None = None,
) -> Result:
    """Find the samples whose label contradicts what the others teach.

    Parameters
    ----------
    cache
        A folder; predictions are kept there under the digest of samples, labels, folds and ``about``.
    about
        What else the predictions depend on.
    asked
        Says of a place whether a person has decided about it: such a sample stays listed as long as another answer can
        be suggested, so that its decision stays in force.
    """
    codes, places, reason = _eligible(samples)
    if reason:
        progress.say(f"labels were not checked: {reason}")
        return Result(facts={"skipped": reason})
    truth = _truth(samples, codes, places)
    known = Cache(cache, samples, places, truth, about)
    loaded = known.load()
    if loaded is None:
        progress.begin("checking labels", None)
        made = predict(places, truth)
        if made is None:
            reason = "there are no light features for this kind of input yet"
            progress.say(f"labels were not checked: {reason}")
            return Result(facts={"skipped": reason})
        loaded = known.keep(*made)
    inside, predicted = loaded
    result = (_classes if truth.classes else _numbers)(
        samples, places[inside], truth.first(inside), predicted, asked or (lambda _: False)
    )
    result.facts |= {"samples": len(inside), "how": predicted.how, "left_out": int(samples.checked.sum()) - len(inside)}
    result.facts["folds"] = dealt(samples, places, truth)
    reason = blind(result.facts, 2)
    if reason:
        result.facts["skipped"] = reason
    progress.say(f"labels were not checked: {reason}" if reason else _told(result, predicted.how, len(inside)))
    return result


def dealt(samples: Samples, places: NDArray[np.int64], truth: predictions.Truth) -> dict[str, Any]:
    """Return how many folds there were, whose they were, and how many groups lay in two of them (none may)."""
    return {
        "count": truth.fold_count,
        "of": "label check" if samples.folds is None else "dataset",
        "astride": folds.astride(samples.groups[places], truth.folds),
    }


def blind(facts: Mapping[str, Any], needed: int) -> str:
    """Return why nobody can be accused though labels were predicted, or nothing: ``needed`` classes have to show."""
    poor = facts.get("not_understood", {})
    if not poor or len(poor) <= facts["classes"] - needed:
        return ""
    areas = some([f"{name} {area:.2f}" for name, area in poor.items()])
    return (
        f"these features tell too little about them (area under the ROC curve, by {facts['how']}: {areas}; clearly "
        f"more than {belief.FLOOR:g} is asked)"
    )


def _told(result: Result, how: str, count: int) -> str:
    facts = result.facts
    poor = facts.get("not_understood", {})
    said = f"labels of {count:,} samples checked by {how}: {len(result.places):,} look wrong"
    if facts["estimated"] > len(result.places):
        said += f" and are listed, the worst first (about {facts['estimated']:,} are estimated to be)"
    if poor:
        said += f"; not accused and not accusing, since these features tell too little about them: {some(list(poor))}"
    if facts["left_out"]:
        said += f"; {facts['left_out']:,} samples of classes with fewer than {LEAST} were not checked"
    return said


def some(names: Sequence[str]) -> str:
    """Return names in words, the first few of many.

    Examples
    --------
    >>> some(["a", "b"]), some([str(number) for number in range(10)])
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7 and 2 more')
    """
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _eligible(samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Return the codes of the classes that take part, the samples' places, and why none do (or "")."""
    checked = samples.checked
    codes = np.empty(0, np.int64)
    if samples.names:
        counts = np.zeros(len(samples.names), np.int64)
        for part in parts(len(checked)):
            counts += np.bincount(samples.labels[part][checked[part]], minlength=len(samples.names))
        codes = np.flatnonzero(counts >= LEAST)
        if len(codes) < 2:
            return codes, codes, f"fewer than two classes have {LEAST} samples or more"
        count = int(counts[codes].sum())
    else:
        count = int(np.count_nonzero(checked))
    if count < LEAST_ALL:
        return codes, codes, f"{count} samples are too few, {LEAST_ALL} are needed"
    if count > MOST:
        return codes, codes, f"{count:,} samples are more than {MOST:,}"
    places = np.flatnonzero(checked & np.isin(samples.labels, codes) if samples.names else checked)
    if len(places) * len(codes) > MOST_VALUES:
        return codes, places, f"{len(places):,} samples × {len(codes):,} classes are more than fits in memory"
    if not samples.names and np.ptp(samples.labels[places]) == 0:
        return codes, places, "all numbers are the same"
    return codes, places, ""


def _truth(samples: Samples, codes: NDArray[np.int64], places: NDArray[np.int64]) -> predictions.Truth:
    labels = samples.labels[places]
    if samples.names:
        # Codes come in the order in which labels were met; by name, the result does not depend on the files' order.
        by_name = codes[np.argsort(np.array([samples.names[code] for code in codes.tolist()], object), kind="stable")]
        number = np.full(len(samples.names), -1, np.int64)
        number[by_name] = np.arange(len(by_name))
        own = number[labels]
        return predictions.Truth(own, np.empty(len(own)), len(by_name), samples.deal(places, own))
    values = labels.astype(np.float64)
    return predictions.Truth(np.zeros(len(values), np.int64), values, 0, samples.deal(places, bins(values)))


def _classes(
    samples: Samples,
    places: NDArray[np.int64],
    truth: predictions.Truth,
    predicted: predictions.Predicted,
    asked: Callable[[int], bool],
) -> Result:
    given, values = truth.codes, predicted.values
    code_of = np.zeros(truth.classes, np.int64)
    code_of[given] = samples.labels[places]
    joint = confident.confident_joint(values, given)
    rank = confident.quality(values, given, joint.thresholds)
    known, areas = belief.understood(values, given)
    most = belief.wrong(values, given, joint, known)
    suspects = confident.suspects(values, given, joint, rank, most=most, known=known)
    free = ~samples.settled[places]
    chosen = [
        (place, best)
        for place, best in zip(suspects.places.tolist(), suspects.suggested.tolist(), strict=True)
        if free[place]
    ][: most_listed(len(given))]
    listed = {place for place, _ in chosen}
    for place in np.flatnonzero(free).tolist():
        if place not in listed and asked(int(places[place])):
            others = values[place].copy()
            others[given[place]] = -1.0
            chosen.append((place, int(others.argmax())))
    result = Result()
    noise = joint.noise
    names = [samples.names[code] for code in code_of.tolist()]
    for place, best in chosen:
        mine = int(given[place])
        row = values[place]
        top = np.argsort(-row, kind="stable")[:3].tolist()
        result.places.append(int(places[place]))
        result.severities.append(round(float(np.clip(1.0 - rank[place], 0.0, 1.0)), 3))
        result.evidence.append(
            {
                "given": names[mine],
                "suggested": names[best],
                "probabilities": {
                    names[each]: round(float(row[each]), 4) for each in dict.fromkeys([mine, best, *top])
                },
                "noise_rate": round(float(noise[mine, best]), 4),
            }
        )
    result.facts = {
        "classes": truth.classes,
        "listed": len(chosen),
        "estimated": most,
        "accuracy": round(float((values.argmax(1) == given).mean()), 4),
        "not_understood": {names[code]: round(float(areas[code]), 3) for code in np.flatnonzero(~known).tolist()},
    }
    return result


def _numbers(
    samples: Samples,
    places: NDArray[np.int64],
    truth: predictions.Truth,
    predicted: predictions.Predicted,
    asked: Callable[[int], bool],
) -> Result:
    guess = predicted.values[:, 0].astype(np.float64)
    z, spread = numbers.robust_z(truth.numbers, guess)
    beyond = numbers.listed(z)
    free = ~samples.settled[places]
    chosen = [place for place in beyond.tolist() if free[place]][:MOST_LISTED]
    listed = set(chosen)
    chosen += [place for place in np.flatnonzero(free).tolist() if place not in listed and asked(int(places[place]))]
    result = Result()
    for place in chosen:
        result.places.append(int(places[place]))
        result.severities.append(numbers.severity(float(z[place])))
        result.evidence.append(
            {
                "given": float(truth.numbers[place]),
                "suggested": _rounded(float(guess[place])),
                "z": round(float(z[place]), 2),
                "usual_error": _rounded(float(spread[place])),
            }
        )
    result.facts = {
        "classes": 0,
        "listed": len(chosen),
        "estimated": int((np.abs(z) > numbers.LIMIT).sum()),
        "mean_absolute_error": _rounded(float(np.abs(truth.numbers - guess).mean())),
    }
    return result


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def issues(result: Result, describe: Callable[[int], tuple[str, str, str]]) -> Iterator[Issue]:
    """Yield a ``mislabelled`` issue for each listed sample.

    Parameters
    ----------
    describe
        Returns a place's name, digest and ``<source>/<name>``.
    """
    found = zip(result.places, result.severities, result.evidence, strict=True)
    for place, severity, evidence in found:
        name, digest, path = describe(place)
        yield Issue("mislabelled", severity, f"{name} {_words(evidence)}", place, digest, path, evidence=evidence)


def _words(evidence: Mapping[str, Any]) -> str:
    if "missing" in evidence:
        return _tag_words(evidence)
    if "z" in evidence:
        return (
            f"is labelled {evidence['given']:g}; the others suggest about {evidence['suggested']:g} "
            f"({abs(evidence['z']):.1f} robust deviations away)"
        )
    of = evidence["probabilities"]
    given, suggested = evidence["given"], evidence["suggested"]
    return f"is labelled {given} ({of[given]:.0%}) and looks like {suggested} ({of[suggested]:.0%})"


def _tag_words(evidence: Mapping[str, Any]) -> str:
    """Return which tags look wrong and which are missing, with how likely each is."""
    of = evidence["probabilities"]
    parts = [
        f"{', '.join(f'{tag} ({of[tag]:.0%})' if tag in of else tag for tag in tags)} {verb} to be {what}"
        for tags, what in ((evidence["wrong"], "wrong"), (evidence["missing"], "missing"))
        if tags
        for verb in ("seems" if len(tags) == 1 else "seem",)
    ]
    given = ", ".join(json.loads(evidence["given"])) or "nothing"
    return f"is tagged with {given}: {', and '.join(parts)}"


class Cache:
    """Predictions by what they were made from; may be deleted at any time."""

    def __init__(
        self, folder: Path, samples: Samples, places: NDArray[np.int64], truth: predictions.Truth, about: str
    ) -> None:
        mark = [
            about,
            canonical.digest_bytes(samples.ids[places].tobytes()),
            canonical.digest_bytes(truth.wanted.tobytes()),
            canonical.digest_bytes(truth.folds.tobytes()),
        ]
        self._folder = folder
        self._path = folder / f"{canonical.digest_value([VERSION, truth.classes, *mark])[:32]}.npz"
        self._count = len(places)
        self._folds = truth.folds.astype(np.int8)

    def load(self) -> tuple[NDArray[np.int64], predictions.Predicted] | None:
        """Return what is kept, or None."""
        try:
            with np.load(self._path, allow_pickle=False) as file:
                inside, values, how = file["inside"], file["values"], str(file["how"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        if len(inside) != len(values) or len(inside) > self._count:
            return None
        return inside, predictions.Predicted(values, how)

    def keep(
        self, inside: NDArray[np.int64], predicted: predictions.Predicted
    ) -> tuple[NDArray[np.int64], predictions.Predicted]:
        """Keep predictions, and of older ones the newest few."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, inside=inside, values=predicted.values, how=np.array(predicted.how), folds=self._folds)
        temporary.replace(self._path)
        kept = sorted(self._folder.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in kept[_KEPT_FILES:]:
            old.unlink(missing_ok=True)
        return inside, predicted
