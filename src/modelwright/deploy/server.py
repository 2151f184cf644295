"""The server: uvicorn's loop and sockets around :class:`~modelwright.deploy.service.Service`.

:func:`serve` blocks until SIGTERM or SIGINT, then finishes what is under way, flushes the prediction log and returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.deploy.settings import ServeSettings
from modelwright.deploy.state import read_state, remove_state, write_state
from modelwright.engine.memory import keep_freed
from modelwright.errors import InputError, MissingExtraError, ModelwrightError

if TYPE_CHECKING:
    import uvicorn

    from modelwright.deploy.served import Served
    from modelwright.deploy.service import Service
    from modelwright.store import Store

SWEEP = 0.25
"""Seconds between two looks at all connections; deadlines are kept to this precision."""
GARBAGE = 10_000
"""New objects between two looks for garbage: a full batch under way has thousands, and leaves no cycles behind."""


def serve(settings: ServeSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve the champion of ``settings.target`` (or ``settings.package``) until told to stop.

    Parameters
    ----------
    settings
        Where, what, and every limit.
    on_ready
        Called once with the address, such as ``http://127.0.0.1:8080``, when requests are answered.

    Raises
    ------
    InputError
        Nothing is deployed, the address is taken, the settings are unsafe, or the package is not what it says.
    MissingExtraError
        The server's packages are not installed.

    Notes
    -----
    SIGTERM or SIGINT: no new connections, every request under way is answered, the log is flushed, and this returns.
    How this process keeps freed memory is settled for good (:func:`~modelwright.engine.memory.keep_freed`).
    """
    settings.check()
    keep_freed()
    try:
        import uvloop

        from modelwright.deploy.protocol import Connection  # noqa: F401 - it needs uvicorn, httptools and orjson
    except ImportError as error:
        raise MissingExtraError("the server", "serve") from error
    from modelwright.deploy.served import open_served
    from modelwright.store import Store

    store = Store.open(settings.store)
    pointer = store.root / "deployments" / f"{settings.target}.json"
    opened = functools.partial(
        _open, store, functools.partial(open_served, threads=settings.threads, policy=settings.contract)
    )
    with _only_one(store, settings.target):
        stamp = _stamp(pointer)
        served = opened(choose(store, settings))
        listener = listen(settings.host, settings.port)

        def ready(url: str) -> None:
            write_state(store.root, settings.target, url, served.package, time.time_ns())
            if on_ready is not None:
                on_ready(url)

        before = gc.get_threshold()
        gc.freeze()  # what is loaded now stays: the collector need not look through it again and again
        gc.set_threshold(GARBAGE, *before[1:])
        try:
            uvloop.run(_run(settings, store, served, opened, (pointer, stamp), listener, ready))
        finally:
            gc.set_threshold(*before)
            gc.unfreeze()
            listener.close()
            remove_state(store.root, settings.target)


