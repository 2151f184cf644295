"""Pictures and labels in arrays: IDX (the format of MNIST) and NumPy's ``.npy`` and ``.npz``, also compressed.

Nothing is unpickled. What a header claims is checked against the file's size before anything is read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.store.packed.base import Member, MemberError, damaged
from modelwright.store.packed.png import encode
from modelwright.store.packed.unpacked import copy_of, unpacked
from modelwright.store.packed.zips import ZipMembers

_IDX = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_LONGEST_HEADER = 64 << 10
"""Bytes of the header of a ``.npy`` file; those of pictures have 118."""
IMAGES = ("x_train", "images", "x", "train_images", "data", "arr_0")
LABELS = ("y_train", "labels", "y", "train_labels", "target", "targets", "arr_1")
"""Names that arrays in an ``.npz`` usually have."""


def open_array(path: Path, cache: Path, part: str | None = None) -> NDArray[Any]:
    """Return an array on disk, memory-mapped and read-only.

    Parameters
    ----------
    path
        An IDX or ``.npy`` file, or an ``.npz``; compressed ones are unpacked to ``cache``.
    part
        Name of the array in an ``.npz``.

    Raises
    ------
    modelwright.errors.InputError
        If it is none of them, or not as long as its header says.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(4) == b"PK\x03\x04"
        plain = _part_of(path, cache, part) if packed else unpacked(path, cache)
        with plain.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or '').lower()}", code="unreadable") from None
    if head[:6] == b"\x93NUMPY":
        return _numpy(path, plain, head)
    if head[:2] == b"\0\0" and len(head) >= 4 and head[2] in _IDX:
        return _idx(path, plain)
    raise InputError(
        f"{path} is neither an IDX nor a NumPy file", code="wrong-format", hint="such as .npy, .npz, .idx.gz"
    )


def _numpy(path: Path, plain: Path, head: bytes) -> NDArray[Any]:
    """Map a ``.npy``; its header (numpy.lib.format) is a Python literal, which may be damaged in any way there is."""
    length = int.from_bytes(head[8:10] if head[6:7] == b"\x01" else head[8:12], "little")
    if length > _LONGEST_HEADER:
        raise damaged(path, f"its header claims to have {length:,} bytes")
    try:
        made: NDArray[Any] = np.load(plain, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - tokenizer, parser and dtype errors, and what they let through
        raise damaged(path, str(error).split("\n", 1)[0][:200] or type(error).__name__) from None
    return made


def parts_of(path: Path) -> list[str]:
    """Return the names of the arrays in an ``.npz``; nothing for other files."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return []
    archive = ZipMembers(path)
    try:
        return [each.name.decode("utf-8", "replace").removesuffix(".npy") for each in archive.members()]
    finally:
        archive.close()


def _part_of(path: Path, cache: Path, part: str | None) -> Path:
    archive = ZipMembers(path)
    try:
        members: dict[str, Member] = {
            each.name.decode("utf-8", "replace").removesuffix(".npy"): each for each in archive.members()
        }
        if part not in members:
            raise InputError(
                f"{path} has no array {part!r}; it has: {', '.join(sorted(members)[:12])}", code="missing-column"
            )
        # A picture array may be far larger than a member that is one sample: it is unpacked, not read.
        member = members[part]
        if member.problem.startswith("too-large"):
            member = Member(member.name, member.size, member.offset, member.packed, member.method, member.checksum)
        return copy_of(path, part, archive.stream(member), cache)
    except MemberError as error:
        raise damaged(path, f"the array {part!r} {error.message}") from None
    finally:
        archive.close()


def _idx(path: Path, plain: Path) -> NDArray[Any]:
    with plain.open("rb") as file:
        head = file.read(4 + 4 * 8)
    dimensions = head[3]
    if not 1 <= dimensions <= 4 or len(head) < 4 + 4 * dimensions:
        raise damaged(path, f"its header claims {dimensions} dimensions")
    shape = struct.unpack_from(f">{dimensions}I", head, 4)
    kind = np.dtype(_IDX[head[2]])
    wanted = 4 + 4 * dimensions + kind.itemsize * int(np.prod(shape, dtype=object))
    size = plain.stat().st_size
    if size != wanted:
        raise damaged(
            path, f"its header claims {' × '.join(map(str, shape))} values ({wanted:,} bytes), it has {size:,}"
        )
    if 0 in shape:
        return np.empty(shape, kind)
    made: NDArray[Any] = np.memmap(plain, kind, "r", 4 + 4 * dimensions, shape)
    return made


class ArrayPictures:
    """The pictures of an array, as PNG files.

    Parameters
    ----------
    path, cache, part
        See :func:`open_array`.

    Raises
    ------
    modelwright.errors.InputError
        If the array holds no pictures: ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)`` of 8-bit values.
    """

    def __init__(self, path: Path, cache: Path, part: str | None = None) -> None:
        array = open_array(path, cache, part)
        self.turned = array.ndim == 4 and array.shape[3] > 4 and array.shape[1] in {1, 3}
        if self.turned:
            array = array.transpose(0, 2, 3, 1)
        if array.dtype != np.uint8 or array.ndim not in {3, 4} or (array.ndim == 4 and not 1 <= array.shape[3] <= 4):
            shape = " × ".join(map(str, array.shape))
            raise InputError(
                f"{path} holds {shape} values of type {array.dtype}; pictures are n × height × width (× channels) "
                "values from 0 to 255 (uint8)",
                code="wrong-format",
                hint="save it again with astype(numpy.uint8)",
            )
        self._array = array
        self._path = path

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def png(self, place: int) -> bytes:
        """Return picture ``place`` as a PNG file."""
        return encode(np.asarray(self._array[place]))

    def read(self, name: str) -> bytes:
        """Return a picture by its name, ``<file>#<number from 1>``."""
        number = name.rpartition("#")[2]
        if not number.isdecimal() or not 1 <= int(number) <= len(self):
            raise MemberError("unreadable", f"is not in {self._path.name}")
        return self.png(int(number) - 1)

    def close(self) -> None:
        """Nothing: the file is mapped."""
