"""From a request's body to decoded samples, and from answered samples to a response's body.

Everything here is pure and may run on the event loop (small bodies) or in a decoding thread (large ones).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.deploy.messages import HttpError, Request, Response, ok, shorten
from modelwright.deploy.served import Served
from modelwright.deploy.tensors import TensorSpec, check_rows, parse_inputs, write_tensor
from modelwright.deploy.work import TENSOR_MEDIA_TYPE, Job, Sample
from modelwright.errors import InputError
from modelwright.tasks.abilities import Row
from modelwright.tasks.base import Arrays
from modelwright.tasks.contract import words

SCALARS = frozenset({str, int, float, bool, type(None)})
OCTETS = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Reading:
    """What a request asks for: decoded samples ``(raw, media type, arrays)``, and how its answer is written."""

    items: list[tuple[bytes, str, Arrays | Row]]
    write: Callable[[Job], Response]


def parse_json(body: bytes) -> Any:
    """Parse JSON strictly: no NaN, no comments, no duplicate meaning.

    Raises
    ------
    HttpError
        400 with the position.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "bad-json", f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise HttpError(400, "bad-json", "the body is nested too deep") from None


def read_predict(served: Served, request: Request, rows: int) -> Reading:
    """Read ``POST /predict``: one raw sample, or as JSON a row or a text, or a list of such.

    Raises
    ------
    HttpError
        400 malformed, 413 too many, 415 a media type this model does not take, 422 not a usable sample.
    """
    media = request.content_type
    if not request.body:
        raise HttpError(400, "empty", "the body is empty", hint=f"send one of: {', '.join(served.media_types)}")
    if served.takes_json and media in {"", OCTETS, "application/json"}:
        return _read_rows(served, request.body, rows)
    if served.takes_text and media == "application/json":
        return _read_texts(served, request.body, rows)
    if served.takes_documents and media == "application/json" and request.body.lstrip()[:1] == b"[":
        return _read_documents(served, request.body, rows)
    if media in {"", OCTETS}:
        media = OCTETS
    elif media not in served.media_types:
        raise HttpError(
            415,
            "unsupported-media-type",
            f"this model does not take {shorten(media)!r}",
            hint=f"set Content-Type to one of: {', '.join(served.media_types)}",
        )
    body = _in_charset(request) if media == "text/plain" else request.body
    return Reading([(body, media, decode(served, body))], write_one)


def _read_documents(served: Served, body: bytes, most: int) -> Reading:
    """Read a list of samples that are JSON objects each."""
    found = parse_json(body)
    check_rows(len(found), most)
    items: list[tuple[bytes, str, Arrays | Row]] = []
    for index, document in enumerate(found):
        raw = canonical.dumps(document)
        items.append((raw, "application/json", decode(served, raw, f"sample {index}: ")))
    return Reading(items, write_many)


def _in_charset(request: Request) -> bytes:
    """Return a text in UTF-8 where the request names another charset; as it is where it names none, or an unknown one.

    What names no charset is read by evidence, as it is where a dataset is prepared.
    """
    found = next((value for name, value in request.headers if name.lower() == b"content-type"), b"")
    named = _CHARSET.search(found)
    if named is None:
        return request.body
    try:
        name = codecs.lookup(named[1].decode("ascii")).name
        if not name.startswith(_CHARSETS):
            return request.body
        return request.body.decode(name, "replace").encode("utf-8", "replace")
    except (LookupError, ValueError, AttributeError):
        return request.body


