"""What ``mw demo`` does: a small plant with a camera, played against a real project and a real server."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from modelwright.canonical import digest_bytes
from modelwright.errors import ModelwrightError
from modelwright.progress import Progress
from modelwright.project import Project, init_project, open_project
from modelwright.testing.camera import Digits, Picture, png, slip, write_digits

SIDE = 24
"""Pixels of a picture's side: enough for a slip to show, few enough to learn from twice within a minute."""
BEFORE, DURING = 200, 300
"""Pictures sent before the camera slips, and after it slipped but before retraining; the rest is for the end."""
LOOK_EVERY = 25
"""Pictures between two looks of monitoring."""
LABELS = 200
"""Labels that the imagined person gives: those the queue asks for."""
STRENGTH = 0.9
"""How far the camera slips; 1 is half the light."""
IDLE = 10.0
"""Seconds after which a silent connection is opened anew: the server closes those that stay silent."""
PACE = 0.04
"""Seconds between two requests of the traffic that goes on while retraining."""

SPEC_TAIL = """
# What the demo asks for beyond the guesses.
accept: {f1_macro: ">= 0.85"}
"""


@dataclass
class Client:
    """Sends pictures over HTTP, one connection, and remembers what came of it."""

    url: str
    token: str
    sent: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=30)
        self._last = time.monotonic()

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """Send one request; whatever goes wrong is counted and raised."""
        self.sent += 1
        if time.monotonic() - self._last > IDLE:
            self._connection.close()
        self._last = time.monotonic()
        try:
            self._connection.request("POST", path, body, headers)
            response = self._connection.getresponse()
            text = response.read()
            answer = _read(path, response.status, text)
        except (OSError, http.client.HTTPException, ModelwrightError, ValueError) as error:
            self.failed += 1
            self.failures.append(str(error))
            self._connection.close()
            raise
        return answer

    def predict(self, picture: bytes) -> dict[str, Any]:
        """Send a picture and return the answer."""
        return self.post("/predict", picture, {"Content-Type": "image/png"})

    def feedback(self, sample: str, truth: str) -> None:
        """Say what a picture was."""
        body = json.dumps({"sample": sample, "truth": truth}).encode()
        self.post("/feedback", body, {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _read(path: str, status: int, text: bytes) -> dict[str, Any]:
    if status != 200:
        raise ModelwrightError(f"{path} answered {status}: {text[:300].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(text)
    return answer


def wilson(right: int, count: int) -> dict[str, float]:
    """Return a share with its 95 % interval (Wilson 1927).

    Examples
    --------
    >>> {name: round(value, 3) for name, value in wilson(9, 10).items()}
    {'value': 0.9, 'low': 0.596, 'high': 0.982, 'count': 10}
    """
    z = 1.959964
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return {"value": share, "low": float(middle - half), "high": float(middle + half), "count": count}


def play(folder: Path, seed: int, progress: Progress, *, keep_serving: bool = False) -> dict[str, Any]:
    """Play the loop once in ``folder`` and return what happened, JSON-ready."""
    rng = np.random.default_rng([seed, 1])
    digits = write_digits(folder / "photos", seed, side=SIDE)
    progress.say(
        f"{digits.written} scanned digits in {folder / 'photos'}, a folder per class: "
        f"{len(digits.dirt.truncated)} cut off, "
        f"{len(digits.dirt.duplicated)} twice, {len(digits.dirt.mislabelled)} in a wrong folder; "
        f"{len(digits.held_back)} held back for production"
    )
    project, report = _begin(folder, seed, progress)
    found = _dirt_found(project, digits, progress)
    deployed = project.deploy(port=0, progress=progress)
    if deployed.server is None:
        raise ModelwrightError("the gate refused the first model", hint=f"mw -C {folder} explore")
    url = str(deployed.server["url"])
    client = Client(url, project.store.keys.token())
    try:
        outcome = _live(project, client, digits.held_back, rng, progress)
    finally:
        client.close()
        if not keep_serving:
            project.undeploy()
    accuracy = outcome["accuracy"]
    regained = outcome["retrain"]["status"] == "promoted" and accuracy["after"]["low"] > accuracy["during"]["high"]
    return {
        "project": str(folder),
        "seed": seed,
        "found": found,
        "report": {"verdict": report["verdict"], "metrics": report["metrics"]},
        **outcome,
        "reports": {**outcome["reports"], **_reports(project)},
        "url": url if keep_serving else None,
        "kept_the_promise": bool(outcome["drift"]["alarm"] and regained and not outcome["requests"]["failed"]),
    }


def _begin(folder: Path, seed: int, progress: Progress) -> tuple[Project, dict[str, Any]]:
    """Let ``mw init`` write the spec, and run every step as far as the gate."""
    guessed = init_project(folder, folder / "photos", name="demo")
    for reason in guessed["reasons"]:
        progress.say(f"guessed: {reason}")
    spec = folder / "modelwright.yaml"
    spec.write_text(spec.read_text().replace("seed: 0", f"seed: {seed}") + SPEC_TAIL)
    project = open_project(folder)
    result = project.run(progress=progress)
    assert result.report is not None
    return project, dict(result.report)


def _dirt_found(project: Project, digits: Digits, progress: Progress) -> dict[str, Any]:
    """Return how much of the dirt that is known to be there was found."""
    listed = project.issues()
    paths = {kind: {str(row["path"]) for row in listed if row["kind"] == kind} for kind in ("corrupt", "duplicate")}
    cut = sum(any(path.endswith(name) for path in paths["corrupt"]) for name in digits.dirt.truncated)
    twice = sum(
        any(path.endswith((copy, original)) for path in paths["duplicate"]) for copy, original in digits.dirt.duplicated
    )
    suspected = {str(row["path"]) for row in listed if row["kind"] == "mislabelled"}
    wrong = sum(any(path.endswith(f"/{name}") for path in suspected) for name, _ in digits.dirt.mislabelled)
    found = {
        "truncated": {"there": len(digits.dirt.truncated), "found": cut},
        "duplicated": {"there": len(digits.dirt.duplicated), "found": twice},
        "mislabelled": {"there": len(digits.dirt.mislabelled), "found": wrong, "listed": len(suspected)},
    }
    progress.say(
        f"prepare found {cut} of {len(digits.dirt.truncated)} cut-off files, {twice} of "
        f"{len(digits.dirt.duplicated)} copies and {wrong} of {len(digits.dirt.mislabelled)} pictures in wrong folders "
        f"({len(suspected)} look mislabelled; mw issues lists them)"
    )
    return found


def _live(
    project: Project, client: Client, pictures: Sequence[Picture], rng: np.random.Generator, progress: Progress
) -> dict[str, Any]:
    """Send pictures, let the camera slip, watch, label, retrain, and look whether accuracy came back."""
    accuracy: dict[str, Any] = {}
    truths = {digest_bytes(picture.png): picture.label for picture in pictures[:BEFORE]}
    progress.begin("production: pictures as in training", BEFORE)
    right = 0
    for picture in pictures[:BEFORE]:
        right += client.predict(picture.png)["label"] == picture.label
        progress.advance()
    accuracy["before"] = wilson(right, BEFORE)
    progress.say(f"production, {BEFORE} held-back pictures: accuracy {right / BEFORE:.1%}")
    calm = project.monitor(progress=progress)
    progress.say(f"monitoring: {'drift (a false alarm)' if calm and calm['alarm'] else 'no drift'}")

    accuracy["during"], drift, sent = _slipped(
        project, client, pictures[BEFORE : BEFORE + DURING], rng, truths, progress
    )

    queue = project.label_queue(limit=LABELS)
    given = 0
    progress.begin("labels for what the model understands worst", len(queue))
    for entry in queue:
        if entry["sample"] in truths:
            client.feedback(entry["sample"], truths[entry["sample"]])
            given += 1
        progress.advance()
    progress.say(f"{given} labels given through /feedback, the worst understood first")

    traffic = [png(picture) for picture in sent]
    started = time.monotonic()
    with _going_on(client.url, client.token, traffic) as busy:
        outcome = project.retrain(progress=progress)
        _wait_for(client, outcome["champion"], traffic[0])
    client.sent += busy.sent
    client.failed += busy.failed
    client.failures += busy.failures
    fresh = pictures[BEFORE + DURING :]
    progress.begin("production: fresh pictures of the slipped camera", len(fresh))
    right = 0
    for picture in fresh:
        right += client.predict(png(slip(picture.pixels, rng, STRENGTH)))["label"] == picture.label
        progress.advance()
    accuracy["after"] = wilson(right, len(fresh))
    return {
        "accuracy": accuracy,
        "drift": drift,
        "retrain": {
            "status": outcome["status"],
            "reasons": outcome["reasons"],
            "comparison": outcome["comparison"],
            "labels": given,
            "seconds": round(time.monotonic() - started, 1),
        },
        "requests": {
            "sent": client.sent,
            "failed": client.failed,
            "during_retraining": busy.sent,
            "failures": client.failures[:5],
        },
        "reports": {"retraining": outcome["report"]},
    }


def _slipped(
    project: Project,
    client: Client,
    pictures: Sequence[Picture],
    rng: np.random.Generator,
    truths: dict[str, str],
    progress: Progress,
) -> tuple[dict[str, float], dict[str, Any], list[Any]]:
    """Send pictures of the slipped camera, with a look of monitoring now and then; no label is known to anyone yet."""
    started = time.monotonic()
    drift: dict[str, Any] = {"alarm": False, "pictures": None, "seconds": None, "message": ""}
    sent = []
    right = 0
    progress.begin("production: the camera has slipped", len(pictures))
    for number, picture in enumerate(pictures, 1):
        pixels = slip(picture.pixels, rng, STRENGTH)
        data = png(pixels)
        sent.append(pixels)
        truths[digest_bytes(data)] = picture.label
        right += client.predict(data)["label"] == picture.label
        progress.advance()
        if number % LOOK_EVERY == 0 and not drift["alarm"]:
            findings = project.monitor()
            if findings is not None and findings["alarm"]:
                message = next((each["message"] for each in findings["alerts"] if each["kind"] == "drift"), "")
                drift = {
                    "alarm": True,
                    "pictures": number,
                    "seconds": round(time.monotonic() - started, 2),
                    "message": message,
                    "estimated": (findings.get("quality") or {}).get("estimated"),
                }
                progress.say(f"monitoring, after {number} slipped pictures and not one label: {message}")
    progress.say(f"production, {len(pictures)} pictures of the slipped camera: accuracy {right / len(pictures):.1%}")
    project.monitor()
    return wilson(right, len(pictures)), drift, sent


@contextmanager
def _going_on(url: str, token: str, pictures: Sequence[bytes]) -> Iterator[Client]:
    """Keep sending pictures from another connection while the block runs: what a swap must not disturb."""
    client = Client(url, token)
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.wait(PACE):
            try:
                client.predict(pictures[number % len(pictures)])
            except (OSError, http.client.HTTPException, ModelwrightError, ValueError):
                continue  # counted by the client; traffic goes on
            number += 1

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield client
    finally:
        ended.set()
        thread.join()
        client.close()


def _wait_for(client: Client, package: str, picture: bytes, patience: float = 10.0) -> None:
    """Wait until answers come from ``package``."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if client.predict(picture)["package"] == package:
            return
        time.sleep(0.05)
    raise ModelwrightError(f"the server still answers with another package than {package[:12]} after {patience:g} s")


def _reports(project: Project) -> dict[str, str | None]:
    names = {"dataset": "data", "model": "training", "report": "validation", "findings": "monitoring"}
    return {names[kind]: path for kind, path in project.status()["reports"].items()}
