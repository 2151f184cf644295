"""Every mistake in a spec is one SpecError: file and line, key, what was found, what is allowed, the nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.errors import SpecError
from modelwright.spec import check_files, load, loads

BASE = "sources: [{folder: photos/}]\n"

# text after the first line, line of the mistake, words that must be in the message, hint
MISTAKES = [
    ("nam: belt", 2, ["unknown key 'nam'", "allowed: name, problem"], "name"),
    ("Train: {}", 2, ["unknown key 'Train'"], "train"),
    ("budget: 5m", 2, ["unknown key 'budget'"], "train.budget"),
    ("train:\n  models: auto\n  budgt: 5m", 4, ["unknown key 'train.budgt'", "budget"], "budget"),
    ("input: imag", 2, ["input: found 'imag'", "image, table"], "image"),
    ("input: [image]", 2, ["input: found a list of 1"], ""),
    ("input:\n  kind: image", 3, ["input: found keys (kind"], ""),
    ("output: categories", 2, ["output: found 'categories'"], "category"),
    ("name: has spaces", 2, ["name: found 'has spaces'", "at most 64"], ""),
    ("name: ''", 2, ["name: found ''"], ""),
    ("problem: []", 2, ["problem: found an empty list"], ""),
    ("label: [a, b]", 2, ["label: found a list of 2"], ""),
    ("clean: {drop: [corrupt, dupicate]}", 2, ["clean.drop: found 'dupicate'"], "duplicate"),
    ("clean: {drop: [dark], keep: [dark]}", 2, ["'dark' is in clean.drop too"], ""),
    ("clean: drop", 2, ["clean: found 'drop'", "near_duplicate"], ""),
    ("clean: {near_duplicate: 7}", 2, ["found '7'", "from 0.5 to 1"], ""),
    ("split: {train: 0.6, validation: 0.3, test: 0.2}", 2, ["sum to 1.1"], ""),
    ("split: {test: 1}", 2, ["split.train: found 0"], ""),
    ("split: {test: lots}", 2, ["split.test: found 'lots'", "a number from 0 to 1"], ""),
    ("split: {test: '0.2'}", 2, ["split.test: found '0.2'"], ""),
    ("split: {by: group}", 2, ["split.group is missing"], ""),
    ("split: {by: magic}", 2, ["split.by: found 'magic'"], ""),
    ("split: {group: '('}", 2, ["split.group: found '('"], ""),
    ("split: {group: plate}", 2, ["it has no group"], ""),
    ("split: {seed: -1}", 2, ["split.seed: found '-1'", "4,294,967,295"], ""),
    ("train: {models: [convnt]}", 2, ["train.models: found 'convnt'", "boosting"], "convnet"),
    ("train: {models: []}", 2, ["train.models", "at least 1"], ""),
    ("train: {models: Auto}", 2, ["train.models: found 'Auto'"], "auto"),
    ("train: {metric: f1}", 2, ["train.metric: found 'f1'"], "f1_macro"),
    ("train: {budget: 10 parsecs}", 2, ["train.budget: found '10 parsecs'", "10m"], ""),
    ("train: {budget: 600}", 2, ["train.budget: found '600'", "10m"], ""),
    ("train: {budget: 0s}", 2, ["train.budget"], ""),
    ("train: {loss: focl}", 2, ["train.loss: found 'focl'", "cross-entropy"], "focal"),
    ("output: number\ntrain: {loss: focal}", 3, ["train.loss: found 'focal'", "squared"], ""),
    ("split: {train: 0.5, validation: 0, test: 0.5}", 2, ["split.validation: found 0"], ""),
    ("train: {folds: 1}", 2, ["train.folds: found '1'", "at least 2"], ""),
    ("train: {folds: 2.5}", 2, ["train.folds: found '2.5'", "whole number"], ""),
    ("train: {seed: 1e400}", 2, ["train.seed: found '1e400'"], ""),
    ("train: {seed: .nan}", 2, ["train.seed: found '.nan'"], ""),
    ("train: {threads: many}", 2, ["train.threads: found 'many'", "auto, or a whole number"], ""),
    ("train: {class_weights: ballanced}", 2, ["train.class_weights"], "balanced"),
    ("train: {seed: }", 2, ["train.seed: found nothing"], ""),
    ("accept: {f1_macr: '>= 0.9'}", 2, ["unknown metric 'f1_macr'", "size_mb"], "f1_macro"),
    ("accept: {mae: '<= 3'}", 2, ["unknown metric 'mae' for the output 'category'"], ""),
    ("output: number\naccept: {accuracy: '>= 1'}", 3, ["unknown metric 'accuracy' for the output 'number'"], ""),
    ("accept: {accuracy: 0.9}", 2, ["accept.accuracy: found '0.9'", '">= 0.9"'], ""),
    ("accept: {accuracy: '=> 0.9'}", 2, ["accept.accuracy: found '=> 0.9'"], ""),
    ("accept: {accuracy: '>= nan'}", 2, ["accept.accuracy"], ""),
    ("accept: [accuracy]", 2, ["accept: found a list of 1"], ""),
    ("deploy: {port: 99999}", 2, ["deploy.port: found '99999'", "from 0 to 65,535"], ""),
    ("deploy: {port: http}", 2, ["deploy.port: found 'http'"], ""),
    ("deploy: {to: moon}", 2, ["deploy.to: found 'moon'", "server"], ""),
    ("deploy: {durability: powr}", 2, ["deploy.durability"], "power"),
    ("deploy: {certificate: a.pem}", 2, ["without deploy.private_key"], ""),
    ("deploy: {allowed_origins: [intranet]}", 2, ["deploy.allowed_origins: found 'intranet'"], ""),
    ("monitor: {window: 1 hour}", 2, ["monitor.window: found '1 hour'"], ""),
    ("monitor: {false_alarm_rate: 2}", 2, ["monitor.false_alarm_rate: found '2'"], ""),
    ("monitor: {alerts: [pager]}", 2, ["monitor.alerts: found 'pager'"], ""),
    ("retrain: {when: [drft]}", 2, ["retrain.when: found 'drft'"], "drift"),
    ("retrain: {when: [labels > 5]}", 2, ["retrain.when: found 'labels > 5'"], "labels >= 200"),
    ("retrain: {when: [every now]}", 2, ["retrain.when: found 'every now'"], "every 7d"),
    ("retrain: {promote: yes}", 2, ["retrain.promote: found 'yes'", "auto, manual"], ""),
    ("store: {catalog: somewhere}", 2, ["store.catalog: found 'somewhere'", "SQLAlchemy"], ""),
    ("sources: []", 2, ["the key 'sources' stands twice", "line 1"], ""),
    ("name: a\nname: b", 3, ["'name' stands twice", "line 2"], ""),
    ("train: {seed: 1, seed: 2}", 2, ["'seed' stands twice"], ""),
    ("train:\n\tseed: 1", 3, ["found a tab"], ""),
    ("name: &a x", 2, ["anchor &a"], ""),
    ("name: *a", 2, ["alias *a"], ""),
    ("name: !!python/object/apply:os.system [ls]", 2, ["tag"], ""),
    ("name: !custom x", 2, ["the tag !custom"], ""),
    ("name: [", 3, ["is not YAML"], ""),
    ("name: 'open", 2, ["is not YAML"], ""),
    ("name: a: b", 2, ["is not YAML"], ""),
    ("- a", 2, ["is not YAML"], ""),
    ("---\nname: b", 2, ["a second document"], ""),
    ("? [a]\n: b", 2, ["a key must be a word"], ""),
    ("name: \x07", 2, ["U+0007"], ""),
]


@pytest.mark.parametrize(("text", "line", "words", "near"), MISTAKES, ids=[repr(each[0])[:50] for each in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_the_nearest_word(
    text: str, line: int, words: list[str], near: str
) -> None:
    with pytest.raises(SpecError) as caught:
        loads(BASE + text, "belt/modelwright.yaml")
    error = caught.value
    assert error.message.startswith(f"belt/modelwright.yaml:{line}: "), error.message
    for each in words:
        assert each in error.message
    assert "\n" not in error.message
    if near:
        assert error.hint == f"did you mean {near!r}?"
    assert error.exit_status == 2
    assert error.code == "bad-spec"


SOURCES = [
    ("", "the key 'sources' is missing"),
    ("name: a", "the key 'sources' is missing"),
    ("# only a comment", "the key 'sources' is missing"),
    ("sources:", "sources: found nothing"),
    ("sources: []", "sources: found an empty list"),
    ("sources: photos/", "sources: found 'photos/'"),
    ("sources: {folder: photos/}", "sources: found keys (folder"),
    ("sources: [photos/]", "sources[0]: found 'photos/'"),
    ("sources: [{foldr: photos/}]", "unknown kind of source 'foldr'"),
    ("sources: [{folder: }]", "sources[0].folder: found nothing"),
    ("sources: [{folder: [a]}]", "sources[0].folder: found a list"),
    ("sources: [{folder: a, labl: b}]", "unknown key 'sources[0].labl'"),
    ("sources: [{folder: a}, {table: b, delimitr: ','}]", "unknown key 'sources[1].delimitr'"),
    ("sources: [{table: b, header: perhaps}]", "sources[0].header: found 'perhaps'"),
    ("sources: [{table: b, decimal: ';'}]", "sources[0].decimal: found ';'"),
    ("just words", "the spec: found 'just words'"),
    ("[a, b]", "the spec: found a list of 2"),
]


@pytest.mark.parametrize(("text", "words"), SOURCES, ids=[each[0][:40] or "empty" for each in SOURCES])
def test_mistakes_about_sources(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(text)
    assert words in caught.value.message
    assert caught.value.message.startswith("modelwright.yaml:1: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(SpecError, match="Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name: caf\xe9\n", ":1: is not UTF-8: found byte 0xe9"),
        (b"sources:\n- folder: a\nname: \xff", ":3: is not UTF-8"),
        ("sources: [{folder: a}]".encode("utf-16"), ":1: is UTF-16"),
        (b"#" * (1 << 20) + b"\n#", "is larger than 1 MB"),
        (b"sources: [{folder: a}]\n\x00", ":2: found the character U+0000"),
        (b"[" * 100_000, "nested deeper than 12"),
        (b"{a: " * 1000, "nested deeper than 12"),
        (b"a: [" + b"b," * 60_000 + b"]", "more than 50,000 values"),
        (b"a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "anchor"),
    ],
)
def test_files_that_are_no_spec(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "modelwright.yaml"
    file.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        load(file)
    assert words in caught.value.message


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "modelwright.yaml"
    file.write_bytes(b"\xef\xbb\xbfsources:\r\n- folder: photos/\r\nname: belt\r\n")
    assert load(file).name == "belt"
    assert load(file).sources[0].line == 2


def test_a_missing_source_is_told_with_line_and_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    file = tmp_path / "modelwright.yaml"
    file.write_text("name: belt\nsources:\n- folder: photo\n")
    spec = load(file)
    with pytest.raises(SpecError) as caught:
        check_files(spec)
    assert f"{file}:3: sources[0].folder: found 'photo'" in caught.value.message
    assert caught.value.hint == "did you mean 'photos'?"


def test_sources_that_are_there_pass_also_as_patterns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    file = tmp_path / "modelwright.yaml"
    file.write_text("sources:\n- table: '*.csv'\n- csv: a.csv\n- feedback: server\n")
    check_files(load(file))


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "modelwright.yaml"
    file.write_text(BASE + "deploy:\n  certificate: a.pem\n  private_key: b.pem\n")
    with pytest.raises(SpecError, match=r":3: deploy\.certificate: found 'a\.pem'"):
        check_files(load(file), "deploy")
