"""Was the last promotion a mistake? The former champion is replayed on what production labelled since."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.progress import Progress
from modelwright.store.state import StateFile
from modelwright.tasks.judging import judging

if TYPE_CHECKING:
    from modelwright.retrain.promotion import Verdict
    from modelwright.spec import Spec
    from modelwright.store import Store
    from modelwright.store.annotations import Annotation

FORMAT = 1
SAID = {"promote": "undo", "keep": "keep", "undecided": "undecided"}


def known_advice(store: Store, target: str, champion: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what was last found about the promotion of ``champion``, from a file alone; None: nothing yet."""
    saved = None if champion is None else StateFile(store.root, f"undo-{target}", FORMAT).load()
    if saved is None or champion is None or saved["sequence"] != champion["sequence"]:
        return None
    advice: dict[str, Any] = saved["advice"]
    return advice


class SecondThoughts:
    """Judges the promotion that a target stands at.

    Labels count when they came after the promotion, are about inputs that the champion answered, and are in neither
    package's training or validation data.
    """

    def __init__(self, spec: Spec, store: Store, target: str) -> None:
        self._spec = spec
        self._store = store
        self._target = target
        self._state = StateFile(store.root, f"undo-{target}", FORMAT)

    def advise(self, progress: Progress) -> dict[str, Any] | None:
        """Return the advice as things stand, or None where there is no former champion or are too few labels.

        Returns
        -------
        dict
            ``{"verdict": "undo"|"keep"|"undecided", "reasons", "champion", "former", "labels", "comparison"}``.
        """
        pointer = self._store.deployments.pointer(self._target)
        if pointer is None or not pointer["history"]:
            return None
        champion, former = pointer["champion"], pointer["history"][0]["package"]
        if former == champion["package"]:
            return None
        known = known_advice(self._store, self._target, {**champion, "sequence": pointer["sequence"]})
        labels = self._since(champion["since"])
        judged = 0 if known is None else known["labels"]
        # What costs little comes first: most looks end before a dataset or the log is read.
        if _due(labels)[0] > judged:
            labels = self._unlearned((champion["package"], former), labels)
        if _due(labels)[0] > judged:
            labels = self._answered(champion, labels)
        count, level = _due(labels)
        if count <= judged:
            return known
        usable = sorted(labels.values(), key=lambda each: each.seq)
        verdict = self._judge(champion["package"], former, usable[:count], level, progress)
        advice = {
            "verdict": SAID[verdict.verdict],
            "reasons": list(verdict.reasons),
            "champion": champion["package"],
            "former": former,
            "labels": count,
            "comparison": verdict.production.as_dict() if verdict.production else None,
        }
        self._state.save({"sequence": pointer["sequence"], "advice": advice})
        progress.say(f"the last promotion: {'; '.join(verdict.reasons)}")
        return advice

    def _since(self, moment: int) -> dict[str, Annotation]:
        """Return the labels that came after ``moment``, by sample."""
        return {
            sample: each
            for sample, each in self._store.annotations.newest().items()
            if each.kind == "label" and each.value is not None and each.time > moment
        }

    def _unlearned(self, packages: tuple[str, str], labels: dict[str, Annotation]) -> dict[str, Annotation]:
        """Leave out samples that one of the two was trained, stopped or calibrated on."""
        from modelwright.store.dataset import Dataset

        left = dict(labels)
        for package in packages:
            try:
                artifact = self._store.artifacts.open(package, "package")
                dataset = Dataset(self._store, self._store.artifacts.open(artifact.inputs["dataset"], "dataset"))
            except InputError:
                continue  # a package that was brought from elsewhere: its data are not here
            for split in ("train", "validation"):
                for sample in dataset.samples(split)["id"].to_pylist():
                    left.pop(sample, None)
        return left

    def _answered(self, champion: dict[str, Any], labels: dict[str, Annotation]) -> dict[str, Annotation]:
        """Leave out samples that the champion did not answer since it is one."""
        found: set[str] = set()
        for _, records in self._store.logs.read(self._target):
            found.update(
                record.sample
                for record in records
                if record.package == champion["package"]
                and record.time >= champion["since"]
                and record.sample in labels
            )
        return {sample: label for sample, label in labels.items() if sample in found}

    def _judge(self, champion: str, former: str, labels: list[Annotation], level: float, progress: Progress) -> Verdict:
        from modelwright.project.packages import open_predictor
        from modelwright.retrain.promotion import judge_undo
        from modelwright.retrain.replay import Sample, replay

        truths = {each.sample: each.value for each in labels}

        def traffic() -> Iterator[Sample]:
            for sample, _, raw in self._store.logs.find_inputs(set(truths)):
                yield Sample(sample, raw, truths[sample])

        present, before = (
            open_predictor(self._store.artifacts.open(package, "package")) for package in (champion, former)
        )
        found = replay(present, before, traffic(), progress)
        how = judging(self._spec.output)
        seed = self._spec.train.seed
        return judge_undo(found.pairs, binary=how.binary, share=how.share, level=level, seed=seed)


def _due(labels: Sized) -> tuple[int, float]:
    """Return how many labels to judge on and at what level; no labels where there are too few."""
    from modelwright.retrain.promotion import undo_look

    return undo_look(len(labels)) or (0, 0.0)
