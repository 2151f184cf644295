"""Texts: bytes of any encoding to words and characters in normal form, and from there to TF-IDF in the graph.

Decoding (which encoding, what is a word) is plain Python and numpy outside the graph. What counts, the vocabulary and
its weights, is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks import directions
from modelwright.tasks.abilities import Shared, Sketch, Way
from modelwright.tasks.base import Arrays, Encoding, Problem, UndecodableError
from modelwright.tasks.modalities.text import encoding as text_encoding
from modelwright.tasks.modalities.text import figures as text_figures
from modelwright.tasks.modalities.text import sketch as text_sketch
from modelwright.tasks.modalities.text import synthesis as text_synthesis
from modelwright.tasks.modalities.text import together as text_together
from modelwright.tasks.modalities.text import words as text_words

MAX_BYTES = 16 << 20
"""Most bytes of one text."""
_BATCH = 32
_BINARY = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive, or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x7fELF", "a program"),
    (b"RIFF", "sound or a picture"),
    (b"SQLite format 3", "a database"),
    (b"PAR1", "a Parquet file"),
)
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


class Text:
    """The modality ``text``.

    The graph's inputs are ``words (1, l) string`` and ``characters (1, 4 l) int32`` in normal form
    (:mod:`.words`), filled up to one of a few lengths, and
    ``figures (1, 14) float32``.
    """

    name: ClassVar[str] = "text"
    version: ClassVar[int] = 2
    media_types: ClassVar[tuple[str, ...]] = ("text/plain",)
    encodings: ClassVar[tuple[Encoding, ...]] = ("dense", "trees")
    sketch_bytes: ClassVar[int] = text_sketch.BYTES
    learns_from: ClassVar[int] = 100_000
    unusual: ClassVar[Mapping[str, str]] = {"characters": "odd-length"}
    sparse: ClassVar[bool] = True

    @property
    def feature_words(self) -> Mapping[str, str]:
        """Words for ``features`` in the spec, with their meaning."""
        from modelwright.tasks.modalities.text.schema import FEATURE_WORDS

        return FEATURE_WORDS

    def decode(self, raw: bytes, schema: Mapping[str, Any]) -> Arrays:
        """Read, normalise and cut one text.

        Raises
        ------
        UndecodableError
            ``empty`` (nothing but spaces), ``too-large`` (over 16 MiB), ``wrong-format`` (a picture, an archive, …).
        """
        del schema
        if len(raw) > MAX_BYTES:
            message = f"the text has {len(raw):,} bytes; at most {MAX_BYTES:,} are read"
            raise UndecodableError(Problem("too-large", 1.0, message, {"bytes": len(raw)}))
        for mark, what in _BINARY:
            if raw.startswith(mark) and not raw.isascii():
                raise UndecodableError(Problem("wrong-format", 1.0, f"it is no text but {what}"))
        reading = text_encoding.read(raw)
        if _is_binary(reading.text):
            message = "it is no text but binary data: full of control characters"
            raise UndecodableError(Problem("wrong-format", 1.0, message))
        plain = text_words.normal(reading.text)
        if not plain:
            what = "0 bytes" if not raw else f"{len(raw):,} bytes of spaces and control characters"
            raise UndecodableError(Problem("empty", 1.0, f"the text is empty ({what})"))
        cut = text_words.words(plain)
        words, characters = text_words.padded(plain, cut)
        return {"words": words, "characters": characters, "figures": text_figures.figures(reading, cut)}

    ways: ClassVar[Mapping[str, Way]] = text_synthesis.WAYS

    def synthesize(self, raws: Sequence[bytes], way: str, random: np.random.Generator) -> bytes:
        """Return a new text in UTF-8; see :mod:`.synthesis`."""
        texts = [text_encoding.read(raw).text for raw in raws]
        return text_synthesis.synthesize(texts, way, random).encode("utf-8", "replace")

    def stack(self, samples: Sequence[Arrays]) -> Arrays:
        """Return texts as one batch, filled up to the longest."""
        count = len(samples)
        width = max(each["words"].shape[1] for each in samples)
        length = max(each["characters"].shape[1] for each in samples)
        words = np.full((count, width), "", object)
        characters = np.full((count, length), -1, np.int32)
        for place, each in enumerate(samples):
            words[place, : each["words"].shape[1]] = each["words"][0]
            characters[place, : each["characters"].shape[1]] = each["characters"][0]
        return {
            "words": words,
            "characters": characters,
            "figures": np.concatenate([one["figures"] for one in samples]),
        }

    def check(self, inputs: Arrays, measures: Mapping[str, NDArray[Any]] | None = None) -> list[Problem]:
        """Return ``broken-encoding``, ``control-characters``, ``too-long``, ``repetitive`` and ``no-words``."""
        del measures
        return text_figures.problems(inputs["figures"])

    def measure(self, inputs: Arrays, schema: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the figures of :data:`~modelwright.tasks.modalities.text.figures.NAMES`; ``script`` by its name."""
        del schema
        return text_figures.measures(inputs["figures"])

    def sketch(self, inputs: Arrays) -> Sketch:
        """Return the sketch of one text (:mod:`.sketch`)."""
        cut = text_words.words_of(inputs["words"][0])
        plain = text_words.plain_of(inputs["characters"][0])
        script, markup = (int(inputs["figures"][0, place]) for place in text_figures.columns(("script", "markup")))
        return text_sketch.sketch(cut, plain, script, markup)

    def alike(self, one: bytes, other: bytes, agreement: float) -> bool:
        """Whether two texts share nearly all words and pairs of words."""
        return text_sketch.alike(one, other, agreement)

    def vectors(self, sketches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(n, 96) float32``: what texts are about."""
        return text_sketch.topics(sketches)

    def compare(self, sketches: NDArray[np.uint8]) -> list[Shared]:
        """Return ``wrong-language``, ``boilerplate`` and ``markup`` (:mod:`.together`)."""
        return [
            *text_together.strangers(sketches),
            *text_together.boilerplate(sketches),
            *text_together.marked_up(sketches),
        ]

    def learn(self, batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Learn vocabulary, weights and directions.

        Parameters
        ----------
        batches
            Arrays of any number of texts, or lists of such; read once.
        settings
            ``features`` (``auto`` or words of :attr:`feature_words`), ``samples`` (training samples, where the batches
            are but a part of them), ``width`` (columns of vocabulary at most).

        Returns
        -------
        dict
            ``features``, ``samples``, ``documents``; ``words`` and ``characters`` with ``terms``, ``documents`` (how
            many hold each) and ``lengths`` (terms by length); ``hashing``; ``figures``; ``svd``; ``reason`` in words.
        """
        from modelwright.tasks.modalities.text import schema as text_schema

        learner = text_schema.Learner(text_schema.chosen(settings.get("features")))
        for batch in _each(batches):
            for place in range(len(batch["words"])):
                learner.add(batch["words"][place], batch["characters"][place], batch["figures"][place])
        samples = int(settings.get("samples", learner.count))
        schema = text_schema.learn(learner, samples, settings.get("width"))
        schema["svd"] = _directions(learner, schema)
        return schema

    def graph(self, schema: Mapping[str, Any], encoding: Encoding) -> Any:
        """Return the graph to ``features``; see :mod:`~modelwright.tasks.modalities.text.graph`."""
        from modelwright.tasks.modalities.text import graph as text_graph

        return text_graph.dense(schema) if encoding == "dense" else text_graph.trees(schema)

    def describe(self, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the three tensors."""
        del schema
        return [
            {"name": "words", "dtype": "string", "shape": [-1, -1]},
            {"name": "characters", "dtype": "int32", "shape": [-1, -1]},
            {"name": "figures", "dtype": "float32", "shape": [-1, len(text_figures.NAMES)]},
        ]

    def feature_names(self, schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
        """Return ``word 'free'``, ``letters 'ing'``, ``upper: share of …``, ``direction 1``, in the graph's order."""
        from modelwright.tasks.modalities.text import graph as text_graph

        return text_graph.feature_names(schema, encoding)

    def feature_parts(self, schema: Mapping[str, Any]) -> dict[str, list[int]]:
        """Return where the ``dense`` features of each word are."""
        from modelwright.tasks.modalities.text import graph as text_graph

        return text_graph.feature_parts(schema)


def _is_binary(text: str) -> bool:
    """Whether more than one character in twenty is a control character that no text holds."""
    head = text[: text_words.MOST_CHARACTERS]
    found = len(_NO_TEXT.findall(head))
    return found > 3 and found > 0.05 * len(head)


def _each(batches: Iterable[Any]) -> Iterator[Arrays]:
    for batch in batches:
        if isinstance(batch, Mapping):
            yield dict(batch)
        else:
            yield from _each(batch)


def _directions(learner: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Learn the directions from the learner's sample, by the very graph that makes the n-gram blocks."""
    from modelwright.tasks.modalities.text import graph as text_graph
    from modelwright.tasks.modalities.text import schema as text_schema

    width = text_graph.block_width(schema)
    if not width:
        return directions.none()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = text_graph.blocks(schema).SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    none = np.zeros((1, len(text_figures.NAMES)), np.float32)
    texts = sorted(learner.sample, reverse=True)

    def features() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(texts), _BATCH):
            batch = []
            for _, _, cut, plain in texts[start : start + _BATCH]:
                words, characters = text_words.padded(plain, cut.split())
                batch.append({"words": words, "characters": characters, "figures": none})
            yield session.run(["features"], Text().stack(batch))[0]

    return text_schema.directions(features())
