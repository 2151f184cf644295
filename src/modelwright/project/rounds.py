"""The loop: watch production, ask for labels, make a challenger, replay, promote or take it back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.progress import Progress
from modelwright.project.workflow import Workflow, read_json

if TYPE_CHECKING:
    from modelwright.retrain.promotion import Verdict
    from modelwright.retrain.replay import Replay
    from modelwright.retrain.triggers import Decision, Facts
    from modelwright.runtime.predictor import Predictor
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store
    from modelwright.store.annotations import Annotation
    from modelwright.store.dataset import Dataset

PRODUCTION = "feedback"
"""Whence an annotation comes that ``/feedback`` took."""
SHOWN = 40
LARGEST_SHOWN = 100_000
"""Pictures in a round's report: at most how many, and bytes of each."""


class Rounds:
    """Closes the loop of one project."""

    def __init__(self, spec: Spec, store: Store, workflow: Workflow) -> None:
        self.spec = spec
        self.store = store
        self.workflow = workflow
        self.target = workflow.target

    # ------------------------------------------------------------------ watching

    def monitor(self, progress: Progress) -> dict[str, Any] | None:
        """Look at what the deployment logged since the last time."""
        from modelwright.monitor import monitor

        artifact = monitor(self.spec, self.store, target=self.target, progress=progress)
        return None if artifact is None else _findings(artifact)

    # ------------------------------------------------------------------ labels

    def label_queue(self, limit: int) -> list[dict[str, Any]]:
        """Return the stored production samples whose labels would teach most, with the champion's answer."""
        from modelwright.retrain.queue import label_queue

        predictor = _predictor(self._standing())
        ranked = label_queue(self.store, self.target, predictor, budget=limit, seed=self.spec.train.seed)
        folder = self.store.cache_dir("queue")
        said: dict[str, dict[str, Any]] = {}
        for sample, media_type, raw in self.store.logs.find_inputs({one.sample for one in ranked}):
            # A copy with a telling suffix, for a person's picture viewer; the log keeps the original.
            file = folder / f"{sample}.{media_type.rpartition('/')[2] or 'bin'}"
            if not file.exists():
                file.write_bytes(raw)
            said[sample] = {
                "prediction": predictor.predict([raw])[0],
                "media_type": media_type,
                "file": str(file),
            }
        return [
            {"sample": one.sample, "score": one.score, "why": one.reason, **said[one.sample]}
            for one in ranked
            if one.sample in said
        ]

    def annotate(self, sample: str, value: Any, by: str) -> dict[str, Any]:
        """Write down the truth about a sample, checked against the task."""
        from modelwright.tasks.base import UndecodableError, target

        try:
            truth = target(self.spec.output).read(value)
        except UndecodableError as error:
            raise InputError(f"{value!r} is not a {self.spec.output}: {error}", code="bad-label") from error
        if truth is None:
            raise InputError("the label is missing", code="bad-label", hint="mw label SAMPLE VALUE")
        seq = self.store.annotations.append(sample, "label", truth, author=by, source="person")
        return {"seq": seq, "sample": sample, "value": truth, "by": by}

    def _labels(self) -> dict[str, Annotation]:
        return {sample: each for sample, each in self.store.annotations.newest().items() if each.kind == "label"}

    # ------------------------------------------------------------------ retraining

    def retrain(self, force: bool, progress: Progress) -> dict[str, Any]:
        """Run one round, if there is a reason to."""
        from modelwright.retrain.triggers import decide

        standing = self._standing()
        decision = decide(self.spec.retrain.triggers, self._facts(standing, force))
        answer: dict[str, Any] = {
            "status": "nothing-to-do",
            "reasons": list(decision.reasons or decision.waiting),
            "steps": [],
            "challenger": None,
            "champion": standing.digest,
            "comparison": None,
            "report": None,
        }
        if not decision.go:
            return answer
        for reason in decision.reasons:
            progress.say(f"a new round: {reason}")
        result, package = self.workflow.run("validate", progress)
        answer["steps"] = [step.as_dict() for step in result.steps]
        if package is None or package.digest == standing.digest:
            return {**answer, "reasons": ["the data give the package that is champion already"]}
        answer["challenger"] = package.digest
        if result.verdict == "refused" and result.report is not None:
            return {**answer, "status": "refused", "reasons": list(result.report["reasons"])}
        verdict, replayed = self._compare(standing, package, progress)
        answer["reasons"] = [*decision.reasons, *verdict.reasons]
        answer["comparison"] = _comparison(verdict, self.spec.output)
        answer["replay"] = replayed.as_dict()
        answer["report"] = self._draw(decision, verdict, replayed, package.digest)
        if verdict.verdict != "promote":
            return {**answer, "status": "kept"}
        if taken_back := self._taken_back(package.digest):
            return {**answer, "status": "waiting", "reasons": [*answer["reasons"], taken_back]}
        if self.spec.retrain.promote != "auto":
            return {**answer, "status": "waiting"}
        self.store.deployments.promote(self.target, package.digest, by="auto", reason=verdict.reasons[0])
        progress.say(f"{package.digest[:12]} is champion of {self.target!r}: {verdict.reasons[0]}")
        return {**answer, "status": "promoted", "champion": package.digest, "former": standing.digest}

    def undo(self) -> dict[str, Any]:
        """Bring the former champion back."""
        standing = self._standing()
        pointer = self.store.deployments.undo(self.target, by="person", reason=f"took {standing.digest[:12]} back")
        return {
            "status": "undone",
            "champion": pointer["champion"]["package"],
            "former": standing.digest,
            "reasons": ["a person took the last promotion back"],
        }

    def _standing(self) -> Artifact:
        champion = self.store.deployments.champion(self.target)
        if champion is None:
            raise InputError(f"nothing is deployed at {self.target!r} yet", code="nothing-deployed", hint="mw deploy")
        return self.store.artifacts.open(champion["package"], "package")

    def _facts(self, standing: Artifact, force: bool) -> Facts:
        from modelwright.retrain.triggers import Facts

        dataset = self._dataset(standing)
        used = set(dataset.samples().column("annotation").to_pylist())
        findings = self.store.artifacts.latest("findings")
        return Facts(
            now=time.time_ns(),
            last_round=dataset.artifact.observed.get("created"),
            findings=None if findings is None else read_json(findings, "findings.json"),
            new_labels=sum(f"annotation:{each.seq}" not in used for each in self._labels().values()),
            forced=force,
        )

    def _dataset(self, package: Artifact) -> Dataset:
        from modelwright.store.dataset import Dataset

        return Dataset(self.store, self.store.artifacts.open(package.inputs["dataset"], "dataset"))

    def _compare(self, standing: Artifact, package: Artifact, progress: Progress) -> tuple[Verdict, Replay]:
        """Let champion and challenger answer the same bytes: stored traffic, and what neither was trained on."""
        from modelwright.retrain.evidence import gather
        from modelwright.retrain.promotion import judge
        from modelwright.retrain.replay import recent_traffic, replay

        champion, challenger = _predictor(standing), _predictor(package)
        truths = {sample: each.value for sample, each in self._labels().items()}
        replayed = replay(champion, challenger, recent_traffic(self.store, self.target, truths), progress)
        held_out = gather(self._dataset(package), champion, challenger, progress)
        verdict = judge(
            held_out.production,
            held_out.locked,
            binary=self.spec.output == "category",
            seed=self.spec.train.seed,
        )
        return verdict, replayed

    def _draw(self, decision: Decision, verdict: Verdict, replayed: Replay, package: str) -> str:
        """Write the page of the round into ``cache/`` and return its path."""
        from modelwright.retrain.report import Round, draw

        findings = self.store.artifacts.latest("findings")
        shown = [sample for sample, each in self._labels().items() if each.source == PRODUCTION][-SHOWN:]
        labels = self._labels()
        pictures = [
            (raw, str(labels[sample].value))
            for sample, media_type, raw in self.store.logs.find_inputs(set(shown))
            if media_type.startswith("image/") and len(raw) < LARGEST_SHOWN
        ]
        found = Round(
            name=self.spec.name,
            decision=decision.as_dict(),
            verdict=verdict.as_dict(),
            replay=replayed.as_dict(),
            findings=None if findings is None else read_json(findings, "findings.json"),
            labelled=pictures,
        )
        path = self.store.cache_dir("rounds") / f"{package[:16]}.html"
        path.write_text(draw(found), encoding="utf-8")
        return str(path)

    def _taken_back(self, package: str) -> str | None:
        """Say so if a person took this very package back: it is not promoted by itself again."""
        former = None
        for event in self.store.catalog.audit.events(subject=f"deployment:{self.target}"):
            if event.event == "undo" and former == package:
                return "a person took this very package back; mw deploy promotes it all the same"
            former = event.details["package"]
        return None


def _predictor(package: Artifact) -> Predictor:
    from modelwright.runtime.predictor import Predictor
    from modelwright.runtime.reader import PackageReader

    return Predictor(PackageReader.open(package.folder / "content"))


def _comparison(verdict: Verdict, output: str) -> dict[str, Any]:
    """Return the figure that decided, as accuracy or as mean absolute error."""
    found = verdict.production if verdict.production is not None else verdict.locked
    if found is None:
        return {"metric": None, "champion": None, "challenger": None, "p_value": verdict.p_value, "samples": 0}
    share = output == "category"
    return {
        "metric": "accuracy" if share else "mae",
        "champion": 1 - found.champion if share else found.champion,
        "challenger": 1 - found.challenger if share else found.challenger,
        "p_value": verdict.p_value,
        "samples": found.count,
        "test": found.test,
    }


def _findings(artifact: Artifact) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(artifact.path("findings.json").read_bytes())
    report = artifact.attached("report.html")
    return {**content, "artifact": artifact.digest, "report": None if report is None else str(report)}
