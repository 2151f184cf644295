"""``/predict``, ``/feedback``, status and metrics of a real server."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from modelwright.canonical import digest_bytes

from . import making
from .conftest import Running


def test_a_picture_is_answered_logged_and_named_by_its_digest(image: Running) -> None:
    raw = making.png(230)
    answer = image.http.post("/predict", content=raw, headers={"content-type": "image/png"}).json()
    assert answer["label"] == "light"
    assert set(answer) == {"id", "model", "package", "label", "score", "scores"}
    assert abs(sum(answer["scores"].values()) - 1) < 1e-5
    assert answer["package"] == image.package
    assert answer["id"].endswith(digest_bytes(raw))
    record = {each.id: each for each in making.logged(image.store)}[answer["id"]]
    assert (record.input, record.media_type, record.package) == (raw, "image/png", image.package)
    assert record.output["label"] == "light"


def test_pictures_of_other_sizes_and_without_a_type_are_answered(image: Running) -> None:
    for size in ((3, 5), (64, 40), (1, 1)):
        answer = image.http.post("/predict", content=making.png(20, size))
        assert (answer.status_code, answer.json()["label"]) == (200, "dark")


def test_a_large_picture_is_decoded_in_a_thread(image: Running) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)).save(file, "PNG")
    assert image.http.post("/predict", content=file.getvalue()).status_code == 200
    truncated = image.http.post("/predict", content=file.getvalue()[:200_000])
    assert truncated.status_code == 422
    assert truncated.json()["code"] == "corrupt"


def test_bytes_that_are_no_picture_are_refused_with_a_reason(image: Running) -> None:
    for raw, status in ((b"<html>", 422), (b"", 400), (b"\x89PNG\r\n\x1a\n", 422)):
        answer = image.http.post("/predict", content=raw, headers={"content-type": "image/png"})
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error", "code", "message", "hint"}
    answer = image.http.post("/predict", json={"a": 1})
    assert answer.status_code == 415
    assert "image/png" in answer.json()["hint"]


def test_a_row_and_a_list_of_rows(table: Running) -> None:
    one = table.http.post("/predict", json={"size": 3, "color": "red"}).json()
    many = table.http.post("/predict", json=[{"color": "red", "size": 3}, {"size": None}, {}]).json()
    assert isinstance(many, list)
    assert many[0]["scores"] == one["scores"]
    assert many[0]["id"][17:] == one["id"][17:]  # the same row in another order is the same sample
    assert many[0]["id"] != one["id"]
    ids = [each.id for each in making.logged(table.store)]
    assert {one["id"], *(each["id"] for each in many)} <= set(ids)
    assert ids == sorted(ids)


def test_bad_rows_are_refused_whole_and_nothing_is_logged(table: Running) -> None:
    before = len(making.logged(table.store))
    for body in (b"{", b"[]", b"3", b'"x"', b"[1]", b'[{"size": 1}, {"size": "many"}]', b'{"size": {"a": 1}}', b"NaN"):
        answer = table.http.post("/predict", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}, (body, answer.text)
        assert answer.json()["code"]
    rows = [{"size": 1.0}] * 1025
    assert table.http.post("/predict", json=rows).status_code == 413
    assert len(making.logged(table.store)) == before


def test_feedback_becomes_an_annotation(table: Running) -> None:
    answer = table.http.post("/predict", json={"size": 2, "color": "green"}).json()
    assert table.http.post("/feedback", json={"id": answer["id"], "truth": "big"}).status_code == 401
    kept = table.http.post("/feedback", json={"id": answer["id"], "truth": " big "}, headers=table.token)
    assert kept.status_code == 200, kept.text
    sample = answer["id"][17:]
    said = table.store.annotations.newest()[sample]
    assert (said.value, said.source, said.prediction) == ("big", "feedback", answer["id"])
    assert kept.json() == {"sample": sample, "truth": "big", "sequence": said.seq}
    many = table.http.post(
        "/feedback",
        json=[{"sample": sample, "truth": "small", "author": "Ann"}, {"id": answer["id"], "truth": "big"}],
        headers=table.token,
    )
    assert [each["sequence"] for each in many.json()] == [said.seq + 1, said.seq + 2]
    assert [each.author for each in table.store.annotations.of(sample)] == ["feedback", "Ann", "feedback"]


def test_feedback_that_makes_no_sense_is_refused(table: Running) -> None:
    good = {"id": "0" * 16 + "-" + "a" * 64, "truth": "big"}
    cases = [
        ({"id": "x", "truth": "big"}, 400),
        ({"id": 3, "truth": "big"}, 400),
        ({"sample": "A" * 64, "truth": "big"}, 400),
        ({"truth": "big"}, 400),
        ({**good, "sample": "a" * 64}, 400),
        ({"id": good["id"]}, 400),
        ({**good, "label": "big"}, 400),
        ({**good, "author": ""}, 400),
        ({**good, "truth": "biig"}, 422),
        ({**good, "truth": None}, 422),
        ({**good, "truth": ["big"]}, 422),
        ({**good, "truth": ""}, 422),
        ([good, {**good, "truth": "biig"}], 422),
        ([], 400),
        ("big", 400),
    ]
    before = table.store.annotations.count()
    for body, status in cases:
        answer = table.http.post("/feedback", json=body, headers=table.token)
        assert answer.status_code == status, (body, answer.text)
        assert answer.json()["message"]
    assert table.store.annotations.count() == before
    new = table.http.post("/feedback", json={**good, "truth": "huge", "new_class": True}, headers=table.token)
    assert new.status_code == 200


def test_status_names_the_package_and_every_route(table: Running) -> None:
    status = table.http.get("/").json()
    assert (status["status"], status["package"], status["refused"]) == ("serving", table.package, None)
    assert "POST /predict" in status["routes"]


def test_metrics_are_in_prometheus_form(table: Running) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for _ in range(2):
        answer = table.http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["modelwright_champion_info"].samples[0].labels["package"] == table.package
    assert {"modelwright_requests", "modelwright_request_seconds", "modelwright_batch_samples"} <= set(families)


def test_a_number_has_an_interval(start: Callable[..., Running]) -> None:
    running = start("number")
    answer = running.http.post("/predict", json={"size": 1, "color": "red"}).json()
    assert answer["low"] <= answer["value"] <= answer["high"]
    sent = running.http.post("/feedback", json={"id": answer["id"], "truth": "4.5"}, headers=running.token)
    assert sent.json()["truth"] == 4.5
    wrong: Any
    for wrong in ("many", "nan", []):
        sent = running.http.post("/feedback", json={"id": answer["id"], "truth": wrong}, headers=running.token)
        assert sent.status_code == 422, wrong