_CHARSETS = ("iso8859", "cp", "koi8", "utf-16", "utf-32", "gb", "big5", "euc", "shift", "mac", "ascii")
"""How the codecs of plain character sets begin: not those that take time, such as punycode."""
_CHARSET = re.compile(rb"charset\s*=\s*\"?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)


def _read_texts(served: Served, body: bytes, most: int) -> Reading:
    value = parse_json(body)
    many = isinstance(value, list)
    texts = value if many else [value]
    check_rows(len(texts), most)
    items: list[tuple[bytes, str, Arrays | Row]] = []
    for index, each in enumerate(texts):
        where = f"text {index}: " if many else ""
        text = each.get("text") if isinstance(each, dict) and len(each) == 1 else each
        if not isinstance(text, str):
            raise HttpError(
                400,
                "bad-text",
                f"{where}not a text",
                hint='send {"text": "…"}, or a list of such, or the text itself as text/plain',
            )
        raw = text.encode("utf-8", "replace")
        items.append((raw, "text/plain", decode(served, raw, where)))
    return Reading(items, write_many if many else write_one)


def _read_rows(served: Served, body: bytes, most: int) -> Reading:
    value = parse_json(body)
    many = isinstance(value, list)
    rows = value if many else [value]
    check_rows(len(rows), most)
    items: list[tuple[bytes, str, Arrays | Row]] = []
    for index, row in enumerate(rows):
        where = f"row {index}: " if many else ""
        raw = row_bytes(row, where)
        items.append((raw, "application/json", decode(served, raw, where, row)))
    return Reading(items, write_many if many else write_one)


def row_bytes(row: Any, where: str = "") -> bytes:
    """Return the canonical JSON of a row, the same bytes as :func:`modelwright.canonical.dumps` makes, but faster.

    orjson writes the same, but for numbers with an exponent and integers of more than 64 bits.

    Raises
    ------
    HttpError
        400 if it is not an object of plain values.
    """
    if not isinstance(row, dict) or not SCALARS.issuperset(kinds := set(map(type, row.values()))):
        raise HttpError(
            400,
            "bad-row",
            f"{where}not a JSON object of columns and plain values",
            hint='send {"column": value, …}, or a list of such rows',
        )
    if float in kinds:
        for value in row.values():
            if type(value) is float and not (1e-3 < value < 1e15 or -1e15 < value < -1e-3 or value == 0.0):
                return canonical.dumps(row)
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return canonical.dumps(row)


class ContractError(HttpError):
    """An input beside the contract is refused; ``findings`` say what is odd about it, ``package`` whose contract."""

    def __init__(self, package: str, findings: Sequence[Mapping[str, Any]], message: str) -> None:
        hint = "the training data had no such value; the spec's deploy.contract can be warn or off"
        super().__init__(422, f"contract-{findings[0]['code']}", message, hint=hint)
        self.package = package
        self.findings = findings


def decode(served: Served, raw: bytes, where: str = "", row: Any = None) -> Arrays | Row:
    """Decode one raw sample; ``row`` is the object of a row that was parsed already.

    Raises
    ------
    HttpError
        422 (413 where it is too large), with the problem's kind as the code.
    """
    try:
        decoded = served.predictor.decode(raw) if row is None else served.predictor.decode_row(raw, row)
    except InputError as error:
        status = 413 if error.code == "too-large" else 422
        raise HttpError(status, error.code, where + error.message, hint=error.hint) from None
    if served.refuses:
        for _, stacked in served.predictor.stack([decoded]):
            for findings in served.contract.check(stacked).values():
                raise _beside(served, findings, where)
    return decoded


def _beside(served: Served, findings: Sequence[Mapping[str, Any]], where: str) -> ContractError:
    return ContractError(served.package, findings, f"{where}{'; '.join(map(words, findings[:5]))}")


def read_infer(served: Served, request: Request, rows: int) -> Reading:
    """Read an Open Inference Protocol request: the graph's own tensors, or raw samples in the input ``raw``.

    Raises
    ------
    HttpError
        400 for anything malformed, 413 and 422 as in :func:`read_predict`.
    """
    if any(name == b"inference-header-content-length" for name, _ in request.headers):
        raise HttpError(400, "unsupported-extension", "binary tensors are not supported", hint="send data as JSON")
    value = parse_json(request.body)
    if not isinstance(value, dict):
        raise HttpError(400, "bad-json", "the body is not a JSON object")
    request_id = value.get("id")
    if request_id is not None and (not isinstance(request_id, str) or len(request_id) > 1024):
        raise HttpError(400, "bad-id", "'id' is not a string of at most 1024 characters")
    if not isinstance(value.get("parameters", {}), dict):
        raise HttpError(400, "bad-parameters", "'parameters' is not an object")
    wanted = _wanted_outputs(value.get("outputs"), served)
    inputs = parse_inputs(value.get("inputs"), served.inputs, rows)
    if isinstance(inputs, list):
        media = "application/json" if served.takes_json else OCTETS
        rows_of = [parse_json(raw) for raw in inputs] if served.takes_json else [None] * len(inputs)
        items = []
        for index, (raw, row) in enumerate(zip(inputs, rows_of, strict=True)):
            where = f"sample {index}: "
            if served.takes_json:
                raw = row_bytes(row, where)
            items.append((raw, media, decode(served, raw, where, row)))
    else:
        odd = served.contract.check(inputs) if served.refuses else {}
        if odd:
            raise _beside(served, odd[min(odd)], f"sample {min(odd)}: ")
        items = tensor_rows(inputs)

    def write(job: Job) -> Response:
        return write_infer(job, wanted, request_id)

    return Reading(items, write)


def _wanted_outputs(outputs: Any, served: Served) -> tuple[TensorSpec, ...]:
    if outputs is None:
        return served.outputs
    by_name = {spec.name: spec for spec in served.outputs}
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise HttpError(400, "bad-output", "'outputs' is not a list of objects with a name")
    wanted = []
    for each in outputs:
        name = each.get("name")
        if not isinstance(name, str) or name not in by_name:
            raise HttpError(
                400,
                "bad-output",
                f"there is no output {shorten(repr(name))}",
                hint=f"the outputs are: {', '.join(by_name)}",
            )
        wanted.append(by_name[name])
    return tuple(wanted) or served.outputs


def tensor_rows(arrays: Arrays) -> list[tuple[bytes, str, Arrays | Row]]:
    """Split ``(n, …)`` arrays into samples; the raw form of each is the canonical JSON of its tensors."""
    count = len(next(iter(arrays.values())))
    items: list[tuple[bytes, str, Arrays | Row]] = []
    for index in range(count):
        row = {name: array[index : index + 1] for name, array in arrays.items()}
        raw = canonical.dumps({name: _plain(array) for name, array in row.items()})
        items.append((raw, TENSOR_MEDIA_TYPE, row))
    return items


def _plain(array: NDArray[Any]) -> Any:
    """Return nested lists, NaN as None."""
    if array.dtype.kind == "f" and bool(np.isnan(array).any()):
        plain = array.astype(object)
        plain[np.isnan(array)] = None
        return plain.tolist()
    return array.tolist()


def answer(sample: Sample) -> dict[str, Any]:
    """Return ``{"id", "model", "package", …the answer…}``."""
    served = sample.job.served
    return {"id": sample.id, "model": served.name, "package": served.package, **sample.answer}


def write_one(job: Job) -> Response:
    """Write the answer to one sample."""
    return ok(answer(job.samples[0]))


def write_many(job: Job) -> Response:
    """Write a list of answers, in the order of the rows."""
    return ok([answer(sample) for sample in job.samples])


def write_infer(job: Job, wanted: tuple[TensorSpec, ...], request_id: str | None) -> Response:
    """Write the protocol's response; the ids of the predictions are in ``parameters``."""
    body: dict[str, Any] = {"model_name": job.served.name, "model_version": job.served.package}
    if request_id is not None:
        body["id"] = request_id
    body["parameters"] = {"prediction_ids": [sample.id for sample in job.samples]}
    body["outputs"] = [write_tensor(spec, _gather(job.samples, spec.name)) for spec in wanted]
    return ok(body)


def _gather(samples: list[Sample], name: str) -> NDArray[Any]:
    parts = [sample.outputs[name][sample.row : sample.row + 1] for sample in samples]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def signature(served: Served) -> Mapping[str, Any]:
    """Return the protocol's model metadata."""
    return {
        "name": served.name,
        "versions": [served.package],
        "platform": "onnxruntime_onnx",
        "inputs": [spec.describe() for spec in served.inputs],
        "outputs": [spec.describe() for spec in served.outputs],
    }
