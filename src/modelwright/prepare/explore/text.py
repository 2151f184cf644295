"""Texts: some of each class to read, the words that tell the classes apart, lengths, and what they are written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.drawing.axes import HALF
from modelwright.drawing.page import Element
from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.measured import by_class, drawn
from modelwright.prepare.explore.terms import Term, distinctive, without_parts
from modelwright.prepare.explore.view import View, clip, share
from modelwright.store.dataset import ROW_TEXT
from modelwright.tasks.modalities.text.encoding import read
from modelwright.tasks.modalities.text.figures import NAMES
from modelwright.tasks.modalities.text.words import SCRIPTS, normal, script, words

_MEASURES = ("characters", "words", "word_length", "upper", "digits", "symbols", "links", "repetition", "lines")
_CLASSES = 12
_EACH = 3
_READ = 6000
"""Texts that are read for words, evenly spaced."""
_HELD = 200_000
"""Different terms of a group that are counted; the rarest are forgotten above."""
_SHOWN = 320
"""Characters of a text that are shown."""
_TERMS = 14
_FREQUENT = 40


@dataclass
class Said:
    """What a group's texts say."""

    texts: int = 0
    words: int = 0
    terms: Counter[str] = field(default_factory=Counter)
    """Texts by the words and pairs of words that they hold."""


