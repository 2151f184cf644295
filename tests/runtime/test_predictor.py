"""From raw bytes to answers, on a machine that has the runtime only."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.errors import FormatTooNewError, InputError, IntegrityError, ModelwrightError
from modelwright.runtime import footprint
from modelwright.runtime.parity import compare
from modelwright.runtime.predictor import Predictor, group, scatter
from modelwright.runtime.reader import PackageReader

from . import making

FORMATS = Path(__file__).parents[1] / "package" / "formats"


def predictor_of(kind: str) -> Predictor:
    with PackageReader.open(FORMATS / f"format-1-{kind}.mwpkg") as reader:
        return Predictor(reader)


def golden_of(kind: str) -> list[bytes]:
    with PackageReader.open(FORMATS / f"format-1-{kind}.mwpkg") as reader:
        return [reader.read(entry["input"]) for entry in reader.golden()]


def picture(width: int, height: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(width * height).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format=form)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["image", "category", "number"])
def test_alone_or_together_in_any_order(kind: str) -> None:
    predictor, raws = predictor_of(kind), golden_of(kind)
    together = predictor.outputs(raws)
    backwards = predictor.outputs(raws[::-1])
    assert str(predictor.outputs(iter(raws), decoders=3)) == str(together)
    for name, values in together.items():
        alone = np.concatenate([predictor.outputs([raw])[name] for raw in raws])
        assert compare({name: values}, {name: alone}, predictor.output_schema).passed
        assert compare({name: values}, {name: backwards[name][::-1]}, predictor.output_schema).passed
    many = predictor.outputs(raws * 5)
    assert len(next(iter(many.values()))) == 5 * len(raws)
    assert predictor.outputs([]) == {}
    assert predictor.predict([]) == []


def test_pictures_of_many_sizes_in_one_call() -> None:
    predictor = predictor_of("image")
    raws = [picture(w, h, f) for w, h, f in ((20, 20, "PNG"), (1, 1, "PNG"), (300, 17, "BMP"), (20, 20, "JPEG"))]
    answers = predictor.predict(raws)
    assert len(answers) == 4
    assert answers[0] == predictor.predict([raws[0]])[0]
    for answer in answers:
        assert sum(answer["scores"].values()) == pytest.approx(1.0, abs=1e-5)
        json.dumps(answer)


@pytest.mark.parametrize("kind", ["category", "number"])
@pytest.mark.parametrize(
    "row",
    [
        {"area": None, "rooms": None, "town": None},
        {"area": 80.0, "rooms": 3, "town": "Atlantis"},
        {"area": 80.0, "rooms": 3, "town": ""},
        {"area": 1e30, "rooms": -1, "town": "Bonn"},
        {"area": 80.0},
    ],
)
def test_rows_with_missing_and_unknown_values(kind: str, row: dict[str, Any]) -> None:
    answer = predictor_of(kind).predict([json.dumps(row).encode()])[0]
    figures = [value for value in answer.values() if isinstance(value, float)]
    assert np.isfinite(figures).all()


def test_bad_samples_are_raised_or_reported() -> None:
    predictor = predictor_of("image")
    good = picture(20, 20)
    raws = [good, b"", b"<html>", good, good[:60]]
    answers = predictor.predict(raws, on_error="report")
    assert [set(answer) == {"error"} for answer in answers] == [False, True, True, False, True]
    assert set(answers[1]["error"]) == {"code", "message", "hint"}
    assert answers[0] == answers[3] == predictor.predict([good])[0]
    with pytest.raises(InputError, match="sample 1: "):
        predictor.predict(raws)
    with pytest.raises(InputError) as caught:
        predictor.decode(b"<html>")
    assert caught.value.code == "wrong-format"
    assert "image/png" in caught.value.hint


def test_inputs_that_do_not_fit_the_graph() -> None:
    predictor = predictor_of("number")
    inputs = predictor.decode(golden_of("number")[0])
    name = min(inputs)
    for wrong in ({}, {name: np.zeros((1, 7), np.float64)}):
        with pytest.raises(InputError) as caught:
            predictor.run(wrong)
        assert caught.value.code == "bad-shape"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 99)), min_size=1, max_size=20))
def test_grouping_and_scattering_keep_the_order(items: list[tuple[int, int]]) -> None:
    decoded = [{"x": np.full((1, width), value)} for width, value in items]
    parts = [(where, {"y": batch["x"][:, 0]}) for where, batch in group(decoded)]
    assert len(parts) == len({width for width, _ in items})
    assert scatter(parts, len(items))["y"].tolist() == [value for _, value in items]


def test_measures_come_in_order() -> None:
    predictor, raws = predictor_of("image"), [picture(20, 20), picture(9, 30)]
    found = predictor.measures(raws)
    assert all(values.shape == (2,) for values in found.values())
    one = predictor.measures(raws[1:])
    assert all(found[name][1] == one[name][0] for name in found)


def with_changed(tmp_path: Path, kind: str, files: dict[str, bytes] | None = None, **changes: Any) -> PackageReader:
    """Open a copy of a package that was changed and signed anew."""
    with PackageReader.open(FORMATS / f"format-1-{kind}.mwpkg") as reader:
        content = {name: reader.read(name) for name in reader.manifest["files"]} | (files or {})
        manifest = {k: v for k, v in reader.manifest.items() if k != "files"} | changes
    path = making.write_folder(tmp_path / "changed", making.whole(content, **manifest))
    return PackageReader.open(path)


def test_a_package_for_a_newer_modality_says_so(tmp_path: Path) -> None:
    with (
        with_changed(tmp_path, "image", modality_version=99) as reader,
        pytest.raises(FormatTooNewError, match="version 99 of the modality 'image'"),
    ):
        Predictor(reader)


def test_a_manifest_that_does_not_fit_its_graph(tmp_path: Path) -> None:
    other = [{"name": "other", "dtype": "float32", "shape": [-1]}]
    with (
        with_changed(tmp_path, "number", output=other) as reader,
        pytest.raises(IntegrityError, match="its graph has the outputs"),
    ):
        Predictor(reader)


def test_something_that_is_no_graph(tmp_path: Path) -> None:
    with (
        with_changed(tmp_path, "number", {"model.onnx": b"\x08\x01 location"}) as reader,
        pytest.raises(IntegrityError),
    ):
        Predictor(reader)


def test_another_models_graph_fails_the_golden_check(tmp_path: Path) -> None:
    """Signed, whole, and wrong: only the replay can tell."""
    with PackageReader.open(FORMATS / "format-1-number.mwpkg") as reader:
        golden = json.loads(reader.read("golden/expected.json"))
    golden[2]["outputs"]["value"] += 5.0
    with with_changed(tmp_path, "number", {"golden/expected.json": json.dumps(golden).encode()}) as reader:
        parity = Predictor(reader).check_golden()
    assert not parity.passed
    assert (parity.worst, parity.output) == (2, "value")


BLOCKER = """
import sys
allowed = {"numpy", "onnxruntime", "PIL", "blake3", "cryptography", "yaml", "modelwright", "google", "flatbuffers",
           "cffi", "_cffi_backend", "packaging", "pycparser", "typing_extensions"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        root = name.split(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names and not root.startswith("_"):
            raise ImportError(f"{root} is not part of the runtime")
sys.meta_path.insert(0, Blocker())
from modelwright.runtime.reader import PackageReader
from modelwright.runtime.predictor import Predictor
for path in sys.argv[1:]:
    with PackageReader.open(path) as reader:
        predictor = Predictor(reader)
        assert predictor.check_golden().passed
        raw = reader.read(reader.golden()[0]["input"])
        predictor.predict([raw])
        predictor.measures([raw])
heavy = {"torch", "sklearn", "lightgbm", "pyarrow", "onnx", "scipy", "sqlalchemy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
print("ran")
"""


def test_it_runs_where_only_the_runtime_is_installed() -> None:
    files = [str(path) for path in sorted(FORMATS.glob("*.mwpkg"))]
    done = subprocess.run([sys.executable, "-c", BLOCKER, *files], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "ran", done.stderr


def test_footprint_measures_and_fails_in_words(tmp_path: Path) -> None:
    raws = golden_of("number")
    found = footprint.measure(FORMATS / "format-1-number.mwpkg", raws)
    assert found["samples"] == len(raws) == len(found["latencies_ms"])
    assert 0 < found["latency_p50_ms"] <= found["latency_p95_ms"]
    assert 20 < found["peak_memory_mb"] < 250
    with pytest.raises(ModelwrightError, match=r"measuring .* failed: .*does not exist"):
        footprint.measure(tmp_path / "none.mwpkg", raws)
