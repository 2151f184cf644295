"""Real servers in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelwright.deploy import process
from modelwright.store import Store

from . import making


class Running:
    """A server under test."""

    def __init__(self, store: Store, kind: str, **changes: Any) -> None:
        self.store = store
        self.package = making.publish(store, kind)
        making.promote(store, self.package)
        self.settings = making.settings(store, **changes)
        self.status = process.start(self.settings)
        assert self.status.url is not None
        self.url = self.status.url
        self.port = int(self.url.rpartition(":")[2])
        self.token = {"authorization": f"Bearer {store.keys.token()}"}
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def stop(self) -> None:
        self.http.close()
        process.stop(self.store.root)

    def said(self) -> str:
        """Return what the server wrote to its own log."""
        return (self.store.root / "servers" / "server.out").read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start servers; they are stopped at the end."""
    made: list[Running] = []

    def begin(kind: str = "table", **changes: Any) -> Running:
        made.append(Running(Store.open(tmp_path / f"s{len(made)}" / ".modelwright"), kind, **changes))
        return made[-1]

    yield begin
    for running in made:
        running.stop()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of table × category, shared by the tests of a module."""
    running = Running(Store.open(tmp_path_factory.mktemp("table") / ".modelwright"), "table")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of image × category, shared by the tests of a module."""
    running = Running(Store.open(tmp_path_factory.mktemp("image") / ".modelwright"), "image")
    yield running
    running.stop()
