"""One round of monitoring: read on in the prediction log, count, look, say what was found.

What was counted and how far the log was read are saved together, in one file that is replaced atomically: every record
is counted once, whenever the process dies. Findings and alerts go out before that, so that a crash between repeats them
(the same digest, the same id) and loses none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from modelwright import canonical
from modelwright.monitor import alerts, breaches, findings
from modelwright.monitor.decoding import InForce, decode, open_package
from modelwright.monitor.report import draw
from modelwright.monitor.windows import Seen, Window
from modelwright.progress import SILENT, Progress
from modelwright.spec import Spec
from modelwright.store import Store
from modelwright.store.artifact import Artifact
from modelwright.store.logs import Position, Record
from modelwright.store.refusals import Refusals, Refused
from modelwright.store.state import StateFile

FORMAT = 1
REMEMBERED = 20_000
"""Predictions kept so that truth that comes later finds them."""
TIMELINE = 200
OPEN_WINDOWS = 4
CHUNK = 32
"""Inputs decoded at once."""
SAVE_EVERY = 50_000


def monitor(
    spec: Spec, store: Store, *, target: str = "server", now: int | None = None, progress: Progress = SILENT
) -> Artifact | None:
    """Look at what a deployment has logged since the last time.

    Parameters
    ----------
    spec
        Its ``monitor`` part says how long a window is, the false-alarm rate, and where alerts go.
    store
        The project's store.
    target
        The deployment whose log is read.
    now
        Nanoseconds since 1970 UTC; None asks the clock. Closes windows whose time has passed.

    Returns
    -------
    Artifact or None
        ``findings`` (``docs/formats.md``) of the newest window that was looked at (of the newest alarming one, if any
        alarmed), or None if there was nothing new to say: too few samples yet, or no new labels.

    Raises
    ------
    StorageError, IntegrityError
        If the log, the state or a package cannot be read.
    """
    with store.lock(f"monitor-{target}"):
        return _Round(spec, store, target, time.time_ns() if now is None else now, progress).run()


class _Round:
    def __init__(self, spec: Spec, store: Store, target: str, now: int, progress: Progress) -> None:
        self._settings = spec.monitor
        self._store = store
        self._target = target
        self._now = now
        self._progress = progress
        self._state = StateFile(store.root, f"monitor-{target}", FORMAT)
        saved = self._state.load() or {}
        self._position = Position.from_dict(saved["position"]) if saved else None
        self._timeline: list[dict[str, Any]] = saved.get("timeline", [])
        self._recent = [Seen(*one) for one in saved.get("recent", [])]
        self._head: str = saved.get("annotations", "")
        self._last: dict[str, Any] | None = saved.get("last")
        if self._last is not None:
            self._last.setdefault("contract", breaches.NOTHING)
        self._packages: dict[str, InForce | None] = {}
        self._refusals = Refusals(store.root, target)
        self._refused_to: int = saved.get("refused_to", 0)
        self._windows: dict[str, Window] = {}
        for window in saved.get("windows", []):
            package = self._package(window["package"])
            if package is not None:
                self._windows[window["package"]] = Window.from_dict(package.profile, window)
        self._judged: list[dict[str, Any]] = []
        self._truths: dict[str, Any] | None = None
        self._changed = False

    def run(self) -> Artifact | None:
        published: Artifact | None = None
        self._progress.begin(f"reading the prediction log of {self._target}")
        since = 0
        for position, records in self._store.logs.read(self._target, self._position):
            self._take(records)
            self._position = position
            self._changed = True
            since += len(records)
            self._progress.advance(len(records))
            if since >= SAVE_EVERY:
                published = self._flush() or published
                since = 0
        for offset, refused in self._refusals.read(self._refused_to):
            self._take_refused(refused)
            self._refused_to = offset
            self._changed = True
        for window in list(self._windows.values()):
            self._close_if_over(window, self._now)
        for window in self._windows.values():
            if window.may_be_looked_at(closing=False):
                self._look(window, closing=False)
        return self._flush() or published

    # ------------------------------------------------------------------ counting

    def _take(self, records: Sequence[Record]) -> None:
        """Count records, in their order; a record behind a window's end closes it first."""
        waiting: dict[str, list[Record]] = {}
        for record in records:
            package = self._package(record.package)
            if package is None:
                continue
            window = self._windows.get(record.package)
            held = waiting.setdefault(record.package, [])
            if window is not None and window.is_over(record.time, len(held)):
                self._count(package, window, held)
                held.clear()
                self._close_if_over(window, record.time)
                window = self._windows.get(record.package)
            if window is None:
                window = self._begin(package, record.time)
            held.append(record)
            if len(held) >= CHUNK:
                self._count(package, window, held)
                held.clear()
        for digest, held in waiting.items():
            package = self._package(digest)
            if held and package is not None:
                self._count(package, self._windows[digest], held)

    def _take_refused(self, refused: Refused) -> None:
        """Count inputs that were refused in the window that is open, or begin one: all of them may be."""
        package = self._package(refused.package)
        if package is None:
            return
        window = self._windows.get(refused.package)
        if window is not None and window.is_over(refused.time):
            self._close_if_over(window, refused.time)
            window = self._windows.get(refused.package)
        if window is None:
            window = self._begin(package, refused.time)
        window.refuse(refused)

    def _begin(self, package: InForce, start: int) -> Window:
        window = Window.begin(package.digest, package.profile, start, self._settings.window_seconds)
        self._windows[package.digest] = window
        # Windows of packages no longer in force never fill: the oldest go.
        for digest in sorted(self._windows, key=lambda one: self._windows[one].last)[:-OPEN_WINDOWS]:
            self._look(self._windows[digest], closing=True)
            del self._windows[digest]
        return window

    def _count(self, package: InForce, window: Window, records: Sequence[Record]) -> None:
        batch = decode(records, package)
        window.undecodable += batch.undecodable
        for found in batch.odd:
            window.odd.add(found)
        if batch.seen:
            window.add(batch.measures, batch.answers, batch.certainty, batch.seen)
            self._recent.extend(batch.seen)
            if len(self._recent) > 2 * REMEMBERED:
                self._recent = self._recent[-REMEMBERED:]

    def _close_if_over(self, window: Window, now: int) -> None:
        if window.is_over(now):
            self._look(window, closing=True)
            for entry in self._timeline:
                if entry["from"] == window.start and entry["package"] == window.package:
                    entry["closed"] = True
            del self._windows[window.package]
            self._changed = True

    # ------------------------------------------------------------------ looking

    def _look(self, window: Window, *, closing: bool) -> None:
        """Judge a window if a look is due; a window judged again replaces its earlier figures on the timeline."""
        package = self._package(window.package)
        if package is None:
            return
        if window.may_be_looked_at(closing=closing):
            drifts = []
            if self._settings.drift != "off":
                drifts = findings.drifts(window, self._settings.false_alarm_rate)
            beside = findings.beside(window, package, self._settings.false_alarm_rate)
            window.looks += 1
            window.looked_at = window.total
            window.alarmed |= any(drift.drifted for drift in drifts)
            found = findings.describe(window, package, drifts, self._settings.false_alarm_rate)
            found["contract"] = beside
            found["quality"] = self._with_truth(found, package)
            self._judged.append(found)
            entry = findings.summary(found)
            entry["alarm"] = window.alarmed
            earlier = [one for one in self._timeline if (one["from"], one["package"]) != (window.start, window.package)]
            self._timeline = [*earlier, entry][-TIMELINE:]

    def _with_truth(self, found: dict[str, Any], package: InForce) -> dict[str, Any] | None:
        truths = self._labels()
        window = found["window"]
        known = {
            seen.sample: seen
            for seen in self._recent
            if seen.package == found["package"]
            and window["from"] <= seen.time <= window["to"]
            and seen.sample in truths
        }
        return findings.with_truth(found["quality"], package, [(seen, truths[seen.sample]) for seen in known.values()])

    def _labels(self) -> dict[str, Any]:
        """Return the newest label of each remembered sample that has one."""
        if self._truths is None:
            wanted = {seen.sample for seen in self._recent}
            self._truths = {
                sample: note.value
                for sample, note in self._store.annotations.newest().items()
                if note.kind == "label" and note.value is not None and sample in wanted
            }
            self._progress.say(f"labels are known for {len(self._truths)} of the last {len(wanted)} samples")
        return self._truths

    def _package(self, digest: str) -> InForce | None:
        if digest not in self._packages:
            self._packages[digest] = open_package(self._store, digest)
            if self._packages[digest] is None:
                self._progress.say(f"records of package {digest[:12]} are passed over: no such package with a profile")
        return self._packages[digest]

    # ------------------------------------------------------------------ saying

    def _flush(self) -> Artifact | None:
        """Publish what was found, send alerts, then save how far this has come."""
        head = self._store.annotations.head()
        if not self._judged and self._last is not None and head != self._head:
            self._renew(self._last)
        self._head = head
        artifact = None
        if self._judged:
            artifact = self._publish()
        if self._changed or artifact is not None:
            self._save()
        return artifact

    def _renew(self, last: dict[str, Any]) -> None:
        """Labels have come for a window that was judged without them: say its findings anew."""
        package = self._package(last["package"])
        if package is None:
            return
        quality = self._with_truth(last, package)
        if quality != last["quality"]:
            self._judged.append({**last, "quality": quality, "alerts": []})
            entry = findings.summary(self._judged[-1])
            for index, known in enumerate(self._timeline):
                if known["from"] == entry["from"] and known["package"] == entry["package"]:
                    self._timeline[index] = {**known, "realised": entry["realised"]}
        self._changed = True

    def _publish(self) -> Artifact:
        alarming = [found for found in self._judged if found["alarm"]]
        found = (alarming or self._judged)[-1]
        said = [alert for each in self._judged for alert in findings.alerts_of(each)]
        found = {**found, "alerts": [alert.as_dict() for alert in said]}
        document = {**found, "timeline": self._timeline}
        for alert in said:
            self._progress.say(alert.message)
        package = self._package(found["package"])
        assert package is not None  # it was open when the window was judged
        with self._store.artifacts.begin("findings") as writer:
            writer.file("findings.json").write_bytes(canonical.dumps(document))
            writer.attach("report.html").write_text(draw(document, package, self._store), encoding="utf-8")
            artifact = writer.publish(
                {"target": self._target, "alarm": found["alarm"], "window": found["window"]},
                inputs={"package": found["package"]},
            )
        alerts.send(said, self._settings.alerts, self._store.root, self._progress)
        self._last = found
        self._judged = []
        self._truths = None
        return artifact

    def _save(self) -> None:
        self._recent = self._recent[-REMEMBERED:]
        self._state.save(
            {
                "position": (self._position or Position()).as_dict(),
                "windows": [window.as_dict() for window in self._windows.values()],
                "timeline": self._timeline,
                "recent": [one.as_list() for one in self._recent],
                "annotations": self._head,
                "refused_to": self._refused_to,
                "last": self._last,
            }
        )
        self._changed = False
