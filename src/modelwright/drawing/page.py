"""Self-contained HTML pages, made from escaped elements and nothing else.

:func:`h` is the only way to make HTML here: every text and every attribute value is escaped, and what could run or
load something (``script``, ``on…`` attributes, ``javascript:`` addresses) cannot be built at all. A page needs no
script, no font and no network: it opens from a folder, in an e-mail or in a browser without internet, in light and
dark, on paper and on a telephone.

Examples
--------
>>> h("p", "1 < 2 & ", h("b", '"quoted"'), class_="note").render()
'<p class="note">1 &lt; 2 &amp; <b>"quoted"</b></p>'
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelwright.drawing.style import STYLESHEET
from modelwright.errors import InputError

VOID = frozenset({"br", "col", "hr", "img", "input", "meta"})
"""Elements without content."""
FORBIDDEN = frozenset({"applet", "base", "embed", "frame", "iframe", "link", "object", "script", "style", "template"})
"""Elements that load or run something, or whose content is not text."""
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*\Z")
_ADDRESS = re.compile(
    r"(?:https?://|mailto:|#|data:image/(?:png|jpeg|gif|webp);base64,|data:audio/wav;base64,|(?![A-Za-z][A-Za-z0-9+.-]*:|//))",
    re.IGNORECASE,
)
_ADDRESS_ATTRIBUTES = frozenset({"href", "src", "action", "formaction", "poster", "cite", "data", "srcset"})
# What XML 1.0 (and so an SVG reader) does not allow: most control characters, lone surrogates, U+FFFE and U+FFFF.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONG = 36
"""Letters of a cell from which its column is kept wide enough to be read on a telephone."""
_EVEN = 0.02
"""How far the shapes of a gallery's pictures may differ, as a share, and count as one."""
_TINY = 48
"""Width up to which a PNG is enlarged pixel by pixel instead of blurred."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


def escape(text: str) -> str:
    """Return ``text`` safe between tags; what XML cannot hold becomes U+FFFD.

    Examples
    --------
    >>> escape("<b>&\\x00")
    '&lt;b&gt;&amp;\\ufffd'
    """
    return _ILLEGAL.sub("\ufffd", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_value(text: str) -> str:
    # Line breaks and tabs in an attribute would be folded to spaces by a reader: keep them as references.
    quoted = escape(text).replace('"', "&quot;")
    return quoted.replace("\n", "&#10;").replace("\r", "&#13;").replace("\t", "&#9;")


@dataclass(frozen=True)
class Element:
    """One element with its content; made by :func:`h`."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Element | str, ...]

    def render(self) -> str:
        """Return the HTML (which is well-formed XML too)."""
        pieces: list[str] = []
        self._write(pieces)
        return "".join(pieces)

    def _write(self, pieces: list[str]) -> None:
        pieces.append(f"<{self.tag}")
        pieces.extend(f' {name}="{_escape_value(value)}"' for name, value in self.attributes)
        if self.tag in VOID:
            pieces.append("/>")
            return
        pieces.append(">")
        for child in self.children:
            if isinstance(child, Element):
                child._write(pieces)
            else:
                pieces.append(escape(child))
        pieces.append(f"</{self.tag}>")

    def __str__(self) -> str:
        return self.render()


Child: TypeAlias = "Element | str | int | float | Iterable[Child] | None"
"""What may stand inside an element; None stands for nothing, iterables are opened."""


def _flatten(children: Iterable[Child]) -> Iterable[Element | str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Element | str):
            yield child
        elif isinstance(child, int | float):
            yield str(child)
        else:
            yield from _flatten(child)


