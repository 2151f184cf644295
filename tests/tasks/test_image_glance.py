"""A JPEG decoded small: the same figures and the same rejections as decoded in full."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from modelwright.prepare.scan.eye import Eye
from modelwright.prepare.scan.sample_scan import pack
from modelwright.tasks.abilities import Glancing
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.image import decoding as image_decoding
from modelwright.tasks.modalities.image import measures as image_measures
from modelwright.tasks.modalities.image.modality import Image

IMAGE = Image()
# Of one decoded small and one decoded in full; an entry beside sharpness is absolute, on a scale of 0 to 1.
SHARPNESS, OTHERS = 0.03, 0.02


def photo(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return noise whose power falls with the square of the frequency, as in photographs."""
    random = np.random.default_rng(seed)
    layers = np.full((height, width, 3), 128.0)
    for octave in range(6):
        cells = random.normal(0, 70 / 1.6**octave, (3 * 2**octave, 4 * 2**octave, 3))
        for channel in range(3):
            picture = Pillow.fromarray(cells[..., channel].astype(np.float32))
            layers[..., channel] += np.asarray(picture.resize((width, height), Pillow.Resampling.BICUBIC))
    return np.asarray(np.clip(layers + random.normal(0, 4, layers.shape), 0, 255), np.uint8)


def jpeg(image: NDArray[np.uint8], mode: str = "RGB", **settings: object) -> bytes:
    """Return a JPEG file."""
    file = io.BytesIO()
    Pillow.fromarray(image).convert(mode).save(file, "JPEG", **{"quality": 88, **settings})
    return file.getvalue()


def assert_alike(raw: bytes) -> None:
    """Measures, remarks and sketch of a glance are those of the full decode."""
    whole, small = IMAGE.decode(raw, {}), IMAGE.glance(raw, {})
    expected, found = IMAGE.measure(whole, {}), IMAGE.measure(small, {})
    assert list(expected) == list(found)
    for name in expected:
        limit = SHARPNESS * float(expected[name][0]) if name == "sharpness" else OTHERS
        assert abs(float(found[name][0] - expected[name][0])) <= limit, name
    for name in ("width", "height", "aspect"):
        assert found[name] == expected[name]
    remarks = [{each.kind for each in IMAGE.check(*each)} - {"turned"} for each in ((whole, expected), (small, found))]
    assert remarks[0] == remarks[1]
    one, other = IMAGE.sketch(whole), IMAGE.sketch(small)
    assert one.hash is not None
    assert other.hash is not None
    assert (one.hash ^ other.hash).bit_count() <= 2
    assert IMAGE.alike(one.data, other.data, 0.99)


@pytest.mark.parametrize(
    ("height", "width", "mode", "settings"),
    [
        (720, 1280, "RGB", {}),
        (720, 1280, "RGB", {"progressive": True}),
        (720, 1280, "RGB", {"subsampling": 0}),
        (720, 1280, "L", {}),
        (641, 333, "RGB", {}),
        (1500, 1391, "RGB", {"quality": 60}),
        (1300, 1300, "RGB", {}),
        (400, 500, "CMYK", {}),
    ],
)
def test_a_picture_decoded_small_has_the_figures_of_the_whole(
    height: int, width: int, mode: str, settings: dict[str, object]
) -> None:
    assert isinstance(IMAGE, Glancing)
    assert_alike(jpeg(photo(height, height, width), mode, **settings))


