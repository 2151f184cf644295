"""What sources of annotated pictures read, and what they refuse, each thing with its reason."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.errors import InputError
from modelwright.prepare.collect import masks
from modelwright.prepare.collect.base import Item, Rejected, Settings, make
from modelwright.prepare.collect.coco_parts import pixels_of
from modelwright.prepare.collect.json_stream import JsonError, elements
from modelwright.prepare.collect.labelling import drawn
from modelwright.prepare.collect.labelstudio_regions import painted
from modelwright.prepare.collect.tree import picture_size
from modelwright.prepare.collect.xml_tree import XmlError, parse
from modelwright.prepare.guess.guessing import guess
from modelwright.store import Store
from modelwright.store.packed import flat_png
from modelwright.tasks.base import labels
from modelwright.tasks.targets.mask import Mask

from .annotated import (
    coco,
    coco_files,
    labelstudio_case,
    pairs_case,
    png,
    put,
    rectangle,
    square,
    task,
    voc,
    voc_case,
    yolo_case,
)
from .conftest import Project, issues, picture
from .packing import zip_of

IMAGE = {"id": 1, "file_name": "1.jpg", "width": 96, "height": 80}


def read(root: Path, kind: str, output: str = "boxes", **options: Any) -> tuple[dict[str, Any], list[Rejected]]:
    """Return labels by path as the target reads them (or the raw one), and what was rejected."""
    store = Store.open(root / ".modelwright")
    source = make(kind, Settings("data", options, root=root, output=output, store=store))
    found = list(source.items(source.survey().columns))
    items = {each.path: each.label for each in found if isinstance(each, Item)}
    if output in {"boxes", "mask"}:
        items = {path: _read(output, label) for path, label in items.items()}
    return items, [each for each in found if isinstance(each, Rejected)]


def _read(output: str, label: Any) -> Any:
    if isinstance(label, dict) and "problem" in label:
        return label["problem"]
    text = labels(output).read(label)
    return None if text is None else json.loads(text)


def kinds(rejected: list[Rejected]) -> list[str]:
    return sorted(each.kind for each in rejected)


# ---------------------------------------------------------------------- coco


def test_coco_gives_boxes_and_names_what_is_wrong(tmp_path: Path) -> None:
    coco_files(tmp_path / "data")
    found, rejected = read(tmp_path, "coco")
    assert found["train/1.jpg"] == [{"class": "cat", "x": 1.0, "y": 2.0, "width": 30.0, "height": 40.0}]
    assert found["train/2.jpg"] == []
    assert kinds(rejected) == ["dangling-annotation", "dangling-annotation", "missing-file", "unlisted-file"]
    assert all("_annotations.coco.json" in each.message or "4.jpg" in each.message for each in rejected)


@pytest.mark.parametrize(
    ("more", "kind", "left"),
    [
        ({"bbox": [5, 5, -3, 4]}, None, {"x": 5.0, "y": 5.0, "width": -3.0, "height": 4.0}),
        ({"bbox": [5, float("nan"), 3, 4]}, "bad-annotation", None),
        ({"bbox": [5, float("inf"), 3, 4]}, "bad-annotation", None),
        ({"bbox": [5, "x", 3]}, "bad-annotation", None),
        ({"bbox": None}, "bad-annotation", None),
        ({"bbox": [5, 5, 3, 4], "category_id": [1]}, "dangling-annotation", None),
        ({"segmentation": [[1, 1, 11, 1, 11, 21]]}, None, {"x": 1.0, "y": 1.0, "width": 10.0, "height": 20.0}),
        (
            {"bbox": [5, 5, 3, 4], "iscrowd": 1, "segmentation": {"size": [80, 96], "counts": [1, 2]}},
            None,
            {"crowd": True},
        ),
    ],
)
def test_coco_annotations_one_by_one(tmp_path: Path, more: dict[str, Any], kind: str | None, left: Any) -> None:
    note = {"id": 7, "image_id": 1, "category_id": 1, **more}
    put(tmp_path / "data", {"a.json": coco([IMAGE], [note], ["cat"]), "1.jpg": picture(1)})
    found, rejected = read(tmp_path, "coco")
    assert kinds(rejected) == ([] if kind is None else [kind])
    if left is None:
        assert found["1.jpg"] == []
    else:
        assert found["1.jpg"][0].items() >= left.items()


def test_coco_looks_for_pictures_in_the_usual_places(tmp_path: Path) -> None:
    images = [dict(IMAGE, id=n, file_name=f"{n}.jpg") for n in (1, 2, 3)]
    files: dict[str, bytes | str] = {
        "annotations/instances_train2017.json": coco(images[:2], [], ["cat"]),
        "annotations/instances_val2017.json": coco(images[2:], [], ["cat"]),
        "train2017/1.jpg": picture(1),
        "images/train2017/2.jpg": picture(2),
        "val2017/3.jpg": picture(3),
    }
    put(tmp_path / "data", files)
    source = make("coco", Settings("data", root=tmp_path, output="boxes"))
    found = [each for each in source.items({}) if isinstance(each, Item)]
    assert [(each.path, each.split) for each in found] == [
        ("train2017/1.jpg", "train2017"), ("images/train2017/2.jpg", "train2017"), ("val2017/3.jpg", "val2017"),
    ]  # fmt: skip


def test_coco_beside_its_images_option_and_as_one_file(tmp_path: Path) -> None:
    note = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    put(tmp_path, {"notes/a.json": coco([IMAGE], [note], ["cat"])})
    zip_of(tmp_path / "pictures.zip", {"some/1.jpg": picture(1)})
    store = Store.open(tmp_path / ".modelwright")
    options = {"images": "pictures.zip"}
    source = make("coco", Settings("notes/a.json", options, root=tmp_path, output="boxes", store=store))
    (item,) = [each for each in source.items({}) if isinstance(each, Item)]
    assert item.path == "some/1.jpg"
    assert source.kept == "members"
    assert getattr(source, "base") == "pictures.zip"  # noqa: B009 - not in the protocol
    assert len(item.label) == 1


def test_coco_masks_of_polygons_and_runs(tmp_path: Path) -> None:
    whole = {"size": [80, 96], "counts": [0, 80 * 10, 80 * 86]}  # the ten columns on the left
    notes = [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": whole, "iscrowd": 1},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": [[2, 10, 6, 10, 6, 30, 2, 30]]},
    ]
    put(tmp_path / "data", {"a.json": coco([IMAGE], notes, ["road", "car"]), "1.jpg": picture(1)})
    found, _ = read(tmp_path, "coco", "mask")
    assert found["1.jpg"]["names"] == ["background", "car", "road"]
    assert found["1.jpg"]["classes"]["car"] == 4 * 20
    assert found["1.jpg"]["classes"]["road"] == 800 - 80
    data = Store.open(tmp_path / ".modelwright").objects.get(found["1.jpg"]["mask"])
    (tmp_path / "mask.png").write_bytes(data)
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    assert mask[20, 3] == 1
    assert mask[5, 3] == 2
    assert mask[20, 50] == 0


def test_coco_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    whole = coco([IMAGE], [{"id": n, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]} for n in range(3)], ["cat"])
    text = json.dumps({"images": [IMAGE], "categories": [{"id": 1, "name": "cat"}]})[:-1] + ', "annotations": '
    notes = json.dumps(json.loads(whole)["annotations"])
    put(tmp_path / "data", {"a.json": text + notes[:-30], "1.jpg": picture(1)})
    found, rejected = read(tmp_path, "coco")
    assert len(found["1.jpg"]) == 2
    assert kinds(rejected) == ["corrupt"]


def test_run_lengths_packed_in_text_are_those_in_a_list() -> None:
    def packed(runs: list[int]) -> str:  # the form of pycocotools, written out
        made = ""
        for place, run in enumerate(runs):
            value = run - runs[place - 2] if place > 2 else run
            while True:
                bits, value = value & 31, value >> 5
                more = value != (-1 if bits & 16 else 0)
                made += chr(48 + (bits | 32 if more else bits))
                if not more:
                    break
        return made

    random = np.random.default_rng(0)
    for _ in range(50):
        mask = random.random((9, 7)) < random.random()
        flat = mask.T.reshape(-1)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]))).tolist()
        runs = np.diff([0, *edges, flat.size]).tolist()
        for counts in (runs, packed(runs)):
            found = pixels_of({"size": [9, 7], "counts": counts})
            assert found is not None
            assert (found == mask).all()
    for bad in ({"size": [9, 7], "counts": "\x00"}, {"size": [9], "counts": []}, {"size": [9, 7], "counts": [64]}, 3):
        assert pixels_of(bad) is None


# ---------------------------------------------------------------------- JSON


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(allow_nan=False), st.lists, max_leaves=20))
@settings(max_examples=60, deadline=None)
def test_json_comes_in_elements_whatever_the_window(value: Any) -> None:
    import io

    from modelwright.prepare.collect import json_stream

    text = json.dumps({"a": [value, 12345, value], "b": value, "c": []}, ensure_ascii=False).encode("utf-8", "replace")
    wanted = json.loads(text)
    before, json_stream.WINDOW = json_stream.WINDOW, 7
    try:
        found = list(elements(io.BytesIO(text)))
    finally:
        json_stream.WINDOW = before
    assert found[:3] == [("a", each) for each in wanted["a"]]
    rest = [("b", each) for each in wanted["b"]] if isinstance(wanted["b"], list) else [("b", wanted["b"])]
    assert found[3:] == rest


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[1, 2", b'{"a": [1,]}', b"{]", b"nothing", b'{"a" 1}', b"[1] 2", b'["\xff"]', b"[" * 100_000,
     b"[" + b"9" * 6000 + b"]", b'{3: 1}', b'["\x00"]'],
)  # fmt: skip
def test_what_is_no_json_is_said_with_its_place(text: bytes) -> None:
    import io

    with pytest.raises(JsonError, match=r"is no|cannot"):
        list(elements(io.BytesIO(text)))


@pytest.mark.slow
def test_memory_is_bounded_by_the_largest_element(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("w") as file:
        file.write('{"annotations": [')
        for number in range(200_000):
            file.write(("," if number else "") + json.dumps({"id": number, "bbox": [1, 2, 3, 4], "rest": "x" * 100}))
        file.write("]}")
    tracemalloc.start()
    with path.open("rb") as file:
        assert sum(1 for _ in elements(file)) == 200_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 25_000_000
    assert peak < 8_000_000


# ---------------------------------------------------------------------- voc


def test_voc_gives_boxes_flags_and_splits(tmp_path: Path) -> None:
    voc_case(tmp_path)
    found, rejected = read(tmp_path, "voc")
    assert found["JPEGImages/1.jpg"] == [
        {"class": "cat", "x": 1.0, "y": 2.0, "width": 29.0, "height": 38.0, "difficult": True},
        {"class": "dog", "x": 5.0, "y": 5.0, "width": 0.0, "height": 0.0, "difficult": True},
    ]
    assert "cannot be read" in found["JPEGImages/2.jpg"]
    assert found["JPEGImages/3.jpg"] is None
    assert kinds(rejected) == ["corrupt", "missing-file"]
    source = make("voc", Settings("data", root=tmp_path, output="boxes"))
    assert [each.split for each in source.items({}) if isinstance(each, Item)] == ["train", "train", None]
    one_based, _ = read(tmp_path, "voc", one_based=True)
    assert one_based["JPEGImages/1.jpg"][1] | {"width": 1.0} == one_based["JPEGImages/1.jpg"][1]


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><annotation><filename>&j;</filename></annotation>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
PARAMETER = '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><annotation/>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, PARAMETER])
def test_no_entity_is_ever_resolved(tmp_path: Path, text: str) -> None:
    with pytest.raises(XmlError, match="never resolved"):
        parse(text.encode())
    put(tmp_path / "data", {"1.xml": text, "1.jpg": picture(1), "2.xml": voc([]), "2.jpg": picture(2)})
    found, rejected = read(tmp_path, "voc")
    assert "cannot be read" in found["1.jpg"]
    assert found["2.jpg"] == []
    assert [each.path for each in rejected] == ["1.xml"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"\xff\xfe",
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>\x00</a>",
        b'<?xml version="1.0" encoding="none"?><a/>',
    ],
)
def test_what_is_no_xml_is_said(data: bytes) -> None:
    with pytest.raises(XmlError):
        parse(data)


def test_a_doctype_without_declarations_is_passed_over() -> None:
    assert parse(b'<!DOCTYPE annotation SYSTEM "x.dtd"><annotation><a>1</a></annotation>').said("a") == "1"


# ---------------------------------------------------------------------- yolo


def test_yolo_gives_boxes_outlines_and_empty_pictures(tmp_path: Path) -> None:
    yolo_case(tmp_path)
    found, rejected = read(tmp_path, "yolo")
    box, outline = found["images/train/1.jpg"]
    assert box == {"class": "cat", "x": 36.0, "y": 20.0, "width": 24.0, "height": 40.0}
    assert outline["polygons"] == [[[9.6, 8.0], [19.2, 8.0], [19.2, 24.0]]]
    assert found["images/train/2.jpg"] == []
    assert kinds(rejected) == ["bad-annotation", "dangling-annotation", "missing-annotation", "missing-file"]
    assert any("line 4, has class 7, and there are 2 names" in each.message for each in rejected)


@pytest.mark.parametrize("where", ["classes.txt", "obj.names", "spec"])
def test_yolo_finds_its_names(tmp_path: Path, where: str) -> None:
    files: dict[str, bytes | str] = {"1.jpg": picture(1), "1.txt": "1 0.5 0.5 0.1 0.1\n"}
    if where != "spec":
        files[where] = "cat\ndog\n"
    put(tmp_path / "data", files)
    options: dict[str, Any] = {"names": ["cat", "dog"]} if where == "spec" else {}
    found, _ = read(tmp_path, "yolo", **options)
    assert found["1.jpg"][0]["class"] == "dog"


def test_yolo_without_names_has_numbers(tmp_path: Path) -> None:
    bomb = "a: &a [x,x]\nb: &b [*a,*a]\n" + "".join(
        f"{c}: &{c} [*{p},*{p}]\n" for p, c in zip("bcdefghijklm", "cdefghijklmn", strict=True)
    )
    put(tmp_path / "data", {"1.jpg": picture(1), "1.txt": "17 0.5 0.5 0.1 0.1\n", "data.yaml": bomb + "names: *n\n"})
    found, _ = read(tmp_path, "yolo")
    assert found["1.jpg"][0]["class"] == "17"


# ---------------------------------------------------------------------- masks


def test_pairs_gives_masks_as_large_as_the_pictures(tmp_path: Path) -> None:
    pairs_case(tmp_path)
    found, rejected = read(tmp_path, "pairs", "mask")
    assert found["images/0.jpg"]["classes"] == {"background": 96 * 80 - 400, "foreground": 400}
    assert found["images/1.jpg"]["from"] == [48, 40]
    assert (found["images/1.jpg"]["width"], found["images/1.jpg"]["height"]) == (96, 80)
    assert found["images/1.jpg"]["classes"]["foreground"] == 1600
    assert "is no picture" in found["images/2.jpg"]
    assert kinds(rejected) == ["missing-file", "missing-mask"]


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (("a/1.jpg", "a/1.png", "b/2.jpg", "b/2.png"), "PNG"),
        (("x/1.jpg", "x/1_mask.png", "x/2.png", "x/2_mask.png"), "_mask"),
        (("train/images/1.jpg", "train/masks/1.png", "val/images/1.jpg", "val/masks/1.png"), "masks/"),
        (
            ("JPEGImages/1.jpg", "SegmentationClass/1.png", "JPEGImages/2.jpg", "SegmentationClass/2.png"),
            "SegmentationClass",
        ),
        (("imgs/1.jpg", "gt/1_mask.png", "imgs/2.jpg", "gt/2_mask.png"), "gt"),
    ],
)
def test_pairs_finds_which_is_the_mask(tmp_path: Path, names: tuple[str, ...], how: str) -> None:
    masks_ = {name for place, name in enumerate(names) if place % 2}
    put(tmp_path / "data", {name: png(square(1, 1, 9)) if name in masks_ else picture(len(name)) for name in names})
    found, rejected = read(tmp_path, "pairs", "mask")
    assert set(found) == set(names) - masks_
    assert not rejected
    source = make("pairs", Settings("data", root=tmp_path, output="mask"))
    assert how in source.survey().remarks[0]


def values(*levels: int) -> np.ndarray:
    return np.array(levels, np.uint8)[np.random.default_rng(0).integers(0, len(levels), (80, 96))]


@pytest.mark.parametrize(
    ("mask", "options", "classes", "note"),
    [
        (values(0, 255), {}, {"background", "foreground"}, None),
        (values(0, 1), {}, {"background", "foreground"}, None),
        (np.concatenate([square(0, 0, 60)[:70], values(*range(256))[:10]]), {}, {"background", "foreground"}, "soft"),
        (values(0, 1, 2, 255), {}, {"class-0", "class-1", "class-2"}, None),
        (values(0, 1, 2), {"names": ["sky", "road", "car"]}, {"sky", "road", "car"}, None),
        (values(7, 90), {"names": ["rest", "hole"]}, {"rest", "hole"}, None),
        (values(*range(256)), {"threshold": 100, "names": ["low", "high"]}, {"low", "high"}, None),
        (values(0, 1, 9), {"names": ["a", "b"], "ignore": 9}, {"a", "b"}, None),
    ],
)
def test_what_values_mean_is_told_by_the_masks(
    tmp_path: Path, mask: np.ndarray, options: dict[str, Any], classes: set[str], note: str | None
) -> None:
    put(tmp_path / "data", {f"{n}.jpg": picture(n) for n in (1, 2)} | {f"{n}.png": png(mask) for n in (1, 2)})
    found, _ = read(tmp_path, "pairs", "mask", **options)
    assert set(found["1.jpg"]["classes"]) == classes
    assert (note in found["1.jpg"]) == (note is not None)


def test_palettes_and_colours_are_classes(tmp_path: Path) -> None:
    palette = Image.fromarray(values(0, 1, 5))
    palette.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
    import io

    out = io.BytesIO()
    palette.save(out, "PNG")
    assert set(np.unique(masks.opened(out.getvalue()))) == {0, 1, 5}
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[:2] = (255, 0, 0)
    assert set(np.unique(masks.opened(png(colours)))) == {0, 0xFF0000}
    assert masks.opened(png(np.full((2, 2), 40000, np.uint16))).max() == 40000


def test_photographs_are_no_masks(tmp_path: Path) -> None:
    put(
        tmp_path / "data",
        {f"images/{n}.jpg": picture(n) for n in (1, 2)} | {f"masks/{n}.jpg": picture(n + 9) for n in (1, 2)},
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, "pairs", "mask")
    assert caught.value.code == "bad-masks"


def test_values_that_came_later_are_ignored_and_said(tmp_path: Path) -> None:
    files = {f"{n:03}.jpg": picture(n % 5) for n in range(100)} | {
        f"{n:03}.png": png(square(1, 1, 9)) for n in range(100)
    }
    files["099.png"] = png(square(1, 1, 9, 77))
    put(tmp_path / "data", files)
    found, _ = read(tmp_path, "pairs", "mask")
    assert found["099.jpg"]["unknown"] == {"77": 81}
    (problem,) = [each for each in Mask().check(json.dumps(found["099.jpg"]), {}) if "unknown" in each.kind]
    assert "77" in problem.message


@given(st.integers(1, 40), st.integers(1, 700), st.integers(1, 256), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_masks_are_packed_without_loss(height: int, width: int, many: int, seed: int) -> None:
    import io

    random = np.random.default_rng(seed)
    mask = np.repeat(random.integers(0, many, (height, -(-width // 37))), 37, 1)[:, :width].astype(np.uint8)
    data = flat_png.encode(mask)
    with Image.open(io.BytesIO(data)) as found:
        assert found.mode == "L"
        assert (np.asarray(found) == mask).all()


def test_outlines_cover_the_pixels_inside() -> None:
    box = {"polygons": [[[2.0, 1.0], [6.0, 1.0], [6.0, 4.0], [2.0, 4.0]]]}
    found = drawn(box, 10, 8)
    assert found is not None
    assert found.sum() == 12
    assert found[1:4, 2:6].all()
    ring = [[-3.0, 2.2], [4.4, -5.0], [50.0, 3.3], [2.0, 30.0], [5.0, 5.0]]
    found = drawn({"polygons": [ring]}, 10, 8)
    down, across = np.mgrid[:8, :10] + 0.5
    inside = np.zeros((8, 10), bool)
    for (ax, ay), (bx, by) in pairwise([*ring, ring[0]]):
        crosses = (ay > down) != (by > down)
        with np.errstate(divide="ignore"):
            inside ^= crosses & (across >= ax + (down - ay) * np.divide(bx - ax, by - ay))
    assert found is not None
    assert (found == inside).all()
    assert drawn({"polygons": [[[0.0, 1e8], [1.0, -1e8], [2.0, 1e8]] * 20_000]}, 10, 8000) is None


# ---------------------------------------------------------------------- Label Studio


def test_label_studio_gives_pixels(tmp_path: Path) -> None:
    labelstudio_case(tmp_path)
    found, rejected = read(tmp_path, "labelstudio")
    assert found["files/1.jpg"] == [{"class": "cat", "x": 9.6, "y": 16.0, "width": 28.8, "height": 32.0}]
    assert found["files/2.jpg"] == []
    assert found["files/3.jpg"] is None
    assert kinds(rejected) == ["bad-annotation", "missing-file"]
    assert "nothing is fetched" in next(each.message for each in rejected if each.kind == "missing-file")


def test_label_studio_takes_the_ground_truth_or_the_newest(tmp_path: Path) -> None:
    def annotation(name: str, when: str, **more: Any) -> dict[str, Any]:
        return {"result": [rectangle(name, 1, 1, 9, 9)], "updated_at": when, **more}

    newest = [
        annotation("old", "2026-01-01"),
        annotation("new", "2026-02-01"),
        annotation("skipped", "2026-03-01", was_cancelled=True),
    ]
    truth = [annotation("truth", "2025-01-01", ground_truth=True), annotation("new", "2026-02-01")]
    tasks = [task("1.jpg", None, annotations=newest), task("2.jpg", None, annotations=truth)]
    put(tmp_path / "data", {"a.json": json.dumps(tasks), "1.jpg": picture(1), "2.jpg": picture(2)})
    found, _ = read(tmp_path, "labelstudio")
    assert [found[name][0]["class"] for name in ("1.jpg", "2.jpg")] == ["new", "truth"]


def test_label_studio_turns_rectangles_and_rounds_ellipses(tmp_path: Path) -> None:
    results = [
        rectangle("turned", 50, 50, 10, 20, rotation=90),
        {
            "type": "ellipselabels",
            "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["round"]},
        },
        {"type": "polygonlabels", "value": {"points": [[0, 0], [10, 0], [10, 10]], "polygonlabels": ["ring"]}},
        {"type": "polygonlabels", "value": {"points": [[0, 0]], "polygonlabels": ["bad"]}},
        rectangle("bad", 1, 1, float("nan"), 4),
        {"type": "choices", "value": {"choices": ["not a region"]}},
    ]
    put(tmp_path / "data", {"a.json": json.dumps([task("1.jpg", results)]), "1.jpg": picture(1)})
    found, rejected = read(tmp_path, "labelstudio")
    boxes = {box["class"]: box for box in found["1.jpg"]}
    assert set(boxes) == {"turned", "round", "ring"}
    assert (boxes["turned"]["x"], boxes["turned"]["width"]) == (32.0, 16.0)
    assert (boxes["turned"]["y"], boxes["turned"]["height"]) == (40.0, 9.6)
    assert (boxes["round"]["x"], boxes["round"]["width"]) == (38.4, 19.2)
    assert kinds(rejected) == ["bad-annotation"] * 2


def test_label_studio_brushes_are_unpacked() -> None:
    def packed(data: np.ndarray) -> list[int]:  # runs alone, each of the longest size
        bits = f"{data.size:032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
        edges = [0, *(np.flatnonzero(np.diff(data)) + 1).tolist(), data.size]
        for start, stop in pairwise(edges):
            if stop - start > 3:
                bits += "1" + "11" + f"{stop - start - 1:016b}" + f"{data[start]:08b}"
            else:  # one by one
                bits += "0" + "00" + f"{stop - start - 1:03b}" + "".join(f"{each:08b}" for each in data[start:stop])
        bits += "0" * (-len(bits) % 8)
        return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]

    mask = np.random.default_rng(0).random((8, 9)) < 0.3
    pixels = np.zeros((8, 9, 4), np.uint8)
    pixels[mask] = (10, 20, 30, 255)
    size = {"original_width": 9, "original_height": 8}
    found = painted(packed(pixels.reshape(-1)), size)
    assert found is not None
    assert (found == mask).all()
    for bad in ([], [1, 2, 3], ["x"], [256], packed(pixels.reshape(-1))[:20], None):
        assert painted(bad, size) is None


@pytest.mark.parametrize(
    ("output", "results", "wanted"),
    [
        ("category", [{"type": "choices", "value": {"choices": ["a"]}}], "a"),
        ("tags", [{"type": "choices", "value": {"choices": ["b", "a"]}}], ["a", "b"]),
        ("number", [{"type": "number", "value": {"number": 2.5}}], 2.5),
        ("number", [{"type": "rating", "value": {"rating": 4}}], 4),
        ("none", [{"type": "choices", "value": {"choices": ["a"]}}], None),
    ],
)
def test_label_studio_answers_about_texts(tmp_path: Path, output: str, results: list[Any], wanted: Any) -> None:
    tasks = [{"data": {"text": "Grüße \ud800"}, "annotations": [{"result": results}]}]
    put(tmp_path, {"tasks.json": json.dumps(tasks)})
    source = make("labelstudio", Settings("tasks.json", root=tmp_path, input="text", output=output))
    (item,) = source.items({})
    assert isinstance(item, Item)
    assert item.raw == "Grüße ?".encode()
    assert item.row == {"text": "Grüße ?"}
    assert item.label == wanted
    assert source.kept == "rows"


# ---------------------------------------------------------------------- the rest


def test_sizes_are_those_of_upright_pictures(tmp_path: Path) -> None:
    image = Image.fromarray(square(1, 1, 9))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.png", "x.webp", "x.tif"):
        image.save(tmp_path / name, exif=exif)
        item = Item(name, file=str(tmp_path / name))
        decoded = _decoded((tmp_path / name).read_bytes())
        assert picture_size(item) == (decoded.shape[1], decoded.shape[0]), name
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert picture_size(Item("bad.jpg", file=str(tmp_path / "bad.jpg"))) is None


def _decoded(raw: bytes) -> np.ndarray:
    from modelwright.tasks.base import modality

    found: np.ndarray = modality("image").decode(raw, {})["image"][0]
    return found


def test_annotations_for_another_size_are_said(tmp_path: Path) -> None:
    put(tmp_path / "data", {"a.json": coco([dict(IMAGE, width=192, height=160)], [], ["cat"]), "1.jpg": picture(1)})
    _, (rejected,) = read(tmp_path, "coco")
    assert rejected.kind == "wrong-size-annotation"


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo", "pairs", "labelstudio"])
@pytest.mark.parametrize("what", ["empty", "file", "output"])
def test_what_cannot_be_read_at_all_is_an_error_in_words(tmp_path: Path, kind: str, what: str) -> None:
    (tmp_path / "data").mkdir()
    if what == "file":
        (tmp_path / "data").rmdir()
        (tmp_path / "data").write_text("nothing")
    with pytest.raises(InputError) as caught:
        read(tmp_path, kind, "cluster" if what == "output" else "none")
    assert kind in caught.value.message
    assert "\n" not in caught.value.message


def test_labels_are_mended_and_pictures_without_are_remarked(project: Project) -> None:
    boxes = [[("cat", (10 + n, 10, 40, 40)), ("dog", (50, 40, 120, 90 + n))] for n in range(12)]
    boxes[0] = [("cat", (5, 5, 5, 5)), ("cat", (30, 30, 10, 10)), ("dog", (50, 40, 90, 70)), ("dog", (50, 40, 90, 70))]
    boxes[1] = []
    files = {f"{n:02}.xml": voc(each) for n, each in enumerate(boxes)} | {f"{n:02}.jpg": picture(n) for n in range(12)}
    put(project.root / "data", files)
    dataset = project.prepare("sources: [{voc: data}]\ninput: image\noutput: boxes\n")
    found = {
        kind: len(issues(dataset, kind))
        for kind in ("zero-area-box", "inverted-box", "outside-box", "duplicate-box", "no-boxes")
    }
    assert found == {"zero-area-box": 1, "inverted-box": 1, "outside-box": 10, "duplicate-box": 1, "no-boxes": 1}
    rows = {row["path"]: row for row in dataset.samples().to_pylist()}
    mended = json.loads(str(rows["00.jpg"]["label"]))
    assert [(box["class"], box["x"], box["width"]) for box in mended] == [("cat", 10.0, 20.0), ("dog", 50.0, 40.0)]
    assert len(json.loads(str(rows["00.jpg"]["given"]))) == 4
    assert json.loads(str(rows["05.jpg"]["label"]))[1]["width"] == 46.0


def test_boxes_of_the_wrong_class_are_found_and_can_be_fixed(project: Project) -> None:
    random = np.random.default_rng(0)
    looks = {"light": 235, "dark": 20}
    files: dict[str, bytes | str] = {}
    for number in range(30):
        pixels = random.integers(90, 150, (80, 96, 3)).astype(np.uint8)
        objects = []
        for column, name in enumerate(("light", "dark", "light" if number % 2 else "dark")):
            left, top = 4 + 30 * column, int(random.integers(5, 40))
            pixels[top : top + 24, left : left + 24] = looks[name] + random.integers(-15, 15, (24, 24, 3))
            said = "dark" if number == 7 and column == 0 else name
            objects.append((said, (left, top, left + 24.0, top + 24.0)))
        files |= {f"{number:02}.png": png(pixels), f"{number:02}.xml": voc(objects, f"{number:02}.png")}
    put(project.root / "data", files)
    text = "sources: [{voc: data}]\ninput: image\noutput: boxes\n"
    (found,) = issues(project.prepare(text), "mislabelled")
    evidence = json.loads(str(found["evidence"]))
    assert "07.png" in str(found["path"])
    assert (evidence["given"], evidence["suggested"], evidence["box"]["x"]) == ("dark", "light", 4.0)
    assert found["decision"] == "review"
    fixed = project.prepare(text + "clean: {fix: [mislabelled]}\n")
    row = next(row for row in fixed.samples().to_pylist() if row["path"] == "07.png")
    first = min(json.loads(str(row["label"])), key=lambda box: float(box["x"]))
    assert first["class"] == "light"
    assert row["annotation"] == f"fix:{found['id']}"


@pytest.mark.parametrize("packed", [False, True])
def test_forms_are_guessed(tmp_path: Path, packed: bool) -> None:
    cases: dict[str, tuple[dict[str, bytes | str], str]] = {
        "coco": ({"a/x.coco.json": coco([IMAGE], [], ["cat"]), "a/1.jpg": picture(1)}, "boxes"),
        "voc": ({"1.xml": voc([("cat", (1, 2, 3, 4))]), "1.jpg": picture(1)}, "boxes"),
        "yolo": ({"images/1.jpg": picture(1), "labels/1.txt": "0 0.5 0.5 0.1 0.1\n"}, "boxes"),
        "pairs": ({f"{kind}/{n}.png": png(square(1, 1, 9)) for kind in ("images", "masks") for n in (1, 2)}, "mask"),
        "labelstudio": ({"e.json": json.dumps([task("1.jpg", [rectangle("c", 1, 1, 2, 2)])])}, "boxes"),
    }  # fmt: skip
    for kind, (files, output) in cases.items():
        put(tmp_path / kind, files)
        path = tmp_path / kind
        if packed:
            path = zip_of(
                tmp_path / f"{kind}.zip",
                {name: data if isinstance(data, bytes) else data.encode() for name, data in files.items()},
            )
        found = guess(path)
        assert [list(source) for source in found.sources] == [[kind]]
        assert (found.input, found.output) == ("image", output)
        assert found.reasons


def test_class_folders_with_text_files_are_still_classes(tmp_path: Path) -> None:
    put(tmp_path / "data", {f"{kind}/{n}.jpg": picture(n) for kind in "ab" for n in range(3)} | {"a/0.txt": "a note"})
    assert guess(tmp_path / "data").output == "category"
