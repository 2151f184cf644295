"""The routes: what each answers, free of any transport.

A transport asks :meth:`Service.admit` as soon as a request's headers are there (so that nothing is read from somebody
who may not call), then gives the whole request to :meth:`Service.handle`, which calls ``reply`` exactly once.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from modelwright.deploy.batching import RETRY, Batcher
from modelwright.deploy.feedback import Annotations, keep, read_feedback
from modelwright.deploy.guard import Access, Guard
from modelwright.deploy.heads import Heads
from modelwright.deploy.messages import (
    Header,
    HttpError,
    Reply,
    Request,
    Response,
    dumps,
    failure,
    from_error,
    ok,
)
from modelwright.deploy.metrics import Exposition, Metrics
from modelwright.deploy.reading import Reading, parse_json, read_infer, read_predict, signature
from modelwright.deploy.refusing import RefusalCounter
from modelwright.deploy.routes import Admitted, Route
from modelwright.deploy.served import Served
from modelwright.deploy.settings import Limits
from modelwright.deploy.work import Job
from modelwright.version import __version__

SMALL_BODY = 64 << 10
"""Largest body of most routes, and the largest JSON that is parsed on the event loop."""
SMALL_BINARY = 8 << 10
"""Largest picture that is decoded on the event loop: what 8 KiB can unpack to is bounded."""
INLINE_DECODE = 0.002
"""Longest decoding, in seconds, that is done on the event loop."""


class Service:
    """Answers requests for one deployment.

    ``active`` is the package served; assigning another one is the whole of a hot swap, because every request keeps
    the one that was active when it arrived.
    """

    def __init__(
        self,
        active: Served,
        guard: Guard,
        batcher: Batcher,
        annotations: Annotations,
        metrics: Metrics,
        limits: Limits,
        refusals: RefusalCounter,
        *,
        target: str,
        decoders: int,
    ) -> None:
        self.active = active
        self.since = time.time_ns()
        self.refused: dict[str, str] | None = None
        """The package that was promoted and failed its checks, with the code of the failure."""
        self.draining = False
        self.heads = Heads()
        self.held = 0
        """Bytes of requests that connections hold, all together."""
        self.metrics = metrics
        self.limits = limits
        self._guard = guard
        self._batcher = batcher
        self._annotations = annotations
        self._refusals = refusals
        self._target = target
        self._open = 0
        self._loop = asyncio.get_running_loop()
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decode")
        self._state = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._exposition = Exposition(metrics, self._gauges)
        self._routes = self._table()

    def _table(self) -> dict[str, dict[str, Route]]:
        """Return every route by pattern and method; ``*`` stands for a model's name, ``**`` for its version."""
        read, body = partial(Route, access=Access.OPEN), self.limits.body
        infer = Route("/v2/models/*/infer", Access.OPEN, self._infer, body)
        gets = {
            "/": self._status,
            "/metrics": self._metrics,
            "/v2": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/v2/models/*": self._model,
            "/v2/models/*/ready": self._model_ready,
            "/v2/models/*/versions/**": self._model,
            "/v2/models/*/versions/**/ready": self._model_ready,
        }
        table = {path: {"GET": read(path, handler=handler)} for path, handler in gets.items()}
        table["/predict"] = {"POST": Route("/predict", Access.OPEN, self._predict, body)}
        table["/feedback"] = {"POST": Route("/feedback", Access.TOKEN, self._feedback, SMALL_BODY)}
        table["/v2/models/*/infer"] = {"POST": infer}
        table["/v2/models/*/versions/**/infer"] = {"POST": infer}
        for methods in table.values():
            if "GET" in methods:
                methods["HEAD"] = methods["GET"]
        return table

    @property
    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Every route by pattern and method, for the access matrix in the tests and the documentation."""
        return self._routes

    # ------------------------------------------------------------------ admission

    def admit(self, method: str, path: bytes, headers: Sequence[Header]) -> Admitted | Response:
        """Decide on a request by its head alone: who calls, what, how much it says it will send.

        Returns
        -------
        Admitted or Response
            The refusal (400, 401, 403, 404, 405, 413, 421); the connection should be closed if a body was announced.
        """
        pattern, argument = self._match(path)
        methods = self._routes.get(pattern)
        route = methods.get(method) if methods else None
        refusal = self._guard.refuse(headers, route.access if route else Access.OPEN)
        if refusal is None and methods is None:
            refusal = failure(404, "no-such-route", "there is no such route", "GET / lists what there is")
        elif refusal is None and methods is not None and route is None:
            allowed = ", ".join(sorted(methods))
            refusal = failure(
                405, "method-not-allowed", f"this route takes: {allowed}", headers=((b"allow", allowed.encode()),)
            )
        if refusal is None and route is not None:
            refusal = self._check_length(headers, route.body)
            if refusal is None:
                return Admitted(route, argument)
        assert refusal is not None
        self.metrics.answered(pattern if methods else "other", refusal.status, 0.0)
        return refusal

    def _match(self, path: bytes) -> tuple[str, str]:
        """Return the pattern that a raw path fits, and the model's name, ``NUL`` and its version where there are."""
        text = path.decode("latin-1")
        if text in self._routes and "*" not in text:
            return text, ""
        parts = text.split("/")
        if len(parts) < 4 or parts[:3] != ["", "v2", "models"]:
            return "", ""
        name, version = _unquote(parts[3]), ""
        parts[3] = "*"
        if len(parts) > 5 and parts[4] == "versions":
            version = _unquote(parts[5])
            parts[5] = "**"
        return "/".join(parts), f"{name}\0{version}"

    @staticmethod
    def _check_length(headers: Sequence[Header], limit: int) -> Response | None:
        for name, value in headers:
            if name == b"content-length" and (not value.isdigit() or len(value) > 18 or int(value) > limit):
                return too_large(limit)
            if name == b"content-encoding" and value.strip().lower() != b"identity":
                return failure(415, "unsupported-encoding", "compressed bodies are not taken", "send it as it is")
        return None

    # ------------------------------------------------------------------ handling

    def handle(self, admitted: Admitted, request: Request, reply: Reply) -> None:
        """Answer a whole request; ``reply`` is called once, now or later, on the event loop."""
        counted = partial(self._reply, reply, admitted.route.label, time.perf_counter())
        try:
            admitted.route.handler(request, admitted.argument, counted)
        except HttpError as error:
            self._refusals.count(error)
            counted(from_error(error))
        except Exception as error:  # noqa: BLE001 - one request never takes the server with it
            counted(unexpected(error))

    def _reply(self, reply: Reply, label: str, started: float, response: Response) -> None:
        self.metrics.answered(label, response.status, time.perf_counter() - started)
        reply(response)

    def _predict(self, request: Request, _: str, reply: Reply) -> None:
        served = self.active
        small = SMALL_BODY if served.takes_json else SMALL_BINARY
        inline = len(request.body) <= small and served.decode_seconds <= INLINE_DECODE
        self._answer(served, partial(read_predict, served, request, self.limits.rows), reply, inline=inline)

    def _infer(self, request: Request, argument: str, reply: Reply) -> None:
        served = self._named(argument)
        small = SMALL_BODY if served.takes_json else SMALL_BINARY
        inline = len(request.body) <= small and served.decode_seconds <= INLINE_DECODE
        self._answer(served, partial(read_infer, served, request, self.limits.rows), reply, inline=inline)

    def _answer(self, served: Served, read: Callable[[], Reading], reply: Reply, *, inline: bool) -> None:
        """Decode (here, or in a thread), queue, and write the answer when it comes."""
        self._room(1)
        job = Job(served, self._done, reply)
        if inline:
            self._queue(job, read())
            return
        self._open += 1

        def decoded(reading: Reading) -> None:
            self._open -= 1
            try:
                self._queue(job, reading)
            except HttpError as error:
                reply(from_error(error))

        def failed(response: Response) -> None:
            self._open -= 1
            reply(response)

        self._off_loop(self._decoders, read, decoded, failed)

    def _room(self, samples: int) -> None:
        if self._open + samples > self.limits.queue:
            raise HttpError(
                503, "overloaded", "too many samples are waiting", hint="try again in a moment", headers=RETRY
            )

    def _queue(self, job: Job, reading: Reading) -> None:
        count = len(reading.items)
        self._room(count)
        self._open += count
        job.write = reading.write
        for raw, media_type, arrays in reading.items:
            job.add(raw, media_type, arrays)
        self._batcher.submit(job)

    def _done(self, job: Job) -> None:
        """Write the answer of a job whose samples are all answered and logged."""
        self._open -= len(job.samples)
        if job.error is not None:
            response = from_error(job.error)
        else:
            assert job.write is not None
            try:
                response = job.write(job)
            except Exception as error:  # noqa: BLE001 - an answer that cannot be written is our fault, said as such
                response = unexpected(error)
        job.samples = []  # they refer to the job: without this they would be garbage that only the collector finds
        job.reply(response)

    def _off_loop(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        fail: Reply,
    ) -> None:
        """Run ``work`` in a thread; come back to the event loop with its result, or its error's response."""

        def back(future: Future[Any]) -> None:
            self._loop.call_soon_threadsafe(finish, future)

        def finish(future: Future[Any]) -> None:
            error = future.exception()
            if error is None:
                then(future.result())
            else:
                if isinstance(error, HttpError):
                    self._refusals.count(error)
                fail(from_error(error) if isinstance(error, HttpError) else unexpected(error))

        pool.submit(work).add_done_callback(back)

    def _feedback(self, request: Request, _: str, reply: Reply) -> None:
        value = parse_json(request.body)
        truths = read_feedback(value, self.active)
        many = isinstance(value, list)

        def kept(answers: list[dict[str, Any]]) -> None:
            self.metrics.feedback += len(answers)
            reply(ok(answers if many else answers[0]))

        def failed(_: Response) -> None:
            reply(
                failure(
                    503,
                    "feedback-unavailable",
                    "the feedback could not be stored, so it is not acknowledged",
                    "the server's disk is full or failing; try again later",
                    RETRY,
                )
            )

        self._off_loop(self._state, lambda: keep(self._annotations, truths), kept, failed)

    # ------------------------------------------------------------------ what is served

    def _named(self, argument: str) -> Served:
        served = self.active
        name, _, version = argument.partition("\0")
        if name != served.name:
            raise HttpError(404, "no-such-model", "there is no such model", hint=f"the model is {served.name!r}")
        if version and version != served.package:
            raise HttpError(
                404, "no-such-version", "this version is not served", hint=f"the version is {served.package}"
            )
        return served

    def _status(self, _request: Request, _: str, reply: Reply) -> None:
        served = self.active
        reply(
            ok(
                {
                    "name": "modelwright",
                    "version": __version__,
                    "status": "draining" if self.draining else "serving",
                    "model": served.name,
                    "package": served.package,
                    "target": self._target,
                    "since": self.since,
                    "refused": self.refused,
                    "predictions": self.metrics.predictions,
                    "waiting": self._open,
                    "routes": [f"{method} {path}" for path, methods in self._routes.items() for method in methods],
                }
            )
        )

    def _server(self, _request: Request, _: str, reply: Reply) -> None:
        reply(ok({"name": "modelwright", "version": __version__, "extensions": []}))

    def _live(self, _request: Request, _: str, reply: Reply) -> None:
        reply(ok({"live": True}))

    def _ready(self, _request: Request, _: str, reply: Reply) -> None:
        reply(Response(503 if self.draining else 200, dumps({"ready": not self.draining})))

    def _model(self, _request: Request, argument: str, reply: Reply) -> None:
        reply(ok(signature(self._named(argument))))

    def _model_ready(self, _request: Request, argument: str, reply: Reply) -> None:
        served = self._named(argument)
        ready = not self.draining
        reply(Response(200 if ready else 503, dumps({"name": served.name, "ready": ready})))

    def _metrics(self, _request: Request, _: str, reply: Reply) -> None:
        content_type = b"text/plain; version=0.0.4; charset=utf-8"

        def imported(_: object) -> None:
            reply(Response(200, self._exposition.render(), content_type))

        if "prometheus_client" in sys.modules:
            imported(None)
        else:
            self._off_loop(self._state, _import_prometheus, imported, reply)

    def _gauges(self) -> list[tuple[str, str, float, dict[str, str]]]:
        served = self.active
        return [
            ("modelwright_queue_samples", "Samples waiting for their answer.", float(self._open), {}),
            (
                "modelwright_champion_info",
                "The package served.",
                1.0,
                {"model": served.name, "package": served.package},
            ),
            ("modelwright_champion_since_seconds", "When it was swapped in.", self.since / 1e9, {}),
            ("modelwright_refused", "1 while a promoted package is refused.", float(self.refused is not None), {}),
        ]

    async def drain(self) -> None:
        """Wait until every admitted request is answered."""
        while self._open:
            await asyncio.sleep(0.005)
        await self._batcher.drain()

    def close(self) -> None:
        """Stop the threads and close the log."""
        self._decoders.shutdown(wait=True)
        self._state.shutdown(wait=True)
        self._refusals.close()
        self._batcher.close()


def too_large(limit: int) -> Response:
    """Return 413."""
    return failure(413, "too-large", f"the body is larger than the {limit} bytes allowed here")


def unexpected(error: BaseException) -> Response:
    """Tell the server's own log what happened, and the client nothing but that it did."""
    traceback.print_exception(error, file=sys.stderr)
    return failure(500, "internal", "the server failed on this request")


def _import_prometheus() -> None:
    import prometheus_client  # noqa: F401 - imported here so that the event loop does not wait for it


def _unquote(part: str) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace")
