"""What leaves the packaging step is what was trained, whole, signed, and the same every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright import canonical
from modelwright.errors import InputError, IntegrityError, ModelwrightError
from modelwright.models.pipeline import TrainedModel
from modelwright.package import package
from modelwright.package.exporters import export_folder, export_mwpkg
from modelwright.runtime.parity import compare
from modelwright.runtime.predictor import Predictor
from modelwright.runtime.reader import PackageReader
from modelwright.store import Artifact

from .conftest import Packaged
from .projects import Made


def opened(artifact: Artifact, made: Made) -> PackageReader:
    return PackageReader.open(artifact.folder, trusted_keys=[made.store.keys.public()])


def test_it_answers_as_the_trained_model_on_every_sample(packaged: Packaged) -> None:
    made, artifact = packaged
    with opened(artifact, made) as reader:
        predictor = Predictor(reader)
        assert predictor.check_golden().passed
        trained = TrainedModel(made.model.folder / "content")
        for split in ("train", "validation", "test"):
            raws = list(made.dataset.raw(split))
            parity = compare(trained.outputs(raws), predictor.outputs(raws), predictor.output_schema)
            assert parity.passed, parity


def test_the_files_are_those_of_the_format(packaged: Packaged) -> None:
    made, artifact = packaged
    with opened(artifact, made) as reader:
        names = set(reader.manifest["files"])
        assert {"model.onnx", "golden/expected.json", "profile.json", "card.md", "sbom.cdx.json"} <= names
        assert reader.manifest["lineage"] == {"dataset": made.dataset.digest, "model": made.model.digest}
        assert reader.manifest["task"]["modality"] == made.dataset.meta["modality"]
        assert reader.signature.trust == "trusted"
        profile = reader.profile()
        assert profile is not None
        assert profile["inputs"]
        assert profile["quality"]["samples"] == made.dataset.count("validation")
        bill = json.loads(reader.read("sbom.cdx.json"))
        assert bill["specVersion"] == "1.6"
        assert {"modelwright", "onnxruntime", "numpy", "pillow"} <= {each["name"] for each in bill["components"]}
        graph = bill["metadata"]["component"]["components"][0]
        assert graph["hashes"] == [{"alg": "BLAKE3", "content": canonical.digest_bytes(reader.model())}]
        card = reader.read("card.md").decode()
        assert "Which &lt;one> is it?" in card
        assert str(Path(made.store.root).parent) not in card


def test_golden_samples_cover_classes_sizes_and_oddities(packaged: Packaged) -> None:
    made, artifact = packaged
    with opened(artifact, made) as reader:
        golden = reader.golden()
        raws = [reader.read(entry["input"]) for entry in golden]
        assert 4 <= len(golden) <= 32
        assert len(set(raws)) == len(raws)
        predictor = Predictor(reader)
        if made.dataset.meta["modality"] == "image":
            assert len({predictor.decode(raw)["image"].shape for raw in raws}) >= 4
        else:
            rows = [json.loads(raw) for raw in raws]
            assert any(all(value is None for value in row.values()) for row in rows)
            assert any(str(row.get("town")).endswith("?") for row in rows)
        if made.dataset.meta["target"] == "category":
            labels = {entry["outputs"]["label"] for entry in golden}
            assert labels == set(made.dataset.schema["output"]["classes"])
        test = set(made.dataset.raw("test"))
        assert not test & set(raws)


def test_the_same_inputs_give_the_same_digest(packaged: Packaged) -> None:
    made, artifact = packaged
    again = package(made.spec, made.dataset, made.model, made.store)
    assert again.digest == artifact.digest


def test_exports_are_reproducible_and_sound(packaged: Packaged, tmp_path: Path) -> None:
    made, artifact = packaged
    file = export_mwpkg(artifact, tmp_path)
    assert file.name == f"{made.spec.name}.mwpkg"
    assert export_mwpkg(artifact, tmp_path / "a" / "b.mwpkg").read_bytes() == file.read_bytes()
    folder = export_folder(artifact, tmp_path / "folder")
    answers = []
    for path in (file, folder, artifact.folder):
        with PackageReader.open(path, trusted_keys=[made.store.keys.public()]) as reader:
            predictor = Predictor(reader)
            assert predictor.check_golden().passed
            answers.append(predictor.predict(list(made.dataset.raw("test", [0, 1, 2]))))
    assert answers[0] == answers[1] == answers[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder", file.name]


def test_exporting_never_overwrites_a_folder(number: Made, tmp_path: Path) -> None:
    artifact = package(number.spec, number.dataset, number.model, number.store)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export_folder(artifact, tmp_path / "there")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ModelwrightError, match="cannot be written"):
        export_mwpkg(artifact, tmp_path / "file" / "x.mwpkg")
    assert export_mwpkg(artifact, tmp_path / "file").stat().st_size > 1000


def test_a_graph_that_answers_differently_is_refused(number: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = TrainedModel.outputs

    def slightly_off(self: TrainedModel, raws: Sequence[bytes]) -> dict[str, np.ndarray[Any, Any]]:
        outputs = honest(self, raws)
        outputs["value"] = outputs["value"].copy()
        outputs["value"][3] += np.float32(0.05 * number.dataset.schema["output"]["std"])
        return outputs

    monkeypatch.setattr(TrainedModel, "outputs", slightly_off)
    before = len(number.store.artifacts.list("package"))
    with pytest.raises(ModelwrightError, match=r"golden sample 3 differs by 0\.05 in 'value'") as caught:
        package(number.spec, number.dataset, number.model, number.store)
    assert caught.value.code == "no-parity"
    assert len(number.store.artifacts.list("package")) == before


def test_a_model_that_says_nan_is_refused(number: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = TrainedModel.outputs
    monkeypatch.setattr(
        TrainedModel, "outputs", lambda self, raws: {n: v * np.float32(np.nan) for n, v in honest(self, raws).items()}
    )
    with pytest.raises(ModelwrightError, match="not a finite number"):
        package(number.spec, number.dataset, number.model, number.store)


def test_an_unknown_optimisation_is_refused(number: Made) -> None:
    spec = replace(number.spec, package=replace(number.spec.package, optimise=("int4",)))
    with pytest.raises(InputError, match="'int4' is not an optimisation"):
        package(spec, number.dataset, number.model, number.store)


def test_a_tampered_model_is_not_packaged(number: Made, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(number.store.root, copy)
    store = type(number.store).open(copy)
    model = store.artifacts.open(number.model.digest)
    file = model.folder / "content" / "schema.json"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"std", b"sdt"))
    with pytest.raises(IntegrityError):
        package(number.spec, number.dataset, model, store)


def test_a_name_that_is_no_file_name(number: Made, tmp_path: Path) -> None:
    spec = replace(number.spec, name="../belt & fruit/ü")
    artifact = package(spec, number.dataset, number.model, number.store)
    file = export_mwpkg(artifact, tmp_path)
    assert file == tmp_path / "belt-fruit.mwpkg"
