"""Columns that tell the answer otherwise than by their plain values: by their time, a word, another scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.prepare.clean import times_told
from modelwright.prepare.clean.column_answers import of_number

from .test_column_checks import N, clean, found, one

DAY = np.datetime64("2024-01-01T00:00:00")
NONE = np.full(N, -1)


def told(tmp_path: Path, columns: dict[str, Any], codes: Any = None, numbers: Any = None) -> set[tuple[str, str]]:
    """Return kinds and columns of what gives the answer away."""
    issues = found(tmp_path, columns, codes, numbers)
    return {(each.kind, each.column) for each in issues if each.kind.startswith("leaking") and each.column}


def moments(seconds: Any) -> list[str]:
    return [str(each) for each in DAY + seconds.astype("timedelta64[s]")]


def classes(seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 2, N)


def test_a_time_that_separates_the_classes(tmp_path: Path) -> None:
    codes = classes()
    seconds = np.random.default_rng(2).integers(0, 20 * 86400, N) + 25 * 86400 * codes
    assert told(tmp_path, {**clean(), "made": moments(seconds)}, codes) == {("leaking-time", "made")}
    swapped = codes.copy()
    swapped[:4] = 1 - swapped[:4]
    assert told(tmp_path, {**clean(), "made": moments(seconds)}, swapped) == {("leaking-time", "made")}


@pytest.mark.parametrize("unit", [3600, 86400])
def test_parts_of_a_time_that_tell_the_class(tmp_path: Path, unit: int) -> None:
    random, codes = np.random.default_rng(3), classes()
    base = random.integers(0, 500, N) * (86400 if unit == 3600 else 7 * 86400)
    seconds = base + (random.integers(0, 3, N) + 3 * codes) * unit + random.integers(0, 3600, N)
    issue = one(found(tmp_path, {**clean(), "made": moments(seconds)}, codes), "leaking-time")
    assert ("hour" if unit == 3600 else "weekday") in issue.message


def test_days_of_one_class_each(tmp_path: Path) -> None:
    day = np.random.default_rng(4).integers(0, 40, N)
    codes = np.array([0, 1, 1, 0])[day % 4]
    seconds = day * 86400 + np.random.default_rng(5).integers(0, 86400, N)
    issue = one(found(tmp_path, {**clean(), "made": moments(seconds)}, codes), "leaking-time")
    assert "all samples of a day" in issue.message


def test_one_class_of_several_has_an_hour_of_its_own(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    codes = random.integers(0, 3, N)
    hours = np.where(codes == 2, 3, random.integers(5, 20, N))
    seconds = random.integers(0, 90, N) * 86400 + hours * 3600
    issue = one(found(tmp_path, {**clean(), "made": moments(seconds)}, codes), "leaking-time")
    assert "one class" in issue.message


def test_seconds_since_1970_are_times_where_the_name_says_so(tmp_path: Path) -> None:
    random, codes = np.random.default_rng(7), classes()
    seconds = 1_700_000_000 // 86400 * 86400 + random.integers(0, 300, N) * 86400 + (8 + codes) * 3600
    assert told(tmp_path, {**clean(), "timestamp": seconds + random.integers(0, 3600, N)}, codes) == {
        ("leaking-time", "timestamp")
    }
    assert not told(tmp_path, {**clean(), "balance": seconds + random.integers(0, 3600, N)}, codes)


def test_a_time_that_drifts_with_the_answer_is_no_leak(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    seconds = random.integers(0, 60 * 86400, N)
    drifting = (random.random(N) < seconds / (60 * 86400)).astype(np.int64)
    assert not told(tmp_path, {**clean(), "made": moments(seconds)}, drifting)
    daily = ((seconds % 86400 // 3600 > 8) ^ (random.random(N) < 0.05)).astype(np.int64)
    assert not told(tmp_path, {**clean(), "made": moments(seconds)}, daily)


def test_the_hour_tells_a_number(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    seconds = random.integers(0, 60 * 86400, N)
    hour = seconds % 86400 // 3600
    exact = np.sin(hour / 4.0) + random.normal(0, 0.01, N)
    assert told(tmp_path, {**clean(), "made": moments(seconds)}, NONE, exact) == {("leaking-time", "made")}
    assert not told(tmp_path, {**clean(), "made": moments(seconds)}, NONE, exact + random.normal(0, 0.2, N))


def test_a_word_in_a_text_tells_the_class(tmp_path: Path) -> None:
    random, codes = np.random.default_rng(10), classes()
    files = [f"scan_{'ok' if code else 'bad'}_{place:04}.png" for place, code in enumerate(codes.tolist())]
    notes = [f"seen by {random.choice(['the', 'a'])} doctor {random.integers(10**6)}" for _ in range(N)]
    assert told(tmp_path, {**clean(), "file": files, "note": notes}, codes) == {("leaking-identifier", "file")}
    sad = [f"{note} {'happy' if code else 'sad'}" for note, code in zip(notes, codes.tolist(), strict=True)]
    issue = one(found(tmp_path, {**clean(), "note": sad}, codes), "leaking-identifier", "note")
    assert "happy" in issue.message or "sad" in issue.message


def test_a_date_and_a_number_in_an_identifier(tmp_path: Path) -> None:
    random, codes = np.random.default_rng(11), classes()
    days = (np.datetime64("2024-03-01") + random.integers(0, 9, N) + 14 * codes).astype(str)
    names = [f"{place % 97:03}_{day.replace('-', '')}_{random.integers(10**9)}" for place, day in enumerate(days)]
    issue = one(found(tmp_path, {**clean(), "shot": names}, codes), "leaking-identifier")
    assert "date in it" in issue.message
    numbers = random.lognormal(0, 2, N)
    amount = [f"order {random.integers(10**9)} of {round(value * 1000)} cents" for value in numbers.tolist()]
    issue = one(found(tmp_path, {**clean(), "text": amount}, NONE, numbers), "leaking-identifier")
    assert "number in it" in issue.message


def test_the_number_itself_in_another_scale_or_in_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(12)
    numbers = random.lognormal(0, 2, N)
    columns = {
        "log": np.log(numbers).round(4),
        "bin": [f"b{value}" for value in (np.log(numbers) // 2).astype(int)],
        "five": np.searchsorted(np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]), numbers),
        "about": np.log(numbers) + random.normal(0, 0.2, N),
        "rough": np.searchsorted([-1, 0, 1], np.log(numbers) + random.normal(0, 0.2, N)),
    }
    leaks = {("leaking-column", "log"), ("leaking-column", "bin"), ("leaking-column", "five")}
    assert told(tmp_path, {**clean(), **columns}, NONE, numbers) == leaks


def test_an_identifier_with_a_row_twice(tmp_path: Path) -> None:
    random = np.random.default_rng(13)
    customer = random.permutation(10**6)[:N]
    customer[50] = customer[49]
    row = np.arange(N) + 7
    row[60] = row[59]
    row[61:] -= 1
    name = np.array([f"n{value:x}" for value in random.permutation(10**6)[:N]])
    issues = found(tmp_path, {**clean(), "customer_id": customer, "row": row, "name": name})
    assert {each.column for each in issues if each.kind == "identifier-column"} == {"customer_id", "row", "name"}
    often = random.integers(0, 4 * N, N)
    assert not [each for each in found(tmp_path, {**clean(), "shop_id": often}) if each.kind == "identifier-column"]


@given(st.lists(st.floats(-5, 5), min_size=40, max_size=80), st.integers(0, 99))
def test_noise_tells_no_number(values: list[float], seed: int) -> None:
    numbers = np.random.default_rng(seed).permutation(np.linspace(0, 1, len(values)))
    assert of_number(np.array(values), "number", len(set(values)), numbers) == ""


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("IMG_20240301_120000.jpg", "2024-03-01T12:00:00"),
        ("a/2024-03-01/x.png", "2024-03-01"),
        ("Screenshot 2024-03-01 at 9.png", "2024-03-01"),
        ("PXL_20240301_093015123.jpg", "2024-03-01T09:30:15"),
        ("img_20240231.jpg", None),
        ("120240301.jpg", None),
        ("4_2024.jpg", None),
    ],
)
def test_dates_in_names(name: str, day: str | None) -> None:
    found = times_told.written(name)
    if day is None:
        assert np.isnan(found)
    else:
        assert round(found * 86400) == int(np.datetime64(day, "s").astype(np.int64))
