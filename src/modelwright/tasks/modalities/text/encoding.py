"""From bytes to text, whatever the encoding: what the bytes say of themselves first, evidence where they say nothing.

Order: a byte order mark; strict UTF-8; UTF-16 by where its NUL bytes lie; UTF-8 with a few damaged places; then the
old encodings, each tried and judged by what it makes of the bytes above 127. Nothing here raises, whatever the bytes.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SINGLE = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256")
_LATIN = frozenset({"cp1252", "cp1250", "cp1254"})
_DOUBLE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
_EVIDENCE = 8192
"""Bytes by which old encodings are judged."""
_RUSSIAN = frozenset(range(0xC0, 0xE0)) | frozenset(range(0xFB, 0x100))
_LONE = re.compile("[\ud800-\udfff]")
_COMMON = {
    "cp1252": "éñäüèöáàíóçßøåãæêúòâîôœëùìïûõÉÖÜÄÅØ«»’‘“”–—…€£°º¿¡",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäășțăâîłŁŚŻŽŠČ„”–’“",
    "cp1251": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё–«»",
    "koi8_r": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "cp1253": "αιοεντσςρκπμλυηχγδφθωβξζψάέίόήύώ",
    "cp1254": "ışğçöüİŞâîÇÖÜ’“”",
    "cp1255": "יוהלארמבתשנדקצחעפגםזטסןכךץף",
    "cp1256": "اليمنوترهدبعسكقفحجشةطىصخأضذزثظغءئؤآ",
}
"""Letters (and quotation marks) that are usual in the languages an encoding was made for, most of them lower case."""
_FLUENT = frozenset("的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会")


@dataclass(frozen=True)
class Reading:
    """A text as read from bytes.

    Parameters
    ----------
    text
        Without a byte order mark and without lone surrogates (each became U+FFFD).
    encoding
        The codec's name.
    damaged
        Places that could not be decoded and became U+FFFD.
    how
        Why this encoding: ``mark``, ``valid``, ``nul bytes``, ``mostly valid`` or ``evidence``.
    """

    text: str
    encoding: str
    damaged: int
    how: str


def read(raw: bytes) -> Reading:
    """Return the text in ``raw``.

    Examples
    --------
    >>> read("déjà vu à Noël".encode("cp1252")).text, read("дом и сад стоят".encode("koi8_r")).encoding
    ('déjà vu à Noël', 'koi8_r')
    """
    for mark, name in _BOMS:
        if raw.startswith(mark):
            return _clean(raw[len(mark) :], name, "mark")
    wide = _wide(raw)
    if wide:
        return _clean(raw, wide, "nul bytes")
    try:
        return Reading(raw.decode("utf-8"), "utf-8", 0, "valid")
    except UnicodeDecodeError:
        pass
    if _mostly_utf8(raw):
        return _clean(raw, "utf-8", "mostly valid")
    best = max(
        ((_merit(raw, name), name) for name in _candidates(raw)), default=(0.0, "cp1252"), key=lambda one: one[0]
    )
    return _clean(raw, best[1], "evidence")


def _clean(raw: bytes, encoding: str, how: str) -> Reading:
    text = _LONE.sub("\ufffd", raw.decode(encoding, "replace"))
    return Reading(text, encoding, text.count("\ufffd"), how)


def _wide(raw: bytes) -> str:
    """Return the UTF-16 form whose upper bytes these are, or nothing."""
    head = raw[:_EVIDENCE]
    if len(head) < 4:
        return ""
    # The upper byte of a letter is 0 for Latin, 3 to 6 for Greek, Cyrillic, Hebrew and Arabic, 9 to 15 for India's.
    even, odd = (1.0 - len(part.translate(None, _UPPER)) / len(part) for part in (head[0::2], head[1::2]))
    if max(even, odd) < 0.3 or min(even, odd) > 0.1:
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


_UPPER = bytes(code for code in range(32) if code not in b"\t\n\r")


def _mostly_utf8(raw: bytes) -> bool:
    """Whether what isn't UTF-8 is an accident in what is: two whole sequences for each byte of no sequence.

    An old encoding of single bytes makes hardly a sequence by chance, one of pairs about one in eight letters. What is
    cut off at the end speaks against nothing, and halves of surrogate pairs are made by programs that write UTF-8.
    """
    head = _CUT_OFF.sub(b"", raw[: 4 * _EVIDENCE])
    whole = len(_SEQUENCE.findall(head))
    strays = sum(byte >= 0x80 for byte in _SEQUENCE.sub(b"", head))
    return whole >= 2 * strays if whole else False


_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""A character of UTF-8 beyond ASCII, or half of a surrogate pair (CESU-8, Unicode Technical Report 26)."""
_CUT_OFF = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")


