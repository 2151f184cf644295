"""Pictures on their way to a model: samples before and after each step of the packaged graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import page as draw
from modelwright.drawing import small
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View, clip, jpeg
from modelwright.runtime.session import open_session
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks

_SAMPLES = 6
_WIDTH = 128
_BINS = 32


def sections(view: View) -> list[Element]:
    """Return the section, for inputs of which the graph makes pictures."""
    if isinstance(view.modality, abilities.Tabular) or "pixels" not in view.modality.encodings:
        return []
    stages = _stages(view)
    sessions = [_session(view, stage.schema) for stage in stages]
    made: list[list[NDArray[np.uint8]]] = []
    shown: list[Element] = []
    before_after: list[tuple[list[tuple[bytes, str]], str]] = []
    for place in _one_of_each(view):
        inputs, before = view.decoded(place), view.small(place, _WIDTH)
        if inputs is None or before is None:
            continue
        pictures = [_run(session, inputs) for session in sessions]
        after = [_jpeg(view, picture) for picture in pictures]
        if any(each is None for each in after):
            break
        made.append(pictures)
        name = clip(view.path(place).rpartition("/")[2], 30)
        labelled = [
            (before, "before"),
            *((each, stage.name) for each, stage in zip(after, stages, strict=True) if each),
        ]
        before_after.append(([(data, f"{name}, {when}") for data, when in labelled], name))
        shown.append(_strip(name, labelled))
    if not shown:
        return []
    height, width = made[0][-1].shape[:2]
    reason = view.schema["input"].get("reason")
    if len(stages) > 1:
        view.figures["stages"] = [stage.name for stage in stages]
    return [
        draw.section(
            "What a model sees",
            draw.h(
                "p",
                f"Samples before and after the packaged graph: {width} × {height} pixels"
                + (f", because {reason}." if isinstance(reason, str) else ".")
                + (f" {view.looks.seen}" if view.looks.seen else ""),
            ),
            *_explained(stages, made),
            draw.h("div", shown, class_="columns") if len(stages) > 1 else draw.pairs(before_after),
        )
    ]


def _stages(view: View) -> list[abilities.Stage]:
    schema = view.schema["input"]
    if isinstance(view.modality, abilities.Staged):
        return view.modality.stages(schema)
    return [abilities.Stage("after", "", schema)]


def _session(view: View, schema: Mapping[str, Any]) -> Any:
    return open_session(view.modality.graph(schema, "pixels").SerializeToString(deterministic=True), threads=1)


def _run(session: Any, inputs: tasks.Arrays) -> NDArray[np.uint8]:
    wanted = {each.name for each in session.get_inputs()}
    made: NDArray[np.uint8] = session.run(["features"], {name: inputs[name] for name in wanted})[0][0]
    return made


def _jpeg(view: View, pixels: NDArray[np.uint8]) -> bytes | None:
    from PIL import Image

    return view.spend(jpeg(Image.fromarray(pixels), 85))


def _strip(name: str, labelled: Sequence[tuple[bytes, str]]) -> Element:
    return draw.h("div", draw.h("h3", name), draw.gallery(labelled, width=_WIDTH))


def _explained(stages: Sequence[abilities.Stage], made: Sequence[Sequence[NDArray[np.uint8]]]) -> list[Element]:
    """Return what each step does, and the levels that it leaves in the samples that are shown."""
    if len(stages) < 2:
        return []
    tiles = []
    for number, stage in enumerate(stages):
        levels = np.concatenate([pictures[number].reshape(-1) for pictures in made])
        counts = np.bincount(levels // (256 // _BINS), minlength=_BINS)
        edges = np.linspace(0, 256, _BINS + 1).tolist()
        words = f"{stage.does}; levels: mean {levels.mean():.0f}, deviation {levels.std():.0f}"
        plot = small.tile(edges, {"": counts.tolist()}, title=f"levels after {stage.name}", ends=(0, 255))
        tiles.append(
            draw.h("div", draw.h("h3", f"{number + 1}. {stage.name}"), draw.h("p", words), plot, class_="tile")
        )
    return [draw.h("div", tiles, class_="tiles")]


def _one_of_each(view: View) -> list[int]:
    """Return samples of as many groups as there is room for."""
    groups = view.groups[:_SAMPLES]
    each = max(1, _SAMPLES // max(len(groups), 1))
    chosen = [place for _, places in groups for place in view.some(places, each).tolist()]
    return [int(place) for place in chosen][:_SAMPLES]
