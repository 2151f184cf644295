"""Words of columns by their hash, and the directions in which rows differ: in training, alone, and as plain numpy."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare import prepare
from modelwright.runtime.session import open_session
from modelwright.spec import loads
from modelwright.store import Store
from modelwright.tasks import directions
from modelwright.tasks.base import Encoding, UndecodableError
from modelwright.tasks.hashing import counted
from modelwright.tasks.modalities.table import features as table_features
from modelwright.tasks.modalities.table import hashing, learning
from modelwright.tasks.modalities.table import schema as table_schema
from modelwright.tasks.modalities.table.modality import Table

TABLE = Table()


def rows(count: int = 400) -> dict[str, Any]:
    """Return columns, of which one holds words in ever new order."""
    random = np.random.default_rng(0)
    words = np.array(["belt", "Roller", "motor", "grün", "worn", "loose"])
    size = random.normal(0, 1, count)
    return {
        "size": size,
        "weight": 3 * size + random.normal(0, 0.1, count),
        "colour": random.choice(["red", "blue"], count).tolist(),
        "note": [
            None if place % 50 == 9 else f"{', '.join(random.choice(words, 3))} {place * 31}" for place in range(count)
        ],
    }


def learned(*words: str, columns: dict[str, Any] | None = None) -> dict[str, Any]:
    return TABLE.learn([columns or rows()], {"features": list(words)})


def features(schema: dict[str, Any], columns: dict[str, Any], encoding: Encoding = "dense") -> NDArray[np.float32]:
    """Return what the graph makes of rows."""
    session = open_session(TABLE.graph(schema, encoding).SerializeToString(), threads=1)
    arrays = TABLE.from_columns(columns, schema)
    made = session.run(["features"], {each.name: arrays[each.name] for each in session.get_inputs()})[0]
    return np.asarray(made, np.float32)


def column(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in schema["columns"] if each["name"] == name)
    return found


def crc(raw: bytes) -> int:
    """Return CRC-32 as ISO 3309 defines it, bit by bit."""
    register = 0xFFFFFFFF
    for byte in raw:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_the_hash_is_the_crc_that_everybody_has() -> None:
    assert crc(b"123456789") == 0xCBF43926
    assert hashing.hashes(["123456789"], 4).tolist() == [[0x4BF43926, -1, -1, -1]]
    expected = [crc(text.encode()) & 0x7FFFFFFF for text in ("grün, x", "grün", "x")]
    assert hashing.hashes(["Gru\u0308n, X"], 4).tolist() == [[*expected, -1]]


def test_no_column_has_more_than_its_share_of_words() -> None:
    words = [f"{start}{end}" for start in ("pump", "belt", "valve", "seal", "Ü") for end in range(800)]
    places = hashing.hashes(words, 4)[:, 0] % 256
    # 4,000 words in 256 columns: 15.6 on average, and by chance at most about 35.
    assert np.bincount(places, minlength=256).max() < 40


@given(st.text(max_size=60))
def test_one_text_in_two_forms_has_the_same_hashes(text: str) -> None:
    found = hashing.hashes([text], 64)
    assert np.array_equal(found, hashing.hashes([unicodedata.normalize("NFC", f"  {text} ")], 64))
    there = found[found >= 0]
    assert (there < 2**31).all()
    assert (found[0, : len(there)] >= 0).all()
    assert len(there) == min(len(hashing.pieces(text)), 64)


def test_the_graph_counts_what_numpy_counts() -> None:
    columns = rows()
    schema = learned("hashing")
    facts = column(schema, "note")["hashed"]
    texts = [text or "" for text in columns["note"]]
    expected = counted(hashing.hashes(texts, facts["size"]), facts["width"])
    for encoding in ("dense", "trees"):
        names = TABLE.feature_names(schema, encoding)
        mine = [place for place, name in enumerate(names) if name.startswith("note, words hashed to ")]
        assert len(mine) == facts["width"]
        np.testing.assert_array_equal(features(schema, columns, encoding)[:, mine], expected)
    assert not expected[9].any()  # missing
    assert np.abs(expected).sum(1)[0] >= 3


def test_rows_columns_and_parsed_rows_have_the_same_hashes() -> None:
    columns = rows()
    schema = learned("hashing", "categories")
    by_column = TABLE.from_columns(columns, schema)
    reader = TABLE.rows(schema)
    plain = [{name: values[place] for name, values in columns.items()} for place in range(20)]
    stacked = reader.stack([reader.read(row) for row in plain])
    assert list(stacked) == [each["name"] for each in TABLE.describe(schema)]
    for place, row in enumerate(plain):
        decoded = TABLE.decode(json.dumps(row).encode(), schema)
        assert decoded["c3_words"].dtype == np.int64
        for name in decoded:
            assert str(decoded[name][0]) == str(by_column[name][place]) == str(stacked[name][place]), name


def test_what_is_hashed_and_what_is_not() -> None:
    count = 600
    random = np.random.default_rng(1)
    columns = {
        "n": random.normal(0, 1, count),
        "few": random.choice(["red", "blue"], count).tolist(),
        "many": [f"c{int(value)}" for value in np.minimum(random.zipf(1.3, count), 5000)],
        "code": [f"X{place * 7919:06d}" for place in range(count)],
        "words": [f"{random.choice(['big', 'small'])} thing {place}" for place in range(count)],
    }
    schema = learned("hashing", columns=columns)
    hashed = {each["name"]: each["hashed"] for each in schema["columns"] if "hashed" in each}
    assert set(hashed) == {"many", "words"}
    assert hashed["words"] == {"size": 4, "width": 16, "words": 2}, "what all have in common says nothing"
    assert column(schema, "words")["categories"] == []
    assert len(column(schema, "many")["categories"]) > 20
    assert "allowed" not in schema["contract"]["words"], "new texts are no breach: that is what hashing is for"
    assert [each["name"] for each in schema["left_out"]] == ["code"]
    assert "words: 2 words in 3 rows and more, hashed to 16 columns" in schema["reason"]
    names = TABLE.feature_names(learned("hashing", "categories", columns=columns), "trees")
    assert "many" in names
    assert "words" not in names


def test_a_table_without_such_columns_says_that_hashing_adds_nothing() -> None:
    schema = learned("hashing", "missing", "log", columns={"n": np.arange(90.0), "c": ["x", "y", "z"] * 30})
    for word in ("hashing", "missing", "log"):
        assert f"{word} adds nothing" in schema["reason"]
    assert TABLE.feature_names(schema, "dense") == ["n"]


def test_very_many_columns_of_words_share_the_room() -> None:
    random = np.random.default_rng(2)
    words = np.array([f"w{place}" for place in range(300)])
    columns = {f"t{place}": [" ".join(random.choice(words, 4)) for _ in range(400)] for place in range(40)}
    schema = learned("hashing", columns=columns)
    widths = [each["hashed"]["width"] for each in schema["columns"]]
    assert sum(widths) <= 16_384
    assert set(widths) == {256}


def test_many_samples_have_fewer_columns_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"w{place % 200} x{place}" for place in range(800)]
    assert column(learned("hashing", columns={"n": np.arange(800.0), "t": words}), "t")["hashed"]["width"] == 512
    monkeypatch.setattr(table_schema, "HASHED_BYTES", 4 * 800 * 100)
    assert column(learned("hashing", columns={"n": np.arange(800.0), "t": words}), "t")["hashed"]["width"] == 64


def test_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    columns = rows()
    plain, schema = learned("categories"), learned("categories", "pca")
    block = features(plain, columns).astype(np.float64)
    peer = PCA(svd_solver="full").fit(block)
    found = schema["components"]
    count = int(np.searchsorted(np.cumsum(peer.explained_variance_ratio_), 0.95)) + 1
    assert found["rank"] == count
    np.testing.assert_allclose(found["explained"], peer.explained_variance_ratio_[:count], rtol=1e-3)
    mine, theirs = features(schema, columns), peer.transform(block)[:, :count]
    signs = np.sign((mine * theirs).sum(0))
    np.testing.assert_allclose(mine, theirs * signs, atol=2e-3)
    largest = np.abs(peer.components_[:count]).argmax(1)
    np.testing.assert_array_equal(signs, np.sign(peer.components_[np.arange(count), largest]))
    assert f"{count} of {block.shape[1]} directions hold" in schema["reason"]


def test_components_take_the_place_of_dense_features_and_stand_beside_those_of_trees() -> None:
    columns = rows()
    schema = learned("categories", "pca")
    rank = schema["components"]["rank"]
    assert TABLE.feature_names(schema, "dense")[0] in {"component 1, mostly size", "component 1, mostly weight"}
    assert features(schema, columns).shape[1] == rank
    trees = features(schema, columns, "trees")
    assert TABLE.feature_names(schema, "trees")[:3] == ["size", "weight", "colour"]
    np.testing.assert_array_equal(trees[:, -rank:], features(schema, columns))


def test_answers_stay_beside_the_components() -> None:
    columns = rows()
    schema = learned("categories", "pca", "answers")
    keys = np.arange(400, dtype=np.uint64)
    schema = TABLE.with_answers(schema, [columns], columns["size"][:, None], keys, ["mean answer"])
    names = TABLE.feature_names(schema, "dense")
    assert names[-1] == "colour: mean answer"
    assert features(schema, columns).shape[1] == len(names) == schema["components"]["rank"] + 1


def test_a_row_alone_has_the_components_that_it_has_among_others() -> None:
    columns = rows()
    schema = learned("categories", "hashing", "pca")
    together = features(schema, columns)
    for place in (0, 9, 399):
        alone = features(schema, {name: values[place : place + 1] for name, values in columns.items()})
        np.testing.assert_array_equal(alone[0], together[place])


def test_components_follow_from_the_rows_and_not_from_how_they_came() -> None:
    columns = rows(5000)
    whole = canonical.dumps(learned("pca", "categories", columns=columns))
    parts = [{name: values[start : start + 333] for name, values in columns.items()} for start in range(0, 5000, 333)]
    assert canonical.dumps(TABLE.learn(parts, {"features": ["pca", "categories"]})) == whole


def test_the_sample_of_rows_is_bounded_and_even() -> None:
    sample = learning.Sample(rows=1000, cells_=1 << 20)
    batches = [{"n": np.arange(start, start + 700.0)} for start in range(0, 70_000, 700)]
    assert sum(len(batch["n"]) for batch in sample.through(batches)) == 70_000
    schema = TABLE.learn([{"n": np.arange(100.0)}], {})
    kept = np.concatenate([arrays["c0"][:, 0] for arrays in sample.arrays(schema, 10_000)])
    assert 400 <= len(kept) <= 1000
    assert (np.diff(kept) > 0).all()
    assert np.histogram(kept, 10, (0, 70_000))[0].min() > len(kept) / 20
    fewer = np.concatenate([arrays["c0"][:, 0] for arrays in sample.arrays(schema, 200)])
    assert len(fewer) == 200
    assert set(fewer) <= set(kept)


def test_rows_that_do_not_differ_have_no_components() -> None:
    found = directions.components(np.ones((10, 3)), ["a", "b", "c"])
    assert found["rank"] == 0
    assert directions.weights(found).size == 0


def test_only_training_rows_decide_about_components(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    lines = []
    for place in range(400):
        test = place % 4 == 0
        one, other = random.normal(0, 1), random.normal(0, 1)
        # In training both say the same, in the test they have nothing to do with each other.
        values = (one, other) if test else (one, one + 0.01 * other)
        lines.append(f"{values[0]:.4f},{values[1]:.4f},{'test' if test else 'train'},{'yes' if one > 0 else 'no'}")
    (tmp_path / "data.csv").write_text("a,b,part,y\n" + "\n".join(lines) + "\n")
    spec = "sources: [{table: data.csv}]\nlabel: y\nfeatures: [pca]\nsplit: {column: part}\n"
    dataset = prepare(loads(spec, tmp_path / "modelwright.yaml"), Store.open(tmp_path / ".modelwright"))
    found = dataset.schema["input"]["components"]
    assert found["rank"] == 1
    assert found["explained"][0] > 0.99


def test_names_of_passengers_are_words_and_their_numbers_are_not(shared_data: Path, tmp_path: Path) -> None:
    spec = (
        f"sources: [{{table: {shared_data}/titanic/titanic.csv}}]\nlabel: Survived\nfeatures: [categories, hashing]\n"
    )
    dataset = prepare(loads(spec, tmp_path / "modelwright.yaml"), Store.open(tmp_path / ".modelwright"))
    schema = dataset.schema["input"]
    assert [each["name"] for each in schema["columns"] if "hashed" in each] == ["Name"]
    assert {"PassengerId", "Ticket"} <= set(dataset.meta["dropped_columns"])
    made = dataset.features("train", "dense")
    mister = zlib_place("mr", column(schema, "Name")["hashed"]["width"])
    names = dataset.modality.feature_names(schema, "dense")
    values = made[:, names.index(f"Name, words hashed to {mister}")]
    told = np.corrcoef(values, dataset.truth("train"))[0, 1]
    assert abs(told) > 0.4, "'Mr' says who did not survive"


def zlib_place(word: str, width: int) -> int:
    return int(hashing.hashes([word], 4)[0, 0]) % width


def test_a_word_that_is_none_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InputError, match="hashing, pca") as caught:
        learned("svd")
    assert "auto takes missing, log, dates, categories" in caught.value.hint


CELLS = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.floats(-1e6, 1e6),
    st.booleans(),
    st.sampled_from(["", "a", "b c", "grün 12", "2024-03-01", "x" * 70]),
    st.text(max_size=6),
)


@settings(max_examples=40, deadline=None)
@example(rows=[{"p": 0}, {"p": 6e-133}], words=["log"], copies=1)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["p", "q", "r"]), CELLS, min_size=1), min_size=1, max_size=12),
    words=st.lists(st.sampled_from(list(table_features.WORDS)), min_size=1, unique=True),
    copies=st.sampled_from([1, 9]),
)
def test_whatever_a_table_holds_its_words_give_features_or_a_clear_error(
    rows: list[dict[str, Any]], words: list[str], copies: int
) -> None:
    raws = [json.dumps(row).encode() for row in rows] * copies
    undecided = []
    for raw in raws:
        try:
            undecided.append(TABLE.decode(raw, {}))
        except UndecodableError:
            return
    try:
        schema = TABLE.learn(undecided, {"features": words})
        if "answers" in words:
            keys = np.arange(len(raws), dtype=np.uint64)
            schema = TABLE.with_answers(schema, undecided, keys.astype(float)[:, None], keys, ["mean answer"])
    except (InputError, UndecodableError):
        return
    for encoding in ("dense", "trees"):
        session = open_session(TABLE.graph(schema, encoding).SerializeToString(), threads=1)
        names = TABLE.feature_names(schema, encoding)
        assert len(set(names)) == len(names) > 0
        for raw in raws[: len(rows)]:
            try:
                arrays = TABLE.decode(raw, schema)
            except UndecodableError:
                continue
            made = session.run(["features"], {each.name: arrays[each.name] for each in session.get_inputs()})[0]
            assert made.shape == (1, len(names))
            assert encoding == "trees" or np.isfinite(made).all()
    parts = TABLE.feature_parts(schema)
    assert sum(map(len, parts.values())) <= len(TABLE.feature_names(schema, "dense"))
