"""Sounds through the whole step: labels in names, groups, dirt, near-duplicates, wrong labels, the page."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from modelwright.errors import InputError
from modelwright.store.dataset import Dataset
from modelwright.testing.sounds import broken_ones, chirp, wav, word

from .conftest import Project, issues

SPOKEN = r"""
input: audio
output: category
sources: [{folder: sounds, label: '^(\w+?)_'}]
split: {group: '_([a-z]+)_'}
"""


def speak(folder: Path, *, seed: int = 0, takes: int = 5) -> None:
    """Write words of two pitches by six speakers, named ``<word>_<speaker>_<take>.wav``."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, pitch in (("low", 110.0), ("high", 330.0)):
        for speaker in ("ann", "bob", "cid", "dan", "eve", "fay"):
            own = pitch * random.uniform(0.85, 1.15)
            for take in range(takes):
                parts = [word(random, own * random.uniform(0.9, 1.1), random.uniform(0.15, 0.4)) for _ in range(3)]
                (folder / f"{name}_{speaker}_{take}.wav").write_bytes(wav(np.concatenate(parts)))


def by_path(dataset: Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in issues(dataset):
        if each["path"]:
            found.setdefault(str(each["path"]).partition("/")[2], []).append(str(each["kind"]))
    return found


def test_labels_and_groups_stand_in_names(project: Project) -> None:
    speak(project.root / "sounds")
    dataset = project.prepare(SPOKEN)
    assert dataset.meta["classes"] == ["high", "low"]
    assert sum(dataset.meta["counts"].values()) == 60
    speakers = {
        split: {re.search("_([a-z]+)_", path)[1] for path in dataset.samples(split)["path"].to_pylist()}  # type: ignore[index]
        for split in ("train", "validation", "test")
    }
    assert not speakers["train"] & speakers["test"]
    assert not speakers["train"] & speakers["validation"]
    schema = dataset.schema["input"]
    assert schema["rate"] == 8000
    assert any("keep that rate" in said for said in project.listener.said)
    assert dataset.features("train", "pixels").shape[1:] == (40, schema["frames"], 3)
    assert np.isfinite(dataset.features("train", "dense")).all()
    assert dataset.measures("train")["seconds"].min() > 0.3


def test_an_archive_is_read_like_the_folder(project: Project) -> None:
    folder = project.root / "sounds"
    speak(folder)
    with zipfile.ZipFile(project.root / "sounds.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"recordings/{path.name}")
    inside = SPOKEN.replace("folder: sounds", "archive: sounds.zip").replace("^(", "([a-z]+?)_[a-z]+_\\d.wav$|^never(")
    assert project.prepare(inside).meta["counts"] == project.prepare(SPOKEN).meta["counts"]


def test_a_pattern_that_is_none(project: Project) -> None:
    speak(project.root / "sounds", takes=1)
    with pytest.raises(InputError, match="option 'label' is '\\(\\[', which is no regular expression"):
        project.prepare(SPOKEN.replace(r"'^(\w+?)_'", "'(['"))


def test_names_without_a_label_are_named(project: Project) -> None:
    speak(project.root / "sounds")
    (project.root / "sounds" / "12.wav").write_bytes(wav(chirp(0.4)))
    assert "missing-label" in by_path(project.prepare(SPOKEN))["12.wav"]


def test_every_dirty_file_is_an_issue_and_the_rest_goes_on(project: Project) -> None:
    folder = project.root / "sounds"
    speak(folder)
    random = np.random.default_rng(1)
    whole = (folder / "low_ann_0.wav").read_bytes()
    dirty = {
        "silent": wav(np.zeros(4000)),
        "noisy": wav(0.2 * random.normal(size=6000)),
        "clipped": wav(np.clip(20 * word(random, 150.0), -1, 1)),
        "truncated": whole[: len(whole) // 2],
        "duplicate": whole,
        "near-duplicate": wav(0.4 * np.frombuffer(whole[44:], "<i2") / 32768),
        "odd-rate": wav(chirp(0.5, 44_100), 44_100),
        "odd-length": wav(np.concatenate([word(random, 200.0) for _ in range(60)])),
    }
    for kind, raw in dirty.items():
        (folder / f"low_gus_{kind}.wav").write_bytes(raw)
    for number, raw in enumerate(broken_ones()):
        (folder / f"low_hal_{number}.wav").write_bytes(raw)
    dataset = project.prepare(SPOKEN.replace("{group:", "{by: random, group:"))
    found = by_path(dataset)
    for kind in dirty:
        assert kind in found[f"low_gus_{kind}.wav"], (kind, found.get(f"low_gus_{kind}.wav"))
    for number in range(len(broken_ones())):
        assert found[f"low_hal_{number}.wav"][0] in {"empty", "corrupt", "wrong-format"}
    kinds = {each["kind"] for each in issues(dataset)}
    assert "mixed-rates" in kinds
    table = dataset.samples()
    gone = {
        path for path, split in zip(table["path"].to_pylist(), table["split"].to_pylist(), strict=True) if split is None
    }
    assert gone == {"low_gus_duplicate.wav", *(f"low_hal_{number}.wav" for number in range(len(broken_ones())))}


def test_wrong_labels_are_found(project: Project) -> None:
    folder = project.root / "sounds"
    speak(folder, takes=8)
    wrong = [("low_ann_1", "high_ann_91"), ("high_bob_2", "low_bob_92"), ("low_eve_3", "high_eve_93")]
    for before, after in wrong:
        (folder / f"{before}.wav").rename(folder / f"{after}.wav")
    found = [each for each in issues(project.prepare(SPOKEN)) if each["kind"] == "mislabelled"]
    assert {str(each["path"]).partition("/")[2] for each in found} == {f"{after}.wav" for _, after in wrong}
    assert {json.loads(str(each["evidence"]))["suggested"] for each in found} == {"low", "high"}


def test_the_page_lets_one_listen(project: Project) -> None:
    speak(project.root / "sounds")
    dataset = project.prepare(SPOKEN)
    attached = dataset.artifact.attached("report.html")
    assert attached is not None
    page = attached.read_text("utf-8")
    assert page.count("<audio ") == 6
    for words in (
        "Sounds of each class",
        "What each class sounds like",
        "How long, how loud",
        "All sounds have 8,000 Hz",
    ):
        assert words in page
    assert len(page) < 2_000_000


def test_a_number_is_learned_too(project: Project) -> None:
    folder = project.root / "sounds"
    folder.mkdir()
    random = np.random.default_rng(2)
    for number in range(60):
        pitch = random.uniform(100, 400)
        (folder / f"{pitch:.1f}_{number}.wav").write_bytes(wav(word(random, pitch)))
    dataset = project.prepare(r"{input: audio, output: number, sources: [{folder: sounds, label: '^([\d.]+)_'}]}")
    assert dataset.truth("train").dtype == np.float32
    assert 90 < dataset.truth("train").min() < dataset.truth("train").max() < 410


# ---------------------------------------------------------------------- real data


def test_dirty_sounds_as_met(project: Project, shared_data: Path) -> None:
    source = shared_data / "dirty-audio-cases" / "dirty_audio.zip"
    dataset = project.prepare(f"{{input: audio, output: category, sources: [{{archive: '{source}'}}]}}")
    found = by_path(dataset)
    empty = {f"insects/2-102-{take}-2.wav" for take in "GHIJ"}
    assert {path for path, kinds in found.items() if kinds[0] == "empty"} == empty
    pointers = [each for each in issues(dataset) if "Git LFS pointer" in str(each["message"])]
    assert len(pointers) == 3
    by_kind = {str(each["kind"]): str(each["message"]) for each in issues(dataset)}
    assert "44100 (4)" in by_kind["mixed-rates"]
    assert "1 (6), 2 (2)" in by_kind["mixed-channels"]
    kept = sorted(
        path for name in ("train", "validation", "test") for path in dataset.samples(name)["path"].to_pylist()
    )
    assert len(kept) == 8
    assert {path.rpartition(".")[2] for path in kept} == {"wav", "mp3"}


@pytest.mark.slow
def test_copies_and_wrong_labels_among_spoken_digits(project: Project, shared_data: Path) -> None:
    folder = project.root / "sounds"
    folder.mkdir()
    random = np.random.default_rng(3)
    wrong: set[str] = set()
    copied: dict[str, str] = {}
    with zipfile.ZipFile(shared_data / "fsdd-spoken-digits" / "recordings.zip") as archive:
        for member in sorted(name for name in archive.namelist() if name.endswith(".wav")):
            name, raw = member.rpartition("/")[2], archive.read(member)
            if int(name[:-4].rpartition("_")[2]) >= 12:
                continue
            if random.random() < 0.04:
                name = f"{(int(name[0]) + random.integers(1, 10)) % 10}{name[1:-4]}x.wav"
                wrong.add(name)
            (folder / name).write_bytes(raw)
            if random.random() < 0.03:
                samples = np.frombuffer(raw[44:], "<i2").astype(np.float64) / 32768
                copied[f"{name[:-4]}copy.wav"] = name
                (folder / f"{name[:-4]}copy.wav").write_bytes(wav(np.stack([0.6 * samples, 0.6 * samples], 1), 8000))
    dataset = project.prepare(
        r"{input: audio, output: category, sources: [{folder: sounds, label: '^(\d)_'}], split: {group: '_([a-z]+)_'}}"
    )
    found = by_path(dataset)
    suspects = {path for path, kinds in found.items() if "mislabelled" in kinds}
    true = {path for path in suspects if path in wrong or copied.get(path) in wrong}
    assert len(true) > 0.9 * len(wrong)
    assert len(true) > 0.8 * len(suspects)
    near = {path for path, kinds in found.items() if "near-duplicate" in kinds}
    pairs = {path for copy, path in copied.items() if {copy, path} & near}
    assert len(pairs) > 0.9 * len(copied)
    planted = set(copied) | set(copied.values())
    assert len(near - planted) <= 3
