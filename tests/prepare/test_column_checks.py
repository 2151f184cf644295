"""What is planted in a table is found, and what is not there is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwright.prepare.clean.columns import check

N = 2000


def clean() -> dict[str, Any]:
    """Return columns with nothing wrong."""
    random = np.random.default_rng(0)
    height = random.normal(170, 10, N)
    return {
        "height": height,
        "income": random.lognormal(10, 0.8, N),
        "visits": random.poisson(3, N),
        "color": random.choice(["red", "green", "blue"], N).tolist(),
        "born": (np.datetime64("1970-01-01") + random.integers(0, 9000, N)).astype(str).tolist(),
    }


def found(tmp_path: Path, columns: dict[str, Any], codes: Any = None, numbers: Any = None) -> list[Any]:
    """Return the issues of a table."""
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    random = np.random.default_rng(1)
    codes = random.integers(0, 2, N) if codes is None else codes
    numbers = np.full(N, np.nan) if numbers is None else numbers
    return check(path, np.ones(N, bool), codes, numbers, ["no", "yes"] if codes.max() >= 0 else []).issues


def one(issues: list[Any], kind: str, column: str | None = None) -> Any:
    """Return the one issue of a kind."""
    mine = [each for each in issues if each.kind == kind and (column is None or each.column == column)]
    assert len(mine) == 1, [(each.kind, each.message) for each in issues]
    return mine[0]


def test_nothing_is_wrong_with_a_clean_table(tmp_path: Path) -> None:
    assert [(each.kind, each.message) for each in found(tmp_path, clean())] == []


def test_a_heavy_tail_alone_is_no_oddity_and_a_slip_of_the_pen_is(tmp_path: Path) -> None:
    columns = clean()
    columns["tail"] = np.random.default_rng(5).pareto(2.5, N) + 1
    assert not [each for each in found(tmp_path, columns) if each.kind == "odd-value"]
    columns["height"][[7, 99]] = [17000.0, -999999.5]
    issue = one(found(tmp_path, columns), "odd-value", "height")
    assert sorted(issue.evidence["rows"]) == [7, 99]
    assert sorted(map(int, issue.places)) == [7, 99]


@pytest.mark.parametrize("factor", [1000.0, 2.54, 1 / 100, 2.20462])
def test_values_in_another_unit(tmp_path: Path, factor: float) -> None:
    columns = clean()
    columns["height"] = np.random.default_rng(2).normal(170, 6, N)
    columns["height"][50:130] *= factor
    issue = one(found(tmp_path, columns), "mixed-units")
    assert issue.column == "height"
    assert issue.evidence["count"] == 80
    assert sorted(issue.evidence["rows"]) == list(range(50, 70))


def test_celsius_and_fahrenheit(tmp_path: Path) -> None:
    columns = clean()
    columns["body"] = np.random.default_rng(2).normal(37, 0.5, N)
    columns["body"][:60] = columns["body"][:60] * 1.8 + 32
    issue = one(found(tmp_path, columns), "mixed-units")
    assert issue.evidence["units"] == "°C and °F"
    assert issue.evidence["count"] == 60


def test_numbers_written_with_units(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    mixed = [f"{value:.1f} {'kg' if place % 9 else 'lb'}" for place, value in enumerate(random.normal(70, 5, N))]
    issue = one(found(tmp_path, {**clean(), "weight": mixed[:40] * 50}), "mixed-units")
    assert set(issue.evidence["units"]) == {"kg", "lb"}
    same = [f"{value}mm" for value in random.integers(1, 30, N)]
    assert one(found(tmp_path, {**clean(), "width": same}), "type-mix").evidence["units"] == {"mm": N}


def test_dates_that_cannot_be_lie_ahead_or_come_too_early(tmp_path: Path) -> None:
    columns = clean()
    begin = np.datetime64("2020-01-01") + np.random.default_rng(4).integers(0, 500, N)
    columns["begin"] = begin.astype(str).tolist()
    columns["end"] = (begin + 10).astype(str).tolist()
    columns["end"][5] = "2019-12-01"
    columns["begin"][9] = "2020-02-31"
    columns["born"][11] = "2999-12-31"
    issues = found(tmp_path, columns)
    order = [each for each in issues if each.kind == "dates-out-of-order"]
    assert [(each.column, each.evidence["before"], each.evidence["rows"]) for each in order] == [("end", "begin", [5])]
    assert one(issues, "impossible-date").evidence["values"] == ["2020-02-31"]
    assert one(issues, "future-date").evidence["rows"] == [11]


def test_a_time_that_goes_back(tmp_path: Path) -> None:
    days = [str(np.datetime64("2000-01-01") + place) for place in range(N // 2)]
    hours = [f"{day}T{hour:02d}:00:00" for day in days for hour in (1, 13)]
    hours[700], hours[701] = hours[701], hours[700]
    issue = one(found(tmp_path, {**clean(), "when": (hours * 2)[:N]}), "dates-out-of-order")
    assert issue.evidence["count"] == 1


def test_two_columns_that_say_the_same(tmp_path: Path) -> None:
    columns = clean()
    columns["inches"] = columns["height"] / 2.54
    columns["hue"] = [{"red": 0, "green": 120, "blue": 240}[each] for each in columns["color"]]
    issues = [each for each in found(tmp_path, columns) if each.kind == "correlated-columns"]
    assert {(each.column, each.evidence["with"]) for each in issues} == {("inches", "height"), ("hue", "color")}


def test_rows_sorted_by_the_answer_and_a_column_that_counts_them(tmp_path: Path) -> None:
    codes = (np.arange(N) > N // 3).astype(np.int64)
    assert one(found(tmp_path, clean(), codes), "leaking-order").column is None
    columns = {**clean(), "stamp": np.arange(N) * 2.5 + np.random.default_rng(1).random(N)}
    assert one(found(tmp_path, columns, codes), "leaking-order").column == "stamp"
    numbers = np.sort(np.random.default_rng(2).normal(size=N))
    assert one(found(tmp_path, clean(), np.full(N, -1), numbers), "leaking-order").severity == 0.2


def test_an_identifier_that_tells_the_answer(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 2, N)
    columns = {
        **clean(),
        "ticket": [f"{'AB'[code]}{place:06d}x{place * 7919 % 9973}" for place, code in enumerate(codes)],
    }
    issues = found(tmp_path, columns, codes)
    assert one(issues, "leaking-identifier").column == "ticket"
    assert one(issues, "identifier-column").column == "ticket"


def test_groups_of_few_rows_and_rates_that_differ_by_sex(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    columns = clean()
    columns["color"][:9] = ["violet"] * 9
    columns["sex"] = random.choice(["f", "m"], N).tolist()
    codes = (random.random(N) < np.where(np.array(columns["sex"]) == "f", 0.1, 0.3)).astype(np.int64)
    issues = [each for each in found(tmp_path, columns, codes) if each.kind == "under-represented"]
    assert {each.column for each in issues} == {"color", "sex: yes"}
    assert next(each for each in issues if each.column == "color").evidence["groups"] == {"violet": 9}


def test_a_row_that_is_odd_only_as_a_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    base = random.normal(size=N)
    columns = {f"c{place}": base + 0.01 * random.normal(size=N) for place in range(4)}
    columns["c1"][33], columns["c3"][33] = -base[33] + 3, -base[33] - 3
    issue = one(found(tmp_path, columns), "odd-row")
    assert issue.evidence["rows"][0] == 33


def test_rows_that_are_mostly_missing_are_counted(tmp_path: Path) -> None:
    columns = {name: pa.array(values) for name, values in clean().items()}
    mask = np.zeros(N, bool)
    mask[[3, 4]] = True
    columns = {name: pa.array(clean()[name], mask=mask) for name in columns}
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    gaps = check(path, np.ones(N, bool), np.zeros(N, np.int64), np.full(N, np.nan), ["a"]).gaps
    assert np.flatnonzero(gaps).tolist() == [3, 4]
    assert gaps[3] == 5
