"""Labels with parts: counted, put into strata, checked and mended, whatever their target."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping

import numpy as np

from modelwright.prepare.clean import structured
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.issues import Decided, Issue
from modelwright.tasks.base import Problem

NAMES = ['["a"]', '["a","b"]', "[]", '["rare"]']


class Words:
    """A target whose labels are lists of words; longer ones than the sample is wide are wrong, and can be cut."""

    def classes(self, label: str) -> list[str]:
        found: list[str] = json.loads(label)
        return found

    def check(self, label: str, measures: Mapping[str, float]) -> list[Problem]:
        long = [word for word in self.classes(label) if len(word) > measures["width"]]
        return [Problem("too-long", 0.5, f"{len(long)} words are too long", {"words": long})] if long else []

    def mend(self, label: str, measures: Mapping[str, float], kinds: frozenset[str]) -> str:
        if "too-long" not in kinds:
            return label
        return json.dumps([word[: int(measures["width"])] for word in self.classes(label)], separators=(",", ":"))


def gathered() -> Gathered:
    made = Gathered("structured")
    for number in range(6):
        made.ids.extend(bytes([number]) * 32)
        made.sources.extend(0, 1)
        made.paths.append(f"{number}.png")
    made.measures["width"] = array("d", [3, 3, 3, 3, 3, 3])
    return made


def test_classes_are_counted_once_a_sample() -> None:
    assert structured.counts(Words(), np.array([0, 0, 1, 2]), NAMES) == {"a": 3, "b": 1}


def test_the_stratum_is_the_rarest_class() -> None:
    found = structured.strata(Words(), np.array([0, 0, 1, 2, 3, 1, 0]), NAMES)
    assert found[0] == found[1] == found[6]
    assert found[2] == found[5] != found[0]
    assert found[3] == 0
    assert len({found[0], found[2], found[4], 0}) == 4


def test_what_is_to_be_fixed_is_mended_and_nothing_else() -> None:
    data, names = gathered(), list(NAMES)
    labels = np.array([0, 1, 3, 3, 2, 3])
    usable = np.array([True, True, True, True, True, False])
    found = list(structured.issues(data, Words(), labels, names, usable, lambda place: f"{place}.png"))
    assert [(each.kind, each.place) for each in found] == [("too-long", 2), ("too-long", 3)]
    assert found[0].message.startswith("2.png: ")
    decided = [Decided(found[0], "fix", "default"), Decided(found[1], "keep", "person:ann")]
    assert structured.mend(decided, data, Words(), labels, names) == 1
    assert [names[code] for code in labels.tolist()] == ['["a"]', '["a","b"]', '["rar"]', '["rare"]', "[]", '["rare"]']


def test_mending_to_a_label_that_is_there_takes_its_code() -> None:
    data, names = gathered(), ['["abcd"]', '["abc"]']
    labels = np.array([0, 1, 1, 1, 1, 1])
    issue = Issue("too-long", 0.5, "", 0, "", "")
    structured.mend([Decided(issue, "fix", "default")], data, Words(), labels, names)
    assert labels[0] == 1
    assert len(names) == 2
