"""Cases of the sources' contract: recordings, a camera, and what production saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwright.canonical import digest_bytes
from modelwright.prepare.collect.base import Settings, make
from modelwright.store import Store
from modelwright.store.logs import Record
from modelwright.testing.source import SourceCase

from .conftest import picture as jpeg


def video_case(root: Path) -> SourceCase:
    pytest.importorskip("cv2")
    from .filming import film

    (root / "films/x").mkdir(parents=True)
    film(root / "films/x/a b.avi", 20)
    (root / "films/x/ü.mp4").write_bytes(b"")
    store = Store.open(root / ".modelwright")

    def change() -> None:
        film(root / "films/x/c.avi", 12)

    return SourceCase(
        lambda: make("video", Settings("films", root=root, store=store)),
        change,
        lambda: make("video", Settings("nowhere", root=root, store=store)),
        root,
    )


def camera_case(root: Path) -> SourceCase:
    pytest.importorskip("cv2")
    from .filming import camera

    store = Store.open(root / ".modelwright")
    options: dict[str, Any] = {"every": "20ms", "frames": 4}
    with camera(400) as address:
        for take in (2, 1):
            options["take"] = take
            assert make("camera", Settings(address, dict(options), root, store=store)).record()  # type: ignore[attr-defined]
    return SourceCase(
        lambda: make("camera", Settings(address, dict(options), root, store=store)),
        lambda: options.update(take=2),
        lambda: make("camera", Settings("rtsp://127.0.0.1:9/", {"timeout": "1s"}, root, store=store)),
        root,
    )


def answer(
    store: Store, raws: list[bytes], label: str, score: float, start: int = 0, media: str = "image/jpeg"
) -> None:
    """Log answers to some inputs."""
    writer = store.logs.writer("server")
    output = {"label": label, "score": score, "scores": {label: score}}
    writer.append_many(
        [
            Record(f"{label}{n}", (start + n) * 10**9, "0" * 64, digest_bytes(raw), media, raw, output, 5)
            for n, raw in enumerate(raws)
        ]
    )
    writer.close()


def log_case(root: Path) -> SourceCase:
    store = Store.open(root / ".modelwright")
    answer(store, [jpeg(1), jpeg(2)], "apple", 0.9)
    return SourceCase(
        lambda: make("log", Settings("server", {"labels": "all"}, root, store=store)),
        lambda: answer(store, [jpeg(3)], "pear", 0.8, 50),
        lambda: None,
        root,
    )


CASES: dict[str, Callable[[Path], SourceCase]] = {"video": video_case, "camera": camera_case, "log": log_case}
