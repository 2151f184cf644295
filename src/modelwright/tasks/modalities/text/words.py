"""Words and characters of a text in any script: what is the same to a reader becomes the same, then it is cut.

Unicode's general categories decide what belongs to a word (letters, marks, numbers), so that no list of languages is
needed. Scripts that are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) are cut into
characters; pairs of these are what the two-word features see.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CHARACTERS = 16_384
"""Characters of a text that are looked at; what follows is counted, and not read."""
MOST_WORDS = 4_096
LONGEST_WORD = 64
_LEAST_CHARACTERS = 128
_LEAST_WORDS = 32
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_STACKED = re.compile(f"([{_MARKS}]{{2}})[{_MARKS}]+")
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)


@cache
def _runs() -> re.Pattern[str]:
    """Return what matches more than eight combining marks in a row, of any script.

    Bringing marks into their canonical order takes the square of their number: half a second for 16,384 of them.
    """
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code))]
    starts = [code for code in marks if not unicodedata.combining(chr(code - 1))]
    stops = [code for code in marks if not unicodedata.combining(chr(code + 1))]
    ranges = "".join(f"{chr(one)}-{chr(last)}" for one, last in zip(starts, stops, strict=True))
    return re.compile(f"([{ranges}]{{8}})[{ranges}]+")


class _Cutter(dict[int, Any]):
    """For :meth:`str.translate`: characters of words stay, formatting disappears, the rest becomes a space."""

    def __missing__(self, code: int) -> int | str | None:
        char = chr(code)
        category = unicodedata.category(char)
        made: int | str | None = " "
        if category[0] in "LMN":
            spaced = category[0] != "M" and any(low <= code <= high for low, high in _SPACELESS)
            made = f" {char} " if spaced else code
        elif category == "Cf":
            made = None
        if len(self) < 1 << 16:
            self[code] = made
        return made


class _Plain(dict[int, Any]):
    """For :meth:`str.translate`: control and formatting characters disappear, whatever separates becomes a space."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        made: int | str | None = code
        if category[0] == "Z" or code in {9, 10, 11, 12, 13, 0x85}:
            made = " "
        elif category[0] == "C" and category != "Co":
            made = None
        if len(self) < 1 << 16:
            self[code] = made
        return made


_CUTTER, _PLAIN = _Cutter(), _Plain()


def normal(text: str) -> str:
    """Return a text in one form: NFKC, lower case, single spaces, no control characters, at most two marks a letter.

    Examples
    --------
    >>> normal("  Ｆｕｌｌ\\tWIDTH\\u202e ﬁn\\u0000 "), normal("Z\\u0351\\u0351\\u0351\\u0351a") == "z\\u0351\\u0351a"
    ('full width fin', True)
    """
    text = text[:MOST_CHARACTERS]
    if text.isascii():
        made = text.lower()
    else:
        made = unicodedata.normalize("NFKC", _runs().sub(r"\1", text)).lower()
        made = _STACKED.sub(r"\1", made)
        made = unicodedata.normalize("NFC", made)  # lower-casing can take a letter and its mark apart
    return " ".join(made.translate(_PLAIN).split())[:MOST_CHARACTERS]


def words(plain: str) -> list[str]:
    """Return the words of a :func:`normal` text, at most :data:`MOST_WORDS`.

    Numbers of five digits and more hardly come up twice; what stays of them is how long they are.

    Examples
    --------
    >>> words("call 08712300220 now: it's 50% off"), words("東京 tower")
    (['call', '00000000000', 'now', 'it', 's', '50', 'off'], ['東', '京', 'tower'])
    """
    found = _LONG_NUMBER.sub(_zeros, plain.translate(_CUTTER)).split()
    return [word[:LONGEST_WORD] for word in found[:MOST_WORDS]]


def _zeros(found: re.Match[str]) -> str:
    return "0" * min(len(found[0]), LONGEST_WORD)


def padded(plain: str, cut: list[str]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return ``words (1, l) object`` and ``characters (1, 4 l) int32``, filled up with "" and -1.

    ``l`` is 32, 64, 128, … 4,096: the smallest that holds both, so that texts of about one length share a batch.
    """
    width = _LEAST_WORDS
    while width < MOST_WORDS and (width < len(cut) or 4 * width < len(plain)):
        width *= 2
    strings = np.full((1, width), "", object)
    strings[0, : len(cut)] = cut
    codes = np.full((1, 4 * width), -1, np.int32)
    codes[0, : len(plain)] = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), "<i4")
    return strings, codes


def plain_of(codes: NDArray[np.int32]) -> str:
    """Return the text of one row of ``characters``."""
    there = codes[codes >= 0]
    return there.astype("<i4").tobytes().decode("utf-32-le", "surrogatepass")


def words_of(row: NDArray[Any]) -> list[str]:
    """Return the words of one row of ``words``, without the padding."""
    return [word for word in row.tolist() if word]


SCRIPTS = (
    "none",
    "latin",
    "cyrillic",
    "greek",
    "arabic",
    "hebrew",
    "devanagari",
    "bengali",
    "tamil",
    "telugu",
    "thai",
    "georgian",
    "armenian",
    "ethiopic",
    "hangul",
    "kana",
    "han",
    "other",
)
"""Names of scripts by code; ``none`` has no letters."""
_NAMED = {
    "LATIN": 1,
    "CYRILLIC": 2,
    "GREEK": 3,
    "ARABIC": 4,
    "HEBREW": 5,
    "DEVANAGARI": 6,
    "BENGALI": 7,
    "TAMIL": 8,
    "TELUGU": 9,
    "THAI": 10,
    "GEORGIAN": 11,
    "ARMENIAN": 12,
    "ETHIOPIC": 13,
    "HANGUL": 14,
    "HIRAGANA": 15,
    "KATAKANA": 15,
    "CJK": 16,
}


@cache
def script(char: str) -> int:
    """Return the code in :data:`SCRIPTS` of a letter, from the first word of its Unicode name."""
    return _NAMED.get(unicodedata.name(char, "").partition(" ")[0], len(SCRIPTS) - 1)
