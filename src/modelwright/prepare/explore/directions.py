"""Principal components: how much each holds, what it is made of, and where samples lie along the first two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart, small
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View, clip
from modelwright.tasks import directions

_SHOWN = 2
"""Components whose weights are drawn."""
_WEIGHTS = 8
_POINTS = 1500
_GROUPS = 6


def without_directions(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an input's schema as it is before components or directions take the place of features."""
    made = {name: value for name, value in schema.items() if name != "components"}
    if "features" in made:
        made["features"] = [word for word in made["features"] if word not in {"pca", "svd"}]
    return made


def drawn(view: View, places: NDArray[np.int64]) -> list[Element]:
    """Return the charts for rows at ascending ``places``, or nothing where no components are made."""
    schema = view.schema["input"]
    found = directions.learned(schema)
    features = None if found is None else view.features(places, "dense")
    if found is None or features is None:
        return []
    view.figures["components"] = {"explained": found["explained"]}
    return [
        draw.h("h3", "pca"),
        draw.h("p", f"These features become {found['rank']} components: {found['reason']}."),
        draw.columns(explained(found), *made_of(view, found)),
        _plane(view, places, features) if int(found["rank"]) > 1 else draw.h("p", "One direction says it all."),
    ]


def _plane(view: View, places: NDArray[np.int64], features: NDArray[Any]) -> Element:
    """Draw rows along the first two components, by group."""
    points = {
        clip(name, 30): [
            (round(float(x), 3), round(float(y), 3))
            for x, y in features[view.some(np.flatnonzero(np.isin(places, members)), _POINTS), :2]
        ]
        for name, members in view.groups[:_GROUPS]
    }
    return draw.figure(
        chart.scatter(points, title="Components 1 and 2", x_label="component 1", y_label="component 2"),
        "Rows along the two directions in which training rows differ most.",
    )


def explained(found: Mapping[str, Any]) -> Element:
    """Draw how much of the variance each component holds."""
    shares = [(f"component {place}", float(share)) for place, share in enumerate(found["explained"][:_WEIGHTS], 1)]
    more = len(found["explained"]) - len(shares)
    return draw.figure(
        small.weights(shares, title="Share of the variance"),
        "Share of the variance that each holds" + (f"; and {more} more" if more > 0 else ""),
    )


def made_of(view: View, found: Mapping[str, Any]) -> list[Element]:
    """Draw the largest weights of the first components."""
    schema = without_directions(view.schema["input"])
    names = view.modality.feature_names(schema, "dense")
    weights = directions.weights(found) * np.array(found["scales"])
    made = []
    for place in range(min(_SHOWN, int(found["rank"]))):
        column = weights[:, place]
        largest = np.argsort(-np.abs(column), kind="stable")[:_WEIGHTS].tolist()
        rows = [(clip(names[each], 40), round(float(column[each]), 3)) for each in largest if column[each]]
        made.append(
            draw.figure(
                small.weights(rows, title=f"Component {place + 1}", shade=place),
                f"Largest weights of component {place + 1}; negative ones are pale",
            )
        )
    return made
