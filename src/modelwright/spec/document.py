"""YAML read as text with places: every key and value knows its line, and nothing is ever constructed from a tag.

PyYAML's event stream (libyaml's parser) is folded into :class:`Node` objects here, so that duplicate keys, aliases,
tags, depth and size are refused while reading, before anything can grow. Scalars stay text: what a text means is
decided by the type that the key has (``name: 2024`` is a name, ``seed: 2024`` a number, ``drift: off`` a word).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from modelwright.errors import SpecError

LARGEST = 1 << 20
"""Bytes of the largest spec read."""
DEEPEST = 12
"""Levels of nesting."""
MOST_NODES = 50_000


@dataclass(frozen=True)
class Node:
    """One YAML value and where it stands.

    Parameters
    ----------
    kind
        ``scalar``, ``list`` or ``map``.
    line
        Counted from 1.
    text
        The scalar's text.
    plain
        Whether the scalar stood without quotes.
    items
        The list's values.
    pairs
        The map's keys and values, in order; keys are unique.
    """

    kind: Literal["scalar", "list", "map"]
    line: int
    text: str = ""
    plain: bool = True
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing: left empty, ``~`` or ``null``."""
        return self.kind == "scalar" and self.plain and self.text in {"", "~", "null", "Null", "NULL"}

    @property
    def found(self) -> str:
        """What is there, for an error message."""
        if self.is_null:
            return "nothing"
        if self.kind == "scalar":
            text = self.text if len(self.text) <= 60 else self.text[:57] + "…"
            return repr(text)
        if self.kind == "list":
            return f"a list of {len(self.items)}" if self.items else "an empty list"
        return f"keys ({', '.join(key.text for key, _ in self.pairs[:4])}…)" if self.pairs else "an empty map"


def mistake(path: Path, line: int, message: str, *, hint: str = "") -> SpecError:
    """Return the error for a mistake in ``path`` at ``line``; line 0 stands for the whole file."""
    place = f"{path}:{line}" if line else str(path)
    return SpecError(f"{place}: {message}", hint=hint)


def read_text(path: Path) -> str:
    """Return a spec file's text.

    Raises
    ------
    SpecError
        If there is no such file, it is too large, or it is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise mistake(
            path, 0, f"cannot be read: {error.strerror or error}", hint="mw init PATH writes a spec"
        ) from None
    if len(data) > LARGEST:
        raise mistake(path, 0, f"is larger than {LARGEST >> 20} MB; a spec is a page of text")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise mistake(path, 1, "is UTF-16; a spec is UTF-8 text", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise mistake(
            path,
            line,
            f"is not UTF-8: found byte 0x{data[error.start]:02x}; a spec is UTF-8 text",
            hint="save it as UTF-8",
        ) from None


def parse(text: str, path: Path) -> Node:
    """Return the one document in ``text``.

    Raises
    ------
    SpecError
        For anything that is not plain YAML of a moderate size: bad syntax, tags, anchors and aliases, duplicate keys,
        several documents, nesting deeper than 12, more than 50,000 values, no document at all.
    """
    import yaml

    if len(text) > LARGEST:
        raise mistake(path, 0, f"is larger than {LARGEST >> 20} MB; a spec is a page of text")
    try:
        return _fold(yaml.parse(text, Loader=yaml.CSafeLoader), path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise mistake(path, mark.line + 1 if mark else 1, _syntax(text, error, mark)) from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        line = text.count("\n", 0, error.position) + 1
        raise mistake(path, line, f"found the character U+{code:04X}, which YAML does not allow") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise mistake(path, 1, f"is not YAML: {' '.join(str(error).split())}") from None


def _syntax(text: str, error: Any, mark: Any) -> str:
    words = " ".join(str(error.problem or error.context or "bad syntax").split())
    if mark is None:
        return f"is not YAML: {words}"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        return "found a tab; YAML indents with spaces"
    shown = line.strip()[:60]
    return f"is not YAML: {words}" + (f" in {shown!r}" if shown else "")


class _Open:
    """A list or map whose end has not been read."""

    def __init__(self, kind: Literal["list", "map"], line: int) -> None:
        self.kind: Literal["list", "map"] = kind
        self.line = line
        self.values: list[Node] = []
        self.keys: dict[str, int] = {}

    def add(self, node: Node, path: Path) -> None:
        """Take a child; every other child of a map is a key."""
        if self.kind == "map" and len(self.values) % 2 == 0:
            if node.kind != "scalar":
                raise mistake(path, node.line, f"a key must be a word; found {node.found}")
            if node.text in self.keys:
                first = self.keys[node.text]
                raise mistake(
                    path, node.line, f"the key {node.text!r} stands twice; it was first given in line {first}"
                )
            self.keys[node.text] = node.line
        self.values.append(node)

    def close(self) -> Node:
        """Return the finished node."""
        if self.kind == "list":
            return Node("list", self.line, items=tuple(self.values))
        return Node("map", self.line, pairs=tuple(zip(self.values[::2], self.values[1::2], strict=True)))


def _fold(events: Iterator[Any], path: Path) -> Node:
    """Build the tree without recursion, refusing what a spec has no use for."""
    import yaml

    stack: list[_Open] = []
    root: Node | None = None
    count = documents = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise mistake(path, line, "a second document begins; a spec is one document")
        if isinstance(event, yaml.AliasEvent):
            raise mistake(path, line, f"found the alias *{event.anchor}; a spec has no anchors and aliases")
        if isinstance(event, yaml.NodeEvent):
            count += 1
            if event.anchor is not None:
                raise mistake(path, line, f"found the anchor &{event.anchor}; a spec has no anchors and aliases")
            tag = getattr(event, "tag", None)
            if tag not in {None, "!"}:
                raise mistake(path, line, f"found the tag {tag}; a spec has no tags")
            if count > MOST_NODES:
                raise mistake(path, line, f"has more than {MOST_NODES:,} values; a spec is a page of text")
        node: Node | None = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node("scalar", line, text=event.value, plain=not event.style)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            if len(stack) >= DEEPEST:
                raise mistake(path, line, f"is nested deeper than {DEEPEST} levels")
            stack.append(_Open("list" if isinstance(event, yaml.SequenceStartEvent) else "map", line))
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            node = stack.pop().close()
        if node is None:
            continue
        if stack:
            stack[-1].add(node, path)
        else:
            root = node
    if root is None:
        return Node("map", 1)
    return root
