"""What uvicorn's connection does not do by itself: deadlines, bounded heads and bodies, and a short way to the service.

Stock uvicorn waits for ever for a client that sends a byte a minute, and lets headers grow without bound. This subclass

- closes a connection whose request head or body is late, that is silent for too long, or that does not read its
  answer (one sweep over all connections, instead of a timer per request);
- answers 431 and 413 before anything is buffered, bounds what all connections together hold, and the connections;
- hands a request straight to the service when nothing else is under way on its connection. The ASGI machinery (a task,
  a scope and an event per request) costs several times what the service itself does. Pipelined requests, which no
  browser and few clients send, take the ASGI way;
- looks a head that came before up instead of parsing it again (:mod:`modelwright.deploy.heads`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from modelwright.deploy.asgi import ALWAYS, Application
from modelwright.deploy.heads import split
from modelwright.deploy.messages import Request, Response, failure
from modelwright.deploy.routes import Admitted
from modelwright.deploy.service import Service, too_large

COMMON = b"".join(b"%s: %s\r\n" % header for header in ALWAYS)


class _Signal:
    """What uvicorn sets when a message arrives; nobody waits for it on the short way."""

    def set(self) -> None:
        """Do nothing."""


_SIGNAL = _Signal()


class Exchange:
    """One request on the short way; has what uvicorn reads of its own ``RequestResponseCycle``."""

    __slots__ = ("admitted", "body", "disconnected", "head", "keep_alive", "limit", "more_body", "response_complete")
    message_event = _SIGNAL

    def __init__(self, admitted: Admitted | Response, *, head: bool, keep_alive: bool) -> None:
        self.admitted = admitted
        """Or the refusal, of a request without a body: the connection lives on."""
        self.limit = admitted.route.body if isinstance(admitted, Admitted) else 0
        self.head = head
        self.body = bytearray()
        self.keep_alive = keep_alive
        self.more_body = True
        self.disconnected = False
        self.response_complete = False


class RefusedError(Exception):
    """Raised inside the parser to stop it; the response waits in ``Connection._refusal``."""


class Connection(HttpToolsProtocol):
    """One client connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.service: Service = cast("Application", self.config.app).service
        self.limits = self.service.limits
        self._began = self.loop.time()
        """When the request that is arriving began; when the connection was made, before the first one."""
        self._silent_since = self._began
        self._writing_since = 0.0
        self._receiving = True
        self._head_done = False
        self._head_size = 0
        self._received = 0
        """Bytes of the request that is arriving, framing included."""
        self._held = 0
        """Bytes that this connection holds of the common bound."""
        self._refusal: Response | None = None
        self._closing = False
        self._between = True
        """Whether the parser stands between two requests: the next byte begins one."""
        self._unknown: tuple[bytes, int] | None = None
        """Key and length of the request that the parser is reading now, if it came in one piece."""

    # ------------------------------------------------------------------ arriving bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._closing = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was held."""
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within the bounds."""
        if self._closing:
            return
        size = len(data)
        self._received += size
        self._held += size
        held = self.service.held = self.service.held + size
        if held > self.limits.buffered:
            self._refuse(failure(503, "overloaded", "too many bytes are waiting", "try again in a moment"))
            return
        if self._between and self._recognised(data, size):
            return
        self._between = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or failure(400, "bad-request", "this is not an HTTP/1.1 request"))
            return
        if not self._receiving:
            return
        if not self._head_done and self._received > self.limits.head:
            self._refuse(failure(431, "head-too-large", "the request's headers are too large"))
        elif self._received > self.limits.head + 2 * self.limits.body:  # chunk framing or trailers out of proportion
            self._refuse(too_large(self.limits.body))

    def _recognised(self, data: bytes, size: int) -> bool:
        """Take a whole request whose head is known, past the parser, which stands between two requests and stays so."""
        self._unknown = None
        exchange: Any = self.cycle
        if exchange is not None and not exchange.response_complete:
            return False
        found = split(data)
        if found is None:
            return False
        key, start, length = found
        if start + length != size:
            return False
        service = self.service
        known = service.heads.find(key)
        if known is None:
            self._unknown = key, length
            return False
        if length > known.admitted.route.body or service.draining:
            return False
        self._receiving = False
        self._received = 0
        exchange = Exchange(known.admitted, head=False, keep_alive=True)
        exchange.more_body = False
        self.cycle = exchange
        request = Request(known.method, known.path, known.headers, data[start:], known.content_type)
        service.handle(known.admitted, request, partial(self._finish, exchange))
        return True

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again as if no upgrade had been offered.

        Java's client, among others, offers HTTP/2 with its first request. The parser takes what follows the head of
        such a request for another protocol, and would lose its body.
        """
        if self._closing or self.parser is None:
            return
        dropped = {b"upgrade", b"connection", b"http2-settings"}
        kept = b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] not in dropped)
        head = b"%s %s HTTP/1.1\r\n%sconnection: close\r\n\r\n" % (self.parser.get_method(), self.url, kept)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self._between = False
        self._began = self.loop.time()
        self._receiving = True
        self._head_done = False
        self._head_size = 0
        self._received = 0

    def on_url(self, url: bytes) -> None:
        """Collect the target, within the bound."""
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, within the bound; trailers are counted and dropped."""
        self._grow(len(name) + len(value) + 4)
        if not self._head_done:
            super().on_header(name, value)

    def _grow(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self.limits.head:
            self._stop(failure(431, "head-too-large", "the request's headers are too large"))

    def on_headers_complete(self) -> None:
        """Admit the request, and choose its way."""
        self._head_done = True
        if not self.url.startswith(b"/"):
            self._stop(failure(400, "bad-target", "the request target has to be a path"))
        if self.parser.should_upgrade():
            return
        previous = cast("Exchange | None", self.cycle)
        if previous is not None and not previous.response_complete:
            super().on_headers_complete()
            return
        method = self.parser.get_method().decode("ascii")
        self.scope["method"] = method
        admitted = self.service.admit(method, self.url.partition(b"?")[0], self.headers)
        if isinstance(admitted, Response) and self._has_body():
            self._stop(admitted)
        keep_alive = (
            self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive() and not self.service.draining
        )
        self.cycle = cast("Any", Exchange(admitted, head=method == "HEAD", keep_alive=keep_alive))
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in self.headers
        )

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, or stop at the bound."""
        cycle: Any = self.cycle
        if not isinstance(cycle, Exchange):
            super().on_body(body)
            return
        cycle.body += body
        if len(cycle.body) > cycle.limit:
            self._stop(too_large(cycle.limit))

    def on_message_complete(self) -> None:
        """Hand the request to the service."""
        if self.parser.should_upgrade():
            return
        self._receiving = False
        self._between = True
        cycle: Any = self.cycle
        if not isinstance(cycle, Exchange):
            super().on_message_complete()
            return
        cycle.more_body = False
        if isinstance(cycle.admitted, Response):
            self._finish(cycle, cycle.admitted)
            return
        request = Request(self.scope["method"], self.url, self.headers, bytes(cycle.body))
        cycle.body = bytearray()
        if self._unknown is not None and cycle.keep_alive and not cycle.head:
            self.service.heads.learn(*self._unknown, cycle.admitted, request.method, self.url, self.headers)
            self._unknown = None
        self.service.handle(cycle.admitted, request, partial(self._finish, cycle))

    # ------------------------------------------------------------------ answers

    def _finish(self, exchange: Exchange, response: Response) -> None:
        """Write the answer of the short way."""
        if exchange.disconnected or self.transport.is_closing():
            return
        keep_alive = exchange.keep_alive and not response.close
        self.transport.write(render(response, keep_alive=keep_alive, with_body=not exchange.head))
        exchange.response_complete = True
        if not keep_alive:
            self._closing = True
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with what was pipelined, or wait for the next request."""
        self.server_state.total_requests += 1
        if not self._receiving:
            self._release()
        if self.transport.is_closing():
            return
        if not self.flow.write_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._silent_since = self.loop.time()

    def pause_writing(self) -> None:
        """Read no further requests from a client that does not take its answers."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading."""
        super().resume_writing()
        self.flow.resume_reading()

    def _stop(self, response: Response) -> None:
        """Refuse from inside a parser callback."""
        self._refusal = response
        raise RefusedError

    def _refuse(self, response: Response) -> None:
        """Answer and close: the rest of this connection cannot be trusted or will not be read."""
        self._closing = True
        self._receiving = False
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not isinstance(cycle, Exchange) or not cycle.more_body:
                # An earlier request is still being answered: its answer goes out, then the connection ends.
                self.pipeline.clear()
                self._last_request()
                return
            cycle.disconnected = True
            cycle.body = bytearray()
        self._release()
        if not self.transport.is_closing():
            self.transport.write(render(response, keep_alive=False, with_body=True))
            self._linger()

    def _last_request(self) -> None:
        """Answer what is under way, then close."""
        self._closing = True
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Close for writing now, and altogether a moment later, so that a client that still sends gets its answer."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(0.5, self.transport.close)
        else:
            self.transport.close()

    def _release(self) -> None:
        self.service.held -= self._held
        self._held = 0

    # ------------------------------------------------------------------ time

    def check_deadlines(self, now: float) -> None:
        """Close the connection if its client is late. Called for every connection by the server's sweep."""
        if self._writing_is_late(now):
            self.transport.abort()
            return
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete and not cycle.more_body
        if busy:
            return  # ours to answer
        if self._receiving:
            if self.flow.read_paused:
                self._began = now  # we do not read: not the client's fault
                return
            allowed = self.limits.body_deadline if self._head_done else self.limits.head_deadline
            if now - self._began > allowed:
                self._refuse(failure(408, "too-slow", "the request did not arrive in time"))
        elif now - self._silent_since > self.limits.idle and not self.transport.is_closing():
            self.transport.close()

    def _writing_is_late(self, now: float) -> bool:
        if not self.transport.get_write_buffer_size():
            self._writing_since = 0.0
        elif not self._writing_since:
            self._writing_since = now
        return bool(self._writing_since) and now - self._writing_since > self.limits.write_deadline

    def shutdown(self) -> None:
        """Stop after what is under way; an idle connection gets a moment, for a request that is already on the wire."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        elif self._receiving and self._received:
            return  # its answer will say that the connection closes
        else:
            self.loop.call_later(0.1, self._close_if_idle)

    def _close_if_idle(self) -> None:
        cycle: Any = self.cycle
        if (cycle is None or cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


def render(response: Response, *, keep_alive: bool, with_body: bool) -> bytes:
    """Return the bytes of a response."""
    extra = b"".join(b"%s: %s\r\n" % header for header in response.headers)
    return b"%scontent-type: %s\r\ncontent-length: %d\r\n%s%s%s\r\n%s" % (
        STATUS_LINE[response.status],
        response.content_type,
        len(response.body),
        COMMON,
        extra,
        b"" if keep_alive else b"connection: close\r\n",
        response.body if with_body else b"",
    )
