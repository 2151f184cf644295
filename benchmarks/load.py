"""A closed-loop load generator: every connection asks, waits for its answer, and asks again.

Raw sockets on uvloop and a minimal reading of HTTP/1.1 (a head, ``content-length``, a body), so that one core drives
tens of thousands of requests a second and the client is not what is measured::

    python -m benchmarks.load http://127.0.0.1:8080/predict --body row.json --seconds 5

prints one JSON document: requests per second, latencies in milliseconds, errors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Outcome:
    """What one run found. Latencies are milliseconds, over the requests that were answered with 200."""

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Answers other than 200, and connections that broke."""

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


class _Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, requests: Sequence[bytes], offset: int, run: _Run) -> None:
        self._requests = requests
        self._next = offset % len(requests)
        self._run = run
        self._transport: Any = None
        self._sent = 0.0
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if self._run.over:
            self._transport.close()
            return
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._left:
            data = self._left + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._left = data
            return
        place = data.find(b"ontent-length: ", 0, end)
        if place < 0:
            place = data.find(b"ontent-Length: ", 0, end)
        stop = data.find(b"\r", place)
        if len(data) < end + 4 + int(data[place + 15 : stop]):
            self._left = data
            return
        self._left = b""
        now = time.perf_counter()
        if data[9:12] == b"200":
            self._run.latencies.append(now - self._sent)
        else:
            self._run.errors += 1
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._run.over:
            self._run.errors += 1


class _Run:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors = 0
        self.over = False


def request(url: str, body: bytes, content_type: str) -> bytes:
    """Return the bytes of one POST."""
    parts = urlsplit(url)
    return (
        f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def drive(
    url: str,
    bodies: Sequence[bytes],
    content_type: str = "application/json",
    *,
    connections: int = 32,
    seconds: float = 5.0,
    warmup: float = 1.0,
) -> Outcome:
    """Ask ``url`` with ``bodies`` in turn, over ``connections`` at once, for ``seconds`` after ``warmup``."""
    requests = [request(url, body, content_type) for body in bodies]
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    outcome: Outcome = _loop()(_drive(host, port, requests, connections, seconds, warmup))
    return outcome


def _loop() -> Callable[..., Any]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[..., Any] = uvloop.run
    return runner


async def _drive(
    host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, warmup: float
) -> Outcome:
    loop = asyncio.get_running_loop()
    run = _Run()
    for number in range(connections):
        await loop.create_connection(lambda number=number: _Client(requests, number, run), host, port)  # type: ignore[misc]
    await asyncio.sleep(warmup)
    run.latencies.clear()
    run.errors = 0
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    run.over = True
    latencies = sorted(run.latencies)
    errors = run.errors
    await asyncio.sleep(0.05)
    return Outcome(
        requests=len(latencies),
        seconds=took,
        per_second=len(latencies) / took,
        p50_ms=_quantile(latencies, 0.5),
        p99_ms=_quantile(latencies, 0.99),
        max_ms=_quantile(latencies, 1.0),
        errors=errors,
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--body", type=Path, action="append", required=True, help="a file to send; several in turn")
    parser.add_argument("--type", default="application/json")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    asked = parser.parse_args()
    outcome = drive(
        asked.url,
        [path.read_bytes() for path in asked.body],
        asked.type,
        connections=asked.connections,
        seconds=asked.seconds,
        warmup=asked.warmup,
    )
    print(json.dumps(outcome.as_dict()))


if __name__ == "__main__":
    main()