def h(tag: str, *children: Child, **attributes: str | float | bool | None) -> Element:
    """Make an element.

    Parameters
    ----------
    tag
        Its name, such as ``"p"``.
    children
        Texts (escaped), numbers, elements, or iterables of these; None is left out.
    attributes
        ``class_="x"`` becomes ``class="x"`` and ``aria_label="x"`` ``aria-label="x"``. None and False leave the
        attribute out, True writes its name as its value.

    Raises
    ------
    ValueError
        For a tag or an attribute that could run or load something, or whose name is not a name.

    Examples
    --------
    >>> h("img", alt="a <cat>").render()
    '<img alt="a &lt;cat&gt;"/>'
    """
    if not _NAME.match(tag) or tag.lower() in FORBIDDEN:
        raise ValueError(f"no element <{tag}> can be made here")
    pairs = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        if not _NAME.match(name) or name.lower().startswith("on") or name.lower() == "srcdoc":
            raise ValueError(f"no attribute {name!r} can be made here")
        text = name if value is True else (f"{value:g}" if isinstance(value, float) else str(value))
        if name.lower() in _ADDRESS_ATTRIBUTES and not _ADDRESS.match(text.strip()):
            raise ValueError(f"the address {text[:60]!r} in {name} is not one that a page may hold")
        pairs.append((name, text))
    return Element(tag, tuple(pairs), tuple(_flatten(children)))


def document(title: str, *sections: Element | None, subtitle: str = "") -> str:
    """Return a whole page: ``title`` and ``subtitle`` above ``sections``, with contents if four or more."""
    kept = [part for part in sections if part is not None]
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", title),
        # Ours and constant, and without any character that escaping would change (a test keeps it so).
        Element("style", (), (STYLESHEET,)),
    )
    body = h(
        "body",
        h("header", h("h1", title), h("p", subtitle, class_="subtitle") if subtitle else None),
        _contents(kept),
        h("main", kept),
        h("footer", "Drawn by Modelwright. This page is one file and loads nothing."),
    )
    return "<!doctype html>\n" + h("html", head, body, lang="en").render() + "\n"


def _contents(sections: Sequence[Element]) -> Element | None:
    entries = []
    for part in sections:
        attributes = dict(part.attributes)
        if "id" in attributes and "aria-label" in attributes:
            entries.append(h("a", attributes["aria-label"], href="#" + attributes["id"]))
    return h("nav", entries, aria_label="Contents") if len(entries) >= 4 else None


def section(title: str, *children: Child) -> Element:
    """Return a section with a heading; its anchor is made from the title."""
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
    return h("section", h("h2", title), children, id=anchor, aria_label=title)


def table(head: Sequence[Child], rows: Iterable[Sequence[Child]], *, caption: str = "") -> Element:
    """Return a table that scrolls sideways in its own box; columns whose cells are all numbers are aligned right.

    With no rows it says so.
    """
    body = [list(row) for row in rows]
    if not body:
        return h("p", "Nothing to list.", class_="muted")
    width = max(len(head), *(len(row) for row in body))
    numeric = [all(_is_number(row[column]) for row in body if column < len(row)) for column in range(width)]

    long = [any(isinstance(row[column], str) and len(str(row[column])) > _LONG for row in body if column < len(row))
            for column in range(width)]  # fmt: skip

    def cell(tag: str, value: Child, column: int) -> Element:
        whole = isinstance(value, int) and not isinstance(value, bool)
        shown = "–" if value is None else f"{value:,}" if whole else value
        return h(tag, shown, class_="number" if numeric[column] else "long" if long[column] and tag == "td" else None)

    return h(
        "div",
        h(
            "table",
            h("caption", caption) if caption else None,
            h("thead", h("tr", [cell("th", value, i) for i, value in enumerate(head)])),
            h("tbody", [h("tr", [cell("td", value, i) for i, value in enumerate(row)]) for row in body]),
        ),
        class_="scroll",
    )


def _is_number(value: Child) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[-+−]?[\d,\u202f ]*\.?\d+(e[-+]?\d+)?( ?[%a-zA-Z/µ]{0,4})?|[–-]?", value) is not None
    return value is None or isinstance(value, int | float)


def image(data: bytes, alt: str, *, width: int | None = None) -> Element:
    """Return a picture (PNG, JPEG, GIF or WebP bytes) carried inside the page; a tiny PNG shows its pixels.

    Raises
    ------
    InputError
        If the bytes are none of these.
    """
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            encoded = base64.b64encode(data).decode("ascii")
            source = f"data:{media_type};base64,{encoded}"
            tiny = magic == b"\x89PNG\r\n\x1a\n" and int.from_bytes(data[16:20], "big") <= _TINY
            return h("img", src=source, alt=alt, title=alt or None, width=width, class_="pixels" if tiny else None)
    raise InputError(f"a picture for a page must be PNG, JPEG, GIF or WebP; these bytes begin with {data[:8]!r}")


