"""Answers per second over HTTP against a FastAPI endpoint and bare onnxruntime calls of the same graph; cold start.

Servers run one after the other on the same cores as the load generator (:mod:`benchmarks.load`, a process of its own),
which takes 8 to 10 µs a request: against both servers alike.
"""

from __future__ import annotations

import contextlib
import csv
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from benchmarks.environments import PEERS, ROOT, WORK, clean_environment, ours, peer
from benchmarks.measure import Record, alone, compare, in_turn

FOLDER = WORK / "serving"
CONNECTIONS = 32
SECONDS = 2.5
WARMUP = 0.5
BODIES = 64
COMMAND = f"benchmarks.load --connections {CONNECTIONS}"
SPEC = "input: {}\noutput: category\nsources:\n  - {}\ntrain: {{models: [{}]}}\n"

# Starts as `mw deploy` does, without a champion: `package` names what is served.
START = """
import sys
from pathlib import Path
from modelwright.deploy import ServeSettings, process
settings = ServeSettings(store=Path(sys.argv[1]), package=sys.argv[2], port=0)
print(process.start(settings).url, flush=True)
"""
STOP = """
import sys
from pathlib import Path
from modelwright.deploy import process
process.stop(Path(sys.argv[1]))
"""
BARE = """
import json, sys, time
from pathlib import Path
import numpy as np
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.runtime.session import open_session
with PackageReader.open(Path(sys.argv[1]), trusted_keys=None) as reader:
    predictor, model = Predictor(reader), reader.model()
session = open_session(model)
wanted = {value.name for value in session.get_inputs()}
decoded = [predictor.decode(path.read_bytes()) for path in sorted(Path(sys.argv[2]).iterdir())]
decoded = [{name: array for name, array in each.items() if name in wanted} for each in decoded]
batch = {name: np.concatenate([each[name] for each in decoded[:32]]) for name in decoded[0]}
def rate(work, samples):
    work()
    end, count, start = time.perf_counter() + 0.6, 0, time.perf_counter()
    while time.perf_counter() < end:
        work()
        count += samples
    return count / (time.perf_counter() - start)
print(json.dumps([
    rate(lambda: [session.run(None, each) for each in decoded], len(decoded)),
    rate(lambda: session.run(None, batch), 32),
]))
"""


# The clock runs from just before the server's process is made; the caller asks for the first answer.
COLD = """
import json, os, subprocess, sys, time
from pathlib import Path
from modelwright.deploy.settings import ServeSettings, to_mapping
settings = to_mapping(ServeSettings(store=Path(sys.argv[1]), package=sys.argv[2], port=0))
told, tells = os.pipe()
command = [sys.executable, "-m", "modelwright.deploy.child", sys.argv[1], str(tells)]
started = time.time()
child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(tells,))
os.close(tells)
child.stdin.write(json.dumps(settings).encode())
child.stdin.close()
print(json.dumps([started, json.loads(os.read(told, 65536))["url"]]), flush=True)
sys.stdin.read()
child.terminate()
child.wait()
"""


@dataclass(frozen=True)
class Served:
    """One model, and what is sent to it."""

    name: str
    note: str
    media_type: str
    store: Path
    package: Path
    bodies: Path


def _table(folder: Path, random: np.random.Generator, bodies: Path) -> str:
    """Write 3,000 rows of six numbers and four categories."""
    names = [*(f"number{i}" for i in range(6)), *(f"kind{i}" for i in range(4))]
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "answer"])
        for place in range(3000):
            numbers = [round(float(value), 3) for value in random.normal(size=6)]
            kinds = random.integers(0, 6, 4)
            score = numbers[0] + numbers[1] * numbers[2] + 0.4 * (kinds[0] % 2) + random.normal() * 0.3
            row = [*numbers, *(f"v{kind}" for kind in kinds)]
            writer.writerow([*row, "yes" if score > 0.2 else "no"])
            if place < BODIES:
                (bodies / f"{place:02}.json").write_text(json.dumps(dict(zip(names, row, strict=True))))
    return "table: rows.csv\n" + "label: answer"


def _pictures(folder: Path, random: np.random.Generator, bodies: Path) -> str:
    """Write 600 grey pictures of 28 × 28 in four classes: a bright bar at one of four heights, over noise."""
    for place in range(600):
        level = place % 4
        pixels = random.integers(0, 90, (28, 28))
        pixels[4 + 5 * level : 9 + 5 * level, 6:22] += 120
        target = folder / "photos" / f"bar{level}" / f"{place:03}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(pixels, int(random.integers(-3, 4)), 1).astype(np.uint8)).save(target)
        if place < BODIES:
            shutil.copy(target, bodies / target.name)
    return "folder: photos/"


KINDS: dict[str, tuple[Callable[[Path, np.random.Generator, Path], str], str, str, str]] = {
    "rows": (_table, "table", "boosting", "a row of 6 numbers and 4 categories as JSON, boosted trees"),
    "pictures": (_pictures, "image", "logistic", "grey PNG of 28 × 28, linear model"),
}


def _made(name: str) -> Served:
    """Train and package one small model with ``mw run`` of the full environment, once."""
    write, modality, family, note = KINDS[name]
    folder, bodies = FOLDER / name, FOLDER / f"{name}-bodies"
    done = folder / ".made"
    if not done.exists():
        for each in (folder, bodies):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        source = write(folder, np.random.default_rng(0), bodies)
        (folder / "modelwright.yaml").write_text(SPEC.format(modality, source, family))
        mw = str(ours("all").parent / "mw")
        subprocess.run([mw, "run"], check=True, cwd=folder, env=clean_environment(), stdout=subprocess.DEVNULL)
        done.touch()
    store = folder / ".modelwright"
    package = next((store / "artifacts" / "package").iterdir())
    media_type = "application/json" if modality == "table" else "image/png"
    return Served(name, note, media_type, store, package, bodies)


