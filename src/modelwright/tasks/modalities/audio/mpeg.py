"""MPEG audio frame by frame (ISO 11172-3 section 2.4.1.3, ISO 13818-3): what is whole, and what is missing.

The decoder behind libsndfile skips damage silently as far as its answer goes, and loudly on standard error. It is given
whole frames only, and what a cut-off file announced is compared with what there is.
"""

from __future__ import annotations

from dataclasses import dataclass

_RATES = (44_100, 48_000, 32_000)
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by version (2.5 counts as 2) and layer."""
_FARTHEST = 1 << 16
"""Bytes in which the next frame is looked for behind damage."""
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")
"""What may stand behind the last frame."""


@dataclass(frozen=True)
class Frames:
    """The whole frames of a file.

    Parameters
    ----------
    data
        Their bytes, one after the other.
    missing
        Share of the frames that were announced, or begun, and are not there.
    """

    data: bytes
    missing: float


def beginning(raw: bytes) -> int:
    """Return where the first byte behind ID3 tags is (ID3v2.4, section 3.1)."""
    at = 0
    while raw[at : at + 3] == b"ID3" and len(raw) >= at + 10:
        size = 0
        for part in raw[at + 6 : at + 10]:
            size = size << 7 | part & 0x7F
        at += 10 + size + (10 if raw[at + 5] & 0x10 else 0)
    return at


def is_frame(raw: bytes, at: int = 0) -> bool:
    """Say whether a frame's header is at ``at``."""
    return _length(raw, at) > 0


def whole_frames(raw: bytes, most: int = 1 << 40) -> Frames:
    """Return the whole frames of a file, the first that hold ``most`` samples; none if there are no two in a row."""
    at = _next(raw, beginning(raw))
    pieces: list[bytes] = []
    samples = lost = 0
    while at >= 0 and samples < most:
        length = _length(raw, at)
        if length and at + length <= len(raw):
            pieces.append(raw[at : at + length])
            samples += _samples(raw, at)
            at += length
            continue
        if at >= len(raw) or raw.startswith(_TAGS, at) or not raw[at : at + 4096].strip(b"\0"):
            break
        lost += 1
        at = _next(raw, at + 1)
    if not pieces:
        return Frames(b"", 0.0)
    announced = _announced(pieces[0])
    if announced == len(pieces) - 1:  # the first one holds the announcement, and no sound
        return Frames(b"".join(pieces), 0.0)
    if announced:
        missing = max(0.0, 1.0 - (len(pieces) - 1) / announced)
        return Frames(b"".join([_announcement(pieces[0], pieces[1:]), *pieces[1:]]), missing)
    missing = lost / (len(pieces) + lost)
    if len({piece[2] >> 4 for piece in pieces}) > 1:  # else the length is guessed from the first frame's bit rate
        pieces.insert(0, _announcement(pieces[0], pieces))
    return Frames(b"".join(pieces), missing)


def _next(raw: bytes, start: int) -> int:
    """Return where the next frame is that another one, a tag or the end follows; -1 if there is none near."""
    at = raw.find(b"\xff", start, start + _FARTHEST)
    while at >= 0:
        length = _length(raw, at)
        after = at + length
        if length and (after == len(raw) or _length(raw, after) or raw.startswith(_TAGS, after)):
            return at
        at = raw.find(b"\xff", at + 1, start + _FARTHEST)
    return -1


def _length(raw: bytes, at: int) -> int:
    """Return the bytes of the frame at ``at``, or 0 if there is none."""
    if len(raw) < at + 4 or raw[at] != 0xFF or raw[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = raw[at + 1] >> 3 & 3, 4 - (raw[at + 1] >> 1 & 3)
    bits, rate, padding = raw[at + 2] >> 4, raw[at + 2] >> 2 & 3, raw[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:
        return 0
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kilobits = _BIT_RATES[1 if version == 3 else 2, layer][bits - 1]
    if layer == 1:
        return (12_000 * kilobits // hertz + padding) * 4
    return (72_000 if layer == 3 and version != 3 else 144_000) * kilobits // hertz + padding


def _samples(raw: bytes, at: int) -> int:
    """Return the samples of each channel in the frame at ``at``."""
    version, layer = raw[at + 1] >> 3 & 3, 4 - (raw[at + 1] >> 1 & 3)
    if layer == 1:
        return 384
    return 576 if layer == 3 and version != 3 else 1152


def _announcement(like: bytes, frames: list[bytes]) -> bytes:
    """Return a frame with a Xing header for ``frames``, of the version, layer and rate of ``like``."""
    header = bytearray(like[:4])
    header[1] |= 0x01  # no checksum follows
    for index in range(1, 15):
        header[2] = index << 4 | header[2] & 0x0C
        if _length(bytes(header), 0) >= 64:
            break
    made = bytearray(_length(bytes(header), 0))
    made[:4] = header
    at = _place(bytes(made))
    size = len(made) + sum(len(frame) for frame in frames)
    made[at : at + 16] = b"Xing" + (3).to_bytes(4, "big") + len(frames).to_bytes(4, "big") + size.to_bytes(4, "big")
    return bytes(made)


def _place(frame: bytes) -> int:
    """Return where in a frame a Xing or Info header stands: behind the side information."""
    first, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    return 4 + ((17 if mono else 32) if first else (9 if mono else 17))


def _announced(frame: bytes) -> int:
    """Return how many frames a Xing or Info header says there are, or 0."""
    at = _place(frame)
    if frame[at : at + 4] not in {b"Xing", b"Info"} or not frame[at + 7] & 1:
        return 0
    return int.from_bytes(frame[at + 8 : at + 12], "big")
