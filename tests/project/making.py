"""Small data sets, good and bad, and the command line in a process of its own."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "red": (200, 60, 40)}
QUICK = "train: {models: [baseline, logistic], budget: 60s}\n"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    def error(self, code: str | None = None) -> dict[str, str]:
        """Return the error of a refused command, after checking its form: one line, and one document with --json."""
        assert self.status == 2, (self.status, self.out, self.err)
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        assert "Traceback" not in self.err
        found: dict[str, str] = self.document["error"]
        assert set(self.document) == {"error"}
        assert set(found) == {"code", "message", "hint"}
        assert "\n" not in found["message"]
        if code is not None:
            assert found["code"] == code, found
        return found


def call(*arguments: str | bytes, cwd: Path, json: bool = True, env: Mapping[str, str] | None = None) -> Said:
    """Run ``mw`` and return what it said; it may not crash, whatever it says."""
    done = subprocess.run(
        [sys.executable, "-m", "modelwright.cli.main", *arguments, *(["--json"] if json else [])],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
        timeout=120,
    )
    said = Said(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))
    assert "Traceback" not in said.err, said.err
    return said


def pixels(kind: str, seed: int, size: tuple[int, int] = (40, 32)) -> Image.Image:
    """Return an upright RGB picture of a kind: its colour, with noise and blobs that no other picture has."""
    random = np.random.default_rng([seed, sorted(COLOURS).index(kind) if kind in COLOURS else 7])
    blobs = Image.fromarray(random.integers(-60, 60, (5, 5, 3)).astype(np.int8).view(np.uint8))
    waves = np.asarray(blobs.resize(size, Image.Resampling.BICUBIC)).view(np.int8).astype(np.int16)
    base = np.array(COLOURS.get(kind, (90, 160, 90)), np.int16)
    noise = random.integers(-12, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(base + waves // 2 + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """Return an image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def write_photos(folder: Path, count: int = 15, kinds: Sequence[str] = tuple(COLOURS)) -> Path:
    """Write ``count`` good pictures of each kind, a folder a kind."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / kind / f"{number:02}.png").write_bytes(encoded(pixels(kind, number)))
    return folder


def write_spec(folder: Path, text: str, name: str = "tried") -> Path:
    """Write a spec and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modelwright.yaml").write_text(f"name: {name}\n{text}", encoding="utf-8")
    return folder


def image_project(root: Path, count: int = 15, train: str = QUICK) -> Path:
    """Make a project of good pictures of two kinds and return its folder."""
    write_photos(root / "photos", count)
    return write_spec(root, f"input: image\noutput: category\nsources: [{{folder: photos/}}]\n{train}")


def table_rows(count: int = 60, seed: int = 0) -> list[list[str]]:
    """Return a header and rows: two numbers and a word that tell a class."""
    random = np.random.default_rng(seed)
    rows = [["length", "width", "colour", "kind"]]
    for _ in range(count):
        length, width = random.normal(size=2)
        kind = "big" if length + 0.5 * width + 0.2 * random.normal() > 0 else "small"
        rows.append([f"{length:.4f}", f"{width:.4f}", str(random.choice(["red", "green", "blue"])), kind])
    return rows


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV."""
    return "".join(",".join(row) + "\n" for row in rows)


def table_project(root: Path, data: bytes | str, label: str = "kind", train: str = QUICK, more: str = "") -> Path:
    """Make a project of one CSV file and return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.csv").write_bytes(data.encode() if isinstance(data, str) else data)
    text = f"input: table\noutput: category\nlabel: {label}\nsources: [{{table: data.csv}}]\n{more}{train}"
    return write_spec(root, text)


def huge_png(side: int = 50_000) -> bytes:
    """Return a valid 1-bit PNG of ``side`` × ``side`` pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    lines = row * 100
    data = b"".join(packer.compress(lines) for _ in range(side // 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def sound(project: Path) -> None:
    """Check that nothing in a project's store is damaged or half-written, and no temporary file is left."""
    from modelwright.store import Store

    root = project / ".modelwright"
    if not root.exists():
        return
    store = Store.open(root)
    assert list(store.artifacts.verify()) == []
    assert store.annotations.verify() == []
    assert store.decisions.verify() == []
    assert [path for path in (root / "temp").iterdir() if any(path.iterdir())] == []
    store.close()


def digests(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what each step of a run made."""
    return {step["step"]: step["artifact"] for step in document["steps"]}
