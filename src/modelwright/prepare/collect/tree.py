"""All files of a folder or an archive by name: what sources look through that find pictures and their annotations.

The walking, the refusing (links, devices, encrypted members …) and the fingerprint are those of
:class:`~modelwright.prepare.collect.folder.FolderSource`; what each file means is the source's own business.
"""

from __future__ import annotations

import io
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from modelwright.errors import InputError
from modelwright.prepare.collect.base import (
    Item,
    Kept,
    Rejected,
    RejectedFileError,
    Settings,
    must_exist,
    read_regular,
    reason,
)
from modelwright.prepare.collect.folder import FolderSource
from modelwright.prepare.collect.member_files import MemberFile
from modelwright.store.packed import archive_kind

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

PICTURES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_HEADS = (1 << 16, 1 << 20)
_SWAPPED = frozenset({5, 6, 7, 8})
_ORIENTATION = 0x0112
_SPLITS = frozenset({"train", "training", "trn", "valid", "validation", "val", "dev", "test", "testing", "tst"})


@dataclass(frozen=True)
class Found:
    """What is in a tree: ``files`` by name, in the tree's order, and what was refused."""

    files: dict[str, Item]
    refused: list[Rejected]

    @cached_property
    def by_base(self) -> dict[str, list[str]]:
        """Names by their last part."""
        made: dict[str, list[str]] = {}
        for name in self.files:
            made.setdefault(base_of(name), []).append(name)
        return made

    @property
    def pictures(self) -> Iterator[str]:
        """Names that end as pictures do."""
        return (name for name in self.files if ending(name) in PICTURES)

    def locate(self, name: str, roots: Sequence[str]) -> str | None:
        """Return the file called ``name`` below the first of ``roots`` that has it, or else the only one so called."""
        wanted = normal(name)
        for root in roots:
            path = f"{root}/{wanted}" if root else wanted
            if path in self.files:
                return path
        same = self.by_base.get(base_of(wanted), ())
        return same[0] if len(same) == 1 else None


class Tree:
    """A folder, or an archive, looked through once.

    Parameters
    ----------
    settings
        With the location; options are not looked at.
    where
        The source, for messages.
    """

    def __init__(self, settings: Settings, where: str) -> None:
        self._settings, self._where = settings, where
        plain = Settings(settings.location, {}, settings.root, store=settings.store)
        self._source = FolderSource(plain)

    @property
    def kept(self) -> Kept:
        """Where the bytes stay."""
        return self._source.kept

    def fingerprint(self, index: Index) -> str:
        """Return the digest of all names and contents."""
        self.check()
        return self._source.fingerprint(index)

    def check(self) -> None:
        """Raise an :class:`InputError` if there is neither a folder nor an archive."""
        path = self._settings.path
        must_exist(path, self._where)
        if not path.is_dir() and not archive_kind(path):
            raise InputError(
                f"{self._where}: {path} is neither a folder nor an archive",
                code="not-a-folder",
                hint="give the folder (or ZIP or TAR) that holds both pictures and annotations",
            )

    @cached_property
    def found(self) -> Found:
        """Everything that is there."""
        self.check()
        files: dict[str, Item] = {}
        refused: list[Rejected] = []
        for item in self._source.items({}):
            if isinstance(item, Rejected):
                refused.append(item)
            else:
                files[item.path] = item
        return Found(files, refused)

    def read(self, name: str, most: int) -> bytes:
        """Return a small file's bytes.

        Raises
        ------
        RejectedFileError
            If it cannot be read, or has more than ``most`` bytes.
        """
        item = self.found.files[name]
        if item.stamp is not None and item.stamp[0] > most:
            raise RejectedFileError("too-large", f"has {item.stamp[0]:,} bytes, more than {most:,}")
        return content(item)

    def open(self, name: str) -> BinaryIO:
        """Open a file of any size to be read once, from start to end.

        Raises
        ------
        InputError
            If it cannot be opened.
        """
        item = self.found.files[name]
        try:
            return stream(item)
        except OSError as error:
            raise InputError(f"{self._where}: {name} cannot be opened: {reason(error)}", code="unreadable") from None