def test_real_photos_have_the_same_figures_small_and_whole(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "flowers5" / "images.zip") as photos:
        names = sorted(name for name in photos.namelist() if name.endswith(".jpg"))[::8]
        for name in names:
            assert_alike(photos.read(name))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_glance_is_upright_and_knows_the_size(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    raw = jpeg(photo(3, 400, 700), exif=exif)
    small, whole = IMAGE.glance(raw, {}), IMAGE.decode(raw, {})["image"]
    assert small["size"].tolist() == [list(whole.shape[1:3])]
    by = image_measures.factor(*whole.shape[1:3])
    expected = image_measures.reduced(whole, by)
    assert small["image"].shape == expected.shape
    assert np.abs(small["image"].astype(int) - expected.astype(int)).mean() < 4
    kinds = {problem.kind for problem in IMAGE.check(small)}
    assert ("turned" in kinds) == (orientation != 1)


def damaged(raw: bytes, random: np.random.Generator) -> bytes:
    """Return a file cut off, with bits flipped, with bytes lost, doubled, or zeroed."""
    data = bytearray(raw)
    place = int(random.integers(2, len(data)))
    match int(random.integers(6)):
        case 0:
            return bytes(data[:place])
        case 1:
            data[place] ^= 1 << int(random.integers(8))
        case 2:
            del data[place : place + int(random.integers(1, 200))]
        case 3:
            data[place:place] = data[place - 2 : place + 50]
        case 4:
            data[place : place + 64] = bytes(len(data[place : place + 64]))
        case _:
            for each in random.integers(2, len(data), 20):
                data[each] ^= 1 << int(random.integers(8))
    return bytes(data)


def verdict(raw: bytes, *, small: bool) -> tuple[str, str]:
    """Return the kind and the words of the problem that keeps bytes from being a picture, or nothing."""
    try:
        (IMAGE.glance if small else IMAGE.decode)(raw, {})
    except UndecodableError as error:
        return error.problem.kind, error.problem.message
    return "", ""


def test_what_is_damaged_is_found_small_as_whole() -> None:
    """All of the entropy-coded data is read either way: over 640 damaged files, not one verdict differs."""
    random = np.random.default_rng(0)
    kinds: dict[str, int] = {}
    hows: list[dict[str, Any]] = [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 2}]
    for number, how in enumerate(hows):
        raw = jpeg(photo(number, 330, 420), **how)
        for _ in range(160):
            broken = damaged(raw, random)
            whole = verdict(broken, small=False)
            assert verdict(broken, small=True) == whole
            kinds[whole[0]] = kinds.get(whole[0], 0) + 1
    assert kinds["corrupt"] > 120
    assert kinds[""] > 120


def test_every_length_of_a_cut_file_is_judged_alike() -> None:
    raw = jpeg(photo(5, 330, 420))
    for length in range(0, len(raw), 97):
        assert verdict(raw[:length], small=True) == verdict(raw[:length], small=False)
        assert verdict(raw[:length], small=True)[0]


