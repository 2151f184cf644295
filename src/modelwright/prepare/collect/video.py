"""Source ``video``: recordings, as their frames."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from blake3 import blake3

from modelwright import canonical
from modelwright.errors import InputError, ModelwrightError
from modelwright.prepare.collect.archive import ArchiveSource
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey, must_exist, printable, reason
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.collect.folder import FolderSource
from modelwright.prepare.collect.frames import (
    MOST,
    OPTIONS,
    PIXELS,
    Ended,
    Frame,
    Request,
    change_of,
    frames,
    seconds_of,
)
from modelwright.prepare.collect.options import Options
from modelwright.prepare.collect.tree import stream
from modelwright.store.packed import archive_kind

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index

VERSION = 2
"""Raised when the same recording gives other frames: it is part of the cache's key."""
ENDINGS = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".wmv",
    ".flv",
    ".ogv",
    ".3gp",
)
_OF_FOLDER = ("files", "level", "classes")
_MARKED = {"every", "change", "most", "pixels"}
"""What of a request decides which frames come."""
_SHORT = 0.9
"""Share of the announced frames below which a recording counts as cut off."""
SPARE = 256 << 20
"""Bytes left free on the disk."""
_RAW = (".h264", ".264", ".y4m", ".mjpeg", ".mjpg")


