"""Synthetic samples: marked, in training only, what they are made of kept, and no gain claimed unmeasured."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.errors import InputError
from modelwright.prepare.synthesize.synthesis import ways_of
from modelwright.store.dataset import Dataset
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks
from modelwright.tasks.modalities.audio import synthesis as audio_synthesis
from modelwright.tasks.modalities.audio.clips import wav
from modelwright.tasks.modalities.image import synthesis as image_synthesis
from modelwright.tasks.modalities.series import synthesis as series_synthesis
from modelwright.tasks.modalities.series.reading import read, written
from modelwright.tasks.modalities.table import synthesis as table_synthesis
from modelwright.tasks.modalities.text import synthesis as text_synthesis

from .conftest import Project, picture

RARE = "sources: [{folder: photos}]\nsynthesize: {ways: auto, copies: 4}"


def rare_photos(project: Project) -> None:
    for name, start, count in (("apple", 0, 60), ("pear", 100, 50), ("quince", 200, 12)):
        folder = project.root / "photos" / name
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number:02}.jpg").write_bytes(picture(start + number, (48, 40)))


def test_rare_classes_are_filled_and_everything_is_marked(project: Project) -> None:
    rare_photos(project)
    dataset = project.prepare(RARE)
    samples = dataset.samples().to_pylist()
    made = [row for row in samples if row["annotation"].startswith("synthetic:")]
    real = {row["id"]: row for row in samples if not row["annotation"].startswith("synthetic:")}
    assert made
    assert {row["split"] for row in made} == {"train"}
    assert {row["label"] for row in made} == {"quince"}
    counts = {
        name: sum(row["split"] == "train" and row["label"] == name for row in samples) for name in ("pear", "quince")
    }
    assert counts["quince"] == counts["pear"]  # pear is the usual class
    for row in made:
        _, way, parents = row["annotation"].split(":")
        parent, _, second = parents.partition("+")
        assert bool(second) == image_synthesis.WAYS[way].second
        assert {real[each]["split"] for each in (parent, second) if each} == {"train"}
        assert {real[each]["label"] for each in (parent, second) if each} == {"quince"}
        assert real[parent]["group"] == row["group"]
    assert dataset.meta["synthetic"]["count"] == len(made) == int(dataset.synthetic("train").sum())
    assert not dataset.synthetic("validation").any()
    assert not dataset.synthetic("test").any()
    assert dataset.count("train") == sum(row["split"] == "train" for row in samples)
    for place, raw in zip(
        np.flatnonzero(dataset.synthetic("train")),
        dataset.raw("train", np.flatnonzero(dataset.synthetic("train"))),
        strict=True,
    ):
        assert dataset.modality.decode(raw, {})["image"].shape[0] == 1, place
    attached = dataset.artifact.attached("synthesis.json")
    assert attached is not None
    measured = json.loads(attached.read_bytes())
    assert "no gain is claimed" in measured["words"] or measured["better"]


def test_the_same_spec_makes_the_same_samples_and_the_real_dataset_stays(project: Project) -> None:
    rare_photos(project)
    one, other = project.prepare(RARE), project.prepare(RARE)
    assert one.digest == other.digest
    real = project.prepare("sources: [{folder: photos}]")
    assert one.artifact.inputs["real"] == real.digest
    assert one.schema == real.schema
    assert project.prepare(RARE.replace("copies: 4", "copies: 4, seed: 1")).digest != one.digest


def test_all_classes_get_as_many_copies_as_asked(project: Project) -> None:
    rare_photos(project)
    real = project.prepare("sources: [{folder: photos}]").count("train")
    dataset = project.prepare("sources: [{folder: photos}]\nsynthesize: {ways: [light, noise], only: all, copies: 2}")
    assert dataset.meta["synthetic"]["count"] == 2 * real
    assert set(dataset.meta["synthetic"]["ways"]) == {"light", "noise"}
    assert all(dataset.meta["synthetic"]["ways"].values())


def test_rows_are_made_and_can_be_trained_from(project: Project) -> None:
    random = np.random.default_rng(0)
    with (project.root / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "kind", "y"])
        for number in range(240):
            rare = number % 12 == 0
            writer.writerow(
                [round(random.normal(4 * rare), 3), int(random.integers(0, 50)), "xyz"[number % 3], ["no", "yes"][rare]]
            )
    spec = "sources: [{table: data.csv}]\nlabel: y\nsynthesize: {ways: [smote], copies: 5}"
    dataset = project.prepare(spec)
    made = np.flatnonzero(dataset.synthetic("train"))
    assert len(made) == 5 * int((np.array(dataset.labels("train"), object)[~dataset.synthetic("train")] == "yes").sum())
    rows = [json.loads(raw) for raw in dataset.raw("train", made)]
    assert all(isinstance(row["b"], int) and row["kind"] in "xyz" for row in rows)
    assert dataset.features("train", "dense").shape[0] == dataset.count("train")
    yes = [
        json.loads(raw)["a"]
        for raw, label in zip(dataset.raw("train"), dataset.labels("train"), strict=True)
        if label == "yes"
    ]
    assert min(yes) <= min(row["a"] for row in rows) <= max(row["a"] for row in rows) <= max(yes)


def test_a_wrong_way_is_refused_with_what_would_be_right(project: Project, photos: Path) -> None:
    del photos
    with pytest.raises(InputError, match=r"found 'smoke'; allowed for image: auto, light"):
        project.prepare("sources: [{folder: photos}]\nsynthesize: {ways: [smoke]}")


def test_ways_that_make_a_label_wrong_are_not_taken() -> None:
    image = tasks.modality("image")
    assert "mix" not in ways_of(image, "number", ["auto"])
    assert set(ways_of(image, "structured", ["auto"])) == {"light", "blur", "noise", "weather"}
    with pytest.raises(InputError, match="'perspective' makes labels of this kind"):
        ways_of(image, "structured", ["perspective"])
    assert ways_of(tasks.modality("table"), "number", ["auto"]) == ("jitter",)


@pytest.mark.parametrize("way", list(image_synthesis.WAYS))
@pytest.mark.parametrize("size", [(40, 48), (1, 1), (3, 200)])
def test_pictures_keep_their_size_and_grey_stays_grey(way: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    grey = np.repeat(random.integers(0, 256, (*size, 1), np.uint8), 3, 2)
    one = image_synthesis.synthesize([grey, grey[::-1]], way, np.random.default_rng(7))
    again = image_synthesis.synthesize([grey, grey[::-1]], way, np.random.default_rng(7))
    made = np.asarray(Image.open(io.BytesIO(one)))
    assert one == again
    assert made.shape == grey.shape
    if way == "light":
        assert (made[..., 0] == made[..., 1]).all()


@pytest.mark.parametrize("way", list(audio_synthesis.WAYS))
@pytest.mark.parametrize("shape", [(8000, 1), (1, 1), (500, 2)])
def test_sounds_stay_within_bounds_and_about_as_long(way: str, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    sound = random.uniform(-0.9, 0.9, shape).astype(np.float32)
    made = audio_synthesis.synthesize([sound, sound[::-1]], way, np.random.default_rng(3))
    assert np.abs(made).max() <= 1
    assert made.shape[1] == shape[1]
    assert 0.85 * shape[0] - 1 <= len(made) <= 1.16 * shape[0] + 1


def test_noise_has_the_ratio_that_it_says() -> None:
    sound = np.sin(np.arange(40_000) / 20).astype(np.float32)[:, None] * 0.3
    for seed in range(8):
        made = audio_synthesis.synthesize([sound], "noise", np.random.default_rng(seed))
        ratio = 10 * np.log10(np.square(sound).mean() / np.square(made - sound).mean())
        assert 9.5 <= ratio <= 30.5


@given(
    st.text(max_size=200),
    st.text(min_size=1, max_size=50),
    st.sampled_from(list(text_synthesis.WAYS)),
    st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_texts_never_become_empty(one: str, other: str, way: str, seed: int) -> None:
    made = text_synthesis.synthesize([one, other], way, np.random.default_rng(seed))
    assert made.strip() or not one.strip()
    assert made == text_synthesis.synthesize([one, other], way, np.random.default_rng(seed))


@pytest.mark.parametrize("way", list(series_synthesis.WAYS))
@pytest.mark.parametrize("steps", [1, 2, 60])
def test_sequences_keep_their_shape_and_what_is_missing(way: str, steps: int) -> None:
    random = np.random.default_rng(5)
    values = random.normal(10, 2, (steps, 3))
    values[0, 1] = np.nan
    made = series_synthesis.synthesize([values, random.normal(10, 2, (steps + 7, 3))], way, np.random.default_rng(2))
    assert made.shape == values.shape
    assert np.isnan(made[0, 1])
    assert np.isfinite(made[:, [0, 2]]).all()
    assert np.abs(np.nanmean(made[:, 0]) - np.nanmean(values[:, 0])) < 4


NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.none(), st.text(max_size=5))


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(NUMBERS, NUMBERS), min_size=1), st.integers(0, 50))
def test_rows_lie_between_their_parents(pairs: dict[str, tuple[object, object]], seed: int) -> None:
    raws = [json.dumps({name: pair[which] for name, pair in pairs.items()}).encode() for which in (0, 1)]
    made = json.loads(table_synthesis.synthesize(raws, "smote", np.random.default_rng(seed)))
    for name, (one, other) in pairs.items():
        if isinstance(one, (int, float)) and isinstance(other, (int, float)):
            assert min(one, other) - 1e-6 <= made[name] <= max(one, other) + 1e-6
            assert isinstance(made[name], int) == (isinstance(one, int) and isinstance(other, int))
        else:
            assert made[name] in (one, other)


@pytest.mark.parametrize("way", list(audio_synthesis.WAYS))
def test_made_sounds_are_sounds(way: str) -> None:
    audio = tasks.modality("audio")
    random = np.random.default_rng(0)
    raws = [wav(random.normal(0, 0.1, size), rate) for size, rate in ((4000, 8000), (9000, 16000))]
    assert isinstance(audio, abilities.Synthesizing)
    made = audio.synthesize(raws, way, np.random.default_rng(1))
    facts = audio.measure(audio.decode(made, {}), {})
    assert facts["rate"][0] == 8000
    assert 0.44 <= facts["seconds"][0] <= 0.57


@pytest.mark.parametrize("way", list(series_synthesis.WAYS))
def test_made_sequences_are_sequences(way: str) -> None:
    series = tasks.modality("series")
    raws = [
        written(("a", "b"), np.random.default_rng(seed).normal(size=(30 + seed, 2)), np.arange(30.0 + seed))
        for seed in (0, 1)
    ]
    assert isinstance(series, abilities.Synthesizing)
    frame = read(series.synthesize(raws, way, np.random.default_rng(1)))
    assert frame.names == ("a", "b")
    assert frame.values.shape == (30, 2)
    assert frame.time is not None
    assert frame.time.tolist() == list(range(30))


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=40))
def test_what_is_written_is_read_back(values: list[float | None]) -> None:
    column = np.array([np.nan if value is None else value for value in values], np.float32)[:, None]
    np.testing.assert_array_equal(read(written(("x",), column)).values, column)


def test_an_export_holds_real_samples_only(tmp_path: Path) -> None:
    import modelwright

    project = Project(tmp_path)
    rare_photos(project)
    project.spec(RARE)
    opened = modelwright.open(tmp_path)
    opened.prepare()
    told = opened.export("dataset-folder", tmp_path / "out")
    real = Dataset(project.store, project.store.artifacts.open(told["dataset"], "dataset"))
    assert real.meta.get("synthetic") is None
    files = [path for path in (tmp_path / "out" / "data").rglob("*") if path.is_file()]
    assert len(files) == told["samples"] == sum(real.count(split) for split in ("train", "validation", "test"))
