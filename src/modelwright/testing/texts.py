"""Texts to test with: many scripts, encodings and kinds of damage, and bytes that are no text."""

from __future__ import annotations

import numpy as np

_TOPICS = {
    "sport": "match goal team player coach league cup season referee stadium win lost draw",
    "money": "market shares bank profit price quarter dollar trade growth investor loan tax oil",
    "space": "rocket orbit moon launch crew station telescope planet engine probe mission star",
}
_SHARED = ("the", "a", "of", "in", "on", "said", "was", "for", "with", "after", "new", "this", "that")


def of_topic(topic: str, number: int, words: int = 24) -> str:
    """Return a text about ``sport``, ``money`` or ``space``; the same for the same number."""
    chosen = np.random.default_rng([number, *topic.encode()])
    own = _TOPICS[topic].split()
    made = [str(chosen.choice(own if chosen.random() < 0.4 else _SHARED)) for _ in range(words)]
    return " ".join(made).capitalize() + "."


def topics() -> list[str]:
    """Return the topics of :func:`of_topic`."""
    return list(_TOPICS)


SAMPLES: tuple[bytes, ...] = (
    *(of_topic("sport", number).encode() for number in range(3)),
    *(of_topic(topic, number, 60).encode() for topic in _TOPICS for number in range(6)),
    "Über die schönen Straßen von Köln".encode("cp1252"),
    "Привет, как дела? Съешь ещё этих мягких французских булок".encode("koi8_r"),
    "café naïve déjà vu".encode("utf-16"),
    b"\xef\xbb\xbfA byte order mark, then text",
    "今天天气很好，我们去公园玩吧。今天天气很好。".encode(),
    "오늘 날씨가 아주 좋네요".encode("cp949"),
    "नमस्ते दुनिया, आप कैसे हैं?".encode(),
    "Ｆｕｌｌ width ﬁgures ①②③ ½".encode(),
    ("Z" + "\u0351" * 40 + "a" + "\u0322" * 40 + "lgo he comes").encode(),
    "abc \u202edesrever\u202c def \u2066isolated\u2069".encode(),
    b"lone \xed\xa0\x80 surrogates \xed\xb0\x80 and a NUL \x00 byte",
    b"cut off in the midst of a let\xc3",
    "cafÃ© â€œquotedâ€\x9d donâ€™t".encode(),
    b"!!! ... ???",
    b"ok",
    ("again and again " * 3000).encode(),
    ("x" * 20_000).encode(),
)
"""Decode all; the first three have one length."""

BROKEN: tuple[bytes, ...] = (
    b"",
    b" \n\t ",
    "\u200b\ufeff\u00a0".encode(),
    b"\x00\x01\x02\x03\x04\x05\x06\x07" * 9,
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"PK\x03\x04\x14\x00\x00\x00\x08\x00\xff",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
)
"""None of them is a usable text."""
