"""The page shows what each word of ``features`` makes, before and after."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.prepare import prepare
from modelwright.prepare.explore import page
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.tasks import abilities
from modelwright.testing import sounds, texts


def drawn(folder: Path, spec: str) -> tuple[Any, Any]:
    """Return a dataset and its page."""
    dataset = prepare(loads(spec, folder / "modelwright.yaml"), Store.open(folder / ".modelwright"))
    return dataset, page(dataset)


def section(html: str, anchor: str) -> str:
    found = re.search(rf'<section[^>]*id="{anchor}".*?</section>', html, re.DOTALL)
    assert found is not None, anchor
    return found[0]


def write_texts(folder: Path) -> str:
    rows = [(topic, texts.of_topic(topic, number)) for topic in ("sport", "money") for number in range(40)]
    (folder / "data.csv").write_text("topic,said\n" + "".join(f'{topic},"{said}"\n' for topic, said in rows))
    return "input: text\nlabel: topic\nsources: [{table: data.csv}]\n"


def write_series(folder: Path) -> str:
    random = np.random.default_rng(0)
    for number in range(40):
        kind = ("up", "down")[number % 2]
        (folder / kind).mkdir(exist_ok=True)
        walk = random.normal(0.1 if kind == "up" else -0.1, 1, (30, 2)).cumsum(0)
        made = {"values": {"flow": walk[:, 0].tolist(), "heat": walk[:, 1].tolist()}}
        (folder / kind / f"{number}.json").write_text(json.dumps(made))
    return "input: series\nsources: [{series: .}]\n"


def write_sounds(folder: Path) -> str:
    random = np.random.default_rng(0)
    for number in range(24):
        kind = ("low", "high")[number % 2]
        (folder / "heard" / kind).mkdir(exist_ok=True, parents=True)
        raw = sounds.wav(sounds.word(random, 150.0 if kind == "low" else 400.0))
        (folder / "heard" / kind / f"{number}.wav").write_bytes(raw)
    return "input: audio\nsources: [{folder: heard}]\n"


@pytest.mark.parametrize(
    ("write", "asked", "before"),
    [
        (write_texts, ["words", "characters", "hashing", "figures"], "blockquote"),
        (write_texts, ["words", "svd", "figures"], "blockquote"),
        (write_series, ["statistics", "shape", "lags", "correlations", "pca"], "<img"),
        (write_sounds, ["level", "log-mel", "mfcc", "delta", "course", "stft", "pca"], "<img"),
    ],
)
def test_every_word_is_drawn_before_and_after(tmp_path: Path, write: Any, asked: list[str], before: str) -> None:
    dataset, made = drawn(tmp_path, write(tmp_path) + f"features: [{', '.join(asked)}]\n")
    html = section(made.html, "features-word-by-word")
    assert before in html.partition("<h3>")[0]
    modality = dataset.modality
    assert isinstance(modality, abilities.Worded)
    ordered = sorted(asked, key=lambda word: word in {"svd", "pca"})
    assert re.findall(r"<h3>([^<]*)</h3>", html) == ordered, "what takes the place of others comes after them"
    for word in asked:
        assert modality.feature_words[word].split("'")[0][:30] in html
    for part in html.split("<h3>")[1:]:
        assert "<svg" in part
        assert re.search(r"<(circle|polyline|path|rect)", part)
    assert set(made.figures["feature_words"]) == set(asked)
    rest = [word for word in modality.feature_words if word not in asked]
    assert not rest or f"Not made here: {', '.join(rest)}." in html
    assert "<script" not in html


def test_words_of_texts_are_those_that_weigh_most(tmp_path: Path) -> None:
    _, made = drawn(tmp_path, write_texts(tmp_path) + "features: [words]\n")
    html = section(made.html, "features-word-by-word")
    quoted = re.findall(r"<blockquote>(.*?)</blockquote>", html)
    assert len(quoted) == 2
    shown = [set(re.findall(r"word &#x27;([a-z ]+)&#x27;|word '([a-z ]+)'", part)) for part in html.split("<svg")[1:]]
    words = {one or other for part in shown for one, other in part}
    assert words
    assert all(any(word in text.lower() for text in quoted) for word in words)


def test_rows_have_their_hashed_words_and_components(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = []
    for place in range(300):
        size = random.normal(0, 1)
        title = "Mrs" if place % 3 else "Mr"
        name = f"{title} {''.join(random.choice(list('abcdefghij'), 6))} {place}"
        lines.append(
            f"{size:.3f},{2 * size + random.normal(0, 0.1):.3f},{name},{('no', 'yes')[int(random.random() < 0.5)]}"
        )
    (tmp_path / "data.csv").write_text("size,weight,name,y\n" + "\n".join(lines) + "\n")
    spec = "sources: [{table: data.csv}]\nlabel: y\nfeatures: [hashing, pca]\n"
    dataset, made = drawn(tmp_path, spec)
    html = section(made.html, "what-a-model-sees")
    assert re.search(r"name, words hashed to \d+: (.*, )?mrs?\b", html)
    assert ">size<" in html, "columns are shown before the components take their place"
    assert "<h3>pca</h3>" in html
    assert "Largest weights of component 1" in html
    explained = made.figures["components"]["explained"]
    assert explained == dataset.schema["input"]["components"]["explained"]
    assert explained == sorted(explained, reverse=True)
    assert html.count("<circle") >= 200


def test_one_component_is_drawn_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [
        f"{value:.3f},{2 * value:.3f},{'ab'[int(value > random.normal(0, 1))]}" for value in random.normal(0, 1, 99)
    ]
    (tmp_path / "data.csv").write_text("size,weight,y\n" + "\n".join(lines) + "\n")
    _, made = drawn(
        tmp_path, "sources: [{table: data.csv}]\nlabel: y\nfeatures: [pca]\nclean: {keep: [correlated-columns]}\n"
    )
    assert "One direction says it all." in section(made.html, "what-a-model-sees")


def test_a_number_to_predict_groups_its_fifths(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows = [f'{place % 7}.5,"{texts.of_topic("sport", place)}"' for place in random.permutation(60)]
    (tmp_path / "data.csv").write_text("score,said\n" + "\n".join(rows) + "\n")
    spec = "input: text\noutput: number\nlabel: score\nsources: [{table: data.csv}]\n"
    _, made = drawn(tmp_path, spec)
    html = section(made.html, "features-word-by-word")
    assert html.count("<blockquote>") == 3
    assert set(made.figures["feature_words"]) == {"words", "characters", "figures"}
