"""The step on real datasets: it learns, says why, is the same twice, and survives being killed."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from modelwright.engine.threads import settle_openmp
from modelwright.models.pipeline import TrainedModel
from modelwright.spec import Spec
from modelwright.store.artifact import Artifact
from modelwright.store.dataset import Dataset
from modelwright.store.store import Store
from modelwright.train import train

settle_openmp()
HERE = Path(__file__).parent
SpecOf = Callable[..., Spec]


def _made() -> ModuleType:
    described = importlib.util.spec_from_file_location("train_conftest", HERE / "conftest.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


made = _made()
QUICK = "{models: [logistic], seed: 1}"


class Listener:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, what: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Ignore it."""

    def say(self, message: str) -> None:
        """Remember it."""
        self.said.append(message)


def table(store: Store, target: str = "category", count: int = 300, validation: bool = True) -> Dataset:
    raws, labels, values = made.flowers(count)
    splits = [made.split_of(number) for number in range(count)]
    if not validation:
        splits = ["train" if split == "validation" else split for split in splits]
    found: Dataset = made.publish(store, "table", target, raws, labels if target == "category" else values, splits)
    return found


def read(artifact: Artifact, name: str) -> object:
    return json.loads(artifact.path(name).read_bytes())


def test_a_table_of_numbers_end_to_end(store: Store, spec_of: SpecOf) -> None:
    """The whole artifact: files, meta, reasons, report; the pipeline answers from raw bytes."""
    dataset, listener = table(store, "number"), Listener()
    spec = spec_of("table", "number", "{models: [boosting, ridge]}")
    artifact = train(spec, dataset, store, key=("train", "k" * 16), progress=listener)
    assert artifact.meta["score"] < 0.3 * artifact.meta["baseline_score"]
    assert artifact.meta["reason"] in listener.said
    assert artifact.inputs == {"dataset": dataset.digest}
    assert store.artifacts.by_key("train", "k" * 16) == artifact
    leaderboard = read(artifact, "leaderboard.json")
    assert isinstance(leaderboard, list)
    assert leaderboard[0]["family"] == artifact.meta["family"]
    assert {each["family"] for each in leaderboard} == {"baseline", "boosting", "ridge"}
    importance = read(artifact, "importance.json")
    assert isinstance(importance, dict)
    assert "length" in max(importance, key=lambda name: float(importance[name]))
    report = artifact.attached("report.html")
    assert report is not None
    assert "did best" in report.read_text()
    raws = list(dataset.raw("test"))
    outputs = TrainedModel(artifact.folder / "content").outputs(raws)
    truth = dataset.truth("test")
    assert np.abs(outputs["value"] - truth).mean() < 0.5
    assert 0.7 < ((truth >= outputs["low"]) & (truth <= outputs["high"])).mean() <= 1


def test_twice_is_the_same_and_the_cache_does_not_matter(store: Store, spec_of: SpecOf, tmp_path: Path) -> None:
    spec = spec_of("table", "category", "{models: [boosting], folds: 2}")
    one = train(spec, table(store), store)
    assert train(spec, table(store), store) == one
    other = Store.open(tmp_path / "other" / ".modelwright")
    assert train(spec, table(other), other).digest == one.digest


def test_a_damaged_cache_is_made_again(store: Store, spec_of: SpecOf) -> None:
    spec, dataset = spec_of("table", "category", QUICK), table(store, count=400)
    one = train(spec, dataset, store)
    for path in store.cache_dir("train").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert train(spec, dataset, store) == one


def test_without_validation_some_training_samples_are_held_back(store: Store, spec_of: SpecOf) -> None:
    listener = Listener()
    artifact = train(spec_of("table", "category", QUICK), table(store, validation=False), store, progress=listener)
    assert any("held back" in words for words in listener.said)
    assert artifact.meta["score"] > artifact.meta["baseline_score"]


def test_a_spent_budget_still_gives_a_model_and_says_so(store: Store, spec_of: SpecOf) -> None:
    spec = spec_of("table", "category", "{models: [logistic, boosting], budget: 1s, folds: 3, trials: 200}")
    artifact = train(spec, table(store), store)
    assert artifact.meta["family"] in {"logistic", "boosting"}
    assert artifact.meta["cut_short"]


def test_trials_go_on_with_the_best_family(store: Store, spec_of: SpecOf) -> None:
    artifact = train(spec_of("table", "category", "{models: [logistic], trials: 3}"), table(store), store)
    leaderboard = read(artifact, "leaderboard.json")
    assert isinstance(leaderboard, list)
    assert sum(each["family"] == "logistic" for each in leaderboard) == 5


@pytest.mark.slow
def test_pictures_learn_and_start_warm(store: Store, spec_of: SpecOf) -> None:
    raws, labels, _ = made.pictures(100)
    dataset = made.publish(store, "image", "category", raws, labels, [made.split_of(n) for n in range(100)])
    spec = spec_of("image", "category", "{models: [convnet]}")
    first = train(spec, dataset, store)
    assert first.meta["score"] > 0.9
    listener = Listener()
    second = train(spec, dataset, store, warm_start=first, progress=listener)
    assert second.meta["warm_start"] == first.digest
    assert second.inputs["warm_start"] == first.digest
    assert second.meta["score"] > 0.9
    outputs = TrainedModel(first.folder / "content").outputs(list(dataset.raw("test")))
    assert (outputs["label"] == np.array(dataset.labels("test"))).mean() > 0.9


KILLED = """
import importlib.util, sys
from pathlib import Path
from modelwright.engine.threads import settle_openmp
settle_openmp()
from modelwright.spec import loads
from modelwright.store.store import Store
from modelwright.train import train
described = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(described)
described.loader.exec_module(made)
store = Store.open(Path(sys.argv[2]))
raws, labels, _ = made.pictures(70)
dataset = made.publish(store, "image", "category", raws, labels, [made.split_of(n) for n in range(70)])
text = "name: x\\ninput: image\\noutput: category\\nsources:\\n  - folder: photos\\n"
text += "train: {models: [convnet, logistic]}\\n"
spec = loads(text, Path(sys.argv[2]).parent / "modelwright.yaml")
class Loud:
    def begin(self, what, total=None): print("begin", what, flush=True)
    def advance(self, units=1, note=""): print("advance", flush=True)
    def say(self, message): print("say", message, flush=True)
print("digest", train(spec, dataset, store, progress=Loud()).digest, flush=True)
"""


@pytest.mark.slow
def test_kill_9_anywhere_ends_at_the_same_digest(tmp_path: Path) -> None:
    """A run that is killed at several moments and started again gives what an undisturbed run gives."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "photos").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "photos").mkdir()

    def run(folder: str, kill_after: int | None) -> str:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(HERE / "conftest.py")]
        command.append(str(tmp_path / folder / ".modelwright"))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                if line.startswith("digest"):
                    return line.split()[1]
                if kill_after is not None and number >= kill_after:
                    time.sleep(0.003)
                    process.send_signal(signal.SIGKILL)
                    break
        return ""

    whole = run("a", None)
    assert len(whole) == 64
    for lines in (6, 16):
        run("b", lines)
    assert run("b", None) == whole
