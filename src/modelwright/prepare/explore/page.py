"""The order of the page's sections, and which modality or target brings which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from modelwright import canonical, registry
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.errors import ModelwrightError
from modelwright.prepare.explore import (
    changes,
    decisions,
    feature_words,
    features,
    glance,
    groups,
    issues,
    leaks,
    overview,
    synthetic,
)
from modelwright.prepare.explore import map as map_
from modelwright.prepare.explore.looks import NO_PICTURES, Pictures
from modelwright.prepare.explore.view import View
from modelwright.progress import SILENT, Progress
from modelwright.store.dataset import Dataset

REPORT = "report.html"
FIGURES = "figures.json"


@dataclass(frozen=True)
class Page:
    """A dataset, drawn."""

    html: str
    figures: dict[str, Any]
    """What is shown, as figures, by section; JSON-ready."""


def page(
    dataset: Dataset,
    *,
    parent: Dataset | None = None,
    only: str | None = None,
    problem: str = "",
    progress: Progress = SILENT,
) -> Page:
    """Draw one dataset.

    Parameters
    ----------
    parent
        The dataset that it grew from: what changed since is shown.
    only
        Show one split alone: ``train``, ``validation`` or ``test``.
    problem
        What the model is for, in the user's words.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    progress.begin("drawing the page", None)
    # The products here are small: threads of BLAS wait for each other longer than they work, and by spinning.
    with threadpool_limits(limits=1):
        view = View.of(dataset, only=only, pictures=_pictures_of(dataset.meta["modality"]), problem=problem)
        reading = view.samples.ahead(["id", "path", *(f"measure.{name}" for name in view.measures)])
        try:
            worth = dataset.artifact.attached("synthesis.json")
            since = [
                *synthetic.sections(view, None if worth is None else json.loads(worth.read_bytes())),
                *changes.sections(view, parent, dataset),
            ]
            made = drawn(view, *since)
        finally:
            reading.join()
            view.close()
    return Page(made.html, {"dataset": dataset.digest, "split": only, **made.figures})


def drawn(view: View, *since: Element) -> Page:
    """Draw a view; ``since`` are sections about where it came from: what was made, what changed since another one."""
    cards = overview.cards(view)
    body = [
        *map_.sections(view),
        *overview.labels(view),
        *overview.times(view),
        *issues.sections(view),
        *_brought(view, view.meta["modality"]),
        *_brought(view, view.meta["target"]),
        *decisions.sections(view),
        *groups.sections(view),
        *features.sections(view),
        *feature_words.sections(view),
        *leaks.sections(view),
        *since,
        overview.sources(view),
    ]
    said = glance.lines(view)
    view.figures["glance"] = [{"tone": tone, "text": text} for tone, text in said]
    html = draw.document(
        f"Dataset: {view.meta['name']}" + (f", {view.only} split" if view.only else ""),
        draw.section("At a glance", cards, glance.drawn(said)),
        *body,
        subtitle=view.problem or _task(view),
    )
    return Page(html, dict(view.figures))


def _task(view: View) -> str:
    if view.meta["target"] == "none":
        return f"{view.meta['modality']}, nothing to predict (unsupervised)"
    return f"{view.meta['modality']} → {view.meta['target']}"


def parent_of(dataset: Dataset) -> Dataset | None:
    """Return the dataset that this one grew from, if the store still has it."""
    digest = dataset.artifact.observed.get("parent")
    if not digest:
        return None
    try:
        return Dataset(dataset.store, dataset.store.artifacts.open(digest, "dataset"))
    except ModelwrightError:
        return None


def attach(dataset: Dataset, *, parent: Dataset | None = None, problem: str = "", progress: Progress = SILENT) -> None:
    """Draw a dataset, and attach the page and its figures to it; ``parent``: what it grew from, if that is open."""
    if parent is None or parent.digest != dataset.artifact.observed.get("parent"):
        parent = parent_of(dataset)
    made = page(dataset, parent=parent, problem=problem, progress=progress)
    dataset.artifact.attach(FIGURES, canonical.dumps(made.figures))
    dataset.artifact.attach(REPORT, made.html.encode())


def _pictures_of(modality: str) -> Pictures:
    if modality not in registry.names("pictures"):
        return NO_PICTURES
    made: Pictures = registry.load("pictures", modality)
    return made


def _brought(view: View, name: str) -> list[Element]:
    """Return the sections that a modality or a target brings."""
    if name not in registry.names("explorers"):
        return []
    made: list[Element] = registry.load("explorers", name)(view)
    return made
