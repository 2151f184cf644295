"""Embeddings by a package of Modelwright's: of the project's model in production, or of one in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.embed.base import pooled
from modelwright.prepare.embed.cut import cut
from modelwright.runtime.reader import PackageReader
from modelwright.runtime.session import open_session, run_session
from modelwright.tasks import base as tasks


class Packaged:
    """A package's graph, up to its last linear layer.

    Parameters
    ----------
    path
        A ``.mwpkg`` file, a folder, or a package artifact's.
    modality
        What the project's samples are.
    name
        What it is, for people.
    supervised
        Whether this project's labels taught it.

    Raises
    ------
    InputError
        ``other-modality``, or ``no-embedding``: a baseline, or trees, which have none.
    IntegrityError
        If the package is damaged.
    """

    def __init__(self, path: Path, modality: str, name: str, *, supervised: bool) -> None:
        with PackageReader.open(path) as reader:
            task = reader.manifest["task"]["modality"]
            if task != modality:
                raise InputError(
                    f"{name} is for {task}, and the samples here are {modality}",
                    code="other-modality",
                    hint="clean.embeddings: light, or a model for the same kind of input",
                )
            if reader.manifest["family"] == "baseline":
                raise InputError(f"{name} is a baseline, which answers the same whatever it sees", code="no-embedding")
            graph, self._output = cut(reader.model())
            self.identity = reader.digest
            self._schema = reader.manifest["schema"]["input"]
        self._session = open_session(graph, threads=1)
        self._wanted = {each.name for each in self._session.get_inputs()}
        self._modality = tasks.modality(modality)
        self.name = name
        self.supervised = supervised

    def embed(self, raw: bytes) -> NDArray[np.float32]:
        """Return ``(d,)`` what goes into the model's last layer, of length 1."""
        inputs = self._modality.decode(raw, self._schema)
        feed = {name: values for name, values in inputs.items() if name in self._wanted}
        return pooled(run_session(self._session, feed, [self._output])[self._output])
