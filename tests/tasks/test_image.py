"""Images: what cameras, editors and strangers send, and what a slipped camera does to the measures."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.image import measures as image_measures
from modelwright.tasks.modalities.image.modality import Image
from modelwright.testing.modality import session

IMAGE = Image()


def encoded(picture: Any, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def decoded(raw: bytes) -> NDArray[np.uint8]:
    image = IMAGE.decode(raw, {})["image"]
    assert image.dtype == np.uint8
    assert image.shape[0] == 1
    assert image.shape[3] == 3
    return np.asarray(image[0], np.uint8)


def refusal(raw: bytes) -> str:
    with pytest.raises(UndecodableError) as error:
        IMAGE.decode(raw, {})
    return error.value.problem.kind


def noise(height: int = 24, width: int = 36, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(noise(), kind, **options)), noise())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = noise()
    # What a camera stores so that a viewer who applies the tag sees `upright`: the inverse turn.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    raw = encoded(np.ascontiguousarray(stored), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(raw), upright)


def test_a_nonsense_orientation_is_ignored() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(decoded(encoded(noise(), "PNG", exif=exif)), noise())
    np.testing.assert_array_equal(decoded(encoded(noise(), "PNG", exif=b"Exif\x00\x00garbage")), noise())


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    shallow = decoded(encoded(deep))
    np.testing.assert_array_equal(shallow[..., 0], np.round(deep / 257.0).astype(np.uint8))
    np.testing.assert_array_equal(shallow[..., 0], shallow[..., 2])


def test_floats_and_long_integers_are_scaled() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    np.testing.assert_array_equal(decoded(encoded(ramp, "TIFF"))[..., 0], np.round(ramp * 255))
    long = (ramp * 65535).astype(np.int32)
    np.testing.assert_allclose(decoded(encoded(long, "TIFF"))[..., 0], ramp * 255, atol=0.51)
    spoilt = ramp.copy()
    spoilt[0, 0] = np.nan
    assert decoded(encoded(spoilt, "TIFF"))[0, 0, 0] == 0


def test_transparency_lies_over_white() -> None:
    rgba = np.dstack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    rgba[0, 1, 3] = 128
    image = decoded(encoded(rgba))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert 126 <= image[0, 1, 0] <= 128
    assert image[1, 1].tolist() == [0, 0, 0]
    grey = decoded(encoded(Pillow.fromarray(np.zeros((4, 4, 2), np.uint8), "LA")))
    assert (grey == 255).all()


def test_palettes_with_and_without_a_transparent_colour() -> None:
    picture = Pillow.fromarray(noise(8, 8)).quantize(16)
    np.testing.assert_array_equal(decoded(encoded(picture)), np.asarray(picture.convert("RGB")))
    index = int(np.asarray(picture)[0, 0])
    exif = Pillow.Exif()
    exif[0x0112] = 3
    turned = decoded(encoded(picture, "PNG", transparency=index, exif=exif))
    assert turned[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode: str) -> None:
    picture = Pillow.fromarray(noise(16, 16)).convert(mode)
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
    image = decoded(encoded(picture, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {})))
    assert image.shape == (16, 16, 3)
    distance = np.abs(image.astype(int) - np.asarray(picture.convert("RGB")).astype(int))
    assert distance.mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16", "F", "CMYK"])
def test_pictures_are_converted_in_parts_as_in_one(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode == "I;16":
        picture = Pillow.fromarray(noise(40, 30)[..., 0].astype(np.uint16) * 250)
    elif mode == "RGBA":
        picture = Pillow.fromarray(np.dstack([noise(40, 30), noise(40, 30, 1)[..., 0]]))
    else:
        picture = Pillow.fromarray(noise(40, 30)).convert(mode)
    raw = encoded(picture, "TIFF")
    whole = decoded(raw)
    monkeypatch.setattr("modelwright.tasks.modalities.image.decoding._BLOCK_PIXELS", 100)
    np.testing.assert_array_equal(decoded(raw), whole)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Pillow.fromarray(np.full((5, 5, 3), value, np.uint8)) for value in (10, 200)]
    for kind in ("GIF", "TIFF", "WEBP"):
        raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert abs(int(decoded(raw)[0, 0, 0]) - 10) < 6, kind


def test_an_unreadable_colour_profile_does_not_matter() -> None:
    np.testing.assert_array_equal(decoded(encoded(noise(), "PNG", icc_profile=b"garbage" * 9)), noise())


def test_what_is_no_image_is_named() -> None:
    assert refusal(b"") == "empty"
    for other in (
        b"<!DOCTYPE html><p>404",
        b"  <html>",
        b"<svg xmlns=''/>",
        b"%PDF-1.7",
        b"PK\x03\x04xx",
        b"hello",
        b"\x00\x01",
    ):
        assert refusal(other) == "wrong-format", other
    with pytest.raises(UndecodableError, match="an HTML page"):
        IMAGE.decode(b"<html><body>not found</body></html>", {})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_cut_off_files_are_corrupt(kind: str) -> None:
    raw = encoded(noise(60, 80), kind)
    for share in (0.3, 0.6, 0.9):
        assert refusal(raw[: int(len(raw) * share)]) == "corrupt", share


def huge_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
        + chunk(b"IEND", b"")
    )


def test_the_header_is_believed_before_the_pixels() -> None:
    for width, height in ((50_000, 50_000), (8001, 8000), (2**31 - 1, 2**31 - 1), (10_000, 10_000)):
        assert refusal(huge_png(width, height)) == "too-large", (width, height)
    assert refusal(huge_png(1000, 1000)) == "corrupt"
    with pytest.raises(UndecodableError) as error:
        IMAGE.decode(encoded(noise(10, 20)), {"max_pixels": 199})
    assert error.value.problem.evidence == {"width": 20, "height": 10}


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF"]),
)
def test_any_bytes_decode_or_are_refused(body: bytes, head: bytes) -> None:
    try:
        decoded(head + body)
    except UndecodableError as error:
        kind = error.problem.kind
    else:
        kind = ""
    assert kind in {"", "empty", "wrong-format", "corrupt", "too-large"}


def features(schema: dict[str, Any], encoding: Any, image: NDArray[np.uint8]) -> NDArray[Any]:
    found: NDArray[Any] = session(IMAGE.graph(schema, encoding)).run(["features"], {"image": image})[0]
    return found


def test_small_pictures_keep_their_size_and_pixels() -> None:
    batch = np.stack([noise(28, 20, seed) for seed in range(4)])
    schema = IMAGE.learn([{"image": batch}], {})
    assert (schema["height"], schema["width"], schema["channels"]) == (28, 20, 3)
    np.testing.assert_array_equal(features(schema, "pixels", batch), batch)


def test_grey_pictures_have_one_channel_and_colour_ones_are_made_grey() -> None:
    grey = np.repeat(noise(8, 8)[None, :, :, :1], 3, axis=3)
    schema = IMAGE.learn([{"image": grey}], {})
    assert schema["channels"] == 1
    assert len(schema["mean"]) == len(schema["std"]) == 1
    np.testing.assert_array_equal(features(schema, "pixels", grey), grey)
    coloured = features(schema, "pixels", noise(8, 8)[None])
    np.testing.assert_array_equal(coloured[..., 0], coloured[..., 2])
    luma = noise(8, 8) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(coloured[0, ..., 0], luma, atol=0.51)
    assert features(schema, "dense", grey).shape == (1, 64)


def test_large_pictures_are_made_smaller_smoothly() -> None:
    rows, columns = np.mgrid[0:300, 0:400]
    photo = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2).astype(np.uint8)
    schema = IMAGE.learn([{"image": photo[None]}], {})
    assert schema["height"] == schema["width"] == 96
    assert "larger" in schema["reason"]
    small = features(schema, "pixels", photo[None])[0].astype(int)
    reference = np.asarray(Pillow.fromarray(photo).resize((96, 96), Pillow.Resampling.BILINEAR)).astype(int)
    assert np.abs(small - reference).mean() < 0.5
    assert features(schema, "dense", photo[None]).shape == (1, 16 * 16 * 3)


def test_settings_fix_the_size() -> None:
    schema = IMAGE.learn([{"image": noise()[None]}], {"height": 12, "width": 10, "max_pixels": 1000})
    assert (schema["height"], schema["width"], schema["max_pixels"]) == (12, 10, 1000)
    assert features(schema, "pixels", noise()[None]).shape == (1, 12, 10, 3)
    with pytest.raises(InputError, match="no image"):
        IMAGE.learn([], {})


def test_dense_features_are_standardised() -> None:
    batch = np.stack([noise(10, 10, seed) for seed in range(50)])
    found = features(IMAGE.learn([{"image": batch}], {}), "dense", batch)
    assert abs(found.mean()) < 1e-3
    assert abs(found.std() - 1.0) < 1e-3


def scene(seed: int) -> NDArray[np.uint8]:
    """Return a bright disc on a belt, somewhere near the middle."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:48, 0:48]
    y, x, radius = random.normal(24, 2), random.normal(24, 2), random.uniform(8, 12)
    disc = ((rows - y) ** 2 + (columns - x) ** 2 < radius**2) * random.uniform(120, 180)
    return np.asarray(np.clip(disc[..., None] + 40 + random.normal(0, 6, (48, 48, 3)), 0, 255), np.uint8)


