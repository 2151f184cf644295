"""The page about synthetic samples names every way, in the words of the code."""

from __future__ import annotations

import re
from pathlib import Path

from modelwright import registry
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "synthesize.md"


def test_every_way_is_documented() -> None:
    found: dict[str, dict[str, str]] = {}
    modality = ""
    for line in PAGE.read_text("utf-8").splitlines():
        row = re.fullmatch(r"\| (\w*) ?\| `(\w+)` \| (.+) \|", line)
        if row is not None:
            modality = row[1] or modality
            found.setdefault(modality, {})[row[2]] = row[3]
    known = {name: tasks.modality(name) for name in registry.BUILT_IN["modalities"]}
    ours = {
        name: {way: each.does for way, each in modality.ways.items()}
        for name, modality in known.items()
        if isinstance(modality, abilities.Synthesizing) and name != "video"
    }
    assert found == ours
