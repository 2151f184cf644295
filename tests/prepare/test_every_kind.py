"""Every kind of issue is documented; those of boxes, masks and rows that no other test names are found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from modelwright.prepare.issues import ADVICE, UNUSABLE
from modelwright.spec.vocabulary import ISSUE_KINDS
from modelwright.tasks.targets.mask import Mask

from .annotated import SIZE, coco, png, put, square
from .conftest import Project, issues, picture

DOCS = Path(__file__).parents[2] / "docs"


def test_every_kind_is_documented() -> None:
    text = "".join((DOCS / name).read_text("utf-8") for name in ("cleaning.md", "sources.md"))
    written = set(re.findall(r"`([a-z][a-z-]*)`", text))
    assert sorted(set(ISSUE_KINDS) - written) == []


def test_every_kind_has_advice_of_its_own() -> None:
    assert sorted(set(ISSUE_KINDS) - set(ADVICE) - UNUSABLE) == []


def test_boxes_that_contradict_each_other_and_tiny_ones(project: Project) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": SIZE[0], "height": SIZE[1]} for n in range(4)]
    boxes = [(0, 1, [10, 10, 30, 30]), (0, 2, [10, 10, 30, 30]), (1, 1, [5, 5, 2, 20]), (2, 1, [9, 9, 40, 20])]
    boxes += [(3, 1, [10, 10, 30, 30]), (3, 2, [50, 10, 30, 30])]
    annotations = [
        {"id": number, "image_id": image, "category_id": code, "bbox": box}
        for number, (image, code, box) in enumerate(boxes)
    ]
    files: dict[str, bytes | str] = {f"d/train/{n}.jpg": picture(n, SIZE) for n in range(4)}
    put(project.root, {**files, "d/train/_annotations.coco.json": coco(images, annotations, ["cat", "dog"])})
    dataset = project.prepare("output: boxes\nsources: [{coco: d}]\n")
    assert [str(each["path"])[-5:] for each in issues(dataset, "conflicting-boxes")] == ["0.jpg"]
    assert [str(each["path"])[-5:] for each in issues(dataset, "tiny-box")] == ["1.jpg"]


def masks(project: Project, changed: dict[int, np.ndarray], count: int = 24) -> None:
    for number in range(count):
        drawn = changed.get(number, square(number, number, 20 + number))
        put(project.root, {f"d/images/{number}.jpg": picture(number, SIZE), f"d/masks/{number}.png": png(drawn)})


def test_masks_that_are_tiny_or_the_same(project: Project) -> None:
    masks(project, {5: square(30, 30, 1), 9: square(2, 2, 22), 12: square(40, 30, 3)})
    spec = "output: mask\nsources: [{pairs: d}]\n"
    dataset = project.prepare(spec)
    (same,) = issues(dataset, "duplicate-mask")
    assert {str(same["path"])[-5:], json.loads(str(same["evidence"]))["other"][-5:]} == {"2.jpg", "9.jpg"}
    assert [str(each["path"])[-5:] for each in issues(dataset, "tiny-mask")] == ["5.jpg"]


def test_values_of_no_class_in_a_mask() -> None:
    label = {"mask": "0" * 64, "width": 9, "height": 9, "names": ["a", "b"], "classes": {"a": 40, "b": 31}}
    target = Mask()
    whole, strange = target.read(label), target.read({**label, "unknown": {"77": 10}})
    assert whole is not None
    assert strange is not None
    assert [each.kind for each in target.check(strange, {})] == ["unknown-mask-value"]
    assert not target.check(whole, {})


def test_copies_have_the_same_mask_rightly_and_one_mask_for_all_is_one_remark(project: Project) -> None:
    masks(project, {})
    put(project.root, {"d/images/99.jpg": picture(3, SIZE), "d/masks/99.png": png(square(3, 3, 23))})
    assert not issues(project.prepare("output: mask\nsources: [{pairs: d}]\n"), "duplicate-mask")
    masks(project, dict.fromkeys(range(24), square(3, 3, 23)))
    (found,) = issues(project.prepare("output: mask\nsources: [{pairs: d}]\n"), "duplicate-mask")
    assert float(str(found["severity"])) == 0.2


def test_rows_that_lack_more_than_half(project: Project) -> None:
    random = np.random.default_rng(0)
    lines = ["a,b,c,d,label"]
    for number in range(60):
        row = [f"{value:.3f}" for value in random.normal(size=4)]
        if number == 7:
            row[:3] = ["", "", ""]
        if number == 9:
            row[:2] = ["", ""]
        lines.append(",".join([*row, "xy"[number % 2]]))
    put(project.root, {"t.csv": "\n".join(lines)})
    dataset = project.prepare("sources: [{table: t.csv}]\nlabel: label\n")
    assert [str(each["path"]) for each in issues(dataset, "incomplete")] == ["0/t.csv#8"]
