"""The canonical JSON of many rows at once, and their digests: byte for byte what ``canonical.dumps`` gives for each.

A sample's identity is the digest of that text, in training as in production, so nothing here may differ by a byte.
Arrow joins the text column by column; numbers that it writes otherwise than Python does (below 1e-4, from 1e10) are
written by Python, or as whole numbers with ``.0`` behind them.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
from blake3 import blake3

_SMALLEST, _LARGEST = 1e-4, 1e10
"""Between them Arrow and Python write the shortest digits alike, but for the ``.0`` of whole numbers."""
_WHOLE = 1e16
"""Whole numbers below it have no exponent in Python."""
_ESCAPED = r'["\\\x00-\x1f]'


def texts(batch: Any) -> Any:
    """Return ``pyarrow.StringArray`` of ``n`` rows of a RecordBatch with int64, double and string columns.

    Examples
    --------
    >>> import pyarrow as pa
    >>> batch = pa.record_batch({"b": [1.0, None], "a": ["x", 'y"']})
    >>> texts(batch).to_pylist()
    ['{"a":"x","b":1.0}', '{"a":"y\\\\"","b":null}']
    """
    import pyarrow as pa
    from pyarrow import compute

    names = sorted(batch.schema.names)
    if not names:
        return pa.array(["{}"] * len(batch), pa.string())
    parts: list[Any] = []
    for place, name in enumerate(names):
        key = json.dumps(name, ensure_ascii=False)
        parts.append(pa.scalar(("{" if place == 0 else ",") + key + ":"))
        parts.append(_values(batch.column(batch.schema.get_field_index(name))))
    return compute.binary_join_element_wise(*parts, pa.scalar("}"), pa.scalar(""))


def of_table(table: Any) -> list[Any]:
    """Return the texts of a ``pyarrow.Table`` in arrays, one after the other."""
    return [texts(batch) for batch in table.combine_chunks().to_batches()]


def digests(texts: Any) -> bytes:
    """Return the BLAKE3 digests of ``n`` texts, 32 bytes each, one after the other."""
    _, offsets, data = texts.buffers()
    if data is None:
        return blake3(b"").digest() * len(texts)
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset).tolist()
    view = memoryview(data)
    return b"".join([blake3(view[start:end]).digest() for start, end in pairwise(ends)])


def _values(column: Any) -> Any:
    """Return the JSON of a column's values."""
    import pyarrow.types as kinds
    from pyarrow import compute

    if kinds.is_integer(column.type):
        made = column.cast("string")
    elif kinds.is_floating(column.type):
        made = _numbers(column)
    else:
        made = _texts(column)
    return compute.fill_null(made, "null")


def _numbers(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    made = column.cast("string")
    values = np.asarray(column.fill_null(0.0).to_numpy(zero_copy_only=False))
    size = np.abs(values)
    whole = (values == np.floor(values)) & (size < _WHOLE)
    if whole.any():
        figures = pa.array(np.where(whole, values, 0.0).astype(np.int64)).cast("string")
        made = compute.if_else(pa.array(whole), compute.binary_join_element_wise(figures, ".0", ""), made)
    odd = ~whole & ((size >= _LARGEST) | (size < _SMALLEST)) | ((size == 0) & np.signbit(values))
    made = compute.if_else(column.is_valid(), made, pa.scalar(None, pa.string()))
    if odd.any():
        written = pa.array([repr(value) for value in values[odd].tolist()], pa.string())
        made = compute.replace_with_mask(made, pa.array(odd), written)
    return made


def _texts(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    coded = column.dictionary_encode()
    if len(coded.dictionary) * 4 < len(column):
        words = pa.array([json.dumps(word, ensure_ascii=False) for word in coded.dictionary.to_pylist()], pa.string())
        return words.take(coded.indices)
    made = compute.binary_join_element_wise('"', column, '"', "")
    special = compute.fill_null(compute.match_substring_regex(column, _ESCAPED), fill_value=False)
    if compute.any(special).as_py():
        words = column.filter(special).to_pylist()
        written = pa.array([json.dumps(word, ensure_ascii=False) for word in words], pa.string())
        made = compute.replace_with_mask(made, special, written)
    return made
