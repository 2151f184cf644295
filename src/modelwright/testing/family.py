"""The contract of a model family, as checks that every registered one runs on every task it claims.

For authors of plug-ins::

    import pytest
    from modelwright.testing import family

    @pytest.mark.parametrize("check", family.CHECKS)
    @pytest.mark.parametrize("case", family.cases(["my-forest"]), ids=str)
    def test_contract(case, check, tmp_path):
        check(case, tmp_path)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelwright import registry
from modelwright.models.base import Family, FitContext, Fitted, Fold, Task, encoding_of, family
from modelwright.tasks import base as tasks

TRAIN, VALIDATION, TEST = 200, 60, 120


@dataclass(frozen=True)
class Case:
    """One family and one task that it claims."""

    name: str
    modality: str
    target: str
    classes: int

    def __str__(self) -> str:
        return f"{self.name}-{self.modality}-{self.target}{self.classes or ''}"

    @property
    def family(self) -> Family:
        """The family itself."""
        return family(self.name)


@dataclass(frozen=True)
class Made:
    """Samples with something to learn in them."""

    features: NDArray[np.generic]
    truth: NDArray[np.generic]
    task: Task

    def fold(self, start: int, stop: int) -> Fold:
        return Fold(self.features[start:stop], self.truth[start:stop])

    @property
    def train(self) -> Fold:
        return self.fold(0, TRAIN)

    @property
    def validation(self) -> Fold:
        return self.fold(TRAIN, TRAIN + VALIDATION)

    @property
    def test(self) -> Fold:
        return self.fold(TRAIN + VALIDATION, TRAIN + VALIDATION + TEST)


class Interrupted(Exception):  # noqa: N818 - stands for a kill
    """Raised by a listener to stop a fit in the middle."""


class Breaker:
    """A progress listener that stops the fit at the ``nth`` advance."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def begin(self, what: str, total: int | None = None) -> None:
        """Ignore it."""

    def say(self, message: str) -> None:
        """Ignore it."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count, and stop."""
        self._left -= units > 0 or bool(note)
        if self._left <= 0:
            raise Interrupted


def cases(names: Sequence[str] | None = None) -> list[Case]:
    """Return every task that the families claim, categories with two and with three classes, tags with four."""
    found = []
    for name in names or registry.names("families"):
        for modality, target in sorted(family(name).tasks):
            found += [Case(name, modality, target, k) for k in {"category": (2, 3), "tags": (4,)}.get(target, (0,))]
    return found


@functools.cache
def data(case: Case) -> Made:
    """Return the case's samples: three hidden numbers that show in the features and decide the truth."""
    random = np.random.default_rng(7)
    count = TRAIN + VALIDATION + TEST
    hidden = random.normal(size=(count, 3))
    value = 2 * hidden[:, 0] + hidden[:, 1] + 0.1 * random.normal(size=count)
    encoding = encoding_of(case.family, tasks.modality(case.modality).encodings)
    categorical: tuple[int, ...] = ()
    features: NDArray[np.generic]
    if encoding == "pixels":
        light = np.clip(128 + 40 * hidden, 0, 255)
        pixels = random.integers(0, 30, (count, 8, 8, 3))
        pixels[:, :4] += light[:, 0, None, None, None].astype(np.int64)
        pixels[:, 4:] += light[:, 1, None, None, None].astype(np.int64)
        features = np.clip(pixels, 0, 255).astype(np.uint8)
    else:
        codes = random.integers(0, 5, count)
        value = value + np.where(codes == 3, 2.0, 0.0)
        columns = [
            hidden,
            (codes == 3)[:, None] if encoding == "dense" else codes[:, None],
            random.normal(size=(count, 2)),
        ]
        features = np.hstack(columns).astype(np.float32)
        if encoding == "trees":
            features[random.random(count) < 0.1, 2] = np.nan
            features[random.random(count) < 0.1, 3] = np.nan
            categorical = (3,)
    truth: NDArray[np.generic] = (1000 * value + 50_000).astype(np.float32)
    if case.target == "tags":
        # One tag of each sign of what shows, one that is rare, and one that no sample has.
        columns = [value > 0, hidden[:, 1] > 0.5, value > np.quantile(value, 0.95), np.zeros(count, bool)]
        truth = np.stack(columns, axis=1).astype(np.float32)
    elif case.classes:
        truth = np.digitize(value, np.quantile(value, np.linspace(0, 1, case.classes + 1)[1:-1])).astype(np.int64)
    task = Task(case.modality, case.target, case.classes, TRAIN, features.shape[1:], categorical)
    return Made(features, truth, task)


