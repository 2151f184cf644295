"""Small XML files, read without any of XML's dangers: nothing is resolved, fetched or expanded."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

LARGEST = 16 << 20
"""Bytes of an annotation file."""
MOST_ELEMENTS = 1_000_000
DEEPEST = 64


class XmlError(Exception):
    """The file is no XML, or none that is read here; the reason is in words."""


@dataclass
class Element:
    """An element: its name, its own text, and the elements in it. Attributes are not kept."""

    name: str
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def find(self, *path: str) -> Element | None:
        """Return the first element along a path of names."""
        at: Element | None = self
        for name in path:
            at = None if at is None else next((each for each in at.inside if each.name == name), None)
        return at

    def all(self, name: str) -> list[Element]:
        """Return the elements of that name directly in this one."""
        return [each for each in self.inside if each.name == name]

    def said(self, *path: str) -> str:
        """Return the text at the end of a path of names, without blanks around it; empty if there is none."""
        found = self.find(*path)
        return "" if found is None else found.text.strip()


def parse(data: bytes) -> Element:
    """Return the root of an XML file.

    Entities, be they external or a bomb of internal ones, can only come from a declaration in a DTD, and a file that
    declares one is refused as a whole. A DOCTYPE without declarations is passed over; what it names is never fetched.

    Raises
    ------
    XmlError
        For that, for what is no XML, and for what is too deep or too long.
    """
    parser = expat.ParserCreate()
    root = Element("")
    open_elements = [root]
    count = 0

    def start(name: str, _attributes: object) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS or len(open_elements) > DEEPEST:
            raise XmlError(f"has more than {MOST_ELEMENTS:,} elements, or deeper than {DEEPEST}")
        element = Element(name)
        open_elements[-1].inside.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        open_elements.pop()

    def text(found: str) -> None:
        open_elements[-1].text += found

    def refuse(*_about: object) -> int:
        raise XmlError("declares entities, which are never resolved: annotation files need none")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError as error:
        raise XmlError(f"is no XML: {error}") from None
    except (ValueError, LookupError, UnicodeError) as error:
        raise XmlError(f"is no XML: {str(error)[:100]}") from None
    return root.inside[0]
