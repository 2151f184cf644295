"""What a server is told before it starts: where to listen, what to serve, and every limit, in one frozen object."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modelwright.errors import InputError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one client from hurting the others. Times are seconds, sizes bytes."""

    body: int = 32 << 20
    """Largest request body. Larger ones are refused with 413 before they are read."""
    head: int = 32 << 10
    """Largest request line plus headers (and trailers)."""
    buffered: int = 256 << 20
    """Bytes of unfinished and waiting requests, all connections together; more is refused with 503."""
    connections: int = 2048
    """Open connections; one more is closed at once."""
    queue: int = 1024
    """Samples waiting for the model; more are refused with 503 and ``Retry-After``."""
    rows: int = 1024
    """Samples in one request."""
    head_deadline: float = 5.0
    """From the first byte of a request (or from connecting) to the end of its headers."""
    body_deadline: float = 10.0
    """From the first byte of a request to its last."""
    idle: float = 30.0
    """How long a kept-alive connection may be silent."""
    write_deadline: float = 10.0
    """How long a client may refuse to read its answer."""
    drain: float = 30.0
    """How long a stopping server waits for answers under way."""


@dataclass(frozen=True)
class Batching:
    """How waiting requests are put together."""

    samples: int = 64
    """Most samples in one run of the model."""
    wait_ms: float = 2.0
    """Longest that a batch may wait for company while others are being answered; an idle server never waits."""
    decoders: int = 0
    """Threads that decode large inputs; 0 chooses from the cores that are idle."""


@dataclass(frozen=True)
class ServeSettings:
    """Everything :func:`modelwright.deploy.server.serve` needs to know.

    Parameters
    ----------
    store
        The project's store, ``<project>/.modelwright``.
    target
        The deployment target whose champion is served, and the name of its prediction log.
    package
        Digest (or unique prefix) of a package to serve instead of the champion; it is then never swapped.
    host, port
        Where to listen; port 0 takes a free one. Beyond loopback, ``certificate`` and ``private_key`` are required
        and every route wants the token.
    durability
        ``process``: a prediction answered is in the log even if this process is killed. ``power``: even if the power
        fails (an fsync per batch).
    allowed_hosts
        More names by which clients may call this server (the ``Host`` header), beyond loopback's and ``host`` itself.
    allowed_origins
        Web origins (``https://intranet.example``) whose pages may call this server; none by default.
    """

    store: Path
    target: str = "server"
    package: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    durability: Literal["process", "power"] = "process"
    certificate: Path | None = None
    private_key: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    threads: int = 1
    """onnxruntime's threads for one run of the model."""
    contract: Literal["off", "warn", "refuse"] = "warn"
    """What happens to an input beside what training saw: nothing, ``warnings`` in its answer, or 422."""
    poll: float = 0.1
    """Seconds between two looks at the deployment pointer."""
    limits: Limits = field(default_factory=Limits)
    batching: Batching = field(default_factory=Batching)

    def check(self) -> None:
        """Refuse settings that would be unsafe or make no sense.

        Raises
        ------
        InputError
            Naming the setting, what was found, and what is allowed.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", self.target):
            raise InputError(
                f"target {self.target!r} is not a name: lower-case letters, digits, '-' and '_', at most 64",
                code="bad-target",
            )
        if not 0 <= self.port <= 65535:
            raise InputError(f"port {self.port} is not between 0 and 65535", code="bad-port")
        if self.durability not in {"process", "power"}:
            raise InputError(f"durability {self.durability!r} is not one of: process, power", code="bad-durability")
        if self.contract not in {"off", "warn", "refuse"}:
            raise InputError(f"contract {self.contract!r} is not one of: off, warn, refuse", code="bad-contract")
        if (self.certificate is None) != (self.private_key is None):
            raise InputError("certificate and private key go together; one of them is missing", code="bad-tls")
        for path in (self.certificate, self.private_key):
            if path is not None and not path.is_file():
                raise InputError(f"no such file: {path}", code="bad-tls")
        if self.beyond_loopback and self.certificate is None:
            raise InputError(
                f"host {self.host!r} can be reached from other machines, and there is no TLS certificate",
                code="tls-required",
                hint="give a certificate and private key, or listen on 127.0.0.1",
            )

    @property
    def beyond_loopback(self) -> bool:
        """Whether another machine could reach this address; a name counts as soon as one of its addresses does."""
        return not is_loopback(self.host)

    def host_names(self) -> frozenset[str]:
        """Return the names (lower case, no port, no brackets) that a ``Host`` header may carry."""
        names = set(LOOPBACK_NAMES) | {name.lower().strip("[]") for name in self.allowed_hosts}
        if self.host not in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
            names.add(self.host.lower().strip("[]"))
        if self.beyond_loopback:
            names.add(socket.gethostname().lower())
        return frozenset(names)


def is_loopback(host: str) -> bool:
    """Return whether every address of ``host`` is a loopback address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    if not host:
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass  # a name: look at what it resolves to
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"host {host!r} has no address: {error}", code="bad-host") from error
    return all(ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_loopback for entry in found)


def from_mapping(values: Mapping[str, object], store: Path) -> ServeSettings:
    """Rebuild settings from the JSON that :func:`to_mapping` made (how a background server is told)."""
    raw = dict(values)
    limits = Limits(**raw.pop("limits"))  # type: ignore[arg-type]
    batching = Batching(**raw.pop("batching"))  # type: ignore[arg-type]
    for key in ("certificate", "private_key"):
        raw[key] = Path(str(raw[key])) if raw.get(key) else None
    for key in ("allowed_hosts", "allowed_origins"):
        raw[key] = tuple(raw[key])  # type: ignore[arg-type]
    return ServeSettings(store=store, limits=limits, batching=batching, **raw)  # type: ignore[arg-type]


def to_mapping(settings: ServeSettings) -> dict[str, object]:
    """Return the settings without the store, JSON-ready."""
    from dataclasses import asdict

    values = asdict(settings)
    del values["store"]
    for key in ("certificate", "private_key"):
        values[key] = str(values[key]) if values[key] else None
    return values
