"""Things without a box and boxes beside their thing: planted in drawn pictures, and in real ones."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from modelwright.prepare.clean import detected, wording
from modelwright.prepare.clean.labels import located, looking, windows
from modelwright.prepare.clean.labels.check import Samples
from modelwright.prepare.clean.labels.looking import Looked
from modelwright.prepare.issues import Decided
from modelwright.progress import SILENT
from modelwright.store import Store
from modelwright.tasks.base import Arrays
from modelwright.tasks.targets.boxes import written
from modelwright.tasks.targets.boxes_geometry import overlaps

PICTURES = 64
Box = dict[str, Any]


def draw(random: np.random.Generator) -> tuple[NDArray[np.uint8], list[Box]]:
    """Return a noisy picture of 160 × 120 with up to six discs and squares that don't touch, and a box for each."""
    image = Image.fromarray(random.integers(90, 130, (120, 160, 3)).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    boxes: list[Box] = []
    for _ in range(40):
        side = int(random.integers(18, 27))
        x, y = int(random.integers(2, 158 - side)), int(random.integers(2, 118 - side))
        apart = all(
            abs(x + side / 2 - b["x"] - b["width"] / 2) > 30 or abs(y + side / 2 - b["y"] - b["height"] / 2) > 30
            for b in boxes
        )
        if not apart or len(boxes) == 6:
            continue
        kind = "disc" if random.random() < 0.5 else "square"
        if kind == "disc":
            canvas.ellipse([x, y, x + side, y + side], fill=(200, 60, 60))
        else:
            canvas.rectangle([x, y, x + side, y + side], fill=(60, 90, 210))
        boxes.append({"class": kind, "x": float(x), "y": float(y), "width": float(side), "height": float(side)})
    return np.asarray(image), boxes


class Drawn:
    """Pictures with their boxes, of which some were taken away and some displaced."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.pictures, self.boxes = [], {}
        self.gone: list[tuple[int, Box]] = []
        self.off: list[tuple[int, Box]] = []
        for place in range(PICTURES):
            picture, boxes = draw(random)
            self.pictures.append(picture)
            if place % 9 == 0:
                self.gone.append((place, boxes.pop(0)))
            if place % 9 == 4:
                boxes[0] = {**boxes[0], "x": boxes[0]["x"] + 0.4 * boxes[0]["width"]}
                self.off.append((place, boxes[0]))
            self.boxes[place] = boxes

    def decoded(self, places: NDArray[np.int64]) -> Iterator[Arrays]:
        for place in places.tolist():
            yield {"image": self.pictures[place][None]}

    def samples(self) -> Samples:
        names = [written(self.boxes[place]) for place in range(PICTURES)]
        ids = np.array([place.to_bytes(32, "big") for place in range(PICTURES)], "V32")
        keys = np.random.default_rng(2).integers(0, 2**63, PICTURES).astype(np.uint64)
        number = np.arange(PICTURES)
        return Samples(ids, number, names, np.ones(PICTURES, bool), np.zeros(PICTURES, bool), number, keys)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn()


@pytest.fixture(scope="module")
def looked(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Looked:
    folder = tmp_path_factory.mktemp("maps")
    made = looking.look(drawn.boxes, np.arange(PICTURES) % 5, drawn.decoded, folder, SILENT)
    assert not list(folder.iterdir())  # maps are needed while it looks, and not after
    return made


def corners(boxes: list[Box]) -> NDArray[np.float64]:
    return np.array([[b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]] for b in boxes], np.float64)


def hits(found: list[located.Finding], looked: Looked, planted: list[tuple[int, Box]]) -> list[bool]:
    """Return of each finding whether it is about something planted."""
    return [
        any(
            place == looked.places[each.picture]
            and overlaps((each.box * np.tile(looked.scales[each.picture], 2))[None], corners([box]))[0, 0] > 0.6
            for place, box in planted
        )
        for each in found
    ]


@pytest.mark.slow
def test_boxes_taken_away_are_overlooked(drawn: Drawn, looked: Looked) -> None:
    found, facts = located.overlooked(looked.seen, looked.names)
    right = hits(found, looked, drawn.gone)
    assert sum(right) >= 0.8 * len(drawn.gone)
    assert np.mean(right) >= 0.6
    assert {name for name, each in facts.items() if each["checked"]} == {"disc", "square"}


@pytest.mark.slow
def test_displaced_boxes_are_misplaced(drawn: Drawn, looked: Looked) -> None:
    found, facts = located.misplaced(looked.seen, looked.names)
    right = hits(found, looked, drawn.off)
    assert sum(right[: len(drawn.off)]) >= 0.8 * len(drawn.off)  # the worst come first
    assert all(each["area"] > 0.95 for each in facts.values())
    # Where the thing seems to lie is nearer to it than the box that was displaced.
    for each, hit in zip(found, right, strict=True):
        if hit:
            scale = np.tile(looked.scales[each.picture], 2)
            (box,) = (box for place, box in drawn.off if place == looked.places[each.picture])
            true = corners([{**box, "x": box["x"] - 0.4 * box["width"]}])
            assert overlaps((each.place * scale)[None], true)[0, 0] > overlaps((each.box * scale)[None], true)[0, 0]


@pytest.mark.slow
def test_issues_are_the_same_again_and_spare_what_a_person_labelled(drawn: Drawn, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    samples = drawn.samples()

    def describe(place: int) -> tuple[str, str, str]:
        return f"{place}.png", samples.ids[place].tobytes().hex(), f"0/{place}.png"

    facts, found = detected.suspects(samples, drawn.decoded, store, [], describe, SILENT)
    assert facts["pictures"] == PICTURES
    assert {each.kind for each in found} == set(detected.KINDS)
    assert len({each.id for each in found}) == len(found)
    assert all(each.advice.default == "keep" for each in found)
    json.dumps([dict(each.evidence) for each in found])

    def never(places: NDArray[np.int64]) -> Iterator[Arrays]:
        raise AssertionError(f"{len(places)} pictures were read again")

    assert detected.suspects(samples, never, store, [], describe, SILENT) == (facts, found)
    # What is fixed: a box is added, or moved to where its thing seems to lie; nothing else changes.
    for kind in detected.KINDS:
        issue = next(each for each in found if each.kind == kind)
        labels, names = samples.labels.copy(), list(samples.names)
        decided = [Decided(issue, "fix", "person:ann"), *(Decided(each, "keep", "default") for each in found)]
        assert detected.settle(decided, store, labels, names) == {issue.place: issue.id}
        before, after = (json.loads(which) for which in (samples.names[issue.place], names[labels[issue.place]]))
        assert issue.evidence["suggested"] in after
        assert len(after) == len(before) + (kind == "overlooked-box")
        assert sum(box in before for box in after) == len(before) - (kind == "misplaced-box")
        assert np.flatnonzero(labels != samples.labels).tolist() == [issue.place]
    samples.settled[found[0].place] = True
    _, fewer = detected.suspects(samples, never, store, [], describe, SILENT)
    assert fewer == [each for each in found if each.place != found[0].place]


@pytest.mark.slow
def test_nothing_is_said_where_nothing_can_be_seen(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    noise = random.integers(0, 255, (PICTURES, 96, 128, 3)).astype(np.uint8)
    boxes = {
        place: [
            {"class": "ghost", "x": float(x), "y": float(y), "width": 24.0, "height": 24.0}
            for x, y in random.integers(0, 70, (3, 2))
        ]
        for place in range(PICTURES)
    }

    def decoded(places: NDArray[np.int64]) -> Iterator[Arrays]:
        for place in places.tolist():
            yield {"image": noise[place][None]}

    looked = looking.look(boxes, np.arange(PICTURES) % 5, decoded, tmp_path, SILENT)
    missing, of_missing = located.overlooked(looked.seen, looked.names)
    off, of_off = located.misplaced(looked.seen, looked.names)
    assert (missing, off) == ([], [])
    said = located.said(of_missing, of_off)
    assert said.count("no class is found well enough by light features") == 2


def test_too_little_is_not_learned_from() -> None:
    box = {"class": "a", "x": 0.0, "y": 0.0, "width": 9.0, "height": 9.0}
    assert "pictures are too few" in looking.too_few({0: [box]})
    assert "boxes are too few" in looking.too_few({place: [box] for place in range(60)})
    many = {place: [{**box, "class": str(10 * place + each)} for each in range(2)] for place in range(60)}
    assert "no class has" in looking.too_few(many)
    assert looking.too_few({place: [box, box] for place in range(60)}) == ""


@pytest.mark.slow
def test_odd_pictures_are_looked_at_like_others(tmp_path: Path) -> None:
    """A strip, a point, one with thousands of boxes, crowds, boxes without a pixel: nothing breaks, nothing grows."""
    random = np.random.default_rng(5)
    shapes = [(4, 400), (400, 4), (1, 1), (90, 120)]
    images = [random.integers(0, 255, (*shapes[place % 4], 3)).astype(np.uint8) for place in range(24)]
    boxes: dict[int, list[Box]] = {
        place: [{"class": "a", "x": 0.1 * each, "y": 0.0, "width": 0.5 + each, "height": 1.0} for each in range(5)]
        for place in range(24)
    }
    boxes[3] = [{"class": "a", "x": x / 20, "y": 5.0, "width": 9.0, "height": 8.0} for x in range(2000)]
    boxes[7] = [{**box, "crowd": True} for box in boxes[7]]
    boxes[11] = []

    def decoded(places: NDArray[np.int64]) -> Iterator[Arrays]:
        for place in places.tolist():
            yield {"image": images[place][None]}

    looked = looking.look(boxes, np.arange(24) % 5, decoded, tmp_path, SILENT)
    assert len(looked.seen[3].boxes) == looking.MOST_OF_PICTURE
    assert [len(looked.seen[place].boxes) for place in (7, 11)] == [0, 0]
    for find in (located.overlooked, located.misplaced):
        found, _ = find(looked.seen, looked.names)
        assert all(np.isfinite([each.score, each.severity, *each.box, *each.place]).all() for each in found)


@settings(max_examples=20, deadline=None)
@given(st.floats(1.5, 14.0), st.floats(1.5, 14.0), st.integers(0, 2**32 - 1))
def test_sliding_windows_are_scored_as_single_ones(wide: float, tall: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    found = windows.Map(random.normal(size=(17, 21, 32)))
    weights = random.normal(size=(windows.FEATURES + 1, 2))
    places, scores = found.slide((wide, tall), weights)
    one_by_one = found.features(places).astype(np.float64) @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(scores, one_by_one, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.0, 0.35), st.integers(0, 2**32 - 1))
def test_corrections_take_displacements_back(most: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = np.concatenate([random.uniform(0, 20, (5, 2)), random.uniform(21, 60, (5, 2))], 1)
    off = windows.moved(boxes, random, 0.0, most)
    np.testing.assert_allclose(windows.corrected(off, windows.offsets(off, boxes)), boxes, atol=1e-9)


def test_a_part_of_a_large_thing_is_not_overlooked() -> None:
    whole = np.array([[0.0, 0.0, 20.0, 20.0]])
    part, beside = np.array([[2.0, 2.0, 8.0, 8.0]]), np.array([[30.0, 2.0, 38.0, 8.0]])
    none = np.empty((0, 4))
    found = np.concatenate([part, beside, whole])
    agrees, free = located.matches(found, np.zeros(3, np.int64), whole, np.zeros(1, np.int64), none)
    assert (agrees.tolist(), free.tolist()) == ([False, False, True], [False, True, False])
    # A crowd, or a box too small to learn from, is a box all the same.
    agrees, free = located.matches(found, np.zeros(3, np.int64), none, np.empty(0, np.int64), whole)
    assert (agrees.tolist(), free.tolist()) == ([False] * 3, [False, True, False])


def test_near_duplicates_agree_but_for_what_a_crop_takes() -> None:
    boxes = [{"class": "a"}] * 10
    one, fewer, half = (json.dumps(boxes[:many]) for many in (10, 8, 5))
    assert wording.agree(one, fewer, "structured")
    assert not wording.agree(one, half, "structured")
    assert not wording.agree(one, json.dumps([*boxes[:9], {"class": "b"}]), "structured")
    assert not wording.agree("[]", json.dumps(boxes[:1]), "structured")
    assert wording.agree('["x","y"]', '["y","x"]', "structured")
    mask = {"classes": {"person": 300, "rest": 700}}
    assert wording.agree(json.dumps(mask), '{"classes":{"person":36,"rest":64}}', "structured")
    assert not wording.agree(json.dumps(mask), '{"classes":{"person":45,"rest":55}}', "structured")


@pytest.mark.slow
def test_real_cells_without_a_box_are_found(shared_data: Path, tmp_path: Path) -> None:
    """Of WBC taken away on purpose among 91 pictures of BCCD, most are listed; they are easily seen."""
    from xml.etree import ElementTree as ET

    boxes: dict[int, list[Box]] = {}
    pictures: list[NDArray[np.uint8]] = []
    gone = []
    with zipfile.ZipFile(shared_data / "bccd-blood-cells" / "bccd_voc.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".xml"))[::4]
        for place, name in enumerate(names):
            mine = []
            for each in ET.fromstring(archive.read(name)).iter("object"):
                left, top, right, bottom = (
                    float(each.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax")
                )
                kind = str(each.findtext("name"))
                if right > left and bottom > top:
                    mine.append({"class": kind, "x": left, "y": top, "width": right - left, "height": bottom - top})
            cells = [box for box in mine if box["class"] == "WBC"]
            if place % 9 == 0 and cells:
                gone.append((place, cells[0]))
                mine.remove(cells[0])
            boxes[place] = mine
            raw = archive.read(name.replace("Annotations", "JPEGImages").replace(".xml", ".jpg"))
            with Image.open(io.BytesIO(raw)) as picture:
                picture.draft("RGB", (320, 240))
                pictures.append(np.asarray(picture.convert("RGB")))
            half = pictures[-1].shape[1] / 640
            for box in boxes[place]:
                box.update({side: box[side] * half for side in ("x", "y", "width", "height")})
            if gone and gone[-1][0] == place:
                gone[-1] = place, {key: v if key == "class" else v * half for key, v in gone[-1][1].items()}

    def decoded(places: NDArray[np.int64]) -> Iterator[Arrays]:
        for place in places.tolist():
            yield {"image": pictures[place][None]}

    looked = looking.look(boxes, np.arange(len(boxes)) % 5, decoded, tmp_path, SILENT)
    found, facts = located.overlooked(looked.seen, looked.names)
    assert facts["WBC"]["checked"]
    listed = [each for each in found if each.name == "WBC"]
    assert sum(hits(listed, looked, gone)) >= 0.5 * len(gone)
    assert len(listed) <= 4 * len(gone)
