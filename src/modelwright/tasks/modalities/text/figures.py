"""Figures of a text: its length, its make-up and its health, each one number."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Problem
from modelwright.tasks.modalities.text.encoding import Reading, mojibake
from modelwright.tasks.modalities.text.words import MOST_CHARACTERS, MOST_WORDS, SCRIPTS, script

NAMES: Mapping[str, str] = {
    "characters": "characters, the whole text",
    "words": "words, up to 4,096",
    "word_length": "mean length of a word, in characters",
    "upper": "share of upper case among letters that have case",
    "digits": "share of digits among all characters but spaces and marks",
    "symbols": "share of what is neither letter, mark, digit nor space",
    "links": "web and mail addresses for every hundred words",
    "lines": "lines that hold something",
    "repetition": "share by which the text can be compressed (zlib, level 1); 0 below 64 bytes",
    "script_share": "share of the commonest script among letters",
    "script": "code of the commonest script",
    "damaged": "characters that could not be decoded, and marks of wrong decoding (Ã© for é)",
    "markup": "remains of HTML (tags, entities such as &lt; and #39;), and backslashes before signs and line ends",
    "controls": "control characters, direction overrides, and marks stacked three high and more",
}
"""What the columns of the tensor ``figures`` are, in order."""
LEARNED = (
    "characters",
    "words",
    "word_length",
    "upper",
    "digits",
    "symbols",
    "links",
    "lines",
    "repetition",
    "script_share",
)
"""Those that models learn from; the others tell of faults."""
LOGGED = frozenset({"characters", "words", "links", "lines"})
"""Counts, which are learned as ``log(1 + x)``."""
_PLACES = {name: place for place, name in enumerate(NAMES)}
_COMPRESSED = 65_536
_LINKS = re.compile(r"https?://\S|www\.\S|\b[\w.+-]{1,64}@[\w-]{1,63}\.\w", re.IGNORECASE)
_MARKUP = re.compile(
    r"&(?:[a-z]{2,8}|#\d{1,5}|#x[0-9a-f]{1,5});|(?<![\w&])(?:#\d{2,5}|quot|amp|nbsp);|</?[a-z][^<>]{0,200}>",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\(?=[\"'$%&#]|\s|$)")
_TORN = re.compile(r"[\"'(]*[^\W\d_][^\\/:]*\\{1,2}[\"'(]*[^\W\d_]{2}[^\\/]*")
"""Two words with a backslash or two between them and nothing else, where a line end was escaped: more backslashes, a
slash or a drive's letter and a colon make it a path."""
_FILE = re.compile(r"\.\w{1,5}$")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ufff0-\ufff8\ufffe\uffff]")
_ZALGO = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{3,}")


def figures(reading: Reading, cut: list[str]) -> NDArray[np.float32]:
    """Return ``(1, len(NAMES)) float32`` of one text; counts of characters are of its first 16,384 but for the length.

    Parameters
    ----------
    reading
        The text as it was read.
    cut
        Its words.
    """
    head = reading.text[:MOST_CHARACTERS]
    kinds, scripts = _kinds(head)
    letters = kinds["Lu"] + kinds["L"]
    solid = max(letters + kinds["N"] + kinds["other"], 1)
    cased = kinds["Lu"] + kinds["Ll"]
    links = len(_LINKS.findall(head)) if "@" in head or "://" in head or "www" in head.lower() else 0
    code, most = max(scripts.items(), key=lambda one: (one[1], -one[0]), default=(0, 0))
    values = {
        "characters": len(reading.text),
        "words": len(cut),
        "word_length": sum(map(len, cut)) / max(len(cut), 1),
        "upper": kinds["Lu"] / max(cased, 1),
        "digits": kinds["N"] / solid,
        "symbols": kinds["other"] / solid,
        "links": 100.0 * links / max(len(cut), 1),
        "lines": sum(bool(line.strip()) for line in head.splitlines()),
        "repetition": _repetition(head),
        "script_share": most / letters if letters else 1.0,
        "script": code,
        "damaged": reading.damaged + mojibake(head),
        "markup": _remains(head),
        "controls": len(_CONTROLS.findall(head)) + (0 if head.isascii() else len(_ZALGO.findall(head))),
    }
    return np.array([[values[name] for name in NAMES]], np.float32)


