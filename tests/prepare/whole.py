"""A whole preparation in a process of its own, and what it cost."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN = """
import json, resource, sys
from pathlib import Path
from modelwright import spec
from modelwright.prepare import prepare
from modelwright.store import Store

root = Path(sys.argv[1])
dataset = prepare(spec.load(root / "modelwright.yaml"), Store.open(root / ".modelwright"))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
lines = Path("/proc/self/status").read_text("ascii").splitlines()
print(json.dumps({
    "issues": [[row["kind"], row["sample"], row["message"]] for row in dataset.issues().to_pylist()],
    "paths": dataset.samples().column("path").to_pylist(),
    "seconds": sum(each.ru_utime + each.ru_stime for each in used),
    "megabytes": next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")),
}))
"""


@dataclass(frozen=True)
class Prepared:
    """What came of a preparation: its issues as ``(kind, message)``, its samples' paths, and what it took."""

    issues: list[tuple[str, str]]
    paths: list[str]
    seconds: float
    """Of work, in all processes."""
    megabytes: int
    """At most, in the first process."""

    def said(self, name: str) -> str:
        """Return the kinds and messages of all issues that name a file."""
        return "; ".join(f"{kind}: {message}" for kind, message in self.issues if name in message)


def prepared(root: Path, spec: str) -> Prepared:
    """Run ``prepare`` over a project in a process of its own, and return what came of it."""
    (root / "modelwright.yaml").write_text(spec, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(root)], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    issues = [(kind, message) for kind, _, message in found["issues"]]
    return Prepared(issues, found["paths"], found["seconds"], found["megabytes"])
