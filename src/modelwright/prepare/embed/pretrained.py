"""Embeddings by pretrained weights in a local folder: a graph (ONNX), or weights (safetensors) with a configuration.

Nothing is downloaded, and nothing in the folder is executed: no pickles, no code beside the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare.embed.base import Embedder, pooled
from modelwright.prepare.embed.cut import cut
from modelwright.prepare.embed.packaged import Packaged
from modelwright.prepare.embed.places import graph_in, is_package
from modelwright.prepare.embed.preparation import Inputs, Prepare, of_folder
from modelwright.runtime.session import open_session, run_session

EMBEDDINGS = ("image_embeds", "sentence_embedding", "text_embeds", "last_hidden_state", "pooler_output")
"""Outputs that are embeddings by their names, the first one there counts."""


def open_place(place: Path, modality: str, identity: str) -> Embedder:
    """Open the model at a place.

    Parameters
    ----------
    place
        A folder, a ``.mwpkg`` file or an ``.onnx`` file.
    modality
        What the project's samples are.
    identity
        Digest of its files.

    Raises
    ------
    InputError
        If there is none, or not for this modality.
    IntegrityError
        If it is damaged.
    """
    if is_package(place):
        # Nobody knows whether these labels taught it: it is taken not to be a judge of them.
        return Packaged(place, modality, f"the package {place.name}", supervised=True)
    folder = place.parent if place.is_file() else place
    prepare = of_folder(folder, modality)
    graph = place if place.suffix == ".onnx" else graph_in(place)
    if graph is not None:
        return Graph(graph, prepare, identity, f"{graph.name} in {folder.name}")
    from modelwright.prepare.embed.transformer import Transformer

    return Transformer(folder, prepare, identity)


class Graph:
    """A pretrained ONNX graph.

    Where an output is named as an embedding it is taken. Else the graph is cut in front of its last linear layer; one
    without a linear layer gives its first output.
    """

    supervised = False

    def __init__(self, path: Path, prepare: Prepare, identity: str, name: str) -> None:
        data = path.read_bytes()
        whole = open_session(data, threads=1)
        outputs = [each.name for each in whole.get_outputs()]
        named = [each for each in EMBEDDINGS if each in outputs]
        self._session, self._output = whole, (named or outputs)[0]
        if not named:
            try:
                shorter, wanted = cut(data)
            except InputError:
                shorter = b""
            if shorter:
                self._session, self._output = open_session(shorter, threads=1), wanted
        self._wanted = [each.name for each in self._session.get_inputs()]
        self._prepare = prepare
        self.identity = identity
        self.name = name

    def embed(self, raw: bytes) -> NDArray[np.float32]:
        """Return ``(d,)`` of length 1."""
        inputs = self._prepare(raw)
        found = run_session(self._session, self._fed(inputs), [self._output])[self._output]
        mask = inputs.get("attention_mask")
        counts = mask is not None and found.ndim == 3 and found.shape[1] == mask.shape[1]
        return pooled(found, mask.astype(bool) if counts and mask is not None else None)

    def _fed(self, inputs: Inputs) -> dict[str, NDArray[Any]]:
        """Return what the graph asks for by name; the one thing it asks for is the first, whatever its name."""
        if len(self._wanted) == 1 and self._wanted[0] not in inputs:
            return {self._wanted[0]: next(iter(inputs.values()))}
        missing = [name for name in self._wanted if name not in inputs]
        if missing:
            raise InputError(
                f"{self.name} asks for {', '.join(missing)}, and {', '.join(inputs)} are what is made of a sample",
                code="bad-weights",
            )
        return {name: inputs[name] for name in self._wanted}
