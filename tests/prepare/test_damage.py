"""Every source and format, damaged in every kind of way, in a process with little time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwright import registry

from .damages import FORMS, Job, outcomes

CUTS = (0.0, 0.01, 0.3, 0.6, 0.9, 0.98)
KINDS = ("bits", "lost", "again", "over")
MEMORY = 512
"""Megabytes that reading a small damaged file may come to, libraries included."""
LIVE = {"camera", "feedback"}
"""Sources that have no file of their own: a camera, tested in test_video; labels of samples in the store."""
GROUPS = sorted({form.partition(" ")[0] for form in FORMS})


def made(tmp_path: Path, form: str) -> Job:
    root = tmp_path / form
    root.mkdir()
    return FORMS[form](root)


def test_every_source_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    kinds = {made(tmp_path, form)["kind"] for form in FORMS}
    assert kinds | LIVE == set(registry.BUILT_IN["sources"])


@pytest.mark.parametrize("group", GROUPS)
def test_damage_is_an_issue_or_a_clear_error(tmp_path: Path, group: str) -> None:
    damages: list[list[Any]] = [["as it is", 0], *(["cut", share] for share in CUTS)]
    damages += [[kind, 1] for kind in KINDS]
    few: list[list[Any]] = [["as it is", 0], ["cut", 0.1], ["cut", 0.9], ["bits", 1]]
    jobs = [
        made(tmp_path, form) | {"form": form, "damages": few if form.startswith("video") else damages}
        for form in FORMS
        if form.partition(" ")[0] == group
    ]
    found, ended = outcomes(tmp_path, jobs)
    assert not ended
    assert [each for each in found if each["wrong"]] == []
    assert len(found) == sum(len(job["damages"]) for job in jobs)
    assert all(each["items"] for each in found if each["ended"][1] == "as it is")
    assert max(each["megabytes"] for each in found) < MEMORY
