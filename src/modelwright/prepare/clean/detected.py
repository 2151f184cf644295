"""The check of where boxes are as a part of prepare: from what a light detector sees to issues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.clean import swapped
from modelwright.prepare.clean.labels import located, looking
from modelwright.prepare.clean.labels.check import Samples
from modelwright.prepare.clean.labels.looking import Looked
from modelwright.prepare.clean.mislabelled import Describe
from modelwright.prepare.issues import Decided, Issue, fixes_of
from modelwright.progress import Progress
from modelwright.tasks.base import Arrays
from modelwright.tasks.targets.boxes import written

VERSION = 1
"""Raised when the same pictures and boxes give other findings: it is part of the cache's key."""
KINDS = ("overlooked-box", "misplaced-box")
_KEPT_FILES = 4
_SIDES = ("x", "y", "width", "height")
_ROUNDED = 0.16
"""Pixels that rounding to a tenth of a pixel, twice for a side, makes at most, and a little."""


def of_boxes(
    samples: Samples,
    pictures: Callable[[NDArray[np.int64]], Iterator[Arrays]],
    store: Any,
    about: list[Any],
    describe: Describe,
    progress: Progress,
) -> tuple[dict[str, Any], list[Issue], list[Issue]]:
    """Check boxes: return how, those that probably have the wrong class, and those missing or in the wrong place.

    Parameters
    ----------
    samples, pictures, about
        As for :func:`suspects`.
    """
    result, classes = swapped.suspects(samples, pictures, store, about, describe, progress)
    facts, places = suspects(samples, pictures, store, about, describe, progress)
    return {**result.facts, "located": facts}, classes, places


def suspects(
    samples: Samples,
    pictures: Callable[[NDArray[np.int64]], Iterator[Arrays]],
    store: Any,
    about: list[Any],
    describe: Describe,
    progress: Progress,
) -> tuple[dict[str, Any], list[Issue]]:
    """Return how it was looked for things without a box and boxes off their thing, and what was found.

    Parameters
    ----------
    samples
        The pictures: ``labels`` are codes of whole labels, ``names`` those labels. Pictures that a person labelled
        teach, and nothing is said about them.
    pictures
        Yields pictures, decoded, at ascending places.
    about
        What else the findings depend on.
    """
    places = np.flatnonzero(samples.checked & (samples.labels >= 0))
    boxes = {
        place: [box for box in json.loads(samples.names[samples.labels[place]]) if min(box["width"], box["height"]) > 0]
        for place in places.tolist()
    }
    reason = looking.too_few(boxes)
    if reason:
        progress.say(f"where boxes are was not checked: {reason}")
        return {"skipped": reason}, []
    folds = samples.deal(places, np.zeros(len(places), np.int64))
    labels = canonical.digest_value([samples.names[samples.labels[place]] for place in places.tolist()])
    arrays = [canonical.digest_bytes(each.tobytes()) for each in (samples.ids[places], folds)]
    folder: Path = store.cache_dir("labels")
    file = folder / f"boxes-{canonical.digest_value([VERSION, about, labels, *arrays])[:32]}.json"
    made = _known(file)
    if made is None:
        made = _found(looking.look(boxes, folds, pictures, folder, progress))
        _keep(file, made)
    facts: dict[str, Any] = made["facts"]
    progress.say(facts["said"])
    return facts, list(_issues(made["found"], samples.settled, describe))


def _found(looked: Looked) -> dict[str, Any]:
    """Return findings and facts, JSON-ready; pictures by their number among all that have a label."""
    missing, of_missing = located.overlooked(looked.seen, looked.names)
    off, of_off = located.misplaced(looked.seen, looked.names)
    found = [
        {
            "kind": each.kind,
            "place": int(looked.places[each.picture]),
            "class": each.name,
            "box": _pixels(each.box, looked.scales[each.picture]),
            "seen": _pixels(each.place, looked.scales[each.picture]),
            "score": round(each.score, 4),
            "severity": each.severity,
        }
        for each in (*missing, *off)
    ]
    said = located.said(of_missing, of_off)
    if looked.left_out:
        said += f"; {looked.left_out:,} pictures beyond {len(looked.places):,} were not looked at"
    facts = {
        "pictures": len(looked.places),
        "left_out": looked.left_out,
        "overlooked": of_missing,
        "misplaced": of_off,
        "said": said,
    }
    return {"facts": facts, "found": found}


