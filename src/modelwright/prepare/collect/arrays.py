"""Source ``arrays``: pictures and labels in IDX (MNIST) or NumPy files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright.errors import InputError
from modelwright.prepare.collect.archive import cache_of
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey, must_exist
from modelwright.prepare.collect.classes import class_names
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.options import Options

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index


class ArraysSource:
    """Pictures in one array and their labels in another: ``.idx``, ``.npy`` (both also compressed) or one ``.npz``.

    Pictures are ``n × height × width`` (``× channels``) values from 0 to 255. A sample's raw form is a PNG file with
    the pixels stored uncompressed, byte for byte the same on every machine; it is made when it is read and kept
    nowhere. A compressed file is unpacked once to the store's cache. Nothing is unpickled. Order: the array's.
    """

    kind: ClassVar[str] = "arrays"
    option_names: ClassVar[Mapping[str, str]] = {
        "labels": "file with the labels; in an .npz, the array's name; default there: y_train, labels, y …",
        "images": "in an .npz, the name of the array with the pictures; default: x_train, images, x …",
        "names": "list of class names, for labels 0, 1, 2 …",
        "classes": "file with the class names, one a line",
    }
    kept: ClassVar[Kept] = "arrays"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        self._labels = options.text("labels")
        self._images = options.text("images")
        self._names = options.texts("names")
        self._classes = options.text("classes")
        self._packed = settings.location.lower().endswith(".npz")
        if self._labels is None and not self._packed:
            raise InputError(
                f"{self._where}: the labels are missing", code="bad-option", hint="set 'labels:' to the file with them"
            )

    @property
    def part(self) -> str | None:
        """The array with the pictures, in an ``.npz``."""
        if not self._packed:
            return None
        from modelwright.store.packed.arrays import IMAGES

        return self._pick(self._images, IMAGES, "images")

    def _pick(self, wanted: str | None, usual: tuple[str, ...], option: str) -> str:
        from modelwright.store.packed.arrays import parts_of

        must_exist(self.settings.path, self._where)
        parts = parts_of(self.settings.path)
        found = wanted if wanted in parts else next((name for name in usual if wanted is None and name in parts), None)
        if found is None:
            raise InputError(
                f"{self._where}: which array holds the {option}? There are: {', '.join(parts[:12])}",
                code="missing-column",
                hint=f"set '{option}:'",
            )
        return found

    def _files(self) -> list[Path]:
        files = [self.settings.path]
        if not self._packed:
            assert self._labels is not None
            files.append(self.settings.root / self._labels)
        if self._classes is not None:
            files.append(self.settings.root / self._classes)
        for path in files:
            must_exist(path, self._where)
        return files

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the files' bytes."""
        return files_digest(index, f"arrays-files:{self.settings.path}", self._files(), self._where)

    def survey(self) -> Survey:
        """Check the headers; no picture is read."""
        pictures, labels = self._open()
        turned = "; channels come first in it" if pictures.turned else ""
        names = class_names(self._names, self._classes, self.settings)
        said = "" if names else "; classes are called by their numbers: name them with 'names:' or 'classes:'"
        remarks = [f"{self.settings.path.name}: {len(labels)} pictures as PNG samples{turned}{said}"]
        if self._packed and (left := self._left()):
            remarks.append(f"{self.settings.path.name} also holds {', '.join(left)}: another source can read them")
        return Survey(remarks=tuple(remarks))

    def _left(self) -> list[str]:
        """Return the names of arrays in an ``.npz`` that this source does not read."""
        from modelwright.store.packed.arrays import LABELS, parts_of

        mine = {self.part, self._pick(self._labels, LABELS, "labels")}
        return [name for name in parts_of(self.settings.path) if name not in mine]

    def _open(self) -> tuple[Any, Any]:
        from modelwright.store.packed.arrays import LABELS, ArrayPictures, open_array

        self._files()
        cache = cache_of(self.settings)
        pictures = ArrayPictures(self.settings.path, cache, self.part)
        if self._packed:
            path, part = self.settings.path, self._pick(self._labels, LABELS, "labels")
        else:
            path, part = self.settings.root / str(self._labels), None
        labels = open_array(path, cache, part)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1 or labels.dtype.kind not in "uifbU" or len(labels) != len(pictures):
            shape = " × ".join(map(str, labels.shape))
            raise InputError(
                f"{self._where}: {path.name} holds {shape} labels of type {labels.dtype} for {len(pictures)} pictures",
                code="column-count",
                hint="one label a picture, a number or a text",
            )
        return pictures, labels

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream the pictures."""
        pictures, labels = self._open()
        names = class_names(self._names, self._classes, self.settings)
        status = self.settings.path.stat()
        stem = self.settings.path.name + (f"/{self.part}" if self._packed else "")
        for place in range(len(pictures)):
            value = labels[place].item()
            path = f"{stem}#{place + 1}"
            label: Any = value
            if names:
                if not isinstance(value, int) or not 0 <= value < len(names):
                    yield Rejected(
                        path, "bad-label", f"{path} has the label {value!r}, but {len(names)} classes have names"
                    )
                    continue
                label = names[value]
            elif self.settings.output == "category":
                label = str(int(value) if isinstance(value, float) and value.is_integer() else value)
            yield Item(
                path=path,
                label=label,
                stamp=(place, status.st_mtime_ns, status.st_size, status.st_ctime_ns),
                fetch=partial(pictures.png, place),
            )
