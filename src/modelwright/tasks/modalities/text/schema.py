"""What is learned of texts: which words and letters are worth a feature each, and the directions in which texts differ.

Which n-grams: those in most documents. Rare ones can be learned by heart only, and there are far more of them. Counting
is bounded: when a million different n-grams are held, those seen least are forgotten and the floor rises (lossy
counting, Manku and Motwani 2002), so that a frequent one is never lost.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import directions as task_directions
from modelwright.tasks.modalities.text import figures as text_figures
from modelwright.tasks.modalities.text.words import plain_of, words_of

FEATURE_WORDS: Mapping[str, str] = {
    "words": "TF-IDF of words and pairs of words",
    "characters": "TF-IDF of 2 to 4 characters in a row: endings, misspellings, any script",
    "hashing": "3 to 5 characters in a row hashed into 4,096 columns: no vocabulary, sees what training never saw",
    "svd": "64 directions in which the texts differ most (latent semantic analysis) in place of the single n-grams",
    "figures": "length, word length, shares of upper case, digits, symbols, links and repetition",
}
AUTO = ("words", "characters", "figures")
MOST_WIDTH = 16_384
"""Columns of vocabulary at most; four fifths are words, a fifth characters."""
LEAST_WIDTH = 1_024
FILE_BYTES = 1 << 30
"""Bytes that the training features may take on disk: more samples make the vocabulary narrower, down to 1,024."""
WORD_GRAMS = (1, 2)
CHARACTER_GRAMS = (2, 4)
HASHED_GRAMS = (3, 5)
HASHED_WIDTH = 4_096
_HELD = 1_000_000
_COMMON = 0.98
"""Share of documents from which an n-gram says nothing."""
_PAIRS = 0.25
"""Share of the word columns that pairs may take while there are single words left."""
_SAMPLED = 3_000
_SAMPLED_CHARACTERS = 4_096


class Counts:
    """Documents by n-gram, in bounded memory."""

    def __init__(self, held: int = _HELD) -> None:
        self.counts: Counter[str] = Counter()
        self._held = held
        self._floor = 0

    def add(self, grams: Iterable[str]) -> None:
        """Count one document's different n-grams."""
        self.counts.update(grams)
        while len(self.counts) > self._held:
            self._floor += 1
            self.counts = Counter({gram: count for gram, count in self.counts.items() if count > self._floor})

    def best(self, wanted: int, least: int, most: int) -> list[tuple[str, int]]:
        """Return up to ``wanted`` n-grams with their documents, the most frequent first, ties by the alphabet."""
        held = ((-count, gram) for gram, count in self.counts.items() if least <= count <= most)
        return [(gram, -count) for count, gram in heapq.nsmallest(wanted, held)]


def pairs(cut: Sequence[str]) -> Iterator[str]:
    """Yield pairs of neighbouring words."""
    return (f"{one} {other}" for one, other in itertools.pairwise(cut))


def grams(plain: str, shortest: int, longest: int) -> Iterator[str]:
    """Yield all n-grams of characters."""
    for length in range(shortest, longest + 1):
        yield from (plain[start : start + length] for start in range(len(plain) - length + 1))


def chosen(asked: Any) -> tuple[str, ...]:
    """Return the feature words to use, in the order of :data:`FEATURE_WORDS`.

    Raises
    ------
    InputError
        For a word that texts don't have.
    """
    if asked is None or asked == "auto":
        return AUTO
    wanted = [asked] if isinstance(asked, str) else list(asked)
    unknown = [word for word in wanted if word not in FEATURE_WORDS]
    if unknown or not wanted:
        raise InputError(
            f"'features' names {', '.join(map(repr, unknown)) or 'nothing'}; a text has {', '.join(FEATURE_WORDS)}",
            code="unknown-feature",
            hint="or auto",
        )
    if set(wanted) == {"svd"}:
        wanted = ["words", "characters", "svd"]
    if set(wanted) == {"svd", "figures"}:
        wanted = ["words", "characters", "svd", "figures"]
    return tuple(word for word in FEATURE_WORDS if word in wanted)


