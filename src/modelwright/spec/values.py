"""The types that keys of the spec have: each reads a node, or says what it found and what is allowed.

A type is a small frozen object with ``allowed`` (words for errors and for the reference) and ``read``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelwright.spec.document import Node

OPERATORS = (">=", "<=", ">", "<")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Wrong(Exception):  # noqa: N818 - carried one level up, where file and key are known
    """A value is not what its type allows."""

    def __init__(self, node: Node, allowed: str, *, near: str = "") -> None:
        super().__init__(allowed)
        self.node = node
        self.allowed = allowed
        self.near = near


class Type(Protocol):
    """How the value of a key is read."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""

    def read(self, node: Node) -> Any:
        """Return the value.

        Raises
        ------
        Wrong
            If it is not allowed.
        """


def nearest(word: str, words: Any) -> str:
    """Return the word most like ``word``, or nothing."""
    known = list(words)
    near = difflib.get_close_matches(word.lower(), known, 1, 0.55)
    if not near and len(word) >= 2:
        near = [each for each in known if each.startswith(word.lower())]
    return near[0] if near else ""


def _scalar(node: Node, allowed: str) -> str:
    if node.kind != "scalar" or node.is_null:
        raise Wrong(node, allowed)
    return node.text.strip()


@dataclass(frozen=True)
class Text:
    """Any text on one line."""

    what: str = "a text"
    pattern: str = ""
    lines: bool = False
    empty: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return self.what

    def read(self, node: Node) -> str:
        """Return the text."""
        text = _scalar(node, self.what)
        if (not text and not self.empty) or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise Wrong(node, self.what)
        if not self.lines and ("\n" in text or "\r" in text):
            raise Wrong(node, f"{self.what} on one line")
        return text


@dataclass(frozen=True)
class Number:
    """A number within ``low..high``."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        kind = "a whole number" if self.whole else "a number"
        if math.isinf(self.high):
            return kind if math.isinf(self.low) else f"{kind} of at least {self.low:g}"
        return f"{kind} from {self.low:,g} to {self.high:,.12g}"

    def read(self, node: Node) -> float | int:
        """Return the number."""
        text = _scalar(node, self.allowed)
        if not node.plain or len(text) > 40:
            raise Wrong(node, self.allowed)
        value = to_number(text)
        if value is None or not self.low <= value <= self.high or (self.whole and value != int(value)):
            raise Wrong(node, self.allowed)
        return int(value) if self.whole else float(value)


def to_number(text: str) -> float | int | None:
    """Return the finite number that ``text`` writes, or None. ``1_000`` is one; ``1e400`` and ``nan`` are none."""
    if not re.fullmatch(r"[-+]?(\d[\d_]*)?\.?\d*([eE][-+]?\d+)?", text) or not re.search(r"\d", text):
        return None
    plain = text.replace("_", "")
    try:
        value = float(plain)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(plain) if re.fullmatch(r"[-+]?\d+", plain) else value


@dataclass(frozen=True)
class Flag:
    """true or false."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "true or false"

    def read(self, node: Node) -> bool:
        """Return it."""
        text = _scalar(node, self.allowed).lower()
        if not node.plain or text not in {"true", "false", "yes", "no", "on", "off"}:
            raise Wrong(node, self.allowed, near=nearest(text, ["true", "false"]))
        return text in {"true", "yes", "on"}


@dataclass(frozen=True)
class Choice:
    """One of some words. ``more`` gives words found elsewhere (plug-ins), asked only when the others don't fit."""

    words: tuple[str, ...]
    more: Callable[[], list[str]] | None = field(default=None, compare=False)

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "one of " + ", ".join(self.words) if len(self.words) > 1 else self.words[0]

    def read(self, node: Node) -> str:
        """Return the word."""
        text = _scalar(node, self.allowed)
        if text in self.words:
            return text
        words = list(dict.fromkeys([*self.words, *(self.more() if self.more else [])]))
        if text in words:
            return text
        raise Wrong(node, "one of " + ", ".join(words) if len(words) > 1 else words[0], near=nearest(text, words))


@dataclass(frozen=True)
class ListOf:
    """A list of one type; a single value counts as a list of one."""

    item: Type
    least: int = 0

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a list{f' of at least {self.least}' if self.least else ''}, each {self.item.allowed}"

    def read(self, node: Node) -> tuple[Any, ...]:
        """Return the values, each once, in order."""
        if node.kind == "map" or node.is_null:
            raise Wrong(node, self.allowed)
        nodes = node.items if node.kind == "list" else (node,)
        if len(nodes) < self.least:
            raise Wrong(node, self.allowed)
        return tuple(dict.fromkeys(self.item.read(each) for each in nodes))


@dataclass(frozen=True)
class OneOrMore:
    """A single value, kept as it is, or a list of two or more."""

    item: Type

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"{self.item.allowed}, or a list of two or more"

    def read(self, node: Node) -> Any:
        """Return the value; of a list its values in order, or, of one alone, that one."""
        if node.kind != "list":
            return self.item.read(node)
        found = tuple(dict.fromkeys(self.item.read(each) for each in node.items))
        if not found:
            raise Wrong(node, self.allowed)
        return found if len(found) > 1 else found[0]