class VideoSource:
    """A recording, or a folder or archive of them, at any depth; in class folders each is labelled by its folder.

    Frames are taken by time (``every``), and of those, where ``change`` is set, only the ones that differ from the last
    one taken. A frame is a JPEG in the store's objects; all frames of a recording are one group, so none of them
    straddles two splits. A recording that cannot be opened, or ends before it should, is an issue, and everything else
    goes on. A member of an archive is decoded from a copy without a name, which no kill can leave over. What a
    recording gave is remembered, so that an unchanged one is decoded once. Order: names sorted by their bytes (in an
    archive: its own order), then time.
    """

    kind: ClassVar[str] = "video"
    option_names: ClassVar[Mapping[str, str]] = {
        **OPTIONS,
        "pixels": "pixels that one byte of a recording may stand for, at most; default: "
        f"{PIXELS}. More lets long recordings of a still screen through",
        "files": FolderSource.option_names["files"],
        "level": FolderSource.option_names["level"],
        "classes": FolderSource.option_names["classes"],
    }
    kept: ClassVar[Kept] = "objects"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(self.kind, settings)
        self._where = options.where
        self._label = options.text("label")
        self._wanted = Request(
            "",
            every=seconds_of(options, "every", Request.every, 86_400.0),
            change=change_of(options),
            most=options.whole("most", 1, 1_000_000) or MOST,
            pixels=options.whole("pixels", 1, 1_000_000_000) or PIXELS,
        )

    @cached_property
    def _folder(self) -> FolderSource | ArchiveSource | None:
        """What lists a folder or an archive, or None where the location is a recording."""
        options = {name: self.settings.options[name] for name in _OF_FOLDER if name in self.settings.options}
        settings = replace(self.settings, options=options)
        if self.settings.path.is_dir():
            return FolderSource(settings)
        return ArchiveSource(settings, streamed=True) if archive_kind(self.settings.path) else None

    def fingerprint(self, index: Index) -> str:
        """Return the digest of the files' names and contents, and of what is taken of them."""
        must_exist(self.settings.path, self._where)
        found = (
            self._folder.fingerprint(index)
            if self._folder is not None
            else files_digest(index, f"video:{self.settings.path}", [self.settings.path], self._where)
        )
        return canonical.digest_value([found, self._label, self._mark])

    @property
    def _mark(self) -> str:
        facts = {name: value for name, value in asdict(self._wanted).items() if name in _MARKED}
        return canonical.digest_value([VERSION, facts])

    def survey(self) -> Survey:
        """Check that there is something; no recording is opened."""
        must_exist(self.settings.path, self._where)
        if self._folder is not None:
            self._folder.survey()
        how = f"a frame each {self._wanted.every:g} s" if self._wanted.every else "every frame"
        if self._wanted.change is not None:
            how += f" that differs by {self._wanted.change:g}"
        return Survey(
            remarks=(f"{self.settings.location}: {how} is taken, as a JPEG; the frames of a recording stay together",)
        )

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the frames of every recording."""
        for found in self._recordings(columns):
            if isinstance(found, Rejected):
                yield found
                continue
            try:
                digest, size, head = _look(found)
                trouble = _trouble(head, found.path.lower())
            except OSError as error:
                trouble = "unreadable", f"cannot be read: {reason(error)}"
            if trouble is not None:
                yield Rejected(found.path, trouble[0], f"{found.path} {trouble[1]}", 0.9)
                continue
            yield from self._frames(found, digest, size)

    def _decoded(self, recording: Item, size: int) -> Iterator[Frame | Ended]:
        """Decode a recording: where it lies, or from a copy of the member, which has no name and is never left over."""
        request = replace(self._wanted, size=size)
        if recording.file is not None:
            yield from frames(replace(request, target=str(Path(recording.file).resolve())))
            return
        cache = self.settings.store.cache_dir("video")
        with tempfile.TemporaryFile(dir=cache) as copy, stream(recording) as member:
            if size + SPARE > shutil.disk_usage(cache).free:
                raise ModelwrightError(
                    f"{self._where}: {recording.path} has {size:,} bytes, and the disk has no room for its copy",
                    code="disk-full",
                    hint=f"make room on the disk of {cache}, or unpack the archive by hand",
                )
            try:
                shutil.copyfileobj(member, copy, 1 << 20)
                copy.flush()
            except OSError as error:
                raise ModelwrightError(
                    f"{self._where}: no copy of {recording.path} could be written to {cache}: {reason(error)}",
                    code="cannot-write",
                ) from None
            copy.seek(0)
            yield from frames(request, copy.fileno())

    def _recordings(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        if self._folder is None:
            path = self.settings.path
            yield Item(printable(os.fsencode(path.name)), self._label, file=str(path.resolve()))
            return
        for found in self._folder.items(columns):
            if isinstance(found, Item) and not found.path.lower().endswith((*ENDINGS, *_RAW)):
                yield Rejected(found.path, "not-a-video", f"{found.path} is no recording by its name", 0.3)
            elif isinstance(found, Item) and self._label is not None:
                yield replace(found, label=self._label)
            else:
                yield found

    def _frames(self, recording: Item, digest: str, size: int) -> Iterator[Item | Rejected]:
        """Yield a recording's frames: those remembered, or else decoded now."""
        store = self.settings.store
        memory = store.cache_dir("video") / f"{canonical.digest_value([digest, self._mark])[:40]}.json"
        known = _recall(memory, store)
        if known is not None:
            yield from _told(recording, known[0], known[1], store)
            return
        taken: list[tuple[float, str]] = []
        ended = Ended("died")
        for each in self._decoded(recording, size):
            if isinstance(each, Ended):
                ended = each
                continue
            taken.append((each.seconds, store.objects.put(each.jpeg)))
            yield _item(recording, each.seconds, each.jpeg)
        if ended.why not in {"silent", "died"}:  # else it may end better another time
            memory.write_bytes(canonical.dumps({"frames": taken, "ended": asdict(ended)}))
        yield from _issues(recording, ended, len(taken))


def _look(recording: Item) -> tuple[str, int, bytes]:
    """Return a recording's digest, its size and its first bytes."""
    content, size, head = blake3(), 0, b""
    with stream(recording) as file:
        while piece := file.read(1 << 20):
            head = head or piece[:4096]
            size += len(piece)
            content.update(piece)
    return content.hexdigest(), size, head


def _item(recording: Item, seconds: float, jpeg: bytes) -> Item:
    name = f"{recording.path}@{seconds:.3f}"
    return Item(name, recording.label, recording.group or recording.path, raw=jpeg, time=None)


