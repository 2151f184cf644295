"""The Open Inference Protocol, version 2, over REST."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.canonical import digest_bytes
from modelwright.deploy.work import TENSOR_MEDIA_TYPE

from . import making
from .conftest import Running


def infer(running: Running, body: Any, name: str | None = None) -> httpx.Response:
    kind = name or ("image" if running.http.get("/v2/models/image").status_code == 200 else "table")
    return running.http.post(f"/v2/models/{kind}/infer", json=body)


def tensors(size: Any = 3.0, color: Any = "red", **changes: Any) -> list[dict[str, Any]]:
    """Return the two inputs of the table model (``c0`` is the color, ``c1`` the size)."""
    made = [
        {"name": "c0", "shape": [1, 1], "datatype": "BYTES", "data": [color]},
        {"name": "c1", "shape": [1, 1], "datatype": "FP32", "data": [size]},
    ]
    made[1].update(changes)
    return made


def test_health_and_metadata(table: Running) -> None:
    assert table.http.get("/v2").json() == {"name": "modelwright", "version": "0.1.0", "extensions": []}
    assert table.http.get("/v2/health/live").json() == {"live": True}
    assert table.http.get("/v2/health/ready").json() == {"ready": True}
    model = table.http.get("/v2/models/table").json()
    assert model["name"] == "table"
    assert model["versions"] == [table.package]
    assert model["inputs"] == [
        {"name": "c0", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "c1", "datatype": "FP32", "shape": [-1, 1]},
    ]
    assert {out["name"] for out in model["outputs"]} == {"probabilities", "label"}
    assert table.http.get(f"/v2/models/table/versions/{table.package}").json() == model
    for path in ("/v2/models/table/ready", f"/v2/models/table/versions/{table.package}/ready"):
        assert table.http.get(path).json() == {"name": "table", "ready": True}


def test_unknown_names_are_404(table: Running) -> None:
    for path in ("/v2/models/x", "/v2/models/", "/v2/models/table/versions/1", "/v2/models/table/x", "/v2/x", "/v3"):
        answer = table.http.get(path)
        assert answer.status_code == 404, path
        assert "error" in answer.json()
    assert table.http.post("/v2/models/x/infer", json={}).status_code == 404
    assert table.http.get("/v2/models/table/infer").status_code == 405


def test_tensors_are_answered_as_the_raw_row_is(table: Running) -> None:
    raw = table.http.post("/predict", json={"size": 3.0, "color": "red"}).json()
    answer = infer(table, {"id": "mine", "inputs": tensors(), "parameters": {"anything": 1}}).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "table", table.package)
    outputs = {out["name"]: out for out in answer["outputs"]}
    assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [1], "data": [raw["label"]]}
    assert outputs["probabilities"]["shape"] == [1, 2]
    assert outputs["probabilities"]["data"] == pytest.approx(list(raw["scores"].values()), abs=1e-6)
    (prediction,) = answer["parameters"]["prediction_ids"]
    record = {each.id: each for each in making.logged(table.store)}[prediction]
    assert record.media_type == TENSOR_MEDIA_TYPE
    assert json.loads(record.input) == {"c0": [["red"]], "c1": [[3.0]]}


def test_several_rows_nested_data_missing_values_and_chosen_outputs(table: Running) -> None:
    inputs = [
        {"name": "c1", "shape": [3, 1], "datatype": "FP32", "data": [[1], [None], [9.5]]},
        {"name": "c0", "shape": [3, 1], "datatype": "BYTES", "data": ["red", "", "green"]},
    ]
    answer = infer(table, {"inputs": inputs, "outputs": [{"name": "label"}]}).json()
    rows = [{"size": 1, "color": "red"}, {}, {"size": 9.5, "color": "green"}]
    expected = [each["label"] for each in table.http.post("/predict", json=rows).json()]
    assert answer["outputs"] == [{"name": "label", "datatype": "BYTES", "shape": [3], "data": expected}]
    assert "id" not in answer
    assert len(answer["parameters"]["prediction_ids"]) == 3


def test_raw_samples_as_bytes(image: Running, table: Running) -> None:
    pictures = [making.png(20), making.png(230, (9, 4))]
    raw = {
        "name": "raw",
        "shape": [2],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(each).decode() for each in pictures],
    }
    answer = infer(image, {"inputs": [raw]}, "image").json()
    assert {out["name"]: out["data"] for out in answer["outputs"]}["label"] == ["dark", "light"]
    assert [each[17:] for each in answer["parameters"]["prediction_ids"]] == [digest_bytes(p) for p in pictures]
    row = {"name": "raw", "shape": [1, 1], "datatype": "BYTES", "data": ['{"color": "red", "size": 3}']}
    answer = infer(table, {"inputs": [row]}, "table").json()
    assert answer["parameters"]["prediction_ids"][0][17:] == digest_bytes(b'{"color":"red","size":3}')


def test_image_tensor(image: Running) -> None:
    pixels = [[[[200, 210, 220]] * 3] * 2]
    body = {"inputs": [{"name": "image", "shape": [1, 2, 3, 3], "datatype": "UINT8", "data": pixels}]}
    answer = infer(image, body, "image")
    assert answer.status_code == 200, answer.text
    assert {out["name"]: out["data"] for out in answer.json()["outputs"]}["label"] == ["light"]


MUTANTS: list[tuple[str, Any]] = [
    ("no inputs", {}),
    ("inputs no list", {"inputs": {}}),
    ("inputs empty", {"inputs": []}),
    ("body a list", []),
    ("missing input", {"inputs": tensors()[:1]}),
    ("unknown input", {"inputs": [*tensors(), {"name": "c9", "shape": [1], "datatype": "FP32", "data": [1]}]}),
    ("twice", {"inputs": [*tensors(), *tensors()]}),
    ("nameless", {"inputs": [{"shape": [1, 1], "datatype": "FP32", "data": [1]}]}),
    ("datatype wrong", {"inputs": tensors(datatype="FP64")}),
    ("datatype number", {"inputs": tensors(datatype=3)}),
    ("datatype missing", {"inputs": tensors(datatype=None)}),
    ("half", {"inputs": tensors(datatype="FP16")}),
    ("rank", {"inputs": tensors(shape=[1])}),
    ("columns", {"inputs": tensors(shape=[1, 2], data=[1, 2])}),
    ("zero", {"inputs": tensors(shape=[0, 1], data=[])}),
    ("negative", {"inputs": tensors(shape=[-1, 1])}),
    ("huge", {"inputs": tensors(shape=[2**62, 1])}),
    ("float shape", {"inputs": tensors(shape=[1.0, 1])}),
    ("bool shape", {"inputs": tensors(shape=[True, 1])}),
    ("text shape", {"inputs": tensors(shape="1")}),
    ("too few", {"inputs": tensors(data=[])}),
    ("too many", {"inputs": tensors(data=[1, 2])}),
    ("no data", {"inputs": tensors(data=None)}),
    ("text for number", {"inputs": tensors("3")}),
    ("bool for number", {"inputs": tensors(size=True)}),
    ("object for number", {"inputs": tensors({"a": 1})}),
    ("overflow", {"inputs": tensors(1e300)}),
    ("nested wrong", {"inputs": tensors(data=[[1, 2]])}),
    ("number for bytes", {"inputs": tensors(color=3)}),
    ("null for bytes", {"inputs": tensors(color=None)}),
    ("batch differs", {"inputs": tensors(shape=[2, 1], data=[1, 2])}),
    ("bad id", {"id": 3, "inputs": tensors()}),
    ("bad parameters", {"parameters": [], "inputs": tensors()}),
    ("unknown output", {"inputs": tensors(), "outputs": [{"name": "x"}]}),
    ("outputs no list", {"inputs": tensors(), "outputs": {"name": "label"}}),
    ("raw and more", {"inputs": [*tensors(), {"name": "raw", "shape": [1], "datatype": "BYTES", "data": ["{}"]}]}),
    ("raw base64", {"inputs": [{"name": "raw", "shape": [1], "datatype": "BYTES", "data": ["?"],
                                "parameters": {"content_type": "base64"}}]}),
    ("raw kind", {"inputs": [{"name": "raw", "shape": [1], "datatype": "BYTES", "data": ["{}"],
                              "parameters": {"content_type": "pickle"}}]}),
    ("raw no row", {"inputs": [{"name": "raw", "shape": [1], "datatype": "BYTES", "data": ["[]"]}]}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body"), MUTANTS, ids=[what for what, _ in MUTANTS])
def test_mutants_are_refused(table: Running, what: str, body: Any) -> None:
    answer = infer(table, body, "table")
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()
    assert error["error"] == error["message"]
    assert error["code"]


def test_integers_are_checked_against_their_type(image: Running) -> None:
    for value in (256, -1, 1.0, True, None, "1"):
        data = [value] * 3
        body = {"inputs": [{"name": "image", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": data}]}
        assert infer(image, body, "image").status_code == 400, value


def test_binary_extension_is_refused_clearly(table: Running) -> None:
    answer = table.http.post("/v2/models/table/infer", content=b"{}", headers={"inference-header-content-length": "2"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported-extension")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["name", "shape", "datatype", "data", "parameters", "content_type"])
TENSOR = st.dictionaries(
    KEYS,
    JSON_VALUES
    | st.sampled_from(["c0", "c1", "raw", "BYTES", "FP32"])
    | st.lists(st.integers(-1, 3), max_size=3)
    | st.lists(st.text(max_size=4) | st.floats(allow_nan=False), max_size=3),
    max_size=6,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"inputs": st.lists(TENSOR, max_size=3)}, optional={"id": JSON_VALUES}).map(
        lambda value: json.dumps(value).encode()
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, route=st.sampled_from(["/predict", "/v2/models/table/infer", "/feedback"]))
def test_whatever_is_sent_the_server_does_not_fail(table: Running, body: bytes, route: str) -> None:
    headers = {"content-type": "application/json", **table.token}
    answer = table.http.post(route, content=body, headers=headers)
    assert answer.status_code < 500, (body, answer.text)
    assert isinstance(answer.json(), dict | list)
