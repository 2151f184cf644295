"""The contract of the part of a target that preparing data needs, for targets that nothing learns (yet).

What also has a graph is tested, these things included, by :mod:`modelwright.testing.target`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, get_args

import numpy as np

from modelwright import canonical, registry
from modelwright.errors import InputError
from modelwright.tasks.abilities import Structured
from modelwright.tasks.base import LabelKind, Labels, Problem, UndecodableError, labels, target


@dataclass(frozen=True)
class LabelsCase:
    """Raw labels as sources give them.

    Parameters
    ----------
    target
        What is tested.
    labels
        Labels that can be read, or are missing; no two of them the same when read.
    refused
        What is no label and not missing.
    nothing
        Label lists from which nothing can be learned.
    measures
        A sample's measures, for which some labels have problems.
    skips
        Names of checks that do not apply, with the reason.
    """

    target: Labels
    labels: tuple[Any, ...]
    refused: tuple[Any, ...] = ()
    nothing: tuple[tuple[Any, ...], ...] = ((),)
    measures: Mapping[str, float] = field(default_factory=dict)
    skips: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> list[Any]:
        """Return the labels as the target reads them, missing ones left out."""
        return [label for label in map(self.target.read, self.labels) if label is not None]


def check_it_says_what_a_label_is(case: LabelsCase) -> None:
    """WHY: prepare stores, splits and draws labels by their kind."""
    assert case.target.label_kind in get_args(LabelKind)
    assert case.target.version >= 1
    assert (case.target.label_kind == "structured") == isinstance(case.target, Structured)


def check_read_is_stable(case: LabelsCase) -> None:
    """WHY: a label that went through a store and came back is the same label."""
    for label in case.read():
        assert case.target.read(label) == label
        assert case.target.read(json.loads(json.dumps(label))) == label
        if case.target.label_kind == "structured":
            assert canonical.dumps(json.loads(label)).decode() == label


def check_missing_is_no_label(case: LabelsCase) -> None:
    """WHY: an empty cell is no answer, and no mistake either."""
    for missing in (None, "", "  ", math.nan):
        assert case.target.read(missing) is None


def check_read_refuses_what_is_no_label(case: LabelsCase) -> None:
    """WHY: a label column holds anything; what is not a label is an issue with a reason, never a crash."""
    for odd in (*case.refused, math.inf, b"x", object(), np.zeros(2), "[" * 100_000, "{", "[1]", [None], {"a": {}}):
        problem = _problem_of(case.target, odd)
        assert problem is not None, f"{str(odd)[:80]!r} was read as a label"
        assert problem.kind == "bad-label"
        assert "\n" not in problem.message


def _problem_of(target: Labels, raw: Any) -> Problem | None:
    try:
        target.read(raw)
    except UndecodableError as error:
        return error.problem
    return None


def _error_of(action: Callable[[], Any]) -> InputError | None:
    try:
        action()
    except InputError as error:
        return error
    return None


def check_schema_is_json(case: LabelsCase) -> None:
    """WHY: it travels in artifacts, and the dataset's classes are in it."""
    schema = case.target.learn(case.read())
    assert json.loads(canonical.dumps(schema)) == schema
    assert schema["classes"] == sorted(set(schema["classes"]))


def check_nothing_to_learn_is_said(case: LabelsCase) -> None:
    """WHY: data without any answer is the user's mistake and has an error of its own."""
    for some in case.nothing:
        error = _error_of(partial(case.target.learn, some))
        assert error is not None, f"learned from {some[:3]!r}"
        assert error.hint


def check_parts_and_problems(case: LabelsCase) -> None:
    """WHY: prepare counts, checks and mends parts without knowing the target; what was mended is in order."""
    if not isinstance(case.target, Structured):
        return
    met: set[str] = set()
    for label in case.read():
        assert all(isinstance(name, str) for name in case.target.classes(label))
        for measures in ({}, case.measures):
            problems = case.target.check(label, measures)
            kinds = frozenset(problem.kind for problem in problems)
            met |= kinds
            assert len(kinds) == len(problems), "one problem a kind"
            for problem in problems:
                assert 0.0 <= problem.severity <= 1.0
                assert json.loads(canonical.dumps(problem.evidence)) == problem.evidence
            mended = case.target.mend(label, measures, kinds)
            assert case.target.read(mended) == mended
            assert case.target.mend(mended, measures, kinds) == mended
            assert case.target.mend(label, measures, frozenset()) == label
    assert met, "the case must have labels with problems"


CHECKS: tuple[Callable[[LabelsCase], None], ...] = tuple(
    value for name, value in list(globals().items()) if name.startswith("check_")
)
"""Every check, in the order of this file."""


