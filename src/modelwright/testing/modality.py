"""The contract of a modality, as checks that every implementation passes: the built-in ones and a stranger's.

A plug-in's author writes a :class:`ModalityCase` with a few samples and runs :data:`CHECKS` over it::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_modality(check):
        check(my_case)

Nothing here needs more than the ``train`` extra.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from modelwright import canonical, registry
from modelwright.errors import InputError
from modelwright.tasks.abilities import Answering, Paired, Sketched, Staged, Worded
from modelwright.tasks.base import Arrays, Modality, UndecodableError, modality
from modelwright.testing import sounds, texts
from modelwright.testing.batches import check_samples_looked_at_together_are_as_each_alone


@dataclass(frozen=True)
class ModalityCase:
    """A modality, and samples to try it on.

    Parameters
    ----------
    modality
        What is tested.
    raws
        At least six different samples that decode; the first three must be of one shape.
    broken
        Bytes that must not decode.
    settings
        For :meth:`Modality.learn`.
    skips
        Names of checks that do not apply, with the reason: confessed, not hidden.
    """

    modality: Modality
    raws: tuple[bytes, ...]
    broken: tuple[bytes, ...] = (b"",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    skips: Mapping[str, str] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """Learn the schema from the case's samples, one at a time; what is learned from answers, from made-up ones."""
        return self.answered(self.modality.learn(self.undecided(), self.settings))

    def answered(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with what made-up answers say, where the settings ask for that."""
        if "answers" not in self.settings.get("features", ()) or not isinstance(self.modality, Answering):
            return schema
        keys = np.arange(len(self.raws), dtype=np.uint64)
        answers = (keys % np.uint64(3)).astype(np.float64)[:, None]
        return self.modality.with_answers(schema, self.undecided(), answers, keys, ["mean answer"])

    def worded(self, *words: str) -> ModalityCase:
        """Return the same case with these words for ``features``."""
        return replace(self, settings={**self.settings, "features": list(words)})

    def undecided(self) -> Iterator[Arrays]:
        """Yield the samples decoded without a schema, as they are before there is one."""
        for raw in self.raws:
            yield self.modality.decode(raw, {})


def check_decode_gives_what_describe_says(case: ModalityCase) -> None:
    """The server advertises what ``describe`` says, and clients send that."""
    schema = case.schema()
    tensors = {entry["name"]: entry for entry in case.modality.describe(schema)}
    for raw in case.raws:
        arrays = case.modality.decode(raw, schema)
        assert arrays.keys() == tensors.keys()
        for name, array in arrays.items():
            shape, dtype = tensors[name]["shape"], tensors[name]["dtype"]
            assert array.shape[0] == 1
            assert len(array.shape) == len(shape)
            assert all(want in {-1, got} for want, got in zip(shape, array.shape, strict=True)), (name, array.shape)
            assert array.dtype == (object if dtype == "string" else np.dtype(dtype)), (name, array.dtype)


def check_decode_is_a_function(case: ModalityCase) -> None:
    """A prediction can be explained later only if the same bytes always mean the same."""
    schema = case.schema()
    for raw in case.raws:
        first, second = case.modality.decode(raw, schema), case.modality.decode(raw, schema)
        assert all(same(first[name], second[name]) for name in first)


def check_broken_bytes_are_refused(case: ModalityCase) -> None:
    """A sample that cannot be used is an entry in the issue list, with words and figures."""
    for schema in ({}, case.schema()):
        for raw in case.broken:
            try:
                case.modality.decode(raw, schema)
            except UndecodableError as error:
                problem = error.problem
                assert problem.kind
                assert problem.message
                assert "\n" not in problem.message
                assert 0.0 <= problem.severity <= 1.0
                canonical.dumps(dict(problem.evidence))
            else:
                raise AssertionError(f"{raw[:40]!r} was decoded")


def check_any_bytes_decode_or_are_refused(case: ModalityCase) -> None:
    """Bytes come from anybody: whatever they are, the answer is arrays or an UndecodableError."""
    schema = case.schema()
    for raw in _mutants(case.raws, 300):
        try:
            case.modality.decode(raw, schema)
        except UndecodableError as error:
            canonical.dumps({"message": error.problem.message, **error.problem.evidence})


def check_schema_is_json(case: ModalityCase) -> None:
    """The schema travels in three artifacts, and part of their identity it is."""
    schema = case.schema()
    assert json.loads(canonical.dumps(schema)) == schema


def check_schema_does_not_depend_on_batches(case: ModalityCase) -> None:
    """How prepare cuts the stream depends on memory; what is learned must not."""
    one_by_one = case.schema()
    together = case.answered(case.modality.learn([list(case.undecided())], case.settings))
    assert canonical.dumps(one_by_one) == canonical.dumps(together)


def check_measures_keep_their_names(case: ModalityCase) -> None:
    """Drift compares a production measure with the profile's of the same name."""
    schema = case.schema()
    names = None
    for raw in case.raws:
        measures = case.modality.measure(case.modality.decode(raw, schema), schema)
        assert names is None or list(measures) == names
        names = list(measures)
        for name, values in measures.items():
            assert values.shape == (1,), name
            if values.dtype == object:
                assert values[0] is None or (isinstance(values[0], str) and values[0]), name
            else:
                assert values.dtype == np.float64, name
                assert not np.isinf(values).any(), name


def check_measures_of_a_batch_are_those_of_its_samples(case: ModalityCase) -> None:
    """Training is measured in batches, production one by one."""
    schema = case.schema()
    singles = [case.modality.decode(raw, schema) for raw in case.raws[:3]]
    batch = case.modality.measure(stacked(singles), schema)
    for place, single in enumerate(singles):
        for name, values in case.modality.measure(single, schema).items():
            if values.dtype == object:
                assert batch[name][place] == values[0], name
            else:
                np.testing.assert_allclose(batch[name][place], values[0], rtol=1e-4, atol=1e-5, err_msg=name)


def check_many_pairs_are_alike_as_each_is(case: ModalityCase) -> None:
    """What is looked at together with others must not depend on them: a dataset is the same however it grew."""
    made = case.modality
    if not isinstance(made, Sketched) or not isinstance(made, Paired):
        return
    schema = case.schema()
    data = [made.sketch(case.modality.decode(raw, schema)).data for raw in case.raws]
    sketches = np.stack([np.frombuffer(each, np.uint8) for each in data if len(each) == made.sketch_bytes])
    one, other = np.divmod(np.arange(len(sketches) ** 2), len(sketches))
    for agreement in (0.0, 0.5, 0.97):
        found = made.alike_many(sketches[one], sketches[other], agreement)
        assert found.tolist() == [
            made.alike(sketches[i].tobytes(), sketches[j].tobytes(), agreement)
            for i, j in zip(one.tolist(), other.tolist(), strict=True)
        ]


def check_checks_find_problems_not_exceptions(case: ModalityCase) -> None:
    """A check's finding goes into the issue list as it is."""
    for arrays in case.undecided():
        for problem in case.modality.check(arrays):
            assert problem.kind
            assert 0.0 <= problem.severity <= 1.0
            canonical.dumps(dict(problem.evidence))


def check_graph_has_one_form(case: ModalityCase) -> None:
    """The graph's bytes are part of artifacts' identities: same schema, same bytes."""
    schema = case.schema()
    again = json.loads(canonical.dumps(schema))
    for encoding in case.modality.encodings:
        first = case.modality.graph(schema, encoding).SerializeToString(deterministic=True)
        assert first == case.modality.graph(again, encoding).SerializeToString(deterministic=True)


def check_graph_gives_the_same_at_any_batch(case: ModalityCase) -> None:
    """What a sample's features are must not depend on who else is in the batch."""
    schema = case.schema()
    singles = [case.modality.decode(raw, schema) for raw in case.raws]
    for encoding in case.modality.encodings:
        graph = session(case.modality.graph(schema, encoding))
        rows = [_run(graph, arrays) for arrays in singles]
        three = _run(graph, stacked(singles[:3]))
        assert all(row.shape[1:] == rows[0].shape[1:] and row.dtype == rows[0].dtype for row in rows)
        assert same(three, np.concatenate(rows[:3])), encoding
        if encoding == "pixels":
            assert rows[0].dtype == np.uint8
            assert rows[0].ndim == 4
        else:
            assert rows[0].dtype == np.float32
            assert rows[0].ndim == 2
        if encoding == "dense":
            assert all(np.isfinite(row).all() for row in rows)


def check_features_have_names(case: ModalityCase) -> None:
    """An importance without a name explains nothing."""
    schema = case.schema()
    arrays = case.modality.decode(case.raws[0], schema)
    for encoding in case.modality.encodings:
        names = case.modality.feature_names(schema, encoding)
        if encoding != "pixels":
            features = _run(session(case.modality.graph(schema, encoding)), arrays)
            assert len(names) == len(set(names)) == features.shape[1]


def words_of(modality: Modality) -> list[str]:
    """Return the words that ``features`` of a spec may hold for this modality."""
    return list(getattr(modality, "feature_words", {}))


def features_of(case: ModalityCase) -> dict[str, tuple[tuple[str, ...], bytes]]:
    """Return names and values of the first three samples' features, by encoding."""
    schema = case.schema()
    samples = stacked([case.modality.decode(raw, schema) for raw in case.raws[:3]])
    made: dict[str, tuple[tuple[str, ...], bytes]] = {}
    for encoding in case.modality.encodings:
        values = _run(session(case.modality.graph(schema, encoding)), samples)
        made[encoding] = tuple(case.modality.feature_names(schema, encoding)), values.tobytes()
    return made


def check_every_feature_word_does_something(case: ModalityCase) -> None:
    """A word that changes nothing misleads whoever wrote it: it makes features of its own, or the schema says it."""
    seen: dict[str, dict[str, tuple[tuple[str, ...], bytes]]] = {}
    for word in words_of(case.modality):
        asked = case.worded(word)
        assert f"{word} adds nothing" not in str(asked.schema().get("reason", "")), f"the case's samples lack {word}"
        seen[word] = features_of(asked)
        for other, made in seen.items():
            assert other == word or made != seen[word], f"{word} makes what {other} makes"


def check_every_feature_word_keeps_the_contract(case: ModalityCase) -> None:
    """Each word alone gives a graph that is the same for one sample and many, every time, and names its features."""
    for word in words_of(case.modality):
        for check in _GRAPH_CHECKS:
            check(case.worded(word))


def check_features_are_found_by_their_words(case: ModalityCase) -> None:
    """The page about a dataset shows what each word makes."""
    if not isinstance(case.modality, Worded):
        return
    for word in case.modality.feature_words:
        schema = case.worded(word).schema()
        parts = case.modality.feature_parts(schema)
        assert word in parts, word
        assert set(parts) <= set(case.modality.feature_words)
        places = [place for part in parts.values() for place in part]
        assert len(places) == len(set(places)) <= len(case.modality.feature_names(schema, "dense"))
        assert all(0 <= place < len(case.modality.feature_names(schema, "dense")) for place in places)


def check_stages_lead_to_what_a_model_sees(case: ModalityCase) -> None:
    """Pictures between the steps are shown on a dataset's page: the last must be what the packaged graph makes."""
    if not isinstance(case.modality, Staged):
        return
    for asked in (case, *(case.worded(word) for word in words_of(case.modality))):
        schema = asked.schema()
        samples = stacked([case.modality.decode(raw, schema) for raw in case.raws[:3]])
        stages = case.modality.stages(schema)
        assert len({stage.name for stage in stages}) == len(stages) > 0
        assert all(stage.name and stage.does for stage in stages)
        seen = [_run(session(case.modality.graph(stage.schema, "pixels")), samples) for stage in stages]
        assert len({each.shape for each in seen}) == 1
        assert np.array_equal(seen[-1], _run(session(case.modality.graph(schema, "pixels")), samples))


def check_unknown_feature_words_are_refused(case: ModalityCase) -> None:
    """A word of another modality, or a misspelt one, is refused with those that there are."""
    refusal = None
    try:
        case.worded("nonesuch").schema()
    except InputError as error:
        refusal = error
    assert refusal is not None, "features: [nonesuch] was taken"
    assert refusal.code == "unknown-feature"
    assert all(word in refusal.message for word in words_of(case.modality))


Check = Callable[[ModalityCase], None]

_GRAPH_CHECKS: tuple[Check, ...] = (
    check_decode_gives_what_describe_says,
    check_schema_is_json,
    check_schema_does_not_depend_on_batches,
    check_graph_has_one_form,
    check_graph_gives_the_same_at_any_batch,
    check_features_have_names,
)

CHECKS: tuple[Check, ...] = (
    check_decode_gives_what_describe_says,
    check_decode_is_a_function,
    check_broken_bytes_are_refused,
    check_any_bytes_decode_or_are_refused,
    check_schema_is_json,
    check_schema_does_not_depend_on_batches,
    check_measures_keep_their_names,
    check_measures_of_a_batch_are_those_of_its_samples,
    check_many_pairs_are_alike_as_each_is,
    check_samples_looked_at_together_are_as_each_alone,
    check_checks_find_problems_not_exceptions,
    check_graph_has_one_form,
    check_graph_gives_the_same_at_any_batch,
    check_features_have_names,
    check_every_feature_word_does_something,
    check_every_feature_word_keeps_the_contract,
    check_features_are_found_by_their_words,
    check_stages_lead_to_what_a_model_sees,
    check_unknown_feature_words_are_refused,
)


def _run(graph: Any, arrays: Arrays) -> Any:
    """Return the features of inputs, of which the graph may not want all."""
    wanted = {each.name for each in graph.get_inputs()}
    return graph.run(["features"], {name: values for name, values in arrays.items() if name in wanted})[0]


def session(graph: Any) -> Any:
    """Return an onnxruntime session of a model, one thread, no spinning."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def same(first: Any, second: Any) -> bool:
    """Whether two arrays are bit-equal, NaN being NaN."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(((first == second) | ((first != first) & (second != second))).all())  # noqa: PLR0124


def stacked(samples: list[Arrays]) -> Arrays:
    """Join samples of one shape along the first axis."""
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def _mutants(raws: tuple[bytes, ...], count: int) -> Iterator[bytes]:
    """Yield damaged copies: cut off, bits flipped, pieces doubled, removed or swapped between samples."""
    random = np.random.default_rng(0)
    for _ in range(count):
        raw = bytearray(raws[random.integers(len(raws))])
        for _ in range(random.integers(1, 4)):
            place, length = int(random.integers(len(raw) + 1)), int(random.integers(1, 33))
            how = random.integers(5)
            if how == 0:
                del raw[place:]
            elif how == 1 and place < len(raw):
                raw[place] ^= 1 << int(random.integers(8))
            elif how == 2:
                raw[place:place] = random.bytes(length)
            elif how == 3:
                del raw[place : place + length]
            else:
                other = raws[random.integers(len(raws))]
                raw[place : place + length] = other[place : place + length]
        yield bytes(raw)


def _picture(pixels: Any, kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _image_case() -> ModalityCase:
    random = np.random.default_rng(1)
    same_size = [_picture(random.integers(0, 256, (20, 30, 3), np.uint8), "PNG") for _ in range(3)]
    ramp = np.add.outer(np.arange(90), np.arange(70)).astype(np.uint8)
    others = [
        _picture(ramp, "JPEG"),
        _picture(random.integers(0, 256, (1, 1, 3), np.uint8), "BMP"),
        _picture(random.integers(0, 256, (300, 4, 3), np.uint8), "TIFF"),
        _picture(ramp, "GIF"),
        _picture(np.dstack([ramp, ramp, ramp, ramp]), "WEBP"),
    ]
    broken = (b"", b"<html>no picture here</html>", same_size[0][:60], others[0][:200], b"GIF89a", b"\x00" * 100)
    return ModalityCase(modality("image"), (*same_size, *others), broken)


def _table_case() -> ModalityCase:
    random = np.random.default_rng(2)
    rows: list[dict[str, Any]] = [
        {
            "age": float(random.normal(40, 10)) if place % 7 else None,
            "income": float(np.exp(random.normal(8, 2))),
            "rooms": int(random.integers(1, 9)),
            "farbe ü": ["rot", "blau", "grün", None][place % 4],
            "city": f"c{int(random.zipf(1.6)) % 300}",
            "member": bool(place % 3),
            "since": f"{1990 + place % 30}-{1 + place % 12:02d}-17T{place % 24:02d}:30:00",
            "id": f"id-{place}",
            "note": f"{('Belt', 'roller')[place % 2]} no. {place}, {('worn', 'loose', 'gone')[place % 3]} {place * 79}",
            "y": place,
        }
        for place in range(400)
    ]
    del rows[10]["city"]
    raws = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    settings = {"target": "y"}
    return ModalityCase(
        modality("table"), tuple(raws), (b"", b"  \n", b"[]", b"{", b'{"age": NaN}', b"\xff\xfe"), settings
    )


def _series_case() -> ModalityCase:
    random = np.random.default_rng(3)

    def document(steps: int, names: tuple[str, ...] = ("flow", "druck ü"), *, timed: bool = True) -> bytes:
        walk = random.normal(0, 1, (steps, len(names))).cumsum(0)
        columns = {
            name: [None if random.random() < 0.05 else float(np.float32(value)) for value in walk[:, place]]
            for place, name in enumerate(names)
        }
        made: dict[str, Any] = {"values": columns}
        if timed:
            made["time"] = [1_700_000_000 + 60 * place + (place > 20) * 3600 for place in range(steps)]
        return json.dumps(made, ensure_ascii=False).encode()

    text = "#time;flow;druck ü;note\n" + "".join(
        f"2024-03-0{1 + place // 24} {place % 24:02d}:00:00;{place / 7:.3f};{'' if place == 4 else 5 - place};ok\n"
        for place in range(40)
    )
    raws = (document(50), document(50), document(50), document(1), document(7), document(300), text.encode())
    more = (document(33, ("flow",)), document(20, timed=False), text.replace(";", ",").encode("utf-16"))
    broken = (
        b"", b"  \n", b"{", b"[]", b'{"values": {}}', b'{"values": {"flow": [1, NaN]}}', b'{"values": {"flow": 3}}',
        b'{"values": {"flow": [1], "druck": [1, 2]}}', b'{"values": {"flow": []}}', b"flow;druck\n",
        bytes(100), b"a word",
    )  # fmt: skip
    return ModalityCase(modality("series"), (*raws, *more), broken)


def _audio_case() -> ModalityCase:
    random = np.random.default_rng(3)
    same_length = [sounds.wav(sounds.word(random, 150.0)) for _ in range(3)]
    others = [sounds.wav(sounds.word(random, 300.0, seconds, 16_000), 16_000) for seconds in (0.05, 0.3, 2.5)]
    return ModalityCase(modality("audio"), (*same_length, *others, *sounds.odd_ones()), sounds.broken_ones())


def _text_case() -> ModalityCase:
    return ModalityCase(modality("text"), texts.SAMPLES, texts.BROKEN)


_CASES: dict[str, Callable[[], ModalityCase]] = {
    "image": _image_case,
    "table": _table_case,
    "series": _series_case,
    "audio": _audio_case,
    "text": _text_case,
}


@cache
def case(name: str) -> ModalityCase:
    """Return the samples on which the built-in modality ``name`` is tested."""
    return _CASES[name]()


def built_in() -> list[str]:
    """Return the names of the built-in modalities; each has a :func:`case`."""
    return list(registry.BUILT_IN["modalities"])
