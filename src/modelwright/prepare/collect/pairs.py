"""Source ``pairs``: pictures, and for each a picture of the same name that is its mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, labelled
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, Survey
from modelwright.prepare.collect.tree import (
    Remarks,
    content,
    ending,
    folder_of,
    picture_size,
    said_split,
    stem,
)

if TYPE_CHECKING:
    from modelwright.prepare.collect import masks

FOLDERS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth", "ground_truth",
    "segmentation", "segmentations", "segmentationclass", "targets", "png_masks", "labelids",
)  # fmt: skip
"""What folders of masks are called, in small letters."""
SUFFIXES = ("_mask", "-mask", ".mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_labels", "_labelIds")
"""What stands behind a picture's name in its mask's."""
_LOOKED_AT = 48
_SURE = 0.5


@dataclass(frozen=True)
class Layout:
    """Which picture has which mask, which masks have no picture, and how they were told apart."""

    masks: dict[str, str | None]
    alone: list[str]
    how: str


class PairsSource(AnnotatedSource):
    """Masks in a folder beside the pictures' (``images/7.jpg`` and ``masks/7.png``), or beside them with another ending
    (``7.jpg`` and ``7.png``) or with a suffix (``7.jpg`` and ``7_mask.png``).

    What the values of the masks stand for is told by a sample of them: two values are background and foreground; soft
    masks (grey levels between black and white) are divided in the middle; small whole numbers, palettes and colours are
    a class each. ``names`` names them. A mask of another size is brought to its picture's. Order: the pictures'.
    """

    kind: ClassVar[str] = "pairs"
    option_names: ClassVar[Mapping[str, str]] = {
        "masks": "name of the folder with the masks; default: masks, labels, annotations, gt …",
        "suffix": "what stands behind a picture's name in its mask's, such as _mask; default: found",
        "names": "list of class names: for the values 0, 1, 2 …, or for the values that occur, the lowest first",
        "ignore": "a value of pixels that are nobody's; with 'names', all others are then places in the names",
        "threshold": "make two classes of grey levels: this level (1 to 255) and above is the second",
    }
    outputs: ClassVar[tuple[str, ...]] = ("mask", "tags", "none")

    @cached_property
    def _layout(self) -> Layout:
        every = list(self.tree.found.pictures)
        asked, suffix = self.options.text("masks"), self.options.text("suffix")
        ways = []
        if asked is not None or suffix is None:
            ways.append(by_folder(every, (asked.strip("/").lower(),) if asked is not None else FOLDERS))
        if suffix is not None or asked is None:
            ways.append(by_suffix(every, (suffix,) if suffix is not None else SUFFIXES))
        if asked is None and suffix is None:
            ways.append(by_ending(every))
        best = max(ways, key=lambda layout: sum(mask is not None for mask in layout.masks.values()))
        matched = sum(mask is not None for mask in best.masks.values())
        if not matched:
            raise InputError(
                f"{self.where}: among {len(every):,} pictures none is the mask of another",
                code="empty-source",
                hint="masks lie in a folder 'masks' beside 'images', or are called like 'name_mask.png' ('suffix:')",
            )
        return best

    @cached_property
    def _meaning(self) -> tuple[masks.Values, str]:
        """What the masks' values stand for, by an even sample of them."""
        from modelwright.prepare.collect import masks

        given, threshold = self.options.texts("names"), self.options.whole("threshold", 1, 255)
        if threshold is not None:
            if given and len(given) != 2:
                raise self.options.bad("names", "two names, where there is a threshold")
            low, high = given or ("background", "foreground")
            of = {value: high if value >= threshold else low for value in range(256)}
            return masks.Values(tuple(sorted((low, high))), of), f"values from {threshold} are {high}"
        every = [mask for mask in self._layout.masks.values() if mask is not None]
        step = max(1, len(every) // _LOOKED_AT)
        counts = []
        for name in every[::step]:
            try:
                counts.append(masks.counted(masks.opened(content(self.tree.found.files[name]))))
            except (RejectedFileError, masks.MaskError):
                continue
        try:
            if not counts:
                raise masks.MaskError("no mask that was looked at opens")  # noqa: TRY301 - one place makes the message
            return masks.guessed(counts, given, self.options.whole("ignore", 0, 0xFFFFFF))
        except masks.MaskError as error:
            raise InputError(
                f"{self.where}: {error}", code="bad-masks", hint="see the options 'names' and 'threshold'"
            ) from None

    def survey(self) -> Survey:
        """Tell masks from pictures by their names, and look at a sample of the masks."""
        layout = self._layout
        with_mask = sum(mask is not None for mask in layout.masks.values())
        said = f"{with_mask:,} of {len(layout.masks):,} pictures have a mask ({layout.how})"
        return Survey(remarks=(said, f"masks: {self._meaning[1]}") if self.settings.output != "none" else (said,))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the pictures, each with its mask read, then masks without a picture."""
        yield from self.tree.found.refused
        layout = self._layout
        remarks = Remarks()
        for picture, mask in layout.masks.items():
            item = self.tree.found.files[picture]
            if mask is None:
                yield from remarks.add(Rejected(picture, "missing-mask", f"{picture} has no mask ({layout.how})"))
                continue
            yield labelled(item, self._label(item, mask), said_split(picture))
        for mask in layout.alone:
            yield from remarks.add(
                Rejected(mask, "missing-file", f"{mask} is the mask of no picture that is there", 0.6)
            )
        yield from remarks.rest()

    def _label(self, item: Item, mask: str) -> Any:
        from modelwright.prepare.collect import masks

        output = self.settings.output
        if output == "none":
            return None
        try:
            values = masks.opened(content(self.tree.found.files[mask]))
            found = masks.label(values, self._meaning[0], self.settings.store, picture_size(item))
        except (RejectedFileError, masks.MaskError) as error:
            return {"problem": f"its mask {mask} {error}"}
        return sorted(found["classes"]) if output == "tags" else found


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
