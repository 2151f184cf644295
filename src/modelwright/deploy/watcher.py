"""Follows the deployment pointer and swaps the package served, without dropping a request.

The pointer is one small file that promotion replaces atomically. Ten looks a second at its inode, time and size cost
nothing; only a change is read. The new package is opened and replayed against its golden samples in a thread, while
the old one goes on serving; then one assignment swaps them. A package that fails is reported and not tried again until
the pointer changes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from modelwright.deploy.served import Served
from modelwright.deploy.service import Service, unexpected
from modelwright.errors import ModelwrightError

Stamp: TypeAlias = tuple[int, int, int] | None


class Watcher:
    """Keeps ``service.active`` what the pointer says.

    Parameters
    ----------
    pointer
        The file to watch; it may be absent for a while.
    champion
        Reads the digest the pointer names, or None.
    opened
        Opens and checks a package by digest; raises a ModelwrightError if it should not be served.
    """

    def __init__(
        self,
        service: Service,
        pointer: Path,
        champion: Callable[[], str | None],
        opened: Callable[[str], Served],
        *,
        poll: float,
    ) -> None:
        self._service = service
        self._pointer = pointer
        self._champion = champion
        self._opened = opened
        self._poll = poll

    def stamp(self) -> Stamp:
        """Return what changes whenever the pointer is replaced."""
        try:
            found = os.stat(self._pointer)  # noqa: PTH116 - ten times a second: without a Path in between
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    async def run(self, seen: Stamp) -> None:
        """Watch until cancelled. ``seen`` is the pointer's stamp from before the first package was chosen."""
        while True:
            await asyncio.sleep(self._poll)
            stamp = self.stamp()
            if stamp == seen:
                continue
            seen = stamp
            await self._follow()

    async def _follow(self) -> None:
        service = self._service
        loop = asyncio.get_running_loop()
        package = ""
        try:
            champion = await loop.run_in_executor(None, self._champion)
            if champion is None:
                return
            package = champion
            if package != service.active.package:
                service.active = await loop.run_in_executor(None, self._opened, package)
                service.since = time.time_ns()
                service.metrics.swaps += 1
            service.refused = None
        except ModelwrightError as error:
            self._refuse(package, error.code)
            sys.stderr.write(f"modelwright: {package[:12] or 'the new champion'} is not served: {error.message}\n")
        except Exception as error:  # noqa: BLE001 - whatever a package does, the old one goes on serving
            unexpected(error)
            self._refuse(package, "internal")

    def _refuse(self, package: str, code: str) -> None:
        self._service.refused = {"package": package, "code": code}
        self._service.metrics.swaps_refused += 1
