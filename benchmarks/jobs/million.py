"""A million tiny files: the first ``mw prepare``, and a second one after one file changed.

Each is a PNG of 4 × 4 grey pixels, some 86 bytes, all different, in ten class folders of a hundred folders each. What
the disk allows is measured beside it: a loop that lists, opens and reads the same files, and does nothing with them.
The folder lies in the system's temporary folder, or where ``MODELWRIGHT_MILLION`` says; it is kept for the next time.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from benchmarks.environments import clean_environment, ours
from benchmarks.measure import Record, alone

COUNT = int(os.environ.get("MODELWRIGHT_MILLION_FILES", "1000000"))
COMMAND = "python -m benchmarks --jobs million"
SPEC = "input: image\noutput: category\nsources:\n  - folder: pictures/\n"
READ = """
import json, os, sys, time
began = time.perf_counter()
count = 0
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb", buffering=0) as file:
            file.readall()
        count += 1
print(json.dumps({"seconds": time.perf_counter() - began, "files": count}))
"""
PREPARE = """
import json, resource, sys, time
began = time.perf_counter()
import modelwright
modelwright.open(sys.argv[1]).prepare()
most, child = (resource.getrusage(each).ru_maxrss / 1024 for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"seconds": time.perf_counter() - began, "megabytes": most, "child": child}))
"""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def picture(pixels: bytes) -> bytes:
    """Return a PNG of 4 × 4 grey pixels."""
    rows = b"".join(b"\0" + pixels[4 * row : 4 * row + 4] for row in range(4))
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")


def folder() -> Path:
    """Return the project's folder, its files made once."""
    root = Path(os.environ.get("MODELWRIGHT_MILLION", tempfile.gettempdir())) / f"modelwright-{COUNT}-files"
    if (root / ".made").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    draw = random.Random(0)
    for number in range(COUNT):
        place = root / "pictures" / str(number % 10) / f"{number // 10 % 100:02d}"
        if number < 1000:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:07d}.png").write_bytes(picture(draw.randbytes(16)))
    (root / "modelwright.yaml").write_text(SPEC)
    (root / ".made").touch()
    return root


def _asked(python: Path, code: str, argument: Path) -> dict[str, float]:
    done = subprocess.run(
        [str(python), "-c", code, str(argument)], check=True, env=clean_environment(), capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(pairs: int) -> list[Record]:  # noqa: ARG001 - one round takes minutes
    """Measure once: reading alone, the first time, the second time after a change."""
    root, python = folder(), ours("all")
    shutil.rmtree(root / ".modelwright", ignore_errors=True)
    first = _asked(python, PREPARE, root)
    reading = _asked(python, READ, root / "pictures")
    changed = root / "pictures" / "3" / "07" / f"{73:07d}.png"
    changed.write_bytes(picture(os.urandom(16)))
    second = _asked(python, PREPARE, root)
    note = f"{COUNT:,} files; reading them and nothing else took {reading['seconds']:.0f} s"
    return [
        _figure(
            "first mw prepare, s",
            first["seconds"],
            "s",
            "what the disk allows: ≤ 3 × reading alone",
            note,
            3 * reading["seconds"],
        ),
        _figure("second mw prepare, one file changed, s", second["seconds"], "s", "≤ 10 s", note, 10.0),
        _memory("first", first, note),
        _memory("second", second, note),
    ]


def _memory(which: str, found: dict[str, float], note: str) -> Record:
    most = f"{note}; its largest child process {found['child']:.0f} MB"
    return _figure(f"peak memory of the {which}", found["megabytes"], "MB", "≤ 1,000 MB", most, 1000.0)


def _figure(measure: str, value: float, unit: str, goal: str, note: str, most: float) -> Record:
    return alone(
        "million", measure, [value], unit=unit, goal=goal, met=lambda found: found <= most, command=COMMAND, note=note
    )
