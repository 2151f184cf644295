"""Reads a source over and over, each time with one file damaged in another way; run in a process of its own.

Run as ``python damage_child.py JOBS``, a JSON file with sources, the file of each to damage, and the damages. A line of
JSON goes out before and after each one, so that the parent knows which one ended this process: by running longer than
the system's alarm clock allows, by taking more addresses than it may, or by crashing.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelwright import registry
from modelwright.errors import ModelwrightError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Block, Blocked, Item, Rejected, RejectedFileError, Settings, make
from modelwright.prepare.collect.base import read_regular as read
from modelwright.prepare.scan.eye import Eye
from modelwright.store import Store

SECONDS = 10
"""Of work that one damaged file may cost."""
AS_IT_IS = [["as it is", 0]]
WAITING = 60
"""Seconds by the clock: other tests run beside this one."""
ADDRESSES = 3 << 30
"""Bytes of addresses that this process may take; libraries and their threads take one of them."""


def damaged(data: bytes, how: list[Any]) -> bytes:
    """Return a file's bytes, cut off, with bits turned, or with a stretch overwritten, doubled or left out."""
    kind, figure = how
    if kind == "as it is":
        return data
    if kind == "cut":
        return data[: int(figure * len(data))]
    chance = random.Random(figure)
    made = bytearray(data)
    if kind == "bits":
        for _ in range(chance.choice((1, 3, 12, 60))):
            made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
        return bytes(made)
    begin = chance.randrange(len(made))
    length = chance.choice((1, 4, 16, 64))
    if kind == "lost":
        del made[begin : begin + length]
    elif kind == "again":
        made[begin:begin] = made[begin : begin + length]
    else:
        made[begin : begin + length] = bytes([chance.choice((0, 0x7F, 0x80, 0xFF))]) * length
    return bytes(made)


def look(job: dict[str, Any], root: Path, eye: Eye, number: int) -> dict[str, Any]:
    """Read the source as a preparation does; return what came of it.

    ``wrong`` is what must not have happened, ``said`` what was refused (the first twenty), ``items`` the samples.
    """
    wrong: list[str] = []
    said: list[str] = []
    items = 0
    store = Store.open(root / "store")
    settings = Settings(job["location"], job["options"], root, job["input"], job["output"], job["label"], store)
    try:
        source = make(job["kind"], settings)
        with Index(root / f"cache{number}") as index:
            source.fingerprint(index)
        columns = source.survey().columns
        streams: list[Iterator[Item | Block | Rejected]] = [iter(source.items(columns))]
        if isinstance(source, Blocked):
            streams.append(source.blocks(columns))
        for stream in streams:
            items = 0
            for each in stream:
                if isinstance(each, Rejected):
                    said.append(f"{each.kind}: {each.message}")
                    if not each.kind or not each.message or "\n" in each.message:
                        wrong.append(f"an issue without a reason: {each}")
                    if not each.path or each.path.partition("#")[0].partition("@")[0] not in each.message:
                        wrong.append(f"an issue that names no file: {each}")
                elif isinstance(each, Item):
                    said += look_at(each, eye)
                    items += 1
                else:
                    assert isinstance(each, Block)
                    items += each.inputs.num_rows
    except ModelwrightError as error:
        said.append(f"{error.code}: {error.message}")
        if "\n" in error.message or not any(name in error.message for name in job["names"]):
            wrong.append(f"an error that names no file: {error.message!r}")
    except Exception:
        wrong.append(traceback.format_exc())
    return {"wrong": wrong, "said": said[:20], "items": items}


def look_at(item: Item, eye: Eye) -> list[str]:
    """Read and decode a sample, as a preparation does; return why it is none."""
    try:
        raw = item.raw if item.raw is not None else item.fetch() if item.fetch else read(item.file or "")
    except RejectedFileError as error:
        return [f"{error.kind}: {error.message}"]
    return [] if item.row is not None else [f"{each.kind}: {each.message}" for each in eye.scan(raw).problems]


def most_memory() -> int:
    """Return the megabytes that this process has had at most: what ``getrusage`` says begins with its parent's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))


def go_through(job: dict[str, Any]) -> None:
    """Read one source with each of its damages."""
    root = Path(job["root"])
    place = root / job["file"]
    damages = job["damages"]
    whole = place.read_bytes() if damages != AS_IT_IS else b""
    eye = Eye(registry.load("modalities", job["input"])())
    for number, how in enumerate(damages):
        if damages != AS_IT_IS:
            place.write_bytes(damaged(whole, how))
        print(json.dumps({"begins": [job["form"], *how]}), flush=True)
        signal.alarm(WAITING)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        began = time.process_time()
        facts = look(job, root, eye, number)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        facts |= {"seconds": round(time.process_time() - began, 3), "megabytes": most_memory()}
        print(json.dumps({"ended": [job["form"], *how], **facts}), flush=True)


def main() -> None:
    """Go through the jobs."""
    jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    for each in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(each, signal.SIG_DFL)  # ends the process even where it is inside a library
    for job in jobs:
        go_through(job)


if __name__ == "__main__":
    main()
