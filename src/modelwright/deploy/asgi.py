"""The service as a plain ASGI application, without a framework.

It answers every route under any ASGI server. Our own server (:mod:`modelwright.deploy.server`) adds what only the
connection can do: deadlines, limits on headers and connections, and a shorter way for requests that are not pipelined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from modelwright.deploy.messages import Header, Request, Response
from modelwright.deploy.service import Service, too_large

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""Headers of every response."""


class Application:
    """``await application(scope, receive, send)``; HTTP only."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"this application speaks http, not {scope['type']}")
        headers: list[Header] = list(scope["headers"])
        raw_path = scope.get("raw_path") or scope["path"].encode()
        admitted = self.service.admit(scope["method"], raw_path, headers)
        if isinstance(admitted, Response):
            await _send(send, admitted, close=True)
            return
        body = await _read(receive, admitted.route.body)
        if body is None:
            return
        if isinstance(body, Response):
            await _send(send, body, close=True)
            return
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def reply(response: Response) -> None:
            if not answer.done():
                answer.set_result(response)

        self.service.handle(admitted, Request(scope["method"], raw_path, headers, body), reply)
        await _send(send, await answer)


async def _read(receive: Receive, limit: int) -> bytes | Response | None:
    """Return the body, 413 as soon as it is too large, or None if the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(send: Send, response: Response, *, close: bool = False) -> None:
    headers: list[Header] = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *ALWAYS,
        *response.headers,
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
