"""Whether the pictures of a recording keep the size that its container says, seen in its packets, undecoded.

A stream may change its size midway, and the decoding library goes on to say the size that it began with. Sizes stand in
the sequence headers of MPEG-1, MPEG-2 (ISO 13818-2, 6.2.2) and MPEG-4 (ISO 14496-2, 6.2.3), in the parameter sets of
H.264 and H.265 (7.3.1), and in the frames of VP8 (RFC 6386, 9.1) and VP9 (its bitstream specification 0.6, 6.2).
"""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.prepare.collect.frames_work import LARGEST

_START = b"\0\0\1"
_H264 = frozenset({"h264", "avc1", "avc3", "x264", "\x1b\0\0\0"})
_H265 = frozenset({"hevc", "hvc1", "hev1", "x265", "\x24\0\0\0"})
_MPEG_2 = frozenset({"mpg1", "mpg2", "mpeg", "m2v1", "mp1v", "mp2v", "\1\0\0\0", "\2\0\0\0"})
_MPEG_4 = frozenset({"fmp4", "mp4v", "xvid", "divx", "dx50", "\x10\0\0\0"})
_VP8, _VP9 = frozenset({"vp80", "vp08"}), frozenset({"vp90", "vp09"})


class Sizes:
    """Looks at packets one by one.

    Parameters
    ----------
    code
        Of the format, four letters, small.
    size
        Width and height that the container says.
    extra
        What the container has beside the packets: headers that hold for all of them.
    """

    def __init__(self, code: str, size: tuple[int, int], extra: bytes) -> None:
        self._code, self._size = code, size
        self.largest = size[0] * size[1]
        """Pixels of the largest picture seen; where headers change and are not read, :data:`LARGEST`."""
        # ISO 14496-15, 5.3.3.1: parameter sets without start codes between them
        self._sets = extra if code in _H264 | _H265 and extra[:1] == b"\1" else b""
        self._headers: set[bytes] = set()
        if not self._sets:
            self._compare(extra)
        elif code in _H264 and extra[5:6] and extra[5] & 0x1F > 1:
            self.largest = LARGEST

    def look(self, packet: bytes) -> None:
        """Look at a packet."""
        if self._code in _VP8:
            if packet[:1] and not packet[0] & 1:
                self._grow(_vp8(packet))
        elif self._code in _VP9:
            for frame in _vp9_frames(packet):
                self._grow(_vp9(frame) or self._size)
        else:
            self._compare(packet)

    def _grow(self, size: tuple[int, int]) -> None:
        self.largest = max(self.largest, size[0] * size[1])

    def _compare(self, data: bytes) -> None:
        found = set(self._found(data))
        if self._sets:
            changed = any(unit not in self._sets for unit in found)
        else:
            self._headers = self._headers or found
            changed = not found <= self._headers or len(found) > (2 if self._code in _MPEG_2 else 1)
        if changed:
            self.largest = LARGEST

    def _found(self, data: bytes) -> Iterator[bytes]:
        """Yield what says a size."""
        for unit in _units(data):
            kind = unit[0]
            if self._code in _H264:
                wanted = kind & 0x1F == 7
            elif self._code in _H265:
                wanted = kind >> 1 & 0x3F == 33
            elif self._code in _MPEG_2:
                wanted = kind == 0xB3 or (kind == 0xB5 and unit[1:2] >= b"\x10" and unit[1] >> 4 == 1)
            else:
                wanted = self._code in _MPEG_4 and 0x20 <= kind <= 0x2F
            if wanted:
                yield unit[:4] if kind == 0xB3 else unit


def _units(data: bytes) -> Iterator[bytes]:
    """Yield what lies between start codes."""
    at = data.find(_START)
    while at >= 0 and at + 3 < len(data):
        end = data.find(_START, at + 3)
        unit = data[at + 3 : end if end >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        at = end


def _vp8(packet: bytes) -> tuple[int, int]:
    return int.from_bytes(packet[6:8], "little") & 0x3FFF, int.from_bytes(packet[8:10], "little") & 0x3FFF


def _vp9_frames(packet: bytes) -> Iterator[bytes]:
    """Yield the frames of a packet: one, or those that the index at its end tells apart (annex B)."""
    last = packet[-1] if packet else 0
    count, width = (last & 7) + 1, (last >> 3 & 3) + 1
    index = 2 + width * count
    if last & 0xE0 != 0xC0 or len(packet) < index or packet[-index] != last:
        yield packet
        return
    at = 0
    for number in range(count):
        place = len(packet) - index + 1 + width * number
        length = int.from_bytes(packet[place : place + width], "little")
        yield packet[at : at + length]
        at += length


def _vp9(frame: bytes) -> tuple[int, int] | None:
    """Return the size that a frame's header says; None: it is that of an earlier frame."""
    bits = f"{int.from_bytes(frame[:24].ljust(24, bytes(1)), 'big'):0192b}"
    profile = int(bits[3] + bits[2], 2)
    at = 5 if profile == 3 else 4
    if bits[at] == "1":  # an earlier frame is shown again
        return None
    inter, shown, resilient = (bits[at + more] == "1" for more in (1, 2, 3))
    at += 4
    if not inter:
        at += 24
        at += _vp9_colours(bits, at, profile)
    else:
        alone = not shown and bits[at] == "1"
        at += (0 if shown else 1) + (0 if resilient else 2)
        if not alone:
            at += 20
            if "1" in bits[at : at + 3]:
                return None
            at += 3
        else:
            at += 24
            at += (_vp9_colours(bits, at, profile) if profile else 0) + 8
    return int(bits[at : at + 16], 2) + 1, int(bits[at + 16 : at + 32], 2) + 1


def _vp9_colours(bits: str, at: int, profile: int) -> int:
    """Return the bits that say how colours are stored."""
    deep = 1 if profile >= 2 else 0
    if bits[at + deep : at + deep + 3] == "111":
        return deep + 3 + (1 if profile in {1, 3} else 0)
    return deep + 4 + (3 if profile in {1, 3} else 0)
