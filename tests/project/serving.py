"""What a loop's tests ask of a project that ran: its package opened, and a real server that answers with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from modelwright.deploy import process
from modelwright.deploy.settings import ServeSettings
from modelwright.project import Project
from modelwright.runtime.reader import PackageReader


def package_of(project: Project) -> PackageReader:
    """Open the newest package of ``project``."""
    artifact = project.store.artifacts.latest("package")
    assert artifact is not None
    return PackageReader.open(artifact.folder / "content", trusted_keys=None)


@contextmanager
def served(project: Project) -> Iterator[httpx.Client]:
    """Serve the newest package of ``project`` in a process of its own; stop it in the end."""
    package = project.store.artifacts.latest("package")
    assert package is not None
    project.store.deployments.promote("server", package.digest, by="person", reason="test")
    status = process.start(ServeSettings(store=Path(project.store.root), port=0))
    try:
        with httpx.Client(base_url=str(status.url), timeout=20) as client:
            yield client
    finally:
        process.stop(project.store.root)