def seen(raw: bytes, monkeypatch: pytest.MonkeyPatch, *, alone: bool) -> Any:
    """Return the pixels of a glance, or the words of a rejection; ``alone``: by Pillow."""
    with monkeypatch.context() as patch:
        if alone:
            patch.setattr(image_decoding, "_simplejpeg", lambda: None)
        try:
            found = IMAGE.glance(raw, {})
        except UndecodableError as error:
            return error.problem.message
    return {name: (values.shape, values.tobytes()) for name, values in found.items()}


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"quality": 5}])
def test_pillow_alone_sees_the_same_pixels(how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(8)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    for height, width in random.integers(320, 800, (2, 2)).tolist():
        raw = jpeg(photo(height, height, width), exif=exif, **how)
        expected = seen(raw, monkeypatch, alone=True)
        assert expected["orientation"][1] == np.int64(6).tobytes()
        assert seen(raw, monkeypatch, alone=False) == expected
        for _ in range(12):
            broken = damaged(raw, random)
            assert seen(broken, monkeypatch, alone=False) == seen(broken, monkeypatch, alone=True)


def test_a_plain_photo_goes_to_simplejpeg_and_an_odd_one_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_jpeg, asked = image_decoding._simplejpeg(), []
    assert decode_jpeg is not None

    def noted(*arguments: Any, **named: Any) -> NDArray[np.uint8]:
        asked.append(False)
        made = decode_jpeg(*arguments, **named)
        asked[-1] = True
        return made

    monkeypatch.setattr(image_decoding, "_simplejpeg", lambda: noted)
    raw = jpeg(photo(6, 400, 700))
    IMAGE.glance(raw, {})
    assert asked == [True]
    IMAGE.glance(jpeg(photo(6, 400, 700), "CMYK"), {})
    IMAGE.glance(jpeg(photo(6, 400, 700), "L"), {})
    IMAGE.decode(raw, {})
    assert asked == [True]
    with pytest.raises(UndecodableError, match="cut off"):
        IMAGE.glance(raw[:-900], {})
    assert asked == [True, False]


def test_a_pass_glances() -> None:
    raw = jpeg(photo(1, 720, 1280))
    scan = Eye(IMAGE).scan(raw)
    assert scan.measures["width"] == 1280
    assert scan.measures["height"] == 720
    assert scan.sketch == IMAGE.sketch(IMAGE.glance(raw, {})).data
    assert Eye(IMAGE).scan(raw[:20_000]).fatal


def small(random: np.random.Generator, count: int, height: int, width: int) -> list[bytes]:
    """Return PNG files of one size, every other one grey, some of them cut off."""
    made = []
    for number in range(count):
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        file = io.BytesIO()
        Pillow.fromarray(image).convert("L" if number % 2 else "RGB").save(file, "PNG")
        raw = file.getvalue()
        made.append(raw[: len(raw) // 2] if number % 7 == 3 else raw)
    return made


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=30, deadline=None)
def test_small_pictures_looked_at_together_are_as_alone_to_the_last_bit(seed: int, height: int, width: int) -> None:
    raws = [*small(np.random.default_rng(seed), 9, height, width), b"", b"text"]
    eye = Eye(IMAGE)
    assert [pack(scan) for scan in eye.scan_many(raws)] == [pack(eye.scan(raw)) for raw in raws]
    assert [scan.digest for scan in eye.scan_many(raws)] == [eye.scan(raw).digest for raw in raws]


def test_photos_looked_at_together_are_as_alone_to_the_last_bit() -> None:
    raws = [jpeg(photo(seed, 400, 700)) for seed in (1, 2)]
    raws += [raws[0][:9000], jpeg(photo(3, 400, 700), "L"), jpeg(photo(4, 390, 700)), jpeg(photo(5, 660, 700))]
    eye = Eye(IMAGE)
    assert eye.scan_many(raws) == [eye.scan(raw) for raw in raws]
    assert [scan.fatal for scan in eye.scan_many(raws)] == [False, False, True, False, False, False]


@given(st.integers(0, 2**32 - 1), st.integers(1, 260), st.integers(1, 260))
@settings(max_examples=40, deadline=None)
def test_figures_are_those_of_the_definition(seed: int, height: int, width: int) -> None:
    """Beside the same in plain floats: luma in sixteenths of a level and sums of whole numbers lose nothing."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = {name: float(values[0]) for name, values in image_measures.measure(image[None]).items()}
    luma = image @ np.array([0.299, 0.587, 0.114]) / 255
    step = image_measures.factor(height, width, 80)
    some = luma[::step, ::step]
    assert found["brightness"] == pytest.approx(some.mean(), abs=0.002)
    assert found["contrast"] == pytest.approx(some.std(), abs=0.002)
    if min(height, width) >= 3:
        lines = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
        assert found["sharpness"] == pytest.approx(lines.std() / max(some.std(), 0.004), rel=0.01, abs=0.01)
    colour = image[::step, ::step].astype(float) / 255
    assert found["saturation"] == pytest.approx((colour.max(2) - colour.min(2)).mean())
    assert found["red_cast"] == pytest.approx((colour[..., 0] - colour[..., 1]).mean(), abs=1e-9)
    across = np.abs(np.diff(some, axis=1)).sum(0)
    if across.sum() > 0.01:
        places = (np.arange(len(across)) + 0.5) / len(across)
        assert found["edges_x"] == pytest.approx((across * places).sum() / across.sum(), abs=0.01)
