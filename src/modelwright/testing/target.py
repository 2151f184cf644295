"""The contract of a target, as checks that every implementation passes; see :mod:`modelwright.testing.modality`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical, registry
from modelwright.errors import InputError
from modelwright.tasks.abilities import Structured
from modelwright.tasks.base import Arrays, Target, UndecodableError, target
from modelwright.tasks.base import labels as labels_of
from modelwright.testing.modality import session


@dataclass(frozen=True)
class TargetCase:
    """A target, raw labels, and scores that a family might give for them.

    Parameters
    ----------
    target
        What is tested.
    labels
        Raw labels as sources give them, at least 100, some missing.
    scores
        From truth as ``encode`` gives it and a generator to plausible scores, ``(n, k)`` or ``(n, 1)`` float32.
    perfect
        From truth to scores without any fault.
    nothing
        Label lists from which nothing can be learned.
    skips
        Names of checks that do not apply, with the reason.
    """

    target: Target
    labels: tuple[Any, ...]
    scores: Callable[[NDArray[Any], np.random.Generator], NDArray[np.float32]]
    perfect: Callable[[NDArray[Any]], NDArray[np.float32]]
    nothing: tuple[tuple[Any, ...], ...] = ((),)
    refused: tuple[Any, ...] = (math.inf, -math.inf, [], {}, b"x", object(), np.zeros(2))
    """Raw values that are neither a label nor missing."""
    skips: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> list[Any]:
        """Return the labels as the target reads them."""
        return [self.target.read(label) for label in self.labels]

    def learned(self) -> tuple[dict[str, Any], NDArray[Any], NDArray[np.float32]]:
        """Return the schema, the truth of the labels that are known, and scores for them."""
        labels = [label for label in self.read() if label is not None]
        schema = self.target.learn(labels)
        truth = self.target.encode(labels, schema)
        return schema, truth, self.scores(truth, np.random.default_rng(0))


def check_read_is_stable(case: TargetCase) -> None:
    """A label that went through a store and came back is the same label."""
    for label in case.read():
        assert case.target.read(label) == label
        assert case.target.read(json.loads(json.dumps(label))) == label


def check_read_refuses_what_is_no_label(case: TargetCase) -> None:
    """A label column holds anything; what is not a label is an issue, never a crash."""
    for missing in (None, "", "  ", math.nan, np.float32("nan")):
        assert case.target.read(missing) is None
    for odd in case.refused:
        assert _refused(partial(case.target.read, odd), UndecodableError), f"{odd!r} was read as a label"


def _refused(action: Callable[[], Any], kind: type[Exception]) -> bool:
    try:
        action()
    except kind:
        return True
    return False


def check_nothing_to_learn_is_said(case: TargetCase) -> None:
    """One class, or a constant, is the user's mistake and has an error of its own."""
    for labels in case.nothing:
        assert _refused(partial(case.target.learn, labels), InputError), f"learned from {labels[:3]!r}"


def check_schema_and_calibration_are_json(case: TargetCase) -> None:
    """Both travel in artifacts."""
    schema, truth, scores = case.learned()
    calibration = case.target.calibrate(scores, truth, schema)
    assert json.loads(canonical.dumps(schema)) == schema
    assert json.loads(canonical.dumps(calibration)) == calibration


def check_graph_equals_numpy(case: TargetCase) -> None:
    """The parity of trained model and package rests on this: to 1e-6, at any batch size."""
    schema, truth, scores = case.learned()
    for calibration in ({}, case.target.calibrate(scores, truth, schema)):
        graph = session(case.target.graph(schema, calibration))
        names = [output.name for output in graph.get_outputs()]
        for count in (1, 3, len(scores)):
            found = dict(zip(names, graph.run(names, {"scores": scores[:count]}), strict=True))
            twin = case.target.outputs(scores[:count], schema, calibration)
            assert found.keys() == twin.keys()
            for name in names:
                assert found[name].shape == twin[name].shape, name
                assert found[name].dtype == twin[name].dtype, name
                if found[name].dtype == object:
                    assert (found[name] == twin[name]).all(), name
                else:
                    np.testing.assert_allclose(found[name], twin[name], rtol=1e-6, atol=1e-6, err_msg=name)


def check_graph_has_one_form(case: TargetCase) -> None:
    """Same schema and calibration, same bytes."""
    schema, truth, scores = case.learned()
    calibration = case.target.calibrate(scores, truth, schema)
    again = json.loads(canonical.dumps([schema, calibration]))
    first = case.target.graph(schema, calibration).SerializeToString(deterministic=True)
    assert first == case.target.graph(*again).SerializeToString(deterministic=True)


