"""Opening the store's packages to predict with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelwright.runtime.predictor import Predictor
    from modelwright.store import Artifact


def open_predictor(package: Artifact) -> Predictor:
    """Return a predictor of a package artifact, checked whole before anything in it is opened."""
    from modelwright.runtime.predictor import Predictor
    from modelwright.runtime.reader import PackageReader

    return Predictor(PackageReader.open(package.folder / "content"))
