"""What gives the answer away: names, recordings, the file's own form, groups that are classes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modelwright.prepare.clean.giveaways import cramers_v, pattern, words

from .conftest import Project, issues, picture

NAME = st.text("ab1_-. é9", min_size=1, max_size=20)


@given(NAME, st.integers(0, 3), st.integers(1, 3))
def test_the_pattern_finds_what_the_words_say(name: str, start: int, count: int) -> None:
    path = f"folder x/{name}.jpg"
    part = slice(start, start + count)
    found = re.search(pattern(part), path)
    if len(words(path)) >= part.stop:
        assert found is not None
        assert tuple(re.findall(r"[^\W\d_]+|\d+", found.group(1))) == words(path)[part]


def _session(seed: int, number: int) -> bytes:
    """One of several pictures of the same thing: the same blobs, shifted and noisy."""
    random = np.random.default_rng(1000 + number)
    base = np.asarray(Image.open(io.BytesIO(picture(seed, (120, 100)))).convert("RGB"))
    dy, dx = random.integers(0, 24, 2)
    cut = base[dy : dy + 70, dx : dx + 90] + random.normal(0, 20, (70, 90, 3))
    out = io.BytesIO()
    Image.fromarray(np.clip(cut, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
    return out.getvalue()


def test_recordings_that_names_tell_are_found_and_the_rule_works(project: Project) -> None:
    for name, start in (("apple", 0), ("pear", 50)):
        folder = project.root / "photos" / name
        folder.mkdir(parents=True)
        for session in range(8):
            for number in range(6):
                (folder / f"s{start + session:02}_{number:03}.jpg").write_bytes(_session(start + session, number))
    dataset = project.prepare("sources: [{folder: photos}]")
    (found,) = issues(dataset, "leaking-name")
    rule = re.search(r"split.group: '(.*)'", str(found["message"]))
    assert rule is not None
    spec = f"sources: [{{folder: photos}}]\nsplit: {{group: '{rule.group(1)}'}}"
    again = project.prepare(spec)
    assert not issues(again, "leaking-name")
    table = again.samples().to_pylist()
    splits: dict[str, set[str]] = {}
    for row in table:
        splits.setdefault(row["path"].rpartition("/")[2][:3], set()).add(row["split"])
    assert all(len(each) == 1 for each in splits.values())


def test_names_that_say_nothing_are_no_leak(project: Project, photos: Path) -> None:
    del photos
    assert not issues(project.prepare("sources: [{folder: photos}]"), "leaking-name")


def test_a_name_that_says_another_class(project: Project) -> None:
    for name in ("apple", "pear"):
        (project.root / "photos" / name).mkdir(parents=True)
        for number in range(20):
            seed = number + 100 * (name == "pear")
            (project.root / "photos" / name / f"{name}_{number}.jpg").write_bytes(picture(seed))
    (project.root / "photos" / "pear" / "apple_77.jpg").write_bytes(picture(999))
    (found,) = issues(project.prepare("sources: [{folder: photos}]"), "name-disagrees")
    assert str(found["path"]).endswith("apple_77.jpg")
    assert '"suggested":"apple"' in str(found["evidence"])


def test_sizes_that_tell_the_class(project: Project) -> None:
    for name, size in (("apple", (96, 80)), ("pear", (64, 80))):
        (project.root / "photos" / name).mkdir(parents=True)
        for number in range(30):
            seed = number + 100 * (name == "pear")
            (project.root / "photos" / name / f"{number}.jpg").write_bytes(picture(seed, size))
    (found,) = issues(project.prepare("sources: [{folder: photos}]"), "leaking-form")
    assert found["severity"] == 0.9
    assert found["decision"] == "keep"


def test_sizes_that_all_classes_share_are_no_leak(project: Project) -> None:
    random = np.random.default_rng(3)
    for name in ("apple", "pear"):
        (project.root / "photos" / name).mkdir(parents=True)
        for number in range(40):
            seed = number + 100 * (name == "pear")
            size = (96, 80) if random.random() < 0.5 else (64, 80)
            (project.root / "photos" / name / f"{number}.jpg").write_bytes(picture(seed, size))
    assert not issues(project.prepare("sources: [{folder: photos}]"), "leaking-form")


def test_groups_that_are_classes(project: Project) -> None:
    for name, sessions in (("apple", "abc"), ("pear", "def")):
        (project.root / "photos" / name).mkdir(parents=True)
        for number in range(30):
            seed = number + 100 * (name == "pear")
            file = project.root / "photos" / name / f"{sessions[number % 3]}-{number}.jpg"
            file.write_bytes(picture(seed))
    dataset = project.prepare("sources: [{folder: photos}]\nsplit: {group: '/([a-f])-'}")
    (found,) = issues(dataset, "confounded-group")
    assert "6 of 6 groups hold one class only" in str(found["message"])


@pytest.mark.parametrize("seed", range(5))
def test_independent_groups_have_no_strength(seed: int) -> None:
    random = np.random.default_rng(seed)
    table = np.zeros((5, 4))
    np.add.at(table, (random.integers(0, 5, 400), random.integers(0, 4, 400)), 1)
    assert cramers_v(table) < 0.2
