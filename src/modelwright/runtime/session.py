"""One way to open an ONNX graph with onnxruntime, for training's features, the server and the device alike.

The options are findings, not taste: spinning threads made every neighbour on shared cores 5 to 15 times slower, and
for small models one thread answers more often per second than two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError, IntegrityError, ModelwrightError
from modelwright.runtime.external import has_external_data


def open_session(model: bytes | str | Path, threads: int = 1) -> Any:
    """Open a graph on the CPU.

    Parameters
    ----------
    model
        The graph's bytes, or a file that is read whole first. It never goes to onnxruntime as a path, so that it cannot
        reach the files beside it.
    threads
        Threads inside one operator; operators run one after the other.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    IntegrityError
        If the graph is damaged, refers to external data, or onnxruntime refuses it.
    """
    data = model if isinstance(model, bytes) else Path(model).read_bytes()
    where = "the graph" if isinstance(model, bytes) else str(model)
    try:
        external = has_external_data(data)
    except ValueError as error:
        raise IntegrityError(f"{where} is not an ONNX graph ({error})") from error
    if external:
        raise IntegrityError(f"{where} refers to data in another file", hint="export it with its weights inside")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes of its own
        raise IntegrityError(
            f"onnxruntime cannot open {where}: {_first_line(error)}",
            hint="the graph may need a newer onnxruntime: pip install --upgrade onnxruntime",
        ) from error


def run_session(session: Any, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Run a graph and return the named outputs.

    Raises
    ------
    InputError
        If the inputs do not fit the graph (names, types, shapes).
    ModelwrightError
        If the graph fails on them for another reason.
    """
    try:
        values = session.run(list(outputs), dict(inputs))
    except Exception as error:  # onnxruntime raises a dozen classes of its own
        if type(error).__name__ in {"InvalidArgument", "ValueError", "TypeError"}:
            raise InputError(f"the input does not fit the model: {_first_line(error)}", code="bad-shape") from error
        raise ModelwrightError(
            f"the model failed on this input: {_first_line(error)}", code="inference-failed"
        ) from error
    return {name: np.asarray(value) for name, value in zip(outputs, values, strict=True)}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