@contextlib.contextmanager
def _our_server(python: Path, served: Served) -> Iterator[str]:
    """Run our server in the background, as ``mw deploy`` leaves it, its log on."""
    arguments = [str(served.store), served.package.name]
    done = subprocess.run(
        [str(python), "-c", START, *arguments], check=True, env=clean_environment(), capture_output=True, text=True
    )
    try:
        yield done.stdout.strip()
    finally:
        subprocess.run([str(python), "-c", STOP, str(served.store)], check=True, env=clean_environment())


@contextlib.contextmanager
def _peer_server(python: Path, served: Served) -> Iterator[str]:
    """Run the FastAPI endpoint of the same graph; it keeps no log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = PEERS / "fastapi_endpoint.py"
    child = subprocess.Popen(
        [str(python), str(script), str(served.package / "content"), str(port)],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _first_answer(url, served, patience=30)
        yield url
    finally:
        child.terminate()
        child.wait()


def _first_answer(url: str, served: Served, patience: float = 5.0) -> None:
    """Ask until there is an answer."""
    body = next(iter(sorted(served.bodies.iterdir()))).read_bytes()
    end = time.perf_counter() + patience
    while True:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=patience)
        try:
            connection.request("POST", "/predict", body, {"content-type": served.media_type})
            response = connection.getresponse()
            text = response.read()
        except OSError:
            if time.perf_counter() > end:
                raise
            time.sleep(0.02)
            continue
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{url} answered {response.status}: {text[:300]!r}")
        return


def _load(server: Callable[[], contextlib.AbstractContextManager[str]], served: Served, p99: list[float]) -> float:
    """Start a server, drive it, stop it; return requests per second and note the 99th percentile."""
    bodies = [argument for path in sorted(served.bodies.iterdir()) for argument in ("--body", str(path))]
    with server() as url:
        command = [sys.executable, "-m", "benchmarks.load", f"{url}/predict", *bodies, "--type", served.media_type]
        command += ["--connections", str(CONNECTIONS), "--seconds", str(SECONDS), "--warmup", str(WARMUP)]
        done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    if outcome["errors"]:
        raise RuntimeError(f"{outcome['errors']} requests to {url} failed")
    p99.append(outcome["p99_ms"])
    return float(outcome["per_second"])


def _bare(python: Path, served: Served) -> list[float]:
    """Return samples per second of bare onnxruntime calls: one by one, and 32 together."""
    command = [str(python), "-c", BARE, str(served.package), str(served.bodies)]
    done = subprocess.run(command, check=True, env=clean_environment(), capture_output=True, text=True)
    found: list[float] = json.loads(done.stdout)
    return found


def _cold_start(python: Path, served: Served) -> float:
    """Return seconds from starting the server's process to its first answer, the log written."""
    with subprocess.Popen(
        [str(python), "-c", COLD, str(served.store), served.package.name],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        started, url = json.loads(watcher.stdout.readline())
        _first_answer(url, served)
        took = time.time() - started
        watcher.stdin.close()
    return float(took)


def _records(served: Served, python: Path, rounds: int) -> list[Record]:
    """Measure one model: requests per second and p99 beside the endpoint, and beside bare calls of the graph."""
    fastapi = peer("fastapi")
    quick: list[float] = []
    slow: list[float] = []
    bare: list[list[float]] = []

    def mine() -> float:
        found = _load(partial(_our_server, python, served), served, quick)
        bare.append(_bare(python, served))
        return found

    first, second = in_turn(mine, partial(_load, partial(_peer_server, fastapi, served), served, slow), rounds, 0)
    note = f"{served.note}; server and load generator share {_cores()} cores"
    beside = partial(compare, "serving", command=COMMAND)
    return [
        beside(
            f"{served.name}: server, logging / FastAPI",
            first,
            second,
            unit="requests/s",
            goal="≥ 3 ×",
            met=lambda ratio: ratio >= 3,
            note=note,
        ),
        beside(
            f"{served.name}: p99, server / FastAPI",
            quick,
            slow,
            unit="ms",
            goal="< 1 ×",
            met=lambda r: r < 1,
            note=note,
        ),
        beside(
            f"{served.name}: server / bare onnxruntime, one by one",
            first,
            [each[0] for each in bare],
            unit="samples/s",
            goal="",
            met=None,
            note=f"{note}; decoding is not in the bare calls",
        ),
        beside(
            f"{served.name}: server / bare onnxruntime, 32 together",
            first,
            [each[1] for each in bare],
            unit="samples/s",
            goal="",
            met=None,
            note=f"{note}; decoding is not in the bare calls",
        ),
    ]


def _cores() -> int:
    from os import cpu_count

    return cpu_count() or 1


def run(pairs: int) -> list[Record]:
    """Measure both models, then how long a server takes from its process's start to its first answer."""
    python = ours("serve")
    models = [_made(name) for name in KINDS]
    records = [record for served in models for record in _records(served, python, pairs)]
    for served in models:
        _cold_start(python, served)
        took = [_cold_start(python, served) for _ in range(pairs)]
        records.append(
            alone(
                "serving",
                f"{served.name}: cold start",
                took,
                unit="s",
                goal="≤ 0.5 s",
                met=lambda s: s <= 0.5,
                command="python -m modelwright.deploy.child",
                note="process start to first answer, golden samples replayed, the answer in the log",
            )
        )
    return records
