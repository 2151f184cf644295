"""A request and a response, free of any transport, and how an error becomes a response.

Error bodies are ``{"error": message, "code": …, "message": …, "hint": …}``: ``error`` is what the Open Inference
Protocol asks for, the rest is Modelwright's one shape. They are written here and in the handlers, never taken from a
foreign exception, and never carry a traceback, a path or another client's data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

import orjson

from modelwright.errors import ModelwrightError

JSON = b"application/json"
Header: TypeAlias = tuple[bytes, bytes]


class Request:
    """One request, its body complete.

    ``path`` is the raw path (still percent-encoded, without the query); header names are lower case, as received and
    in order, so that a repeated one can be seen.
    """

    __slots__ = ("body", "content_type", "headers", "method", "path")

    def __init__(
        self, method: str, path: bytes, headers: Sequence[Header], body: bytes, content_type: str | None = None
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.content_type = content_type_of(headers) if content_type is None else content_type


def content_type_of(headers: Sequence[Header]) -> str:
    """Return the media type, lower case and without parameters; empty if none is given."""
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("latin-1")
    return ""


@dataclass(slots=True)  # not frozen: one is made for every request, and freezing makes that five times as slow
class Response:
    """Status, body and headers (``content-length`` is added by the transport)."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    close: bool = False
    """Close the connection afterwards (the rest of the request was not read)."""


Reply: TypeAlias = Callable[[Response], None]
"""Called exactly once per request, on the event loop."""


class HttpError(ModelwrightError):
    """A refusal with its HTTP status. ``message`` is fixed text plus what the client itself sent."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.headers = headers


def dumps(value: Any) -> bytes:
    """Return JSON; numpy scalars and arrays allowed, NaN and infinities become null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def ok(value: Any) -> Response:
    """Return 200 with JSON."""
    return Response(200, dumps(value))


def failure(status: int, code: str, message: str, hint: str = "", headers: tuple[Header, ...] = ()) -> Response:
    """Return the one shape of an error."""
    return Response(
        status,
        orjson.dumps({"error": message, "code": code, "message": message, "hint": hint}),
        headers=headers,
    )


def from_error(error: Exception) -> Response:
    """Turn an exception into a response: ours as they are, anything else as a fixed 500."""
    if isinstance(error, HttpError):
        return failure(error.status, error.code, error.message, error.hint, error.headers)
    return failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the server failed on this request")


def shorten(text: str, limit: int = 80) -> str:
    """Return ``text`` printable and at most ``limit`` characters, for echoing what a client sent."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
