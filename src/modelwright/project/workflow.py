"""Bring a project up to date: each step by its key, in order.

A step's *key* is the digest of its input artifacts, its part of the spec, its declared version and the seed. What the
store has under that key is the answer, found without importing anything heavy and without a database. Otherwise the
step runs, under the project's lock, and is written down as a run.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelwright import canonical
from modelwright.errors import InputError, ModelwrightError
from modelwright.progress import Progress
from modelwright.project.results import RunResult, StepResult

if TYPE_CHECKING:
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store

STEPS = ("prepare", "train", "package", "validate", "deploy")
"""The steps of a run, in order."""

STEP_VERSIONS = {"train": 1, "package": 1, "validate": 1}
"""Declared versions of the steps' code: raised when the same inputs give another artifact. Prepare has its own."""

Outcome = tuple[StepResult, "Artifact"]


class Workflow:
    """The steps of one project, strung together.

    Parameters
    ----------
    spec
        What the user wants.
    store
        Where artifacts are kept.
    target
        Name of the deployment whose champion a new package has to beat.
    """

    def __init__(self, spec: Spec, store: Store, target: str) -> None:
        self.given = spec
        self.spec = with_production(spec)
        self.store = store
        self.target = target

    def run(self, to: str, progress: Progress) -> tuple[RunResult, Artifact | None]:
        """Bring everything up to date as far as ``to``, at most ``validate``; return the package too, if any."""
        if to not in STEPS[:4]:
            raise InputError(f"there is no step {to!r}; the steps are {', '.join(STEPS)}", code="unknown-step")
        results: list[StepResult] = []

        def done(outcome: Outcome) -> Artifact:
            results.append(outcome[0])
            return outcome[1]

        dataset = done(self.prepare(progress))
        if to == "prepare":
            return RunResult(tuple(results)), None
        model = done(self.train(dataset, progress))
        if to == "train":
            return RunResult(tuple(results)), None
        package = done(self.package(model, progress))
        if to == "package":
            return RunResult(tuple(results)), package
        result, artifact = self.validate(model, package, progress)
        report = read_json(artifact, "report.json")
        if report["verdict"] == "refused":
            result = replace(result, status="refused")
        return RunResult((*results, result), report), package

    # ------------------------------------------------------------------ keys

    def keys(self) -> dict[str, tuple[str, Artifact | None]]:
        """Return each step's key as things stand now, with what the store has under it, as far as that is known."""
        from modelwright.prepare import fingerprint
        from modelwright.spec import check_files

        known: dict[str, tuple[str, Artifact | None]] = {}
        if self.store.artifacts.latest("dataset") is None:  # nothing to compare with: no file has to be read
            check_files(self.given, "prepare")
            return known
        key = self._key("prepare", {"sources": fingerprint(self.spec, self.store)})
        dataset = self.store.artifacts.by_key("prepare", key)
        known["prepare"] = key, dataset
        if dataset is None:
            return known
        key = self._key("train", {"dataset": dataset.digest})
        model = self.store.artifacts.by_key("train", key)
        known["train"] = key, model
        if model is None:
            return known
        key = self._key("package", self._package_inputs(model))
        package = self.store.artifacts.by_key("package", key)
        known["package"] = key, package
        if package is None:
            return known
        report, inputs, _ = self._standing_report(model, package)
        key = self._key("validate", inputs)
        known["validate"] = key, report or self.store.artifacts.by_key("validate", key)
        return known

    def _key(self, step: str, inputs: Mapping[str, str]) -> str:
        return canonical.digest_value(
            {"step": step, "version": STEP_VERSIONS.get(step, 0), "inputs": dict(inputs), "spec": self.spec.part(step)}
        )

    # ------------------------------------------------------------------ steps

    def prepare(self, progress: Progress) -> Outcome:
        """Collect, check, clean and split the sources."""
        from modelwright.prepare import observe
        from modelwright.spec import check_files

        check_files(self.given, "prepare")
        seen = observe(self.spec, self.store, progress)
        key = self._key("prepare", {"sources": seen.combined})

        def work() -> Artifact:
            from modelwright.prepare import prepare

            return prepare(
                self.spec,
                self.store,
                key=("prepare", key),
                parent=self._parent(key, progress),
                seen=seen,
                progress=progress,
            ).artifact

        return self._step("prepare", key, {}, work)

    def train(self, dataset: Artifact, progress: Progress) -> Outcome:
        """Learn from a dataset."""
        inputs = {"dataset": dataset.digest}
        key = self._key("train", inputs)

        def work() -> Artifact:
            from modelwright.store.dataset import Dataset
            from modelwright.train import train

            return train(self.spec, Dataset(self.store, dataset), self.store, key=("train", key), progress=progress)

        return self._step("train", key, inputs, work)

    def package(self, model: Artifact, progress: Progress) -> Outcome:
        """Make a model deployable."""
        inputs = self._package_inputs(model)
        key = self._key("package", inputs)

        def work() -> Artifact:
            from modelwright.package import package
            from modelwright.store.dataset import Dataset

            dataset = Dataset(self.store, self.store.artifacts.open(model.inputs["dataset"], "dataset"))
            return package(self.spec, dataset, model, self.store, key=("package", key), progress=progress)

        return self._step("package", key, inputs, work)

    def validate(self, model: Artifact, package: Artifact, progress: Progress) -> Outcome:
        """Measure a package on the locked test split, beside the champion if there is one, and ask the gate."""
        report, inputs, champion = self._standing_report(model, package)
        if report is not None:
            return StepResult("validate", "cached", report.digest, 0.0), report
        key = self._key("validate", inputs)

        def work() -> Artifact:
            from modelwright.store.dataset import Dataset
            from modelwright.validate import validate

            dataset = Dataset(self.store, self.store.artifacts.open(model.inputs["dataset"], "dataset"))
            return validate(
                self.spec,
                dataset,
                model,
                package,
                self.store,
                champion=champion,
                key=("validate", key),
                progress=progress,
            )

        return self._step("validate", key, inputs, work)

    def _package_inputs(self, model: Artifact) -> dict[str, str]:
        return {"model": model.digest, "dataset": model.inputs["dataset"]}

    def _standing_report(
        self, model: Artifact, package: Artifact
    ) -> tuple[Artifact | None, dict[str, str], Artifact | None]:
        """Return ``(report that still holds or None, validate's inputs, champion to compare with or None)``.

        The champion itself is not validated again: the report that let it in still holds, and the locked test split is
        not looked at once more.
        """
        inputs = {"package": package.digest, "model": model.digest, "dataset": model.inputs["dataset"]}
        standing = self.store.deployments.champion(self.target)
        if standing is None:
            return None, inputs, None
        if standing["package"] == package.digest:
            return report_of(self.store, package.digest), inputs, None
        champion = self.store.artifacts.open(standing["package"], "package")
        return None, {**inputs, "champion": champion.digest}, champion

    def _parent(self, key: str, progress: Progress) -> Any:
        """Return the newest dataset if it was dealt by the same settings: what it locked away stays locked away.

        One that was made under this very ``key``, by a run that died before the step cache knew of it, is no parent of
        what is to be made: that has the parent which that one had, and becomes the same.
        """
        from modelwright.prepare.divide.standing import dealt_otherwise
        from modelwright.store.dataset import Dataset

        newest = self.store.artifacts.latest("dataset")
        while newest is not None and newest.observed.get("key") == key:
            before = newest.observed.get("parent")
            newest = None
            if isinstance(before, str):
                with contextlib.suppress(InputError):
                    newest = self.store.artifacts.open(before, "dataset")
        if newest is None:
            return None
        if why := dealt_otherwise(self.spec, newest.meta):
            progress.say(f"{why}: samples are dealt into splits anew, and the test split is another one")
            return None
        return Dataset(self.store, newest)

    # ------------------------------------------------------------------ underneath

    def _step(self, step: str, key: str, inputs: Mapping[str, str], work: Callable[[], Artifact]) -> Outcome:
        """Answer from the step cache, or do the work under the project's lock and write it down as a run."""
        started = time.monotonic()
        found = self.store.artifacts.by_key(step, key)
        if found is None:
            with self.store.lock("work"):
                # Another process may have done it while this one waited.
                found = self.store.artifacts.by_key(step, key)
                if found is None:
                    with self._recorded(step, inputs) as finish:
                        artifact = work()
                        finish(artifact.digest)
                    return StepResult(step, "ran", artifact.digest, time.monotonic() - started), artifact
        if self.store.artifacts.latest(found.kind) != found:
            self.store.artifacts.make_latest(found)
        return StepResult(step, "cached", found.digest, time.monotonic() - started), found

    @contextlib.contextmanager
    def _recorded(self, step: str, inputs: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
        """Write the run's beginning and its end into the catalog, whatever the end is."""
        runs = self.store.catalog.runs
        run = runs.start(step, dict(inputs), self.spec.part(step), self.spec.train.seed, environment())
        made: list[str] = []
        try:
            yield made.append
        except ModelwrightError as error:
            runs.finish(run, "failed", None, error.message)
            raise
        except KeyboardInterrupt:
            runs.finish(run, "interrupted", None, "stopped by the user")
            raise
        except BaseException as error:
            runs.finish(run, "failed", None, f"{type(error).__name__}: {error}")
            raise
        runs.finish(run, "done", made[0] if made else None, None)


def with_production(spec: Spec) -> Spec:
    """Return the spec with labelled production samples among its sources: how the loop closes without being asked."""
    from modelwright.spec import Source

    if any(source.kind == "feedback" for source in spec.sources):
        return spec
    return replace(spec, sources=(*spec.sources, Source("feedback", "production")))


def report_of(store: Store, package: str) -> Artifact | None:
    """Return the newest report about the package with this digest, or None."""
    reports = [report for report in store.artifacts.list("report") if report.inputs.get("package") == package]
    return reports[-1] if reports else None


def read_json(artifact: Artifact, name: str) -> dict[str, Any]:
    """Return a JSON file of an artifact."""
    made: dict[str, Any] = json.loads(artifact.path(name).read_bytes())
    return made


def environment() -> dict[str, str]:
    """Return what a run ran in: versions of Python, Modelwright and the libraries that decide figures."""
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    for name in ("modelwright", "numpy", "onnxruntime", "torch", "lightgbm", "scikit-learn", "pyarrow", "pillow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
