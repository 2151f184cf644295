"""Files that were made to do harm are refused by name, or read, in a process with little time and memory."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from . import hostiles as made
from .damages import Job, outcomes

CASES: list[tuple[str, Callable[[Path], Job], int, str]] = [
    ("xlsx far cell", made.xlsx_far_cell, 1, "ragged-row: x.xlsx row 1048576"),
    ("xlsx row of cells", made.xlsx_row_of_cells, 0, "too-many-columns: .*x.xlsx has more than 20,000 columns"),
    ("xlsx rows", made.xlsx_rows, 0, r"bomb: .*x.xlsx unpacks to [\d,]+ bytes, \d+ times its size"),
    ("xlsx long text", made.xlsx_long_text, 0, "corrupt: .*x.xlsx.* more than 1,048,576 characters"),
    ("xlsx entities", made.xlsx_entities, 0, "bomb: .*x.xlsx declares entities"),
    ("xlsx outside entity", made.xlsx_outside_entity, 0, "bomb: .*x.xlsx declares entities"),
    ("xlsx deep", made.xlsx_deep, 0, "corrupt: .*x.xlsx.* nested deeper than 64"),
    ("flac of hours", made.flac_of_hours, 1, "too-large: it is longer than 625 s"),
    ("flac that claims years", made.flac_that_claims_years, 2, "truncated: "),
    ("line in UTF-16", made.line_in_utf_16, 2, "too-large: x.csv line 3 is 209715.. characters long"),
    ("parquet page that lies", made.parquet_page_that_lies, 0, r"bomb: .*column 'a' of .*x.parquet would unpack to 31"),
    ("jsonl nested", made.jsonl_nested, 2, "corrupt: x.jsonl line 1 is no JSON: maximum recursion"),
    ("coco of odd values", made.coco_of_odd_values, 4, "bad-annotation: notes.json: annotation 0 of 0.png has the box"),
    ("coco nested", made.coco_nested, 4, "corrupt: notes.json is no JSON: is nested too deeply .*what came before"),
    ("coco of blanks", made.coco_of_blanks, 4, ""),
    ("labelstudio of odd values", made.labelstudio_of_odd_values, 10, "bad-annotation: export.json#4, result 1"),
    ("labelstudio nested", made.labelstudio_nested, 0, "empty-source: .*export.json is no JSON: is nested too deeply"),
    ("yolo of odd values", made.yolo_of_odd_values, 2, "bad-annotation: 1.txt, line 1, begins with 'nan'"),
    ("yolo names without end", made.yolo_names_without_end, 2, ""),
    ("npy that claims terabytes", made.numpy_with(made._said("|u1", "(1000000, 1000000, 1)")), 0, "corrupt: .*x.npy"),
    ("npy of objects", made.numpy_with(made._said("|O", "(8, 9, 9)")), 0, "corrupt: .*x.npy.* objects"),
    ("npy of less than nothing", made.numpy_with(made._said("|u1", "(-1, 9, 9)")), 0, "corrupt: .*x.npy"),
    (
        "npy with a long header",
        made.numpy_with(b"", b"\x02\x00", 0xFFFFFFFF),
        0,
        "corrupt: .*claims to have 4,294,967,2",
    ),
    ("npy with code", made.numpy_with(b"__import__('os').abort()".ljust(117) + b"\n"), 0, "corrupt: .*x.npy"),
    ("tar of odd members", made.tar_of_odd_members, 2, "not-a-file: a/2 is a device, a FIFO or a sparse file"),
    ("tar that says gigabytes", made.tar_that_says_gigabytes, 1, "corrupt: x.tar ends or breaks after 1 members"),
    ("zip in itself", made.zip_in_itself, 2, "nested-archive: a/in.zip is an archive in the archive"),
    ("zip that says gigabytes", made.zip_that_says_gigabytes, 0, "bomb: .*x.zip would unpack to 4,29"),
    ("folder of odd names", made.folder_of_odd_names, 13, "not-a-file: a/fifo.png is a FIFO"),
    ("folder without end", made.folder_without_end, 1, "unreadable: d/d/d/d/.* cannot be listed: file name too long"),
    ("manifest that leads elsewhere", made.manifest_that_leads_elsewhere, 2, "unsafe-name: list.jsonl#1: '../x' leads"),
    ("database of nothing", made.database_of_nothing, 0, "database: .*x.db.* too big"),
    ("series of odd times", made.series_of_odd_times, 11, "repeated-time: x.csv"),
    ("csv of quotations", made.csv_of_quotations, 40_400, "literal-quotes: x.csv: 40000 lines have a quotation mark"),
    ("csv of odd cells", made.csv_of_odd_cells, 28, "nul-bytes: x.csv line 6 holds NUL bytes"),
]
GROUPS = sorted({name.partition(" ")[0] for name, *_ in CASES})


@pytest.mark.parametrize("group", GROUPS)
def test_harm_is_refused_by_name_or_read(tmp_path: Path, group: str) -> None:
    cases = [case for case in CASES if case[0].partition(" ")[0] == group]
    jobs = []
    for name, make, _, _ in cases:
        root = tmp_path / name
        root.mkdir()
        jobs.append(make(root) | {"form": name, "damages": [["as it is", 0]]})
    found, ended = outcomes(tmp_path, jobs)
    if group == "folder":  # too deep for what clears up after tests
        subprocess.run(["rm", "-rf", str(tmp_path / "folder without end")], check=True)
    assert not ended
    for (name, _, items, words), each in zip(cases, found, strict=True):
        assert each["wrong"] == [], name
        assert each["items"] == items, (name, each["said"])
        assert any(re.match(words, said) for said in each["said"]) or not words, (name, each["said"])
        assert each["megabytes"] < 600, name


@pytest.mark.slow
def test_a_query_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelwright.errors import InputError
    from modelwright.prepare.collect import sql
    from modelwright.prepare.collect.base import Settings, make

    monkeypatch.setattr(sql, "most_samples", lambda: 10_000)
    job = made.database_without_end(tmp_path)
    with pytest.raises(InputError, match="gives more than 10,000 rows"):
        make("sql", Settings(job["location"], job["options"], tmp_path, "table", "category", "y")).survey()