def test_a_slipped_camera_shows_in_the_measures() -> None:
    before = np.stack([scene(seed) for seed in range(60)])
    figures = image_measures.measure(before)

    def far(after: NDArray[np.uint8], name: str) -> float:
        moved = image_measures.measure(after)[name]
        return float((moved.mean() - figures[name].mean()) / max(figures[name].std(), 1e-6))

    assert far((before * 0.5).astype(np.uint8), "brightness") < -3
    assert far((before * 0.5).astype(np.uint8), "contrast") < -3
    blurred = np.stack([np.asarray(Pillow.fromarray(one).filter(ImageFilter.GaussianBlur(2))) for one in before])
    assert far(blurred, "sharpness") < -3
    shifted = np.roll(before, (0, 8, 0), (0, 1, 2))
    assert far(shifted, "mass_y") > 3
    assert abs(far(shifted, "mass_x")) < 1
    assert abs(far(shifted, "shape_10")) > 3
    red = before.copy()
    red[..., 0] = np.minimum(255, red[..., 0].astype(int) + 30)
    assert far(red, "red_cast") > 3
    assert abs(far(before, "entropy")) < 1e-9


def test_measures_are_finite_for_the_smallest_pictures() -> None:
    for height, width in ((1, 1), (1, 7), (2, 2), (3, 1), (9, 500)):
        for value in (0, 255):
            measures = image_measures.measure(np.full((2, height, width, 3), value, np.uint8))
            assert tuple(measures) == image_measures.NAMES
            assert all(np.isfinite(values).all() and values.shape == (2,) for values in measures.values())


