"""What makes a vector of a sample, whatever kind of model it is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError

WIDEST = 8192
"""Most numbers in a vector."""


class Embedder(Protocol):
    """A model that says where a sample lies among others.

    Attributes
    ----------
    identity
        Digest of all that its vectors follow from, besides the samples.
    name
        What it is, for people.
    supervised
        Whether the labels of this project taught it: then it has seen the wrong ones too, and cannot say which are.
    """

    identity: str
    name: str
    supervised: bool

    def embed(self, raw: bytes) -> NDArray[np.float32]:
        """Return ``(d,)``, of length 1 (all zeros where the model says nothing).

        Thread-safe, and the same whatever was embedded before: one sample goes through the model at a time.

        Raises
        ------
        modelwright.tasks.base.UndecodableError
            If it is no sample.
        """


def pooled(found: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return one vector of length 1 from what a model says of one sample.

    Parameters
    ----------
    found
        ``(1, d)``; or ``(1, tokens, d)`` or ``(1, d, height, width)``, whose mean over all places is taken (Reimers and
        Gurevych 2019 found the mean of all tokens to compare better than the first one).
    mask
        ``(1, tokens)``: which tokens count.
    """
    values = np.asarray(found[0], np.float64)
    if values.ndim == 3:
        values = values.mean((1, 2))
    elif values.ndim == 2:
        values = values[mask[0]].mean(0) if mask is not None and mask.any() else values.mean(0)
    if values.ndim != 1 or not 0 < len(values) <= WIDEST:
        raise InputError(
            f"the model gives an array of shape {tuple(found.shape)} a sample",
            code="no-embedding",
            hint=f"an embedding is (1, d), (1, tokens, d) or (1, d, height, width) with d up to {WIDEST:,}",
        )
    length = float(np.linalg.norm(values))
    if not np.isfinite(length):
        raise InputError("the model gives numbers that are not finite", code="no-embedding")
    return (values / length if length else values).astype(np.float32)
