"""A text in 296 bytes: what near-duplicates, outliers, boilerplate and other languages are found by.

- *Hash*: SimHash (Charikar 2002) of 64 bits over words and pairs of words, each counted once.
- *MinHash* (Broder 1997), 16 bits of the 64 smallest values (b-bit minwise hashing, Li and König 2010): how much two
  texts share of their words and pairs is about the share of values that agree.
- *Profile*: 64 bytes of hashed words, what it is about, and 64 of hashed letter pairs and triples, the language.
- *Ends*: marks of the first and last five words and of the first and last line, for what is on every text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.base import Sketch

HASHES = 64
WIDTH = 64
ENDS = 4
"""First five words, last five words, first line, last line."""
BYTES = 2 * HASHES + 2 * WIDTH + 8 * ENDS + 8
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


def sketch(cut: Sequence[str], plain: str, script: int, lines: int) -> Sketch:
    """Return the sketch of a text.

    Parameters
    ----------
    cut, plain
        Its words, and its characters in normal form.
    script
        Code of its commonest script.
    lines
        Lines that hold something.
    """
    head = cut[:_SHINGLES]
    alone = np.array([mark(word) for word in head], np.uint64)
    shingles = np.unique(
        np.concatenate([alone, (alone[:-1] * np.uint64(0x9E3779B97F4A7C15)) ^ (alone[1:] << np.uint64(1))])
    )
    hashed = None
    least = np.zeros(HASHES, np.uint16)
    if len(shingles):
        mixed = shingles[None, :] * _FACTORS[:, None] + _SHIFTS[:, None]
        least = (mixed.min(1) >> np.uint64(24)).astype(np.uint16)
    if len(cut) >= LEAST_WORDS:
        hashed = simhash(shingles)
    ends = np.zeros(ENDS, np.uint64)
    if len(cut) > 2 * _END_WORDS:
        ends[0], ends[1] = mark(" ".join(cut[:_END_WORDS])), mark(" ".join(cut[-_END_WORDS:]))
    tail = np.array(
        [script, min(lines, 255), *np.array([min(len(cut), 65_535)], "<u2").view(np.uint8), *_short(plain)], np.uint8
    )
    data = least.astype("<u2").tobytes() + _profile(_topic(alone)).tobytes() + _profile(language(plain)).tobytes()
    return Sketch(hashed, data + ends.astype("<u8").tobytes() + tail.tobytes())


def _short(plain: str) -> NDArray[np.uint8]:
    return np.array([min(len(plain), 2**32 - 1)], "<u4").view(np.uint8)


def simhash(shingles: NDArray[np.uint64]) -> int:
    """Return the 64 signs of the sum of ``shingles``' bits, each as ±1."""
    bits = np.unpackbits(shingles.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1)
    signs = 2 * bits.sum(0, dtype=np.int64) > len(shingles)
    return int.from_bytes(np.packbits(signs).tobytes(), "big")


def _topic(alone: NDArray[np.uint64]) -> NDArray[np.float64]:
    values, counts = np.unique(alone, return_counts=True)
    return _spread(values, 1.0 + np.log(counts) if len(counts) else counts)


def language(plain: str) -> NDArray[np.float64]:
    """Return ``(64,)``: letter pairs and triples, by hash and with a sign; digits and signs left out."""
    letters = "".join(char if char.isalpha() else " " for char in plain[:4096])
    letters = " " + " ".join(letters.split()) + " "
    grams: Counter[str] = Counter(letters[at : at + 2] for at in range(len(letters) - 1))
    grams.update(letters[at : at + 3] for at in range(len(letters) - 2))
    values = np.array([mark(gram) for gram in grams], np.uint64)
    return _spread(values, np.sqrt(np.array(list(grams.values()), np.float64)))


def _spread(values: NDArray[np.uint64], weights: Iterable[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.zeros(WIDTH)
    if len(values):
        signs = np.where(values >> np.uint64(63), 1.0, -1.0)
        np.add.at(made, (values % np.uint64(WIDTH)).astype(np.int64), signs * np.asarray(weights))
    return made


def _profile(values: NDArray[np.float64]) -> NDArray[np.int8]:
    top = np.abs(values).max()
    return np.zeros(WIDTH, np.int8) if top == 0 else np.round(values / top * 127).astype(np.int8)


def shared(one: bytes, other: bytes) -> float:
    """Return about which share of their words and pairs two texts have in common (Jaccard), 0..1."""
    left = np.frombuffer(one, "<u2", HASHES)
    right = np.frombuffer(other, "<u2", HASHES)
    return float((left == right).mean())


def alike(one: bytes, other: bytes, agreement: float) -> bool:
    """Whether two texts are one text changed little; short ones must share more, where a word is much of the text."""
    words = min(_parts(one)[0], _parts(other)[0])
    # One word changed of w takes 3 of about 2w words and pairs away on each side.
    changed = max(1.0, 0.04 * words)
    asked = (2 * words - 1 - 3 * changed) / (2 * words - 1 + 3 * changed) if words > LEAST_WORDS else 1.0
    return shared(one, other) >= max(0.4, min(asked, 0.85) * agreement / 0.9) - 0.03


def _parts(data: bytes) -> tuple[int, int]:
    tail = np.frombuffer(data, np.uint8)[-8:]
    return int(tail[2:4].view("<u2")[0]), int(tail[0])


def profiles(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return topic and language ``(n, 64) float32`` of ``(n, BYTES)`` sketches, each row of length 1."""
    made = []
    for start in (2 * HASHES, 2 * HASHES + WIDTH):
        values = np.ascontiguousarray(sketches[:, start : start + WIDTH]).view(np.int8).astype(np.float32)
        made.append(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9))
    return made[0], made[1]


def ends(sketches: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return ``(n, 4)`` marks of first words, last words; 0: too short to have both."""
    start = 2 * HASHES + 2 * WIDTH
    return np.ascontiguousarray(sketches[:, start : start + 8 * ENDS]).view("<u8")


def tails(sketches: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return script codes, words and characters, each ``(n,)``."""
    tail = np.ascontiguousarray(sketches[:, -8:])
    words = np.ascontiguousarray(tail[:, 2:4]).view("<u2")[:, 0].astype(np.int64)
    return tail[:, 0].astype(np.int64), words, np.ascontiguousarray(tail[:, 4:]).view("<u4")[:, 0].astype(np.int64)
