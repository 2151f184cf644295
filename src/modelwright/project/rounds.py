"""The loop: watch production, ask for labels, make a challenger, replay, promote or take it back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.progress import Progress
from modelwright.project.packages import open_predictor
from modelwright.project.phases import phases
from modelwright.project.undoing import SecondThoughts, known_advice
from modelwright.project.workflow import Workflow, read_json
from modelwright.store.state import StateFile
from modelwright.tasks.judging import judging

if TYPE_CHECKING:
    from modelwright.retrain.evidence import Evidence
    from modelwright.retrain.promotion import Verdict
    from modelwright.retrain.replay import Replay
    from modelwright.retrain.triggers import Decision, Facts
    from modelwright.spec import Spec
    from modelwright.store import Artifact, Store
    from modelwright.store.annotations import Annotation
    from modelwright.store.dataset import Dataset

FORMAT = 1
PRODUCTION = "feedback"
"""Whence an annotation comes that ``/feedback`` took."""
NOTHING: dict[str, Any] = {"window": None, "drift": [], "alarm": False, "quality": None, "alerts": []}
"""What monitoring says where production sent too little to look at."""
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
        self._thoughts = SecondThoughts(spec, store, workflow.target)
        self._state = StateFile(store.root, f"rounds-{workflow.target}", FORMAT)

    # ------------------------------------------------------------------ watching

    def monitor(self, progress: Progress) -> dict[str, Any] | None:
        """Look at what the deployment logged since the last time, and whether the last promotion was a mistake."""
        from modelwright.monitor import monitor

        artifact = monitor(self.spec, self.store, target=self.target, progress=progress)
        pointer = self.store.deployments.champion(self.target)
        before = known_advice(self.store, self.target, pointer)
        advice = self._thoughts.advise(progress)
        if advice is not None and advice != before and advice["verdict"] == "undo":
            self._alarm(advice, progress)
        if artifact is not None:
            return {**_findings(artifact), "undo": advice}
        return None if advice == before else {**NOTHING, "undo": advice}

    def _alarm(self, advice: dict[str, Any], progress: Progress) -> None:
        """Tell the sinks, once a promotion, that the former champion would do better."""
        from modelwright.monitor.alerts import Alert, send

        champion = self.store.deployments.champion(self.target)
        since = 0 if champion is None else int(champion["since"])
        words = f"the last promotion should be undone: {'; '.join(advice['reasons'])}"
        alert = Alert("promotion", "critical", words, time.time_ns(), advice["champion"], since)
        send([alert], self.spec.monitor.alerts, self.store.root, progress)

    # ------------------------------------------------------------------ labels

    def label_queue(self, limit: int) -> list[dict[str, Any]]:
        """Return the stored production samples whose labels would teach most, with the champion's answer."""
        from modelwright.retrain.queue import label_queue

        predictor = open_predictor(self.standing())
        ranked = label_queue(self.store, self.target, predictor, budget=limit, seed=self.spec.train.seed)
        folder = self.store.cache_dir("queue")
        said: dict[str, dict[str, Any]] = {}
        for sample, media_type, raw in self.store.logs.find_inputs({one.sample for one in ranked}):
            # A copy with a telling suffix, for a person's picture viewer; the log keeps the original.
            file = folder / f"{sample}.{media_type.rpartition('/')[2].removeprefix('x-') or 'bin'}"
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
        """Take the last promotion back if it was a mistake; else run one round, if there is a reason to."""
        from modelwright.retrain.triggers import decide

        standing = self.standing()
        advice = self._thoughts.advise(progress)
        regrets = advice is not None and advice["verdict"] == "undo" and not force
        if regrets and advice is not None and self.spec.retrain.promote == "auto":
            return self._take_back(advice, progress)
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
        if decision.go:
            labels = self._newest_label()
            answer = self._round(standing, decision, answer, progress)
            self._state.save(
                {
                    "ended": time.time_ns(),
                    "status": answer["status"],
                    "champion": standing.digest,
                    "challenger": answer["challenger"],
                    "labels": labels,
                }
            )
        if regrets and advice is not None and answer["status"] == "nothing-to-do":
            hint = "mw retrain --undo brings the former champion back"
            return {**answer, "status": "waiting", "reasons": [*advice["reasons"], hint]}
        return answer

    def _round(
        self, standing: Artifact, decision: Decision, answer: dict[str, Any], progress: Progress
    ) -> dict[str, Any]:
        """Make a challenger and let the evidence decide; return the filled-in ``answer``."""
        for reason in decision.reasons:
            progress.say(f"a new round: {reason}")
        result, package = self.workflow.run("validate", progress)
        answer["steps"] = [step.as_dict() for step in result.steps]
        if package is None or package.digest == standing.digest:
            return {**answer, "reasons": ["the data give the package that is champion already"]}
        answer["challenger"] = package.digest
        if result.verdict == "refused" and result.report is not None:
            return {**answer, "status": "refused", "reasons": list(result.report["reasons"])}
        verdict, replayed, evidence = self._compare(standing, package, progress)
        answer["reasons"] = [*decision.reasons, *verdict.reasons]
        answer["comparison"] = _comparison(verdict, self.spec.output)
        answer["replay"] = replayed.as_dict()
        answer["report"] = self._draw(decision, verdict, replayed, evidence, standing, package)
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
        """Bring the former champion back, because a person says so."""
        standing = self.standing()
        return self._undone(standing.digest, "person", f"took {standing.digest[:12]} back", None)

    def _take_back(self, advice: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Bring the former champion back, because it would have done better since."""
        reason = "; ".join(advice["reasons"])
        answer = self._undone(advice["champion"], "auto", reason, advice)
        progress.say(f"{answer['champion'][:12]} is champion of {self.target!r} again: {reason}")
        return answer

    def _undone(self, former: str, by: str, reason: str, advice: dict[str, Any] | None) -> dict[str, Any]:
        pointer = self.store.deployments.undo(self.target, by=by, reason=reason)
        reasons = ["a person took the last promotion back"] if advice is None else list(advice["reasons"])
        return {
            "status": "undone",
            "reasons": reasons,
            "steps": [],
            "challenger": None,
            "champion": pointer["champion"]["package"],
            "former": former,
            "comparison": None if advice is None else advice["comparison"],
            "report": None,
        }

    @property
    def scheduled(self) -> bool:
        """Whether the clock alone may begin a round."""
        return any(name == "every" for name, _ in self.spec.retrain.triggers)

    def standing(self) -> Artifact:
        """Return the package in production.

        Raises
        ------
        InputError
            ``nothing-deployed``, if there is none.
        """
        champion = self.store.deployments.champion(self.target)
        if champion is None:
            raise InputError(f"nothing is deployed at {self.target!r} yet", code="nothing-deployed", hint="mw deploy")
        return self.store.artifacts.open(champion["package"], "package")

    def _facts(self, standing: Artifact, force: bool) -> Facts:
        from modelwright.retrain.triggers import Facts

        dataset = self._dataset(standing)
        used = set(dataset.samples().column("annotation").to_pylist())
        last = self._state.load() or {"ended": None, "champion": None, "labels": 0}
        return Facts(
            now=time.time_ns(),
            champion_data=dataset.artifact.observed.get("created"),
            findings=self._findings_about(standing),
            new_labels=sum(
                each.seq > last["labels"] and f"annotation:{each.seq}" not in used for each in self._labels().values()
            ),
            last_round=last["ended"],
            in_vain=last["champion"] == standing.digest,
            forced=force,
        )

    def _findings_about(self, package: Artifact) -> dict[str, Any] | None:
        """Return the newest findings about a package: what its predecessor met says nothing about it."""
        found = self.store.artifacts.latest("findings")
        if found is not None and found.inputs.get("package") != package.digest:
            about = [each for each in self.store.artifacts.list("findings") if each.inputs["package"] == package.digest]
            found = about[-1] if about else None
        return None if found is None else read_json(found, "findings.json")

    def _newest_label(self) -> int:
        return max((each.seq for each in self._labels().values()), default=0)

    def _dataset(self, package: Artifact) -> Dataset:
        from modelwright.store.dataset import Dataset

        return Dataset(self.store, self.store.artifacts.open(package.inputs["dataset"], "dataset"))

    def _compare(self, standing: Artifact, package: Artifact, progress: Progress) -> tuple[Verdict, Replay, Evidence]:
        """Let champion and challenger answer the same bytes: stored traffic, and what neither was trained on."""
        from modelwright.retrain.evidence import gather
        from modelwright.retrain.promotion import judge
        from modelwright.retrain.replay import recent_traffic, replay

        champion, challenger = open_predictor(standing), open_predictor(package)
        truths = {sample: each.value for sample, each in self._labels().items()}
        replayed = replay(champion, challenger, recent_traffic(self.store, self.target, truths), progress)
        held_out = gather(self._dataset(package), self._dataset(standing), champion, challenger, progress)
        how = judging(self.spec.output)
        verdict = judge(
            held_out.production,
            held_out.locked,
            binary=how.binary,
            share=how.share,
            seed=self.spec.train.seed,
        )
        return verdict, replayed, held_out

    def _draw(
        self,
        decision: Decision,
        verdict: Verdict,
        replayed: Replay,
        evidence: Evidence,
        standing: Artifact,
        package: Artifact,
    ) -> str:
        """Write the page of the round into ``cache/`` and return its path."""
        from modelwright.retrain.report import Round, draw, picture_of

        findings = self._findings_about(standing)
        how = judging(self.spec.output)
        labels = self._labels()
        shown = [sample for sample, each in labels.items() if each.source in {PRODUCTION, "person"}][-SHOWN:]
        wanted = {*shown, *(one.sample for one in replayed.changed)}
        found = {
            sample: (media_type, raw)
            for sample, media_type, raw in self.store.logs.find_inputs(wanted)
            if len(raw) < LARGEST_SHOWN
        }
        known = [(str(labels[sample].value), *found[sample]) for sample in shown if sample in found]
        page = Round(
            name=self.spec.name,
            decision=decision.as_dict(),
            verdict=verdict.as_dict(),
            replay=replayed.as_dict(),
            findings=findings,
            phases=phases(self.store, standing, evidence, findings, how),
            metric=how.words,
            labelled=[
                (picture, label)
                for label, media_type, raw in known
                if (picture := picture_of(media_type, raw)) is not None
            ],
            rows=[
                (label, raw.decode("utf-8", "replace"))
                for label, kind, raw in known
                if kind.startswith("application/json")
            ],
            seen=found,
            champion=standing.digest,
            challenger=package.digest,
        )
        path = self.store.cache_dir("rounds") / f"{package.digest[:16]}.html"
        path.write_text(draw(page), encoding="utf-8")
        return str(path)

    def _taken_back(self, package: str) -> str | None:
        """Say so if this very package was taken back since it was last promoted: it is not promoted by itself again."""
        former, who = None, None
        for event in self.store.catalog.audit.events(subject=f"deployment:{self.target}"):
            if event.event == "undo" and former == package:
                who = "monitoring" if event.by == "auto" else "a person"
            former = event.details["package"]
            if former == package:
                who = None
        return None if who is None else f"{who} took this very package back; mw deploy promotes it all the same"


def _comparison(verdict: Verdict, output: str) -> dict[str, Any]:
    """Return the figure that decided, as accuracy, Jaccard's index of tags, or mean absolute error."""
    found = verdict.production if verdict.production is not None else verdict.locked
    if found is None:
        return {"metric": None, "champion": None, "challenger": None, "p_value": verdict.p_value, "samples": 0}
    how = judging(output)
    return {
        "metric": how.metric,
        "champion": 1 - found.champion if how.share else found.champion,
        "challenger": 1 - found.challenger if how.share else found.challenger,
        "p_value": verdict.p_value,
        "samples": found.count,
        "test": found.test,
    }


def _findings(artifact: Artifact) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(artifact.path("findings.json").read_bytes())
    report = artifact.attached("report.html")
    return {**content, "artifact": artifact.digest, "report": None if report is None else str(report)}
