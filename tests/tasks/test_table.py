"""Tables: rows as JSON and as columns, kinds, missing values, and the features against a plain numpy twin."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.tasks.base import Encoding, UndecodableError
from modelwright.tasks.modalities.table import dates
from modelwright.tasks.modalities.table import features as table_features
from modelwright.tasks.modalities.table.modality import Table
from modelwright.testing.modality import same, session

TABLE = Table()


def learn(columns: dict[str, Any], **options: Any) -> dict[str, Any]:
    return TABLE.learn([columns], options)


def features(schema: dict[str, Any], encoding: Encoding, columns: dict[str, Any]) -> NDArray[np.float32]:
    arrays = TABLE.from_columns(columns, schema)
    found: NDArray[np.float32] = session(TABLE.graph(schema, encoding)).run(["features"], arrays)[0]
    return found


def by_name(schema: dict[str, Any], encoding: Encoding, columns: dict[str, Any]) -> dict[str, list[float]]:
    found = features(schema, encoding, columns)
    names = TABLE.feature_names(schema, encoding)
    return {name: found[:, place].tolist() for place, name in enumerate(names)}


def kinds(schema: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["kind"] for column in schema["columns"]}


def refusal(raw: bytes, schema: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(UndecodableError) as error:
        TABLE.decode(raw, schema)
    return error.value.problem.kind, error.value.problem.message


MIXED: dict[str, Any] = {
    "size": [1.0, 2.0, None, 4.0],
    "colour": ["red", " red", None, "blue"],
    "new": [True, False, None, True],
    "sold": ["2024-03-01", "2024-03-02T10:00:00Z", None, "2023-12-31 23:59:59"],
}


def test_kinds_are_guessed_from_all_values() -> None:
    schema = learn(
        {
            **MIXED,
            "mixed": [1, "two", 3, None],
            "almost a date": ["2024-03-01", "soon", "2024-03-02", ""],
            "typed": np.array([1, 2, 3, 4], np.int32),
            "when": np.array(["2020-01-01", "NaT", "2021-01-01", "2022-01-01"], "datetime64[us]"),
            "price": [Decimal("1.5"), Decimal("2.5"), None, Decimal(3)],
            "day": [date(2020, 1, 1), datetime(2021, 1, 1, tzinfo=UTC), None, date(2022, 1, 1)],
        }
    )
    assert kinds(schema) == {
        "size": "number",
        "colour": "category",
        "new": "boolean",
        "sold": "date",
        "mixed": "category",
        "almost a date": "category",
        "typed": "number",
        "when": "date",
        "price": "number",
        "day": "date",
    }
    shares = {column["name"]: column["missing"] for column in schema["columns"]}
    assert shares["size"] == shares["when"] == shares["almost a date"] == 0.25
    assert shares["typed"] == 0.0


def test_columns_that_teach_nothing_are_left_out_with_a_reason() -> None:
    count = 200
    schema = learn(
        {
            "x": np.arange(count) % 7,
            "same": ["a"] * count,
            "one": np.ones(count),
            "yes": [True] * count,
            "empty": [None] * count,
            "name": [f"person {place}" for place in range(count)],
            "y": np.arange(count),
            "skip": np.arange(count),
            "list": [[1, 2], *["a"] * (count - 1)],
        },
        target="y",
        ignore=("skip",),
    )
    assert kinds(schema) == {"x": "number"}
    reasons = {each["name"]: each["reason"] for each in schema["left_out"]}
    assert "constant" in reasons["same"]
    assert "constant" in reasons["one"]
    assert "constant" in reasons["yes"]
    assert "no value" in reasons["empty"]
    assert "identifier" in reasons["name"]
    assert "lists" in reasons["list"]
    assert set(schema["others"]) == {"list", "same", "one", "yes", "empty", "name", "y", "skip"}


def test_a_constant_with_gaps_is_kept_for_its_gaps() -> None:
    schema = learn({"flag": ["x", None, "x", None], "n": [5.0, None, 5.0, 5.0]})
    found = by_name(schema, "dense", {"flag": ["x", None], "n": [5.0, None]})
    assert found["flag is missing"] == [0.0, 1.0]
    assert found["n is missing"] == [0.0, 1.0]
    assert found["n"] == [0.0, 0.0]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(InputError, match="same: constant"):
        learn({"same": [1, 1, 1]})
    with pytest.raises(InputError, match="no column"):
        TABLE.learn([], {})


def test_kinds_may_be_set() -> None:
    columns = {"code": [1, 2, 1, 2], "flag": [0, 1, 1, 0], "word": ["a", "b", "a", "b"]}
    schema = learn(columns, kinds={"code": "category", "flag": "boolean"})
    assert kinds(schema) == {"code": "category", "flag": "boolean", "word": "category"}
    assert by_name(schema, "dense", {"code": [2, 1.0, "2"], "flag": [1, False, "yes"]})["code = 2"] == [1.0, 0.0, 1.0]
    typed = learn({name: np.array(values) for name, values in columns.items()}, kinds={"code": "category"})
    assert kinds(typed)["code"] == "category"
    with pytest.raises(InputError, match="kind 'colour'"):
        learn(columns, kinds={"code": "colour"})
    with pytest.raises(InputError, match='no column "cde"'):
        learn(columns, kinds={"cde": "category"})


def test_rows_and_columns_mean_the_same() -> None:
    schema = learn(MIXED)
    together = TABLE.from_columns(MIXED, schema)
    for place in range(4):
        row = {name: values[place] for name, values in MIXED.items() if values[place] is not None}
        alone = TABLE.decode(canonical.dumps(row), schema)
        assert all(same(alone[name], together[name][place : place + 1]) for name in alone)


def test_a_row_says_what_is_wrong_with_it() -> None:
    schema = learn(MIXED)
    for row, column, expected in (
        ({"size": "3"}, "size", "a number or null"),
        ({"size": True}, "size", "a number or null"),
        ({"size": 1e39}, "size", "at most"),
        ({"colour": ["red"]}, "colour", "text"),
        ({"new": "perhaps"}, "new", "true, false or null"),
        ({"new": 2}, "new", "true, false or null"),
        ({"sold": "yesterday"}, "sold", "a date"),
        ({"sold": 5}, "sold", "a date"),
    ):
        kind, message = refusal(json.dumps(row).encode(), schema)
        assert kind == "wrong-type"
        assert f'column "{column}"' in message
        assert expected in message
    assert refusal(b"", schema)[0] == "empty"
    assert refusal(b"[1, 2]", schema)[0] == "wrong-format"
    assert refusal(b'{"size": NaN}', schema)[0] == "corrupt"
    assert refusal(b'{"size": 1', schema)[0] == "corrupt"
    assert refusal(b"[" * 200_000, schema)[0] == "corrupt"
    assert refusal(b'{"size": ' + b"9" * 5000 + b"}", schema)[0] == "corrupt"
    assert refusal(b'{"colour": "\\ud800"}', schema)[0] == "wrong-type"
    assert refusal(b'{"colour": "' + b"x" * 1_000_001 + b'"}', schema)[0] == "too-large"


def test_a_column_says_in_which_row_it_is_wrong() -> None:
    schema = learn(MIXED)
    with pytest.raises(UndecodableError) as error:
        TABLE.from_columns({**MIXED, "size": [1, 2, "three", 4]}, schema)
    assert error.value.problem.evidence["row"] == 2
    assert error.value.problem.evidence["column"] == "size"
    with pytest.raises(UndecodableError) as error:
        TABLE.from_columns({**MIXED, "size": np.array([1, np.inf, 2, 3])}, schema)
    assert error.value.problem.evidence["row"] == 1


def test_unknown_columns_are_refused_only_when_strict() -> None:
    row = json.dumps({"size": 1.0, "weight": 2, "y": 3}).encode()
    columns = {**MIXED, "y": [1, 2, 3, 4]}
    TABLE.decode(row, learn(columns, target="y"))
    kind, message = refusal(row, learn(columns, target="y", strict=True))
    assert kind == "unknown-column"
    assert '"weight"' in message


def test_an_empty_row_gives_the_medians() -> None:
    schema = learn(MIXED)
    found = features(schema, "dense", {"size": [None]})
    assert np.isfinite(found).all()
    row = TABLE.decode(b"{}", schema)
    assert same(session(TABLE.graph(schema, "dense")).run(["features"], row)[0], found)
    assert [problem.kind for problem in TABLE.check(row)] == ["missing-value"]
    assert TABLE.check(TABLE.decode(canonical.dumps({"size": 1, "new": True}), schema)) == []


def twin(schema: dict[str, Any], columns: dict[str, Any]) -> NDArray[np.float64]:
    """Compute the dense features once more, plainly, in float64."""
    arrays = TABLE.from_columns(columns, schema)
    numbers, missing, logs, hot = [], [], [], []
    for column in schema["columns"]:
        values = arrays[column["tensor"]]
        if column["kind"] == "category":
            words = values[:, 0]
            hot += [words == word for word in column["categories"]]
            if column["other"]:
                hot.append([word != "" and word not in column["categories"] for word in words])
            if column["missing"]:
                hot.append(words == "")
            continue
        gaps = np.isnan(values)
        filled = np.where(gaps, np.float32(column["median"]), values).astype(float)
        numbers += list(np.clip((filled - column["mean"]) / column["std"], -10, 10).T)
        if column["missing"]:
            missing.append(gaps[:, 0])
        if column.get("log"):
            signed = np.sign(filled) * np.log1p(np.abs(filled))
            logs += list(np.clip((signed - column["log"]["mean"]) / column["log"]["std"], -10, 10).T)
    return np.array([*numbers, *missing, *logs, *hot], dtype=float).T


def test_dense_features_equal_a_plain_computation() -> None:
    random = np.random.default_rng(0)
    count = 3000
    columns: dict[str, Any] = {
        "normal": [None if random.random() < 0.1 else float(value) for value in random.normal(5, 2, count)],
        "skewed": np.exp(random.normal(8, 2, count)) * random.choice([-1, 1], count, p=[0.1, 0.9]),
        "word": random.choice(np.array(["a", "b", "c", None], object), count).tolist(),
        "many": [f"v{int(value)}" for value in random.zipf(1.4, count)],
        "flag": random.random(count) < 0.3,
        "when": np.datetime64("2020-01-01", "s") + random.integers(0, 10**8, count).astype("timedelta64[s]"),
    }
    schema = learn(columns)
    assert any(column["kind"] == "category" and len(column["categories"]) == 64 for column in schema["columns"])
    found = features(schema, "dense", columns)
    np.testing.assert_allclose(found, twin(schema, columns), rtol=1e-4, atol=1e-4)
    new = {"normal": [1e30], "word": ["zebra"], "many": ["nothing known"], "skewed": [-1e30]}
    strange = by_name(schema, "dense", new)
    assert strange["normal"] == [10.0]
    assert strange["log skewed"][0] < -3
    assert strange["many is another one"] == [1.0]
    assert strange["word = a"] == strange["word = b"] == strange["word is missing"] == [0.0]


def test_trees_get_codes_and_gaps() -> None:
    columns = {**MIXED, "colour": ["red", "red", None, "blue"]}
    schema = learn(columns)
    found = by_name(schema, "trees", {**columns, "colour": ["red", "green", None, "blue"]})
    assert found["size"][:2] == [1.0, 2.0]
    assert math.isnan(found["size"][2])
    assert [found["colour"][0], found["colour"][3]] == [0.0, 1.0]
    assert math.isnan(found["colour"][1])
    assert math.isnan(found["colour"][2])
    assert found["sold: year"][3] == 2023.0
    assert math.isnan(found["sold: year"][2])
    many = learn({"x": [f"v{place % 70}" for place in range(7000)]}, cap=3)
    assert by_name(many, "trees", {"x": ["v0", "v69", "unheard of", None]})["x"][:3] == [0.0, 3.0, 3.0]


def test_a_table_of_one_column_has_a_graph() -> None:
    for columns in ({"x": [1.0, 2.0]}, {"x": ["a", "b"]}, {"x": [True, False]}):
        schema = learn(columns)
        for encoding in TABLE.encodings:
            assert features(schema, encoding, columns).shape[0] == 2


def test_measures_are_the_columns() -> None:
    schema = learn(MIXED)
    measures = TABLE.measure(TABLE.from_columns(MIXED, schema), schema)
    assert list(measures) == ["size", "colour", "new", "sold"]
    assert measures["size"].dtype == np.float64
    assert measures["colour"].tolist() == ["red", "red", None, "blue"]
    assert measures["new"].tolist() == ["true", "false", None, "true"]
    assert measures["sold"][0] == (date(2024, 3, 1) - date(1970, 1, 1)).days
    assert math.isnan(measures["sold"][2])
    assert TABLE.measure({"size": np.array([1.0], object)}, {}) == {}


def test_any_column_name_will_do() -> None:
    names = ["c0", "a b", "", "Größe ✓", "x'\"; DROP", "features", "<script>", "n" * 300]
    columns = {name: [1.0, 2.0, 3.0 + place] for place, name in enumerate(names)}
    schema = learn(columns)
    assert [column["tensor"] for column in schema["columns"]] == [f"c{place}" for place in range(len(names))]
    assert features(schema, "dense", columns).shape == (3, len(names))


def test_one_word_in_two_unicode_forms_is_one_category() -> None:
    schema = learn({"x": ["é", "e\u0301", "a"]})
    assert schema["columns"][0]["categories"] == ["é", "a"]
    assert TABLE.decode('{"x": " e\u0301 "}'.encode(), schema)["c0"][0, 0] == "é"


def test_columns_may_come_late() -> None:
    rows = [{"a": [1.0]}, {"a": [2.0], "b": ["x"]}, {"b": ["y"]}, {"a": [4.0], "b": ["x"]}]
    schema = TABLE.learn(rows, {})
    shares = {column["name"]: column["missing"] for column in schema["columns"]}
    assert shares == {"a": 0.25, "b": 0.25}


def test_learning_holds_a_bounded_part_of_a_column() -> None:
    def batches() -> Any:
        random = np.random.default_rng(0)
        for number in range(30):
            yield {"x": random.normal(3, 2, 5000), "id": [f"{number}-{place}" for place in range(5000)]}

    schema = TABLE.learn(batches(), {})
    (column,) = schema["columns"]
    assert column["name"] == "x"
    assert abs(column["mean"] - 3) < 0.03
    assert abs(column["std"] - 2) < 0.03
    assert abs(column["median"] - 3) < 0.1
    assert schema["samples"] == 150_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01", "2024-03-01T00:00:00"),
        ("2024-03-01 10:30", "2024-03-01T10:30:00"),
        ("2024-03-01T10:30:15.5Z", "2024-03-01T10:30:15.500000"),
        ("2024-03-01T01:00:00+02:00", "2024-02-29T23:00:00"),
        ("2024/3/1", "2024-03-01T00:00:00"),
        ("1.3.2024", "2024-03-01T00:00:00"),
        ("1.3.2024 8:05", "2024-03-01T08:05:00"),
        ("3/1/2024", "2024-03-01T00:00:00"),
        ("13/1/2024", "2024-01-13T00:00:00"),
        ("3/1/2024 12:00 AM", "2024-03-01T00:00:00"),
        ("3/1/2024 3:15:10 PM", "2024-03-01T15:15:10"),
        ("1 Mar 2024", "2024-03-01T00:00:00"),
        ("01-MAR-2024", "2024-03-01T00:00:00"),
        ("March 1, 2024", "2024-03-01T00:00:00"),
    ],
)
def test_dates_are_read(text: str, expected: str) -> None:
    found = dates.parse(text)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["", "20240301", "12345678", "2024-13-01", "2024-02-30", "3/1/24", "1.2.3", "10:30", "May 2024 x", "0-0-0000"],
)
def test_what_is_no_date_is_not_read(text: str) -> None:
    assert dates.parse(text) is None


def test_day_first_is_seen_in_the_data() -> None:
    schema = learn({"d": ["3/1/2024", "31/1/2024", "4/2/2024"]})
    assert schema["columns"][0]["day_first"] is True
    parts = TABLE.decode(b'{"d": "5/6/2024"}', schema)["c0"][0]
    assert parts[:3].tolist() == [2024.0, 6.0, 5.0]


@settings(max_examples=200, deadline=None)
@given(st.datetimes())
def test_the_parts_of_any_time_are_right(moment: datetime) -> None:
    (row,) = dates.parts(dates.moments([moment]))
    assert (dates.parts(np.array([moment], "datetime64[us]")) == row).all()
    written = dates.parse(moment.isoformat())
    assert written == moment
    assert row[:4].tolist() == [moment.year, moment.month, moment.day, moment.weekday()]
    assert row[4] == moment.hour * 3600 + moment.minute * 60 + moment.second
    assert row[5] == moment.toordinal() - date(1970, 1, 1).toordinal()


cell = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["2024-01-01", "1/2/2024", "nan", "true", "", " ", "1e5"]),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*MIXED, "other"]), cell))
def test_any_row_decodes_or_is_refused_and_its_features_are_finite(row: dict[str, Any]) -> None:
    schema = SCHEMA
    try:
        arrays = TABLE.decode(json.dumps(row).encode(), schema)
    except UndecodableError as error:
        assert error.problem.kind == "wrong-type"  # noqa: PT017 - either outcome is right
        return
    assert np.isfinite(DENSE.run(["features"], arrays)[0]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), cell, min_size=1), min_size=1, max_size=30))
def test_whatever_a_table_holds_there_is_a_schema_or_a_clear_error(rows: list[dict[str, Any]]) -> None:
    try:
        schema = TABLE.learn((TABLE.decode(json.dumps(row).encode(), {}) for row in rows), {})
    except InputError as error:
        assert error.code == "no-columns"  # noqa: PT017 - either outcome is right
        return
    assert json.loads(canonical.dumps(schema)) == schema
    for encoding in TABLE.encodings:
        names = TABLE.feature_names(schema, encoding)
        width = TABLE.graph(schema, encoding).graph.output[0].type.tensor_type.shape.dim[1].dim_value
        assert width == len(names)


SCHEMA = learn(MIXED)
DENSE = session(TABLE.graph(SCHEMA, "dense"))


def test_the_plan_names_every_feature_once() -> None:
    names = table_features.names(SCHEMA, "dense")
    assert len(names) == len(set(names))
    assert names[0] == "size"
    assert "colour = red" in names


def test_rows_that_are_parsed_mean_what_their_json_means() -> None:
    schema = learn(MIXED)
    reader = TABLE.rows(schema)
    rows = [
        {name: json.loads(json.dumps(values[place], default=str)) for name, values in MIXED.items()}
        for place in range(4)
    ]
    rows += [{}, {"size": 3, "new": "yes", "colour": " blé ", "sold": None}, {"size": 1.5, "other": 4}]
    stacked = reader.stack([reader.read(row) for row in rows])
    for place, row in enumerate(rows):
        alone = TABLE.decode(canonical.dumps(row), schema)
        assert list(alone) == list(stacked)
        for name, values in alone.items():
            assert same(values, stacked[name][place : place + 1])
            assert values.dtype == stacked[name].dtype
    for wrong in ({"size": "3"}, {"size": 1e39}, {"size": 10**400}, {"size": True}, {"new": 2}, {"sold": "soon"}):
        with pytest.raises(UndecodableError) as error:
            reader.read(wrong)
        assert (error.value.problem.kind, error.value.problem.message) == refusal(canonical.dumps(wrong), schema)
    strict = TABLE.rows(learn(MIXED, strict=True))
    with pytest.raises(UndecodableError, match="weight"):
        strict.read({"weight": 2})
