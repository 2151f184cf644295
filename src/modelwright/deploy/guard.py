"""Who may call what: pure decisions over method, route and headers.

What happened to those who did less is public: dashboards on localhost were taken over by web pages (DNS rebinding, a
forgotten method, a User-Agent heuristic). So, on *every* method and route:

- ``Host`` must be one of the names this server answers to. A page of ``evil.example`` that rebinds its name to
  127.0.0.1 still sends ``Host: evil.example``.
- ``Origin``, where a browser sends one, must be this server itself or a listed one; ``Sec-Fetch-Site`` must be
  ``same-origin`` or ``none``. There is no CORS.
- What changes state wants ``Authorization: Bearer <token>``; beyond loopback everything does. A token cannot be sent
  across origins without CORS, and never lies in a cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from enum import Enum

from modelwright.deploy.messages import Header, Response, failure


class Access(Enum):
    """What a route asks for. Every route declares one."""

    OPEN = "open"
    """Reads, and predictions: no token on loopback."""
    TOKEN = "token"  # noqa: S105 - the name of a rule
    """Changes state: the token, always."""


class Guard:
    """Decides on one request.

    Parameters
    ----------
    hosts
        Allowed host names, lower case, without port.
    origins
        Further allowed origins, such as ``https://intranet.example``.
    token
        The project's token.
    token_for_all
        Whether every route wants it (beyond loopback).
    secure
        Whether this server speaks TLS (its own origin is then ``https``).
    """

    def __init__(
        self, hosts: Iterable[str], origins: Iterable[str], token: str, *, token_for_all: bool, secure: bool
    ) -> None:
        self._hosts = frozenset(name.encode("ascii", "ignore") for name in hosts)
        self._origins = frozenset(origin.lower().rstrip("/").encode("ascii", "ignore") for origin in origins)
        self._expected = f"Bearer {token}".encode()
        self._token_for_all = token_for_all
        self._scheme = b"https://" if secure else b"http://"
        self._known: set[bytes] = set()

    def refuse(self, headers: Sequence[Header], access: Access) -> Response | None:
        """Return the refusal, or None if the request may go on."""
        host = origin = site = authorization = None
        hosts = 0
        for name, value in headers:
            if name == b"host":
                host = value
                hosts += 1
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"authorization":
                authorization = value
        if hosts != 1 or host is None or not self._host_allowed(host):
            return failure(
                421 if hosts == 1 else 400,
                "host-not-allowed",
                "the Host header is not a name of this server",
                "call it by an allowed name; add others with allowed_hosts",
            )
        if origin is not None and not self._origin_allowed(origin, host):
            return failure(403, "origin-not-allowed", "pages of other origins may not call this server")
        if site is not None and site.lower() not in {b"same-origin", b"none"} and origin is None:
            return failure(403, "origin-not-allowed", "pages of other sites may not call this server")
        if (self._token_for_all or access is Access.TOKEN) and not self._token_right(authorization):
            return failure(
                401,
                "token-required",
                "this route wants the project's token",
                "send 'Authorization: Bearer <token>'; the token is in the store, keys/token",
                ((b"www-authenticate", b"Bearer"),),
            )
        return None

    def _host_allowed(self, host: bytes) -> bool:
        if host in self._known:
            return True
        if split_host(host) not in self._hosts:
            return False
        if len(self._known) < 64:  # the few spellings that real clients use
            self._known.add(host)
        return True

    def _origin_allowed(self, origin: bytes, host: bytes) -> bool:
        lowered = origin.lower()
        return lowered == self._scheme + host.lower() or lowered in self._origins

    def _token_right(self, authorization: bytes | None) -> bool:
        return authorization is not None and hmac.compare_digest(authorization, self._expected)


def split_host(host: bytes) -> bytes:
    """Return the host name of a ``Host`` header, lower case, without port and brackets; empty if malformed.

    Examples
    --------
    >>> split_host(b"LocalHost:8080"), split_host(b"[::1]:80"), split_host(b"a.example:x"), split_host(b"u@localhost")
    (b'localhost', b'::1', b'', b'u@localhost')
    """
    if host.startswith(b"["):
        name, bracket, rest = host[1:].partition(b"]")
        if not bracket or (rest and not (rest.startswith(b":") and rest[1:].isdigit())):
            return b""
        return name.lower()
    name, colon, port = host.partition(b":")
    if colon and not port.isdigit():
        return b""
    return name.lower()