def test_odd_pictures_are_remarked() -> None:
    def kinds(image: NDArray[np.uint8]) -> set[str]:
        return {problem.kind for problem in IMAGE.check({"image": image[None]})}

    rows, columns = np.mgrid[0:200, 0:200]
    squares = ((rows // 25 + columns // 25) % 2 * 120 + 60).astype(np.uint8)
    photo = np.repeat(squares[..., None], 3, axis=2) + noise(200, 200) // 10
    assert kinds(photo) == set()
    assert kinds((photo * 0.1).astype(np.uint8)) == {"dark"}
    assert "overexposed" in kinds((230 + photo * 0.1).astype(np.uint8))
    assert kinds(np.full((50, 50, 3), 128, np.uint8)) == {"low-information"}
    assert kinds(np.asarray(Pillow.fromarray(photo).filter(ImageFilter.GaussianBlur(6)))) == {"blurry"}
    assert kinds(noise(20, 100)) == {"odd-aspect"}
    measures = image_measures.measure(photo[None])
    assert IMAGE.check({"image": photo[None]}, measures) == []


def test_real_photos_are_not_called_blurry_dark_or_overexposed(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "flowers5" / "images.zip") as photos:
        names = sorted(name for name in photos.namelist() if name.endswith(".jpg"))[::10]
        found = [problem.kind for name in names for problem in IMAGE.check(IMAGE.decode(photos.read(name), {}))]
    assert len(names) >= 20
    assert found.count("blurry") + found.count("dark") + found.count("overexposed") <= 1


def test_decoding_and_measuring_load_nothing_heavy() -> None:
    program = """
import io, sys
import numpy as np
from PIL import Image as Pillow
from modelwright.tasks.base import modality, target
file = io.BytesIO()
Pillow.fromarray(np.zeros((9, 9, 3), np.uint8)).save(file, "PNG")
image, table = modality("image"), modality("table")
inputs = image.decode(file.getvalue(), {})
image.check(inputs, image.measure(inputs, {}))
schema = table.learn([{"x": [1.0, 2.0], "y": ["a", "b"]}], {})
table.measure(table.decode(b'{"x": 1}', schema), schema)
for name, truth, scores in (("category", [0, 1], np.eye(2)), ("number", [0.0, 1.0], np.ones((2, 1)))):
    made = target(name)
    learned = made.learn(["a", "b"] if name == "category" else [0.0, 1.0])
    outputs = made.outputs(scores.astype(np.float32), learned, {})
    made.metrics(np.array(truth), outputs, learned)
    made.decode(outputs, learned)
assert not {"PIL.PdfImagePlugin", "PIL.FitsImagePlugin"} & set(sys.modules)
heavy = {"onnx", "onnxruntime", "torch", "sklearn", "scipy", "pyarrow", "lightgbm", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
