"""``Project``: what a Python user holds, and what the command line and the server's faces call."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.progress import SILENT, Progress
from modelwright.project.results import RunResult, StepResult

if TYPE_CHECKING:
    from modelwright.deploy.settings import ServeSettings
    from modelwright.project.rounds import Rounds
    from modelwright.project.views import Views
    from modelwright.project.workflow import Workflow
    from modelwright.spec import Spec
    from modelwright.store import Store

SPEC_NAME = "modelwright.yaml"
STORE_NAME = ".modelwright"


class Project:
    """A folder with a ``modelwright.yaml`` and a store.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        If there is no spec there, or the spec has a mistake.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from modelwright import spec
        from modelwright.engine.threads import settle_openmp

        self.path = Path(path).absolute()
        file = self.path / SPEC_NAME
        if not file.is_file():
            raise InputError(
                f"{self.path} is not a project: it has no {SPEC_NAME}",
                code="no-project",
                hint="mw init PATH writes one for a folder of pictures or a table; mw run PATH also goes on",
            )
        settle_openmp()
        self.spec: Spec = spec.load(file)

    def __repr__(self) -> str:
        return f"Project({str(self.path)!r})"

    @cached_property
    def store(self) -> Store:
        """The store in ``.modelwright/``, opened when first asked for."""
        from modelwright.store import Store

        return Store.open(self.path / STORE_NAME, catalog=self.spec.store.catalog)

    @property
    def target(self) -> str:
        """Name of the deployment: the spec's ``deploy.to``."""
        return self.spec.deploy.to

    @cached_property
    def _workflow(self) -> Workflow:
        from modelwright.project.workflow import Workflow

        return Workflow(self.spec, self.store, self.target)

    @cached_property
    def _rounds(self) -> Rounds:
        from modelwright.project.rounds import Rounds

        return Rounds(self.spec, self.store, self._workflow)

    @cached_property
    def _views(self) -> Views:
        from modelwright.project.views import Views

        return Views(self.path, self.spec, self.store, self._workflow)

    # ------------------------------------------------------------------ the steps

    def run(self, to: str = "validate", progress: Progress = SILENT) -> RunResult:
        """Bring everything up to date, in order, as far as the step ``to``; what is up to date is not done again.

        A gate that says no is not an exception: the last step's status is ``refused`` and the report says why.
        """
        if to == "deploy":
            return self.deploy(progress=progress)
        return self._workflow.run(to, progress)[0]

    def prepare(self, progress: Progress = SILENT) -> RunResult:
        """Collect, check, clean and split the sources into a Dataset."""
        return self.run("prepare", progress)

    def train(self, progress: Progress = SILENT) -> RunResult:
        """Learn a Model, after what has to come before."""
        return self.run("train", progress)

    def package(self, progress: Progress = SILENT) -> RunResult:
        """Make the deployable Package, after what has to come before."""
        return self.run("package", progress)

    def validate(self, progress: Progress = SILENT) -> RunResult:
        """Measure the Package on the locked test split and ask the gate, after what has to come before."""
        return self.run("validate", progress)

    def deploy(self, start: bool = True, progress: Progress = SILENT, port: int | None = None) -> RunResult:
        """Make the accepted Package the champion and serve it.

        Parameters
        ----------
        start
            Start a server in the background if none is running; a running one swaps to the package by itself.
        port
            Instead of the spec's; 0 takes a free one.

        Returns
        -------
        RunResult
            With ``server``: ``{"running", "url", "pid", "package"}``. When the gate said no, nothing is deployed.
        """
        from dataclasses import replace

        from modelwright.deploy import deploy, process
        from modelwright.deploy.step import settings_of
        from modelwright.spec import check_files

        check_files(self.spec, "deploy")
        result, package = self._workflow.run("validate", progress)
        if result.verdict != "accepted" or package is None:
            return result
        started = time.monotonic()
        report = self.store.artifacts.open(str(result.steps[-1].artifact), "report")
        before = self.store.deployments.champion(self.target)
        deploy(self.spec, self.store, package, report, by="person", start=False, progress=progress)
        if start and not process.status(self.store.root, self.target).running:
            settings = settings_of(self.spec, self.store)
            process.start(settings if port is None else replace(settings, port=port))
        same = before is not None and before["package"] == package.digest
        step = StepResult("deploy", "cached" if same else "ran", package.digest, time.monotonic() - started)
        return RunResult((*result.steps, step), result.report, {**self._views.server(), "package": package.digest})

    def undeploy(self) -> dict[str, Any]:
        """Stop the background server; return ``{"stopped", "pid"}``."""
        from modelwright.deploy import process

        before = process.stop(self.store.root, self.target)
        return {"stopped": before.running, "pid": before.pid}

    def serve_settings(
        self, host: str | None = None, port: int | None = None, package: str | None = None
    ) -> ServeSettings:
        """Return what :func:`modelwright.deploy.server.serve` needs to serve this project's champion.

        Parameters
        ----------
        host, port
            Instead of the spec's; port 0 takes a free one.
        package
            Digest of a package to serve instead of the champion.
        """
        from dataclasses import replace

        from modelwright.deploy.step import settings_of

        settings = settings_of(self.spec, self.store)
        return replace(
            settings,
            host=settings.host if host is None else host,
            port=settings.port if port is None else port,
            package=package,
        )

    # ------------------------------------------------------------------ the loop

    def monitor(self, progress: Progress = SILENT) -> dict[str, Any] | None:
        """Read what production saw since the last time; return findings, or None while there is too little.

        ``undo`` in it says whether the former champion would do better, once 20 labels came since the last promotion.
        """
        return self._rounds.monitor(progress)

    def watch(self, every: float = 60.0, progress: Progress = SILENT) -> Iterator[dict[str, Any]]:
        """Look again and again, and let the loop close: yield one dictionary a look, for ever.

        A look is :meth:`monitor` and, where there is anything new, :meth:`retrain`: a round when the spec's triggers
        hold, an undo when the last promotion was a mistake; promotion is as ``retrain.promote`` allows.

        Parameters
        ----------
        every
            Seconds from the beginning of one look to that of the next.

        Yields
        ------
        dict
            ``{"time", "findings", "undo", "round", "error"}``; all but the first may be None.
        """
        from modelwright.project.watching import watch

        return watch(self._rounds, every, progress)

    def retrain(self, *, force: bool = False, undo: bool = False, progress: Progress = SILENT) -> dict[str, Any]:
        """Close the loop once: trigger, new dataset, challenger, replay, promotion; or take the last promotion back.

        With ``promote: auto`` a promotion that turned out worse is taken back here, before anything else.

        Returns
        -------
        dict
            ``{"status", "reasons", "steps", "challenger", "champion", "comparison", "report"}``; status is
            ``nothing-to-do``, ``refused`` (by the gate), ``kept``, ``waiting`` (for you), ``promoted``, ``undone``.
        """
        return self._rounds.undo() if undo else self._rounds.retrain(force, progress)

    def label_queue(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the production samples whose labels would teach most, best first."""
        return self._rounds.label_queue(limit)

    def annotate(self, sample: str, value: Any, by: str) -> dict[str, Any]:
        """Write down the truth about a sample; durable when this returns."""
        return self._rounds.annotate(sample, value, by)

    def predict(
        self, paths: Sequence[Path], package: str | None = None, progress: Progress = SILENT
    ) -> Iterator[dict[str, Any]]:
        """Yield the answer of the champion (or newest package) for each file or table row, or why there is none."""
        from modelwright.deploy import answer_files
        from modelwright.runtime.predictor import Predictor
        from modelwright.runtime.reader import PackageReader

        predictor = Predictor(PackageReader.open(self._views.package_to_use(package)))
        for source, answer in answer_files(predictor, paths, progress=progress):
            yield {"input": source, **(answer if "error" in answer else {"prediction": answer})}

    # ------------------------------------------------------------------ looking

    def status(self) -> dict[str, Any]:
        """Return where the project stands, from files alone."""
        return self._views.status()

    def issues(
        self,
        kind: str | None = None,
        decision: str | None = None,
        path: str | None = None,
        column: str | None = None,
        severity: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return what prepare found in the newest dataset, worst first, with what was decided about each.

        Parameters
        ----------
        kind, decision, column
            Only issues of this kind, at this decision, about this column.
        path
            Only issues about samples whose name in their source fits: ``*`` stands for any letters, ``?`` for one,
            ``[ab]`` for one of these; capitals count.
        severity
            Only issues of at least this severity, from 0 to 1.
        """
        return self._views.issues(kind, decision, path, column, severity)

    def decide(self, issues: Sequence[str], decision: str, by: str, reason: str = "") -> dict[str, Any]:
        """Write down a person's decision about issues (``undo`` takes the last back); the next prepare follows it."""
        return self._views.decide(issues, decision, by, reason)

    def log(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest runs first."""
        return self._views.log(limit)

    def lineage(self, digest: str) -> dict[str, Any]:
        """Return what an artifact was made from and what was made from it, with the path of a picture of it."""
        return self._views.lineage(digest)

    def export(self, form: str, to: Path | None = None) -> dict[str, Any]:
        """Write the champion (or newest package) as ``mwpkg`` or ``folder``, or the newest dataset as ``dataset-…``."""
        return self._views.export(form, to)

    def diff(self, before: str | None = None, after: str | None = None) -> dict[str, Any]:
        """Return what changed between two datasets (default: the newest, and the one it grew from)."""
        return self._views.diff(before, after)

    def learnable(self) -> bool:
        """Say whether a model family learns what the newest dataset holds; else it is explored and exported."""
        return self._views.learnable()

    def report_path(self, kind: str) -> Path:
        """Return the newest HTML report of a ``dataset``, ``model``, ``report`` or ``findings``."""
        return self._views.report_path(kind)

    def explore(
        self, kind: str = "dataset", *, digest: str | None = None, split: str | None = None, to: Path | None = None
    ) -> dict[str, Any]:
        """Return ``path`` of a page and, of a dataset, the ``figures`` on it.

        Parameters
        ----------
        kind
            ``dataset``, ``model``, ``report`` or ``findings``.
        digest
            Which one, by the beginning of its digest; None: the newest.
        split
            Draw this split of a dataset alone.
        to
            Write the page there, too.
        """
        return self._views.explore(kind, digest=digest, split=split, to=to)
