"""What there is: status, issues, runs, lineage, reports. Nothing here starts work."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError, ModelwrightError
from modelwright.project import exploring
from modelwright.project.exploring import REPORTS
from modelwright.project.undoing import known_advice
from modelwright.project.workflow import STEPS, Workflow, read_json, report_of

if TYPE_CHECKING:
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store
    from modelwright.store.catalog.records import Node

KIND_OF = {"prepare": "dataset", "train": "model", "package": "package", "validate": "report"}
DECISIONS = ("drop", "fix", "keep", "review")


class Views:
    """Looks at one project."""

    def __init__(self, path: Path, spec: Spec, store: Store, workflow: Workflow) -> None:
        self.path = path
        self.spec = spec
        self.store = store
        self.workflow = workflow

    def status(self) -> dict[str, Any]:
        """Return where the project stands: from files alone, no database and nothing heavy imported."""
        steps, trouble = self._steps()
        report = self.store.artifacts.latest("report")
        champion = self.store.deployments.champion(self.workflow.target)
        findings = self.store.artifacts.latest("findings")
        found = None
        if findings is not None:
            content = read_json(findings, "findings.json")
            found = {"artifact": findings.digest, "alarm": content["alarm"], "alerts": content["alerts"]}
        dataset = self.store.artifacts.latest("dataset")
        server = self.server()
        return {
            "project": self.spec.name,
            "path": str(self.path),
            "problem": self.spec.problem,
            "task": {"input": self.spec.input, "output": self.spec.output},
            "steps": steps,
            "trouble": trouble,
            "report": None if report is None else _gist(read_json(report, "report.json")),
            "champion": champion,
            "server": server if server["running"] else None,
            "issues": None if dataset is None else dataset.meta.get("issues"),
            "findings": found,
            "undo": known_advice(self.store, self.workflow.target, champion),
            "reports": {kind: _text(self._report(kind)) for kind in REPORTS},
            "next": self._next(steps, report, champion, found),
        }

    def _steps(self) -> tuple[list[dict[str, Any]], str | None]:
        trouble = None
        try:
            known = self.workflow.keys()
        except ModelwrightError as error:  # a source that is away does not hide what is there
            known, trouble = {}, error.message
        steps = []
        for step in STEPS[:4]:
            current = known.get(step, ("", None))[1]
            newest = current or self.store.artifacts.latest(KIND_OF[step])
            steps.append(
                {
                    "step": step,
                    "status": "current" if current else "outdated" if newest else "missing",
                    "artifact": None if newest is None else newest.digest,
                    "created": None if newest is None else newest.observed.get("created"),
                }
            )
        return steps, trouble

    def _next(
        self,
        steps: Sequence[dict[str, Any]],
        report: Artifact | None,
        champion: dict[str, Any] | None,
        findings: dict[str, Any] | None,
    ) -> str:
        advice = known_advice(self.store, self.workflow.target, champion)
        if advice is not None and advice["verdict"] == "undo":
            return "mw retrain" if self.spec.retrain.promote == "auto" else "mw retrain --undo"
        if steps[0]["status"] == "current" and not self.learnable():
            return "mw issues"
        if any(step["status"] != "current" for step in steps):
            return "mw run"
        if report is not None and read_json(report, "report.json")["verdict"] == "refused":
            return "mw issues"
        if champion is None or champion["package"] != steps[2]["artifact"]:
            return "mw deploy"
        return "mw retrain" if findings is not None and findings["alarm"] else "mw monitor"

    def learnable(self) -> bool:
        """Say whether a model family learns what the newest dataset holds; true while there is none."""
        dataset = self.store.artifacts.latest("dataset")
        return dataset is None or bool(dataset.meta.get("learnable", True))

    def server(self) -> dict[str, Any]:
        """Return ``{"running", "url", "pid"}`` of the background server."""
        from modelwright.deploy import process

        return process.status(self.store.root, self.workflow.target).as_dict()

    # ------------------------------------------------------------------ issues

    def issues(
        self,
        kind: str | None = None,
        decision: str | None = None,
        path: str | None = None,
        column: str | None = None,
        severity: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Return the newest dataset's issues, worst first, with people's newer decisions already in."""
        dataset = self._latest("dataset", "prepare")
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(dataset.path("issues.parquet")).to_pylist()
        people = self.store.decisions.current()
        listed = []
        for row in rows:
            row["evidence"] = json.loads(row["evidence"]) if isinstance(row["evidence"], str) else row["evidence"]
            person = people.get(row["id"])
            if person is not None:
                row |= {"decision": person.decision, "decided_by": f"person:{person.by}"}
            fits = kind in {None, row["kind"]} and decision in {None, row["decision"]}
            fits = fits and column in {None, row["column"]} and row["severity"] >= severity
            if fits and (path is None or fnmatch.fnmatchcase(row["path"] or "", path)):
                listed.append(row)
        return sorted(listed, key=lambda row: (-row["severity"], row["kind"], row["id"]))

    def decide(self, issues: Sequence[str], decision: str, by: str, reason: str) -> dict[str, Any]:
        """Record a decision about each of ``issues``, or take the last one back (``undo``)."""
        if decision not in {*DECISIONS, "undo"}:
            raise InputError(
                f"there is no decision {decision!r}; there are {', '.join(DECISIONS)} and undo", code="unknown-decision"
            )
        known = {row["id"]: row for row in self.issues()}
        if missing := [issue for issue in issues if issue not in known]:
            raise InputError(f"there is no issue {missing[0]!r}", code="unknown-issue", hint="mw issues lists them")
        from modelwright.prepare.issues import UNUSABLE

        lost = [known[issue] for issue in issues if known[issue]["kind"] in UNUSABLE]
        if lost and decision not in {"drop", "undo"}:
            raise InputError(
                f"{lost[0]['path'] or 'it'} ({lost[0]['kind']}) cannot be used and is left out whatever is decided: "
                f"{lost[0]['message']}",
                code="unusable",
                hint="mend it at its source; the next `mw run` takes it in",
            )
        for issue in issues:
            if decision == "undo":
                self.store.decisions.undo(issue, by)
            else:
                # The label that was suggested when somebody took it over stays, whatever is suggested later.
                evidence = known[issue]["evidence"] if known[issue]["kind"] == "mislabelled" else {}
                value = evidence.get("suggested") if decision == "fix" else None
                self.store.decisions.record(issue, decision, by, reason, value)
        return {"decided": len(issues), "issues": list(issues)}

    # ------------------------------------------------------------------ runs, lineage, reports

    def log(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest runs first."""
        runs = [run.as_dict() for run in self.store.catalog.runs.list(limit)]
        for run in runs:
            run["seconds"] = None if run["finished"] is None else (run["finished"] - run["started"]) / 1e9
        return runs

    def lineage(self, digest: str) -> dict[str, Any]:
        """Return the graph around an artifact, and draw it into ``cache/``."""
        from modelwright.drawing import chart, page

        artifact = self.store.artifacts.open(digest)
        graph = self.store.catalog.lineage.of(artifact.digest)
        nodes = [
            {"id": node.id, "kind": node.kind, "label": _label(node), "note": "", "created": node.created}
            for node in graph.nodes
        ]
        edges = [[edge.source, edge.made, edge.name] for edge in graph.edges]
        shown = [{**node, "label": str(node["id"])[:8], "note": node["label"]} for node in nodes]
        drawing = chart.graph(shown, edges, highlight=artifact.digest)
        picture = self.store.cache_dir("lineage") / f"{artifact.digest[:16]}.html"
        rows = [[node["kind"], str(node["id"])[:16], node["label"]] for node in nodes]
        picture.write_text(
            page.document(
                f"Lineage of {artifact.kind} {artifact.digest[:12]}",
                page.section(
                    "What was made from what", page.figure(drawing, "Left to right: from data to production.")
                ),
                page.section("Artifacts", page.table(["kind", "digest", "what"], rows)),
            ),
            encoding="utf-8",
        )
        return {"root": artifact.digest, "nodes": nodes, "edges": edges, "picture": str(picture)}

    def report_path(self, kind: str) -> Path:
        """Return the newest HTML report of ``kind``."""
        return exploring.path_of(self.store, kind, self.spec.problem)

    def explore(
        self, kind: str = "dataset", *, digest: str | None = None, split: str | None = None, to: Path | None = None
    ) -> dict[str, Any]:
        """Return where a page is and, of a dataset, the figures on it; see :func:`exploring.explore`."""
        return exploring.explore(self.store, kind, digest=digest, split=split, to=to, problem=self.spec.problem)

    def _report(self, kind: str) -> Path | None:
        artifact = self.store.artifacts.latest(kind)
        return None if artifact is None else artifact.attached("report.html")

    # ------------------------------------------------------------------ packages

    def package_to_use(self, digest: str | None = None) -> Path:
        """Return where a package lies: the one asked for (a digest, or a path), else the champion, else the newest."""
        if digest is not None and Path(digest).exists():
            return Path(digest)
        return self._package(digest).folder / "content"

    def _package(self, digest: str | None = None) -> Artifact:
        if digest is not None:
            return self.store.artifacts.open(digest, "package")
        champion = self.store.deployments.champion(self.workflow.target)
        if champion is not None:
            return self.store.artifacts.open(champion["package"], "package")
        return self._latest("package", "run")

    def export(self, form: str, to: Path | None) -> dict[str, Any]:
        """Write a package, or the newest dataset, as ``form`` to ``to`` (default: the project's name, here)."""
        from modelwright import registry

        if form in registry.names("dataset_exporters"):
            return self._export_dataset(registry.load("dataset_exporters", form), form, to)
        exporter = registry.load("exporters", form)
        package = self._package()
        report = report_of(self.store, package.digest)
        suffix = ".mwpkg" if form == "mwpkg" else ""
        destination = to or Path(f"{self.spec.name}{suffix}")
        exporter(package, destination)
        size = (
            sum(path.stat().st_size for path in destination.rglob("*"))
            if destination.is_dir()
            else destination.stat().st_size
        )
        return {
            "format": form,
            "path": str(destination),
            "bytes": size,
            "package": package.digest,
            "verdict": None if report is None else read_json(report, "report.json")["verdict"],
        }

    def _export_dataset(self, exporter: Any, form: str, to: Path | None) -> dict[str, Any]:
        from modelwright.store.dataset import Dataset

        # No other format carries the mark of a synthetic sample, so none is written.
        dataset = Dataset(self.store, self._latest("dataset", "prepare")).real()
        made: Path = exporter(dataset, to or Path(f"{self.spec.name}-dataset"))
        counts = dataset.meta["counts"]
        return {
            "format": form,
            "path": str(made),
            "bytes": sum(path.stat().st_size for path in made.rglob("*") if path.is_file()),
            "dataset": dataset.digest,
            "samples": sum(count for name, count in counts.items() if name != "dropped"),
        }

    def diff(self, before: str | None, after: str | None) -> dict[str, Any]:
        """Return what changed between two datasets, and draw it into ``cache/``.

        Without ``after`` it is the newest one; without ``before``, the one that it grew from, or the newest but one.
        """
        from modelwright.prepare.differences import compare, picture
        from modelwright.store.dataset import Dataset

        new = self._latest("dataset", "prepare") if after is None else self.store.artifacts.open(after, "dataset")
        old: Artifact | None
        if before is not None:
            old = self.store.artifacts.open(before, "dataset")
        else:
            known = [each for each in self.store.artifacts.list("dataset") if each.digest != new.digest]
            parent = new.observed.get("parent")
            old = next((each for each in known if each.digest == parent), known[-1] if known else None)
        if old is None:
            raise InputError("there is only one dataset yet", code="nothing-yet", hint="mw prepare, after a change")
        found = compare(Dataset(self.store, old), Dataset(self.store, new))
        drawn = self.store.cache_dir("diff") / f"{old.digest[:16]}-{new.digest[:16]}.html"
        drawn.write_text(picture(found), "utf-8")
        return {**found, "picture": str(drawn)}

    def _latest(self, kind: str, step: str) -> Artifact:
        found = self.store.artifacts.latest(kind)
        if found is None:
            raise InputError(f"there is no {kind} yet in {self.path}", code="nothing-yet", hint=f"mw {step}")
        return found


def _label(node: Node) -> str:
    """Return what an artifact is, in a few words from its own facts."""
    words = [str(node.meta[name]) for name in ("name", "family", "metric", "verdict", "samples") if node.meta.get(name)]
    counts = node.meta.get("counts")
    if isinstance(counts, dict):
        words.append(" + ".join(f"{count} {split}" for split, count in counts.items() if count))
    return ", ".join(words)


def _gist(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in ("verdict", "reasons", "metrics")}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
