"""A text in 360 bytes: what near-duplicates, outliers, boilerplate and other languages are found by.

- *MinHash* (Broder 1997) of words and pairs of words, 16 bits of each of 64 smallest values (b-bit minwise hashing, Li
  and König 2010): how much two texts share is about the share of values that agree.
- *Hash*: one bit of each of these values. Texts that share the part J differ in about 32 (1 - J) bits: 3 of 64 at 0.9,
  where SimHash (Charikar 2002) differs in 6, and more than the search for neighbours reaches as often as not.
- *Topic*: 96 bytes of hashed words, short ones weighing less.
- *Words*: 16 bits of each of the first 48 words: whether they are words that the other texts use.
- *Ends*: marks of the first five and the last five words, for what is on every text.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Sketch

HASHES = 64
WIDTH = 96
WORDS = 48
ENDS = 2
"""First five words, last five words."""
_TOPIC, _WORDS = 2 * HASHES, 2 * HASHES + WIDTH
_ENDS = _WORDS + 2 * WORDS
BYTES = _ENDS + 8 * ENDS + 8
LEAST_WORDS = 4
"""A text of fewer words is never called a near-duplicate: "ok" and "yes" come up by themselves."""
_SHINGLES = 2_000
_END_WORDS = 5
_RANDOM = np.random.default_rng(20_260_101)
_FACTORS = _RANDOM.integers(1, 2**63, HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFTS = _RANDOM.integers(0, 2**63, HASHES, dtype=np.uint64)


@lru_cache(maxsize=1 << 16)
def mark(text: str) -> int:
    """Return 64 bits of a text, the same everywhere."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def sketch(cut: Sequence[str], plain: str, script: int, markup: int) -> Sketch:
    """Return the sketch of a text.

    Parameters
    ----------
    cut, plain
        Its words, and its characters in normal form.
    script
        Code of its commonest script.
    markup
        Remains of HTML in it.
    """
    head = cut[:_SHINGLES]
    alone = np.array([mark(word) for word in head], np.uint64)
    both = (alone[:-1] * np.uint64(0x9E3779B97F4A7C15)) ^ (alone[1:] << np.uint64(1))
    shingles = np.unique(np.concatenate([alone, both]))
    least = np.zeros(HASHES, np.uint16)
    if len(shingles):
        mixed = shingles[None, :] * _FACTORS[:, None] + _SHIFTS[:, None]
        least = (mixed.min(1) >> np.uint64(24)).astype(np.uint16)
    first = np.zeros(WORDS, "<u2")
    first[: len(alone[:WORDS])] = np.maximum(alone[:WORDS] & np.uint64(0xFFFF), 1)
    ends = np.zeros(ENDS, "<u8")
    if len(cut) > 2 * _END_WORDS:
        ends[:] = mark(" ".join(cut[:_END_WORDS])), mark(" ".join(cut[-_END_WORDS:]))
    tail = struct.pack("<BBHI", script, min(markup, 255), min(len(cut), 65_535), len(plain))
    data = least.astype("<u2").tobytes() + _topic(head, alone).tobytes() + first.tobytes() + ends.tobytes() + tail
    hashed = int.from_bytes(np.packbits((least & 1).astype(bool)).tobytes(), "big")
    return Sketch(hashed if len(cut) >= LEAST_WORDS else None, data)


def _topic(cut: Sequence[str], alone: NDArray[np.uint64]) -> NDArray[np.int8]:
    """Return ``(96,)``: words by hash and with a sign, the sum of their weights, scaled to -127 … 127."""
    made = np.zeros(WIDTH)
    if len(cut):
        values, first, counts = np.unique(alone, return_index=True, return_counts=True)
        weights = np.array([_weight(cut[place]) for place in first.tolist()]) * (1.0 + np.log(counts))
        signs = np.where(values >> np.uint64(63), 1.0, -1.0)
        np.add.at(made, (values % np.uint64(WIDTH)).astype(np.int64), signs * weights)
    top = np.abs(made).max()
    return np.round(made / (top or 1.0) * 127).astype(np.int8)


def _weight(word: str) -> float:
    """Return how much a word says: in every alphabet the commonest are short (Zipf 1935)."""
    return 1.0 if word[0] >= "\u2e80" else _WEIGHTS[min(len(word), len(_WEIGHTS) - 1)]


_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.7, 0.9, 1.0)


def shared(one: bytes, other: bytes) -> float:
    """Return about which share of their words and pairs two texts have in common (Jaccard), 0..1."""
    left = np.frombuffer(one, "<u2", HASHES)
    right = np.frombuffer(other, "<u2", HASHES)
    return float((left == right).mean())


def alike(one: bytes, other: bytes, agreement: float) -> bool:
    """Whether two texts are one text changed little; short ones must share more, where a word is much of the text."""
    words = min(_parts(one), _parts(other))
    # One word changed of w takes 3 of about 2w words and pairs away on each side.
    changed = max(1.0, 0.04 * words)
    asked = (2 * words - 1 - 3 * changed) / (2 * words - 1 + 3 * changed) if words > LEAST_WORDS else 1.0
    return shared(one, other) >= max(0.4, min(asked, 0.85) * agreement / 0.9) - 0.03


def _parts(data: bytes) -> int:
    """Return a sketch's number of words."""
    return int(struct.unpack_from("<H", data, BYTES - 6)[0])


def topics(sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, 96) float32`` of ``(n, BYTES)`` sketches, each row of length 1, or 0 where there are no words."""
    values = np.ascontiguousarray(sketches[:, _TOPIC:_WORDS]).view(np.int8).astype(np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9))


def first_words(sketches: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return ``(n, 48)`` 16 bits of each of the first words; 0: none."""
    return np.ascontiguousarray(sketches[:, _WORDS:_ENDS]).view("<u2").astype(np.int64)


def ends(sketches: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return ``(n, 2)`` marks of the first words and of the last ones; 0: the text has not both."""
    return np.ascontiguousarray(sketches[:, _ENDS:-8]).view("<u8")


def least_hashes(sketches: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return ``(n,)`` a part of the MinHash: equal texts have equal ones."""
    return np.ascontiguousarray(sketches[:, :8]).view("<u8")[:, 0]


def markup(sketches: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return ``(n,)`` remains of markup, up to 255."""
    return sketches[:, -7].astype(np.int64)


def scripts(sketches: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return ``(n,)`` codes of the commonest script."""
    return sketches[:, -8].astype(np.int64)
