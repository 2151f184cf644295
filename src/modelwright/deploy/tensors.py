"""Tensors in JSON, as the Open Inference Protocol (version 2, REST) writes them: checked coming in, flat going out.

Everything is checked against the package's signature before the model sees it: name, datatype, shape, number and type
of elements, range. Differences from the letter of the protocol, all towards strictness or need:

- ``null`` is allowed in ``FP32`` and ``FP64`` data and means missing (NaN), which JSON cannot write.
- ``FP16`` and the binary extension are refused: no graph of ours takes them.
- Data may be flat, or nested exactly as ``shape`` says.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.deploy.messages import HttpError, shorten
from modelwright.tasks.base import Arrays

DATATYPES: dict[str, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
"""Our dtype names (numpy's, and ``string``) and the protocol's."""

RAW = "raw"
"""Name of the ``BYTES`` input that carries raw samples: an image file in base64, a row's JSON as text."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the graph: ``shape`` has the sample first, -1 where any length is allowed."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def datatype(self) -> str:
        """The protocol's name of ``dtype``."""
        return DATATYPES[self.dtype]

    def describe(self) -> dict[str, Any]:
        """Return it as in the protocol's model metadata."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def bad(message: str, hint: str = "", code: str = "bad-tensor") -> HttpError:
    """Return the refusal of a request's tensors."""
    return HttpError(400, code, message, hint=hint)


def parse_inputs(inputs: Any, signature: Sequence[TensorSpec], rows: int) -> Arrays | list[bytes]:
    """Read the ``inputs`` of an inference request.

    Parameters
    ----------
    inputs
        The parsed JSON value, anything at all.
    signature
        The graph's inputs.
    rows
        Most samples allowed.

    Returns
    -------
    dict or list
        The graph's inputs, each ``(n, …)``; or, for the one input ``raw``, the raw bytes of ``n`` samples.

    Raises
    ------
    HttpError
        400, naming the input and what is wrong with it.
    """
    if not isinstance(inputs, list) or not inputs:
        raise bad("'inputs' is not a list of tensors", "send {'inputs': [{'name', 'shape', 'datatype', 'data'}]}")
    by_name: dict[str, Mapping[str, Any]] = {}
    for index, entry in enumerate(inputs):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise bad(f"inputs[{index}] is not a tensor with a name")
        if entry["name"] in by_name:
            raise bad(f"input {shorten(entry['name'])!r} is given twice")
        by_name[entry["name"]] = entry
    names = [spec.name for spec in signature]
    if RAW in by_name and RAW not in names:
        if len(by_name) > 1:
            raise bad(f"input {RAW!r} stands alone: it replaces the graph's own inputs")
        return parse_raw(by_name[RAW], rows)
    unknown = [name for name in by_name if name not in names]
    missing = [name for name in names if name not in by_name]
    if unknown or missing:
        what = f"there is no input {shorten(unknown[0])!r}" if unknown else f"input {missing[0]!r} is missing"
        raise bad(what, f"the inputs are: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}; or {RAW!r} alone")
    arrays = {spec.name: parse_tensor(by_name[spec.name], spec) for spec in signature}
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1:
        raise bad(f"the inputs disagree about the number of samples: {sorted(counts)}")
    check_rows(counts.pop(), rows)
    return arrays


def check_rows(count: int, rows: int) -> None:
    """Refuse no samples, and more than allowed."""
    if not 1 <= count <= rows:
        raise HttpError(
            400 if count < 1 else 413,
            "bad-batch",
            f"{count} samples in one request; from 1 to {rows} are allowed",
            hint="send several requests, or use batch prediction for files",
        )


def parse_shape(entry: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return the ``shape`` of a tensor: positive integers, at most 8 of them."""
    shape = entry.get("shape")
    if (
        not isinstance(shape, list)
        or not 1 <= len(shape) <= 8
        or any(type(length) is not int or not 0 < length < 2**31 for length in shape)
    ):
        raise bad(f"input {name!r}: 'shape' is not a list of positive integers")
    return tuple(shape)


def flatten(data: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    """Return the elements of flat or nested ``data`` in row-major order, as many as ``shape`` says."""
    if not isinstance(data, list):
        raise bad(f"input {name!r}: 'data' is not a list")
    if data and isinstance(data[0], list):
        for depth, length in enumerate(shape):
            if depth == 0:
                fits = len(data) == length
            else:
                fits = all(type(part) is list and len(part) == length for part in data)
                data = list(chain.from_iterable(data)) if fits else data
            if not fits:
                raise bad(f"input {name!r}: nested 'data' does not have the shape {list(shape)}")
    expected = math.prod(shape)
    if len(data) != expected:
        raise bad(f"input {name!r}: 'data' has {len(data)} elements; the shape {list(shape)} asks for {expected}")
    elements: list[Any] = data
    return elements


def parse_tensor(entry: Mapping[str, Any], spec: TensorSpec) -> NDArray[Any]:
    """Return one input as an array of the signature's dtype and the request's shape."""
    name = spec.name
    datatype = entry.get("datatype")
    if datatype != spec.datatype:
        raise bad(f"input {name!r}: 'datatype' is {shorten(repr(datatype))}; this model takes {spec.datatype}")
    shape = parse_shape(entry, name)
    if len(shape) != len(spec.shape) or any(
        want not in (-1, length) for want, length in zip(spec.shape, shape, strict=True)
    ):
        raise bad(f"input {name!r}: the shape {list(shape)} does not fit {list(spec.shape)} (-1 is any length)")
    elements = flatten(entry.get("data"), shape, name)
    return _convert(elements, spec).reshape(shape)


def _convert(elements: list[Any], spec: TensorSpec) -> NDArray[Any]:
    kinds = set(map(type, elements))
    if spec.dtype == "string":
        if kinds - {str}:
            raise bad(f"input {spec.name!r}: BYTES data has to be strings")
        return np.array(elements, dtype=object)
    if spec.dtype == "bool":
        if kinds - {bool}:
            raise bad(f"input {spec.name!r}: BOOL data has to be true or false")
        return np.array(elements, dtype=bool)
    if spec.dtype.startswith("float"):
        if kinds - {int, float, type(None)}:
            raise bad(f"input {spec.name!r}: {spec.datatype} data has to be numbers, or null for a missing one")
        wide = np.array(elements, dtype=np.float64)
        with np.errstate(over="ignore"):
            narrow = wide.astype(spec.dtype)
        if bool(np.any(np.isinf(narrow))):
            raise bad(f"input {spec.name!r}: a number is too large for {spec.datatype}")
        return narrow
    if kinds - {int}:
        raise bad(f"input {spec.name!r}: {spec.datatype} data has to be whole numbers")
    bounds = np.iinfo(spec.dtype)
    low, high = min(elements), max(elements)
    if low < bounds.min or high > bounds.max:
        raise bad(f"input {spec.name!r}: {low}…{high} is outside of {spec.datatype} ({bounds.min}…{bounds.max})")
    return np.array(elements, dtype=spec.dtype)


def parse_raw(entry: Mapping[str, Any], rows: int) -> list[bytes]:
    """Return the raw samples of the input ``raw``.

    Its ``parameters.content_type`` is ``base64`` (needed for anything that is not text) or absent (UTF-8 text).
    """
    if entry.get("datatype") != "BYTES":
        raise bad(f"input {RAW!r}: 'datatype' has to be BYTES")
    shape = parse_shape(entry, RAW)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise bad(f"input {RAW!r}: the shape {list(shape)} is not [n] or [n, 1]")
    check_rows(shape[0], rows)
    elements = flatten(entry.get("data"), shape, RAW)
    if any(type(element) is not str for element in elements):
        raise bad(f"input {RAW!r}: data has to be strings")
    parameters = entry.get("parameters")
    kind = parameters.get("content_type") if isinstance(parameters, dict) else None
    if kind is None:
        return [element.encode() for element in elements]
    if kind != "base64":
        raise bad(f"input {RAW!r}: content_type {shorten(repr(kind))} is not 'base64'")
    try:
        return [base64.b64decode(element, validate=True) for element in elements]
    except (binascii.Error, ValueError):
        raise bad(f"input {RAW!r}: data is not base64") from None


def write_tensor(spec: TensorSpec, array: NDArray[Any]) -> dict[str, Any]:
    """Return one output in the protocol's form, data flat in row-major order."""
    data: Any = array.ravel()
    if array.dtype.kind in "OUS":
        data = [str(value) for value in data]
    return {
        "name": spec.name,
        "datatype": spec.datatype,
        "shape": list(array.shape),
        "data": data if isinstance(data, list) else np.ascontiguousarray(data),
    }
