"""A trained model as it lies in a model artifact: from raw bytes to outputs, by the native library.

This is the reference that a package is compared with: decode, the preprocessing graph, the family's own scoring (torch,
LightGBM, numpy), and the target's outputs in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.models import files
from modelwright.models.base import Family, Fitted, family
from modelwright.runtime.session import open_session, run_session
from modelwright.tasks.base import Arrays, Modality, Target, UndecodableError, modality, target


class TrainedModel:
    """The content folder of a model artifact, opened.

    Parameters
    ----------
    folder
        Holds ``model.json``, ``schema.json``, ``calibration.json``, ``preprocess.onnx`` and ``family/``.

    Raises
    ------
    IntegrityError
        If a file is missing or is not what it should be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        described = files.read_json(folder / "model.json", ["family", "encoding"])
        self.schema = files.read_json(folder / "schema.json", ["modality", "target", "input", "output"])
        self.calibration = files.read_json(folder / "calibration.json", [])
        self.encoding: str = described["encoding"]
        self.family: Family = family(described["family"])
        self.modality: Modality = modality(self.schema["modality"])
        self.target: Target = target(self.schema["target"])

    @cached_property
    def fitted(self) -> Fitted:
        """What the family learned."""
        return self.family.load(self.folder / "family")

    @cached_property
    def _preprocess(self) -> Any:
        return open_session(self.folder / "preprocess.onnx", threads=1)

    def features(self, raws: Sequence[bytes]) -> NDArray[Any]:
        """Decode raw samples and run the preprocessing graph on each.

        Raises
        ------
        InputError
            If one is not a usable sample; the message says which.
        """
        if not raws:
            raise InputError("no sample was given", code="no-samples")
        made = []
        for number, raw in enumerate(raws):
            try:
                inputs = self.modality.decode(raw, self.schema["input"])
            except UndecodableError as error:
                raise InputError(f"sample {number}: {error.problem.message}", code=error.problem.kind) from error
            wanted = {each.name for each in self._preprocess.get_inputs()}
            feed = {name: value for name, value in inputs.items() if name in wanted}
            made.append(run_session(self._preprocess, feed, ["features"])["features"])
        return np.concatenate(made)

    def scores(self, raws: Sequence[bytes]) -> NDArray[np.float32]:
        """Return ``(n, k)`` logits or ``(n, 1)`` values, by the native library."""
        return self.fitted.scores(self.features(raws))

    def outputs(self, raws: Sequence[bytes]) -> Arrays:
        """Return the target's outputs, calibrated: what a package's graph must give as well."""
        return self.target.outputs(self.scores(raws), self.schema["output"], self.calibration)

    def to_onnx(self) -> Any:
        """Return the family's graph, ``features`` to ``scores``."""
        return self.fitted.to_onnx()
