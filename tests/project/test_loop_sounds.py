"""The whole loop on sounds: from files to a server, for a category and for a number."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from tests.project.serving import package_of, served

from modelwright.deploy.batch import predict_files
from modelwright.project import Project, open_project
from modelwright.runtime.predictor import Predictor
from modelwright.testing.sounds import broken_ones, odd_ones, wav, word

pytestmark = pytest.mark.slow
PITCHES = {"low": 110.0, "middle": 190.0, "high": 330.0}


def said(kind: str, seed: int, rate: int = 8000) -> np.ndarray:
    random = np.random.default_rng([seed, list(PITCHES).index(kind)])
    return np.asarray(word(random, PITCHES[kind] * random.uniform(0.9, 1.1), random.uniform(0.2, 0.5), rate))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of audio × category that ran once."""
    root = tmp_path_factory.mktemp("words")
    for kind in PITCHES:
        (root / "sounds" / kind).mkdir(parents=True)
        for number in range(50):
            (root / "sounds" / kind / f"{number}.wav").write_bytes(wav(said(kind, number)))
    (root / "modelwright.yaml").write_text(
        "input: audio\nsources: [folder: sounds]\nsplit: {test: 0.3}\ntrain: {models: [logistic, boosting]}\n"
    )
    project = open_project(root)
    result = project.run(to="validate")
    assert result.report is not None
    assert result.report["metrics"]["f1_macro"]["value"] > 0.9
    return project


@pytest.fixture(scope="module")
def server(words: Project) -> Iterator[httpx.Client]:
    with served(words) as client:
        yield client


def test_the_package_answers_as_the_trained_model_did(words: Project) -> None:
    with package_of(words) as reader:
        parity = Predictor(reader).check_golden()
        rates = {soundfile.info(io.BytesIO(reader.read(entry["input"]))).samplerate for entry in reader.golden()}
    assert parity.passed
    assert parity.samples >= 16
    assert len(rates) >= 3, "golden sounds of other rates were made up"


def test_no_answer_depends_on_who_else_is_asked(words: Project) -> None:
    raws = [wav(said(kind, 500 + number)) for kind in PITCHES for number in range(4)] + list(odd_ones())
    with package_of(words) as reader:
        predictor = Predictor(reader)
        together = predictor.outputs(raws)["probabilities"]
        alone = np.stack([predictor.outputs([raw])["probabilities"][0] for raw in raws])
    assert np.abs(together - alone).max() < 1e-6
    assert np.isfinite(together).all()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize("media", ["right", "none"])
def test_the_server_takes_sounds(server: httpx.Client, form: str, media: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.stack([said("high", 900, 16_000)] * 2, axis=1), 16_000, format=form)
    kind = {"WAV": "audio/x-wav", "MP3": "audio/mpeg"}.get(form, f"audio/{form.lower()}")
    answer = server.post(
        "/predict", content=file.getvalue(), headers={"content-type": kind} if media == "right" else {}
    )
    if media == "none":
        assert answer.status_code in {200, 415}, answer.text
    else:
        assert answer.status_code == 200, answer.text
        assert answer.json()["label"] == "high"


@pytest.mark.parametrize("raw", broken_ones(), ids=range(len(broken_ones())))
def test_the_server_says_what_is_wrong(server: httpx.Client, raw: bytes) -> None:
    answer = server.post("/predict", content=raw, headers={"content-type": "audio/wav"})
    assert answer.status_code in {400, 422}
    assert answer.json()["code"] in {"empty", "wrong-format", "corrupt"}


def test_files_of_sounds_are_answered(words: Project, tmp_path: Path) -> None:
    for number, kind in enumerate(PITCHES):
        (tmp_path / f"{number}.wav").write_bytes(wav(said(kind, 901)))
    (tmp_path / "9.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    out = io.StringIO()
    with package_of(words) as reader:
        counts = predict_files(Predictor(reader), [tmp_path], out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [answer.get("label") for answer in answers] == [*PITCHES, None]
    assert (counts.answered, counts.failed) == (3, 1)


def test_numbers_of_sounds(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    (tmp_path / "sounds").mkdir()
    for number in range(120):
        pitch = random.uniform(100.0, 400.0)
        (tmp_path / "sounds" / f"{pitch:.1f}_{number}.wav").write_bytes(wav(word(random, pitch)))
    (tmp_path / "modelwright.yaml").write_text(
        "input: audio\noutput: number\nfeatures: [mfcc, stft, log-mel]\n"
        "sources: [{folder: sounds, label: '^([0-9.]+)_'}]\ntrain: {models: [ridge, boosting]}\n"
    )
    result = open_project(tmp_path).run(to="validate")
    assert result.report is not None
    assert result.report["metrics"]["mae"]["value"] < 30.0
    assert result.report["parity"]["passed"]


def test_the_convnet_sees_sounds(words: Project) -> None:
    path = words.path / "modelwright.yaml"
    before = path.read_text()
    path.write_text(before.replace("[logistic, boosting]", "[convnet]").replace("train: {", "train: {budget: 12s, "))
    result = open_project(words.path).run(to="validate")
    path.write_text(before)
    assert result.report is not None
    assert result.report["metrics"]["f1_macro"]["value"] > 0.6
    assert result.report["parity"]["passed"]
