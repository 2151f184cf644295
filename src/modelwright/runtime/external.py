"""Does an ONNX graph ask for files beside it? Found without the ``onnx`` library, which a device does not have.

A tensor may say that its bytes are in another file (``TensorProto.external_data``, onnx.proto field 13). Loaders have
been led through it to read what they should not (CVE-2022-25882, CVE-2024-27318, CVE-2026-27489, CVE-2026-34446), so a
package never has any, and a graph that does is refused before onnxruntime sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

# Which fields of which message lead to a tensor, as onnx.proto (IR version 13) numbers them.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield ``(field number, varint value, bytes)`` of one protobuf message."""
    at, end = 0, len(data)
    empty = data[:0]
    while at < end:
        key, at = _varint(data, at)
        if key >> 32:
            raise ValueError("a field number is too large")
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value, empty
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, at = _varint(data, at)
        if length is None or at + length > end:
            raise ValueError("a field is cut short or of an unknown kind")
        yield key >> 3, 0, data[at : at + length]
        at += length


def has_external_data(model: bytes) -> bool:
    """Whether any tensor of the graph, its functions or its sub-graphs says that its bytes are elsewhere.

    Raises
    ------
    ValueError
        If ``model`` is not a well-formed protobuf message.
    """
    # Such a tensor names its file under the key "location". Nearly every graph has no such bytes at all.
    if b"location" not in model:
        return False
    waiting = [("model", memoryview(model))]
    while waiting:
        kind, data = waiting.pop()
        try:
            for number, value, content in _fields(data):
                if kind == "tensor":
                    if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1):
                        return True
                elif below := _FIELDS[kind].get(number):
                    waiting.append((below, content))
        except IndexError:
            raise ValueError("a field is cut short") from None
    return False
