"""Whether anything changed is asked of every source on every ``mw run``: where nothing did, nothing heavy is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelwright import registry
from modelwright import spec as specs
from modelwright.prepare import fingerprint
from modelwright.store import Store

HEAVY = ("numpy", "pyarrow", "onnxruntime", "sqlalchemy", "PIL", "torch", "scipy", "sklearn")
TIMED = "time,flow,state\n" + "".join(f"2024-03-01 00:{minute:02}:00,{minute}.5,up\n" for minute in range(40))
TASKS = [
    {"data": {"text": "well", "image": "a.png"}, "annotations": [{"result": [{"value": {"choices": ["good"]}}]}]},
    {"data": {"text": "ill", "image": "b.png"}, "annotations": [{"result": [{"value": {"choices": ["bad"]}}]}]},
]
BOXED = {
    "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}],
    "categories": [{"id": 1, "name": "cat"}],
}
SPECS = {
    "folder": "sources: [{folder: photos}]",
    "archive": "sources: [{archive: photos.zip}]",
    "table": "label: state\nsources: [{table: data.csv}]",
    "manifest": "sources: [{manifest: list.csv, folder: photos, path: file, label: kind}]",
    "coco": "output: boxes\nsources: [{coco: boxed}]",
    "yolo": "output: boxes\nsources: [{yolo: yolo}]",
    "voc": "output: boxes\nsources: [{voc: voc}]",
    "pairs": "output: mask\nsources: [{pairs: photos}]",
    "labelstudio": "input: text\noutput: category\nsources: [{labelstudio: tasks.json}]",
    "labelstudio boxes": "input: image\noutput: boxes\nsources: [{labelstudio: exported}]",
    "arrays": "sources: [{arrays: digits.npz}]",
    "video": "input: image\noutput: none\nsources: [{video: films}]",
    "series": "input: series\nsources: [{series: recordings}]",
    "series windows": "input: series\nlabel: state\nsources: [{series: data.csv, window: 10, time: time}]",
    "series labels": "input: series\nsources: [{series: recordings, labels: told.csv}]",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("light")
    for name in (
        "photos/cat",
        "photos/dog",
        "recordings/up",
        "recordings/down",
        "exported",
        "boxed",
        "yolo",
        "voc",
        "films",
    ):
        (root / name).mkdir(parents=True)
    for name in ("photos/cat/a.png", "photos/dog/b.png", "exported/a.png", "boxed/a.png", "yolo/a.png", "voc/a.png"):
        (root / name).write_bytes(b"\x89PNG")
    for name in ("data.csv", "recordings/up/one.csv", "recordings/down/two.csv"):
        (root / name).write_text(TIMED)
    (root / "recordings/told.csv").write_text("name,label\none,up\ntwo,down\n")
    (root / "list.csv").write_text("file,kind\ncat/a.png,cat\ndog/b.png,dog\n")
    (root / "tasks.json").write_text(json.dumps(TASKS))
    (root / "exported/tasks.json").write_text(json.dumps(TASKS))
    (root / "boxed/all.json").write_text(json.dumps(BOXED))
    (root / "yolo/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "voc/a.xml").write_text("<annotation><filename>a.png</filename></annotation>")
    (root / "digits.npz").write_bytes(b"PK")
    (root / "films/one.mp4").write_bytes(b"ftyp")
    shutil.make_archive(str(root / "photos"), "zip", root / "photos")
    return root


def test_every_kind_of_source_is_here() -> None:
    # Not here: a camera records anew, a database is asked by its driver, both logs are the store's own.
    elsewhere = {"camera", "feedback", "log", "sql"}
    assert {name.partition(" ")[0] for name in SPECS} | elsewhere == set(registry.names("sources"))


def test_asking_again_whether_anything_changed_loads_nothing_heavy(data: Path, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    for number, text in enumerate(SPECS.values()):
        (data / f"{number}.yaml").write_text(text + "\n")
    before = [fingerprint(specs.load(data / f"{number}.yaml"), store) for number in range(len(SPECS))]
    code = f"""
import sys
from pathlib import Path
from modelwright import spec
from modelwright.store import Store
from modelwright.prepare import fingerprint
store = Store.open(Path({str(tmp_path / "store")!r}))
for number, (name, before) in enumerate({list(zip(SPECS, before, strict=True))!r}):
    loaded = spec.load(Path({str(data)!r}) / f"{{number}}.yaml")
    assert fingerprint(loaded, store) == before, name
    heavy = sorted({set(HEAVY)!r} & set(sys.modules))
    assert not heavy, f"{{name}} loads {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
