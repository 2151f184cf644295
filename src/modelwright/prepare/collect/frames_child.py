"""The process that decodes a video or a camera: frames go out through a pipe, one message each.

Decoders are large bodies of C that meet whatever somebody filmed, and a camera may say nothing for ever: so they run in
a process of their own, with bounded memory, which the reader may end at any time (:mod:`.frames`). It says each
thing in two messages (:mod:`modelwright.engine.framing`): a JSON object, and the bytes of a picture, if any.

Run as ``python -P -m modelwright.prepare.collect.frames_child REQUEST``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from modelwright.engine import framing
from modelwright.prepare.collect.frames_sizes import Sizes
from modelwright.prepare.collect.frames_work import LARGEST, TAKEN, Work, code_of

MEMORY = 2 << 30
"""Address space of this process, at most."""
TICK = 0.5
"""Seconds after which it says that it is alive."""
QUALITY = 95
SIDE = 32
FILE_ONLY = "protocol_whitelist;file"
"""What FFmpeg may open for a file: a playlist named as a video must not lead to other places."""
NETWORK = "rtsp_transport;tcp|protocol_whitelist;http,https,tcp,tls,rtsp,rtsps,rtp,udp,crypto"


class Pipe:
    """Where messages go: the standard output as it was; whatever a library prints goes to the standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._last = time.monotonic()

    def send(self, kind: str, payload: bytes = b"", **facts: Any) -> None:
        """Write one message; ``facts`` are its JSON."""
        head = json.dumps({"kind": kind, **facts}).encode()
        framing.write(self._out, head)
        framing.write(self._out, payload)
        self._out.flush()
        self._last = time.monotonic()

    def tick(self, frames: int) -> None:
        """Say now and then that work goes on."""
        if time.monotonic() - self._last > TICK:
            self.send("tick", frames=frames)


def main() -> int:
    """Decode what the request in the first argument asks for."""
    request = json.loads(sys.argv[1])
    pipe = Pipe()
    _bound_memory()
    live = bool(request["live"])
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = NETWORK if live else FILE_ONLY
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    try:
        import cv2
    except ImportError:
        pipe.send("missing")
        return 1
    pipe.send("loaded")
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture()
    limit = int(1000 * float(request["timeout"]))
    device = request["device"]
    if device is not None:
        opened = capture.open(int(device), cv2.CAP_ANY)
    else:
        wanted = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
        opened = capture.open(request["target"], cv2.CAP_FFMPEG, wanted)
    if not opened:
        pipe.send("closed")
        return 0
    work = None
    trouble = "large" if _size(cv2, capture) > LARGEST else ""
    if not live and not trouble:
        work = _look_through(cv2, capture, request, pipe)
        trouble = "" if work is not None else "again"
    if trouble:
        pipe.send("ended", why=trouble, read=0, undecoded=0, seconds=0.0)
        return 0
    pipe.send(
        "opened",
        rate=_figure(capture.get(cv2.CAP_PROP_FPS)),
        frames=_figure(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
    )
    _read(cv2, capture, pipe, request, work)
    return 0


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:
        return  # not on this system
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _figure(value: float) -> float:
    return float(value) if value == value and 0.0 <= value < 1e12 else 0.0  # noqa: PLR0124 - NaN


def _size(cv2: Any, capture: Any) -> float:
    """Return the pixels of a frame, as the container says."""
    return _figure(capture.get(cv2.CAP_PROP_FRAME_WIDTH)) * _figure(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))


def _look_through(cv2: Any, capture: Any, request: dict[str, Any], pipe: Pipe) -> Work | None:
    """Look at all packets of a file, without decoding them; None if they are far more than it can hold."""
    code = code_of(int(_figure(capture.get(cv2.CAP_PROP_FOURCC))))
    work = Work(int(request["size"]), int(request["pixels"]), code)
    packets = cv2.VideoCapture(request["target"], cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    there, extra = packets.retrieve(None, int(packets.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
    sides = [int(_figure(capture.get(side))) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    sizes = Sizes(code, (sides[0], sides[1]), extra.tobytes() if there and extra is not None else b"")
    while packets.grab():
        there, packet = packets.retrieve()
        if not there or packet is None:
            break
        data = packet.tobytes()
        if not work.holds(data):
            return None
        sizes.look(data)
        pipe.tick(0)
    work.at_least(sizes.largest)
    packets.release()
    return work


class Chooser:
    """Which frames are kept: one each so many seconds, and of those the ones that differ from the last one kept."""

    def __init__(self, every: float, change: float | None) -> None:
        self._every, self._change = every, change
        self._due = 0.0
        self._last: Any = None

    def due(self, seconds: float) -> bool:
        """Whether the next frame is to be looked at."""
        if seconds + 1e-9 < self._due:
            return False
        self._due = seconds + self._every
        return True

    def differs(self, cv2: Any, frame: Any) -> bool:
        """Whether a frame differs from the last one kept: the mean difference of small grey copies, 0 to 1."""
        if self._change is None:
            return True
        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype("float32") / 255.0
        if self._last is not None and float(abs(small - self._last).mean()) < self._change:
            return False
        self._last = small
        return True


def _read(cv2: Any, capture: Any, pipe: Pipe, request: dict[str, Any], work: Work | None) -> None:
    live = bool(request["live"])
    chooser = Chooser(float(request["every"]), request["change"])
    rate = _figure(capture.get(cv2.CAP_PROP_FPS)) or 25.0
    began = time.monotonic()
    read = kept = undecoded = 0
    seconds = -1.0
    why = "end"
    pixels = _size(cv2, capture)
    while True:
        if live and request["seconds"] is not None and time.monotonic() - began >= request["seconds"]:
            why = "time"
            break
        if not capture.grab():
            break
        now = time.monotonic() - began if live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        # Containers with broken clocks: time never goes back or stands still.
        seconds = now if now > seconds else seconds + 1.0 / rate
        read += 1
        pipe.tick(read)
        if work is not None and not work.pays(pixels):
            why = "bomb"
            break
        if not chooser.due(max(seconds, 0.0)):
            continue
        there, frame = capture.retrieve()
        if not there or frame is None or frame.size == 0 or frame.shape[0] * frame.shape[1] > LARGEST:
            undecoded += 1
            continue
        if frame.ndim == 2:
            frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        if not chooser.differs(cv2, frame):
            continue
        if work is not None and not work.pays(TAKEN * pixels):
            why = "bomb"
            break
        fine, encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not fine:
            undecoded += 1
            continue
        pipe.send("frame", encoded.tobytes(), seconds=round(max(seconds, 0.0), 3))
        kept += 1
        if kept >= request["most"]:
            why = "most"
            break
    pipe.send("ended", why=why, read=read, undecoded=undecoded, seconds=round(max(seconds, 0.0), 3))


if __name__ == "__main__":
    sys.exit(main())
