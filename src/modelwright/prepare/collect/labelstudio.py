"""Source ``labelstudio``: the JSON export of Label Studio, with the files that its tasks are about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from modelwright.errors import InputError
from modelwright.prepare.collect.annotated import AnnotatedSource, finite, labelled, sized
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey
from modelwright.prepare.collect.json_stream import JsonError, elements
from modelwright.prepare.collect.tree import Remarks, base_of, picture_size, said_split

if TYPE_CHECKING:
    from modelwright.prepare.collect.labelling import Labeller

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)\Z")
_FIELDS = {
    "image": ("image", "img", "picture"),
    "text": ("text", "body", "content"),
    "audio": ("audio", "sound", "wav"),
}
_PIXELS = frozenset({"boxes", "mask"})


class LabelStudioSource(AnnotatedSource):
    """Tasks with their annotations: rectangles, polygons, brushes, choices, numbers and ratings.

    The location is the exported JSON file (the full form, not JSON-MIN), or a folder or archive with it. Files are
    found by the end of their address (``/data/local-files/?d=…``, ``/data/upload/…``, a path, or a web address, which
    is never fetched) in ``files``, or beside the export. Percent become pixels. Of several annotations of a task that
    one marked as ground truth counts, or else the newest; skipped ones and predictions do not. A task without one
    has no label. Texts are in the tasks themselves. Order: the export's.
    """

    kind: ClassVar[str] = "labelstudio"
    option_names: ClassVar[Mapping[str, str]] = {
        "files": "folder or archive in which the files of the tasks lie; default: beside the export",
        "field": "key of the tasks' data that holds the file or text; default: image, text, audio, or the only one",
        "control": "name of the labelling tag whose answers count (from_name); default: all that fit the output",
    }
    outputs: ClassVar[tuple[str, ...]] = ("boxes", "mask", "tags", "category", "number", "none")
    place_option: ClassVar[str] = "files"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._control = self.options.text("control")
        if settings.input not in _FIELDS:
            raise InputError(
                f"{self.where} cannot be read as input {settings.input!r}",
                code="wrong-input",
                hint=f"it gives {', '.join(_FIELDS)}",
            )
        if settings.input != "image" and settings.output in _PIXELS:
            raise InputError(f"{self.where}: output {settings.output!r} needs pictures", code="wrong-output")

    @property
    def kept(self) -> Kept:
        """Texts become rows; files stay where they are."""
        return "rows" if self.settings.input == "text" else self.tree.kept

    @cached_property
    def _exports(self) -> list[str]:
        """Names of the JSON files in a folder or archive."""
        if self._alone is not None:
            return [self._alone.name]
        found = sorted(name for name in self.annotations.found.files if name.lower().endswith(".json"))
        if not found:
            raise InputError(
                f"{self.where} holds no JSON file", code="empty-source", hint="export from Label Studio as JSON"
            )
        return found

    def _open(self, name: str) -> BinaryIO:
        return self._alone.open("rb") if self._alone is not None else self.annotations.open(name)

    def _tasks(self) -> Iterator[tuple[str, int, Mapping[str, Any]] | Rejected]:
        """Yield export, number and task; what is no task is an issue."""
        for name in self._exports:
            with self._open(name) as file:
                number = 0
                try:
                    for key, task in elements(file):
                        number += 1
                        if not key and isinstance(task, Mapping) and isinstance(task.get("data"), Mapping):
                            yield name, number, task
                        else:
                            words = f"{name}: entry {number} is no task with 'data' (JSON-MIN is not read)"
                            yield Rejected(f"{name}#{number}", "bad-annotation", words, 0.6)
                except JsonError as error:
                    yield Rejected(name, "corrupt", f"{name} {error}; what came before is used", 0.9)

    @cached_property
    def _looked(self) -> tuple[str, set[str], int]:
        """The data key, all class names in regions, and how many tasks there are."""
        from modelwright.prepare.collect.labelstudio_regions import names_of

        fields: dict[str, int] = {}
        classes: set[str] = set()
        count = 0
        first = ""
        for found in self._tasks():
            if isinstance(found, Rejected):
                first = first or f"; {found.message[:300]}"
                continue
            task = found[2]
            count += 1
            for key, value in task["data"].items():
                if isinstance(value, str):
                    fields[key] = fields.get(key, 0) + 1
            for result in _results(task, self._control) or ():
                classes.update(names_of(result))
        if not count:
            raise InputError(
                f"{self.where} holds no task{first}",
                code="empty-source",
                hint="export from Label Studio as JSON (not JSON-MIN, CSV or COCO)",
            )
        asked = self.options.text("field")
        usual = [name for name in _FIELDS[self.settings.input] if name in fields]
        most = sorted(fields, key=lambda name: (-fields[name], name))
        field = asked or (usual[0] if usual else most[0] if most else "")
        if field not in fields:
            raise InputError(
                f"{self.where}: no task's data has a text {field!r}; there are: {', '.join(most[:8]) or 'none'}",
                code="missing-column",
                hint="set 'field:'",
            )
        return field, classes, count

    def survey(self) -> Survey:
        """Read the export once: which data, which classes."""
        field, _, count = self._looked
        return Survey(remarks=(f"{count:,} tasks of Label Studio; what they are about is in data.{field}",))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the tasks."""
        from modelwright.prepare.collect.labelling import Labeller
        from modelwright.prepare.collect.labelstudio_regions import simple_label

        field, classes, _ = self._looked
        labeller = Labeller(self.settings, classes)
        remarks = Remarks()
        seen: set[str] = set()
        if self.settings.input != "text":
            yield from self.tree.found.refused
        for found in self._tasks():
            if isinstance(found, Rejected):
                yield from remarks.add(found)
                continue
            name, number, task = found
            where = f"{name}#{number}"
            value = task["data"].get(field)
            if not isinstance(value, str):
                yield from remarks.add(Rejected(where, "missing-file", f"{where} has no text in data.{field}"))
            elif self.settings.input == "text":
                text = value.encode("utf-8", "replace").decode()
                label = simple_label(_results(task, self._control), self.settings.output)
                yield Item(where, label, raw=text.encode(), row={"text": text}, split=_split(task))
            else:
                yield from self._file(where, value, task, labeller, seen, remarks)
        yield from remarks.rest()

    def _file(
        self, where: str, value: str, task: Mapping[str, Any], labeller: Labeller, seen: set[str], remarks: Remarks
    ) -> Iterator[Item | Rejected]:
        from modelwright.prepare.collect.labelstudio_regions import names_of, objects_of, simple_label

        path = self._locate(value)
        if path is None:
            words = f"{where} is about {value[:200]!r}, which is not there, or more than once (nothing is fetched)"
            yield from remarks.add(Rejected(where, "missing-file", words))
            return
        if path in seen:
            words = f"{where} is about {path}, as an earlier task is; the first counts"
            yield from remarks.add(Rejected(where, "duplicate-name", words, 0.5))
            return
        seen.add(path)
        item = self.tree.found.files[path]
        split = _split(task) or said_split(path)
        results = _results(task, self._control)
        if results is None or self.settings.output not in {*_PIXELS, "tags"} or self.settings.input != "image":
            yield labelled(item, simple_label(results, self.settings.output), split)
            return
        if self.settings.output == "tags" and not any(names_of(result) for result in results):
            yield labelled(item, simple_label(results, "tags"), split)
            return
        said = next((size for result in results if (size := _original(result)) is not None), None)
        size, wrong = sized(item, said)
        if wrong is not None:
            yield wrong
        objects = []
        for place, result in enumerate(results, 1):
            found = objects_of(result, size or picture_size(item) or (1, 1))
            if isinstance(found, str):
                yield from remarks.add(
                    Rejected(f"{where}/{place}", "bad-annotation", f"{where}, result {place}, {found}", 0.6)
                )
            else:
                objects.extend(found)
        yield labelled(item, labeller.label(objects, size), split)

    def _locate(self, value: str) -> str | None:
        """Return the file that an address is about, by the longest end of it that is there."""
        try:
            parts = urlsplit(value)
        except ValueError:
            return None
        local = parse_qs(parts.query).get("d") if parts.path.endswith("/data/local-files/") else None
        name = local[0] if local else unquote(parts.path) if parts.scheme or parts.query else unquote(value)
        steps = [step for step in name.replace("\\", "/").split("/") if step not in {"", "."}]
        files = self.tree.found.files
        for start in range(len(steps)):
            path = "/".join(steps[start:])
            if path in files:
                return path
        for base in (steps[-1:] and base_of(steps[-1]), value):
            bare = _UPLOADED.match(base) if base else None
            for each in (base, bare.group(1) if bare else ""):
                same = self.tree.found.by_base.get(each, ()) if each else ()
                if len(same) == 1:
                    return same[0]
        return None


def _results(task: Mapping[str, Any], control: str | None) -> Sequence[Mapping[str, Any]] | None:
    """Return the results of the annotation that counts, or None if the task has none."""
    given = task.get("annotations", task.get("completions"))
    valid = [
        each
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, Mapping) and not each.get("was_cancelled") and isinstance(each.get("result"), list)
    ]
    if not valid:
        return None
    chosen = max(enumerate(valid), key=lambda pair: (bool(pair[1].get("ground_truth")), _when(pair[1]), pair[0]))[1]
    results = [
        each for each in chosen["result"] if isinstance(each, Mapping) and isinstance(each.get("value"), Mapping)
    ]
    return [each for each in results if control is None or each.get("from_name") == control]


def _when(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _original(result: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = result.get("original_width"), result.get("original_height")
    if width is None or height is None or not finite(width) or not finite(height):
        return None
    return float(width), float(height)


def _split(task: Mapping[str, Any]) -> str | None:
    found = task["data"].get("split")
    return found if isinstance(found, str) else None
