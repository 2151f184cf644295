"""Any ``torch.nn.Module`` to ONNX, checked. For networks that are too rich to be written out by hand.

Two lessons are built in. ``torch.onnx.export`` given a module may silently fix the batch size, so the module goes
through ``torch.export.export`` first, which raises instead; and whatever came out is run at batch 1 and 3 beside torch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from modelwright.errors import ModelwrightError
from modelwright.runtime.session import open_session
from modelwright.tasks import onnx_build

NOISY = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export", "torch.fx")
"""Loggers that remark on every export, such as "torchvision is not installed. Skipping"."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's known chatter, and nothing else."""
    levels = {name: logging.getLogger(name).level for name in NOISY}
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def to_onnx(network: Any, shape: Sequence[int], width: int, limit: float = 1e-4) -> Any:
    """Return the graph of a network in evaluation mode.

    Parameters
    ----------
    network
        A module from ``features (n, *shape) float32`` to ``scores (n, width) float32``.
    shape
        Shape of one sample.
    width
        Scores per sample.
    limit
        Largest difference to torch that is accepted, relative to the largest score (at least 1).

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ModelwrightError
        ``export-failed``, if the network cannot be exported with a free batch size, or the graph answers differently.
    """
    import torch

    example = torch.zeros(2, *shape)
    try:
        with _quiet(), torch.no_grad():
            batch = torch.export.Dim("batch", min=1, max=1 << 20)
            exported = torch.export.export(network, (example,), dynamic_shapes=({0: batch},), strict=False)
            program = torch.onnx.export(
                exported,
                (),
                input_names=["features"],
                output_names=["scores"],
                opset_version=onnx_build.OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        raise ModelwrightError(
            f"the network cannot be exported: {type(error).__name__}: {str(error).splitlines()[0][:200]}",
            code="export-failed",
        ) from error
    assert program is not None
    model = program.model_proto
    model.ir_version = onnx_build.IR_VERSION
    _check(network, model, shape, width, limit)
    return model


def _check(network: Any, model: Any, shape: Sequence[int], width: int, limit: float) -> None:
    """Run graph and network side by side at batch 1 and 3."""
    import torch

    session = open_session(model.SerializeToString())
    for batch in (1, 3):
        features = np.random.default_rng(batch).uniform(0, 1, (batch, *shape)).astype(np.float32)
        with torch.no_grad():
            right = network(torch.from_numpy(features)).numpy()
        try:
            (found,) = session.run(["scores"], {"features": features})
        except Exception as error:
            raise ModelwrightError(
                f"the exported graph fails at batch {batch}: {error}", code="export-failed"
            ) from error
        largest = float(np.abs(found - right).max()) if found.shape == right.shape == (batch, width) else float("inf")
        if not largest <= limit * max(1.0, float(np.abs(right).max())):
            raise ModelwrightError(
                f"the exported graph differs from the network by {largest:.2g} at batch {batch}; {limit:g} is allowed",
                code="export-failed",
            )