def sound(data: bytes, label: str) -> Element:
    """Return a player of a WAV file carried inside the page, with nothing loaded and nothing played before a click.

    Raises
    ------
    InputError
        If the bytes are not WAV.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise InputError(f"a sound for a page must be WAV; these bytes begin with {data[:12]!r}")
    encoded = base64.b64encode(data).decode("ascii")
    return h("audio", src=f"data:audio/wav;base64,{encoded}", controls=True, preload="none", aria_label=label)


def gallery(pictures: Iterable[tuple[bytes, str]], *, width: int = 96, sheet: bool = False) -> Element:
    """Return pictures side by side; ``width`` in CSS pixels.

    Parameters
    ----------
    sheet
        Squares close together, their captions as tooltips: for many pictures at a glance. Else each stands above its
        caption, and has the width that there is, at least about ``width``.
    """
    if sheet:
        squares = [image(data, caption, width=width) for data, caption in pictures]
        return h("div", squares, class_="sheet") if squares else h("p", "No pictures to show.", class_="muted")
    listed = list(pictures)
    if not listed:
        return h("p", "No pictures to show.", class_="muted")
    shown = [h("figure", image(data, caption, width=width), h("figcaption", caption)) for data, caption in listed]
    kind = "gallery narrow" if width < 96 else "gallery" if width < 240 else "gallery pairs"
    return h("div", shown, class_=f"{kind} even" if _even([data for data, _ in listed]) else kind)


def pairs(rows: Iterable[tuple[Sequence[tuple[bytes, str]], str]], *, width: int = 128) -> Element:
    """Return rows of pictures that belong together, each above its caption; a picture is data and its name."""
    listed = list(rows)
    shown = [
        h("figure", h("div", [image(data, name, width=width) for data, name in row], class_="strip"),
          h("figcaption", caption))
        for row, caption in listed
    ]  # fmt: skip
    even = _even([data for row, _ in listed for data, _ in row]) if listed else False
    return h("div", shown, class_="gallery pairs even" if even else "gallery pairs")


def _even(pictures: Sequence[bytes]) -> bool:
    """Say whether all pictures have one shape: then they need no frame of another."""
    shapes = [_shape(data) for data in pictures]
    known = [width / height for width, height in (each for each in shapes if each is not None) if height]
    return len(known) == len(pictures) and max(known) <= (1 + _EVEN) * min(known)


def _shape(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG or a JPEG (ITU T.81, B.2.2: the first frame header), None for others."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    place = 2
    while data.startswith(b"\xff\xd8") and place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return int.from_bytes(data[place + 7 : place + 9], "big"), int.from_bytes(
                data[place + 5 : place + 7], "big"
            )
        place += 2 + length
    return None


def figure(element: Element, caption: str) -> Element:
    """Return ``element`` (a chart, a picture) above its caption."""
    return h("figure", h("div", element, class_="scroll"), h("figcaption", caption) if caption else None)


def cards(items: Iterable[tuple[str, Child, str]]) -> Element:
    """Return the few figures that matter, large: ``(label, value, note)`` each."""
    return h(
        "dl",
        [
            h("div", h("dt", label), h("dd", value), h("p", note) if note else None, class_="card")
            for label, value, note in items
        ],
        class_="cards",
    )


def banner(tone: str, *children: Child) -> Element:
    """Return a line that says how it stands; ``tone`` is ``"good"``, ``"warn"``, ``"bad"`` or ``"note"``.

    The tone is said by a sign too, not by colour alone.
    """
    signs = {"good": "✓", "warn": "!", "bad": "✕", "note": "i"}
    return h(
        "div", h("span", signs[tone], class_="sign", aria_hidden="true"), h("div", children),
        class_=f"banner {tone}", role="status",
    )  # fmt: skip


def facts(pairs: Iterable[tuple[str, Child]]) -> Element:
    """Return names and values, one below the other."""
    return h("dl", [[h("dt", name), h("dd", value)] for name, value in pairs], class_="facts")


def columns(*children: Child) -> Element:
    """Return children side by side where there is room, below each other where there is not."""
    return h("div", children, class_="columns")


def details(summary: str, *children: Child) -> Element:
    """Return what opens on a click (without a script)."""
    return h("details", h("summary", summary), children)
