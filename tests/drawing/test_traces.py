"""Sequences as small pictures, and times as bars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing.coverage import coverage
from modelwright.drawing.traces import traces


def _inked(picture: Any) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(picture).min(axis=2) < 200)


def test_a_peak_is_drawn_however_many_steps_there_are() -> None:
    values = np.zeros((100_000, 1))
    values[70_000] = 1.0
    inked = _inked(traces(values, 100, 40))
    places = np.flatnonzero(inked[:8].any(axis=0))
    assert len(places)
    assert np.abs(places - 70).max() <= 2


def test_missing_values_break_a_line_and_nothing_at_all_is_white() -> None:
    values = np.linspace(0, 1, 100)[:, None].copy()
    values[40:60] = np.nan
    inked = _inked(traces(values, 100, 40))
    assert inked[:, 10:35].any()
    assert not inked[:, 43:57].any()
    assert not _inked(traces(np.full((10, 2), np.nan), 50, 20)).any()


def test_a_channel_that_hardly_varies_has_a_scale_of_its_own() -> None:
    values = np.sin(np.arange(50))[:, None]
    drawn = _inked(traces(values, 100, 60, [(-1e6, 1e6)]))
    assert drawn[:15].any()
    assert drawn[-15:].any()


def test_coverage_names_what_is_odd() -> None:
    rows = [("pump", [(1.4e9, 1.4e9 + 3600), (1.4e9 + 7200, 1.4e9 + 9000)]), ("fan <b>", [(1.4e9 + 100, 1.4e9 + 200)])]
    drawn = str(coverage(rows, {"pump": [(1.4e9 + 3600, "gap", "gap of 60 min")]}, title="Times", calendar=True))
    assert "gap of 60 min" in drawn
    assert "fan &lt;b&gt;" in drawn
    assert drawn.count("<rect") >= 4
    assert "<rect" not in str(coverage([], {}, title="Times", calendar=False))
