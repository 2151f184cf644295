"""What decoding a recording may cost: as much as its size pays for, in pixels and packets, never in seconds.

A megabyte can hold 80,000 frames that say no more than "the last one again", a table of places in which every entry is
the same frame, or packets that unpack to a thousand times their size. What is cut off is the same on any machine.
"""

from __future__ import annotations

LARGEST = 50_000_000
"""Pixels of a frame, at most: 8K has 33 million."""
ANYWAY, ANYWAY_WHOLE = 2 << 30, 1 << 28
"""Pixels that are decoded of any file: where frames follow from each other, where each stands for itself."""
WHOLE = 1_000
"""Pixels that a byte may stand for where each frame stands for itself: black in JPEG 2000 has 850, in FFV1 480."""
_FOLLOWING = """h264 avc1 avc3 x264 hevc hvc1 hev1 x265 vp80 vp90 vp08 vp09 av01 fmp4 mp4v xvid divx dx50 div3 mp41 mp42
mp43 mpg1 mpg2 mpeg m2v1 mp1v mp2v h263 s263 h261 flv1 wmv1 wmv2 wmv3 wvc1 theo rv20 rv30 rv40 svq1 svq3 cvid"""
FOLLOWING = frozenset(_FOLLOWING.split()) | {chr(kind) + 3 * chr(0) for kind in (1, 2, 16, 27, 36)}
"""Codes of formats in which a frame may say that it is the last one again, which costs a nanosecond a pixel; the last
are stream types of MPEG-2 (ISO 13818-1, table 2-34). A frame of any other format costs some ten."""
_PICTURES = (b"\x89PNG", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")
"""How packets begin that are pictures, whatever the container calls them: PNG, JPEG 2000."""
TAKEN = 8
"""Pixels decoded that cost as much as compressing one that is taken."""
LEAST = 40_000
"""Pixels that the smallest frame counts for."""
_SPARE = 1 << 20


def code_of(number: int) -> str:
    """Return the four letters of a format, small, from their number: the first is in the lowest byte.

    Examples
    --------
    >>> code_of(875967080)
    'h264'
    """
    return number.to_bytes(8, "little")[:4].decode("latin-1").lower()


def _pixels(picture: bytes) -> int:
    """Return the pixels of a PNG (IHDR) or a JPEG 2000 (SIZ), as its first bytes say; those of the largest if not."""
    at = 16 if picture[:4] == _PICTURES[0] else max(picture[:4096].find(_PICTURES[1]), 0) + 8
    width, height = (int.from_bytes(picture[at + more : at + more + 4], "big") for more in (0, 4))
    return min(width * height, LARGEST) or LARGEST


class Work:
    """Counts what decoding a file costs.

    Parameters
    ----------
    size
        Bytes of the file.
    pixels
        That a byte may stand for, where frames may follow from each other.
    code
        Of the format, four letters, small.
    """

    def __init__(self, size: int, pixels: int, code: str) -> None:
        self._size, self._pixels = size, pixels
        self._follows = code in FOLLOWING
        self._bytes = self._cost = 0
        self._least = LEAST

    def holds(self, packet: bytes) -> bool:
        """Count a packet before anything is decoded; whether a file of this size can hold all of them.

        Each packet of a sound file is in it once, with some bytes more than the file says.
        """
        self._bytes += len(packet)
        if packet.startswith(_PICTURES):
            self._follows, self._least = False, max(self._least, _pixels(packet))
        return self._bytes <= 2 * self._size + _SPARE

    def at_least(self, pixels: int) -> None:
        """Count each frame as one of so many pixels, if not as more."""
        self._least = max(self._least, pixels)

    def pays(self, pixels: float) -> bool:
        """Count a frame, as pixels that are decoded; whether the file's size still pays for all of them."""
        self._cost += max(int(pixels), self._least)
        if self._follows:
            return self._cost <= max(ANYWAY, self._pixels * self._size)
        return self._cost <= max(ANYWAY_WHOLE, min(self._pixels, WHOLE) * self._size)