def fit(case: Case, train: Fold | None = None, **changes: object) -> Fitted:
    """Fit the case's first candidate; ``changes`` replace fields of the context."""
    made = data(case)
    settings: dict[str, object] = {"seed": 3, "loss": tasks.target(case.target).losses[0], "threads": 1, **changes}
    params = case.family.candidates(made.task)[0]
    context = FitContext(**settings)  # type: ignore[arg-type]
    return case.family.fit(train or made.train, made.validation, made.task, params, context)


@functools.cache
def fitted(case: Case) -> Fitted:
    """Return the undisturbed fit, made once."""
    return fit(case)


def saved(model: Fitted, folder: Path) -> dict[str, bytes]:
    """Save a model and return its files."""
    model.save(folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def odd_rows(made: Made) -> NDArray[np.generic]:
    """Return the test features and, for trees, what production may send: gaps, unknown codes, huge values."""
    features = made.test.take(slice(None))
    if features.dtype != np.float32 or not np.isnan(made.features).any():
        return features
    width = features.shape[1]
    odd = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0.0, -0.0, -1.0, 99.0], np.float32)
    mixed = np.where(np.eye(width, dtype=bool)[:, None, :], odd[None, :, None], features[:width, None, :])
    rows = np.concatenate([features, np.repeat(odd[:, None], width, axis=1), mixed.reshape(-1, width)])
    codes = list(made.task.categorical)
    rows[:, codes] = np.trunc(rows[:, codes])  # the encoding gives whole codes or NaN, whatever production sends
    return rows


def check_names_are_registered(case: Case, folder: Path) -> None:
    """What cannot be found by its own name is lost between training and serving."""
    del folder
    assert case.family.name == case.name
    assert case.family.version >= 1


def check_candidates_are_json(case: Case, folder: Path) -> None:
    """Parameters are part of an artifact's identity."""
    from modelwright import canonical

    del folder
    task = data(case).task
    assert case.family.candidates(task)
    assert canonical.dumps(case.family.candidates(task)) == canonical.dumps(case.family.candidates(task))


def check_learns(case: Case, folder: Path) -> None:
    """A family that claims a task does better on it than the trivial answer."""
    del folder
    made, model = data(case), fitted(case)
    scores = model.scores(made.test.take(slice(None)))
    assert scores.dtype == np.float32
    assert scores.shape == (TEST, case.classes or 1)
    if case.name == "baseline":
        return
    if case.target == "tags":
        right = (scores > 0) == (made.test.truth > 0.5)
        assert float(right.mean()) > 0.8, right.mean(axis=0)
        assert (scores[:, 3] < 0).all()
    elif case.classes:
        share = float((scores.argmax(axis=1) == made.test.truth).mean())
        assert share > 1 / case.classes + 0.2, share
    else:
        truth = made.test.truth.astype(np.float64)
        assert np.mean((scores[:, 0] - truth) ** 2) < 0.5 * truth.var()


def check_no_samples_no_scores(case: Case, folder: Path) -> None:
    """An empty batch has an empty answer of the right width."""
    del folder
    assert fitted(case).scores(data(case).features[:0]).shape == (0, case.classes or 1)


def check_save_and_load(case: Case, folder: Path) -> None:
    """What is loaded answers the same, and saves to the same bytes."""
    model = fitted(case)
    before = saved(model, folder / "one")
    again = case.family.load(folder / "one")
    features = odd_rows(data(case))
    np.testing.assert_array_equal(again.scores(features), model.scores(features))
    assert saved(again, folder / "two") == before


