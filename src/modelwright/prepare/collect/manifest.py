"""Source ``manifest``: a table that names files and says what they are, beside the files or with their bytes in it."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from blake3 import blake3

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect import typing_columns
from modelwright.prepare.collect.archive import cache_of, fetch
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey, must_exist, printable, reason
from modelwright.prepare.collect.classes import class_names
from modelwright.prepare.collect.delimited import Reader, Wanted, sniff
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.rowmaking import some
from modelwright.prepare.collect.typed import ArrowTable, ParquetTable, label_names, typed_file
from modelwright.store.packed import Member, TarMembers, ZipMembers, archive_kind, open_archive
from modelwright.store.packed.base import unsafe
from modelwright.store.sample_names import os_path

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

USUAL = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_PATHS = ("file_name", "path", "file", "filename", "file_path", "filepath", "image", "image_path")
_LABELS = ("label", "class", "category", "target", "labels", "tags")
_MORE = ("group", "time", "split")
"""Options that name a column each, which may be left out."""


class ManifestSource:
    """A CSV, TSV, JSON lines, Parquet or Arrow file with a column of paths and one of labels.

    Paths start from the manifest's folder, or from ``folder``, which may be an archive; none leads out of it. A folder
    as the location is looked through for ``metadata.csv``, ``.jsonl`` or ``.parquet``, as Hugging Face's image folders
    have it. Where the path column holds the bytes themselves (``{bytes, path}``, as in Hugging Face's Parquet files),
    they are copied to the store's objects. Files that are named but not there, and files that nobody names, become
    issues. Order: the manifest's.
    """

    kind: ClassVar[str] = "manifest"
    option_names: ClassVar[Mapping[str, str]] = {
        "path": "column with the paths; default: file_name, path, file, image …",
        "label": "column with the labels; default: the spec's 'label', or label, class, category …",
        "labels": "list of columns that are a tag each, 0 or 1, in place of 'label'",
        "group": "column whose equal values never straddle two splits",
        "time": "column with a sample's time, for splits by time",
        "split": "column that says train, validation or test",
        "folder": "folder or archive that the paths start from; default: the manifest's own folder",
        "names": "list of class names, for labels 0, 1, 2 …",
        "classes": "file with the class names, one a line",
    }

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        self._asked = {
            key: options.text(key) for key in ("path", "label", "group", "time", "split", "folder", "classes")
        }
        self._names = options.texts("names")
        self._flags = options.texts("labels")

    @cached_property
    def _manifest(self) -> Path:
        path = self.settings.path
        must_exist(path, self._where)
        if not path.is_dir():
            return path
        for name in USUAL:
            if (path / name).is_file():
                return path / name
        raise InputError(
            f"{self._where}: the folder {path} has no {', '.join(USUAL)}",
            code="no-such-path",
            hint="name the manifest itself",
        )

    @cached_property
    def _root(self) -> Path:
        """The folder or archive that paths start from."""
        asked = self._asked["folder"]
        root = self._manifest.parent if asked is None else self.settings.root / asked
        must_exist(root, self._where)
        return root

    @cached_property
    def _archive(self) -> ZipMembers | TarMembers | None:
        return open_archive(self._root, cache_of(self.settings)) if archive_kind(self._root) else None

    @property
    def kept(self) -> Kept:
        """Embedded bytes go to the objects; else they stay where they are."""
        if self._columns[2]:
            return "objects"
        return "files" if self._archive is None else "members"

    @property
    def base(self) -> str:
        """Where names start from, relative to the project."""
        return (
            os.path.relpath(self._root, self.settings.root)
            if not Path(self.settings.location).is_absolute()
            or (self._asked["folder"] is not None and not Path(self._asked["folder"]).is_absolute())
            else str(self._root)
        )

    @cached_property
    def _columns(self) -> tuple[str, str, bool]:
        """Columns of path and label, and whether the paths are bytes; those of ``_MORE`` are there where asked for."""
        typed = typed_file(self._manifest, self._where)
        embedded: set[str] = set()
        if typed is None:
            names = list(sniff(self._manifest, Wanted()).names)
        elif isinstance(typed, (ParquetTable, ArrowTable)):
            import pyarrow.types as kinds

            names = list(typed.schema.names)
            embedded = {
                field.name
                for field in typed.schema
                if kinds.is_binary(field.type)
                or kinds.is_large_binary(field.type)
                or (kinds.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
            }
        else:
            names = [*typed.columns(), *typed.lists()]
        path = self._pick("path", (*sorted(embedded), *_PATHS), names)
        usual: tuple[str, ...] = (self.settings.label, *_LABELS) if self.settings.label else _LABELS
        if self._flags:
            usual, strange = self._flags[:1], [name for name in self._flags if name not in names]
            if strange:
                raise InputError(
                    f"{self._where}: {self._manifest.name} has no column {strange[0]!r}; its columns: {some(names)}",
                    code="missing-column",
                    hint="set 'labels:'",
                )
        label = self._pick("label", tuple(name for name in usual if name), names)
        for option in _MORE:
            if self._asked[option]:
                self._pick(option, (), names)
        return path, label, path in embedded

    def _pick(self, option: str, usual: tuple[str, ...], names: list[str]) -> str:
        asked = self._asked[option]
        found = asked if asked is not None else next((name for name in usual if name in names), None)
        if found is None or found not in names:
            what = f"has no column {asked!r}" if asked is not None else f"which column holds the {option}?"
            raise InputError(
                f"{self._where}: {self._manifest.name} {what}; its columns: {some(names)}",
                code="missing-column",
                hint=f"set '{option}:'",
            )
        return found

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the manifest and of all files that it could name."""
        files = [self._manifest]
        if self._asked["classes"] is not None:
            files.append(self.settings.root / self._asked["classes"])
        if self._archive is not None:
            files.append(self._root)
        parts = [files_digest(index, f"manifest-files:{self._manifest}", files, self._where)]
        if self._archive is None and not self._columns[2]:
            parts.append(self._files_digest(index))
        return canonical.digest_value(parts)

    def _files_digest(self, index: Index) -> str:
        stats = [(name, *stamp) for name, stamp in sorted(self._listing().items())]
        key = f"{self.kind}:{self.settings.path}"
        mark = blake3(b"".join(b"%b\0%d\0%d\0%d\0%d\n" % each for each in stats)).hexdigest()
        known = index.listing(key, mark)
        if known is None:
            digests = index.digests(key, os.fsencode(self._root), stats)
            content = blake3()
            for each in stats:
                content.update(b"%b\0%b\n" % (each[0], digests.get(each[0], "unreadable").encode()))
            known = content.hexdigest()
            index.remember_listing(key, mark, known)
        return known

    def _listing(self) -> dict[bytes, tuple[int, int, int, int]]:
        """Return the regular files below the root, but hidden ones and the manifest: name to stat."""
        root = os.fsencode(self._root)
        own = {os.fsencode(self._manifest.resolve())}
        if self._asked["classes"] is not None:
            own.add(os.fsencode((self.settings.root / self._asked["classes"]).resolve()))
        found: dict[bytes, tuple[int, int, int, int]] = {}
        for folder, below, files in os.walk(root):
            below[:] = sorted(each for each in below if each[:1] != b".")
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118 - bytes
                if name[:1] == b"." or os.path.realpath(path) in own:
                    continue
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    found[path[len(root) + 1 :]] = (
                        status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns,
                    )  # fmt: skip
        return found

    def survey(self) -> Survey:
        """Find the columns; no file that is named is touched."""
        path, label, embedded = self._columns
        where = f"in {label!r}" if not self._flags else f"in {len(self._flags)} columns, a tag each"
        said = f"{self._manifest.name}: paths are in column {path!r}, labels {where}"
        if embedded:
            said += f"; {path!r} holds the bytes themselves, which are copied to the store"
        return Survey(remarks=(said,))

    def _rows(self) -> Iterator[Mapping[str, Any] | Rejected]:
        path, label, embedded = self._columns
        typed = typed_file(self._manifest, self._where)
        wanted = list(dict.fromkeys([path, label, *self._flags, *filter(None, map(self._asked.get, _MORE))]))
        if isinstance(typed, ParquetTable):
            yield from typed.rows(wanted, batch=16 if embedded else 2048)
        elif typed is not None:
            yield from typed.rows(wanted)
        else:
            dialect = sniff(self._manifest, Wanted())
            skip = 1 if dialect.index_column else 0
            for entry in Reader(self._manifest, dialect):
                if isinstance(entry, Rejected):
                    yield entry
                elif len(entry[1]) != len(dialect.names) + skip:
                    line, cells = entry
                    name = self._manifest.name
                    yield Rejected(
                        f"{name}#line{line}", "ragged-row", f"{name} line {line} has {len(cells)} cells", 0.8
                    )
                else:
                    yield dict(zip(dialect.names, (cell.strip() for cell in entry[1][skip:]), strict=True))

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:  # noqa: ARG002 - the seam's signature
        """Stream what the manifest names, then what it doesn't."""
        path, label, embedded = self._columns
        names = class_names(self._names, self._asked["classes"], self.settings) or self._schema_names(label)
        finder = None if embedded else _Finder(self._root, self._archive, self._listing)
        seen: set[str] = set()
        for number, row in enumerate(self._rows(), 1):
            if isinstance(row, Rejected):
                yield row
                continue
            where = f"{self._manifest.name}#{number}"
            cell = {name: row.get(name) for name in self._flags} if self._flags else row.get(label)
            said = _label(cell, names, self.settings.output)
            if isinstance(said, _BadLabel):
                yield Rejected(where, "bad-label", f"{where} has the label {said.value!r}, which is no class", 0.9)
                continue
            team, time, split = (
                None if not (column := self._asked[option]) or row.get(column) is None else str(row[column])
                for option in _MORE
            )
            if finder is None:
                made = self._embedded(where, row.get(path), said, team)
                yield made if isinstance(made, Rejected) else replace(made, time=time, split=split)
                continue
            name = row.get(path)
            found = finder.find(name)
            if isinstance(found, str):
                kind, _, message = found.partition(": ")
                yield Rejected(where, kind, f"{where}: {str(name)[:200]!r} {message}", 0.8)
            elif found.path in seen:
                yield Rejected(where, "duplicate-name", f"{where} names {found.path} again; the first line counts", 0.5)
            else:
                seen.add(found.path)
                yield Item(found.path, said, team, found.file, found.stamp, fetch=found.fetch, time=time, split=split)
        if finder is not None:
            yield from finder.unnamed(seen)

    def _schema_names(self, label: str) -> list[str]:
        typed = typed_file(self._manifest, self._where)
        return label_names(typed.schema).get(label, []) if isinstance(typed, (ParquetTable, ArrowTable)) else []

    def _embedded(self, where: str, value: Any, label: Any, group: str | None) -> Item | Rejected:
        raw = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(raw, bytes) or not raw:
            return Rejected(where, "missing-file", f"{where} has no bytes in it")
        self.settings.store.objects.put(raw)
        return Item(where, label, group, raw=raw)


class _BadLabel:
    def __init__(self, value: Any) -> None:
        self.value = value


def _label(value: Any, names: list[str], output: str) -> Any:
    if isinstance(value, str) and value.strip() in typing_columns.MISSING:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else _BadLabel(value)
    if isinstance(value, list) and names:
        each = [_label(part, names, output) for part in value]
        return next((part for part in each if isinstance(part, _BadLabel)), each)
    if names and value is not None and not isinstance(value, dict):
        text = str(value)
        if text in names:
            return text
        if text.isascii() and text.isdigit() and int(text) < len(names):
            return names[int(text)]
        return _BadLabel(value)
    if output == "category" and isinstance(value, (list, dict)):
        return _BadLabel(value)
    if output == "category" and value is not None:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return value


class _Found:
    """One file that the manifest names."""

    __slots__ = ("fetch", "file", "path", "stamp")

    def __init__(self, path: str, stamp: tuple[int, int, int, int], file: str | None, fetch: Any) -> None:
        self.path, self.stamp, self.file, self.fetch = path, stamp, file, fetch


class _Finder:
    """Finds named files below a root, and those that nobody named."""

    def __init__(self, root: Path, archive: ZipMembers | TarMembers | None, listing: Any) -> None:
        self._root = os.fsencode(root)
        self._archive = archive
        self._members: dict[bytes, Member] = {}
        self._files: dict[bytes, tuple[int, int, int, int]] = {}
        if archive is None:
            self._files = listing()
        else:
            status = root.stat()
            self._times = (status.st_mtime_ns, status.st_ctime_ns)
            for member in archive.members():
                self._members.setdefault(member.name, member)

    def find(self, name: Any) -> _Found | str:
        """Return the file, or ``kind: reason``."""
        if not isinstance(name, str) or not name.strip():
            return "missing-file: names no file"
        raw = os_path(name) if name.startswith("bytes:") else name.encode("utf-8", "surrogatepass")
        while raw.startswith(b"./"):
            raw = raw[2:]
        if trouble := unsafe(raw):
            return "unsafe-name: leads out of the folder" if "leaves" in trouble or "absolute" in trouble else trouble
        if self._archive is not None:
            member = self._members.get(raw)
            if member is None:
                return "missing-file: is not in the archive"
            if member.problem:
                return member.problem
            stamp = (member.size, self._times[0], member.offset, self._times[1])
            return _Found(printable(raw), stamp, None, partial(fetch, self._archive, member))
        found = self._files.get(raw)
        if found is None:
            return self._why_not(raw)
        return _Found(printable(raw), found, os.fsdecode(os.path.join(self._root, raw)), None)  # noqa: PTH118 - bytes

    def _why_not(self, raw: bytes) -> str:
        path = os.path.join(self._root, raw)  # noqa: PTH118 - bytes
        try:
            status = os.lstat(path)
        except OSError as error:
            return f"missing-file: is not there ({reason(error)})"
        if stat.S_ISLNK(status.st_mode):
            return "symlink: is a link"
        if stat.S_ISREG(status.st_mode):
            return "missing-file: lies behind a link or a hidden folder, which are not followed"
        return "not-a-file: is not a regular file"

    def unnamed(self, seen: set[str]) -> Iterator[Rejected]:
        """Yield the files that no line named: one issue a file, for at most a hundred, then their number."""
        names = self._files if self._archive is None else {name: None for name in self._members if name}
        rest = 0
        for raw in sorted(names):
            shown = printable(raw)
            if shown in seen or raw.rpartition(b"/")[2][:1] == b"." or raw.startswith(b"__MACOSX/"):
                continue
            rest += 1
            if rest <= 100:
                yield Rejected(shown, "unlisted-file", f"{shown} is named by no line of the manifest", 0.3)
        if rest > 100:
            yield Rejected("", "unlisted-file", f"{rest} files are named by no line of the manifest", 0.3)
