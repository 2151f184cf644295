"""What arrives on a raw socket: smuggling, floods, trickles, pipelines."""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.deploy.settings import Limits

from .conftest import Running

HOST = b"Host: localhost\r\n"
ROW = b'{"color":"red","size":3}'


def post(path: bytes = b"/predict", body: bytes = ROW, extra: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        path, HOST, len(body), extra, body,
    )  # fmt: skip


def talk(port: int, *pieces: bytes, pause: float = 0.0, limit: float = 8.0) -> bytes:
    """Send pieces and return everything until the server closes (or ``limit`` seconds without a byte)."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as sock:
        for piece in pieces:
            try:
                sock.sendall(piece)
            except OSError:
                break
            if pause:
                time.sleep(pause)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    found = b""
    try:
        while piece := sock.recv(65536):
            found += piece
    except OSError:
        pass
    return found


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


CLOSE = b"Connection: close\r\n"


def test_requests_may_come_in_pieces_and_chunks(table: Running) -> None:
    whole = post(extra=CLOSE)
    for size in (1, 7, 50):
        assert statuses(talk(table.port, *(whole[i : i + size] for i in range(0, len(whole), size)))) == [200]
    chunked = b"POST /predict HTTP/1.1\r\n" + HOST + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(ROW[i : i + 5]), ROW[i : i + 5]) for i in range(0, len(ROW), 5))
    assert statuses(talk(table.port, chunked, chunks, b"0\r\n\r\n")) == [200]
    assert statuses(talk(table.port, chunked, chunks, b"0\r\nAuthorization: x\r\n\r\n")) == [200]


def test_pipelined_requests_are_answered_in_order(table: Running) -> None:
    rows = [b'{"size":%d}' % size for size in range(5)]
    said = talk(table.port, b"".join(post(body=row) for row in rows[:-1]) + post(body=rows[-1], extra=CLOSE))
    assert statuses(said) == [200] * 5
    from modelwright.canonical import digest_bytes

    places = [said.index(digest_bytes(row).encode()) for row in rows]
    assert places == sorted(places)
    mixed = post() + b"GET / HTTP/1.1\r\n" + HOST + b"\r\n" + post(b"/nothing") + post(extra=CLOSE)
    assert statuses(talk(table.port, mixed))[:2] == [200, 200]


def test_head_expect_and_offers_to_upgrade(table: Running) -> None:
    said = talk(table.port, b"HEAD / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert said.endswith(b"\r\n\r\n")
    assert b"content-length: " in said
    with socket.create_connection(("127.0.0.1", table.port), timeout=5) as sock:
        head, _, body = post(extra=b"Expect: 100-continue\r\n" + CLOSE).partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert statuses(read_all(sock)) == [200]
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
    assert statuses(talk(table.port, post(extra=upgrade))) == [200]
    assert statuses(talk(table.port, b"GET / HTTP/1.1\r\n" + HOST + upgrade + b"\r\n")) == [200]
    assert statuses(talk(table.port, b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")) == [200]


SMUGGLING = {
    "both lengths": b"POST /predict HTTP/1.1\r\n" + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "length list": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\n12345",
    "length sign": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\n12345",
    "length negative": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n12345",
    "length hex": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\n12345",
    "length huge": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "encoding odd": b"POST /predict HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "encoding spaced": b"POST /predict HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunk negative": b"POST /predict HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk huge": b"POST /predict HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "folded": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b: c\r\n\r\n",
    "bare newlines": b"GET / HTTP/1.1\n" + b"Host: localhost\n\n",
    "nul in header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "absolute": b"GET http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT localhost:1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
    "version": b"GET / HTTP/3.0\r\n" + HOST + b"\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "gzip": b"POST /predict HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
}  # fmt: skip


@pytest.mark.parametrize("what", SMUGGLING)
def test_ambiguous_requests_are_refused_and_the_connection_ends(table: Running, what: str) -> None:
    said = talk(table.port, SMUGGLING[what] + post(extra=CLOSE))
    assert statuses(said), said
    assert 400 <= statuses(said)[0] < 502, said
    if what not in {"no host", "two hosts", "absolute"}:
        assert 200 not in statuses(said), said


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(min_size=1, max_size=120), where=st.integers(0, 120))
def test_broken_requests_never_hurt(table: Running, junk: bytes, where: int) -> None:
    whole = post(extra=CLOSE)
    said = talk(table.port, whole[:where] + junk + whole[where:] + b"\r\n\r\n", limit=2.5)
    assert all(status < 500 or status == 501 for status in statuses(said)), said
    assert table.http.get("/v2/health/live").status_code == 200


def test_oversize_is_refused_before_it_is_read(start: Callable[..., Running]) -> None:
    running = start("table", limits=Limits(body=10_000, head=2_000, idle=2.0, head_deadline=1.0, body_deadline=1.5))
    began = time.monotonic()
    head = b"POST /predict HTTP/1.1\r\n" + HOST
    assert statuses(talk(running.port, head + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1000)) == [413]
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    assert statuses(talk(running.port, chunked, *[b"1000\r\n" + b"x" * 0x1000 + b"\r\n"] * 20)) == [413]
    ones = b"1;" + b"e" * 40 + b"\r\nx\r\n"
    assert statuses(talk(running.port, head + b"Transfer-Encoding: chunked\r\n\r\n", ones * 20_000)) == [413]
    assert statuses(talk(running.port, head + b"X: " + b"y" * 5_000 + b"\r\n\r\n")) == [431]
    assert statuses(talk(running.port, b"GET /" + b"y" * 5_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")) == [431]
    assert statuses(talk(running.port, head + b"X: y\r\n" * 1000)) == [431]
    trailers = head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 1000
    assert statuses(talk(running.port, trailers)) == [431]
    assert running.http.post("/feedback", content=b"x" * 9_000, headers=running.token).status_code == 400
    assert time.monotonic() - began < 20
    assert running.http.post("/predict", json={"size": 1}).status_code == 200


def test_slow_clients_are_cut_off_and_others_do_not_notice(start: Callable[..., Running]) -> None:
    running = start("table", limits=Limits(head_deadline=1.0, body_deadline=1.5, idle=1.0, write_deadline=1.0))

    def trickle(data: bytes) -> tuple[bytes, float]:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as sock:
            sock.settimeout(0.1)
            for byte in itertools.chain(data, itertools.repeat(120)):
                try:
                    sock.sendall(bytes([byte]))
                    said = sock.recv(1000)
                except TimeoutError:
                    continue
                except OSError:
                    return b"", time.monotonic() - began
                return said, time.monotonic() - began
        return b"", time.monotonic() - began

    cases = [b"", b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-", post()[:-5].replace(b": 24", b": 9999")]
    with ThreadPoolExecutor(40) as pool:
        tricklers = [pool.submit(trickle, case) for case in cases for _ in range(12)]
        answered = 0
        while not all(each.done() for each in tricklers):
            assert running.http.post("/predict", json={"size": 1}).status_code == 200
            answered += 1
        for each in tricklers:
            said, seconds = each.result()
            assert seconds < 4
            assert not said or statuses(said)[0] in {400, 408}
    assert answered > 10
    assert talk(running.port, post()).count(b"HTTP/1.1") == 1  # an idle connection is closed in the end


def test_a_client_that_does_not_read_is_cut_off(start: Callable[..., Running]) -> None:
    running = start("table", limits=Limits(write_deadline=0.8, idle=30.0))
    rows = b"[" + b",".join([ROW] * 1000) + b"]"
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", running.port))
        sock.settimeout(15)
        with pytest.raises(ConnectionError):
            sock.sendall(post(body=rows) * 1000)
    assert running.http.get("/v2/health/ready").status_code == 200


def test_too_many_connections_and_bytes(start: Callable[..., Running]) -> None:
    running = start("table", limits=Limits(connections=8, buffered=100_000, body=1 << 20))
    running.http.close()
    with httpx.Client(base_url=running.url) as client:
        assert client.get("/").status_code == 200
        socks = [socket.create_connection(("127.0.0.1", running.port), timeout=5) for _ in range(12)]
        assert client.get("/").status_code == 200
        for sock in socks:
            sock.close()
    said = talk(running.port, post(body=b"[" + b"1," * 80_000))
    assert statuses(said) == [503]
    assert statuses(talk(running.port, post(extra=CLOSE))) == [200]


def test_a_full_queue_says_come_back(start: Callable[..., Running]) -> None:
    running = start("table", limits=Limits(queue=10))
    answer = running.http.post("/predict", json=[{"size": 1}] * 11)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert running.http.post("/predict", json=[{"size": 1}] * 10).status_code == 200
    assert running.http.get("/").json()["waiting"] == 0


@pytest.fixture(autouse=True)
def _clean(table: Running) -> Iterator[None]:
    """After each test: the shared server lives, and never printed a traceback."""
    yield
    assert table.http.get("/v2/health/live").status_code == 200
    assert "Traceback" not in table.said()