def check_no_pickle(case: Case, folder: Path) -> None:
    """Nothing executable is ever loaded from data, so nothing executable is written."""
    for name, content in saved(fitted(case), folder).items():
        assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), name
        assert Path(name).suffix in {".json", ".safetensors", ".txt", ".onnx"}, name


def check_damaged_files_are_refused(case: Case, folder: Path) -> None:
    """A cut-off file is an error with a name, whatever library reads it."""
    from modelwright.errors import ModelwrightError

    for name, content in saved(fitted(case), folder).items():
        (folder / name).write_bytes(content[: len(content) // 3])
        try:
            case.family.load(folder).scores(data(case).features[:1])
        except ModelwrightError:
            (folder / name).write_bytes(content)
        else:
            raise AssertionError(f"a cut-off {name} was loaded")


def check_onnx_parity(case: Case, folder: Path) -> None:
    """What you tested is what runs: at batch 1, 3 and 64, gaps and huge values included."""
    from modelwright.runtime.session import open_session

    del folder
    model, features = fitted(case), odd_rows(data(case))
    session = open_session(model.to_onnx().SerializeToString())
    native = model.scores(features)
    size = max(1.0, float(np.abs(native[np.isfinite(native).all(axis=1)]).max()))
    for batch in (1, 3, 64):
        pieces = [
            session.run(["scores"], {"features": features[start : start + batch]})[0]
            for start in range(0, len(features), batch)
        ]
        np.testing.assert_allclose(np.concatenate(pieces), native, rtol=0, atol=1e-5 * size)


def check_same_bytes_again(case: Case, folder: Path) -> None:
    """Same samples, settings and seed, same model."""
    assert saved(fit(case), folder / "again") == saved(fitted(case), folder / "first")


def check_killed_midway_resumes(case: Case, folder: Path) -> None:
    """A fit that was stopped and goes on ends at the very bytes of an undisturbed one."""
    try:
        fit(case, checkpoints=folder / "work", progress=Breaker(4))
    except Interrupted:
        resumed = fit(case, checkpoints=folder / "work")
        assert saved(resumed, folder / "resumed") == saved(fitted(case), folder / "whole")


def check_memory_map_and_rows(case: Case, folder: Path) -> None:
    """Features on disk, of which some rows are meant, are as good as an array in memory; and are left untouched."""
    made = data(case)
    np.save(folder / "features.npy", np.concatenate([made.features[TRAIN:], made.features[:TRAIN]]))
    mapped = np.load(folder / "features.npy", mmap_mode="r")
    rows = np.arange(len(mapped) - TRAIN, len(mapped))
    model = fit(case, Fold(mapped, made.train.truth, None, rows))
    assert saved(model, folder / "mapped") == saved(fitted(case), folder / "memory")


def check_weights_and_deadline(case: Case, folder: Path) -> None:
    """Weights are taken, and a fit without time gives something that can score."""
    del folder
    made = data(case)
    weights = np.linspace(0.5, 1.5, TRAIN).astype(np.float32)
    kinds = [weights]
    if case.target == "tags":
        kinds.append(np.outer(weights, np.linspace(0.5, 2.0, case.classes)).astype(np.float32))
    for each in kinds:
        model = fit(case, Fold(made.train.features, made.train.truth, each), deadline=0.0)
        assert np.isfinite(model.scores(made.test.take(slice(None)))).all()


CHECKS: tuple[Callable[[Case, Path], None], ...] = (
    check_names_are_registered,
    check_candidates_are_json,
    check_learns,
    check_no_samples_no_scores,
    check_save_and_load,
    check_no_pickle,
    check_damaged_files_are_refused,
    check_onnx_parity,
    check_same_bytes_again,
    check_killed_midway_resumes,
    check_memory_map_and_rows,
    check_weights_and_deadline,
)
