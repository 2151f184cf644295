"""Source ``manifest`` of several files: Hugging Face's shards of Parquet, and folders with a ``metadata`` file each."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey
from modelwright.prepare.collect.manifest import USUAL, ManifestSource
from modelwright.prepare.divide.words import WORDS

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index


@dataclass(frozen=True)
class _Part:
    """One of several manifests.

    Parameters
    ----------
    source
        It alone.
    prefix
        What its samples' names begin with, from the folder that all have in common.
    split
        What the name of its file or folder says.
    """

    source: ManifestSource
    prefix: str
    split: str | None


class ManifestsSource:
    """One manifest, or several of one form.

    Several are: a pattern such as ``data/*.parquet``; a folder of Parquet files, or with a folder ``data`` of them, as
    Hugging Face's datasets are saved (``data/train-00000-of-00002.parquet``); a folder whose folders have a
    ``metadata`` file each (``train/metadata.jsonl``). Where the names say splits, ``split: {column: split}`` follows
    them.
    """

    kind: ClassVar[str] = "manifest"
    option_names: ClassVar[Mapping[str, str]] = ManifestSource.option_names

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._one = ManifestSource(settings)

    @cached_property
    def _found(self) -> tuple[Path, list[Path]]:
        """Return the folder that all have in common, and the manifests; none: the location is one itself."""
        path = self.settings.path
        if not path.exists() and glob.has_magic(str(path)):
            found = sorted(Path(each) for each in glob.glob(str(path)) if Path(each).is_file())  # noqa: PTH207 - absolute
            return Path(os.path.commonpath([each.parent for each in found])) if found else path, found
        if not path.is_dir() or any((path / name).is_file() for name in USUAL):
            return path, []
        for folder in (path, path / "data"):
            if shards := sorted(folder.glob("*.parquet")):
                return path, shards
        inner = (next((each / name for name in USUAL if (each / name).is_file()), None) for each in _folders(path))
        return path, [each for each in inner if each is not None]

    @cached_property
    def _parts(self) -> list[_Part]:
        root, found = self._found
        parts = [self._part(root, each) for each in found]
        if len({part.source.kept for part in parts}) > 1:
            raise InputError(
                f"source 'manifest: {self.settings.location}': some of its manifests hold bytes, some name files",
                code="wrong-form",
                hint="give them as two sources",
            )
        return parts

    def _part(self, root: Path, path: Path) -> _Part:
        settings = self.settings
        location = str(path) if Path(settings.location).is_absolute() else os.path.relpath(path, settings.root)
        prefix = os.path.relpath(path.parent, root)
        name = path.parent.name if path.name in USUAL else re.split(r"[-_.]", path.name)[0]
        said = name if name.lower() in WORDS else None
        mine = replace(settings, location=location)
        if said is not None and "split" in settings.options:
            try:
                ManifestSource(mine).survey()
            except InputError as error:
                if error.code != "missing-column":
                    raise
                options = {key: value for key, value in settings.options.items() if key != "split"}
                mine = replace(mine, options=options)  # no such column: the name says it
        return _Part(ManifestSource(mine), "" if prefix == "." else f"{prefix}/", said)

    @property
    def kept(self) -> Kept:
        """As of a single one."""
        return self._parts[0].source.kept if self._parts else self._one.kept

    @property
    def base(self) -> str:
        """Where names start from: the folder that all have in common."""
        if not self._parts:
            return self._one.base
        root = self._found[0]
        return str(root) if Path(self.settings.location).is_absolute() else os.path.relpath(root, self.settings.root)

    @property
    def splits(self) -> list[str]:
        """Words for splits in the names of several manifests, each once."""
        return sorted({part.split for part in self._parts if part.split is not None})

    def fingerprint(self, index: Index) -> str:
        """Return the digest of all of them."""
        if not self._parts:
            return self._one.fingerprint(index)
        return canonical.digest_value([[part.prefix, part.source.fingerprint(index)] for part in self._parts])

    def survey(self) -> Survey:
        """Find the columns of the first; the others are asked for the same when they are read."""
        if not self._parts:
            return self._one.survey()
        remarks = list(self._parts[0].source.survey().remarks)
        remarks.append(f"{len(self._parts)} manifests are read as one, from {self._found[1][0].name} on")
        if self.splits and self.settings.split_by != "column":
            words = ", ".join(self.splits)
            remarks.append(f"their names say {words}: 'split: {{column: split}}' would divide samples so")
        return Survey(remarks=tuple(remarks))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream what each names, one after the other."""
        if not self._parts:
            yield from self._one.items(columns)
        for part in self._parts:
            for each in part.source.items(columns):
                moved = replace(each, path=f"{part.prefix}{each.path}")
                if isinstance(moved, Item) and moved.split is None and part.split is not None:
                    moved = replace(moved, split=part.split)
                yield moved


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
