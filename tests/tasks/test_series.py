"""Series: what is read, measured, learned, and that the graph computes what numpy computes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.series import graph as series_graph
from modelwright.tasks.modalities.series import plan as series_plan
from modelwright.tasks.modalities.series import reading as series_reading
from modelwright.tasks.modalities.series import sketch as series_sketch
from modelwright.tasks.modalities.series import time as series_time
from modelwright.tasks.modalities.series.measures import TimeTally, longest_run
from modelwright.tasks.modalities.series.modality import Series
from modelwright.testing.modality import session

SERIES = Series()


def document(values: NDArray[Any], time: list[Any] | None = None) -> bytes:
    columns = {
        f"ch{place}": [None if np.isnan(v) else float(v) for v in column] for place, column in enumerate(values.T)
    }
    made: dict[str, Any] = {"values": columns}
    if time is not None:
        made["time"] = time
    return json.dumps(made).encode()


def walk(steps: int, channels: int, seed: int, holes: float = 0.0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    made = random.normal(0, 1, (steps, channels)).cumsum(0) + 10.0 * np.arange(channels)
    made[random.random(made.shape) < holes] = np.nan
    return np.asarray(made, np.float32)


def learned(raws: list[bytes], **options: Any) -> dict[str, Any]:
    return SERIES.learn((SERIES.decode(raw, {}) for raw in raws), options)


# ---------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "names", "steps"),
    [
        (b"a,b\n1,2\n3,4\n", ("a", "b"), 2),
        (b"#a, b\n-0.9,-0.48\n3,4\n", ("a", "b"), 2),
        (b"1;2,5\n3;4,5\n5;6,5\n", ("channel 1", "channel 2"), 3),
        (b"1.0 2.0\n3.0 4.0\n", ("channel 1", "channel 2"), 2),
        (b'"a","b"\n"0",1,2\n"1",3,4\n', ("a", "b"), 2),
        (b"\xef\xbb\xbfa\tword\tb\r\n1\tx\t2\r\n3\ty\tNA\r\n", ("a", "b"), 2),
        ("zeit,ström\n2024-01-01,1\n2024-01-02,2\n".encode(), ("ström",), 2),
        ("zeit,ström\n2024-01-01,1\n2024-01-02,2\n".encode("latin-1"), ("ström",), 2),
        ("a,b\n1,2\n".encode("utf-16"), ("a", "b"), 1),
        (b"a,a\n1,2\n", ("a", "a.2"), 1),
        (b"7\n8\n9\n", ("channel 1",), 3),
    ],
)
def test_delimited_text(text: bytes, names: tuple[str, ...], steps: int) -> None:
    frame = series_reading.read(text)
    assert frame.names == names
    assert frame.values.shape == (steps, len(names))


def test_decimal_commas_and_missing_cells() -> None:
    frame = series_reading.read(b"a;b\n1,5;2\n?;-3,25\n;1e3\n")
    np.testing.assert_array_equal(frame.values, np.array([[1.5, 2], [np.nan, -3.25], [np.nan, 1000]], np.float32))


def test_text_without_header_is_read_by_position_if_the_channels_are_known() -> None:
    schema = learned([b"flow,heat\n1,2\n3,4\n5,9\n", b"flow,heat\n1,2\n3,4\n7,1\n"])
    named = SERIES.decode(b"flow,heat\n5,6\n", schema)["values"]
    np.testing.assert_array_equal(SERIES.decode(b"5,6\n", schema)["values"], named)


def test_channels_by_name_whatever_their_order() -> None:
    schema = learned([document(walk(30, 3, 1)), document(walk(40, 3, 2))])
    values = walk(12, 3, 3)
    shuffled = {"values": {f"ch{place}": values[:, place].tolist() for place in (2, 0, 1)}}
    np.testing.assert_array_equal(SERIES.decode(json.dumps(shuffled).encode(), schema)["values"][0], values)
    with pytest.raises(UndecodableError, match="expected are ch0, ch1, ch2"):
        SERIES.decode(b'{"values": {"other": [1, 2]}}', schema)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "empty"),
        (b"a,b\n", "empty"),
        (b'{"values": {"a": [1, "x"]}}', "wrong-type"),
        (b'{"values": {"a": [1, true]}}', "wrong-type"),
        (b'{"values": {"a": [1e39]}}', "wrong-type"),
        (b'{"values": {"a": [' + b"9" * 400 + b"]}}", "wrong-type"),
        (b'{"values": {"a": [1]}, "time": [{}]}', "wrong-type"),
        (b'{"values": {"a": [1]}, "time": [1, 2]}', "wrong-format"),
        (b'{"values": {"\\ud800": [1]}}', "wrong-type"),
        (b'{"values": ' + b'{"a":' * 100_000, "corrupt"),
        (bytes(range(32)) * 50, "wrong-format"),
        (b"a,b\n1\n1,2,3\n4\n5,6\n", "wrong-format"),
        (b'{"values": {' + b",".join(b'"%d": [1]' % place for place in range(1001)) + b"}}", "too-large"),
        (b",".join(b"1" for _ in range(1200)), "too-large"),
        (b"x" * (series_reading.MAX_BYTES + 1), "too-large"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, kind: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        SERIES.decode(raw, {})
    assert caught.value.problem.kind == kind


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet='0123456789,;.\n\t -eE#"ax{}[]:null', max_size=300).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        values = SERIES.decode(raw, {})["values"]
    except UndecodableError:
        return
    assert values.dtype == np.float32
    assert not np.isinf(values).any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.none() | st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=9), min_size=1, max_size=4
    ).filter(lambda columns: len({len(column) for column in columns}) == 1)
)
def test_what_is_written_as_text_or_json_reads_the_same(columns: list[list[float | None]]) -> None:
    names = [f"c{place}" for place in range(len(columns))]
    raw = json.dumps({"values": dict(zip(names, columns, strict=True))}).encode()
    text = (
        ",".join(names)
        + "\n"
        + "\n".join(
            ",".join("NaN" if value is None else repr(value) for value in row) for row in zip(*columns, strict=True)
        )
    )
    first, second = series_reading.read(raw), series_reading.read(text.encode())
    if all(value is None for column in columns for value in column):
        return
    assert first.names == second.names
    np.testing.assert_array_equal(first.values, second.values)


# ---------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2014-01-07 02:55:00", 1389063300.0),
        ("2014-01-07T02:55:00+01:00", 1389059700.0),
        ("2014-01-07 02:55:00.250", 1389063300.25),
        (1389063300, 1389063300.0),
        ("1389063300000", 1389063300.0),
        (1389063300000000, 1389063300.0),
        ("1389063300000000000", 1389063300.0),
        ("02:55", 10500.0),
        ("0.125", 0.125),
        ("07.01.2014", 1389052800.0),
    ],
)
def test_times(value: Any, expected: float) -> None:
    assert series_time.seconds(value) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("value", [None, "", "noon", "1_000", True, "inf", 1e300, "2014-13-01", "99:99"])
def test_no_times(value: Any) -> None:
    assert np.isnan(series_time.seconds(value))


def test_the_day_comes_first_where_some_dates_say_so() -> None:
    assert series_time.many(["3/1/2024", "13/1/2024"])[0] == series_time.seconds("2024-01-03")
    assert series_time.many(["3/1/2024", "1/13/2024"])[0] == series_time.seconds("2024-03-01")


def test_odd_times_are_counted() -> None:
    tally = TimeTally()
    for moment in [*range(0, 600, 60), 300, 360, *range(1200, 1800, 60), 1740, 10_000, float("nan"), 10_060]:
        tally.add(float(moment))
    found = {problem.kind: problem.evidence for problem in tally.problems()}
    assert found["backward-time"]["times"] == 1
    assert found["repeated-time"]["times"] == 3
    assert found["gap"]["longest"][0] == [8260.0, 1740.0]
    assert found["bad-time"]["unreadable"] == 1
    assert tally.usual == 60.0


# ---------------------------------------------------------------------- checks and measures


def kinds(raw: bytes) -> set[str]:
    return {problem.kind for problem in SERIES.check(SERIES.decode(raw, {}))}


def test_a_stuck_sensor_a_constant_one_and_missing_values_are_found() -> None:
    values = walk(100, 3, 5)
    assert not kinds(document(values))
    values[30:, 0] = values[30, 0]
    values[:, 1] = 7.0
    values[:40, 2] = np.nan
    assert kinds(document(values)) == {"stuck-sensor", "constant-channel", "missing-value"}


def test_a_switch_that_stays_on_is_not_stuck() -> None:
    values = np.ones((100, 1), np.float32)
    values[:20] = 0.0
    assert not kinds(document(values))


def test_measures() -> None:
    values = np.array([[1, 5], [2, 5], [2, np.nan], [5, 7]], np.float32)
    inputs = SERIES.decode(document(values, [0, 10, 20, 40]), {})
    found = {name: float(each[0]) for name, each in SERIES.measure(inputs, {}).items()}
    assert found["length"] == 4
    assert found["step"] == 10
    assert found["mean of ch0"] == 2.5
    assert found["stuck of ch0"] == 0.5
    assert found["missing of ch1"] == 0.25
    assert found["max of ch1"] == 7
    assert longest_run(np.array([3.0])) == (1, 0)


# ---------------------------------------------------------------------- learning


def test_learning_says_what_it_chose() -> None:
    schema = learned([document(walk(40 + place, 2, place), list(range(40 + place))) for place in range(12)])
    assert schema["length"] == {"typical": 45, "shortest": 40, "longest": 51}
    assert schema["timed"]
    assert not schema["calendar"]
    assert schema["step"] == 1.0
    assert "calendar" not in schema["features"]
    assert schema["reason"].startswith("features: statistics")


def test_features_are_those_asked_for() -> None:
    raws = [document(walk(30, 2, place)) for place in range(5)]
    assert learned(raws, features=("lags", "statistics"))["features"] == ["statistics", "lags"]
    schema = learned(raws, features=("statistics", "calendar"))
    assert schema["features"] == ["statistics"]
    assert "calendar cannot be made" in schema["reason"]
    with pytest.raises(InputError, match="spectrum"):
        learned(raws, features=("wavelets",))
    with pytest.raises(InputError, match="none of the features"):
        learned(raws, features=("calendar",))


def test_a_channel_that_most_lack_is_left_out() -> None:
    raws = [document(walk(20, 2, place)) for place in range(8)] + [document(walk(20, 3, 9))]
    schema = learned(raws)
    assert [channel["name"] for channel in schema["channels"]] == ["ch0", "ch1"]
    assert "ch2" in schema["reason"]


def test_many_channels_give_fewer_features() -> None:
    schema = learned([document(walk(64, 150, place)) for place in range(3)])
    assert len(series_plan.names(schema)) <= 4096
    assert "without" in schema["reason"]
    with pytest.raises(InputError, match="300 channels"):
        learned([document(walk(4, 300, 1))])


# ---------------------------------------------------------------------- the graph against numpy


def reference(
    values: NDArray[np.float32], time: NDArray[np.float64] | None, schema: dict[str, Any]
) -> dict[str, float]:
    """Compute all features of one sequence in double precision."""
    names = [channel["name"] for channel in schema["channels"]]
    means = np.array([channel["mean"] for channel in schema["channels"]])
    stds = np.array([channel["std"] for channel in schema["channels"]])
    z = np.clip((values.astype(np.float64) - means) / stds, -1e4, 1e4)
    made: dict[str, float] = {}
    filled = np.empty_like(z)
    for place in range(z.shape[1]):
        known = ~np.isnan(z[:, place])
        own = z[known, place].mean() if known.any() else 0.0
        last = own
        for step in range(len(z)):
            last = z[step, place] if known[step] else last
            filled[step, place] = last
    centred = filled - filled.mean(0)
    steps = len(filled)
    for place, name in enumerate(names):
        column, around = filled[:, place], centred[:, place]
        ordered = np.sort(column)
        difference = np.diff(column, prepend=column[0])
        along = (np.arange(steps) - (steps - 1) / 2) / max(steps - 1, 1)
        made |= {
            f"mean of {name}": column.mean(),
            f"deviation of {name}": column.std(),
            f"smallest of {name}": column.min(),
            f"largest of {name}": column.max(),
            f"slope of {name}": (along @ around) / max(along @ along, 1e-12),
            f"last less first of {name}": column[-1] - column[0],
            f"mean step size of {name}": np.abs(difference).mean(),
            f"deviation of steps of {name}": np.sqrt((difference**2).mean()),
            f"largest step of {name}": np.abs(difference).max(),
            f"share of repeats of {name}": (difference == 0).mean(),
            f"crossings of the mean of {name}": (around * np.concatenate([around[:1], around[:-1]]) < 0).mean(),
            f"share missing of {name}": np.isnan(values[:, place]).mean(),
        }
        for share in series_plan.QUANTILES:
            made[f"{round(100 * share)} % point of {name}"] = ordered[int(np.round(np.float32((steps - 1) * share)))]
        for lag in schema["autocorrelations"]:
            made[f"autocorrelation at {lag} of {name}"] = (around[lag:] @ around[:-lag]) / (around @ around + 1e-6)
        for back in range(schema["lags"]):
            made[f"value {back} before the end of {name}"] = column[max(steps - 1 - back, 0)]
        count = schema["segments"]
        for part in range(count):
            low = part * steps // count
            high = max((part + 1) * steps // count, low + 1)
            made[f"part {part + 1} of {count} of {name}"] = column[low:high].mean()
        frame = schema["frame"]
        padded = np.pad(around, (0, max(0, frame - steps)))
        waves, gather = series_graph.spectrum_kernels(frame, schema["bands"])
        starts = range(0, len(padded) - frame + 1, max(1, frame // 2))
        power = np.stack([(waves[:, 0] @ padded[start : start + frame]) ** 2 for start in starts], 1)
        energy = np.log((gather[:, :, 0] @ power).mean(1) + series_graph.ENERGY_FLOOR)
        for (low, high), value in zip(schema["bands"], energy, strict=True):
            made[f"band {low}-{high} of {frame // 2} of {name}"] = value
    for one, other in series_plan.pairs(len(names)):
        top = (centred[:, one] * centred[:, other]).mean()
        bottom = np.sqrt(centred[:, one].var() * centred[:, other].var()) + 1e-6
        made[f"correlation of {names[one]} and {names[other]}"] = top / bottom
    made["length"] = np.log(steps)
    if time is not None:
        gaps = np.nan_to_num(np.diff(time, prepend=time[0]))
        length = time[-1] - time[0]
        made["length in time"] = np.log(abs(length) + 1e-3)
        made["mean step of time"] = np.log(abs(length / max(steps - 1, 1)) + 1e-3)
        made["largest step of time"] = np.log(abs(gaps.max()) + 1e-3)
        for word, period, moved in (("day", 86400.0, 0.0), ("week", 604800.0, 259200.0)):
            angle = 2 * np.pi * np.mod(time[-1] + moved, period) / period
            made |= {f"time of {word}, sine": np.sin(angle), f"time of {word}, cosine": np.cos(angle)}
    return made


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """Return a schema with all features."""
    raws = [
        document(walk(40 + 7 * place, 3, place, 0.1), [1.7e9 + 3600 * step for step in range(40 + 7 * place)])
        for place in range(10)
    ]
    return learned(raws, features=series_plan.AUTO)


@settings(max_examples=40, deadline=None)
@given(steps=st.integers(1, 200), seed=st.integers(0, 10_000), holes=st.sampled_from([0.0, 0.1, 0.9, 1.0]))
def test_the_graph_computes_what_numpy_computes(
    everything: dict[str, Any], steps: int, seed: int, holes: float
) -> None:
    assert everything["features"] == list(series_plan.AUTO)
    values = walk(steps, 3, seed, holes)
    time = 1.7e9 + np.random.default_rng(seed).uniform(0, 5000, steps).cumsum()
    graph = session(SERIES.graph(everything, "trees"))
    found = graph.run(["features"], {"values": values[None], "time": time[None]})[0][0]
    expected = reference(values, time, everything)
    names = SERIES.feature_names(everything, "trees")
    assert set(names) == set(expected)
    for name, value in zip(names, found.tolist(), strict=True):
        near = 0.35 if name.startswith(("band", "autocorrelation", "correlation")) else 3e-3
        if name.startswith(("band", "autocorrelation", "correlation")) and steps > 4 and holes < 0.9:
            near = 5e-3
        assert value == pytest.approx(expected[name], rel=near, abs=near), (name, steps)


def test_dense_features_are_scaled_by_training(everything: dict[str, Any]) -> None:
    trees, dense = (session(SERIES.graph(everything, encoding)) for encoding in ("trees", "dense"))
    values, time = walk(60, 3, 3)[None], np.arange(60.0)[None] * 3600 + 1.7e9
    raw = trees.run(["features"], {"values": values, "time": time})[0]
    scaled = dense.run(["features"], {"values": values, "time": time})[0]
    expected = (raw - np.float32(everything["scale"]["mean"])) / np.float32(everything["scale"]["std"])
    np.testing.assert_allclose(scaled, np.clip(expected, -10, 10), rtol=1e-4, atol=1e-4)


def test_missing_times_are_missing_for_trees_and_usual_for_others(everything: dict[str, Any]) -> None:
    arrays = SERIES.decode(document(walk(30, 3, 1)), everything)
    names = SERIES.feature_names(everything, "trees")
    trees = session(SERIES.graph(everything, "trees")).run(["features"], arrays)[0][0]
    assert np.isnan(trees[names.index("time of day, sine")])
    dense = session(SERIES.graph(everything, "dense")).run(["features"], arrays)[0][0]
    assert dense[names.index("time of day, sine")] == 0.0


def test_absurd_values_stay_finite(everything: dict[str, Any]) -> None:
    graph = session(SERIES.graph(everything, "dense"))
    values = np.full((1, 50, 3), 3e38, np.float32)
    values[0, ::2] = -3e38
    assert np.isfinite(graph.run(["features"], {"values": values, "time": np.zeros((1, 50))})[0]).all()


# ---------------------------------------------------------------------- sketches


def sketch(values: NDArray[Any]) -> Any:
    return SERIES.sketch({"values": values[None].astype(np.float32)})


def test_a_recording_with_a_little_noise_is_alike_and_another_walk_is_not() -> None:
    random = np.random.default_rng(0)
    for seed in range(30):
        values = walk(120, 2, seed)
        near = sketch(values + random.normal(0, 0.01, values.shape) * values.std(0))
        other = sketch(walk(120, 2, 1000 + seed))
        here = sketch(values)
        assert len(here.data) == SERIES.sketch_bytes
        assert (here.hash ^ near.hash).bit_count() <= 7
        assert SERIES.alike(here.data, near.data, 0.97)
        assert not SERIES.alike(here.data, other.data, 0.97)


def test_two_slow_rises_are_not_alike_because_both_rise() -> None:
    random = np.random.default_rng(1)
    rise = np.linspace(0, 50, 200)[:, None]
    one, other = (sketch(rise + random.normal(0, 4, rise.shape)) for _ in range(2))
    assert not SERIES.alike(one.data, other.data, 0.97)


def test_still_and_short_sequences_have_no_hash() -> None:
    assert sketch(np.ones((50, 2))).hash is None
    assert sketch(walk(5, 2, 1)).hash is None


def test_vectors_are_of_one_scale() -> None:
    sketches = np.stack([np.frombuffer(sketch(walk(60, 4, seed)).data, np.uint8) for seed in range(40)])
    vectors = SERIES.vectors(sketches)
    assert vectors.shape == (40, 193)
    assert np.isfinite(vectors).all()
    assert np.abs(vectors).max() <= 8
    courses, shapes = series_sketch.courses(sketches)
    assert courses.shape == shapes.shape == (40, series_sketch.PARTS, 6)


def test_components_hold_most_of_the_variance_of_the_other_features() -> None:
    raws = [document(walk(40, 2, seed)) for seed in range(60)]
    plain, schema = (
        learned(raws, features=words) for words in (("statistics", "shape"), ("statistics", "shape", "pca"))
    )
    arrays = [SERIES.decode(raw, schema) for raw in raws]
    made = {
        name: np.concatenate([session(graph).run(["features"], each)[0] for each in arrays]).astype(np.float64)
        for name, graph in (
            ("plain", SERIES.graph(plain, "dense")),
            ("dense", SERIES.graph(schema, "dense")),
            ("trees", SERIES.graph(schema, "trees")),
        )
    }
    rank = schema["components"]["rank"]
    centred = made["plain"] - made["plain"].mean(0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    assert values[: rank - 1].sum() < 0.95 * values.sum() <= values[:rank].sum()
    np.testing.assert_allclose(np.square(made["dense"]).sum(0), values[:rank], rtol=1e-3)
    np.testing.assert_array_equal(made["trees"][:, -rank:], made["dense"])
    assert made["trees"].shape[1] == made["plain"].shape[1] + rank
    assert f"pca: {rank} of {made['plain'].shape[1]} directions hold" in schema["reason"]


def test_components_alone_are_of_what_auto_takes() -> None:
    raws = [document(walk(40, 2, seed)) for seed in range(20)]
    assert learned(raws, features=("pca",))["features"] == [*learned(raws)["features"], "pca"]


def test_a_word_that_says_the_same_of_all_is_said_to() -> None:
    reason = learned([document(walk(40, 2, seed)) for seed in range(5)], features=("missing", "length", "trend"))[
        "reason"
    ]
    assert "missing adds nothing: it is the same of all sequences; length adds nothing" in reason


def test_time_says_that_it_adds_nothing_where_clocks_are_the_same() -> None:
    """Equal lengths and steps: the same three figures of every sequence; a gap in one of them is something to learn."""
    clock = [60.0 * step for step in range(40)]
    raws = [document(walk(40, 2, seed), clock) for seed in range(5)]
    assert "time adds nothing: it is the same of all sequences" in learned(raws, features=("time", "trend"))["reason"]
    late = [*clock[:20], *(moment + 900.0 for moment in clock[20:])]
    reason = learned([*raws, document(walk(40, 2, 9), late)], features=("time", "trend"))["reason"]
    assert "adds nothing" not in reason
    assert "adds nothing" not in learned(raws[:1], features=("time", "trend"))["reason"], "one alone tells nothing"