def _told(recording: Item, taken: list[list[Any]], ended: Ended, store: Any) -> Iterator[Item | Rejected]:
    for seconds, digest in taken:
        yield _item(recording, float(seconds), store.objects.get(digest))
    yield from _issues(recording, ended, len(taken))


def _recall(memory: Path, store: Any) -> tuple[list[list[Any]], Ended] | None:
    """Return what a recording gave before, if all of it is still there."""
    try:
        found = json.loads(memory.read_bytes())
        taken, ended = list(found["frames"]), Ended(**found["ended"])
        whole = all(store.objects.has(digest) for _, digest in taken)
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None
    return (taken, ended) if whole else None


def _issues(recording: Item, ended: Ended, taken: int) -> Iterator[Rejected]:
    """Yield what is wrong with a recording, by how its decoding ended."""
    name, facts = recording.path, asdict(ended)
    if ended.why == "closed" or (ended.why == "end" and not ended.read):
        yield Rejected(
            name, "corrupt", f"{name} cannot be opened as a video: damaged, or cut off before its index", 0.9, facts
        )
        return
    if ended.why == "large":
        yield Rejected(name, "too-large", f"{name} has frames of more than 50 million pixels", 0.9, facts)
    elif ended.why == "bomb":
        words = (
            f"{name} has far more frames than its size pays for: the {taken} taken of the first {ended.read} are used "
            "('pixels' lets more through)"
        )
        yield Rejected(name, "too-many-frames", words, 0.8, facts)
    elif ended.why == "again":
        words = f"{name} leads to the same bytes over and over, or to bytes that unpack to far more: none are decoded"
        yield Rejected(name, "too-many-frames", words, 0.9, facts)
    elif ended.why == "silent":
        words = f"{name}: the decoder said nothing for too long after {ended.read} frames; the {taken} before are used"
        yield Rejected(name, "corrupt", words, 0.8, facts)
    elif ended.why == "died":
        words = f"{name}: the decoder broke down on it after {ended.read} frames; the {taken} taken before are used"
        yield Rejected(name, "corrupt", words, 0.8, facts)
    elif ended.why == "end" and ended.announced >= 10 and ended.read < _SHORT * ended.announced:
        words = f"{name} is cut off: {ended.read} of {ended.announced:.0f} frames are there; the {taken} taken are used"
        yield Rejected(name, "truncated", words, 0.6, facts)
    elif ended.why == "most":
        yield Rejected(
            name,
            "too-many-frames",
            f"{name} has more frames than 'most' allows; the first {taken} are used",
            0.3,
            facts,
        )
    if ended.undecoded:
        words = f"{name}: {ended.undecoded} of {ended.read} frames could not be decoded and are left out"
        yield Rejected(f"{name}@", "corrupt", words, 0.5, facts)


def _trouble(head: bytes, name: str) -> tuple[str, str] | None:
    """Return why a file cannot be a recording, from its first bytes: no playlist or picture gets to a decoder."""
    if not head:
        return "empty", "is empty"
    if not _is_video(head, name):
        return "wrong-format", f"is no video that is read here; it begins with {head[:8].hex(' ')}"
    return None


def _is_video(head: bytes, name: str) -> bool:
    """Whether the first bytes are those of a container of moving pictures."""
    return (
        head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}
        or head[:4] in {b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"OggS", b"FLV\x01"}
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:4] == b"0&\xb2u"  # ASF
        or (head[:1] == b"G" and (head[188:189] == b"G" or len(head) < 189))
        or (head[4:5] == b"G" and head[196:197] == b"G")  # M2TS: four bytes of time before each packet
        or (head[:9] == b"YUV4MPEG2" and name.endswith(".y4m"))
        or (head[:2] == b"\xff\xd8" and name.endswith((".mjpeg", ".mjpg")))
        or (head[:3] in {b"\x00\x00\x01", b"\x00\x00\x00"} and name.endswith((".h264", ".264")))
    )


__all__ = ["ENDINGS", "Frame", "VideoSource"]
