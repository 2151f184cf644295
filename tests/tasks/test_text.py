"""Texts: what bytes say, what a word is, TF-IDF in the graph, sketches, and what texts say of each other."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.errors import InputError
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.modalities.text import encoding as text_encoding
from modelwright.tasks.modalities.text import graph as text_graph
from modelwright.tasks.modalities.text import schema as text_schema
from modelwright.tasks.modalities.text import sketch as text_sketch
from modelwright.tasks.modalities.text import together as text_together
from modelwright.tasks.modalities.text import words as text_words
from modelwright.tasks.modalities.text.modality import Text
from modelwright.testing import texts
from modelwright.testing.modality import session

TEXT = Text()


def decoded(text: str) -> dict[str, Any]:
    return TEXT.decode(text.encode(), {})


def figure(text: str | bytes, name: str) -> float:
    raw = text.encode() if isinstance(text, str) else text
    return float(TEXT.measure(TEXT.decode(raw, {}), {})[name][0])


# ---------------------------------------------------------------------- encodings

WRITTEN = [
    ("cp1252", "Über die schönen Straßen"),
    ("cp1252", "le café est très cher à Noël"),
    ("cp1252", "El niño comió mañana"),
    ("cp1252", "“Quoted” — it’s £5"),
    ("cp1250", "Zażółć gęślą jaźń"),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1251", "Съешь ещё этих мягких французских булок"),
    ("koi8_r", "Съешь ещё этих мягких французских булок"),
    ("cp1253", "Καλημέρα κόσμε, τι κάνεις;"),
    ("cp1254", "Pijamalı hasta yağız şoföre çabucak güvendi"),
    ("cp1255", "שלום עולם מה שלומך היום"),
    ("cp1256", "مرحبا بالعالم كيف حالك اليوم"),
    ("gb18030", "今天天气很好，我们去公园玩吧"),
    ("big5", "今天天氣很好，我們去公園玩吧"),
    ("cp932", "今日はとても良い天気ですね"),
    ("euc_jp", "今日はとても良い天気ですね"),
    ("cp949", "오늘 날씨가 아주 좋네요 공원에 갑시다"),
    ("utf-16-le", "Привет, как дела?"),
    ("utf-16-be", "plain old English"),
]


@pytest.mark.parametrize(("encoding", "text"), WRITTEN, ids=lambda value: value if value.isascii() else value[:6])
def test_old_encodings_are_told_by_their_letters(encoding: str, text: str) -> None:
    assert text_encoding.read(text.encode(encoding)).text == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_believed_and_left_out(encoding: str) -> None:
    reading = text_encoding.read("naïve 东京".encode(encoding))
    assert (reading.text, reading.how) == ("naïve 东京", "mark")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("the city größe ü".encode()[:-1], "the city größe \ufffd"),
        ("größe … und maß für".encode() + b" \xff\x81", "größe … und maß für \ufffd\ufffd"),
        (b"half \xed\xa0\x80 of a pair", "half \ufffd\ufffd\ufffd of a pair"),
    ],
)
def test_damaged_utf8_is_read_as_that_and_said(raw: bytes, text: str) -> None:
    reading = text_encoding.read(raw)
    assert (reading.text, reading.encoding) == (text, "utf-8")
    assert reading.damaged == text.count("\ufffd")


def test_one_broken_place_does_not_make_utf8_another_encoding() -> None:
    reading = text_encoding.read("Ein längerer Text mit Umläuten: öäü ß".encode()[:-1])
    assert reading.encoding == "utf-8"
    assert reading.damaged == 1
    assert reading.text.endswith("�")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert text_encoding.read(b"\xef\xbb\xbf" + text.encode()).text == text


@given(st.binary(max_size=300))
def test_any_bytes_are_some_text_that_can_be_written(raw: bytes) -> None:
    reading = text_encoding.read(raw)
    assert reading.text.encode() is not None  # no lone surrogate is left
    assert reading.damaged == reading.text.count("\ufffd")


def test_utf8_taken_for_something_else_is_seen() -> None:
    damaged = "it’s a café".encode().decode("cp1252")
    assert text_encoding.mojibake(damaged) == 2
    assert text_encoding.mojibake("Привет".encode().decode("latin-1")) > 0
    assert text_encoding.mojibake("it’s a café, São Paulo, Привет, Ã") == 0


# ---------------------------------------------------------------------- words


def test_words_are_letters_marks_and_numbers_of_any_script() -> None:
    assert text_words.words(text_words.normal("Don't STOP—ever! नमस्ते 東京タワー ﬁn")) == [
        "don", "t", "stop", "ever", "नमस्ते", "東", "京", "タ", "ワ", "ー", "fin",
    ]  # fmt: skip


def test_long_numbers_keep_their_length_alone() -> None:
    assert text_words.words("call 08712300220 or 2004") == ["call", "00000000000", "or", "2004"]


@given(st.text())
def test_one_text_in_two_normal_forms_is_one_text(text: str) -> None:
    composed, apart = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    if not text_words._STACKED.search(apart):  # stacks of marks are cut, and may be cut elsewhere
        assert text_words.normal(composed) == text_words.normal(apart)


@given(st.text())
def test_the_normal_form_is_plain_and_stays_as_it_is(text: str) -> None:
    plain = text_words.normal(text)
    assert text_words.normal(plain) == plain
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in plain)
    assert plain == " ".join(plain.split())


@given(st.text(max_size=600))
def test_padding_is_taken_off_again(text: str) -> None:
    plain = text_words.normal(text)
    cut = text_words.words(plain)
    words, characters = text_words.padded(plain, cut)
    assert characters.shape[1] == 4 * words.shape[1]
    assert text_words.words_of(words[0]) == cut
    assert text_words.plain_of(characters[0]) == plain


@pytest.mark.parametrize(
    "marks", ["\u0316\u0301", "\u05b0\u05ad\u05bc", "\u064b\u0655\u0650"], ids=["latin", "hebrew", "arabic"]
)
def test_endless_marks_are_cut_before_they_cost_time(marks: str) -> None:
    assert len(text_words.normal("א" + marks * 5000)) <= 9


def test_long_texts_are_cut_and_said_to_be() -> None:
    arrays = TEXT.decode(b"word " * 400_000, {})
    assert arrays["words"].shape == (1, 4096)
    assert arrays["characters"].shape == (1, 16_384)
    assert [problem.kind for problem in TEXT.check(arrays)] == ["too-long", "repetitive"]


def test_figures_are_what_they_say() -> None:
    assert figure("ABC def", "upper") == pytest.approx(0.5)
    assert figure("ab12", "digits") == pytest.approx(0.5)
    assert figure("see www.x.org or a@b.de", "links") > 0
    assert figure("привет мир hello", "script_share") == pytest.approx(9 / 14)
    assert TEXT.measure(decoded("привет мир"), {})["script"].tolist() == ["cyrillic"]
    assert TEXT.measure(decoded("123"), {})["script"].tolist() == [None]
    assert figure("&lt;b&gt; it #39;s <br/>", "markup") == 4
    assert figure("AT&T; 5 < 6; fish & chips;", "markup") == 0


def test_damage_is_found() -> None:
    def kinds(raw: bytes) -> list[str]:
        return [problem.kind for problem in TEXT.check(TEXT.decode(raw, {}))]

    assert kinds("caf\u00c3\u00a9 and more of it".encode()) == ["broken-encoding"]
    assert kinds("a\u202eb\u202c right to left".encode()) == ["control-characters"]
    assert kinds(("Z" + "\u0351" * 9 + "algo").encode()) == ["control-characters"]
    assert kinds(b"?!") == ["no-words"]
    assert kinds("Grüße, naïve Señora".encode()) == []


@pytest.mark.parametrize(
    ("raw", "kind"),
    [(b"", "empty"), (b" \n", "empty"), (b"\0" * 50, "wrong-format"), (b"\x89PNG\r\n\x1a\n", "wrong-format"),
     (b"x" * (17 << 20), "too-large")],
    ids=["nothing", "blank", "nul", "png", "17 MiB"],
)  # fmt: skip
def test_what_is_no_text_is_refused_with_a_reason(raw: bytes, kind: str) -> None:
    with pytest.raises(UndecodableError) as found:
        TEXT.decode(raw, {})
    assert found.value.problem.kind == kind


# ---------------------------------------------------------------------- features


def learned(features: Any = "auto", count: int = 120, **settings: Any) -> tuple[list[str], dict[str, Any]]:
    said = [texts.of_topic(topic, number) for number in range(count // 3) for topic in texts.topics()]
    return said, TEXT.learn((decoded(text) for text in said), {"features": features, **settings})


def features(schema: dict[str, Any], encoding: Any, said: list[str]) -> np.ndarray:
    graph = session(TEXT.graph(schema, encoding))
    return np.asarray(graph.run(["features"], TEXT.stack([decoded(text) for text in said]))[0])


@pytest.mark.parametrize(
    ("name", "analyser", "weight"),
    [("words", "word", 1.0), ("characters", "char", text_graph.CHARACTER_WEIGHT)],
)
def test_tf_idf_is_that_of_scikit_learn(name: str, analyser: str, weight: float) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    said, schema = learned((name,), width=500)
    fresh = [*said[:20], "goal goal goal market moon", "Nothing known here", "東京 goal"]
    made = features(schema, "dense", fresh)
    grams = text_schema.WORD_GRAMS if name == "words" else text_schema.CHARACTER_GRAMS
    peer = TfidfVectorizer(
        analyzer=analyser,
        ngram_range=grams,
        tokenizer=text_words.words if name == "words" else None,
        token_pattern=None,
        preprocessor=text_words.normal,
        vocabulary=schema[name]["terms"],
        sublinear_tf=True,
    )
    peer.fit(said)
    np.testing.assert_allclose(made, weight * peer.transform(fresh).toarray(), atol=2e-6)


def test_the_vocabulary_is_the_most_frequent_and_capped() -> None:
    said, schema = learned(("words",), width=40)
    terms, counts = schema["words"]["terms"], schema["words"]["documents"]
    assert len(terms) == 40
    first = schema["words"]["lengths"][0]
    assert counts[:first] == sorted(counts[:first], reverse=True)
    held = {term: sum(term in text_words.words(text_words.normal(text)) for text in said) for term in terms[:first]}
    assert [held[term] for term in terms[:first]] == counts[:first]
    assert "in most of 120 texts" in schema["reason"]


def test_many_samples_make_the_vocabulary_narrower() -> None:
    narrow = text_schema.FILE_BYTES // (4 * 1_000_000)
    _, schema = learned("auto", samples=1_000_000)
    assert text_graph.block_width(schema) <= max(narrow, text_schema.LEAST_WIDTH)


def test_counts_stay_bounded_and_keep_what_is_frequent() -> None:
    counts = text_schema.Counts(held=50)
    for number in range(2000):
        counts.add(["often", f"once {number}"])
    assert len(counts.counts) <= 50
    assert counts.best(1, 2, 10_000) == [("often", 2000)]


def test_directions_are_those_of_a_truncated_svd() -> None:
    from sklearn.decomposition import TruncatedSVD

    said, schema = learned(("words", "characters", "svd"))
    plain = {**schema, "features": ["words", "characters"]}
    peer = TruncatedSVD(schema["svd"]["rank"], algorithm="arpack", random_state=0).fit(features(plain, "dense", said))
    mine, theirs = features(schema, "dense", said)[:, :8], peer.transform(features(plain, "dense", said))[:, :8]
    for place in range(8):
        assert abs(np.corrcoef(mine[:, place], theirs[:, place])[0, 1]) > 0.99


def test_hashing_sees_letters_that_training_never_saw() -> None:
    _, schema = learned(("hashing",))
    made = features(schema, "dense", ["ωμέγα", "ωμέγα", "something else"])
    assert made.shape == (3, text_schema.HASHED_WIDTH)
    assert np.array_equal(made[0], made[1])
    assert np.count_nonzero(made[0]) == 6  # three triples, two fours, one five
    assert not np.array_equal(made[0], made[2])


def test_topics_are_told_apart_by_both_encodings() -> None:
    from sklearn.linear_model import LogisticRegression

    said, schema = learned(count=240)
    truth = np.tile(np.arange(3), 80)
    for encoding in ("dense", "trees"):
        made = np.nan_to_num(features(schema, encoding, said))
        model = LogisticRegression(C=10, max_iter=2000).fit(made[:180], truth[:180])
        assert model.score(made[180:], truth[180:]) > 0.95, encoding


def test_unknown_feature_words_are_refused() -> None:
    with pytest.raises(InputError, match=r"'features' names 'bag'; a text has words, characters"):
        text_schema.chosen(["bag"])
    assert text_schema.chosen(["figures", "words"]) == ("words", "figures")


def test_nothing_to_learn_is_said() -> None:
    with pytest.raises(InputError, match="no text could be read"):
        TEXT.learn([], {})


# ---------------------------------------------------------------------- sketches

LONG = (
    "The committee will meet again next Tuesday to discuss the budget for the coming year, and everybody who wants to "
    "speak has to tell the chairman before noon on Monday at the latest"
)


def sketch(text: str) -> Any:
    return TEXT.sketch(decoded(text))


@pytest.mark.parametrize(
    "other",
    [
        LONG.upper(),
        LONG + ".",
        LONG.replace("Tuesday", "Friday"),
        "  " + LONG.replace(" ", "\n"),
        LONG.replace(",", ""),
    ],
    ids=["case", "full stop", "a word", "line ends", "commas"],
)
def test_a_text_changed_little_is_a_near_duplicate(other: str) -> None:
    one, two = sketch(LONG), sketch(other)
    assert (one.hash ^ two.hash).bit_count() <= 7
    assert TEXT.alike(one.data, two.data, 0.9)


def test_other_texts_of_one_topic_are_no_near_duplicates() -> None:
    made = [sketch(texts.of_topic("sport", number)) for number in range(40)]
    alike = sum(TEXT.alike(a.data, b.data, 0.9) for at, a in enumerate(made) for b in made[at + 1 :])
    assert alike == 0


def test_short_texts_are_never_near_duplicates() -> None:
    assert sketch("ok then").hash is None
    assert sketch("are you there now").hash is not None


def test_shared_words_are_estimated() -> None:
    one = [f"w{number}" for number in range(400)]
    other = one[:200] + [f"v{number}" for number in range(200)]
    estimate = text_sketch.shared(sketch(" ".join(one)).data, sketch(" ".join(other)).data)
    assert estimate == pytest.approx(1 / 3, abs=0.15)


def sketches(said: list[str]) -> np.ndarray:
    return np.stack([np.frombuffer(sketch(text).data, np.uint8) for text in said])


FOREIGN = [
    "Die Bundesregierung hat am Mittwoch ein neues Gesetz zur Förderung der Energien beschlossen",
    "Le président a annoncé hier soir que les élections auront lieu au mois de juin prochain",
    "Hallitus ilmoitti tiistaina, että uudet säännöt tulevat voimaan ensi vuoden alusta koko maassa",
]


def test_another_language_is_found_without_knowing_any() -> None:
    said = [texts.of_topic(topic, number, 30) for number in range(60) for topic in texts.topics()]
    found = text_together.strangers(sketches([*said, *FOREIGN, "Привет, как дела у вас сегодня"]))
    assert {shared.kind for shared in found} == {"wrong-language"}
    places = sorted(place for shared in found for place in shared.places.tolist())
    assert places == [180, 181, 182, 183]
    assert text_together.strangers(sketches(said)) == []


def test_boilerplate_is_found_and_copies_are_not_boilerplate() -> None:
    said = [texts.of_topic("money", number, 30) for number in range(100)]
    footer = " sent from my telephone at work"
    with_footer = [text + footer if number % 4 == 0 else text for number, text in enumerate(said)]
    (found,) = text_together.boilerplate(sketches(with_footer))
    assert found.places.tolist() == list(range(0, 100, 4))
    assert "25 different texts (25.0%) end with the same five words" in found.message
    assert text_together.boilerplate(sketches([*said, *[said[0]] * 30])) == []


@pytest.mark.parametrize(
    ("text", "remains"),
    [
        (r"A second\team of rocketeers", 1),
        (r'lasts."\\"There is more', 2),
        (r"costs \$5 or \$6", 2),
        ("which is all.\\", 1),
        (r"they don\'t", 1),
        (r"C:\Users\anna and D:\data", 0),
        (r"path\to\file, dir\notes.txt", 0),
        (r"\\server\share", 0),
        (r"$\alpha\beta$ and \cite{x}", 0),
        (r"it matches \d+\w", 0),
        ("no such thing", 0),
    ],
)
def test_escapes_are_counted_and_paths_are_none(text: str, remains: int) -> None:
    figures = TEXT.decode(text.encode(), {})["figures"]
    assert TEXT.measure({"figures": figures}, {})["markup"][0] == remains


def test_markup_is_found() -> None:
    (found,) = text_together.marked_up(sketches(["It &lt;b&gt; was", "It was so", "a quot;b quot;"]))
    assert found.places.tolist() == [0, 2]