@dataclass(frozen=True)
class WordOr:
    """A word that stands for a value, or something else."""

    word: str
    value: Any
    other: Type

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"{self.word}, or {self.other.allowed}"

    def read(self, node: Node) -> Any:
        """Return the word's value or the other's."""
        if node.kind == "scalar" and node.text.strip() == self.word:
            return self.value
        try:
            return self.other.read(node)
        except Wrong as wrong:
            near = wrong.near
            if not near and wrong.node.kind == "scalar":
                near = nearest(wrong.node.text, [self.word])
            allowed = self.allowed if wrong.node is node else wrong.allowed
            raise Wrong(wrong.node, allowed, near=near) from None


@dataclass(frozen=True)
class Duration:
    """A length of time, in seconds."""

    low: float = 0.0

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        least = f", at least {duration_words(self.low)}" if self.low else ""
        return f"a length of time such as 90s, 10m, 1h or 7d{least}"

    def read(self, node: Node) -> float:
        """Return the seconds."""
        value = seconds(_scalar(node, self.allowed))
        if value is None or value < self.low or value <= 0:
            raise Wrong(node, self.allowed)
        return value


def seconds(text: str) -> float | None:
    """Return how many seconds ``text`` says, or None.

    Examples
    --------
    >>> [seconds(text) for text in ("10m", "1h30m", "7 d", "90", "soon", "")]
    [600.0, 5400.0, 604800.0, None, None, None]
    """
    unit = "|".join(SECONDS)
    if len(text) > 40 or not re.fullmatch(rf"(\d+(\.\d+)?\s*({unit})\s*)+", text):
        return None
    total = sum(float(number) * SECONDS[unit] for number, _, unit in re.findall(rf"(\d+(\.\d+)?)\s*({unit})", text))
    return total if math.isfinite(total) and total <= 100 * 365 * 86400 else None


def duration_words(value: float) -> str:
    """Return seconds as the spec writes them.

    Examples
    --------
    >>> [duration_words(value) for value in (600, 90, 3600, 604800, 0.5)]
    ['10m', '90s', '1h', '7d', '0.5s']
    """
    for unit in ("d", "h", "m"):
        if value >= SECONDS[unit] and value % SECONDS[unit] == 0:
            return f"{value / SECONDS[unit]:g}{unit}"
    return f"{value:g}s"


@dataclass(frozen=True)
class Comparison:
    """A limit such as ``>= 0.9``."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return 'a limit such as ">= 0.9" (one of ' + ", ".join(OPERATORS) + " and a number)"

    def read(self, node: Node) -> tuple[str, float]:
        """Return operator and number."""
        made = comparison(_scalar(node, self.allowed))
        if made is None:
            raise Wrong(node, self.allowed)
        return made


def comparison(text: str) -> tuple[str, float] | None:
    """Return the operator and number of a limit, or None.

    Examples
    --------
    >>> comparison(">= 0.9"), comparison("≤30"), comparison("0.9")
    (('>=', 0.9), ('<=', 30.0), None)
    """
    found = re.fullmatch(r"(>=|<=|>|<|≥|≤)\s*(\S{1,40})", text)
    if not found:
        return None
    value = to_number(found[2])
    if value is None:
        return None
    return {"≥": ">=", "≤": "<="}.get(found[1], found[1]), float(value)


@dataclass(frozen=True)
class Trigger:
    """A reason to retrain: ``drift``, ``quality``, ``labels >= 200`` or ``every 7d``."""

    words: tuple[str, ...] = ("drift", "quality")

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return 'one of drift, quality, "labels >= N", "every 7d"'

    def read(self, node: Node) -> str:
        """Return it in its normal form."""
        text = " ".join(_scalar(node, self.allowed).split())
        if text in self.words:
            return text
        if found := re.fullmatch(r"labels ?>= ?([1-9]\d{0,8})", text):
            return f"labels >= {int(found[1])}"
        if (found := re.fullmatch(r"every (.+)", text)) and (length := seconds(found[1])) and length >= 60:
            return f"every {duration_words(length)}"
        near = nearest(text.split(" ")[0], [*self.words, "labels", "every"])
        raise Wrong(node, self.allowed, near={"labels": "labels >= 200", "every": "every 7d"}.get(near, near))


def untyped(node: Node) -> Any:
    """Return what a plug-in's option holds: JSON-like, with numbers, true, false and null where they stand unquoted."""
    if node.kind == "list":
        return [untyped(each) for each in node.items]
    if node.kind == "map":
        return {key.text: untyped(value) for key, value in node.pairs}
    if node.is_null:
        return None
    if node.plain:
        if node.text.lower() in {"true", "false"}:
            return node.text.lower() == "true"
        number = to_number(node.text.strip())
        return node.text if number is None else number
    return node.text


def name_of(text: str) -> str:
    """Return the project name nearest to any text, such as a folder's name.

    Examples
    --------
    >>> name_of("Belt & fruit (2024)"), name_of("写真")
    ('Belt---fruit--2024', 'project')
    """
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in text)
    return kept.strip("-_")[:64] or "project"
