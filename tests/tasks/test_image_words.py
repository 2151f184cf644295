"""Steps before a model, by word: each does in the graph what it says, beside the same in scipy."""

from __future__ import annotations

import io

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.tasks.base import Encoding
from modelwright.tasks.modalities.image import words as image_words
from modelwright.tasks.modalities.image.modality import Image
from modelwright.testing.modality import CHECKS, ModalityCase

IMAGE = Image()
LUMA = np.array([0.299, 0.587, 0.114])


def pictures(count: int = 3, side: int = 40) -> NDArray[np.uint8]:
    """Return smooth pictures with noise."""
    random = np.random.default_rng(4)
    smooth = ndimage.gaussian_filter(random.normal(0, 400, (count, side, side, 3)), (0, 4, 4, 0))
    return np.asarray(np.clip(smooth + 128 + random.normal(0, 15, smooth.shape), 0, 255), np.uint8)


def made(words: list[str], images: NDArray[np.uint8], encoding: Encoding = "pixels") -> NDArray[np.uint8]:
    """Return what the graph makes of pictures."""
    schema = IMAGE.learn([{"image": images}], {"features": tuple(words)})
    assert schema["features"] == words
    model = IMAGE.graph(schema, encoding).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["features"], {"image": images})[0])


def near(found: NDArray[np.uint8], expected: NDArray[np.float64]) -> None:
    """Rounding apart, both are the same."""
    assert found.dtype == np.uint8
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.51


def test_median_is_the_median_of_nine() -> None:
    images = pictures()
    near(made(["median"], images), ndimage.median_filter(images.astype(float), (1, 3, 3, 1), mode="nearest"))


def test_median_takes_out_specks() -> None:
    images = np.full((1, 40, 40, 3), 90, np.uint8)
    images[0, 7, 7] = images[0, 20, 33] = images[0, 0, 0] = 255
    assert (made(["median"], images) == 90).all()


def test_denoise_is_a_gaussian_of_one_pixel() -> None:
    images = pictures()
    expected = ndimage.gaussian_filter(images.astype(float), (0, 1, 1, 0), radius=(0, 2, 2, 0), mode="nearest")
    near(made(["denoise"], images), expected)


def test_grey_is_brightness() -> None:
    images = pictures()
    near(made(["grey"], images), np.repeat((images @ LUMA)[..., None], 3, 3))


def test_edges_are_the_slope() -> None:
    images = pictures()
    both = [[ndimage.sobel(each @ LUMA, axis, mode="nearest") / 4 for each in images] for axis in (0, 1)]
    slope = np.hypot(np.array(both[0]), np.array(both[1]))
    near(made(["edges"], images), np.repeat(slope[..., None], 3, 3))


def test_normalise_takes_light_and_contrast_out() -> None:
    images = pictures()
    around = images - images.mean((1, 2, 3), keepdims=True)
    expected = around / np.sqrt(around.var((1, 2, 3), keepdims=True) + 16) * image_words.SPREAD + image_words.MEAN
    near(made(["normalise"], images), expected)
    dimmer = (images * 0.6).astype(np.uint8)
    assert np.abs(made(["normalise"], images).astype(int) - made(["normalise"], dimmer)).mean() < 1.5
    assert (made(["normalise"], np.full_like(images, 7)) == 128).all()


def test_a_picture_alone_is_as_among_others() -> None:
    images = pictures(6)
    words = list(image_words.WORDS)[1:]
    together = made(words, images)
    for place in range(6):
        np.testing.assert_array_equal(made(words, images[place : place + 1]), together[place : place + 1])


@pytest.mark.parametrize("word", ["small", "large"])
def test_sizes_are_those_said(word: str) -> None:
    side = image_words.SIDES[word]
    assert made([word], pictures(2, 250)).shape == (2, side, side, 3)


@pytest.mark.parametrize("words", [["denoise"], ["grey"], ["median", "edges"], ["grey", "normalise"]])
def test_dense_features_are_on_one_scale(words: list[str]) -> None:
    found = made(words, pictures(8), "dense")
    channels = 1 if {"grey", "edges"} & set(words) else 3
    assert found.shape[1] == (32 * 32 if channels == 1 else 16 * 16 * 3)
    assert abs(float(found.mean())) < 1.0
    assert 0.1 < float(found.std()) < 3.0


def test_order_is_that_of_the_list_and_auto_is_none() -> None:
    schema = IMAGE.learn([{"image": pictures()}], {"features": ("normalise", "denoise")})
    assert schema["features"] == ["denoise", "normalise"]
    plain = IMAGE.learn([{"image": pictures()}], {"features": "auto"})
    assert "features" not in plain
    assert canonical.dumps(plain) == canonical.dumps(IMAGE.learn([{"image": pictures()}], {}))


@pytest.mark.parametrize(
    ("words", "message"), [(("blur",), "there are small, large"), (("small", "large"), "two sizes")]
)
def test_other_words_are_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        IMAGE.learn([{"image": pictures()}], {"features": words})


def png(image: NDArray[np.uint8]) -> bytes:
    """Return a PNG file."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_with_words(check: object) -> None:
    raws = tuple(png(image) for image in pictures(6, 80))
    case = ModalityCase(IMAGE, raws, (b"", b"nonsense"), {"features": ("median", "grey", "normalise")})
    check(case)  # type: ignore[operator]
