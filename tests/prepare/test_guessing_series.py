"""What recordings over time are guessed to be."""

from __future__ import annotations

import zipfile
from pathlib import Path

from modelwright.prepare.guess.guessing import guess


def _csv(seed: int, columns: str = "a,b", extra: str = "") -> str:
    return columns + "\n" + "".join(f"{extra}{seed + step / 7:.3f},{step % 3}\n" for step in range(30))


def test_recordings_in_class_folders(tmp_path: Path) -> None:
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        for place in range(6):
            (tmp_path / name / f"{place}.csv").write_text(_csv(place))
    found = guess(tmp_path)
    assert (found.input, found.output, found.label) == ("series", "category", None)
    assert found.sources == [{"series": str(tmp_path)}]


def test_recordings_with_a_table_of_labels_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for place in range(12):
            archive.writestr(f"data/rss_{place}.csv", _csv(place))
        archive.writestr(
            "data/my_target.csv", "#id, class\n" + "".join(f"{place},{place % 2}\n" for place in range(12))
        )
    assert guess(tmp_path / "all.zip").sources == [
        {"series": str(tmp_path / "all.zip"), "labels": "data/my_target.csv"}
    ]


def test_recordings_with_times_and_answers_are_cut(tmp_path: Path) -> None:
    for place in range(6):
        rows = "".join(f"2024-01-01 00:{step:02d}:00,{step / 3},{step % 2}\n" for step in range(60))
        (tmp_path / f"{place}.csv").write_text("datetime,flow,anomaly\n" + rows)
    found = guess(tmp_path)
    assert (found.input, found.label) == ("series", "anomaly")
    assert found.sources == [{"series": str(tmp_path), "window": 6}]


def test_tables_stay_tables(tmp_path: Path) -> None:
    for place in range(6):
        (tmp_path / f"{place}.csv").write_text("age,income,class\n" + "1,2,a\n3,4,b\n" * 20)
    assert guess(tmp_path).input == "table"


def test_real_recordings(shared_data: Path) -> None:
    found = guess(shared_data / "indoor-movement" / "IndoorMovement.zip")
    assert found.sources[0]["labels"] == "dataset/MovementAAL_target.csv"
    found = guess(shared_data / "skab-valves" / "skab_valves.zip")
    assert (found.label, found.sources[0]["window"]) == ("anomaly", 60)
