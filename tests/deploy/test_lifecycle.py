"""Promotion under load, accidents, and the end: what was answered is in the log."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image as Pillow

from modelwright.deploy import process
from modelwright.deploy.state import read_state, state_path
from modelwright.errors import InputError
from modelwright.store import Store

from . import making
from .conftest import Running


class Load:
    """Clients that ask without a pause, each on its own connection, and keep every answer."""

    def __init__(self, url: str, clients: int, body: Callable[[int], dict[str, Any]]) -> None:
        self.answers: list[dict[str, Any]] = []
        self.failures: list[str] = []
        self.unanswered = 0
        self._stop = threading.Event()
        self._body = body
        self._url = url
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as client:
            count = 0
            while not self._stop.is_set():
                count += 1
                try:
                    answer = client.post("/predict", json=self._body(number * 1_000_000 + count))
                except httpx.HTTPError:
                    self.unanswered += 1
                    return
                if answer.status_code == 200:
                    self.answers.append(answer.json())
                else:
                    self.failures.append(answer.text)

    def wait(self, answers: int) -> None:
        end = time.monotonic() + 30
        while len(self.answers) < answers and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.answers) >= answers

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def body(count: int) -> dict[str, Any]:
    return {"size": count, "color": "red"}


def wait_for(what: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_promotion_under_load_drops_nothing(start: Callable[..., Running]) -> None:
    running = start("number")
    packages = {running.package: 0.0}
    load = Load(running.url, 4, lambda count: {"size": 1.0, "color": "red", "n": count})
    load.wait(100)
    for variant in (100.0, 200.0, 300.0):
        package = making.publish(running.store, "number", variant)
        packages[package] = variant
        making.promote(running.store, package)
        wait_for(lambda package=package: running.http.get("/").json()["package"] == package)  # type: ignore[misc]
        load.wait(len(load.answers) + 100)
    load.end()
    assert not load.failures
    assert load.unanswered == 0
    assert {each["package"] for each in load.answers} == set(packages)
    values: dict[str, set[float]] = {}
    for each in load.answers:
        values.setdefault(each["package"], set()).add(round(each["value"], 2))
    assert all(len(found) == 1 for found in values.values()), values  # nobody's answer came from another package
    records = {each.id: each for each in making.logged(running.store)}
    for each in load.answers:
        assert records[each["id"]].package == each["package"]
        assert records[each["id"]].output["value"] == each["value"]
    running.store.deployments.undo("server", by="person", reason="test")
    wait_for(lambda: packages[running.http.get("/").json()["package"]] == 200.0)


def test_a_package_that_fails_its_golden_check_is_not_served(start: Callable[..., Running]) -> None:
    running = start("table")
    broken = making.publish(running.store, "table", broken=True)
    making.promote(running.store, broken)
    wait_for(lambda: running.http.get("/").json()["refused"] is not None)
    assert running.http.get("/").json()["refused"] == {"package": broken, "code": "parity-failed"}
    answer = running.http.post("/predict", json={"size": 1}).json()
    assert answer["package"] == running.package
    assert "modelwright_refused 1.0" in running.http.get("/metrics").text
    running.store.deployments.undo("server", by="person", reason="test")
    wait_for(lambda: running.http.get("/").json()["refused"] is None)
    assert running.http.get("/").json()["package"] == running.package


def test_a_damaged_package_is_not_served(start: Callable[..., Running]) -> None:
    running = start("table")
    package = making.publish(running.store, "table", 1.0)
    graph = running.store.artifacts.open(package, kind="package").folder / "content" / "model.onnx"
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    making.promote(running.store, package)
    wait_for(lambda: running.http.get("/").json()["refused"] is not None)
    assert running.http.post("/predict", json={"size": 1}).json()["package"] == running.package


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "power"])
def test_kill_9_loses_no_answer(start: Callable[..., Running], durability: str) -> None:
    running = start("table", durability=durability)
    answers: list[dict[str, Any]] = []
    for _ in range(2):
        load = Load(running.url, 4, body)
        load.wait(60)
        assert running.status.pid is not None
        os.kill(running.status.pid, signal.SIGKILL)
        load.end()
        answers += load.answers
        wait_for(lambda: process.status(running.store.root).stale)
        running.status = process.start(running.settings)
        assert running.status.url is not None
        running.url = running.status.url
    records = {each.id: each for each in making.logged(running.store)}
    assert len(answers) >= 120
    for each in answers:
        assert records[each["id"]].output["label"] == each["label"]


@pytest.mark.slow
def test_sigterm_answers_what_is_under_way(start: Callable[..., Running]) -> None:
    running = start("table")
    load = Load(running.url, 4, body)
    load.wait(100)
    assert running.status.pid is not None
    before = process.stop(running.store.root)
    load.end()
    assert before.running
    assert not load.failures
    ids = {each.id for each in making.logged(running.store)}
    assert {each["id"] for each in load.answers} == ids  # all answered, all logged, nothing else
    assert not state_path(running.store.root, "server").exists()


def test_a_request_half_sent_is_answered_when_the_server_stops(start: Callable[..., Running]) -> None:
    import socket

    running = start("table")
    assert running.status.pid is not None
    sent = b'{"size": 1}'
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as sock:
        sock.sendall(head + sent[:5])
        time.sleep(0.1)
        os.kill(running.status.pid, signal.SIGTERM)
        time.sleep(0.3)
        sock.sendall(sent[5:])
        said = b""
        while piece := sock.recv(65536):
            said += piece
    assert said.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in said


def test_start_status_stop(tmp_path: Path) -> None:
    store = Store.open(tmp_path / ".modelwright")
    with pytest.raises(InputError) as caught:
        process.start(making.settings(store))
    assert caught.value.code == "nothing-deployed"
    assert process.stop(store.root).running is False
    making.promote(store, making.publish(store, "table"))
    status = process.start(making.settings(store))
    try:
        assert status.running
        assert httpx.get(f"{status.url}/v2/health/ready").json() == {"ready": True}
        with pytest.raises(InputError) as caught:
            process.start(making.settings(store))
        assert caught.value.code == "already-running"
        state_path(store.root, "server").unlink()
        with pytest.raises(InputError) as caught:  # the lock says so, though the file is gone
            process.start(making.settings(store))
        assert caught.value.code == "already-running"
    finally:
        assert status.pid is not None
        os.kill(status.pid, signal.SIGTERM)
        os.waitpid(status.pid, 0)


def test_a_process_id_that_was_used_again_is_not_our_server(tmp_path: Path) -> None:
    store = Store.open(tmp_path / ".modelwright")
    making.promote(store, making.publish(store, "table"))
    process.start(making.settings(store))
    path = state_path(store.root, "server")
    document = json.loads(path.read_text())
    process.stop(store.root)
    path.write_text(json.dumps({**document, "pid": os.getpid()}))
    status = read_state(store.root, "server")
    assert (status.running, status.stale) == (False, True)
    assert process.stop(store.root).running is False  # and we are still here
    path.write_text("{half")
    assert read_state(store.root, "server").running is False


def test_a_taken_port_is_one_clear_error(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start("table")
    other = Store.open(tmp_path / "other" / ".modelwright")
    making.promote(other, making.publish(other, "table"))
    from dataclasses import replace

    with pytest.raises(InputError) as caught:
        process.start(replace(making.settings(other), port=running.port))
    assert caught.value.code == "address-unavailable"


def test_a_package_may_be_served_by_name_and_is_then_not_swapped(tmp_path: Path) -> None:
    store = Store.open(tmp_path / ".modelwright")
    first, second = making.publish(store, "table"), making.publish(store, "table", 1.0)
    making.promote(store, second)
    status = process.start(making.settings(store, package=first[:12]))
    try:
        making.promote(store, first)
        making.promote(store, second)
        time.sleep(0.4)
        assert httpx.get(f"{status.url}/").json()["package"] == first
    finally:
        process.stop(store.root)


def test_a_full_disk_refuses_instead_of_answering(tmp_path: Path) -> None:
    """The file size limit of the process stands for a disk that is full."""
    store = Store.open(tmp_path / ".modelwright")
    making.promote(store, making.publish(store, "table"))
    code = (
        "import resource, signal, sys, pathlib\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from modelwright.deploy.server import serve\n"
        "from modelwright.deploy.settings import ServeSettings\n"
        "def ready(url):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))\n"
        "    print(url, flush=True)\n"
        "serve(ServeSettings(store=pathlib.Path(sys.argv[1]), port=0), ready)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        answers: list[dict[str, Any]] = []
        refused: list[httpx.Response] = []
        with httpx.Client(base_url=url) as client:
            big = {"color": "x" * 2000, "size": 1}
            for count in range(6):
                answer = client.post("/predict", json={**big, "size": count})
                (answers if answer.status_code == 200 else refused).append(
                    answer.json() if answer.status_code == 200 else answer  # type: ignore[arg-type]
                )
            huge = client.post("/predict", json={"color": "x" * 5000})
            assert (huge.status_code, huge.json()["code"]) == (503, "log-unavailable")
            assert huge.headers["retry-after"] == "1"
            assert client.post("/predict", json={"color": "red"}).status_code == 200  # a new segment has room
        assert {each["id"] for each in answers} <= {each.id for each in making.logged(store)}
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux")
@pytest.mark.slow
def test_memory_of_large_pictures_is_given_back(start: Callable[..., Running]) -> None:
    server = start("image")
    file = io.BytesIO()
    Pillow.new("RGB", (3000, 2000), (40, 90, 160)).save(file, "JPEG")

    def resident() -> int:
        pages = int(Path(f"/proc/{server.status.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20

    def post(_: int) -> int:
        return httpx.post(f"{server.url}/predict", content=file.getvalue(), timeout=60).status_code

    assert post(0) == 200
    before = resident()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(12))) == {200}
    assert resident() < before + 60  # 12 pictures are 200 MiB, four at once 70


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, modelwright.deploy.protocol, modelwright.deploy.server, modelwright.deploy.watcher\n"
        "import modelwright.deploy.served, modelwright.store, modelwright.store.logs, modelwright.deploy.child\n"
        "from modelwright.tasks.base import modality, target\n"
        "for name in ('image', 'table'): modality(name)\n"
        "for name in ('category', 'number'): target(name)\n"
        "heavy = {'torch', 'sklearn', 'lightgbm', 'pyarrow', 'onnx', 'matplotlib', 'pandas', 'scipy', 'sqlalchemy',\n"
        "         'prometheus_client', 'starlette', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