def _candidates(raw: bytes) -> Iterator[str]:
    head = raw[:_EVIDENCE]
    yield from _SINGLE
    # A two-byte encoding leaves long runs of bytes above 127; accents stand alone between letters.
    high = sum(byte >= 0x80 for byte in head)
    pairs = len(re.findall(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]", head))
    if high >= 4 and 2 * pairs >= 0.9 * high:
        yield from _DOUBLE


def _merit(raw: bytes, encoding: str) -> float:
    """Return how much the text looks like one that somebody wrote, about 0 to 1; -1 if the bytes aren't valid."""
    head = raw[:_EVIDENCE]
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3:
            return -0.5 if encoding == "cp1252" and error.reason == "character maps to <undefined>" else -1.0
        text = head[: error.start].decode(encoding)
    if encoding in _DOUBLE:
        return _merit_of_pairs(text, encoding)
    usual = _usual(encoding)
    total, score = 0, 0.0
    before = " "
    for char in text:
        if char >= "\x80":
            total += 1
            score += _weight(char, before, usual, alien=encoding not in _LATIN)
        before = char
    if encoding == "cp1255" and total >= 15 and set(head) & _RUSSIAN == set():
        return score / total + 0.3  # Hebrew has 27 letters and no capitals; Russian would use some of the other bytes
    # Where nothing tells them apart, the most usual of the old encodings.
    return score / max(total, 1) + (0.03 if encoding == "cp1252" else 0.0)


@lru_cache(maxsize=32)
def _usual(encoding: str) -> dict[str, float]:
    letters = _COMMON[encoding]
    return {char: 1.0 - 0.6 * place / len(letters) for place, char in reversed(list(enumerate(letters)))}


def _weight(char: str, before: str, usual: dict[str, float], *, alien: bool) -> float:
    """Return what one character says: 1 for a usual letter, less for others, below 0 for what nobody writes.

    ``alien``: of an encoding for other than Latin letters. Those don't stand in one word with Latin ones; accented
    Latin letters hardly follow each other.
    """
    category = unicodedata.category(char)
    if category == "Cc":
        return -1.0
    if category[0] == "L" and before.isalpha() and before.isascii() == alien:
        return -0.6 if alien else -0.2
    if category == "Lu" and before.islower():
        return -0.6  # a capital within a word: the sign of KOI8 read as Windows-1251, and the other way round
    if char in usual:
        return usual[char]
    if category[0] == "L":
        return 0.5 if char.lower() in usual else 0.15
    if category[0] in "SP" and (before.isalpha() or before.isspace()):
        return 0.05 if category[0] == "P" else -0.3
    return 0.0


def _merit_of_pairs(text: str, encoding: str) -> float:
    total, score = 0, 0.0
    for char in text:
        if char < "\x80":
            continue
        total += 1
        code = ord(char)
        if 0x3040 <= code < 0x3100:
            score += 1.0 if encoding in {"cp932", "euc_jp"} else 0.3
        elif 0xAC00 <= code < 0xD7A4:
            score += 0.95 if encoding == "cp949" and _in_level(char, "euc_kr", 0xB0, 0xC8) else 0.1
        elif 0x4E00 <= code < 0xA000:
            score += 1.0 if char in _FLUENT else _rank(char, encoding)
        elif 0x3000 <= code < 0x3020 or 0xFF00 <= code < 0xFF60:
            score += 0.7
        elif 0xFF61 <= code < 0xFFA0:
            score -= 0.3  # half-width kana, which one byte makes: nearly always a misreading
        else:
            score -= 0.5
    # Characters of two bytes each: half as many as single-byte candidates get, so each weighs a little more.
    return 1.05 * score / max(total, 1)


_LEVELS = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
    "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
}
"""First bytes of the usual characters: the sets put these first. Encoding: the set that says so, from, to."""


def _rank(char: str, encoding: str) -> float:
    """Return how usual a Chinese character is, by where its character set puts it."""
    if encoding not in _LEVELS:
        return 0.3
    return 0.8 if _in_level(char, *_LEVELS[encoding]) else 0.2


def _in_level(char: str, encoding: str, low: int, high: int) -> bool:
    try:
        return low <= char.encode(encoding)[0] <= high
    except UnicodeEncodeError:
        return False


_MOJIBAKE = re.compile(
    "[\u00c3\u00c2][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
    "|\u00e2\u20ac[\u0080-\u00bf\u2122\u0153\u009d\u201c\u201d\u02dc\u00a6\u00a2]?"
    "|(?:[\u00d0\u00d1][\u0080-\u00bf\u0402-\u045f\u2010-\u2122]){2}"
    "|(?:[\u0420\u0421][\u0080-\u00bf\u0402-\u040f\u0452-\u045f\u2010-\u2122\u00a0-\u00bb]){3}"
    "|\u00ef\u00bf\u00bd|\u00ef\u00bb\u00bf"
)


def mojibake(text: str) -> int:
    """Return how often UTF-8 that was taken for Windows-1252, Latin-1 or Windows-1251 shows in a text.

    Examples
    --------
    >>> mojibake("caf\u00c3\u00a9 \u00e2\u20ac\u2122s"), mojibake("caf\u00e9 \u00c3O")
    (2, 0)
    """
    return 0 if text.isascii() else len(_MOJIBAKE.findall(text))