def _pixels(window: NDArray[np.float64], scale: NDArray[np.float64]) -> dict[str, float]:
    left, top, right, bottom = (window * np.tile(scale, 2)).round(1).tolist()
    return {"x": left, "y": top, "width": round(right - left, 1), "height": round(bottom - top, 1)}


def _issues(found: list[dict[str, Any]], settled: NDArray[np.bool_], describe: Describe) -> Iterator[Issue]:
    known: set[str] = set()
    for each in found:
        place = each["place"]
        if settled[place]:
            continue
        name, digest, path = describe(place)
        made = (_missing if each["kind"] == KINDS[0] else _off)(each, name, place, digest, path)
        if made.id not in known:
            known.add(made.id)
            yield made


def _missing(each: Mapping[str, Any], name: str, place: int, digest: str, path: str) -> Issue:
    seen, kind = {"class": each["class"], **each["seen"]}, each["class"]
    # Where exactly it seems to lie moves by a pixel when another picture changes; which thing is meant does not.
    about = [round(seen[start] + seen[side] / 2, -1) for start, side in (("x", "width"), ("y", "height"))]
    return Issue(
        "overlooked-box",
        each["severity"],
        f"{name}: {kind} without a box at {_where(seen)}? Of what looks as much like {kind}, {each['score']:.0%} has "
        "a box",
        place,
        digest,
        path,
        f"{kind} around {about[0]:g}, {about[1]:g}",
        {"class": kind, "box": seen, "suggested": seen, "agreement": each["score"]},
    )


def _off(each: Mapping[str, Any], name: str, place: int, digest: str, path: str) -> Issue:
    box, seen = ({"class": each["class"], **each[which]} for which in ("box", "seen"))
    return Issue(
        "misplaced-box",
        each["severity"],
        f"{name}: the box of {each['class']} at {_where(box)} seems to belong at {_where(seen)}; they overlap by "
        f"{each['score']:.0%}",
        place,
        digest,
        path,
        f"box {_where(box)}",
        {"class": each["class"], "box": box, "suggested": seen, "overlap": each["score"]},
    )


def _where(box: Mapping[str, Any]) -> str:
    return f"{box['x']:g}, {box['y']:g}, {box['width']:g} × {box['height']:g}"


def settle(found: Sequence[Decided], store: Any, labels: NDArray[Any], names: list[str]) -> dict[int, str]:
    """Draw the missing boxes, and move the misplaced ones, as decided, in place; return which issue changed a place.

    What a person took over stays what it was then. A box that was changed since is left alone.
    """
    taken = fixes_of(store)
    fixed: dict[int, str] = {}
    codes = {name: code for code, name in enumerate(names)}
    for each in found:
        if each.decision != "fix":
            continue
        place, evidence = each.issue.place, each.issue.evidence
        wanted = taken.get(each.issue.id, evidence["suggested"])
        boxes = json.loads(names[labels[place]])
        if each.issue.kind == KINDS[0]:
            boxes.append(dict(wanted))
        else:
            old = next((box for box in boxes if _same(box, evidence["box"])), None)
            if old is None:
                continue
            old.update({side: wanted[side] for side in _SIDES})
            old.pop("polygons", None)  # the outline was off as well
        after = written(boxes)
        labels[place] = codes.setdefault(after, len(names))
        if labels[place] == len(names):
            names.append(after)
        fixed[place] = each.issue.id
    return fixed


def _same(box: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether a box is the one that evidence, which is rounded, is about."""
    return all(abs(box[side] - other[side]) <= _ROUNDED for side in _SIDES)


def _known(file: Path) -> dict[str, Any] | None:
    try:
        made = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return made if isinstance(made, dict) and {"facts", "found"} <= made.keys() else None


def _keep(file: Path, made: Mapping[str, Any]) -> None:
    """Keep what was found, and of older findings the newest few."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part")
    temporary.write_bytes(canonical.dumps(made))
    temporary.replace(file)
    kept = sorted(file.parent.glob("boxes-*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in kept[_KEPT_FILES:]:
        old.unlink(missing_ok=True)
