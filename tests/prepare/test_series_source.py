"""The source of series: files as they lie, long tables, windows, labels from everywhere, splits by time."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.prepare.conftest import Project, issues

from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Item, Rejected, Settings
from modelwright.prepare.collect.series import SeriesSource
from modelwright.prepare.collect.series_rows import Step
from modelwright.prepare.collect.series_windows import Cutting, Recording, rows_of, rule_label
from modelwright.prepare.gather.rows import RowWriter
from modelwright.testing import source


def recording(steps: int, seed: int, *, label: bool = False, swing: float = 5.0, start: int = 0) -> str:
    """Return a CSV of two channels, one step a minute; the label is whether the slow wave is up."""
    random = np.random.default_rng(seed)
    wave = np.sin((np.arange(steps) + start) / swing)
    rows = ["time,flow,heat" + (",state" if label else "")]
    for place in range(steps):
        minute = start + place
        stamp = f"2024-03-{1 + minute // 1440:02d} {minute // 60 % 24:02d}:{minute % 60:02d}:00"
        cells = [stamp, f"{wave[place] + random.normal(0, 0.1):.4f}", f"{random.normal(20, 1):.3f}"]
        rows.append(",".join(cells + (["up" if wave[place] > 0 else "down"] if label else [])))
    return "\n".join(rows) + "\n"


def made(folder: Path, location: str, label: str | None = None, **options: Any) -> SeriesSource:
    split_by = options.pop("split_by", "")
    output = options.pop("output", "category")
    return SeriesSource(Settings(location, options, folder, "series", output, label, None, split_by))


def items(found: SeriesSource) -> tuple[list[Item], list[Rejected]]:
    everything = list(found.items(found.survey().columns))
    return [each for each in everything if isinstance(each, Item)], [e for e in everything if isinstance(e, Rejected)]


# ---------------------------------------------------------------------- the contract


def _files(folder: Path) -> source.SourceCase:
    for name in ("fast", "slow"):
        (folder / "data" / name).mkdir(parents=True)
        for place in range(3):
            (folder / "data" / name / f"{place}.csv").write_text(recording(20, place), "utf-8")

    def change() -> None:
        (folder / "data" / "fast" / "9.csv").write_text(recording(20, 9), "utf-8")

    return source.SourceCase(
        make=lambda: made(folder, "data"),
        change=change,
        empty=lambda: made(folder, "nothing"),
        folder=folder,
    )


def _windows(folder: Path) -> source.SourceCase:
    (folder / "long.csv").write_text(recording(60, 1, label=True), "utf-8")

    def change() -> None:
        (folder / "long.csv").write_text(recording(70, 1, label=True), "utf-8")

    return source.SourceCase(
        make=lambda: made(folder, "long.csv", "state", window=10),
        change=change,
        empty=lambda: made(folder, "nothing.csv", "state", window=10),
        folder=folder,
    )


@pytest.mark.parametrize("check", source.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", [_files, _windows], ids=["files", "windows"])
def test_contract(case: Any, check: Any, tmp_path: Path) -> None:
    check(case(tmp_path))


# ---------------------------------------------------------------------- whole files


def test_files_of_class_folders_as_they_lie(tmp_path: Path) -> None:
    _files(tmp_path)
    found, rejected = items(made(tmp_path, "data"))
    assert not rejected
    assert Counter(item.label for item in found) == {"fast": 3, "slow": 3}
    assert made(tmp_path, "data").kept == "files"


def test_labels_and_groups_by_number_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for place in range(1, 5):
            archive.writestr(f"data/rss_{place}.csv", recording(20, place))
        archive.writestr("data/target.csv", "#id, class\n1,1\n2,-1\n3,1\n9,1\n")
        archive.writestr("groups.csv", "id,team\n1,a\n2,a\n3,b\n4,b\n")
    found, rejected = items(made(tmp_path, "all.zip", labels="data/target.csv", groups="groups.csv"))
    assert [(item.path, item.label, item.group) for item in found] == [
        ("data/rss_1.csv", "1", "a"),
        ("data/rss_2.csv", "-1", "a"),
        ("data/rss_3.csv", "1", "b"),
    ]
    assert sorted(each.kind for each in rejected) == ["missing-file", "unlisted-file"]
    assert "by the number at the end" in made(tmp_path, "all.zip", labels="data/target.csv").survey().remarks[-1]


def test_labels_that_name_nothing_are_an_error(tmp_path: Path) -> None:
    _files(tmp_path)
    (tmp_path / "labels.csv").write_text("name,label\nx,1\ny,2\n")
    with pytest.raises(InputError, match="names none of the recordings"):
        made(tmp_path, "data", labels="labels.csv").survey()
    with pytest.raises(InputError, match=r"no file 'other\.csv'"):
        made(tmp_path, "data", labels="other.csv").survey()


# ---------------------------------------------------------------------- windows


def test_windows_carry_the_label_at_their_end(tmp_path: Path) -> None:
    text = recording(100, 1, label=True)
    (tmp_path / "long.csv").write_text(text)
    states = [line.rsplit(",", 1)[1] for line in text.splitlines()[1:]]
    found, _ = items(made(tmp_path, "long.csv", "state", window=20, step=5))
    assert [item.path for item in found[:2]] == ["long.csv#1-20", "long.csv#6-25"]
    assert len(found) == 17
    for place, item in enumerate(found):
        assert item.label == states[5 * place + 19]
        document = json.loads(item.raw or b"")
        assert list(document["values"]) == ["flow", "heat"]
        assert len(document["time"]) == 20
        assert item.row == {"text": (item.raw or b"").decode()}
        assert item.time - item.begins == 19 * 60  # type: ignore[operator]


def test_a_label_ahead_is_a_forecast_and_its_column_an_input(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("time,load\n" + "".join(f"{60 * place},{place}\n" for place in range(40)))
    found, _ = items(made(tmp_path, "long.csv", "load", output="number", window=10, ahead="5m"))
    assert [float(item.label) for item in found] == [14.0, 24.0, 34.0]
    assert json.loads(found[0].raw or b"")["values"]["load"] == [float(place) for place in range(10)]


@pytest.mark.parametrize(
    ("rule", "labels", "expected"),
    [
        ("end", ["a", "b", "a"], "a"),
        ("any", ["a", "b", "a"], "b"),
        ("any", ["a", "a", "a"], "a"),
        ("most", ["b", "a", "b"], "b"),
        ("most", [None, None], None),
        ("mean", ["1", 2.0, None], 1.5),
        ("mean", ["1", "x"], None),
    ],
)
def test_rules(rule: str, labels: list[Any], expected: Any) -> None:
    assert rule_label(labels, rule, "a") == expected


def test_no_window_spans_a_gap_or_a_step_back_in_time(tmp_path: Path) -> None:
    times = [*range(50), *range(1000, 1030), *range(1010, 1045)]
    (tmp_path / "long.csv").write_text("t,x,y\n" + "".join(f"{t},{t % 7},{t % 2}\n" for t in times))
    found, rejected = items(made(tmp_path, "long.csv", "y", window=10, time="t"))
    for item in found:
        steps = np.diff(json.loads(item.raw or b"")["time"])
        assert (steps == 1).all()
    assert {each.kind for each in rejected} == {"gap", "backward-time", "repeated-time"}
    assert len(found) == 5 + 3 + 3


def test_sizes_in_time_need_times(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("x,y\n" + "1.5,0\n2.5,1\n" * 30)
    with pytest.raises(InputError, match="no column of times"):
        made(tmp_path, "long.csv", "y", window="10m").survey()
    for wrong in ("ten", 0, -3, "1.5", True):
        with pytest.raises(InputError, match="window"):
            made(tmp_path, "long.csv", "y", window=wrong)
    with pytest.raises(InputError, match="goes with 'window'"):
        made(tmp_path, "long.csv", "y", step=3)
    assert rows_of("90s", 30.0) == 3


def test_recordings_are_groups_and_few_are_cut_into_stretches(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for place in range(6):
        (folder / f"{place}.csv").write_text(recording(60, place, label=True))
    found, _ = items(made(tmp_path, "many", "state", window=10))
    assert {item.group for item in found} == {f"{place}.csv" for place in range(6)}
    few = made(tmp_path, "many/0.csv", "state", window=4, step=2)
    assert any("too few to be divided whole" in remark for remark in few.survey().remarks)
    found, _ = items(few)
    assert {item.group for item in found} == {"0.csv 0", "0.csv 1"}
    rows = {item.group: [int(n) for n in item.path.partition("#")[2].split("-")] for item in found}
    assert rows["0.csv 0"][1] <= 40 < rows["0.csv 1"][0]
    for item in found:
        first, last = (int(number) for number in item.path.partition("#")[2].split("-"))
        assert (first - 1) // 40 == (last - 1) // 40
    assert all(item.group is None for item in items(made(tmp_path, "many", "state", window=10, split_by="time"))[0])


def test_sequences_of_a_long_table(tmp_path: Path) -> None:
    rows = [f"{who},{step},{step * (1 if who < 'c' else -1)},{'up' if who < 'c' else 'down'}"
            for who in "abcd" for step in range(8)]  # fmt: skip
    (tmp_path / "long.csv").write_text("who,t,x,kind\n" + "\n".join(rows) + "\n")
    found, rejected = items(made(tmp_path, "long.csv", "kind", sequence="who", time="t"))
    assert [(item.path, item.label, item.group) for item in found] == [
        (f"long.csv/{who}", "up" if who < "c" else "down", f"long.csv/{who}") for who in "abcd"
    ]
    assert not rejected
    assert json.loads(found[2].raw or b"")["values"] == {"x": [float(-step) for step in range(8)]}
    shuffled = [rows[0], rows[8], *rows[1:8], *rows[9:]]
    (tmp_path / "long.csv").write_text("who,t,x,kind\n" + "\n".join(shuffled) + "\n")
    _, rejected = items(made(tmp_path, "long.csv", "kind", sequence="who", time="t"))
    assert {each.kind for each in rejected} == {"split-sequence"}


def test_interleaved_sequences_in_windows(tmp_path: Path) -> None:
    rows = [f"{step},{who},{step + 100 * place},{place}" for step in range(30) for place, who in enumerate("ab")]
    (tmp_path / "long.csv").write_text("time,who,x,y\n" + "\n".join(rows) + "\n")
    found, rejected = items(made(tmp_path, "long.csv", "y", sequence="who", window=10))
    assert not rejected
    assert len(found) == 6
    for item in found:
        values = np.array(json.loads(item.raw or b"")["values"]["x"])
        assert (np.diff(values) == 1).all()
        assert item.label == ("0" if item.path.startswith("long.csv/a") else "1")


@pytest.mark.parametrize("form", ["parquet", "jsonl", "xlsx", "csv.gz"])
def test_other_tables(tmp_path: Path, form: str) -> None:
    rows = [{"time": f"2024-01-01T00:{step:02d}:00", "x": step / 4, "y": int(step > 20)} for step in range(40)]
    path = tmp_path / f"long.{form}"
    if form == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif form == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [list(rows[0]), *(list(each.values()) for each in rows)]:
            book.active.append(row)
        book.save(path)
    else:
        import gzip

        text = "time,x,y\n" + "".join(f"{row['time']},{row['x']},{row['y']}\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()))
    found, rejected = items(made(tmp_path, path.name, "y", window=10))
    assert not rejected
    assert [item.label for item in found] == ["0", "0", "1", "1"]
    assert json.loads(found[1].raw or b"")["values"]["x"] == [step / 4 for step in range(10, 20)]
    assert json.loads(found[1].raw or b"")["time"][1] - json.loads(found[1].raw or b"")["time"][0] == 60


def test_labels_as_intervals(tmp_path: Path) -> None:
    (tmp_path / "pump.csv").write_text(recording(100, 1))
    spans = {
        "pump.csv": [["2024-03-01 00:30:00", "2024-03-01 00:39:00"], ["2024-03-01 01:05:00", "2024-03-01 01:06:00"]]
    }
    (tmp_path / "labels.json").write_text(json.dumps(spans))
    found, _ = items(made(tmp_path, "pump.csv", labels="labels.json", window=10))
    assert [item.label for item in found] == ["anomaly" if place in {3, 6} else "normal" for place in range(10)]
    (tmp_path / "labels.json").write_text(json.dumps({"pump.csv": [["soon", "later"]]}))
    with pytest.raises(InputError, match="no interval"):
        items(made(tmp_path, "pump.csv", labels="labels.json", window=10))


def test_broken_files_beside_good_ones(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for place in range(5):
        (folder / f"{place}.csv").write_text(recording(40, place, label=True))
    (folder / "empty.csv").write_text("")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 9)
    (folder / "page.csv").write_text("<html>no</html>")
    (folder / "unlabelled.csv").write_text(recording(40, 7))
    (folder / "short.csv").write_text(recording(4, 8, label=True))
    (folder / "ragged.csv").write_text(recording(40, 9, label=True) + "2024-03-01 00:41:00,1\n")
    found, rejected = items(made(tmp_path, "data", "state", window=10))
    assert len(found) == 24
    assert {each.path.partition("#")[0]: each.kind for each in rejected} == {
        "empty.csv": "empty-table",
        "binary.csv": "wrong-format",
        "page.csv": "wrong-format",
        "unlabelled.csv": "missing-label",
        "short.csv": "short-series",
        "ragged.csv": "ragged-row",
    }


def test_a_channel_that_is_the_answer_is_found(tmp_path: Path) -> None:
    lines = recording(80, 1, label=True).splitlines()
    code = {"up": "7", "down": "3"}
    text = "\n".join([lines[0] + ",alarm", *(f"{line},{code[line.rsplit(',', 1)[1]]}" for line in lines[1:])])
    (tmp_path / "long.csv").write_text(text)
    _, rejected = items(made(tmp_path, "long.csv", "state", window=10))
    assert [(each.kind, each.column) for each in rejected] == [("leaking-column", "alarm")]


def test_memory_stays_bounded_however_long_the_recording() -> None:
    step = Step({"x": 1.0}, 0.0, "a", None, None)
    cut = Recording("r", ["x"], Cutting(100, 100), 1.0)
    most = 0
    for place in range(50_000):
        for _ in cut.add(Step({"x": float(place)}, float(place), step.label, None, None)):
            pass
        most = max(most, len(cut._open))
    assert most <= 101
    assert cut.made == 500


def test_fingerprint_follows_labels_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "pump.csv").write_text(recording(100, 1))
    labels = tmp_path / "labels.json"
    labels.write_text('{"pump.csv": [["2024-03-01 00:30:00", "2024-03-01 00:39:00"]]}')

    def digest() -> str:
        with Index(tmp_path / "cache") as index:
            return made(tmp_path, "pump.csv", labels="labels.json", window=10).fingerprint(index)

    before = digest()
    assert digest() == before
    labels.write_text('{"pump.csv": [["2024-03-01 00:30:00", "2024-03-01 00:49:00"]]}')
    assert digest() != before


# ---------------------------------------------------------------------- through prepare


def test_windows_never_straddle_splits(project: Project) -> None:
    folder = project.root / "data"
    folder.mkdir()
    for place in range(8):
        (folder / f"{place}.csv").write_text(recording(200, place, label=True, swing=3 + place))
    dataset = project.prepare("label: state\nsources:\n  - series: data\n    window: 20\n    step: 5\n")
    assert dataset.modality.name == "series"
    table = dataset.samples()
    where: dict[str, set[str]] = {}
    for path, split in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True):
        where.setdefault(path.partition("#")[0], set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    features = dataset.features("train", "dense")
    assert len(features) == dataset.count("train")
    assert np.isfinite(features).all()
    raw = next(iter(dataset.raw("test")))
    assert json.loads(raw).keys() == {"values", "time"}


def test_long_windows_are_written_in_small_groups(tmp_path: Path) -> None:
    from pyarrow import parquet

    texts = [f"{place}" * 40_000 for place in range(1000, 1300)]
    with RowWriter(tmp_path / "rows.parquet", {"text": "text"}, texts=True) as writer:
        for text in texts:
            writer.add({"text": text})
    with parquet.ParquetFile(tmp_path / "rows.parquet") as file:
        assert file.num_row_groups == 2
        assert file.read()["text"].to_pylist() == texts


def test_a_split_by_time_leaves_a_gap_as_long_as_a_window(project: Project) -> None:
    (project.root / "long.csv").write_text(recording(1000, 1, label=True))
    dataset = project.prepare(
        "label: state\nsources:\n  - series: long.csv\n    window: 30\n    step: 3\nsplit: {by: time}\n"
    )
    table = dataset.samples()
    rows: dict[str, list[tuple[int, int]]] = {}
    for path, split in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True):
        first, last = (int(number) for number in path.partition("#")[2].split("-"))
        rows.setdefault(split, []).append((first, last))
    assert max(last for _, last in rows["train"]) < min(first for first, _ in rows["validation"])
    assert max(last for _, last in rows["validation"]) < min(first for first, _ in rows["test"])
    assert len(rows[None]) >= 10  # type: ignore[index]
    assert dataset.meta["division"]["time"]["test_from"].startswith("2024-03-01T")
    assert {row["kind"] for row in issues(dataset)} >= {"split-conflict"}


def test_odd_lengths_and_rates_are_found_beside_the_others(project: Project) -> None:
    for name, swing in (("fast", 2.0), ("slow", 9.0)):
        folder = project.root / "data" / name
        folder.mkdir(parents=True)
        for place in range(30):
            (folder / f"{place}.csv").write_text(recording(60 + place % 3, place + int(swing), swing=swing))
    (project.root / "data" / "slow" / "long.csv").write_text(recording(1200, 77, swing=9.0))
    stamps = recording(60, 78, swing=9.0).splitlines()
    rare = [stamps[0], *(f"2024-03-{1 + place // 24:02d} {place % 24:02d}:00:00," + line.split(",", 1)[1]
                         for place, line in enumerate(stamps[1:]))]  # fmt: skip
    (project.root / "data" / "slow" / "rare.csv").write_text("\n".join(rare))
    dataset = project.prepare("input: series\nsources:\n  - series: data\n")
    found = {(row["kind"], str(row["path"]).rpartition("/")[2]) for row in issues(dataset)}
    assert {("odd-length", "long.csv"), ("odd-rate", "rare.csv")} <= found
    assert dataset.count("train") + dataset.count("validation") + dataset.count("test") == 62


def test_copies_and_near_copies_of_recordings(project: Project) -> None:
    random = np.random.default_rng(5)
    for name in ("a", "b"):
        folder = project.root / "data" / name
        folder.mkdir(parents=True)
        for place in range(20):
            values = random.normal(0, 1, (80, 2)).cumsum(0)
            (folder / f"{place}.csv").write_text("x,y\n" + "\n".join(f"{x:.5f},{y:.5f}" for x, y in values))
    original = (project.root / "data" / "a" / "3.csv").read_text()
    (project.root / "data" / "a" / "copy.csv").write_text(original)
    values = np.loadtxt(io.StringIO(original), delimiter=",", skiprows=1)
    noisy = values + random.normal(0, 0.005, values.shape) * values.std(0)
    (project.root / "data" / "b" / "near.csv").write_text("x,y\n" + "\n".join(f"{x:.5f},{y:.5f}" for x, y in noisy))
    dataset = project.prepare("input: series\nsources:\n  - series: data\n")
    assert [row["path"] for row in issues(dataset, "duplicate")] == ["0/a/copy.csv"]
    assert [row["path"] for row in issues(dataset, "near-duplicate")] == ["0/b/near.csv"]


def test_a_sequence_table_in_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "plant.db") as database:
        database.execute("CREATE TABLE readings (time TEXT, pump TEXT, flow REAL, state TEXT)")
        database.executemany(
            "INSERT INTO readings VALUES (?, ?, ?, ?)",
            [(f"2024-01-01 00:{step:02d}:00", pump, step * 1.5, "on" if pump == "a" else "off")
             for pump in "ab" for step in range(40)],
        )  # fmt: skip
    found, rejected = items(
        made(tmp_path, "sqlite:///plant.db", "state", query="SELECT * FROM readings ORDER BY pump, time",
             sequence="pump", window=10)
    )  # fmt: skip
    assert not rejected
    assert Counter(item.label for item in found) == {"on": 4, "off": 4}
    assert json.loads(found[0].raw or b"")["values"]["flow"] == [step * 1.5 for step in range(10)]
