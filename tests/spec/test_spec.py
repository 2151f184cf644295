"""What a good spec means: defaults, forms, parts, and the text that init writes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import registry
from modelwright.errors import SpecError
from modelwright.spec import Draft, Source, Spec, load, loads, source_options, vocabulary, write
from modelwright.spec import keys as table
from modelwright.spec.model import PARTS
from modelwright.spec.reference import EXAMPLE, text

ROOT = Path(__file__).resolve().parents[2]
BASE = "sources: [{folder: photos/}]\n"


def test_everything_but_sources_has_a_default() -> None:
    spec = loads(BASE, "/data/Belt fruit/modelwright.yaml")
    assert (spec.name, spec.input, spec.output, spec.label) == ("Belt-fruit", "image", "category", None)
    assert spec.train.models == "auto"
    assert spec.train.budget_seconds == 600.0
    assert spec.accept == ()
    assert spec.deploy.host == "127.0.0.1"
    assert spec.retrain.triggers == (("drift", None), ("labels", 200.0))
    assert spec.sources == (Source("folder", "photos/", {}, 1),)


def test_the_design_example_is_read_whole() -> None:
    spec = loads(EXAMPLE)
    assert [str(each) for each in spec.accept] == ["f1_macro >= 0.9", "latency_p95_ms <= 30", "size_mb <= 20"]
    assert (spec.split.train, spec.split.validation, spec.split.test) == (0.7, 0.1, 0.2)
    assert spec.clean.drop == ("corrupt", "duplicate")
    assert spec.monitor.window_seconds == 3600.0


def test_a_table_source_makes_the_input_a_table_and_aliases_count() -> None:
    for kind in ("table", "csv", "tsv", "parquet"):
        spec = loads(f"sources: [{{{kind}: data.x, missing: ['-', 9], header: no, group: house}}]\nlabel: 2024")
        assert (spec.input, spec.sources[0].kind, spec.label) == ("table", "table", "2024")
        assert dict(spec.sources[0].options) == {"missing": ("-", "9"), "header": False, "group": "house"}


@pytest.mark.parametrize("word", ["no", "on", "null", "3", "yes", "~x", "2024-01-01", "0x1F", "1:30"])
def test_a_column_may_be_called_anything(word: str) -> None:
    assert loads(f"sources: [{{csv: a}}]\nlabel: '{word}'").label == word


@pytest.mark.parametrize("word", ["no", "on", "3", "yes", "2024-01-01", "0x1F", "1:30", "1e3"])
def test_plain_words_are_text_where_text_is_asked(word: str) -> None:
    """YAML 1.1 turns these into booleans, dates and numbers; a spec does not."""
    assert loads(f"sources: [{{csv: a}}]\nlabel: {word}").label == word


def test_shares_that_are_left_out_keep_their_proportion() -> None:
    split = loads(BASE + "split: {test: 0.6}").split
    assert (split.train, split.validation, split.test) == pytest.approx((0.35, 0.05, 0.6))
    split = loads(BASE + "split: {train: 0.5, test: 0.3}").split
    assert split.validation == pytest.approx(0.2)


def test_a_written_rule_takes_its_kinds_from_the_defaults() -> None:
    clean = loads(BASE + "clean: {review: [duplicate]}").clean
    assert "duplicate" not in clean.drop
    assert clean.review == ("duplicate",)


def test_equal_rows_are_kept_and_equal_pictures_are_not() -> None:
    assert "duplicate" in loads(BASE).clean.drop
    assert "duplicate" not in loads("sources: [{csv: a.csv}]").clean.drop
    assert "duplicate" in loads("sources: [{csv: a.csv}]\nclean: {drop: [duplicate]}").clean.drop


def test_group_makes_the_split_grouped() -> None:
    split = loads(BASE + "split: {group: '(plate\\d+)_'}").split
    assert (split.by, split.group) == ("group", r"(plate\d+)_")
    assert loads("sources: [{csv: a}]\nsplit: {group: 'a (b'}").split.group == "a (b"


def test_durations_and_triggers_are_normal_forms() -> None:
    spec = loads(BASE + "train: {budget: 1h30m}\nretrain: {when: [quality, labels>=5, 'every 60m']}")
    assert spec.train.budget_seconds == 5400.0
    assert spec.retrain.when == ("quality", "labels >= 5", "every 1h")
    assert spec.retrain.triggers == (("quality", None), ("labels", 5.0), ("every", 3600.0))


def test_parts_hold_what_a_step_depends_on_and_nothing_else() -> None:
    plain = loads(BASE)
    same = loads(
        "# moved\n\nsources:\n  - folder: photos/\ntrain: {threads: 3, budget: 600s}\n", "/other/modelwright.yaml"
    )
    for step in ("train", "validate"):
        assert plain.part(step) == same.part(step)
    assert {**plain.part("prepare"), "name": "other"} == same.part("prepare")
    strict, stricter = (loads(BASE + f"accept: {{accuracy: '>= {limit}'}}") for limit in (0.5, 0.6))
    assert strict.part("train") == stricter.part("train") != plain.part("train")
    assert loads(BASE + "train: {seed: 1}").part("validate") != plain.part("validate")
    assert loads(BASE + "train: {seed: 1}").part("prepare") == plain.part("prepare")
    assert loads(BASE + "train: {seed: 1}").part("train") != plain.part("train")
    assert loads(BASE + "split: {seed: 1}").part("prepare") != plain.part("prepare")
    assert loads(BASE + "accept: {accuracy: '>= 0.5'}").part("validate") != plain.part("validate")
    for step in PARTS:
        json.dumps(plain.part(step), allow_nan=False)


def test_a_plug_ins_options_come_through_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entry_points", lambda kind: {"database": object()} if kind == "sources" else {})
    spec = loads(
        "sources: [{database: 'sqlite:///x', rows: 5, ask: ['a', 2.5, true, null], deep: {a: '1'}}]\ninput: table"
    )
    assert dict(spec.sources[0].options) == {"rows": 5, "ask": ["a", 2.5, True, None], "deep": {"a": "1"}}


def test_locations_start_from_the_specs_folder(tmp_path: Path) -> None:
    file = tmp_path / "modelwright.yaml"
    file.write_text(BASE)
    spec = load(file)
    assert spec.resolve("photos/") == tmp_path / "photos"
    assert spec.resolve("/abs") == Path("/abs")
    assert isinstance(spec, Spec)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_spec_or_a_spec_error(words: str) -> None:
    for text_ in (words, BASE + words, BASE + "train: {" + words, BASE + "train:\n  seed: " + words):
        try:
            loads(text_)
        except SpecError as error:
            assert "\n" not in error.message  # noqa: PT017 - one line is the contract


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["auto", ">= 1", "10m", "drift"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PATHS = st.sampled_from([key.name for key in table.KEYS] + ["sources", "accept"])


@given(_PATHS, _VALUES)
@settings(max_examples=400, deadline=None)
def test_any_value_under_any_key_is_taken_or_told(path: str, value: object) -> None:
    section, _, name = path.rpartition(".")
    tree: dict[str, object] = (
        {"sources": [{"folder": "a"}], path: value}
        if not section
        else {"sources": [{"folder": "a"}], section: {name: value}}
    )
    # JSON with escapes is YAML, apart from what JSON writes for NaN.
    try:
        spec = loads(json.dumps(tree))
    except SpecError as error:
        assert error.message.startswith("modelwright.yaml")  # noqa: PT017
    else:
        for step in PARTS:
            json.dumps(spec.part(step))


_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(
    _NAMES,
    _NAMES,
    st.one_of(st.none(), _NAMES),
    st.lists(_NAMES, max_size=3),
    st.sampled_from(["", "f1_macro", "log_loss"]),
)
@settings(max_examples=200, deadline=None)
def test_what_init_writes_is_read_back(
    name: str, location: str, label: str | None, reasons: list[str], metric: str
) -> None:
    draft = Draft(
        name, "table", "category", [Source("table", location, {"header": True})], label, metric, reasons=reasons
    )
    if not location.strip() or (label is not None and not label.strip()):
        return
    spec = loads(write(draft))
    assert spec.sources[0].location == location
    assert spec.sources[0].options == {"header": True}
    assert spec.label == (None if label is None else label.strip())
    loads(write(replace(draft, metric="")).replace("# accept", "accept"))


def test_what_init_writes_explains_itself() -> None:
    draft = Draft(
        "belt", "image", "category", [Source("folder", "photos/")], metric="f1_macro", reasons=["3 folders of pictures"]
    )
    lines = write(draft).splitlines()
    assert "#   - 3 folders of pictures" in lines
    uncommented = write(draft).replace("# accept:", "accept:")
    assert loads(uncommented).accept[0].metric == "f1_macro"


def test_the_reference_is_current() -> None:
    """If not: python -m modelwright.spec.reference > docs/spec.md."""
    assert (ROOT / "docs" / "spec.md").read_text(encoding="utf-8") == text(), (
        "python -m modelwright.spec.reference > docs/spec.md"
    )


def test_every_key_has_its_heading_and_its_default_passes_its_own_check() -> None:
    page = text()
    for key in table.KEYS:
        assert f"### `{key.name}`" in page
        assert key.doc.endswith(".")
    assert set(table.TOP) == {key.name for key in table.KEYS if not key.section} | set(table.SECTIONS) | set(
        table.SPECIAL
    )


def test_options_of_sources_are_those_the_sources_have() -> None:
    for kind, options in source_options.SOURCE_OPTIONS.items():
        assert set(options) == set(registry.load("sources", kind).option_names), kind


def test_metrics_are_those_the_targets_have() -> None:
    for name, metrics in vocabulary.METRICS.items():
        target = registry.load("targets", name)
        assert set(metrics) == set(target.higher_is_better), name
        assert vocabulary.LOSSES[name] == target.losses


def test_kinds_of_issues_are_those_that_prepare_finds() -> None:
    from modelwright.prepare.issues import ADVICE, UNUSABLE

    assert set(ADVICE) | set(UNUSABLE) <= set(vocabulary.ISSUE_KINDS)
    assert list(vocabulary.ISSUE_KINDS) == sorted(vocabulary.ISSUE_KINDS)


def test_reading_a_spec_loads_nothing_heavy() -> None:
    code = (
        "import sys; from modelwright.spec import loads; loads('sources: [{folder: a}]');"
        "heavy = ('numpy', 'pyarrow', 'torch', 'sqlalchemy', 'onnxruntime', 'PIL', 'modelwright.prepare');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
