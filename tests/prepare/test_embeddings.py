"""Embeddings by graphs: where they are cut, what they change in a dataset, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from modelwright.errors import InputError, IntegrityError
from modelwright.prepare.clean import near_vectors
from modelwright.prepare.embed.base import pooled
from modelwright.prepare.embed.cut import cut
from modelwright.prepare.embed.preparation import Pictures
from modelwright.prepare.embed.pretrained import open_place
from modelwright.runtime.session import open_session

from .conftest import Project, issues, picture
from .embedders import PREPROCESSOR, folder, mirrored, rows_of_colours

SPEC = "input: image\nsources:\n  - folder: pictures\nclean: {embeddings: weights}\n"


@pytest.fixture
def pictures(project: Project) -> Path:
    """Return the folder of 60 pictures of two classes, and mirrored ones of four of them."""
    root = project.root / "pictures"
    for kind in ("a", "b"):
        (root / kind).mkdir(parents=True)
    for number in range(60):
        (root / "ab"[number % 2] / f"{number:02d}.jpg").write_bytes(picture(number))
    for number in (4, 11, 22, 35):
        (root / "ab"[number % 2] / f"m{number:02d}.png").write_bytes(mirrored(picture(number)))
    return root


def test_a_graph_is_cut_in_front_of_its_last_linear_layer() -> None:
    shorter, name = cut(rows_of_colours())
    session = open_session(shorter)
    pixels = np.random.default_rng(1).normal(size=(1, 3, 32, 32)).astype(np.float32)
    (found,) = session.run([name], {"pixels": pixels})
    np.testing.assert_allclose(found, pixels.mean(3).reshape(1, -1), rtol=1e-5)
    assert [each.op_type for each in onnx.ModelProto.FromString(shorter).graph.node] == ["ReduceMean", "Flatten"]


def test_products_of_two_things_that_vary_are_no_layer() -> None:
    """The attention of a transformer multiplies such; the layer behind it is the one."""
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "hidden"], ["squared"]),
    ]
    shape = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [shape("x", TensorProto.FLOAT, [3, 3])], [shape("squared", TensorProto.FLOAT, [3, 3])], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert cut(model.SerializeToString())[1] == "x"


def test_trees_and_junk_have_no_embedding() -> None:
    trees = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")
    shape = helper.make_tensor_value_info
    graph = helper.make_graph(
        [trees], "g", [shape("x", TensorProto.FLOAT, [1, 3])], [shape("y", TensorProto.FLOAT, [1, 1])]
    )
    with pytest.raises(InputError, match="no linear layer") as error:
        cut(helper.make_model(graph).SerializeToString())
    assert error.value.code == "no-embedding"
    with pytest.raises(IntegrityError, match="not an ONNX graph"):
        cut(b"\xff" * 50)


@given(
    st.integers(1, 5),
    st.integers(2, 6),
    st.integers(0, 2**32 - 1),
)
def test_pooling_takes_the_mean_of_what_counts(tokens: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(1, tokens, width)).astype(np.float32)
    mask = np.zeros((1, tokens), bool)
    mask[0, : 1 + tokens // 2] = True
    mean = values[0, : 1 + tokens // 2].mean(0)
    found = pooled(values, mask)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)
    grid = np.moveaxis(values, 1, 2)[:, :, None]
    np.testing.assert_allclose(pooled(grid), pooled(values), atol=1e-6)


def test_pooling_refuses_what_is_no_vector() -> None:
    with pytest.raises(InputError, match="shape"):
        pooled(np.zeros((1, 2, 3, 4, 5), np.float32))
    with pytest.raises(InputError, match="not finite"):
        pooled(np.full((1, 3), np.nan, np.float32))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(40, 90))
def test_planted_copies_are_found_and_crowds_are_not(seed: int, count: int) -> None:
    """Half of the samples crowd together, as a class that a model sees as one: they are no copies of each other."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 16))
    vectors[: count // 2] = vectors[0] + 0.02 * random.normal(size=(count // 2, 16))
    vectors[-1] = vectors[-2] + 1e-4 * random.normal(size=16)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = near_vectors.pairs(vectors.astype(np.float32))
    assert [count - 2, count - 1] in found.tolist()
    assert len(found) == 1


def test_what_is_the_same_to_the_model_stays_in_one_split(project: Project, pictures: Path) -> None:
    plain = project.prepare(SPEC.replace("clean: {embeddings: weights}\n", ""))
    assert not issues(plain, "near-duplicate")
    folder(project.root / "weights")
    dataset = project.prepare(SPEC)
    found = issues(dataset, "near-duplicate")
    assert {Path(str(each["path"])).name for each in found} == {"m04.png", "m11.png", "m22.png", "m35.png"}
    assert "is to the model nearly the same as" in str(found[0]["message"])
    table = dataset.columns()
    splits = dict(zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True))
    for number in (4, 11, 22, 35):
        kind = "ab"[number % 2]
        assert splits[f"{kind}/{number:02d}.jpg"] == splits[f"{kind}/m{number:02d}.png"]
    assert dataset.meta["embeddings"]["samples"] == 64
    assert "ridge regression over embeddings by model.onnx in weights" in dataset.meta["label_check"]["how"]
    assert "embeddings" not in plain.meta
    page = (dataset.artifact.folder / "attached" / "report.html").read_text("utf-8")
    assert "is alike to model.onnx in weights" in page


