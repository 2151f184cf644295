"""Any number of labels out of k: ``scores (n, k)`` logits → ``probabilities (n, k)`` and ``tags (n, k)``."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.tasks.base import Arrays, LabelKind, Prediction, Problem, UndecodableError
from modelwright.tasks.targets import tags_calibration, tags_metrics
from modelwright.tasks.targets.category import Category
from modelwright.tasks.targets.sampling import resampled

MOST_TAGS = 1000
"""Tags on one sample; more is a text in the wrong column."""
NONE = "none"
"""The word that says that no tag applies; an empty cell says that nobody looked."""
_SEPARATORS = "|;,\n"
"""The first of these that occurs in a text divides it into tags."""
_SAYS = {
    **dict.fromkeys(("1", "1.0", "yes", "true", "y", "t", "x"), True),
    **dict.fromkeys(("0", "0.0", "no", "false", "n", "f", "-", ""), False),
}
"""Cells of a column that is a tag, and whether they set it."""
_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]*))\s*(?:,|$)""")


class Tags:
    """The target ``tags``."""

    name: ClassVar[str] = "tags"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "structured"
    losses: ClassVar[tuple[str, ...]] = ("binary-cross-entropy", "focal", "asymmetric")
    primary_metric: ClassVar[str] = "f1_macro"
    higher_is_better: ClassVar[Mapping[str, bool]] = tags_metrics.HIGHER_IS_BETTER

    def read(self, raw: Any) -> str | None:
        """Return the tags as canonical JSON: a sorted list without repetitions; None for empty text, None and NaN.

        A list (or tuple, or set) holds what a category's label may be. A text is a JSON list, a list as Python writes
        it, or tags between ``|``, or else ``;``, or else ``,``. ``none``, ``[]`` and an empty list say that no tag
        applies. A mapping of tags to 0 and 1 (yes and no, true and false) holds those that are set; empty ones are
        not, unless all are: then nothing is known. Of boxes, and of a mask, the tags are the classes in them.

        Raises
        ------
        UndecodableError
            ``bad-label`` for other types, a tag that a category would refuse, a missing one inside of a list, and more
            than 1,000 tags.

        Examples
        --------
        >>> tags = Tags()
        >>> tags.read("dog| cat|dog"), tags.read(["dog"]), tags.read("none"), tags.read(" ")
        ('["cat","dog"]', '["dog"]', '[]', None)
        >>> tags.read({"cat": 1, "dog": "no"}), tags.read([{"class": "cat", "x": 1, "y": 2, "width": 3, "height": 4}])
        ('["cat"]', '["cat"]')
        """
        parts = _parts(raw)
        if parts is None:
            return None
        if len(parts) > MOST_TAGS:
            raise _bad(f"the label has {len(parts)} tags, at most {MOST_TAGS} are allowed")
        found = set()
        for part in parts:
            tag = Category().read(part["class"] if isinstance(part, Mapping) and "class" in part else part)
            if tag is None:
                raise _bad("one of the tags is empty")
            found.add(tag)
        return canonical.dumps(sorted(found)).decode()

    def classes(self, label: str) -> list[str]:
        """Return the tags of one label, sorted."""
        return list(json.loads(label))

    def check(self, label: str, measures: Mapping[str, float]) -> list[Problem]:
        """Return nothing: a list of tags that could be read has no parts that contradict each other."""
        del label, measures
        return []

    def mend(self, label: str, measures: Mapping[str, float], kinds: frozenset[str]) -> str:
        """Return the label as it is."""
        del measures, kinds
        return label

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return ``{"classes": sorted tags}``.

        Raises
        ------
        InputError
            ``no-tags`` where no sample has any; ``one-class`` where all have the same ones.
        """
        known = {label for label in labels if label is not None}
        classes = sorted({tag for label in known for tag in self.classes(label)})
        if not classes:
            raise InputError(
                "no sample of the training data has a tag",
                code="no-tags",
                hint="tags are a list, or a text such as 'cat|dog'; 'none' says that no tag applies",
            )
        if len(known) < 2:
            raise InputError(
                f"all training samples have the same tags, {', '.join(classes)[:100]}; there is nothing to tell apart",
                code="one-class",
                hint="give samples without these tags, or with others",
            )
        return {"classes": classes}

    def encode(self, labels: Sequence[Any], schema: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return ``(n, k) float32`` 0 or 1, a row of NaN for None; tags that training did not have are left out."""
        index = {name: place for place, name in enumerate(schema["classes"])}
        made = np.zeros((len(labels), len(index)), np.float32)
        for row, label in enumerate(labels):
            if label is None:
                made[row] = np.nan
                continue
            for tag in self.classes(label):
                place = index.get(tag)
                if place is not None:
                    made[row, place] = 1.0
        return made

    def graph(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Any:
        """Return ``scores (n, k) float32`` → ``probabilities (n, k) float32``, ``tags (n, k) bool``."""
        from onnx import TensorProto, helper, numpy_helper

        from modelwright.tasks.onnx_build import model

        k = len(schema["classes"])
        slope, bias, threshold = _constants(k, calibration)
        nodes = [
            helper.make_node("Mul", ["scores", "slope"], ["scaled"]),
            helper.make_node("Add", ["scaled", "bias"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
            helper.make_node("GreaterOrEqual", ["probabilities", "threshold"], ["tags"]),
        ]
        constants = [
            numpy_helper.from_array(slope, "slope"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(threshold, "threshold"),
        ]
        inputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", k])]
        outputs = [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", k]),
            helper.make_tensor_value_info("tags", TensorProto.BOOL, ["n", k]),
        ]
        return model("tags", nodes, inputs, outputs, constants)

    def calibrate(self, scores: NDArray[np.float32], truth: NDArray[Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return slope, bias and threshold of each tag: see :mod:`~modelwright.tasks.targets.tags_calibration`."""
        k = len(schema["classes"])
        wanted = np.asarray(truth, np.float32).reshape(-1, k)
        known = np.isfinite(wanted).all(1)
        return tags_calibration.fit(np.asarray(scores).reshape(-1, k)[known], wanted[known])

    def thresholds(self, schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> list[float]:
        """Return the probability from which each tag is given, as float32 holds it."""
        return [float(value) for value in _constants(len(schema["classes"]), calibration)[2]]

    def outputs(self, scores: NDArray[np.float32], schema: Mapping[str, Any], calibration: Mapping[str, Any]) -> Arrays:
        """Return ``probabilities (n, k) float32`` and ``tags (n, k) bool``, as the graph does."""
        slope, bias, threshold = _constants(len(schema["classes"]), calibration)
        probabilities = tags_calibration.sigmoid(np.asarray(scores, np.float32) * slope + bias)
        return {"probabilities": probabilities, "tags": probabilities >= threshold}

    def decode(self, outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> list[Prediction]:
        """Return ``{"tags": sorted list, "scores": {tag: probability}}`` per sample."""
        classes = schema["classes"]
        found = []
        for row, chosen in zip(
            np.asarray(outputs["probabilities"]).tolist(),
            np.asarray(outputs["tags"]).astype(bool).tolist(),
            strict=True,
        ):
            tags = [name for name, given in zip(classes, chosen, strict=True) if given]
            found.append(Prediction({"tags": tags, "scores": dict(zip(classes, row, strict=True))}))
        return found

    def metrics(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return every figure of :data:`~tags_metrics.HIGHER_IS_BETTER` that is defined on the known truths.

        Examples
        --------
        >>> probabilities = np.array([[0.9, 0.8], [0.2, 0.7]], np.float32)
        >>> outputs = {"probabilities": probabilities, "tags": probabilities >= 0.5}
        >>> figures = Tags().metrics(np.array([[1, 0], [0, 1]]), outputs, {"classes": ["cat", "dog"]})
        >>> figures["subset_accuracy"], figures["jaccard"], round(figures["f1_micro"], 2)
        (0.5, 0.75, 0.8)
        """
        figures = _figures(truth, outputs)
        if not len(figures.truth):
            return {}
        values = figures.of(np.ones((1, len(figures.truth)), np.float32))
        return {name: float(value[0]) for name, value in values.items() if np.isfinite(value[0])}

    def bootstrap(
        self,
        truth: NDArray[Any],
        outputs: Mapping[str, NDArray[Any]],
        schema: Mapping[str, Any],
        rng: np.random.Generator,
        repeats: int = 1000,
    ) -> dict[str, NDArray[np.float64]]:
        """Return ``(repeats,)`` per metric: its value on samples drawn with replacement (NaN where undefined)."""
        figures = _figures(truth, outputs)
        return resampled(figures.of, len(figures.truth), rng, repeats)

    def per_class(
        self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return ``{"class", "count", "given", "precision", "recall", "f1", "average_precision", "auc_roc"}`` per tag.

        ``count`` is on how many samples it is, ``given`` on how many it was put; a figure that is not defined is None.
        """
        figures = _figures(truth, outputs)
        weights = np.ones((1, len(figures.truth)), np.float32)
        hits, support, chosen = (values[0] for values in figures.counts(weights))
        precision, area = (values[0] for values in figures.ranked(weights))
        columns = {
            "precision": np.where(chosen > 0, tags_metrics.ratio(hits, chosen), np.nan),
            "recall": np.where(support > 0, tags_metrics.ratio(hits, support), np.nan),
            "f1": np.where(support + chosen > 0, tags_metrics.ratio(2 * hits, support + chosen), np.nan),
            "average_precision": precision,
            "auc_roc": area,
        }
        return [
            {
                "class": name,
                "count": int(support[place]),
                "given": int(chosen[place]),
                **{key: float(each[place]) if np.isfinite(each[place]) else None for key, each in columns.items()},
            }
            for place, name in enumerate(schema["classes"])
        ]

    def per_sample_loss(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)`` binary log loss in nats, the mean over the tags; NaN where the truth is unknown."""
        wanted = np.asarray(truth, np.float64)
        known = np.isfinite(wanted).all(1)
        return np.where(known, tags_metrics.losses(np.nan_to_num(wanted), outputs["probabilities"]), np.nan)

    def uncertainty(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return ``(n,)``: 1 less the share of tags that is expected to be right (the expected Jaccard index)."""
        return 1.0 - tags_metrics.expected_jaccard(outputs["probabilities"], np.asarray(outputs["tags"], bool))

    def confusion(self, truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]], schema: Mapping[str, Any]) -> None:
        """Return None: no tag stands in another's place; see :meth:`per_class`."""
        del truth, outputs, schema


def _bad(message: str) -> UndecodableError:
    return UndecodableError(Problem("bad-label", 1.0, message))


def _parts(raw: Any) -> list[Any] | None:
    """Return what stands for the single tags; None for a missing label."""
    if isinstance(raw, (list, tuple)):
        return list(raw)
    if isinstance(raw, (set, frozenset)):
        return sorted(raw, key=str)
    if isinstance(raw, Mapping):
        return _set_in(raw)
    if not isinstance(raw, str):
        tag = Category().read(raw)
        return None if tag is None else [tag]
    text = raw.strip()
    if not text:
        return None
    if text.casefold() == NONE:
        return []
    if text[0] == "[" and text[-1] == "]":
        return _listed(text)
    if text[0] == "{" and text[-1] == "}":
        with contextlib.suppress(ValueError, RecursionError):
            return _set_in(json.loads(text))
    for separator in _SEPARATORS:
        if separator in text:
            parts = [part.strip() for part in text.split(separator)]
            return [part for part in parts if part] or None
    return [text]


def _set_in(flags: Mapping[Any, Any]) -> list[Any] | None:
    """Return the names whose cell says yes; those in a mask's label, for a mask."""
    inside = flags.get("classes")
    if isinstance(inside, Mapping):
        return list(inside)
    if not flags:
        raise _bad("the label is an empty mapping")
    found, known = [], False
    for name, value in flags.items():
        word = "" if value is None or value != value else str(value).strip().casefold()  # noqa: PLR0124 - NaN
        if word not in _SAYS:
            raise _bad(f"{str(name)[:60]!r} is {str(value)[:30]!r}; 0 or 1 is right, yes or no, true or false")
        known |= word != ""
        if _SAYS[word]:
            found.append(name)
    return found if known else None


def _listed(text: str) -> list[Any]:
    """Return the entries of a list as JSON writes it, or Python, or somebody by hand."""
    try:
        found = json.loads(text)
        return list(found)
    except (ValueError, RecursionError):
        inner = text[1:-1].strip().rstrip(",")
    parts, start = [], 0
    while start < len(inner):
        match = _QUOTED.match(inner, start)
        if match is None or match.end() == start:
            raise _bad(f"the label {text[:60]!r} is not a list of tags")
        quoted = match.group(1) if match.group(1) is not None else match.group(2)
        parts.append(match.group(3).strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        start = match.end()
    return parts


def _constants(
    k: int, calibration: Mapping[str, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    slope = np.array(calibration.get("slope") or [1.0] * k, np.float32)
    bias = np.array(calibration.get("bias") or [0.0] * k, np.float32)
    threshold = np.array(calibration.get("threshold") or [0.5] * k, np.float32)
    return slope, bias, threshold


def _figures(truth: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> tags_metrics.Figures:
    wanted = np.asarray(truth, np.float64)
    known = np.isfinite(wanted).all(1)
    probabilities = np.asarray(outputs["probabilities"])[known].astype(np.float64)
    return tags_metrics.Figures(wanted[known] > 0.5, probabilities, np.asarray(outputs["tags"])[known].astype(bool))
