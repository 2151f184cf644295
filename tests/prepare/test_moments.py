"""A date and a time of day in two columns, or year, month and day in three, are one moment."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.errors import InputError
from modelwright.prepare.clean.column_sample import Column
from modelwright.prepare.divide import moments
from modelwright.prepare.explore import page
from modelwright.store.dataset import Dataset

START = datetime(2004, 11, 10, 18)  # noqa: DTZ001 - tables say no zone


def text(name: str, words: Sequence[str]) -> Column:
    different = sorted(set(words))
    return Column(name, "text", np.array([different.index(word) for word in words], float), different, len(different))


def figures(name: str, values: Sequence[float]) -> Column:
    return Column(name, "integer", np.array(values, float), [], len(set(values)))


def hours(count: int, back: Sequence[int] = ()) -> list[datetime]:
    return [START + timedelta(hours=number - (5 if number in back else 0)) for number in range(count)]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001
def test_any_moment_is_the_same_from_its_parts_as_from_its_texts(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    expected = (moment - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
    for date, clock in (("%Y-%m-%d", "%H:%M:%S"), ("%d.%m.%Y", "%H.%M.%S"), ("%d %b %Y", "%I:%M:%S %p")):
        columns = [text("a", [moment.strftime(date)]), text("b", [moment.strftime(clock)])]
        assert moments.joined(columns).tolist() == [expected]
    parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second]
    assert moments.joined([figures(str(place), [part]) for place, part in enumerate(parts)]).tolist() == [expected]


def test_what_is_no_day_of_the_calendar_is_no_moment() -> None:
    days = [figures("year", [2023, 2024, 2024]), figures("month", [2, 2, 13]), figures("day", [29, 29, 1])]
    assert np.isfinite(moments.joined(days)).tolist() == [False, True, False]
    with pytest.raises(InputError, match="'word' is not part of one moment: found 'noon'"):
        moments.joined([text("date", ["2024-03-01"] * 3), text("word", ["noon"] * 3)])
    with pytest.raises(InputError, match="'size' is not part of one moment") as refused:
        moments.joined([figures("size", [1, 2]), figures("height", [3, 4])])
    assert "dates such as 2024-03-01" in refused.value.hint


def test_a_clock_is_found_by_what_it_holds_and_by_the_order_of_rows() -> None:
    taken = hours(400)
    columns = [
        text("a", [each.strftime("%d/%m/%Y") for each in taken]),
        text("opens", ["09:00", "10:00"] * 200),
        text("b", [each.strftime("%H.%M.%S") for each in taken]),
    ]
    found = moments.find(columns)
    assert found is not None
    assert found.columns == ("a", "b")
    assert "'a' has no time of day, 'b' has" in found.reason
    random = np.random.default_rng(0).permutation(400)
    shuffled = [Column(each.name, each.kind, each.values[random], each.words, each.distinct) for each in columns]
    assert moments.find(shuffled) is None, "nothing says that the two belong together"
    assert moments.find([text("birth", ["1990-01-01", "1985-05-05"] * 200), columns[1]]) is None


def test_small_numbers_are_a_day_by_their_names_alone() -> None:
    taken = hours(200)
    named = {"Year": "year", "month": "month", "mday": "day", "hr": "hour"}
    columns = [figures(name, [getattr(each, part) for each in taken]) for name, part in named.items()]
    found = moments.find(columns)
    assert found is not None
    assert found.columns == ("Year", "month", "mday", "hr")
    unnamed = [figures(f"x{place}", each.values.tolist()) for place, each in enumerate(columns)]
    assert moments.find(unnamed) is None


def _written(folder: Path, head: Sequence[str], row: Callable[[datetime], Sequence[Any]], back: Sequence[int]) -> None:
    random = np.random.default_rng(1)
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "heat", "kind"])
        for taken in hours(600, back):
            heat = taken.hour + random.normal()
            writer.writerow([*row(taken), f"{heat:.2f}", "warm" if heat > 12 else "cold"])


def _cut(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = dataset.meta["division"]["time"]
    return found


def test_a_split_by_a_date_takes_the_time_of_day_with_it_and_says_so(project: Any) -> None:
    _written(project.root, ["Date", "Time"], lambda at: [at.strftime("%d/%m/%Y"), at.strftime("%H.%M.%S")], (300,))
    sources = "label: kind\nsources: [{table: data.csv}]\n"
    alone = project.prepare(sources + "split: {time: Date}\n")
    assert _cut(alone)["joined"]["columns"] == ["Date", "Time"]
    assert re.search(r"T\d\d:00:00", _cut(alone)["test_from"])
    asked = project.prepare(sources + "split: {time: [Date, Time]}\n")
    assert _cut(asked)["cuts"] == _cut(alone)["cuts"]
    assert _cut(asked)["joined"]["reason"] == "the spec joins them"
    issues = [each for each in asked.issues().to_pylist() if each["kind"] == "dates-out-of-order"]
    assert len(issues) == 1
    assert (
        "columns 'Date' and 'Time', one moment together, grow from row to row, but go back in 1 of"
        in issues[0]["message"]
    )
    assert "By columns 'Date', 'Time': the spec joins them." in page(asked).html.replace("&#x27;", "'")


def test_a_table_shows_when_its_rows_were_taken_though_it_is_not_split_by_that(project: Any) -> None:
    _written(project.root, ["year", "month", "day"], lambda at: [at.year, at.month, at.day], ())
    made = page(project.prepare("label: kind\nsources: [{table: data.csv}]\n"))
    assert made.figures["time_by"] == ["year", "month", "day"]
    assert made.figures["time"]["last"] - made.figures["time"]["first"] == 25 * 86_400
    assert "they would be with split: {time: [year, month, day]}" in made.html


def test_columns_that_are_not_there_or_no_moment_are_refused(project: Any) -> None:
    _written(project.root, ["Date", "Time"], lambda at: [at.strftime("%Y-%m-%d"), at.strftime("%H:%M")], ())
    sources = "label: kind\nsources: [{table: data.csv}]\n"
    with pytest.raises(InputError, match="'Clock' is no input column"):
        project.prepare(sources + "split: {time: [Date, Clock]}\n")
    with pytest.raises(InputError, match="'heat' is not part of one moment"):
        project.prepare(sources + "split: {time: [Date, heat]}\n")
