"""Source ``yolo``: one text file a picture, a line an object, places as shares of the picture's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, bounds, finite, labelled
from modelwright.prepare.collect.base import Item, Rejected, RejectedFileError, Survey
from modelwright.prepare.collect.classes import class_names
from modelwright.prepare.collect.tree import base_of, ending, folder_of, picture_size, said_split, stem

_LARGEST = 64 << 20
_SETTINGS = 1 << 20
_NAME_FILES = ("classes.txt", "obj.names", "labels.txt", "names.txt")
_NOT_LABELS = frozenset({"classes.txt", "labels.txt", "names.txt", "readme.txt", "train.txt", "val.txt", "test.txt"})


class YoloSource(AnnotatedSource):
    """Pictures, and beside each (or in ``labels/`` where the pictures are in ``images/``) a text file of its name.

    A line is ``class x y width height`` (the middle of the box), or ``class x1 y1 x2 y2 …`` (an outline), in shares of
    the picture's width and height. Names of classes come from ``names``, a YAML file with ``names``, or
    ``classes.txt``. A picture without a text file is one without objects, as YOLO itself takes it, and that is
    remarked. Order: the pictures'.
    """

    kind: ClassVar[str] = "yolo"
    option_names: ClassVar[Mapping[str, str]] = {
        "names": "list of class names, for classes 0, 1, 2 …",
        "classes": "file with the class names, one a line; default: found in the folder, or data.yaml",
    }

    @cached_property
    def _named(self) -> tuple[list[str], str]:
        """Class names by number, and where they come from."""
        given, file = self.options.texts("names"), self.options.text("classes")
        if given or file is not None:
            return class_names(given, file, self.settings), "the spec" if given else str(file)
        for name in sorted(self.tree.found.files, key=lambda each: (each.count("/"), each)):
            base = base_of(name).lower()
            if ending(name) in {".yaml", ".yml"}:
                found = _names_in(self._text(name))
            elif base in _NAME_FILES:
                found = [line.strip() for line in self._text(name).splitlines() if line.strip()]
            else:
                continue
            if found:
                return found, name
        return [], ""

    def _text(self, name: str) -> str:
        try:
            return self.tree.read(name, _SETTINGS).decode("utf-8-sig", "replace")
        except RejectedFileError:
            return ""

    @cached_property
    def _pictures(self) -> list[str]:
        return list(self.tree.found.pictures)

    def _labels_of(self, picture: str) -> str | None:
        """Return the text file of a picture, or None."""
        files = self.tree.found.files
        folder, name = folder_of(picture), f"{stem(picture)}.txt"
        parts = folder.split("/")
        places = [number for number, part in enumerate(parts) if part == "images"]
        for place in reversed(places):
            path = "/".join([*parts[:place], "labels", *parts[place + 1 :], name])
            if path in files:
                return path
        for path in (f"{folder}/{name}" if folder else name, f"{folder}/labels/{name}" if folder else f"labels/{name}"):
            if path in files and base_of(path).lower() not in _NOT_LABELS:
                return path
        return None

    def survey(self) -> Survey:
        """Look through the names; no label file is read."""
        with_labels = sum(self._labels_of(picture) is not None for picture in self._pictures)
        if not with_labels:
            raise InputError(
                f"{self.where} holds {len(self._pictures):,} pictures and no text file of the name of one",
                code="empty-source",
                hint="YOLO has one text file a picture, beside it or in 'labels' where the pictures are in 'images'",
            )
        names, place = self._named
        if self.settings.output == "mask" and not names:
            raise InputError(
                f"{self.where}: masks need the names of the classes", code="no-classes", hint="set 'names:'"
            )
        named = f"{len(names)} class names from {place}" if names else "no class names were found: classes are numbers"
        return Survey(remarks=(f"{with_labels:,} of {len(self._pictures):,} pictures have a label file; {named}",))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the pictures, then label files without one."""
        from modelwright.prepare.collect.labelling import Labeller

        yield from self.tree.found.refused
        names, _ = self._named
        labeller = Labeller(self.settings, names)
        used: set[str] = set()
        folders: set[str] = set()
        for picture in self._pictures:
            item = self.tree.found.files[picture]
            path = self._labels_of(picture)
            objects: list[dict[str, Any]] = []
            size = picture_size(item)
            if path is None:
                words = f"{picture} has no label file: it is taken as a picture without objects"
                yield Rejected(picture, "missing-annotation", words, 0.3)
            elif path in used:
                yield Rejected(f"{path}#again", "duplicate-name", f"{path} is the label file of two pictures", 0.5)
            if path is not None:
                used.add(path)
                folders.add(folder_of(path))
                for each in self._objects(path, names, size or (1, 1)):
                    if isinstance(each, Rejected):
                        yield each
                    else:
                        objects.append(each)
            label = labeller.label(objects, size)
            if objects and size is None:
                label = {"problem": "its picture does not open, so that shares of its size are no places"}
            yield labelled(item, label, said_split(picture))
        for name in self.tree.found.files:
            lost = ending(name) == ".txt" and name not in used and folder_of(name) in folders
            if lost and base_of(name).lower() not in _NOT_LABELS:
                yield Rejected(name, "missing-file", f"{name} is about a picture that is not there", 0.6)

    def _objects(self, path: str, names: list[str], size: tuple[int, int]) -> Iterator[dict[str, Any] | Rejected]:
        try:
            text = self.tree.read(path, _LARGEST).decode("utf-8-sig")
        except (RejectedFileError, UnicodeDecodeError) as error:
            words = error.message if isinstance(error, RejectedFileError) else "is not text"
            yield Rejected(path, "bad-annotation", f"{path} {words}", 0.8)
            return
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            found = _object(line.split(), names, size)
            if isinstance(found, str):
                kind, _, words = found.partition(": ")
                yield Rejected(f"{path}#{number}", kind, f"{path}, line {number}, {words}, and is left out", 0.6)
            else:
                yield found


def _object(words: list[str], names: list[str], size: tuple[int, int]) -> dict[str, Any] | str:
    """Return the object of one line, or ``kind: why not``."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return f"bad-annotation: holds {' '.join(words)[:60]!r}, which are no numbers"
    if not numbers[0].is_integer() or numbers[0] < 0 or not all(finite(value) for value in numbers):
        return f"bad-annotation: begins with {words[0][:20]!r} or holds a number that is no place"
    place = int(numbers[0])
    if names and place >= len(names):
        return f"dangling-annotation: has class {place}, and there are {len(names)} names"
    name = names[place] if names else str(place)
    across, down = size
    shares = numbers[1:]
    if len(shares) in {4, 5}:  # the fifth is the confidence of a prediction
        x, y, width, height = shares[0] * across, shares[1] * down, shares[2] * across, shares[3] * down
        return {"class": name, "x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
    if len(shares) < 6 or len(shares) % 2:
        return f"bad-annotation: has {len(shares)} numbers behind the class; a box has 4, an outline 6, 8, 10 …"
    ring = [[x * across, y * down] for x, y in zip(shares[::2], shares[1::2], strict=True)]
    box = dict(zip(("x", "y", "width", "height"), bounds([ring]), strict=True))
    return {"class": name, **box, "polygons": [ring]}


def _names_in(text: str) -> list[str]:
    """Return the class names of a YAML file, in order; nothing if it has none."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, dict) and names and all(type(key) is int and 0 <= key < 10_000 for key in names):
        names = [names.get(place, str(place)) for place in range(max(names) + 1)]
    if isinstance(names, list) and all(isinstance(name, (str, int, float)) for name in names):
        return [str(name) for name in names]
    return []
