"""Features: a few samples before and after the modality's own graph, as training and production run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import page as draw
from modelwright.drawing import small
from modelwright.drawing.axes import number
from modelwright.drawing.page import Element
from modelwright.prepare.explore import bins, directions, stages
from modelwright.prepare.explore.directions import without_directions
from modelwright.prepare.explore.rows import evenly, table_of
from modelwright.prepare.explore.view import View, clip
from modelwright.tasks import abilities
from modelwright.tasks.modalities.table import hashing

_COLUMNS = 8
_EACH = 4
"""Features of one column that are drawn."""
_ROWS = 5000


def sections(view: View) -> list[Element]:
    """Return samples or columns before and after."""
    if not isinstance(view.modality, abilities.Tabular):
        return stages.sections(view)
    made = _of_columns(view)
    return [] if made is None else [made]


def _of_columns(view: View) -> Element | None:
    """Show the columns that tell most about the answer, and the features made of each."""
    places = view.shown(_ROWS)
    schema = without_directions(view.schema["input"])
    features = view.features(places, "dense", schema)
    if features is None or not features.shape[1]:
        return None
    names = view.modality.feature_names(schema, "dense")
    table = table_of(view)
    used = [each for each in table.by_answer() if each.name not in set(view.meta["dropped_columns"])][:_COLUMNS]
    blocks = []
    for facts in used:
        mine = [place for place, name in enumerate(names) if _belongs(name, facts.name, names)]
        if not mine:
            continue
        before = (
            small.tile(
                (edges := table.edges(facts)).tolist(),
                {"": table.counts(facts, edges)},
                title=facts.name,
                ends=bins.ends(edges),
            )
            if facts.numbers is not None and facts.quantiles
            else draw.h(
                "p", f"{facts.distinct:,} different, such as {', '.join(clip(each, 24) for each in facts.names[:4])}"
            )
        )
        words = _hashed_words(view, places, schema, facts.name)
        spread = {place: float(features[:, place].std()) for place in mine}
        if words:  # the columns that differ most tell most
            mine = sorted(mine, key=lambda place: ("hashed to" in names[place], -spread[place]))
        else:
            mine = sorted(mine, key=lambda place: spread[place] == 0.0)
        after = [
            _feature(names[place] + words.get(names[place], ""), evenly(features[:, place])) for place in mine[:_EACH]
        ]
        more = len(mine) - len(after)
        blocks.append(
            draw.h(
                "div",
                draw.h(
                    "div",
                    draw.h("h3", clip(facts.name, 40)),
                    draw.h("p", _gaps(facts.missing, facts.rows)),
                    before,
                    class_="tile",
                ),
                draw.h("div", "→", class_="arrow", aria_hidden="true"),
                draw.h("div", after, draw.h("p", f"and {more} more") if more > 0 else None, class_="tiles"),
                class_="turned",
            )
        )
    if not blocks:
        return None
    view.figures["features"] = {"count": int(features.shape[1]), "names": names[:200]}
    return draw.section(
        "What a model sees",
        draw.h("p", f"Columns before and after the packaged graph, which makes {features.shape[1]:,} features of them: "
                    "gaps filled, numbers scaled, words as columns of their own. The same graph runs in production."),
        *blocks,
        *directions.drawn(view, places),
    )  # fmt: skip


def _hashed_words(view: View, places: NDArray[np.int64], schema: Mapping[str, Any], column: str) -> dict[str, str]:
    """Return, by the name of a feature that words are hashed to, the commonest words in it; empty if none are."""
    facts = next((each.get("hashed") for each in schema["columns"] if each["name"] == column), None)
    rows = view.take_rows(places) if facts else None
    if rows is None or facts is None:
        return {}
    counted: dict[int, Counter[str]] = {}
    for text in rows[column].to_pylist():
        for piece, code in zip(
            hashing.pieces(text or ""), hashing.hashes([text or ""], facts["size"])[0], strict=False
        ):
            if code >= 0:
                counted.setdefault(int(code) % facts["width"], Counter())[piece] += 1
    return {
        f"{column}, words hashed to {place}": ": " + ", ".join(clip(word, 16) for word, _ in held.most_common(3))
        for place, held in counted.items()
    }


def _gaps(missing: int, rows: int) -> str:
    return f"{missing:,} of {rows:,} missing" if missing else "nothing missing"


def _belongs(feature: str, column: str, names: Sequence[str]) -> bool:
    """Say whether a feature was made of a column: ``column``, ``log column``, ``column = word``, ``column is …``."""
    if feature == column:
        return True
    return feature in names and (
        feature.startswith((f"{column} = ", f"{column} is ", f"{column}: ", f"{column}, "))
        or feature == f"log {column}"
    )


def _feature(name: str, values: NDArray[Any]) -> Element:
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite) or finite.min() == finite.max():
        what = number(float(finite[0])) if len(finite) else "nothing"
        return draw.h("div", draw.h("h3", clip(name, 40)), draw.h("p", f"always {what}"), class_="tile")
    edges = bins.edges(finite, 24)
    words = f"mean {number(float(finite.mean()), 2)}, deviation {number(float(finite.std()), 2)}"
    return draw.h("div", draw.h("h3", clip(name, 40)), draw.h("p", words),
                  small.tile(edges.tolist(), {"": bins.counted(finite, edges)}, title=name, ends=bins.ends(edges)),
                  class_="tile")  # fmt: skip
