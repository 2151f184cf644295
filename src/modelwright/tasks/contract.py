"""The learned schema as a contract: what inputs were like in training, and what is odd about one beside that.

Types are checked when a sample is decoded. What remains is values: a number far outside of what was seen, a category
that never was, a value missing that never was missing. Rules are about measures (a table's columns, a picture's width,
a recording's seconds), so that one contract serves every modality.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Arrays, Modality

MARGIN = 0.1
"""Share of the span seen in training by which a number may lie outside of it."""
MOST_CATEGORIES = 1000
"""Categories that are listed; of a column with more, any is allowed."""
SIZES = frozenset(
    {"width", "height", "aspect", "channels", "seconds", "rate", "characters", "words", "lines", "length", "steps"}
)
"""Measures of samples that are no rows: their sizes. What a picture shows may change; what takes it should not."""


def number(low: float, high: float, *, missing: bool) -> dict[str, Any]:
    """Return the rule of a number that lay from ``low`` to ``high``; one that never was negative may not become so.

    Examples
    --------
    >>> number(0.0, 10.0, missing=False)
    {'kind': 'number', 'low': 0.0, 'high': 11.0, 'missing': False}
    """
    margin = MARGIN * (high - low)
    bottom = max(0.0, low - margin) if low >= 0 else low - margin
    top = min(0.0, high + margin) if high <= 0 else high + margin
    return {"kind": "number", "low": bottom, "high": top, "missing": missing}


def category(words: Iterable[str], *, missing: bool, closed: bool = True) -> dict[str, Any]:
    """Return the rule of a category; where there are too many, or the words are not all, any is allowed."""
    allowed = sorted(words)
    made: dict[str, Any] = {"kind": "category", "missing": missing}
    if closed and len(allowed) <= MOST_CATEGORIES:
        made["allowed"] = allowed
    return made


def of_measures(measures: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the rules of the sizes among the measures of training samples."""
    made = {}
    for name in sorted(SIZES & measures.keys()):
        known = measures[name][np.isfinite(measures[name])]
        if len(known):
            made[name] = number(float(known.min()), float(known.max()), missing=len(known) < len(measures[name]))
    return made


class Contract:
    """Checks decoded samples against the rules in a schema.

    Parameters
    ----------
    modality
        Whose measures the rules are about.
    schema
        The input's schema; without ``contract`` in it nothing is odd.
    """

    def __init__(self, modality: Modality, schema: Mapping[str, Any]) -> None:
        self._modality, self._schema = modality, schema
        self._rules: Mapping[str, Mapping[str, Any]] = schema.get("contract", {})
        tensors = {column["name"]: column for column in schema.get("columns", ()) if isinstance(column, Mapping)}
        # Numbers and categories of tables are looked at where they lie; all else goes through its measures.
        plain = [name for name in self._rules if tensors.get(name, {}).get("kind") == "number"]
        self._numbers = [(name, tensors[name]["tensor"]) for name in plain]
        self._low = np.array([self._rules[name]["low"] for name in plain], np.float32)
        self._high = np.array([self._rules[name]["high"] for name in plain], np.float32)
        self._needed = np.array([not self._rules[name]["missing"] for name in plain], bool)
        self._words = {
            name: (tensors[name]["tensor"], frozenset(self._rules[name].get("allowed", ())), self._rules[name])
            for name in self._rules
            if tensors.get(name, {}).get("kind") == "category"
        }
        done = {*plain, *self._words}
        self._others = [name for name in self._rules if name not in done]

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def rules(self) -> Mapping[str, Mapping[str, Any]]:
        """The rules by column or measure."""
        return self._rules

    def check(
        self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None
    ) -> dict[int, list[dict[str, Any]]]:
        """Return what is odd about ``n`` stacked samples: position to findings; nothing for those that are as expected.

        A finding is ``{"code": "out-of-range" | "unknown-category" | "missing", "column", "found", "expected"}``.
        ``measures`` are the samples' own, where they were taken already.
        """
        odd: dict[int, list[dict[str, Any]]] = {}
        if self._numbers:
            values = np.concatenate([inputs[tensor] for _, tensor in self._numbers], 1)
            with np.errstate(invalid="ignore"):
                wrong = (values < self._low) | (values > self._high)
            if not self._needed.all() or np.isnan(values).any():
                wrong |= np.isnan(values) & self._needed
            elif not wrong.any():
                wrong = wrong[:0]
            for row, place in zip(*np.nonzero(wrong), strict=True):
                name, value = self._numbers[place][0], float(values[row, place])
                odd.setdefault(int(row), []).append(self._number(name, value))
        for name, (tensor, allowed, rule) in self._words.items():
            for row, word in enumerate(inputs[tensor][:, 0].tolist()):
                if word == "":
                    if not rule["missing"]:
                        odd.setdefault(row, []).append(_missing(name, "a value"))
                elif allowed and word not in allowed:
                    odd.setdefault(row, []).append(_unknown(name, word, rule["allowed"]))
        if self._others:
            self._measured(self._modality.measure(inputs, self._schema) if measures is None else measures, odd)
        return odd

    def _measured(self, measures: Mapping[str, NDArray[Any]], odd: dict[int, list[dict[str, Any]]]) -> None:
        for name in self._others:
            rule = self._rules[name]
            for row, value in enumerate(measures.get(name, ())):
                if rule["kind"] == "category":
                    if value is None:
                        if not rule["missing"]:
                            odd.setdefault(row, []).append(_missing(name, "a value"))
                    elif "allowed" in rule and value not in rule["allowed"]:
                        odd.setdefault(row, []).append(_unknown(name, str(value), rule["allowed"]))
                elif (value != value and not rule["missing"]) or value < rule["low"] or value > rule["high"]:  # noqa: PLR0124
                    odd.setdefault(row, []).append(self._number(name, float(value)))

    def _number(self, name: str, value: float) -> dict[str, Any]:
        rule = self._rules[name]
        expected = f"{rule['low']:g} to {rule['high']:g}"
        if value != value:  # noqa: PLR0124 - NaN is not itself
            return _missing(name, expected)
        return {"code": "out-of-range", "column": name, "found": value, "expected": expected}


def _missing(name: str, expected: str) -> dict[str, Any]:
    return {"code": "missing", "column": name, "found": None, "expected": expected}


def _unknown(name: str, word: str, allowed: Sequence[str]) -> dict[str, Any]:
    shown = ", ".join(allowed[:12]) + (f" and {len(allowed) - 12} more" if len(allowed) > 12 else "")
    return {"code": "unknown-category", "column": name, "found": word[:100], "expected": shown}


def words(finding: Mapping[str, Any]) -> str:
    """Return one finding as a sentence.

    Examples
    --------
    >>> words({"code": "out-of-range", "column": "age", "found": 340.0, "expected": "0 to 100"})
    'column "age": found 340, expected 0 to 100'
    """
    found = finding["found"]
    said = "nothing" if found is None else f"{found:g}" if isinstance(found, float) else repr(found)
    return f'column "{finding["column"]}": found {said}, expected {finding["expected"]}'
