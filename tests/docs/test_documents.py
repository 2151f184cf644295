"""The documents are run: what they show works, what they name exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelwright import registry
from modelwright.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def photos(folder: Path) -> None:
    """Write pictures of two classes that anything can tell apart, and a new one."""
    random = np.random.default_rng(0)
    for name, level in (("apple", 60), ("pear", 170)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(60):
            picture = random.integers(level, level + 60, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / "photos" / name / f"{number}.png")
    shutil.copy(folder / "photos" / "apple" / "0.png", folder / "new.png")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_python_examples_run(page: str, tmp_path: Path) -> None:
    photos(tmp_path)
    code = "\n".join(blocks(ROOT / page, "python"))
    assert code
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|[`;(]\s*)mw ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= set(COMMANDS), f"{page.name} names commands that do not exist: {sorted(named - set(COMMANDS))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize(
    "address", sorted({address for entries in registry.BUILT_IN.values() for address in entries.values()})
)
def test_everything_registered_loads(address: str) -> None:
    for kind, entries in registry.BUILT_IN.items():
        for name, found in entries.items():
            if found == address:
                assert registry.load(kind, name) is not None
