"""Source ``coco``: JSON files with images, annotations and categories, and the pictures that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, labelled, sized
from modelwright.prepare.collect.archive import cache_of
from modelwright.prepare.collect.base import Item, Rejected, Survey
from modelwright.prepare.collect.json_stream import keys
from modelwright.prepare.collect.tree import Remarks, base_of, folder_of, said_split

if TYPE_CHECKING:
    from modelwright.prepare.collect.coco_parts import CocoFile
    from modelwright.prepare.collect.labelling import Labeller

_PARTS = frozenset({"images", "annotations", "categories"})
_NAMED = re.compile(r"(?:instances|annotations|person_keypoints)_(.+)\.json\Z")


class CocoSource(AnnotatedSource):
    """Annotations in COCO's form, one file or several (one a split), pictures beside them or in the usual folders.

    Files are read as a stream, however large. Boxes stay in pixels; outlines (polygons) stay with their boxes;
    run-length masks are drawn where the output is mask. Annotations of images or categories that are not listed, and
    boxes that are none, are left out with a reason, and everything else goes on. A listed picture without annotations
    is one with nothing on it. Order: the files by name, and in each its images.
    """

    kind: ClassVar[str] = "coco"
    option_names: ClassVar[Mapping[str, str]] = {
        "images": "folder or archive that the file names start from; default: found beside the annotations",
        "annotations": "pattern of the annotation files to use, such as 'instances_*.json'; default: all",
    }

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        asked = self.options.text("annotations")
        return None if asked is None else re.compile(translate(asked))

    @cached_property
    def _files(self) -> list[CocoFile]:
        from modelwright.prepare.collect.coco_parts import CocoFile

        outlines = self.settings.output in {"boxes", "mask"}
        scratch = cache_of(self.settings).parent / "coco"
        made = []
        if self._alone is not None:
            with self._alone.open("rb") as stream:
                file = CocoFile(self._alone.name, scratch, outlines=outlines)
                file.read(stream)
                made.append(file)
        else:
            for name in sorted(self._names()):
                with self.annotations.open(name) as stream:
                    file = CocoFile(name, scratch, outlines=outlines)
                    file.read(stream)
                    made.append(file)
        if not any(file.images for file in made):
            found = f"{len(made)} JSON files, but none of them lists images" if made else "no JSON file in COCO's form"
            more = f"; {made[0].issues[0].message}" if made and made[0].issues else ""
            raise InputError(
                f"{self.where} holds {found}{more}",
                code="empty-source",
                hint="a COCO file has the keys images, annotations and categories",
            )
        return made

    def _names(self) -> Iterator[str]:
        for name in self.annotations.found.files:
            if not name.lower().endswith(".json"):
                continue
            if self._pattern is not None:
                if self._pattern.match(base_of(name)):
                    yield name
                continue
            with self.annotations.open(name) as stream:
                try:
                    looks = bool(keys(stream) & _PARTS)
                except OSError:
                    looks = False
            if looks:
                yield name

    def survey(self) -> Survey:
        """Read all annotations; no picture is touched."""
        files = self._files
        used = {file.categories.get(each) for file in files for each, count in file.counts.items() if count}
        every = {name for file in files for name in file.categories.values()}
        total = sum(sum(file.counts.values()) for file in files)
        images = sum(len(file.images) for file in files)
        said = [f"{len(files)} COCO file(s): {images:,} images, {total:,} annotations, {len(every)} categories"]
        if idle := sorted(every - used):
            said.append(f"categories without any annotation: {', '.join(idle[:12])}{' …' if len(idle) > 12 else ''}")
        return Survey(remarks=tuple(said))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the listed pictures, then what nobody listed."""
        from modelwright.prepare.collect.labelling import Labeller

        yield from self.tree.found.refused
        names = {name for file in self._files for name in file.categories.values()}
        labeller = Labeller(self.settings, names)
        seen: set[str] = set()
        remarks = Remarks()
        for file in self._files:
            yield from file.issues
            for number, image in file.images.items():
                yield from self._image(file, number, image, labeller, seen, remarks)
        for name in self.tree.found.pictures:
            if name not in seen:
                yield from remarks.add(
                    Rejected(name, "unlisted-file", f"{name} is listed by no annotation file, and is not used", 0.3)
                )
        yield from remarks.rest()

    def _image(
        self,
        file: CocoFile,
        number: Any,
        image: Mapping[str, Any],
        labeller: Labeller,
        seen: set[str],
        remarks: Remarks,
    ) -> Iterator[Item | Rejected]:
        named = image["file_name"]
        path = self.tree.found.locate(named, self._roots(file.name))
        where = f"{file.name}#image {number}"
        if path is None:
            words = f"{file.name} lists {named[:200]!r}, which is not there, or more than once"
            yield from remarks.add(Rejected(where, "missing-file", words))
            return
        if path in seen:
            yield from remarks.add(
                Rejected(where, "duplicate-name", f"{file.name} lists {path} again; the first time counts", 0.5)
            )
            return
        seen.add(path)
        item = self.tree.found.files[path]
        said = image["size"]
        size, wrong = sized(item, None if said is None else (float(said[0]), float(said[1])))
        if wrong is not None:
            yield wrong
        objects = []
        for each in file.objects(number):
            found = file.object(each)
            if isinstance(found, str):
                kind, _, words = found.partition(": ")
                message = f"{file.name}: annotation {each.get('id')!r} of {path} {words}, and is left out"
                yield from remarks.add(Rejected(f"{file.name}#{str(each.get('id'))[:60]} {path}", kind, message, 0.6))
            else:
                objects.append(found)
        yield labelled(item, labeller.label(objects, size), said_split(path) or _split(file.name))

    def _roots(self, name: str) -> Sequence[str]:
        """Return the folders in which pictures of an annotation file are looked for, the likeliest first."""
        folder = folder_of(name)
        above = folder_of(folder)
        part = _split(name)
        roots = [folder, f"{folder}/images", above, f"{above}/images", "", "images"]
        if part:
            roots[:0] = [f"{above}/{part}", f"{above}/images/{part}", part, f"images/{part}"]
        return [root.strip("/") for root in roots]


def _split(name: str) -> str | None:
    found = _NAMED.match(base_of(name))
    return found.group(1) if found else None