def test_vectors_are_made_once_and_the_dataset_is_the_same_without_them(project: Project, pictures: Path) -> None:
    folder(project.root / "weights")
    before = project.prepare(SPEC)
    journals = list((project.store.cache_dir("prepare") / "embeddings").iterdir())
    assert len(journals) == 1
    size = journals[0].stat().st_size
    (pictures / "a" / "new.jpg").write_bytes(picture(999))
    project.prepare(SPEC)
    assert size < journals[0].stat().st_size < size + 1000  # one vector more
    (pictures / "a" / "new.jpg").unlink()
    journals[0].write_bytes(journals[0].read_bytes()[:700])
    assert project.prepare(SPEC).digest == before.digest
    shutil.rmtree(journals[0].parent)
    assert project.prepare(SPEC).digest == before.digest


def test_other_weights_are_another_dataset(project: Project, pictures: Path) -> None:
    from modelwright.prepare import fingerprint

    folder(project.root / "weights")
    spec = project.spec(SPEC)
    first = fingerprint(spec, project.store)
    assert fingerprint(spec, project.store) == first
    told = {**PREPROCESSOR, "size": 16}
    (project.root / "weights" / "preprocessor_config.json").write_text(json.dumps(told))
    assert fingerprint(spec, project.store) != first


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"size": 0}, "'size' is 0"),
        ({"size": {"height": 10}}, "height and width"),
        ({"size": 10**9}, "up to 2048"),
        ({"image_mean": [1, 2]}, "three numbers"),
        ({"image_std": [0, 1, 1]}, "above 0"),
        ({"resample": 77}, "from 0 to 5"),
        ({"do_resize": "yes"}, "true or false"),
    ],
)
def test_wrong_settings_are_named(told: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        Pictures.of({**PREPROCESSOR, **told}, tmp_path / "preprocessor_config.json")
    assert error.value.code == "bad-weights"


def test_what_is_not_loaded(tmp_path: Path) -> None:
    from modelwright.prepare.embed.places import files

    with pytest.raises(InputError, match="holds no model"):
        files(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(InputError, match=r"pytorch_model\.bin, which may run code"):
        files(tmp_path)
    (tmp_path / "model.onnx").write_bytes(rows_of_colours())
    with pytest.raises(InputError, match=r"no preprocessor_config\.json"):
        open_place(tmp_path, "image", "0" * 64)
    with pytest.raises(InputError, match="not for series"):
        open_place(tmp_path, "series", "0" * 64)
    (tmp_path / "preprocessor_config.json").write_text("[1]")
    with pytest.raises(InputError, match="holds list"):
        open_place(tmp_path, "image", "0" * 64)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    (tmp_path / "model.onnx").write_bytes(b"junk" * 100)
    with pytest.raises(IntegrityError):
        open_place(tmp_path, "image", "0" * 64)


def test_a_place_that_is_not_there_is_named_with_its_line(project: Project) -> None:
    from modelwright import spec as specs
    from modelwright.errors import SpecError

    (project.root / "pictures").mkdir()
    with pytest.raises(SpecError, match=r"modelwright.yaml:4: clean.embeddings: found 'weights'"):
        specs.check_files(project.spec(SPEC))


def test_rows_are_compared_by_their_columns(project: Project) -> None:
    (project.root / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i * 7 % 13},{i % 2}\n" for i in range(60)))
    with pytest.raises(InputError, match="rows of a table are compared by their columns"):
        project.prepare("label: y\nsources:\n  - table: t.csv\nclean: {embeddings: model}\n")
