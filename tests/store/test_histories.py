"""Any order of appends, promotions, undos, reopenings and lost head files gives what a simple model says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelwright.errors import InputError
from modelwright.store import Store
from modelwright.testing.store import publish

SAMPLES = st.sampled_from([f"{number:064x}" for number in range(4)])
VALUES = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
ISSUES = st.sampled_from(["issue-a", "issue-b", "issue-c"])


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.open(self.folder)
        self.packages = [publish(self.store, "package", number).digest for number in range(3)]
        self.annotations: list[tuple[str, Any]] = []
        self.heads = {self.store.annotations.head()}
        self.decisions: dict[str, str] = {}
        self.champions: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert self.store.annotations.verify() == []
            assert self.store.decisions.verify() == []
            assert self.store.catalog.audit.verify() == []
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(sample=SAMPLES, value=VALUES)
    def annotate(self, sample: str, value: Any) -> None:
        assert self.store.annotations.append(sample, "label", value, "me", "person") == len(self.annotations) + 1
        self.annotations.append((sample, value))
        head = self.store.annotations.head()
        assert head not in self.heads
        self.heads.add(head)

    @rule(issue=ISSUES, decision=st.sampled_from(["drop", "keep"]))
    def decide(self, issue: str, decision: str) -> None:
        self.store.decisions.record(issue, decision, "me")
        self.decisions[issue] = decision

    @rule(issue=ISSUES)
    def take_back(self, issue: str) -> None:
        if issue in self.decisions:
            self.store.decisions.undo(issue, "me")
            del self.decisions[issue]
        else:
            with pytest.raises(InputError):
                self.store.decisions.undo(issue, "me")

    @rule(which=st.integers(0, 2))
    def promote(self, which: int) -> None:
        self.store.deployments.promote("server", self.packages[which], "me", "better")
        if not self.champions or self.champions[-1] != self.packages[which]:
            self.champions.append(self.packages[which])

    @rule()
    def undo(self) -> None:
        if len(self.champions) > 1:
            self.store.deployments.undo("server", "me", "worse")
            self.champions.pop()
        else:
            with pytest.raises(InputError):
                self.store.deployments.undo("server", "me", "worse")

    @rule(lost=st.booleans())
    def reopen(self, lost: bool) -> None:
        before = self.store.annotations.head()
        self.store.close()
        if lost:
            (self.folder / "annotations.head").unlink(missing_ok=True)
        self.store = Store.open(self.folder)
        assert self.store.annotations.head() == before

    @invariant()
    def all_agree(self) -> None:
        if not hasattr(self, "store"):
            return
        newest = {sample: each.value for sample, each in self.store.annotations.newest().items()}
        assert newest == dict(self.annotations)
        assert [(each.sample, each.value) for each in self.store.annotations.since()] == self.annotations
        assert {issue: each.decision for issue, each in self.store.decisions.current().items()} == self.decisions
        pointer = self.store.deployments.pointer("server")
        chain = [] if pointer is None else [pointer["champion"], *pointer["history"]]
        assert [each["package"] for each in reversed(chain)] == self.champions


Histories.TestCase.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHistories = pytest.mark.slow(Histories.TestCase)
