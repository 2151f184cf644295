"""The loop that closes by itself: look, and act on what is seen, again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from modelwright.errors import ModelwrightError
from modelwright.progress import Progress

if TYPE_CHECKING:
    from modelwright.project.rounds import Rounds

IDLE = "nothing-to-do"


def watch(rounds: Rounds, every: float, progress: Progress) -> Iterator[dict[str, Any]]:
    """Return an endless iterator of one dictionary a look; one begins each ``every`` seconds.

    Each look is ``Rounds.monitor``, and where there is anything new ``Rounds.retrain``. What goes wrong in a look
    (a full disk, a source that is away) is told in it, and the next look tries again.

    Raises
    ------
    InputError
        At once, if nothing is deployed: a mistake of whoever asks, not of a look.
    """
    rounds.standing()
    return _looks(rounds, every, progress)


def _looks(rounds: Rounds, every: float, progress: Progress) -> Iterator[dict[str, Any]]:
    seen: str | None = None
    while True:
        started = time.monotonic()
        look: dict[str, Any] = {"time": time.time_ns(), "findings": None, "undo": None, "round": None, "error": None}
        try:
            found = rounds.monitor(progress)
            look["findings"] = None if found is None or found["window"] is None else _gist(found)
            look["undo"] = None if found is None else found["undo"]
            head = rounds.store.annotations.head()
            if found is not None or head != seen or rounds.scheduled:
                result = rounds.retrain(force=False, progress=progress)
                look["round"] = None if result["status"] == IDLE else result
            seen = head
        except ModelwrightError as error:
            look["error"] = error.as_dict()
        yield look
        time.sleep(max(0.0, started + every - time.monotonic()))


def _gist(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of findings that a line has room for; the whole is in the artifact."""
    quality = found["quality"] or {}
    return {
        "artifact": found["artifact"],
        "report": found["report"],
        "package": found["package"],
        "predictions": found["window"]["count"],
        "alarm": found["alarm"],
        "alerts": [alert["message"] for alert in found["alerts"]],
        "metric": quality.get("metric"),
        "estimated": quality.get("estimated"),
        "realised": quality.get("realised"),
    }