def _boxes_case() -> LabelsCase:
    def box(name: str, *place: float, **more: Any) -> dict[str, Any]:
        return {"class": name, "bbox": list(place), **more}

    return LabelsCase(
        labels("boxes"),
        (
            [],
            [box("cat", 1, 2, 30, 40), box("dog", 0.12345678, 5, 6, 7)],
            '[{"label": "Größe", "xmin": 3, "ymin": "4", "xmax": 50, "ymax": 60.5}]',
            {"boxes": [{"name": 3, "x1": 1, "y1": 1, "x2": 9, "y2": 9, "difficult": 1, "crowd": False}]},
            [box("cat", 5, 5, 0, 0), box("cat", 20, 20, -10, -5), box("cat", 90, 90, 50, 50), box("a", 900, 9, 5, 5)],
            [box("cat", 5, 5, 10, 10), box("cat", 5, 5, 10, 10), box("dog", 5, 5, 10, 10.1), box("dog", 5, 5, 1, 9)],
            [box("cat", 99.99999, 5, 10, 10), box("cat", -5, -5, 3, 3), box("cat", 4, 4, 2, 0)],
            [box("cat", 1, 1, 9, 9, polygon=[[1, 1], [10, 1], [5, 10]], crowd=True)],
            [box("cat", 91, 1, 19, 9, polygons=[[[91, 1], [110, 1], [95, 10]], [[91, 2], [110, 3], [95, 4]]])],
            None,
        ),
        (
            "cat", 3, True, {"cat": 1}, [[1, 2, 3, 4]], [{"class": "cat"}], [{"bbox": [1, 2, 3, 4]}],
            [box("cat", 1, 2, 3, math.nan)], [box("cat", 1, math.inf, 3, 4)], [box("cat", 1, 1e300, 3, 4)],
            [box("", 1, 2, 3, 4)], [box("x" * 1001, 1, 2, 3, 4)], [{"class": "a", "bbox": [1, 2, 3]}],
            [{"class": "a", "x": "one", "y": 1, "width": 1, "height": 1}], [{"class": "a", "bbox": [1, 2, 3, [4]]}],
            [box("cat", 1, 2, 3, 4, polygon=[[1, 2]])], [box("a", 0, 0, 1, 1)] * 20_001, {"problem": "gone"},
            [{"class": "a", "bbox": [1, 2, 3, 10**400]}],
        ),
        ((), ("[]",), (None, "[]")),
        {"width": 100.0, "height": 100.0},
    )  # fmt: skip


def _mask_case() -> LabelsCase:
    def mask(**more: Any) -> dict[str, Any]:
        made = {"mask": "ab" * 32, "width": 10, "height": 20, "names": ["hole", "rest"], "classes": {"hole": 200}}
        return {**made, **more}

    return LabelsCase(
        labels("mask"),
        (
            mask(),
            json.dumps(mask(classes={"hole": 150.0, "rest": 50})),
            mask(classes={}, unknown={"7": 200}),
            mask(soft=12, **{"from": [5, 10]}),
            mask(**{"from": [5, 11]}, unknown={7: 3}),
            None,
        ),
        (
            3, {}, [], mask(mask="x"), mask(width=-1), mask(width=math.nan), mask(height=True), mask(names=[]),
            mask(names=["b", "b"]), mask(classes={"other": 1}), mask(classes=[1]), mask(names=["x" * 1001]),
            {"problem": "gone"}, mask(**{"from": 3}), mask(unknown=[1]), mask(names=["a"] * 256),
        ),
        ((), (None,), ('{"classes":{"hole":200}}',)),
        {"width": 10.0, "height": 21.0},
    )  # fmt: skip


def _none_case() -> LabelsCase:
    return LabelsCase(
        labels("none"),
        ("cat", 3, None, [], math.inf),
        skips={
            "check_read_refuses_what_is_no_label": "whatever a source says, there is no label",
            "check_nothing_to_learn_is_said": "there is nothing to learn, and that is what was asked for",
        },
    )


_CASES: dict[str, Callable[[], LabelsCase]] = {"boxes": _boxes_case, "mask": _mask_case, "none": _none_case}


@cache
def case(name: str) -> LabelsCase:
    """Return the labels on which the built-in target ``name`` is tested."""
    return _CASES[name]()


def built_in() -> list[str]:
    """Return the names of the built-in targets without a graph; each has a :func:`case`."""
    return [name for name in registry.BUILT_IN["targets"] if not hasattr(labels(name), "graph")]


def check_training_says_that_it_cannot(name: str) -> None:
    """WHY: who prepared data for such a target must be told before a search begins, and what else can be done."""
    error = _error_of(partial(target, name))
    assert error is not None, f"{name} can be learned: give it a case in modelwright.testing.target"
    assert error.code == "not-learnable"
    assert error.hint
