"""Recordings and a network camera, made on the spot."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT, RATE = 96, 64, 10


def picture(number: int, colour: int = 0, scene: int = 0) -> np.ndarray:
    """Return one frame: a bright square that moves, over noise of its own, in front of what the scene has."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    left = 4 * number % (WIDTH - 20)
    if scene:
        blocks = np.random.default_rng(scene).integers(0, 120, (HEIGHT // 16, WIDTH // 16, 1), np.uint8)
        pixels += blocks.repeat(16, 0).repeat(16, 1)
    pixels[20:40, left : left + 20, colour] = 230
    return pixels


def film(path: Path, count: int, *, colour: int = 0, still: bool = False, scene: int = 0) -> Path:
    """Write a recording of ``count`` frames at ten a second."""
    codes = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "mp4v"}
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codes[path.suffix]), RATE, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(count):
        writer.write(picture(0 if still else number, colour, scene))
    writer.release()
    return path


@contextmanager
def camera(pictures: int, *, after: str = "close", gap: float = 0.02) -> Iterator[str]:
    """Serve MJPEG over HTTP as network cameras do: so many pictures, then the line is closed, or hangs."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                for number in range(pictures):
                    data = cv2.imencode(".jpg", picture(number))[1].tobytes()
                    self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                    self.wfile.write(data + b"\r\n")
                    self.wfile.flush()
                    if ended.wait(gap):
                        return
            except OSError:
                return
            if after == "hang":
                ended.wait(60)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stream"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