def sections(view: View) -> list[Element]:
    """Return examples, distinctive and frequent words, lengths, scripts and encodings."""
    groups: dict[str, Said] = {}
    scripts: Counter[str] = Counter()
    encodings: Counter[str] = Counter()
    for name, raw in _texts(view):
        reading = read(raw)
        plain = normal(reading.text)
        cut = words(plain)
        encodings[reading.encoding] += 1
        scripts[_script(plain)] += 1
        said = groups.setdefault(name, Said())
        said.texts += 1
        said.words += len(cut)
        said.terms.update({*cut, *(f"{one} {other}" for one, other in pairwise(cut))})
        if len(said.terms) > _HELD:
            said.terms = Counter(dict(said.terms.most_common(_HELD // 2)))
    return [
        part
        for part in (
            _sheet(view),
            _told(view, groups),
            _measured(view),
            _written(view, scripts, encodings),
        )
        if part is not None
    ]


def _texts(view: View) -> Iterator[tuple[str, bytes]]:
    """Yield group and bytes of evenly spaced texts of every group."""
    shown = view.groups[:_CLASSES]
    each = max(1, _READ // max(len(shown), 1))
    for name, places in shown:
        chosen = np.sort(view.some(places, each))
        for _, raw in _raws(view, chosen):
            yield name, raw


def _raws(view: View, places: NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
    sources = view.samples.take("source", places).to_pylist()
    in_rows = np.array([view.meta["sources"][source]["kept"] == "rows" for source in sources], bool)
    table = view.take_rows(places[in_rows]) if in_rows.any() else None
    if table is not None:
        for place, text in zip(places[in_rows].tolist(), table[ROW_TEXT].to_pylist(), strict=True):
            yield place, str(text).encode()
    for place in places[~in_rows].tolist():
        raw = view.raw(place)
        if raw is not None:
            yield place, raw


def _script(plain: str) -> str:
    counts = Counter(script(char) for char in plain[:400] if char.isalpha())
    return SCRIPTS[counts.most_common(1)[0][0]] if counts else "no letters"


# ---------------------------------------------------------------------- to read


def _sheet(view: View) -> Element | None:
    shown = view.groups[:_CLASSES]
    parts = []
    for name, places in shown:
        lines = [
            draw.h("p", quoted(raw), title=view.path(place))
            for place, raw in _raws(view, np.sort(view.some(places, _EACH)))
        ]
        if lines:
            heading = draw.h("h3", f"{clip(name, 60)} ", draw.h("small", f"{len(places):,}"))
            parts.append(draw.h("div", heading, *lines, class_="tile"))
    if not parts:
        return None
    more = len(view.groups) - len(shown)
    return draw.section(
        "Texts of each class" if view.classes else "Texts",
        draw.h("div", parts, class_="tiles"),
        draw.h("p", f"and {more:,} smaller classes", class_="muted") if more > 0 else None,
    )


def quoted(raw: bytes) -> str:
    """Return the beginning of a text, in quotation marks."""
    return f"“{clip(' '.join(read(raw).text.split()), _SHOWN)}”"


_UNITS = {"upper": "%", "digits": "%", "symbols": "%", "repetition": "%", "script_share": "%"}
GAUGES: Mapping[str, Gauge] = {
    name: Gauge(_UNITS.get(name, ""), says) for name, says in NAMES.items() if name != "script"
}
"""How measures are read; the code of a script is no size."""
PICTURES = Pictures(quoted=quoted, gauge=GAUGES.get)


# ---------------------------------------------------------------------- words


def _told(view: View, groups: dict[str, Said]) -> Element | None:
    if not any(said.terms for said in groups.values()):
        return None
    read_ = sum(said.texts for said in groups.values())
    whole: Counter[str] = Counter()
    for said in groups.values():
        whole.update(said.terms)
    frequent = [(term, count) for term, count in whole.most_common(4 * _FREQUENT) if " " not in term][:_FREQUENT]
    found = distinctive({name: said.terms for name, said in groups.items()}, 2 * _TERMS) if len(groups) > 1 else {}
    told = {name: without_parts(terms)[:_TERMS] for name, terms in found.items()}
    view.figures["terms"] = {
        "texts": read_,
        "frequent": dict(frequent),
        "distinctive": {
            name: [
                {"term": one.text, "z": round(one.z, 2), "inside": one.inside, "outside": one.outside} for one in all_
            ]
            for name, all_ in told.items()
        },
    }
    plots = [
        draw.figure(
            chart.bars(
                [clip(one.text, 28) for one in terms],
                [round(one.z, 2) for one in terms],
                title=f"words that tell {name}",
                digits=2,
                width=HALF,
            ),
            f"{clip(name, 60)}: {_in_words(terms[0], groups[name].texts)}",
        )
        for name, terms in told.items()
        if terms
    ]
    explained = (
        "Words and pairs of words that tell a class from the others, the clearest first: how much more frequent they "
        "are than in all other texts, in standard errors; 2 could be chance (log-odds smoothed by how frequent the "
        "word is everywhere: Monroe, Colaresi and Quinn 2008)."
    )
    sampled = "" if read_ == int(view.kept.sum()) else f" From {read_:,} texts, evenly spaced."
    return draw.section(
        "Words",
        draw.h("p", (explained if plots else "") + sampled) if plots or sampled else None,
        draw.columns(*plots) if plots else None,
        draw.details(
            f"The {len(frequent)} most frequent words",
            draw.table(["word", "texts", "share"], [[term, count, share(count, read_)] for term, count in frequent]),
        ),
    )


def _in_words(term: Term, texts: int) -> str:
    return (
        f"“{clip(term.text, 40)}” is in {term.inside:,} of {texts:,} texts here, and in {term.outside:,} of the others"
    )


# ---------------------------------------------------------------------- lengths and letters


def _measured(view: View) -> Element | None:
    figures = drawn(view, _MEASURES, "text")
    if not figures:
        return None
    return draw.section(
        "Length and make-up",
        *figures,
        by_class(view, ("words", "upper", "digits"), _CLASSES),
    )


def _written(view: View, scripts: Counter[str], encodings: Counter[str]) -> Element | None:
    if not scripts:
        return None
    view.figures["scripts"] = dict(scripts.most_common())
    view.figures["encodings"] = dict(encodings.most_common())
    total = sum(scripts.values())
    if len(scripts) == 1 and len(encodings) == 1:
        alone = f"All {total:,} texts that were read are {next(iter(scripts))}, as {next(iter(encodings))}."
        return draw.section("Scripts and encodings", draw.h("p", alone))
    rows: list[list[Any]] = [["script", name, count, share(count, total)] for name, count in scripts.most_common()]
    rows += [["encoding", name, count, share(count, total)] for name, count in encodings.most_common()]
    return draw.section("Scripts and encodings", draw.table(["what", "which", "texts", "share"], rows))
