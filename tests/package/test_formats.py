"""One package of every format version that ever was stays here, and stays readable and right."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import FORMAT, PackageReader

FOLDER = Path(__file__).parent / "formats"
FILES = sorted(FOLDER.glob("*.mwpkg"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_old_package_still_answers_as_it_did(path: Path) -> None:
    with PackageReader.open(path) as reader:
        assert reader.manifest["format"] == int(path.stem.split("-")[1])
        assert reader.signature.trust == "self-consistent"
        parity = Predictor(reader).check_golden()
        assert parity.passed, parity
        assert parity.samples == len(reader.golden())


def test_there_is_one_of_every_format() -> None:
    there = {int(path.stem.split("-")[1]) for path in FILES}
    assert there == set(range(1, FORMAT + 1))