@contextlib.contextmanager
def _only_one(store: Store, target: str) -> Generator[None, None, None]:
    """Hold the target's lock for as long as it is served."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(store.lock(f"server-{target}", timeout=0.5))
        except ModelwrightError as error:
            if error.code != "locked":
                raise
            running = read_state(store.root, target)
            raise InputError(
                f"target {target!r} is already served at {running.url} (process {running.pid})",
                code="already-running",
                hint="stop it first, or serve another target",
            ) from error
        yield


def choose(store: Store, settings: ServeSettings) -> str:
    """Return the digest of the package to serve.

    Raises
    ------
    InputError
        If none was ever promoted at this target.
    """
    if settings.package is not None:
        return store.artifacts.open(settings.package, kind="package").digest
    champion = store.deployments.champion(settings.target)
    if champion is None:
        raise InputError(
            f"nothing is deployed at target {settings.target!r}", code="nothing-deployed", hint="mw deploy"
        )
    return str(champion["package"])


def _open(store: Store, opened: Callable[..., Served], package: str) -> Served:
    artifact = store.artifacts.open(package, kind="package")
    return opened(artifact.folder, artifact.digest)


def _stamp(pointer: Path) -> tuple[int, int, int] | None:
    try:
        found = pointer.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, so that a taken address is one clear error.

    Raises
    ------
    InputError
        If the address is taken, not ours, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
            listener.setblocking(False)  # noqa: FBT003 - the socket's own interface
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}",
            code="address-unavailable",
            hint="choose another port, or 0 for a free one",
        ) from error
    return listener


def tls(settings: ServeSettings) -> ssl.SSLContext | None:
    """Return the TLS context (1.2 and newer), or None without a certificate.

    Raises
    ------
    InputError
        If certificate and key cannot be read or do not belong together.
    """
    if settings.certificate is None or settings.private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.private_key)
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"certificate {settings.certificate} and key {settings.private_key} cannot be used: {error}", code="bad-tls"
        ) from error
    return context


async def _run(
    settings: ServeSettings,
    store: Store,
    served: Served,
    opened: Callable[[str], Served],
    pointer: tuple[Path, tuple[int, int, int] | None],
    listener: socket.socket,
    on_ready: Callable[[str], None],
) -> None:
    from modelwright.deploy.watcher import Watcher

    context = tls(settings)
    service = build(settings, store, served)
    watcher = Watcher(
        service,
        pointer[0],
        functools.partial(_champion, store, settings.target),
        opened,
        poll=settings.poll,
    )
    server = make_server(settings, service, context, on_ready)
    tasks = [asyncio.create_task(_sweep(server))]
    if settings.package is None:
        tasks.append(asyncio.create_task(watcher.run(pointer[1])))
    try:
        await server.serve(sockets=[listener])
        await service.drain()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        service.close()


def _champion(store: Store, target: str) -> str | None:
    champion = store.deployments.champion(target)
    return str(champion["package"]) if champion else None


def build(settings: ServeSettings, store: Store, served: Served) -> Service:
    """Put the service together, on the running event loop."""
    from modelwright.deploy.batching import Batcher
    from modelwright.deploy.guard import Guard
    from modelwright.deploy.metrics import Metrics
    from modelwright.deploy.refusing import RefusalCounter
    from modelwright.deploy.service import Service
    from modelwright.engine.threads import usable_cores
    from modelwright.store.logs import Record
    from modelwright.store.refusals import Refusals

    metrics = Metrics()
    batcher = Batcher(
        store.logs.writer(settings.target, durability=settings.durability),
        Record,
        settings.batching,
        metrics,
        slow_journal=settings.durability == "power",
    )
    refusals = Refusals(store.root, settings.target)
    refusals.begin()
    guard = Guard(
        settings.host_names(),
        settings.allowed_origins,
        store.keys.token(),
        token_for_all=settings.beyond_loopback,
        secure=settings.certificate is not None,
    )
    return Service(
        served,
        guard,
        batcher,
        store.annotations,
        metrics,
        settings.limits,
        RefusalCounter(refusals, metrics),
        target=settings.target,
        decoders=settings.batching.decoders or min(4, usable_cores()),
    )


def make_server(
    settings: ServeSettings,
    service: Service,
    context: ssl.SSLContext | None,
    on_ready: Callable[[str], None],
) -> uvicorn.Server:
    """Return uvicorn's server with our connection class, our start and our end."""
    import uvicorn

    from modelwright.deploy.asgi import Application
    from modelwright.deploy.protocol import Connection

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Listen on our socket, with a deadline for the TLS handshake that uvicorn does not set."""
            loop = asyncio.get_running_loop()
            listener = (sockets or [])[0]
            handshake: dict[str, Any] = {"ssl_handshake_timeout": settings.limits.head_deadline} if context else {}
            self.servers = [
                await loop.create_server(
                    lambda: Connection(self.config, self.server_state, {}, loop),
                    sock=listener,
                    ssl=context,
                    backlog=2048,
                    **handshake,
                )
            ]
            self.started = True
            on_ready(address(settings, listener))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Say that we are leaving, then let uvicorn finish what is under way."""
            service.draining = True
            await super().shutdown(sockets)

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            """Stop on SIGTERM and SIGINT. Unlike uvicorn's, they are not raised again: a clean stop exits with 0."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    config = uvicorn.Config(
        Application(service),
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=max(1, int(settings.limits.drain)),
    )
    return Server(config)


def address(settings: ServeSettings, listener: socket.socket) -> str:
    """Return the URL by which this server is called."""
    port = listener.getsockname()[1]
    host = "127.0.0.1" if settings.host in {"0.0.0.0", ""} else settings.host  # noqa: S104 - compared, not bound
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{'https' if settings.certificate else 'http'}://{host}:{port}"


async def _sweep(server: uvicorn.Server) -> None:
    """Keep the deadlines of all connections."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP)
        now = loop.time()
        for connection in list(server.server_state.connections):
            connection.check_deadlines(now)  # type: ignore[union-attr]
