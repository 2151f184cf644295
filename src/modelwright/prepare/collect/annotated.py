"""What sources of pictures with drawn annotations share: place, fingerprint, sizes. Fingerprints are made with it.

So it imports no numpy; what makes labels is in :mod:`modelwright.prepare.collect.labelling`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, must_exist
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.tree import Tree, at, picture_size

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

Ring = list[list[float]]


class AnnotatedSource:
    """The shared part: a folder or archive, or one annotation file whose pictures lie beside it or in ``images``."""

    kind: ClassVar[str]
    option_names: ClassVar[Mapping[str, str]]
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "mask", "tags", "category", "none")
    """The targets that its annotations can be read as."""
    place_option: ClassVar[str] = "images"
    """The option that says where the files are, if it is one of ``option_names``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options = Options(self.kind, settings)
        self.where = self.options.where
        if settings.output not in self.outputs:
            raise InputError(
                f"{self.where} cannot be read as output {settings.output!r}",
                code="wrong-output",
                hint=f"it gives {', '.join(self.outputs)}",
            )

    @cached_property
    def _alone(self) -> Path | None:
        """The annotation file, if that is the location."""
        must_exist(self.settings.path, self.where)
        path = self.settings.path
        return path if path.suffix.lower() == ".json" and path.is_file() else None

    @cached_property
    def tree(self) -> Tree:
        """Where the pictures are, and (unless the location is one file) the annotations."""
        return Tree(at(self.settings, self._root), self.where)

    @cached_property
    def _root(self) -> Path:
        asked = self.options.text(self.place_option) if self.place_option in self.option_names else None
        if asked is not None:
            return self.settings.root / asked
        return self.settings.path if self._alone is None else self.settings.path.parent

    @property
    def kept(self) -> Kept:
        """Pictures stay where they are."""
        return self.tree.kept

    @property
    def base(self) -> str | None:
        """Where names start from, if not from the location."""
        if self._root == self.settings.path:
            return None
        if Path(self.settings.location).is_absolute():
            return str(self._root)
        return os.path.relpath(self._root, self.settings.root)

    def fingerprint(self, index: Index) -> str:
        """Return the digest of all files, annotations and pictures."""
        parts = [self.tree.fingerprint(index)]
        if self._alone is not None:
            key = f"{self.kind}-file:{self._alone}"
            parts.append(files_digest(index, key, [self._alone], self.where))
        elif self._root != self.settings.path:
            parts.append(Tree(self.settings, self.where).fingerprint(index))
        return canonical.digest_value(parts)

    @cached_property
    def annotations(self) -> Tree:
        """Where the annotation files are, if the location is no file."""
        return self.tree if self._root == self.settings.path else Tree(self.settings, self.where)


def bounds(rings: Sequence[Ring]) -> tuple[float, float, float, float]:
    """Return x, y, width and height of the box around outlines."""
    xs = [point[0] for ring in rings for point in ring]
    ys = [point[1] for ring in rings for point in ring]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def finite(value: Any) -> bool:
    """Say whether something is a number that a coordinate can be."""
    # NaN is below nothing; a whole number of 400 digits is compared, and never made a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e8


def sized(item: Item, said: tuple[float, float] | None) -> tuple[tuple[int, int] | None, Rejected | None]:
    """Return a picture's size by its header, and an issue if its annotations are for another one."""
    size = picture_size(item)
    if size is None or said is None or min(said) <= 0:
        return size, None
    width, height = float(size[0]), float(size[1])
    if said == (width, height):
        return size, None
    words = f"{said[0]:g} × {said[1]:g} pixels"
    turned = " (it is turned by its EXIF tag)" if said == (height, width) else ""
    issue = Rejected(
        item.path,
        "wrong-size-annotation",
        f"{item.path} has {size[0]} × {size[1]} pixels{turned}, and its annotations are for {words}",
        0.7,
        {"picture": list(size), "annotation": list(said)},
    )
    return size, issue


def labelled(item: Item, label: Any, split: str | None = None) -> Item:
    """Return an item with its label."""
    return replace(item, label=label, split=split)
