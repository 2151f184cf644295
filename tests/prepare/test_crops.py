"""Near-duplicates of which a margin was cut off: planted ones are found, different pictures are not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageEnhance

from modelwright.prepare.clean import likeness
from modelwright.tasks.abilities import Croppable
from modelwright.tasks.crops import LEFT, STARTS, aligned_agreement, cropped_hashes
from modelwright.tasks.likeness import agreement, perceptual_hash
from modelwright.tasks.modalities.image import sketch as image_sketch
from modelwright.tasks.modalities.image.modality import Image

from .conftest import picture

IMAGE = Image()


def changed(raw: bytes, how: str, random: np.random.Generator) -> bytes:
    """Return a changed copy of a picture file."""
    image = Pillow.open(io.BytesIO(raw)).convert("RGB")
    quality = 92
    if how == "encoded":
        quality = int(random.integers(30, 91))
    elif how == "resized":
        factor = random.uniform(0.5, 1.5)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Pillow.Resampling.LANCZOS)
    elif how == "cropped":
        wide, high = image.width * 0.05, image.height * 0.05
        left, top = random.uniform(0, wide), random.uniform(0, high)
        image = image.crop((round(left), round(top), round(left + 19 * wide), round(top + 19 * high)))
    else:
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.8, 1.2))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def near(raws: list[bytes]) -> set[tuple[int, int]]:
    """Return the pairs of near-duplicates, as prepare finds them."""
    sketches = [IMAGE.sketch(IMAGE.glance(raw, {})) for raw in raws]
    hashes = np.array([each.hash or 0 for each in sketches], np.uint64)
    made, there = IMAGE.cropped_hashes(np.stack([np.frombuffer(each.data, np.uint8) for each in sketches]))
    mine = np.flatnonzero(there)
    found = {(int(one), int(other)) for one, other in likeness.pairs(hashes)}
    for some in likeness.between(made[there].ravel(), hashes):
        for query, other in some.tolist():
            one = int(mine[query // made.shape[1]])
            found.add((min(one, other), max(one, other)))
    return {
        (one, other)
        for one, other in found
        if one != other and IMAGE.alike(sketches[one].data, sketches[other].data, 0.97)
    }


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_search_between_two_sets_finds_what_all_pairs_would(seed: int, few: int, many: int, radius: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, many, dtype=np.uint64)
    queries = hashes[random.integers(0, many, few)]
    for _ in range(int(random.integers(0, 9))):
        queries ^= np.uint64(1) << random.integers(0, 64, few, dtype=np.uint64)
    expected = np.argwhere(np.bitwise_count(queries[:, None] ^ hashes[None]) <= radius)
    found = {tuple(pair) for some in likeness.between(queries, hashes, radius) for pair in some.tolist()}
    assert found == {tuple(pair) for pair in expected.tolist()}


@pytest.mark.parametrize("how", ["encoded", "resized", "cropped", "brightened"])
def test_planted_copies_are_found_and_nothing_else(how: str) -> None:
    random = np.random.default_rng(1)
    originals = [picture(seed, (320, 240)) for seed in range(40)]
    found = near(originals + [changed(raw, how, random) for raw in originals])
    expected = {(number, number + 40) for number in range(40)}
    assert len(found & expected) >= 36
    assert not found - expected


@pytest.mark.slow
@pytest.mark.parametrize("how", ["encoded", "resized", "cropped", "brightened"])
def test_planted_copies_of_real_photos_are_found_and_nothing_else(how: str, shared_data: Path) -> None:
    random = np.random.default_rng(0)
    with zipfile.ZipFile(shared_data / "flowers5" / "images.zip") as photos:
        names = sorted(name for name in photos.namelist() if name.endswith(".jpg"))[::2]
        originals = [photos.read(name) for name in names]
    assert len(set(originals)) == len(originals) == 100
    found = near(originals + [changed(raw, how, random) for raw in originals])
    expected = {(number, number + 100) for number in range(100)}
    right = len(found & expected)
    assert 2 * right / (len(expected) + len(found)) >= 0.98
    assert not found - expected


def thumb(seed: int) -> np.ndarray:
    """Return the thumbnail of a picture."""
    return image_sketch.thumbnail(np.asarray(Pillow.open(io.BytesIO(picture(seed, (320, 240)))).convert("RGB")))


def test_alignment_undoes_a_crop_and_keeps_others_apart() -> None:
    whole = np.asarray(Pillow.open(io.BytesIO(picture(3, (320, 240)))).convert("RGB"))
    part = whole[4:232, 11:315]
    one, other = image_sketch.thumbnail(whole), image_sketch.thumbnail(part)
    assert agreement(one, other) < 0.98 < aligned_agreement(one, other)
    assert aligned_agreement(one, other) == pytest.approx(aligned_agreement(other, one), abs=1e-9)
    assert max(aligned_agreement(thumb(seed), thumb(seed + 1)) for seed in range(20)) < 0.95
    assert aligned_agreement(one, one) == pytest.approx(1.0)
    flat = np.full((32, 32), 9, np.uint8)
    assert aligned_agreement(flat, one) == 0.0


def test_crops_are_hashed_as_their_thumbnails_would_be() -> None:
    whole = np.asarray(Pillow.open(io.BytesIO(picture(5, (640, 640)))).convert("RGB"))
    hashes, there = cropped_hashes(image_sketch.thumbnail(whole)[None])
    assert there.all()
    side = round(640 * LEFT)
    for place, (top, left) in enumerate((y, x) for y in STARTS for x in STARTS):
        cut = whole[round(640 * top) : round(640 * top) + side, round(640 * left) : round(640 * left) + side]
        expected = perceptual_hash(image_sketch.thumbnail(cut))
        assert expected is not None
        assert (int(hashes[0, place]) ^ expected).bit_count() <= 6


def test_small_and_flat_pictures_have_no_crops() -> None:
    assert isinstance(IMAGE, Croppable)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (40, 40, 3), dtype=np.uint8), np.full((200, 200, 3), 7, np.uint8)]
    sketches = np.stack([np.frombuffer(image_sketch.sketch(each).data, np.uint8) for each in pictures])
    assert not IMAGE.cropped_hashes(sketches)[1].any()
