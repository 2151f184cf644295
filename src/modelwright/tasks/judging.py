"""How a target's answers are measured, told apart and compared with truths, one by one.

Profiles, monitoring, replays and promotions need this of a target, and all of them must mean the same by it. Answers
come in two forms: as the outputs of a graph, for many samples, and as the JSON of one answer, from a log. numpy is
imported where it is needed only: what decides about a round is asked for on every ``mw status``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from modelwright import canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TAGS = 64
"""Tags whose share is watched one by one."""


@dataclass(frozen=True)
class Judging:
    """What the result of one answer is.

    Parameters
    ----------
    metric
        Its name: ``accuracy`` (1 right, 0 wrong), ``jaccard`` (share of tags, 0..1) or ``mae`` (absolute error).
    words
        The same for people.
    share
        Whether results are 0..1 and more is better; else they are errors, and less is.
    binary
        Whether results are 0 or 1, nothing between.
    """

    metric: Literal["accuracy", "jaccard", "mae"]
    words: str
    share: bool
    binary: bool


_RIGHT = Judging("accuracy", "accuracy", share=True, binary=True)
_TAGS = Judging("jaccard", "share of right tags", share=True, binary=False)
_ERROR = Judging("mae", "mean absolute error", share=False, binary=False)
_OF = {"category": _RIGHT, "tags": _TAGS, "number": _ERROR}


def judging(target: str) -> Judging:
    """Return how answers of ``target`` are judged; those of an unknown one by their error."""
    return _OF.get(target, _ERROR)


def by_metric(metric: str) -> Judging:
    """Return the judging whose metric has this name."""
    return next((each for each in _OF.values() if each.metric == metric), _ERROR)


def measures(outputs: Mapping[str, NDArray[Any]], target: str, classes: list[str] | None = None) -> dict[str, Any]:
    """Return the measures of a batch of outputs, each ``(n,)``: what drift of predictions is looked for in.

    Returns
    -------
    dict
        ``label`` (object) and ``confidence`` for a category; ``value`` and ``spread`` (width of the interval) for a
        number; for tags ``tags`` (how many), ``confidence`` (the expected Jaccard index), and ``tag <name>`` (``yes``
        or ``no``) of up to 64 tags where ``classes`` names them. Nothing for a target that is not known here.
    """
    import numpy as np

    from modelwright.tasks.targets import tags_metrics

    if target == "category":
        probabilities = np.asarray(outputs["probabilities"], dtype=np.float64)
        return {
            "label": np.asarray(outputs["label"], dtype=object).reshape(-1),
            "confidence": probabilities.max(axis=1),
        }
    if target == "tags":
        decided = np.asarray(outputs["tags"], bool)
        found: dict[str, Any] = {
            "tags": decided.sum(1).astype(np.float64),
            "confidence": tags_metrics.expected_jaccard(outputs["probabilities"], decided),
        }
        for place, name in enumerate((classes or [])[:MOST_TAGS]):
            found[f"tag {name}"] = np.where(decided[:, place], "yes", "no").astype(object)
        return found
    if target == "number":
        value = np.asarray(outputs["value"], np.float64).reshape(-1)
        if "low" not in outputs:
            return {"value": value}
        width = np.asarray(outputs["high"], np.float64) - np.asarray(outputs["low"], np.float64)
        return {"value": value, "spread": width.reshape(-1)}
    return {}


def read_answer(answer: Mapping[str, Any], target: str) -> dict[str, Any] | None:
    """Return the :func:`measures` of one answer in JSON, the first two always there; None if it is none.

    Examples
    --------
    >>> read_answer({"label": "cat", "score": 0.9, "scores": {"cat": 0.9, "dog": 0.1}}, "category")
    {'label': 'cat', 'confidence': 0.9}
    >>> read_answer({"value": 3.0, "low": 2.0, "high": 4.5}, "number")
    {'value': 3.0, 'spread': 2.5}
    >>> read_answer({"tags": ["cat"], "scores": {"cat": 0.75, "dog": 0.25}}, "tags")
    {'tags': 1.0, 'confidence': 0.6, 'tag cat': 'yes', 'tag dog': 'no'}
    """
    try:
        if target == "category":
            return {"label": str(answer["label"]), "confidence": float(answer["score"])}
        if target == "number":
            return {"value": float(answer["value"]), "spread": float(answer["high"]) - float(answer["low"])}
        if target == "tags":
            return _read_tags(answer["tags"], answer["scores"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    return None


def _read_tags(tags: list[Any], scores: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    given = {str(tag) for tag in tags}
    rows = np.array([[float(score) for score in scores.values()]])
    decided = np.array([[name in given for name in scores]])
    found = measures({"probabilities": rows, "tags": decided}, "tags", list(scores))
    return {name: value[0] if isinstance(value[0], str) else float(value[0]) for name, value in found.items()}


def said(answer: Mapping[str, Any], target: str) -> Any:
    """Return what an answer says: the label, the value, or the tags as canonical JSON; None if it says nothing.

    Examples
    --------
    >>> said({"tags": ["dog", "cat"], "scores": {}}, "tags")
    '["cat","dog"]'
    """
    if target == "tags":
        given = answer.get("tags")
        return None if given is None else canonical.dumps(sorted(set(given))).decode()
    return answer.get("label" if target == "category" else "value")


def result(answered: Any, truth: Any, target: str) -> float:
    """Return how good an answer is, as :func:`judging` says: both as :func:`said` and the annotations have them.

    Examples
    --------
    >>> result('["cat","dog"]', '["dog"]', "tags"), result("cat", "cat", "category"), result(3.0, 4.5, "number")
    (0.5, 1.0, 1.5)
    """
    how = judging(target)
    if how is _RIGHT:
        return float(str(answered) == str(truth))
    if how is _TAGS:
        one, other = _tags(answered), _tags(truth)
        return len(one & other) / len(one | other) if one | other else 1.0
    return abs(float(answered) - float(truth))


def usable(truth: Any, target: str) -> bool:
    """Whether a stored label is one of this target's: labels of an earlier task may be there as well."""
    if target == "category":
        return True
    if target == "tags":
        return isinstance(truth, str) and truth.startswith("[")
    return isinstance(truth, int | float) and not isinstance(truth, bool)


def _tags(text: Any) -> set[str]:
    return {str(tag) for tag in json.loads(str(text))}
