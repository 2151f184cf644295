"""Scans by column: what passes over many samples found, as a few arrays and no object for each.

Nearly all scans of a modality look the same: a hash, a sketch, the same measures, nothing wrong. One that is different
(a broken file, a remark about it, other measures) is kept whole beside the columns.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelwright.prepare.scan.sample_scan import Scan, pack, unpack

HASH, SKETCH, ODD = 1, 2, 4
"""What a sample's flags say: it has a hash, a sketch; its scan is kept whole."""
_LENGTH = struct.Struct("<I")


@dataclass
class Columns:
    """What was found of ``n`` samples.

    Parameters
    ----------
    digests
        ``(n, 32) uint8``.
    hashes
        ``(n,) uint64``, 0 where there is none.
    flags
        ``(n,) uint8``.
    names
        Measures, in their order.
    measures
        ``(len(names), n) float64``, NaN for those that are kept whole.
    sketches
        ``(n, width) uint8``, zeros where there is none.
    whole
        Place to the scan, without its sketch, of those that are kept whole.
    """

    digests: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    names: tuple[str, ...]
    measures: NDArray[np.float64]
    sketches: NDArray[np.uint8]
    whole: dict[int, Scan] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.digests)

    @classmethod
    def of(cls, scans: Sequence[Scan]) -> Self:
        """Return scans by column."""
        names = next((tuple(scan.measures) for scan in scans if _plain(scan)), ())
        width = next((len(scan.sketch) for scan in scans if scan.sketch), 0)
        count = len(scans)
        made = cls(
            digest_array([scan.digest for scan in scans]),
            np.array([scan.hash or 0 for scan in scans], np.uint64),
            np.zeros(count, np.uint8),
            names,
            np.full((len(names), count), np.nan),
            np.zeros((count, width), np.uint8),
        )
        for place, scan in enumerate(scans):
            if scan.sketch is not None and len(scan.sketch) == width:
                made.flags[place] |= SKETCH
                made.sketches[place] = np.frombuffer(scan.sketch, np.uint8)
            if scan.hash is not None:
                made.flags[place] |= HASH
            if _plain(scan) and tuple(scan.measures) == names:
                made.measures[:, place] = list(scan.measures.values())
            else:
                made.put_whole(place, scan)
        return made

    def put_whole(self, place: int, scan: Scan) -> None:
        """Keep a scan whole; its hash and sketch stand in the columns already."""
        self.flags[place] |= ODD
        self.whole[place] = replace(scan, sketch=None)

    def scans(self) -> list[Scan]:
        """Return a scan for each sample."""
        made = []
        measures = self.measures.T.tolist()
        for place, (raw, hash_, flag) in enumerate(
            zip(self.digests, self.hashes.tolist(), self.flags.tolist(), strict=True)
        ):
            sketch = self.sketches[place].tobytes() if flag & SKETCH else None
            if flag & ODD:
                made.append(replace(self.whole[place], sketch=sketch))
                continue
            values = dict(zip(self.names, measures[place], strict=True))
            made.append(Scan(raw.tobytes().hex(), measures=values, hash=hash_ if flag & HASH else None, sketch=sketch))
        return made

    def picked(self, places: NDArray[np.int64]) -> Columns:
        """Return some samples, in the order of ``places``."""
        whole = {new: self.whole[old] for new, old in enumerate(places.tolist()) if old in self.whole}
        return Columns(
            self.digests[places],
            self.hashes[places],
            self.flags[places],
            self.names,
            self.measures[:, places],
            self.sketches[places],
            whole,
        )

    def fits(self, other: Columns) -> bool:
        """Say whether both hold the same measures, and sketches of one size."""
        return self.names == other.names and self.sketches.shape[1] == other.sketches.shape[1]

    def frame(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return facts and columns as a journal keeps them; :meth:`of_frame` takes them."""
        whole = [pack(self.whole[place]) for place in sorted(self.whole)]
        columns: dict[str, NDArray[Any]] = {
            "digest": self.digests,
            "hash": self.hashes,
            "flags": self.flags,
            "measures": self.measures,
            "whole": np.frombuffer(b"".join(whole), np.uint8),
            "sketch": self.sketches,
        }
        return {"measures": list(self.names), "whole": [len(each) for each in whole]}, columns

    @classmethod
    def of_frame(cls, facts: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> Self:
        """Return what :meth:`frame` gave."""
        digests, flags, data = columns["digest"], columns["flags"], columns["whole"].tobytes()
        whole, end = {}, 0
        for place, length in zip(np.flatnonzero(flags & ODD).tolist(), facts["whole"], strict=True):
            whole[place] = unpack(digests[place].tobytes().hex(), data[end : end + length])
            end += length
        names, measures = tuple(facts["measures"]), columns["measures"]
        return cls(digests, columns["hash"], flags, names, measures, columns["sketch"], whole)

    def message(self) -> list[bytes | memoryview]:
        """Return them as bytes to send, piece by piece: a length, JSON of what follows, the columns."""
        facts, columns = self.frame()
        told = [[name, values.dtype.str, list(values.shape)] for name, values in columns.items()]
        head = json.dumps([facts, told]).encode()
        raw = [np.ascontiguousarray(values).reshape(-1).view(np.uint8).data for values in columns.values()]
        return [_LENGTH.pack(len(head)) + head, *raw]

    @classmethod
    def of_message(cls, data: bytes) -> Self:
        """Return what :meth:`message` gave, all in one; nothing is copied."""
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        facts, told = json.loads(data[_LENGTH.size : end])
        columns = {}
        for name, dtype, shape in told:
            count = int(np.prod(shape, dtype=np.int64))
            columns[name] = np.frombuffer(data, dtype, count, end).reshape(shape)
            end += columns[name].nbytes
        return cls.of_frame(facts, columns)


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the same samples in one; where parts differ in what they hold, those of the first stand in columns."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if not all(each.fits(first) for each in parts):
        return Columns.of([scan for each in parts for scan in each.scans()])
    whole, start = {}, 0
    for each in parts:
        whole.update({start + place: scan for place, scan in each.whole.items()})
        start += len(each)
    return Columns(
        np.concatenate([each.digests for each in parts]),
        np.concatenate([each.hashes for each in parts]),
        np.concatenate([each.flags for each in parts]),
        first.names,
        np.concatenate([each.measures for each in parts], 1),
        np.concatenate([each.sketches for each in parts]),
        whole,
    )


def digest_array(digests: Sequence[str]) -> NDArray[np.uint8]:
    """Return hexadecimal digests as ``(n, 32) uint8``."""
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)


def _plain(scan: Scan) -> bool:
    return not scan.problems and not scan.fatal
