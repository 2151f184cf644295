"""One stretch of production under one package, counted in fixed memory, and when it may be looked at.

A window lasts ``monitor.window`` and until it holds enough samples to say anything. It may be looked at before it ends,
each time its count has doubled; the looks of one window share its false-alarm rate (the first takes a half, the next a
quarter, …: Bonferroni over a geometric series), so that the stated rate holds for the window as a whole, however often
somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.monitor.quality import Certainty
from modelwright.runtime.profile import Comparison, Counts
from modelwright.store.refusals import Refused

LEAST_COUNT = 100
SHOWN = 12
"""Least understood samples remembered for the report."""


@dataclass(frozen=True)
class Seen:
    """One prediction as far as monitoring remembers it."""

    sample: str
    time: int
    package: str
    said: Any
    """The label, the value, or the tags as canonical JSON that were answered."""
    certainty: float
    """Confidence (category, tags) or width of the interval (number)."""

    def as_list(self) -> list[Any]:
        """Return it JSON-ready."""
        return [self.sample, self.time, self.package, self.said, self.certainty]


@dataclass
class Window:
    """Counts of one window. ``start`` and ``end`` are nanoseconds since 1970 UTC; ``last`` the newest record's time."""

    package: str
    start: int
    end: int
    inputs: Counts
    predictions: Counts
    certainty: Certainty | None
    count: int = 0
    undecodable: int = 0
    last: int = 0
    looks: int = 0
    looked_at: int = 0
    alarmed: bool = False
    unsure: list[Seen] = field(default_factory=list)
    odd: Refused = field(default_factory=lambda: Refused(""))
    """What was beside the contract, answered or refused."""
    refused: int = 0
    """How many inputs were refused because of the contract: they are in no log."""

    @property
    def total(self) -> int:
        """Inputs that were answered, and those that were refused because of the contract."""
        return self.count + self.refused

    def refuse(self, refused: Refused) -> None:
        """Count inputs that were refused."""
        self.refused += refused.samples
        self.last = max(self.last, refused.time)
        self.odd.merge(refused)

    @classmethod
    def begin(cls, package: str, profile: Mapping[str, Any], start: int, seconds: float) -> Window:
        """Begin an empty window at ``start``."""
        quality = profile.get("quality")
        return cls(
            package=package,
            start=start,
            end=start + int(seconds * 1e9),
            inputs=Counts(profile["inputs"]),
            predictions=Counts(profile["predictions"]),
            certainty=Certainty(quality) if quality else None,
            last=start,
        )

    def add(
        self,
        measures: Mapping[str, NDArray[Any]],
        answers: Mapping[str, NDArray[Any]],
        certainty: NDArray[np.float64],
        seen: Sequence[Seen],
    ) -> None:
        """Count a batch: input measures, prediction measures, certainties, and who they were; first axis ``n``."""
        self.count += len(seen)
        self.last = max([self.last, *(one.time for one in seen)])
        self.inputs.add(measures)
        self.predictions.add(answers)
        if self.certainty is not None:
            self.certainty.add(certainty)
            least_first = self.certainty.share
            known = {one.sample: one for one in self.unsure}
            known.update({one.sample: one for one in seen if np.isfinite(one.certainty)})
            ranked = sorted(
                known.values(), key=lambda one: (one.certainty if least_first else -one.certainty, one.sample)
            )
            self.unsure = ranked[:SHOWN]

    def has_passed(self, now: int) -> bool:
        """Whether its time has passed at ``now``; a clock that jumped back by more than a window ends it too."""
        return now >= self.end or now < self.start - (self.end - self.start)

    def is_over(self, now: int, waiting: int = 0) -> bool:
        """Whether the window may be closed: its time has passed, and it holds enough with the ``waiting`` ones."""
        return self.has_passed(now) and self.total + waiting >= LEAST_COUNT

    def may_be_looked_at(self, *, closing: bool) -> bool:
        """Whether a look is due: enough samples, and (unless it is the last look) twice those of the look before."""
        if self.total < LEAST_COUNT or self.total == self.looked_at:
            return False
        return closing or self.total >= 2 * self.looked_at

    def next_rate(self, rate: float) -> float:
        """Return the share of the window's false-alarm ``rate`` that the next look may spend."""
        return rate / 2.0 ** (self.looks + 1)

    def comparisons(self) -> list[tuple[str, Comparison]]:
        """Return every feature beside its reference."""
        return [("input", self.inputs.compare(name)) for name in self.inputs.features] + [
            ("prediction", self.predictions.compare(name)) for name in self.predictions.features
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "package": self.package,
            "start": self.start,
            "end": self.end,
            "inputs": self.inputs.as_dict(),
            "predictions": self.predictions.as_dict(),
            "certainty": self.certainty.as_dict() if self.certainty else None,
            "count": self.count,
            "undecodable": self.undecodable,
            "last": self.last,
            "looks": self.looks,
            "looked_at": self.looked_at,
            "alarmed": self.alarmed,
            "unsure": [one.as_list() for one in self.unsure],
            "odd": self.odd.as_dict(),
            "refused": self.refused,
        }

    @classmethod
    def from_dict(cls, profile: Mapping[str, Any], saved: Mapping[str, Any]) -> Window:
        """Restore what :meth:`as_dict` gave, for the same package's profile."""
        plain = {
            name: saved[name]
            for name in ("package", "start", "end", "count", "undecodable", "last", "looks", "looked_at", "alarmed")
        }
        return cls(
            **plain,
            inputs=Counts.from_dict(profile["inputs"], saved["inputs"]),
            predictions=Counts.from_dict(profile["predictions"], saved["predictions"]),
            certainty=Certainty.from_dict(profile["quality"], saved["certainty"]) if saved["certainty"] else None,
            unsure=[Seen(*one) for one in saved["unsure"]],
            # Windows that were begun before these were counted have none.
            odd=Refused.from_dict(saved["odd"]) if "odd" in saved else Refused(""),
            refused=saved.get("refused", 0),
        )