def content(item: Item) -> bytes:
    """Return a file's bytes, or raise :class:`RejectedFileError`."""
    if item.file is not None:
        return read_regular(item.file)
    assert item.fetch is not None
    return item.fetch()


def stream(item: Item) -> BinaryIO:
    """Open a file or member to be read once, from start to end, or raise ``OSError``; what it yields may too."""
    if item.file is not None:
        descriptor = os.open(item.file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        file = open(descriptor, "rb")  # noqa: PTH123, SIM115 - a descriptor; the caller closes it
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise OSError("is no regular file")
        return cast("BinaryIO", file)
    # What an archive hands out: its fetch, bound to the archive and the member.
    assert isinstance(item.fetch, partial)
    archive, member = item.fetch.args
    return MemberFile(archive, member).open()


def picture_size(item: Item) -> tuple[int, int] | None:
    """Return a picture's width and height as it is decoded (upright), by its header alone; None if that is broken."""
    from PIL import Image as Pillow

    from modelwright.tasks.modalities.image import decoding as image

    image.load_decoders()
    try:
        with stream(item) as file:
            if file.seekable():
                return _size(Pillow.open(file, formats=image.FORMATS))
            head = b""
            for most in (*_HEADS, -1):
                head += file.read(most - len(head) if most > 0 else -1)
                try:
                    return _size(Pillow.open(io.BytesIO(head), formats=image.FORMATS))
                except Exception:
                    if most < 0 or len(head) < most:
                        raise
    except Exception:  # noqa: BLE001 - a picture that doesn't open is found, with its reason, when it is scanned
        return None
    return None


def _size(picture: object) -> tuple[int, int]:
    from PIL.Image import Image

    assert isinstance(picture, Image)
    width, height = picture.size
    turned = False
    # Pillow itself turns TIFFs; a PNG would be read to its end in search of a tag that is mostly not there.
    if picture.format in {"JPEG", "WEBP"} or (picture.format == "PNG" and "exif" in picture.info):
        turned = picture.getexif().get(_ORIENTATION) in _SWAPPED
    return (height, width) if turned else (width, height)


def base_of(name: str) -> str:
    """Return the last part of a name."""
    return name.rpartition("/")[2]


def folder_of(name: str) -> str:
    """Return a name without its last part."""
    return name.rpartition("/")[0]


def stem(name: str) -> str:
    """Return the last part of a name without its ending.

    Examples
    --------
    >>> stem("a.b/c.d.jpg")
    'c.d'
    """
    base = base_of(name)
    return base.rpartition(".")[0] or base


def ending(name: str) -> str:
    """Return the ending of a name, in small letters, with its dot."""
    base = base_of(name)
    before, dot, after = base.rpartition(".")
    return f".{after.lower()}" if before and dot else ""


def normal(name: str) -> str:
    """Return a name that an annotation gives as the tree writes names: no ``./``, no backslashes, no leading ``/``."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    return "/".join(parts)


def said_split(name: str) -> str | None:
    """Return the folder in a name that is called like a split, or None."""
    return next((part for part in name.lower().split("/")[:-1] if part in _SPLITS), None)


def at(settings: Settings, path: Path) -> Settings:
    """Return settings of another place: ``path`` is absolute, or starts from the project."""
    return Settings(str(path), {}, settings.root, settings.input, settings.output, settings.label, settings.store)


class Remarks:
    """Issues of one kind that may be many: a hundred one by one, and the number of the rest."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._seen: Counter[str] = Counter()
        self._more: Counter[tuple[str, str]] = Counter()

    def add(self, rejected: Rejected) -> Iterator[Rejected]:
        """Yield the issue, if it is one of the first of its kind."""
        self._seen[rejected.kind] += 1
        if self._seen[rejected.kind] <= self._most:
            yield rejected
        else:
            self._more[rejected.kind, rejected.path.partition("#")[0]] += 1

    def rest(self) -> Iterator[Rejected]:
        """Yield one issue for those that were not shown, a file."""
        for (kind, path), count in self._more.items():
            yield Rejected(f"{path}#more", kind, f"{path}: {count:,} more of these", 0.5, {"count": count})