def check_every_truth_can_be_answered(case: TargetCase) -> None:
    """A class that no scores can bring out, or a number that comes back another, would be lost."""
    schema, truth, _ = case.learned()
    outputs = case.target.outputs(case.perfect(truth), schema, {})
    labels = [label for label in case.read() if label is not None]
    for label, prediction in zip(labels, case.target.decode(outputs, schema), strict=True):
        answer = prediction.as_dict()
        canonical.dumps(answer)
        first = case.target.read(next(iter(answer.values())))
        assert first == label or math.isclose(float(first), float(label), rel_tol=1e-6, abs_tol=1e-6)


def check_metrics_are_declared(case: TargetCase) -> None:
    """A gate must know which way is better of whatever is reported."""
    schema, truth, scores = case.learned()
    figures = case.target.metrics(truth, case.target.outputs(scores, schema, {}), schema)
    assert figures.keys() <= case.target.higher_is_better.keys()
    assert case.target.primary_metric in figures
    assert all(math.isfinite(value) for value in figures.values())
    assert case.target.losses


def check_perfect_is_best(case: TargetCase) -> None:
    """No figure may prefer worse answers to perfect ones."""
    schema, truth, scores = case.learned()
    plain = case.target.metrics(truth, case.target.outputs(scores, schema, {}), schema)
    best = case.target.metrics(truth, case.target.outputs(case.perfect(truth), schema, {}), schema)
    for name, higher in case.target.higher_is_better.items():
        if name in plain and name in best:
            assert best[name] >= plain[name] - 1e-9 if higher else best[name] <= plain[name] + 1e-9, name


def check_unknown_truth_does_not_count(case: TargetCase) -> None:
    """Production samples mostly have no label yet."""
    schema, truth, scores = case.learned()
    outputs = case.target.outputs(scores, schema, {})
    known = np.arange(len(truth)) % 2 == 0
    hidden = truth.copy()
    hidden[~known] = case.target.encode([None], schema)[0]
    some = {name: values[known] for name, values in outputs.items()}
    assert case.target.metrics(hidden, outputs, schema) == case.target.metrics(truth[known], some, schema)
    assert np.isnan(case.target.per_sample_loss(hidden, outputs)[~known]).all()
    nothing = case.target.encode([None] * len(truth), schema)
    assert case.target.metrics(nothing, outputs, schema) == {}


def check_bootstrap_surrounds_the_figure(case: TargetCase) -> None:
    """Intervals belong to the figures they are printed beside, and to the seed."""
    schema, truth, scores = case.learned()
    outputs = case.target.outputs(scores, schema, {})
    figures = case.target.metrics(truth, outputs, schema)
    drawn = case.target.bootstrap(truth, outputs, schema, np.random.default_rng(1), 200)
    again = case.target.bootstrap(truth, outputs, schema, np.random.default_rng(1), 200)
    for name, value in figures.items():
        assert drawn[name].shape == (200,)
        np.testing.assert_array_equal(drawn[name], again[name])
        spread = max(float(np.nanstd(drawn[name])), 1e-6)
        assert abs(float(np.nanmedian(drawn[name])) - value) < 4.0 * spread, name


def check_calibration_does_not_harm(case: TargetCase) -> None:
    """On the samples it was fitted on, calibrated answers are at least as good by the target's own loss."""
    schema, truth, scores = case.learned()
    calibration = case.target.calibrate(scores, truth, schema)
    plain: Arrays = case.target.outputs(scores, schema, {})
    better: Arrays = case.target.outputs(scores, schema, calibration)
    before = case.target.per_sample_loss(truth, plain).mean()
    assert case.target.per_sample_loss(truth, better).mean() <= before + 1e-6
    empty = case.target.calibrate(scores[:0], truth[:0], schema)
    assert np.isfinite(case.target.per_sample_loss(truth, case.target.outputs(scores, schema, empty))).all()


def check_structured_labels_have_parts(case: TargetCase) -> None:
    """What prepare counts, checks and mends without knowing the target."""
    if not isinstance(case.target, Structured):
        assert case.target.label_kind in {"class", "number"}
        return
    assert case.target.label_kind == "structured"
    for label in {label for label in case.read() if label is not None}:
        assert canonical.dumps(json.loads(label)).decode() == label
        assert all(isinstance(name, str) for name in case.target.classes(label))
        kinds = frozenset(problem.kind for problem in case.target.check(label, {}))
        mended = case.target.mend(label, {}, kinds)
        assert case.target.read(mended) == mended
        assert not kinds & {problem.kind for problem in case.target.check(mended, {})}


