"""Which picture is the mask of which other one, by their names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelwright.prepare.collect.tree import ending, folder_of, stem

FOLDERS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth", "ground_truth",
    "segmentation", "segmentations", "segmentationclass", "targets", "png_masks", "labelids",
)  # fmt: skip
"""What folders of masks are called, in small letters."""
SUFFIXES = ("_mask", "-mask", ".mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_labels", "_labelIds")
"""What stands behind a picture's name in its mask's."""


@dataclass(frozen=True)
class Layout:
    """Which picture has which mask, which masks have no picture, and how they were told apart."""

    masks: dict[str, str | None]
    alone: list[str]
    how: str


def by_folder(every: Sequence[str], folders: Sequence[str]) -> Layout:
    """Match by the name below a folder of masks and the folder beside it."""
    found: dict[tuple[str, str], str] = {}
    rest: list[tuple[str, list[str]]] = []
    used = ""
    for name in every:
        parts = name.split("/")
        place = next((number for number, part in enumerate(parts[:-1]) if part.lower() in folders), None)
        if place is None:
            rest.append((name, parts))
        else:
            used = used or parts[place]
            below = "/".join([*parts[place + 1 : -1], stem(name)])
            found.setdefault(("/".join(parts[:place]), below), name)
    made: dict[str, str | None] = {}
    taken = set()
    for name, parts in rest:
        made[name] = None
        # The folder that corresponds to that of the masks is any one above the picture.
        for place in range(len(parts) - 1):
            below = "/".join([*parts[place + 1 : -1], stem(name)])
            for key in _also("/".join(parts[:place]), below):
                if key in found:
                    made[name] = found[key]
                    taken.add(found[key])
                    break
            if made[name] is not None:
                break
    return Layout(made, [name for name in found.values() if name not in taken], f"by name, masks in {used}/")


def _also(above: str, below: str) -> Iterator[tuple[str, str]]:
    yield above, below
    for suffix in SUFFIXES:
        yield above, below + suffix


def by_suffix(every: Sequence[str], suffixes: Sequence[str]) -> Layout:
    """Match ``name`` and ``name_mask`` in one folder."""
    best = Layout({}, [], "by suffix")
    stems = {(folder_of(name), stem(name)): name for name in every}
    for suffix in suffixes:
        found = {name for (_, short), name in stems.items() if short.endswith(suffix) and short != suffix}
        if not found:
            continue
        made: dict[str, str | None] = {}
        taken = set()
        for name in every:
            if name not in found:
                mask = stems.get((folder_of(name), stem(name) + suffix))
                made[name] = mask
                taken.add(mask)
        if sum(mask is not None for mask in made.values()) > sum(mask is not None for mask in best.masks.values()):
            best = Layout(made, sorted(found - taken), f"masks end in {suffix}")
    return best


def by_ending(every: Sequence[str]) -> Layout:
    """Match ``name.jpg`` and ``name.png`` in one folder: the PNG is the mask, being without loss."""
    places: dict[str, dict[str, str]] = {}
    for name in every:
        places.setdefault(f"{folder_of(name)}/{stem(name)}", {})[ending(name)] = name
    made: dict[str, str | None] = {}
    alone = []
    for names in places.values():
        mask = names.pop(".png", None)
        if not names and mask is not None:
            alone.append(mask)
        for number, name in enumerate(names[each] for each in sorted(names)):
            made[name] = mask if number == 0 else None
    return Layout(made, alone, "a PNG of the same name")
