"""A head that came before means what it meant; anything else is the parser's."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import canonical
from modelwright.deploy.guard import Access
from modelwright.deploy.heads import MOST_HEADS, Heads, split
from modelwright.deploy.messages import Header
from modelwright.deploy.reading import row_bytes
from modelwright.deploy.routes import Admitted, Route

from . import making
from .conftest import Running

ADMITTED = Admitted(Route("/predict", Access.OPEN, lambda request, argument, reply: None, 100), "")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    TEXT,
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e16, 1e16),
)


def learned(data: bytes, headers: list[Header]) -> bool:
    heads = Heads()
    found = split(data)
    assert found is not None
    heads.learn(found[0], found[2], ADMITTED, "POST", b"/predict", headers)
    return heads.find(found[0]) is not None


def test_only_plain_heads_are_kept() -> None:
    plain = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    host, length = (b"host", b"a"), (b"content-length", b"2")
    assert learned(plain, [host, length])
    for header in (
        (b"authorization", b"Bearer x"),
        (b"expect", b"100-continue"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"content-encoding", b"gzip"),
        length,
    ):
        assert not learned(plain, [host, length, header])
    assert not learned(plain, [host])
    assert not learned(plain, [host, (b"content-length", b"40")])
    assert not learned(b"POST / HTTP/1.1\nA: b\r\nContent-Length: 2\r\n\r\n{}", [length])
    assert not learned(b"POST / HTTP/1.1\r\nA: b\rc\r\nContent-Length: 2\r\n\r\n{}", [length])


def test_what_is_no_plain_length_is_not_split() -> None:
    for line in (b"Content-Length: +2", b"Content-Length:2", b"Content-Length: 2 ", b"Content-Length: ", b"A: b"):
        assert split(b"POST / HTTP/1.1\r\n" + line + b"\r\n\r\n{}") is None
    assert split(b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 13 + b"\r\n\r\n") is None
    assert split(b"POST / HTTP/1.1\r\nA: " + b"b" * 3000 + b"\r\nContent-Length: 2\r\n\r\n{}") is None


def test_what_is_kept_is_bounded() -> None:
    heads = Heads()
    for number in range(3 * MOST_HEADS):
        heads.learn(b"%d" % number, 2, ADMITTED, "POST", b"/", [(b"content-length", b"2")])
    assert sum(heads.find(b"%d" % number) is not None for number in range(3 * MOST_HEADS)) <= MOST_HEADS
    assert heads.find(b"%d" % (3 * MOST_HEADS - 1)) is not None


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXT, PLAIN, max_size=4))
def test_a_rows_bytes_are_canonical(row: dict[str, object]) -> None:
    assert row_bytes(row) == canonical.dumps(row)


def ask(connection: socket.socket, head: bytes, body: bytes) -> tuple[int, dict[str, object]]:
    connection.sendall(head % len(body) + body)
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < length_of(answer):
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    return int(answer[9:12]), json.loads(answer.partition(b"\r\n\r\n")[2])


def length_of(answer: bytes) -> int:
    return int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def test_known_heads_are_answered_like_new_ones(table: Running) -> None:
    with socket.create_connection(("127.0.0.1", table.port), timeout=10) as connection:
        first = ask(connection, HEAD, making.row(1.0))
        for body in (making.row(1.0), making.row(1.0, "green"), making.row(None, None)):
            status, answer = ask(connection, HEAD, body)
            assert status == 200
            assert str(answer["id"]).endswith(canonical.digest_bytes(canonical.dumps(json.loads(body))))
        status, answer = ask(connection, HEAD, making.row(1.0))
        assert answer["scores"] == first[1]["scores"]
        assert ask(connection, HEAD, b'{"size": "tall"}')[0] == 422
        assert ask(connection, HEAD, b"{")[0] == 400
        assert ask(connection, HEAD, b"")[0] == 400
        assert ask(connection, HEAD, making.row(2.0))[0] == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Host: localhost", b"Host: evil.example"), 421),
        ((b"Host: localhost", b"Host: localhost\r\nOrigin: http://evil.example"), 403),
        ((b"Host: localhost", b"Host: localhost\r\nContent-Length: 5"), 400),
        ((b"application/json", b"text/html"), 415),
        ((b"POST /predict", b"PUT /predict"), 405),
    ],
)
def test_a_head_that_differs_is_judged_anew(table: Running, change: tuple[bytes, bytes], status: int) -> None:
    with socket.create_connection(("127.0.0.1", table.port), timeout=10) as connection:
        for _ in range(3):
            assert ask(connection, HEAD, making.row(1.0))[0] == 200
        assert ask(connection, HEAD.replace(*change), making.row(1.0))[0] == status


def test_a_known_head_with_too_long_a_body_is_refused(start: object) -> None:
    from modelwright.deploy.settings import Limits

    running: Running = start(limits=Limits(body=200))  # type: ignore[operator]
    for body, status in ((making.row(1.0), 200), (making.row(1.0), 200), (making.row(1.0, "r" * 200), 413)):
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            assert ask(connection, HEAD, body)[0] == status
