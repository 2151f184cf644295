"""What each word of ``features`` makes: a sample of each class before, and its features after, word by word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore import directions
from modelwright.prepare.explore.directions import without_directions
from modelwright.prepare.explore.view import View, clip
from modelwright.runtime.session import open_session
from modelwright.tasks import abilities
from modelwright.tasks import directions as task_directions

_SAMPLES = 3
_DOTS = 24
"""Features of a word that are drawn with their names, a row each."""
_LINE = 1024
"""Features of a word that are drawn as a line; of more, or of those nearly all zero, the largest."""
_SPARSE = 0.3
_LARGEST = 8
_CHARACTERS = 320
_GROUPS = 12


@dataclass(frozen=True)
class _Sample:
    name: str
    place: int
    features: NDArray[np.float32]


def sections(view: View) -> list[Element]:
    """Return the section, for inputs that are no rows and have such words (rows have columns of their own)."""
    if isinstance(view.modality, abilities.Tabular) or not isinstance(view.modality, abilities.Worded):
        return []
    schema = view.schema["input"]
    plain = without_directions(schema)
    samples = _samples(view, plain)
    parts = view.modality.feature_parts(plain)
    if not parts or not samples:
        return []
    blocks = _blocks(view, plain, parts, samples)
    taken = {word: places for word, places in view.modality.feature_parts(schema).items() if word not in parts}
    if taken:
        blocks += _blocks(view, schema, taken, _samples(view, schema, [each.place for each in samples]))
    found = task_directions.learned(schema)
    if found:
        blocks.append(draw.columns(directions.explained(found), *directions.made_of(view, found)))
    view.figures["feature_words"] = {word: len(places) for word, places in (parts | taken).items()}
    rest = [word for word in view.modality.feature_words if word not in parts and word not in taken]
    reason = schema.get("reason")
    return [
        draw.section(
            "Features, word by word",
            draw.h("p", "A sample of each class before, and below what each word of ", draw.h("code", "features"),
                   " makes of it in the packaged graph, as linear models get it (scaled by training)."
                   + (f" How they were chosen: {reason}." if isinstance(reason, str) else "")),
            small.swatches([each.name for each in samples]),
            _before(view, samples),
            *blocks,
            draw.h("p", f"Not made here: {', '.join(rest)}.", class_="muted") if rest else None,
        )
    ]  # fmt: skip


def _blocks(
    view: View, schema: Mapping[str, Any], parts: Mapping[str, Sequence[int]], samples: Sequence[_Sample]
) -> list[Element]:
    """Return a heading, what it means, and a chart for each word."""
    assert isinstance(view.modality, abilities.Worded)
    names = view.modality.feature_names(schema, "dense")
    made: list[Element] = []
    for word, places in parts.items():
        counted = f"{len(places):,} feature{'s' if len(places) > 1 else ''}"
        values = {each.name: each.features[list(places)] for each in samples}
        made += [
            draw.h("h3", word),
            draw.h("p", f"{view.modality.feature_words[word]}: {counted}", class_="muted"),
            _after(word, [names[place] for place in places], values),
        ]
    return made


def _samples(view: View, schema: Mapping[str, Any], chosen: Sequence[int] = ()) -> list[_Sample]:
    """Return a sample of each of the largest classes with its features; those ``chosen``, if given."""
    session = open_session(view.modality.graph(schema, "dense").SerializeToString(deterministic=True), threads=1)
    wanted = {each.name for each in session.get_inputs()}
    made: list[_Sample] = []
    for number, (name, places) in enumerate(view.groups[:_SAMPLES]):
        asked = [chosen[number]] if chosen else view.some(places, 3).tolist()[1:] or places[:1].tolist()
        for place in asked:
            inputs = view.decoded(place)
            if inputs is not None:
                features = session.run(["features"], {key: inputs[key] for key in wanted})[0][0]
                made.append(_Sample(clip(name, 30), place, features))
                break
    return made


def _before(view: View, samples: Sequence[_Sample]) -> Element:
    """Show the samples as they are: pictures where there are any, else their text."""
    shown = []
    for each in samples:
        picture = view.small(each.place, 300) if view.pictured else None
        if picture is not None:
            shown.append(draw.figure(draw.image(picture, each.name, width=300), each.name))
            continue
        text = view.quote(each.place) or clip((view.raw(each.place) or b"").decode("utf-8", "replace"), _CHARACTERS)
        shown.append(draw.figure(draw.h("blockquote", text), each.name))
    return draw.columns(*shown)


def _after(word: str, names: Sequence[str], values: Mapping[str, NDArray[np.float32]]) -> Element:
    """Draw one word's features of each sample."""
    finite = {name: np.nan_to_num(each.astype(np.float64)) for name, each in values.items()}
    if len(names) <= _DOTS:
        rows = [(clip(name, 44), [float(each[place]) for each in finite.values()]) for place, name in enumerate(names)]
        return draw.figure(small.dots(rows, list(finite), title=word), "")
    filled = float(np.mean([np.count_nonzero(each) / len(each) for each in finite.values()]))
    if len(names) <= _LINE and filled > _SPARSE:
        lines: dict[str, list[tuple[float | None, float | None]]] = {
            name: [(float(place), round(float(value), 4)) for place, value in enumerate(each, 1)]
            for name, each in finite.items()
        }
        label = f"feature 1 ({clip(names[0], 30)}) to {len(names):,} ({clip(names[-1], 30)})"
        return draw.figure(
            chart.lines(lines, title=word, x_label=label, y_label="scaled by training", marks=_groups(names)), ""
        )
    return draw.columns(*(_largest(place, name, names, each) for place, (name, each) in enumerate(finite.items())))


def _groups(names: Sequence[str]) -> list[tuple[float, str]]:
    """Return where features of another channel (``mean of flow``) or kind (``band 1, mean``) begin, with its name.

    Nothing where that is every few features, or never.
    """
    kinds = [name.rpartition(" of ")[2] if " of " in name else name.rpartition(", ")[2] for name in names]
    starts = [place for place, kind in enumerate(kinds) if place == 0 or kind != kinds[place - 1]]
    if not 1 < len(starts) <= _GROUPS or len(names) < 3 * len(starts):
        return []
    return [(place + 0.5, clip(kinds[place], max(6, 88 // len(starts)))) for place in starts]


def _largest(shade: int, sample: str, names: Sequence[str], values: NDArray[np.float64]) -> Element:
    """Draw the features of one sample that are largest in size."""
    count = int(np.count_nonzero(values))
    chosen = [int(place) for place in np.argsort(-np.abs(values), kind="stable")[: min(_LARGEST, count)]]
    rows = [(clip(names[place], 40), round(float(values[place]), 3)) for place in chosen]
    return draw.figure(
        small.weights(rows, title=sample, shade=shade), f"{sample}: {count:,} of {len(values):,} are not zero"
    )