def _remains(head: str) -> int:
    """Return how many remains of markup, and of escaped line ends, a text holds."""
    found = len(_MARKUP.findall(head)) if ";" in head or "<" in head else 0
    if "\\" in head:
        found += len(_ESCAPED.findall(head))
        tokens = [token for token in head.split() if "\\" in token]
        found += sum(_TORN.fullmatch(token) is not None and not _FILE.search(token) for token in tokens)
    return found


def _kinds(text: str) -> tuple[Counter[str], Counter[int]]:
    """Count characters by kind (``Lu``, ``L``: other letters, ``Ll`` of these, ``N``, ``Z``, ``other``), and letters by
    script.
    """
    kinds: Counter[str] = Counter()
    scripts: Counter[int] = Counter()
    for char, count in Counter(text).items():
        category = unicodedata.category(char)
        if category[0] == "L":
            kinds["Lu" if category in {"Lu", "Lt"} else "L"] += count
            if category == "Ll":
                kinds["Ll"] += count
            scripts[script(char)] += count
        elif category == "Nd":
            kinds["N"] += count
        elif category[0] == "Z" or char in "\t\n\r\f\v":
            kinds["Z"] += count
        elif category[0] != "M":
            kinds["other"] += count
    return kinds, scripts


def _repetition(head: str) -> float:
    raw = head.encode("utf-8", "replace")[:_COMPRESSED]
    return 0.0 if len(raw) < 64 else max(0.0, 1.0 - len(zlib.compress(raw, 1)) / len(raw))


def measures(values: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return ``(n,)`` per name: float64, and the script's name as an object (None where there are no letters)."""
    made: dict[str, NDArray[Any]] = {}
    for name, place in _PLACES.items():
        column = values[:, place].astype(np.float64)
        if name != "script":
            made[name] = column
            continue
        names = np.array([None, *SCRIPTS[1:]], object)
        made[name] = names[np.clip(np.nan_to_num(column), 0, len(SCRIPTS) - 1).astype(np.int64)]
    return made


def columns(names: tuple[str, ...]) -> list[int]:
    """Return where these figures are in the tensor."""
    return [_PLACES[name] for name in names]


def problems(values: NDArray[np.float32]) -> list[Problem]:
    """Return what is odd about one text, given its ``(1, m)`` figures."""
    of = {name: float(values[0, place]) for name, place in _PLACES.items()}
    found: list[Problem] = []
    count = max(of["characters"], 1.0)
    if of["words"] == 0:
        found.append(Problem("no-words", 0.7, f"holds {of['characters']:.0f} characters and no word"))
    if of["damaged"]:
        share = of["damaged"] / count
        found.append(
            Problem(
                "broken-encoding",
                round(min(0.9, 0.4 + 10 * share), 3),
                f"{of['damaged']:.0f} places were decoded wrongly, here or before (such as Ã© for é, or �)",
                {"places": of["damaged"], "characters": of["characters"]},
            )
        )
    if of["controls"]:
        found.append(
            Problem(
                "control-characters",
                round(min(0.7, 0.2 + 5 * of["controls"] / count), 3),
                f"holds {of['controls']:.0f} control characters, direction overrides or stacks of marks; "
                "they are left out",
                {"count": of["controls"]},
            )
        )
    if of["characters"] > MOST_CHARACTERS or of["words"] >= MOST_WORDS:
        found.append(
            Problem(
                "too-long",
                0.3,
                f"has {of['characters']:,.0f} characters; the first {MOST_CHARACTERS:,} and {MOST_WORDS:,} words are "
                "read",
                {"characters": of["characters"], "read": MOST_CHARACTERS},
            )
        )
    if of["repetition"] > 0.9 and of["characters"] > 400:
        found.append(
            Problem(
                "repetitive",
                0.3,
                f"says the same again and again: {of['repetition']:.0%} of it can be compressed away",
                {"repetition": round(of["repetition"], 4)},
            )
        )
    return found