def check_uncertainty_is_a_share(case: TargetCase) -> None:
    """What to label next is ranked by it, across targets."""
    schema, truth, scores = case.learned()
    for given in (scores, case.perfect(truth)):
        values = case.target.uncertainty(case.target.outputs(given, schema, {}))
        assert values.shape == (len(truth),)
        assert ((values >= 0.0) & (values <= 1.0)).all()


Check = Callable[[TargetCase], None]

CHECKS: tuple[Check, ...] = (
    check_read_is_stable,
    check_read_refuses_what_is_no_label,
    check_nothing_to_learn_is_said,
    check_schema_and_calibration_are_json,
    check_graph_equals_numpy,
    check_graph_has_one_form,
    check_every_truth_can_be_answered,
    check_metrics_are_declared,
    check_perfect_is_best,
    check_unknown_truth_does_not_count,
    check_bootstrap_surrounds_the_figure,
    check_calibration_does_not_harm,
    check_structured_labels_have_parts,
    check_uncertainty_is_a_share,
)


def _logits(truth: NDArray[Any], random: np.random.Generator) -> NDArray[np.float32]:
    classes = int(truth.max()) + 1
    scores = random.normal(0.0, 2.0, (len(truth), classes))
    scores[np.arange(len(truth)), truth] += 2.5
    return scores.astype(np.float32)


def _category_case() -> TargetCase:
    random = np.random.default_rng(3)
    names = ["cat", "dog", " Größe\u0301 ", "3", "x" * 200]
    labels = [names[int(place)] for place in random.integers(0, len(names), 300)] + [None, "", 3, 3.0]
    return TargetCase(
        target("category"),
        tuple(labels),
        _logits,
        lambda truth: np.eye(int(truth.max()) + 1, dtype=np.float32)[truth] * 30.0,
        ((), ("a",) * 5, (None, "a", "a")),
    )


def _number_case() -> TargetCase:
    random = np.random.default_rng(4)
    labels = [*random.normal(100.0, 30.0, 400).tolist(), 7, "12.5", None, "", np.float32(3.5)]
    return TargetCase(
        target("number"),
        tuple(labels),
        lambda truth, random: (truth + random.normal(0.0, 1.0, len(truth)) * truth / 20)[:, None].astype(np.float32),
        lambda truth: truth[:, None],
        ((), (1.0, 1.0), (None,)),
    )


def _tag_scores(truth: NDArray[Any], random: np.random.Generator) -> NDArray[np.float32]:
    return (4.0 * truth - 2.5 + random.normal(0.0, 1.5, truth.shape)).astype(np.float32)


def _tags_case() -> TargetCase:
    random = np.random.default_rng(5)
    names = ["cat", "Größe", "a,b|c", "none", "3"]
    drawn = random.random((300, len(names))) < [0.4, 0.3, 0.2, 0.1, 0.05]
    labels: list[Any] = [[name for name, there in zip(names, row, strict=True) if there] for row in drawn]
    return TargetCase(
        target("tags"),
        (
            *labels,
            None,
            "",
            "none",
            "cat|3",
            "3; cat",
            '["cat", "3"]',
            "['cat', 'none']",
            3,
            ("cat",),
            {"3"},
            {"cat": 1, "3": "no"},
        ),
        _tag_scores,
        lambda truth: (60.0 * truth - 30.0).astype(np.float32),
        ((), ("[]",) * 5, (None, '["a"]', '["a"]')),
        (
            math.inf,
            -math.inf,
            {},
            b"x",
            object(),
            np.zeros(2),
            ["a", None],
            ["a", ""],
            [["a"]],
            "a|" + "x" * 1001,
            {"a": 2},
        ),
    )


_CASES: dict[str, Callable[[], TargetCase]] = {
    "category": _category_case,
    "number": _number_case,
    "tags": _tags_case,
}


@cache
def case(name: str) -> TargetCase:
    """Return the labels and scores on which the built-in target ``name`` is tested."""
    return _CASES[name]()


def built_in() -> list[str]:
    """Return the names of the built-in targets that can be learned; each has a :func:`case`."""
    return [name for name in registry.BUILT_IN["targets"] if hasattr(labels_of(name), "graph")]
