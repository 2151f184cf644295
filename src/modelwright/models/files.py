"""Reading and writing of what families save: safetensors and JSON, checked when read, atomic when written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import IntegrityError

Tensors = dict[str, NDArray[Any]]


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON."""
    path.write_bytes(canonical.dumps(value))


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a JSON object that has at least ``keys``.

    Raises
    ------
    IntegrityError
        If the file is missing, is not a JSON object or lacks a key.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path.name} of the model cannot be read: {error}") from error
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise IntegrityError(f"{path.name} of the model lacks {', '.join(missing)}")
    found: dict[str, Any] = value
    return found


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write safetensors; the same tensors give the same bytes."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}))


def read_tensors(path: Path, names: Sequence[str] | None = None) -> Tensors:
    """Read safetensors and check that exactly ``names`` are in it (None: any) and that every number is finite.

    Raises
    ------
    IntegrityError
        If the file is missing, damaged, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: Tensors = load(path.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(f"{path.name} of the model cannot be read: {error}") from error
    if names is not None and set(tensors) != set(names):
        raise IntegrityError(f"{path.name} of the model holds {sorted(tensors)}; {sorted(names)} is right")
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise IntegrityError(f"{path.name} of the model: {name} holds a number that is not finite")
    return tensors


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, or a restart after kill -9, sees the old or the new file whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
