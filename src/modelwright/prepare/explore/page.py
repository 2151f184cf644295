"""The order of the page's sections, and which modality or target brings which."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright import registry
from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare import tables
from modelwright.prepare.columns import ColumnFindings
from modelwright.prepare.explore import decisions, issues, leaks, overview
from modelwright.prepare.explore.view import View
from modelwright.prepare.gather import Gathered

if TYPE_CHECKING:
    from modelwright.prepare.outcome import Outcome


def page(
    spec: Any, gathered: Gathered, outcome: Outcome, columns: ColumnFindings, meta: Mapping[str, Any], store: Any
) -> str:
    """Return the report as HTML."""
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as folder:
        samples, found = Path(folder) / "samples.parquet", Path(folder) / "issues.parquet"
        tables.write_samples(samples, gathered, outcome)
        tables.write_issues(found, outcome.decided)
        view = View(
            parquet.read_table(samples),
            parquet.read_table(found),
            meta,
            {},
            store,
            summary=columns.summary,
            thumbnail=thumbnail_of(spec.input),
            problem=spec.problem,
        )
    return drawn(view)


def thumbnail_of(modality: str) -> Any:
    """Return how the modality's samples look, or None if they cannot be looked at."""
    return registry.load("thumbnails", modality) if modality in registry.names("thumbnails") else None


def drawn(view: View) -> str:
    """Return the page of one dataset."""
    return draw.document(
        f"Dataset: {view.meta['name']}",
        *overview.sections(view),
        *decisions.sections(view),
        *issues.sections(view),
        *_brought(view, view.meta["modality"]),
        *_brought(view, view.meta["target"]),
        *leaks.sections(view),
        subtitle=view.problem or f"{view.meta['modality']} → {view.meta['target']}",
    )


def _brought(view: View, name: str) -> list[Element]:
    """Return the sections that a modality or a target brings."""
    if name not in registry.names("explorers"):
        return []
    made: list[Element] = registry.load("explorers", name)(view)
    return made
