"""What a server does with inputs beside what training saw."""

from __future__ import annotations

from collections.abc import Callable

from . import making
from .conftest import Running

FAR = {"size": 1e9, "color": "violet"}
"""Beyond any size, and a color, that the training rows have."""


def test_a_warning_names_column_found_and_expected_and_is_counted_and_logged(start: Callable[..., Running]) -> None:
    server = start()
    good = server.http.post("/predict", content=making.row(), headers={"content-type": "application/json"})
    assert "warnings" not in good.json()
    answer = server.http.post("/predict", json=FAR).json()
    assert answer["label"]
    codes = {each["column"]: each for each in answer["warnings"]}
    assert codes["size"]["code"] == "out-of-range"
    assert codes["size"]["found"] == 1e9
    assert " to " in codes["size"]["expected"]
    assert codes["color"]["code"] == "unknown-category"
    assert "red" in codes["color"]["expected"]
    many = server.http.post("/predict", json=[{"size": 1.0, "color": "red"}, FAR]).json()
    found = many["predictions"] if isinstance(many, dict) else many
    assert ["warnings" in each for each in found] == [False, True]
    metrics = server.http.get("/metrics", headers=server.token).text
    assert 'modelwright_contract_total{code="unknown-category",column="color"} 2.0' in metrics
    record = {each.id: each for each in making.logged(server.store)}[answer["id"]]
    assert len(record.output["warnings"]) == 2


def test_a_strict_server_refuses_with_the_column_what_was_found_and_what_is_right(
    start: Callable[..., Running],
) -> None:
    server = start(contract="refuse")
    refused = server.http.post("/predict", json=FAR)
    assert refused.status_code == 422
    error = refused.json()
    assert error["code"] == "contract-out-of-range"
    assert 'column "size": found 1e+09, expected' in error["message"]
    assert "column \"color\": found 'violet', expected" in error["message"]
    assert "deploy.contract" in error["hint"]
    row = server.http.post("/predict", json=[{"size": 1.0, "color": "red"}, FAR])
    assert row.status_code == 422
    assert row.json()["message"].startswith("row 1: ")
    assert server.http.post("/predict", json={"size": 1.0, "color": "red"}).status_code == 200


def test_a_server_that_is_told_so_says_nothing(start: Callable[..., Running]) -> None:
    server = start(contract="off")
    assert "warnings" not in server.http.post("/predict", json=FAR).json()
