"""What a package costs: latency and memory, measured in a process of its own that does nothing else.

``python -m modelwright.runtime.footprint PACKAGE`` reads raw samples from standard input, each as a little-endian
``u32`` length and its bytes, and writes one JSON object.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from modelwright.errors import ModelwrightError

WARM_UP = 10
_LENGTH = struct.Struct("<I")


def measure(package: Path, raws: Sequence[bytes], timeout: float = 300.0) -> dict[str, Any]:
    """Measure a package in a fresh process, one sample at a time from raw bytes, one thread.

    Parameters
    ----------
    package
        A package's file or folder.
    raws
        Samples; each is answered once, after ten to warm up.
    timeout
        Seconds after which the process is ended.

    Returns
    -------
    dict
        ``latency_p50_ms``, ``latency_p95_ms`` (decode, graph and answer), ``peak_memory_mb`` (resident, the whole
        process, MB = 10⁶ bytes), ``samples``, and ``latencies_ms`` for a histogram.

    Raises
    ------
    ModelwrightError
        If the process fails or takes too long.
    """
    given = b"".join(_LENGTH.pack(len(raw)) + raw for raw in raws)
    command = [sys.executable, "-m", "modelwright.runtime.footprint", str(package)]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelwrightError(f"measuring {package} took longer than {timeout:.0f} s", code="too-slow") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise ModelwrightError(f"measuring {package} failed: {last[0][:300]}", code="measuring-failed")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _samples(file: BinaryIO) -> Iterator[bytes]:
    while head := file.read(_LENGTH.size):
        yield file.read(_LENGTH.unpack(head)[0])


def _peak_bytes() -> int:
    """Return the largest resident size of this process since it was started."""
    # Linux's ru_maxrss still holds what the parent had before exec: the status file counts this program alone.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _main(package: str) -> dict[str, Any]:
    import numpy as np

    from modelwright.runtime.predictor import Predictor
    from modelwright.runtime.reader import PackageReader

    with PackageReader.open(package) as reader:
        predictor = Predictor(reader)
    latencies = []
    warm: list[bytes] = []
    for raw in _samples(sys.stdin.buffer):
        while len(warm) < WARM_UP:
            warm.append(raw)
            predictor.predict([raw])
        start = time.perf_counter_ns()
        predictor.predict([raw])
        latencies.append((time.perf_counter_ns() - start) / 1e6)
    p50, p95 = np.percentile(latencies, (50, 95)) if latencies else (0.0, 0.0)
    return {
        "latency_p50_ms": float(p50),
        "latency_p95_ms": float(p95),
        "peak_memory_mb": _peak_bytes() / 1e6,
        "samples": len(latencies),
        "latencies_ms": latencies,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(sys.argv[1])))
