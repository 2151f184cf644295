"""Who may call what: every route × method × token × host × origin."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.deploy.guard import Access, Guard, split_host
from modelwright.deploy.settings import ServeSettings, is_loopback
from modelwright.errors import InputError

from .conftest import Running

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
DECLARED = {
    "/": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/v2": {"GET", "HEAD"},
    "/v2/health/live": {"GET", "HEAD"},
    "/v2/health/ready": {"GET", "HEAD"},
    "/v2/models/*": {"GET", "HEAD"},
    "/v2/models/*/ready": {"GET", "HEAD"},
    "/v2/models/*/versions/**": {"GET", "HEAD"},
    "/v2/models/*/versions/**/ready": {"GET", "HEAD"},
    "/v2/models/*/infer": {"POST"},
    "/v2/models/*/versions/**/infer": {"POST"},
    "/predict": {"POST"},
    "/feedback": {"POST"},
}
"""Every route and its methods; a route that is added to the server has to be added, and thought about, here."""
TOKEN_ROUTES = {"/feedback"}


def test_every_route_is_declared(table: Running) -> None:
    served: dict[str, set[str]] = {}
    for entry in table.http.get("/").json()["routes"]:
        method, path = entry.split(" ")
        served.setdefault(path, set()).add(method)
    assert served == DECLARED


def test_the_whole_matrix(table: Running) -> None:
    hosts = {f"127.0.0.1:{table.port}": True, "localhost": True, "LOCALHOST:1": True, "[::1]:80": True,
             "evil.example": False, f"evil.example:{table.port}": False, "127.0.0.1.evil.example": False,
             "localhost:x": False, "user@localhost": False}  # fmt: skip
    own = f"http://127.0.0.1:{table.port}"
    origins: dict[tuple[str | None, str | None], bool] = {
        (None, None): True,
        (own, "same-origin"): True,
        (None, "none"): True,
        ("https://evil.example", None): False,
        ("null", None): False,
        (own.replace("http", "https"), None): False,
        ("http://127.0.0.1:1", "same-site"): False,
        (None, "cross-site"): False,
        (None, "same-site"): False,
    }
    tokens = (None, table.token["authorization"], "Bearer wrong", "Basic " + table.store.keys.token(), "Bearer x")
    good = next(iter(hosts))
    cells: list[tuple[str, tuple[str | None, str | None], str | None]] = [
        (host, (None, None), token) for host in hosts for token in tokens[:2]
    ]
    cells += [(good, origin, token) for origin in origins for token in tokens[:2]]
    cells += [(good, (None, None), token) for token in tokens]
    checked = 0
    for (pattern, allowed), method in itertools.product(DECLARED.items(), METHODS):
        path = pattern.replace("**", table.package).replace("*", "table")
        for host, (origin, site), token in cells:
            headers = {"host": host}
            headers |= {"origin": origin} if origin else {}
            headers |= {"sec-fetch-site": site} if site else {}
            headers |= {"authorization": token} if token else {}
            answer = table.http.request(method, path, headers=headers)
            checked += 1
            cell = (method, path, host, origin, site, token, answer.status_code)
            if not hosts[host]:
                assert answer.status_code in {400, 421}, cell
            elif not origins[origin, site]:
                assert answer.status_code == 403, cell
            elif pattern in TOKEN_ROUTES and method in allowed and token != tokens[1]:
                assert answer.status_code == 401, cell
            elif method not in allowed:
                assert answer.status_code == 405, cell
            else:
                assert answer.status_code == (400 if method == "POST" else 200), cell
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert checked > 3000


def test_no_host_and_two_hosts_are_refused() -> None:
    guard = Guard({"localhost"}, (), "t" * 64, token_for_all=False, secure=False)
    for headers in ([], [(b"host", b"localhost"), (b"host", b"localhost")]):
        refused = guard.refuse(headers, Access.OPEN)
        assert refused is not None
        assert refused.status == 400


def test_beyond_loopback_everything_wants_the_token() -> None:
    guard = Guard({"box"}, ("https://ok.example",), "t" * 64, token_for_all=True, secure=True)
    host, token = (b"host", b"box:8080"), (b"authorization", b"Bearer " + b"t" * 64)
    for access in Access:
        refused = guard.refuse([host], access)
        assert refused is not None
        assert refused.status == 401
        assert guard.refuse([host, token], access) is None
    assert guard.refuse([host, token, (b"origin", b"https://ok.example")], Access.TOKEN) is None
    assert guard.refuse([host, token, (b"origin", b"https://box:8080")], Access.TOKEN) is None
    assert guard.refuse([host, token, (b"origin", b"http://box:8080")], Access.TOKEN) is not None


@given(st.binary(max_size=60))
def test_any_host_header_is_decided(host: bytes) -> None:
    name = split_host(host)
    assert name == name.lower()
    guard = Guard({"localhost"}, (), "t" * 64, token_for_all=False, secure=False)
    assert (guard.refuse([(b"host", host)], Access.OPEN) is None) == (name == b"localhost")


def test_unsafe_settings_are_refused(tmp_path: Path) -> None:
    assert not is_loopback("0.0.0.0")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"host": "0.0.0.0"}, "tls-required"),
        ({"host": "::"}, "tls-required"),
        ({"host": ""}, "tls-required"),
        ({"host": "no-such-host.invalid"}, "bad-host"),
        ({"port": 70000}, "bad-port"),
        ({"durability": "often"}, "bad-durability"),
        ({"target": "../x"}, "bad-target"),
        ({"certificate": tmp_path / "c"}, "bad-tls"),
        ({"certificate": tmp_path / "c", "private_key": tmp_path / "k"}, "bad-tls"),
    ]
    for changes, code in cases:
        with pytest.raises(InputError) as caught:
            ServeSettings(store=tmp_path, **changes).check()
        assert caught.value.code == code


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for ``localhost`` that signs itself, and its key."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_beyond_loopback_over_tls(start: Callable[..., Running], tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    running = start("table", host="0.0.0.0", certificate=chain, private_key=key)
    context = ssl.create_default_context(cafile=str(chain))
    with httpx.Client(base_url=f"https://localhost:{running.port}", verify=context, timeout=10) as client:
        for path in ("/", "/metrics", "/v2/health/live"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=running.token).status_code == 200
        assert client.post("/predict", json={"size": 1}).status_code == 401
        assert client.post("/predict", json={"size": 1}, headers=running.token).status_code == 200
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{running.port}/", timeout=5)


def test_a_key_that_does_not_fit_is_one_clear_error(start: Callable[..., Running], tmp_path: Path) -> None:
    chain, _ = certificate(tmp_path)
    with pytest.raises(InputError) as caught:
        start("table", host="0.0.0.0", certificate=chain, private_key=chain)
    assert caught.value.code == "bad-tls"
