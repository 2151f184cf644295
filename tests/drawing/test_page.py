"""Pages are escaped by construction, whole, and load nothing."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modelwright.drawing import page
from modelwright.drawing.page import (
    banner,
    cards,
    columns,
    details,
    document,
    facts,
    figure,
    gallery,
    h,
    image,
    section,
    table,
)
from modelwright.drawing.style import STYLESHEET
from modelwright.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
_ANY = st.text(st.characters())  # surrogates too


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@given(_ANY, _ANY)
def test_any_text_is_only_text(text: str, value: str) -> None:
    made = h("p", text, h("b", text), title=value)
    seen = _Seen()
    seen.feed(made.render())
    seen.close()
    assert seen.tags == ["p", "b"]
    assert [name for name, _ in seen.attributes] == ["title"]
    tree = ET.fromstring(made.render())
    expected = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    assert (tree.text or "") == expected.replace("\r\n", "\n").replace("\r", "\n")
    shown = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", value)
    assert tree.attrib["title"] == shown


@given(_ANY)
def test_a_document_around_any_text_can_be_written_and_read(text: str) -> None:
    whole = document(
        text, section(text, banner("bad", text), table([text], [[text], [text]]), facts([(text, text)])), subtitle=text
    )
    whole.encode("utf-8")
    body = whole.removeprefix("<!doctype html>\n")
    ET.fromstring(body)


@pytest.mark.parametrize(
    "tag", ["script", "SCRIPT", "iframe", "style", "object", "base", "link", "p onclick=x", "a b", "", "<p"]
)
def test_elements_that_run_or_load_cannot_be_made(tag: str) -> None:
    with pytest.raises(ValueError, match="no element"):
        h(tag)


@pytest.mark.parametrize("name", ["onclick", "ONLOAD", "on_click", "srcdoc", "a b", "x>y", ""])
def test_attributes_that_run_cannot_be_made(name: str) -> None:
    with pytest.raises(ValueError, match="no attribute"):
        h("p", **{name: "x"})


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " JavaScript:x",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example/x",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,x",
    ],
)
def test_addresses_that_run_or_load_cannot_be_made(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        h("a", "x", href=address)


@pytest.mark.parametrize(
    "address", ["#metrics", "report.html", "../a/b.html", "https://example.org/x", "mailto:a@example.org"]
)
def test_honest_addresses_can_be_made(address: str) -> None:
    assert f'href="{address}"' in h("a", "x", href=address).render()


def test_a_page_is_one_file_that_loads_nothing() -> None:
    whole = document(
        "Report",
        section("One", figure(image(PNG, "a"), "A picture.")),
        section("Two"),
        section("Three"),
        section("Four"),
    )
    assert "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'" in whole
    assert "<script" not in whole
    assert not re.search(r"""(src|href)="(?!data:image|#)""", whole)
    assert "url(" not in STYLESHEET
    assert "@import" not in STYLESHEET
    assert whole.count('href="#') == 4
    assert "prefers-color-scheme:dark" in STYLESHEET.replace(" ", "")
    assert "@media print" in STYLESHEET


def test_the_stylesheet_is_not_changed_by_escaping() -> None:
    assert page.escape(STYLESHEET) == STYLESHEET


def test_tables_align_numbers_and_say_when_they_are_empty() -> None:
    made = table(["class", "count"], [["a", 3], ["b", None], ["c", "1,204"]]).render()
    assert made.count('class="number"') == 4
    assert "Nothing to list" in table(["a"], []).render()
    assert "–" in made
    ragged = table(["a", "b"], [["x"], ["x", "y", "z"]]).render()
    ET.fromstring(ragged)


def test_a_table_writes_whole_numbers_with_separators_and_keeps_long_texts_readable() -> None:
    made = table(["what", "count"], [["x" * 80, 12345], ["short", True]]).render()
    assert "12,345" in made
    assert made.count('<td class="long">') == 2
    assert "long" not in table(["what"], [["short"]]).render()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pictures_of_one_shape_need_no_frame(form: str) -> None:
    def made(width: int, height: int) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (width, height), (9, 90, 200)).save(out, form)
        return out.getvalue()

    wide = [(made(200, 100), "a"), (made(100, 50), "b")]
    assert 'class="gallery even"' in gallery(wide).render()
    assert 'class="gallery"' in gallery([*wide, (made(60, 60), "c")]).render()


def test_pictures_are_carried_inside() -> None:
    assert 'src="data:image/png;base64,iVBORw0KGgo' in image(PNG, "a <cat>").render()
    assert 'alt="a &lt;cat&gt;"' in image(PNG, "a <cat>").render()
    assert "image/jpeg" in image(b"\xff\xd8\xff\xe0", "x").render()
    with pytest.raises(InputError, match="PNG, JPEG"):
        image(b"<svg onload=x>", "x")
    assert "No pictures" in gallery([]).render()
    assert gallery([(PNG, "one"), (PNG, "two")]).render().count("<figure>") == 2


def test_the_tone_of_a_banner_is_said_by_a_sign_too() -> None:
    assert "✕" in banner("bad", "refused").render()
    assert "✓" in banner("good", "accepted").render()


def test_small_parts() -> None:
    assert "<dd>0.93</dd>" in cards([("f1", 0.93, "")]).render()
    assert "<summary>more</summary>" in details("more", "text").render()
    assert 'class="columns"' in columns("a", None, ["b", 3]).render()
    assert h("br").render() == "<br/>"
    assert h("input", disabled=True, checked=False, value=None).render() == '<input disabled="disabled"/>'


def test_pictures_that_belong_together_stand_in_one_row() -> None:
    made = page.pairs([([(PNG, "before"), (PNG, "after")], "one sample")]).render()
    assert made.count("<img") == 2
    assert made.count("<figcaption>one sample</figcaption>") == 1
    assert 'class="strip"' in made
