"""Source ``voc``: one XML file a picture, in the form of Pascal VOC, as LabelImg and many others write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, Ring, finite, labelled, sized
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, Survey
from modelwright.prepare.collect.tree import PICTURES, base_of, ending, folder_of, said_split, stem
from modelwright.prepare.collect.xml_tree import LARGEST, Element, XmlError, parse

if TYPE_CHECKING:
    from modelwright.prepare.collect.labelling import Labeller

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LISTS = ("train", "val", "test")
_LONGEST_LIST = 64 << 20


class VocSource(AnnotatedSource):
    """XML files, and pictures of the same name (or of the name in ``filename``), in one folder or several.

    Corners are taken as they stand, as nearly all tools write them; with ``one_based`` as VOC itself has them, counted
    from 1 with the last pixel inside. ``difficult`` and ``truncated`` stay with their boxes. Lists in
    ``ImageSets/Main`` give the split. A picture without an XML file has no label. Entities are never resolved.
    Order: the XML files', then pictures without one.
    """

    kind: ClassVar[str] = "voc"
    option_names: ClassVar[Mapping[str, str]] = {
        "images": "folder or archive with the pictures; default: the same one",
        "one_based": "true: pixels count from 1 and xmax, ymax are inside the box; default: false",
    }
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "tags", "category", "none")

    @cached_property
    def _one_based(self) -> bool:
        value = self.settings.options.get("one_based", False)
        if not isinstance(value, bool):
            raise self.options.bad("one_based", "true or false")
        return value

    @cached_property
    def _xml(self) -> list[str]:
        return [name for name in self.annotations.found.files if ending(name) == ".xml"]

    def survey(self) -> Survey:
        """Count the XML files; none is read."""
        if not self._xml:
            raise InputError(
                f"{self.where} holds no XML file",
                code="empty-source",
                hint="Pascal VOC has one XML file a picture, usually in a folder Annotations",
            )
        corners = (
            "from 1, the last pixel inside" if self._one_based else "as they stand (one_based: true for VOC's own)"
        )
        return Survey(remarks=(f"{len(self._xml):,} XML files; corners are taken {corners}",))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the annotated pictures, then those without annotations."""
        from modelwright.prepare.collect.labelling import Labeller

        yield from self.tree.found.refused
        labeller = Labeller(self.settings, ())
        stems: dict[str, list[str]] = {}
        for name in self.tree.found.pictures:
            stems.setdefault(stem(name), []).append(name)
        seen: set[str] = set()
        for name in self._xml:
            try:
                root = parse(self.annotations.read(name, LARGEST))
            except (RejectedFileError, XmlError) as error:
                kind = error.kind if isinstance(error, RejectedFileError) else "corrupt"
                yield Rejected(name, kind, f"{name} {error}")
                root = None
            yield from self._picture(name, root, stems, seen, labeller)
        for name in self.tree.found.pictures:
            if name not in seen:
                yield labelled(self.tree.found.files[name], None, self._splits.get(stem(name)) or said_split(name))

    def _picture(
        self, name: str, root: Element | None, stems: Mapping[str, list[str]], seen: set[str], labeller: Labeller
    ) -> Iterator[Item | Rejected]:
        path = self._locate(name, root, stems)
        if path is None:
            yield Rejected(name, "missing-file", f"{name} is about a picture that is not there, or more than once")
            return
        if path in seen:
            yield Rejected(name, "duplicate-name", f"{name} is about {path}, as another file is; the first counts", 0.5)
            return
        seen.add(path)
        item = self.tree.found.files[path]
        split = self._splits.get(stem(path)) or said_split(path)
        if root is None:
            yield labelled(item, {"problem": f"its annotation file {name} cannot be read"}, split)
            return
        objects = []
        for number, each in enumerate(root.all("object"), 1):
            found = _object(each, one_based=self._one_based)
            if isinstance(found, str):
                yield Rejected(f"{name}#{number}", "bad-annotation", f"{name}: object {number} {found}", 0.6)
            else:
                objects.append(found)
        size, wrong = sized(item, _said_size(root))
        if wrong is not None:
            yield wrong
        yield labelled(item, labeller.label(objects, size), split)

    def _locate(self, name: str, root: Element | None, stems: Mapping[str, list[str]]) -> str | None:
        """Return the picture of an XML file: that of the same name, the nearest one, or the one that it names."""
        same = stems.get(stem(name), [])
        if len(same) > 1:
            folder = folder_of(name)
            near = [each for each in same if folder_of(each) == folder]
            near = near or [each for each in same if folder_of(folder_of(each)) == folder_of(folder)]
            same = near or same
        if len(same) == 1:
            return same[0]
        named = "" if root is None else root.said("filename")
        return self.tree.found.locate(base_of(named.replace("\\", "/")), [folder_of(name)]) if named else None

    @cached_property
    def _splits(self) -> dict[str, str]:
        """Stems to splits, by the lists in ``ImageSets/Main``."""
        made: dict[str, str] = {}
        for name in self.annotations.found.files:
            if stem(name) in _LISTS and ending(name) == ".txt" and folder_of(name).endswith("ImageSets/Main"):
                try:
                    text = self.annotations.read(name, _LONGEST_LIST).decode("utf-8", "replace")
                except RejectedFileError:
                    continue
                for line in text.splitlines():
                    words = line.split()
                    if words:
                        listed = stem(words[0]) if ending(words[0]) in PICTURES else words[0]
                        made.setdefault(listed, stem(name))
        return made


def _object(each: Element, *, one_based: bool) -> dict[str, Any] | str:
    """Return an annotated object, or why it is none."""
    name = each.said("name")
    if not name:
        return "has no name"
    said = [each.said("bndbox", corner) for corner in _CORNERS]
    try:
        left, top, right, bottom = (float(text) for text in said)
    except ValueError:
        return f"has the corners {', '.join(text[:20] or 'nothing' for text in said)}, which are no box"
    if not all(finite(value) for value in (left, top, right, bottom)):
        return f"has the corners {', '.join(text[:20] for text in said)}, which are no place in a picture"
    if one_based:
        left, top = left - 1, top - 1
    made: dict[str, Any] = {"class": name, "x": left, "y": top, "width": right - left, "height": bottom - top}
    rings = [ring for polygon in each.all("polygon") if (ring := _ring(polygon))]
    if rings:
        made["polygons"] = rings
    for flag in ("crowd", "difficult", "truncated"):
        if each.said(flag) in {"1", "true", "True"}:
            made[flag] = True
    return made


def _ring(polygon: Element) -> Ring | None:
    """Return the outline in ``x1, y1, x2, y2 …``, or None if it is none."""
    points: Ring = []
    while (x := polygon.said(f"x{len(points) + 1}")) and (y := polygon.said(f"y{len(points) + 1}")):
        try:
            point = [float(x), float(y)]
        except ValueError:
            return None
        if not all(finite(value) for value in point):
            return None
        points.append(point)
    return points if len(points) >= 3 else None


def _said_size(root: Element) -> tuple[float, float] | None:
    try:
        return float(root.said("size", "width")), float(root.said("size", "height"))
    except ValueError:
        return None
