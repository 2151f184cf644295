"""Inputs refused because of the contract, counted for ``/metrics`` and, every few seconds, for monitoring."""

from __future__ import annotations

import asyncio
import sys
import time

from modelwright.deploy.metrics import Metrics
from modelwright.deploy.reading import ContractError
from modelwright.errors import ModelwrightError
from modelwright.store.refusals import EVERY, Refusals, Refused


class RefusalCounter:
    """Counts on the event loop; writes a line at once, then at most one every few seconds, and the rest at the end."""

    def __init__(self, refusals: Refusals, metrics: Metrics) -> None:
        self._refusals = refusals
        self._metrics = metrics
        self._waiting: dict[str, Refused] = {}
        self._timer: asyncio.TimerHandle | None = None

    def count(self, error: Exception) -> None:
        """Count a refusal if it is one because of the contract."""
        if not isinstance(error, ContractError):
            return
        self._metrics.broken(error.findings)
        refused = self._waiting.setdefault(error.package, Refused(error.package))
        refused.add(error.findings)
        refused.time = time.time_ns()
        if self._timer is None:
            self._write()

    def _write(self) -> None:
        """Write what waits; if that was anything, look again after a while."""
        self._timer = None
        if not self._waiting:
            return
        self.flush()
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._write)

    def flush(self) -> None:
        """Write what waits. What cannot be written waits on: the refusals were answered all the same."""
        for package in list(self._waiting):
            try:
                self._refusals.append(self._waiting[package])
            except ModelwrightError as error:
                sys.stderr.write(f"modelwright: refusals were not counted yet: {error.message}\n")
                return
            del self._waiting[package]

    def close(self) -> None:
        """Write the rest."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
