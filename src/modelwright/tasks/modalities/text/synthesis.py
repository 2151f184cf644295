"""New texts from real ones: slips of the fingers, words left out or swapped, two halves joined.

Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", for
words; Belinkov and Bisk 2018, "Synthetic and Natural Noise Both Break Neural Machine Translation", for characters.
No dictionary and no language is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modelwright.tasks.abilities import Way

WAYS: Mapping[str, Way] = {
    "typos": Way("one letter in thirty left out, doubled, or swapped with the next", moves=True),
    "dropout": Way("one word in ten left out", moves=True),
    "swap": Way("a few neighbouring words in the other order", moves=True),
    "case": Way("another case: all small, all capital, or the first letter only"),
    "join": Way("the first half of one text and the second half of another one", second=True, moves=True, between=True),
}
_PIECES = re.compile(r"\s+|\S+")


def synthesize(texts: Sequence[str], way: str, random: np.random.Generator) -> str:
    """Return a new text from one text, or from two for ``join``; never an empty one from one that isn't.

    Raises
    ------
    KeyError
        For a way that isn't in :data:`WAYS`.
    """
    made_by: Mapping[str, Callable[[], str]] = {
        "typos": lambda: _typos(texts[0], random),
        "dropout": lambda: _dropout(texts[0], random),
        "swap": lambda: _swap(texts[0], random),
        "case": lambda: _case(texts[0], random),
        "join": lambda: _join(texts[0], texts[1]),
    }
    made = made_by[way]()
    return made if made.strip() else texts[0]


def _typos(text: str, random: np.random.Generator) -> str:
    out: list[str] = []
    letters = list(text)
    place = 0
    while place < len(letters):
        letter = letters[place]
        if letter.isalpha() and random.random() < 1 / 30:
            slip = int(random.integers(0, 3))
            if slip == 1:
                out += [letter, letter]
            elif slip == 2 and place + 1 < len(letters) and letters[place + 1].isalpha():
                out += [letters[place + 1], letter]
                place += 1
        else:
            out.append(letter)
        place += 1
    return "".join(out)


def _dropout(text: str, random: np.random.Generator) -> str:
    pieces = _PIECES.findall(text)
    kept = [piece for piece in pieces if piece.isspace() or random.random() >= 0.1]
    return re.sub(r"[^\S\n]{2,}", " ", "".join(kept)).strip()


def _swap(text: str, random: np.random.Generator) -> str:
    pieces = _PIECES.findall(text)
    places = [place for place, piece in enumerate(pieces) if not piece.isspace()]
    for _ in range(max(1, len(places) // 15)):
        if len(places) > 1:
            at = int(random.integers(0, len(places) - 1))
            one, other = places[at], places[at + 1]
            pieces[one], pieces[other] = pieces[other], pieces[one]
    return "".join(pieces)


def _case(text: str, random: np.random.Generator) -> str:
    return [text.lower, text.upper, text.capitalize][int(random.integers(0, 3))]()


def _join(one: str, other: str) -> str:
    first, second = _PIECES.findall(one), _PIECES.findall(other)
    return "".join([*first[: (len(first) + 1) // 2], " ", *second[(len(second) + 1) // 2 :]]).strip()
