"""What texts say of each other, from their sketches: other languages, and what stands on every text.

Nothing is downloaded and no language is known: what is foreign is what the data set itself hardly ever says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.abilities import Shared
from modelwright.tasks.modalities.text import sketch as text_sketch
from modelwright.tasks.modalities.text.words import SCRIPTS

LEAST = 50
"""Texts needed to say what is usual."""
USUAL = 0.8
"""Share of texts in one script from which others are strangers."""
FAR = 5.0
"""Robust deviations below the median commonness of words from which a text is taken for another language's."""
FREQUENT = 200
"""Words that make up about half of any language's texts."""
COVERED = 0.15
"""Share of a text's words among the frequent ones, above which it is not foreign, however rare the others are."""
WORDS = 8
"""Words needed to judge a text by."""
REPEATED = 0.02
"""Share of different texts that begin or end alike from which that is boilerplate; at least 10 texts."""


def strangers(sketches: NDArray[np.uint8]) -> list[Shared]:
    """Return ``wrong-language``: another script than nearly all texts', or words that the others don't use."""
    if len(sketches) < LEAST:
        return []
    codes = text_sketch.scripts(sketches)
    written = codes > 0
    found: list[Shared] = []
    if not written.any():
        return found
    counts = np.bincount(codes[written], minlength=len(SCRIPTS))
    main = int(counts.argmax())
    share = counts[main] / counts.sum()
    if share >= USUAL:
        for code in np.flatnonzero(counts):
            if code != main:
                message = f"is written in {SCRIPTS[code]}; {share:.1%} of the texts are in {SCRIPTS[main]}"
                found.append(Shared("wrong-language", 0.5, message, np.flatnonzero(codes == code)))
    far, cover = commonness(text_sketch.first_words(sketches))
    odd = np.flatnonzero((far < -FAR) & (cover <= COVERED) & (codes == main))
    message = (
        f"hardly uses a word of the {FREQUENT} that make up most of the other texts: another language, or no words"
    )
    return [*found, Shared("wrong-language", 0.4, message, odd)] if len(odd) else found


def commonness(words: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how common a text's words are among all texts, and the share of frequent ones among them.

    The first is the mean logarithm of the share of texts that hold a word, in robust deviations from the median; 0 for
    texts of fewer than eight words.

    Parameters
    ----------
    words
        ``(n, 48)`` hashes of the first words, 0 where there are no more.
    """
    count, width = words.shape
    there = words > 0
    rows = np.repeat(np.arange(count), width)[there.ravel()]
    pairs = np.unique(rows * 65_536 + words[there])
    documents = np.bincount(pairs % 65_536, minlength=65_536)
    frequent = np.zeros(65_536, bool)
    frequent[np.argsort(-documents, kind="stable")[:FREQUENT]] = True
    frequent &= documents >= max(2, 0.005 * count)
    held = np.maximum(there.sum(1), 1)
    logs = np.log((documents + 1.0) / count)
    mean = np.where(there, logs[words], 0.0).sum(1) / held
    cover = (frequent[words] & there).sum(1) / held
    enough = there.sum(1) >= WORDS
    if enough.sum() < LEAST:
        return np.zeros(count), cover
    middle = np.median(mean[enough])
    spread = 1.4826 * float(np.median(np.abs(mean[enough] - middle)))
    return np.where(enough, (mean - middle) / (spread or 1.0), 0.0), cover


def marked_up(sketches: NDArray[np.uint8]) -> list[Shared]:
    """Return ``markup``: texts that hold remains of HTML or of escapes, all together; nothing where all of them do."""
    places = np.flatnonzero(text_sketch.markup(sketches))
    if not len(places) or len(places) == len(sketches):
        return []
    share = len(places) / len(sketches)
    message = (
        f"{len(places):,} texts ({share:.1%}) hold remains of markup: tags, entities such as &lt; and #39;, or escapes "
        "(a backslash before a sign, or where a line ended)"
    )
    return [Shared("markup", 0.3, message, places, single=False)]


def boilerplate(sketches: NDArray[np.uint8]) -> list[Shared]:
    """Return ``boilerplate``: the same five words at the beginning, or the end, of many different texts."""
    found = []
    marks = text_sketch.ends(sketches)
    same = text_sketch.least_hashes(sketches)
    for side, word in enumerate(("begin", "end")):
        mine = np.flatnonzero(marks[:, side])
        if len(mine) < LEAST:
            continue
        # Copies of one text begin alike, and are another trouble.
        _, first = np.unique(np.stack([marks[mine, side], same[mine]], 1), axis=0, return_index=True)
        different = mine[np.sort(first)]
        values, counts = np.unique(marks[different, side], return_counts=True)
        for number in np.flatnonzero(counts >= max(10, REPEATED * len(different))):
            places = np.flatnonzero(marks[:, side] == values[number])
            share = counts[number] / len(different)
            message = f"{counts[number]:,} different texts ({share:.1%}) {word} with the same five words"
            found.append(Shared("boilerplate", round(min(0.2 + share, 0.6), 3), message, places, single=False))
    return found
