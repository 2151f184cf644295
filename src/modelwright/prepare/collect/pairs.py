"""Source ``pairs``: pictures, and for each a picture of the same name that is its mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, labelled
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, Survey
from modelwright.prepare.collect.pairing import FOLDERS, SUFFIXES, Layout, by_ending, by_folder, by_suffix
from modelwright.prepare.collect.tree import Remarks, content, picture_size, said_split

if TYPE_CHECKING:
    from modelwright.prepare.collect.masks import Values

_LOOKED_AT = 48
_SURE = 0.5


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
    def _meaning(self) -> tuple[Values, str]:
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
