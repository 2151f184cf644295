"""The order of the page's sections, and which modality or target brings which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelwright import canonical, registry
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore import decisions, issues, leaks, map, overview  # noqa: A004 - our own file
from modelwright.prepare.explore.view import NO_PICTURES, Pictures, View
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


def page(dataset: Dataset, *, only: str | None = None, problem: str = "", progress: Progress = SILENT) -> Page:
    """Draw one dataset.

    Parameters
    ----------
    only
        Show one split alone: ``train``, ``validation`` or ``test``.
    problem
        What the model is for, in the user's words.
    """
    progress.begin("drawing the page", None)
    view = View.of(dataset, only=only, pictures=_pictures_of(dataset.meta["modality"]), problem=problem)
    title = f"Dataset: {view.meta['name']}" + (f", {only} split" if only else "")
    html = draw.document(
        title,
        *overview.sections(view),
        *map.sections(view),
        *decisions.sections(view),
        *issues.sections(view),
        *_brought(view, view.meta["modality"]),
        *_brought(view, view.meta["target"]),
        *leaks.sections(view),
        subtitle=view.problem or f"{view.meta['modality']} → {view.meta['target']}",
    )
    return Page(html, {"dataset": dataset.digest, "split": only, **view.figures})


def attach(dataset: Dataset, *, problem: str = "", progress: Progress = SILENT) -> None:
    """Draw a dataset, and attach the page and its figures to it."""
    made = page(dataset, problem=problem, progress=progress)
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
