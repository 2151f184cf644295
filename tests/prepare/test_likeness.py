"""Near-duplicates: the search finds what all pairs would, and the second look refuses what only looks alike."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.prepare.clean import hamming, likeness
from modelwright.tasks.likeness import perceptual_hash
from modelwright.tasks.modalities.image import sketch as image_sketch

from .conftest import picture


@given(st.integers(0, 2**32 - 1), st.integers(2, 120), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_search_finds_what_all_pairs_would(seed: int, count: int, radius: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, max(count // 4, 1), dtype=np.uint64)[
        random.integers(0, max(count // 4, 1), count)
    ]
    for _ in range(int(random.integers(0, 9))):
        flip = random.random(count) < 0.6
        hashes[flip] ^= np.uint64(1) << random.integers(0, 64, int(flip.sum()), dtype=np.uint64)
    near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= radius
    found = likeness.pairs(hashes, radius)
    assert (found[:, 0] < found[:, 1]).all()
    assert all(near[one, other] for one, other in found.tolist())
    from modelwright.prepare.divide.split import union

    everything = np.argwhere(np.triu(near, 1))
    np.testing.assert_array_equal(union(count, found), union(count, everything))


@given(st.integers(0, 2**32 - 1), st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_of_too_many_pairs_the_nearest_are_left(seed: int, most: int) -> None:
    random = np.random.default_rng(seed)
    hashes = np.unique(random.integers(0, 2**9, 90, dtype=np.uint64))
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    one, other = np.triu_indices(len(hashes), 1)
    near = apart[one, other]
    radius = max((each for each in range(8) if (near <= each).sum() <= most), default=0)
    expected = np.stack([one, other], 1)[near <= radius]
    np.testing.assert_array_equal(likeness.pairs(hashes, most=most), expected)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
@settings(max_examples=30, deadline=None)
def test_bits_that_say_the_same_are_spread_and_pairs_stay_as_they_are(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    few = random.integers(0, 2**8, count, dtype=np.uint64)
    hashes = few * np.uint64(0x0101010101010101)  # eight times the same eight bits
    hashes ^= np.uint64(1) << random.integers(0, 64, count, dtype=np.uint64)
    hashes = np.unique(hashes)
    spread = hamming._spread(hashes)
    apart, one, other = (np.bitwise_count(hashes[:, None] ^ hashes[None, :]), *np.triu_indices(len(hashes), 1))
    np.testing.assert_array_equal(np.bitwise_count(spread[:, None] ^ spread[None, :]), apart)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "_BLOCK", 7)
        patch.setattr(hamming, "_MANY", 20)
        found = hamming.near(hashes)
    np.testing.assert_array_equal(found.counts, np.bincount(apart[one, other], minlength=65)[:8])
    near = apart[one, other] <= hamming.RADIUS
    np.testing.assert_array_equal(found.pairs, hashes[np.stack([one, other], 1)[near]])


def test_pairs_are_collected_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(3).integers(0, 2**14, 500, dtype=np.uint64)
    whole, few = likeness.pairs(hashes), likeness.pairs(hashes, most=900)
    assert 0 < len(few) < len(whole)
    monkeypatch.setattr(likeness, "_PIECE", 64)
    np.testing.assert_array_equal(likeness.pairs(hashes), whole)
    np.testing.assert_array_equal(likeness.pairs(hashes, most=900), few)


def test_radius_beyond_the_search_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 7"):
        likeness.pairs(np.zeros(3, np.uint64), 8)


def test_flat_pictures_have_no_hash() -> None:
    assert perceptual_hash(np.full((32, 32), 77, np.uint8)) is None


def changed(raw: bytes, how: str) -> np.ndarray:
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    out = io.BytesIO()
    if how == "encoded":
        image.save(out, "JPEG", quality=50)
    elif how == "smaller":
        image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS).save(out, "PNG")
    else:
        Image.fromarray(np.clip(np.asarray(image) * 1.15 + 8, 0, 255).astype(np.uint8)).save(out, "PNG")
    return np.asarray(Image.open(out).convert("RGB"))


@pytest.mark.parametrize("how", ["encoded", "smaller", "brighter"])
def test_changed_copies_are_found_and_others_are_not(how: str) -> None:
    originals = [np.asarray(Image.open(io.BytesIO(picture(seed, (320, 240)))).convert("RGB")) for seed in range(40)]
    copies = [changed(picture(seed, (320, 240)), how) for seed in range(40)]
    sketches = [image_sketch.sketch(image) for image in originals + copies]
    hashes = np.array([each.hash for each in sketches], np.uint64)
    found = {
        (one, other)
        for one, other in likeness.pairs(hashes).tolist()
        if image_sketch.alike(sketches[one].data, sketches[other].data, 0.97)
    }
    expected = {(number, number + 40) for number in range(40)}
    assert len(found & expected) >= 36  # brightening saturates some of them
    assert not found - expected


def test_small_pictures_of_different_things_are_not_near_duplicates() -> None:
    from sklearn.datasets import load_digits

    digits = (load_digits().images * 15.9).astype(np.uint8)
    large = [np.asarray(Image.fromarray(digit).resize((28, 28), Image.Resampling.BICUBIC)) for digit in digits]
    assert _falsely_near(large) == 0


def test_fashion_has_practically_no_near_duplicates(shared_data: Path) -> None:
    data = gzip.decompress((shared_data / "fashion-mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    images = np.frombuffer(data, np.uint8).reshape(-1, 28, 28)[:4000]
    # The set has a few real ones: the same photograph twice.
    assert _falsely_near(list(images)) <= 4


def _falsely_near(images: list[np.ndarray]) -> int:
    sketches = [image_sketch.sketch(np.repeat(image[..., None], 3, 2)) for image in images]
    made = [each for each in sketches if each.hash is not None]
    pairs = likeness.pairs(np.array([each.hash for each in made], np.uint64))
    return sum(image_sketch.alike(made[one].data, made[other].data, 0.97) for one, other in pairs.tolist())