class Learner:
    """Counts over texts, one after the other; what it gives depends on the texts and their order only."""

    def __init__(self, features: tuple[str, ...]) -> None:
        self.features = features
        self.count = 0
        self.words, self.pairs = Counts(), Counts()
        self.characters = [Counts(_HELD // 2) for _ in range(CHARACTER_GRAMS[0], CHARACTER_GRAMS[1] + 1)]
        self.sample: list[tuple[int, int, str, str]] = []
        """A heap of ``(-digest, number, words, characters)``: the texts with the smallest digests."""
        self._sums = np.zeros(len(text_figures.LEARNED))
        self._squares = np.zeros(len(text_figures.LEARNED))

    def add(self, words: NDArray[Any], characters: NDArray[np.int32], figures: NDArray[np.float32]) -> None:
        """Take one text: a row of each tensor."""
        cut, plain = words_of(words), plain_of(characters)
        self.count += 1
        if "words" in self.features:
            self.words.add(set(cut))
            self.pairs.add(set(pairs(cut)))
        if "characters" in self.features:
            for length, held in enumerate(self.characters, CHARACTER_GRAMS[0]):
                held.add(set(grams(plain, length, length)))
        values = learned(figures[None])[0].astype(np.float64)
        self._sums += values
        self._squares += values * values
        self._remember(cut, plain)

    def _remember(self, cut: Sequence[str], plain: str) -> None:
        mark = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        entry = (-int.from_bytes(mark, "big"), self.count)
        if len(self.sample) == _SAMPLED and entry <= self.sample[0][:2]:
            return
        plain = plain[:_SAMPLED_CHARACTERS]
        held = (*entry, " ".join(cut[: _SAMPLED_CHARACTERS // 4]), plain)
        (heapq.heappushpop if len(self.sample) == _SAMPLED else heapq.heappush)(self.sample, held)

    def scales(self) -> tuple[list[float], list[float]]:
        """Return mean and deviation of each learned figure."""
        mean = self._sums / self.count
        variance = np.maximum(self._squares / self.count - mean * mean, 0.0)
        deviation = np.sqrt(variance)
        return [float(value) for value in mean], [float(value) if value > 1e-9 else 1.0 for value in deviation]


def learned(figures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(n, k)``: the figures that models learn from, counts as ``log(1 + x)``."""
    values = figures[:, text_figures.columns(text_figures.LEARNED)]
    logged = np.array([name in text_figures.LOGGED for name in text_figures.LEARNED])
    return np.where(logged, np.log1p(values), values).astype(np.float32)


def learn(learner: Learner, samples: int, width: int | None) -> dict[str, Any]:
    """Return the schema without the directions (:func:`directions`).

    Parameters
    ----------
    samples
        Training samples, of which the learner may have seen a part.
    width
        Columns of vocabulary at most; None: as many as fit.
    """
    if not learner.count:
        raise InputError("no text could be read, so there is nothing to learn from", code="no-samples")
    fits = max(LEAST_WIDTH, FILE_BYTES // (4 * max(samples, 1)))
    most = min(MOST_WIDTH, fits) if width is None else width
    least = 2 if learner.count >= 50 else 1
    common = int(_COMMON * learner.count) if learner.count >= 50 else learner.count
    both = {"words", "characters"} <= set(learner.features)
    schema: dict[str, Any] = {"features": list(learner.features), "samples": samples, "documents": learner.count}
    reasons: list[str] = []
    if "words" in learner.features:
        room = most * 4 // 5 if both else most
        single = learner.words.best(room, least, common)
        double = learner.pairs.best(room, least, common)
        keep = max(int(_PAIRS * room), room - len(single))
        double = double[:keep]
        single = single[: room - len(double)]
        schema["words"] = _terms([single, double])
        reasons.append(f"{len(single):,} words and {len(double):,} pairs of words")
    if "characters" in learner.features:
        room = most - most * 4 // 5 if both else most
        found = [held.best(room, least, common) for held in learner.characters]
        ranked = sorted(((-count, gram) for each in found for gram, count in each))[:room]
        inside = {gram for _, gram in ranked}
        schema["characters"] = _terms([[one for one in each if one[0] in inside] for each in found])
        reasons.append(f"{len(inside):,} sequences of characters")
    if not any(schema.get(name, {}).get("terms", True) for name in ("words", "characters")):
        raise InputError(
            f"none of the {learner.count:,} texts holds a word that comes up {least} times",
            code="no-samples",
            hint="is it the right column, or the right folder?",
        )
    if "hashing" in learner.features:
        schema["hashing"] = HASHED_WIDTH
        reasons.append(f"{HASHED_WIDTH:,} columns of hashed characters")
    mean, std = learner.scales()
    schema["figures"] = {"names": list(text_figures.LEARNED), "mean": mean, "std": std}
    capped = "" if most == MOST_WIDTH else f", at most {most:,} so that {samples:,} samples take 1 GiB on disk"
    schema["reason"] = (
        f"{', '.join(reasons)}: those in most of {learner.count:,} texts, in at least {least}{capped}"
        if reasons
        else "figures only: the spec names no other features"
    )
    return schema


def _terms(by_length: Sequence[Sequence[tuple[str, int]]]) -> dict[str, Any]:
    return {
        "terms": [gram for each in by_length for gram, _ in each],
        "documents": [count for each in by_length for _, count in each],
        "lengths": [len(each) for each in by_length],
    }


def idf(schema: Mapping[str, Any], name: str) -> NDArray[np.float32]:
    """Return ``(d,)``: ``ln((1 + n) / (1 + documents)) + 1``, as scikit-learn has it (``smooth_idf``)."""
    documents = np.array(schema[name]["documents"], np.float64)
    return np.asarray(np.log((1.0 + schema["documents"]) / (1.0 + documents)) + 1.0, np.float32)


def directions(features: Iterable[NDArray[np.float32]]) -> dict[str, Any]:
    """Return the directions in which a sample's texts differ most (latent semantic analysis).

    Parameters
    ----------
    features
        Blocks ``(m, d)``, mostly zeros.
    """
    from scipy import sparse

    matrix = sparse.vstack([sparse.csr_matrix(each, dtype=np.float64) for each in features]).tocsr()
    rank = min(task_directions.RANK, min(matrix.shape) - 1)
    if rank < 1 or not matrix.nnz:
        return task_directions.none()
    return task_directions.whole(task_directions.leading(matrix, rank, 4)[1])
