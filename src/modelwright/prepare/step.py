"""The step: sources in, Dataset out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.engine.memory import keep_freed
from modelwright.engine.threads import idle_cores
from modelwright.errors import InputError
from modelwright.prepare import tables
from modelwright.prepare.cache.index import Index
from modelwright.prepare.clean.columns import release
from modelwright.prepare.collect.base import Recording, open_all
from modelwright.prepare.divide import split, standing
from modelwright.prepare.divide.dividing import told
from modelwright.prepare.embed.choose import identity
from modelwright.prepare.fingerprints import Seen, combine
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.gatherer import Gatherer, source_key
from modelwright.prepare.gather.scratch import HELD, Scratch, parts
from modelwright.prepare.judge import Judge, where
from modelwright.prepare.outcome import Outcome
from modelwright.prepare.synthesize.synthesis import synthesize
from modelwright.progress import SILENT, Progress
from modelwright.store.dataset import Dataset
from modelwright.tasks import abilities, contract
from modelwright.tasks import base as tasks

MOST_ANSWERS = 10
"""Classes of which the feature 'answers' gives a share each."""
PRODUCTION = "feedback"
"""Kind of the source that holds what production saw."""


def prepare(
    spec: Any,
    store: Any,
    *,
    key: tuple[str, str] | None = None,
    parent: Dataset | None = None,
    seen: Seen | None = None,
    progress: Progress = SILENT,
    held: int = HELD,
) -> Dataset:
    """Read the sources once, find what is wrong, decide, split, and publish a Dataset.

    A killed run leaves nothing half-published; files that it had read are not read again.

    Parameters
    ----------
    spec
        A :class:`modelwright.spec.Spec`.
    store
        The project's store.
    key
        Step and key under which the dataset is remembered. Not used if the sources changed while they were read.
    parent
        The dataset before: samples and groups that it knows keep their split, its test split stays locked.
    seen
        The sources, if they were looked at already: what ``key`` was made from.
    progress
        Who listens.
    held
        Bytes of a column of all samples that stay in memory; of a longer one a part at a time. It decides nothing else.

    Raises
    ------
    modelwright.errors.InputError
        Nothing to learn from: no such path, nothing readable, a label column that isn't there, one class only.
    """
    modality, target = tasks.modality(spec.input), tasks.labels(spec.output)
    if not isinstance(modality, abilities.Tabular):
        keep_freed()
    with store.artifacts.begin("dataset") as writer, Index(store.cache_dir("prepare")) as index:
        sources = open_all(spec, store) if seen is None else seen.sources
        recorded = [source.record(progress) for source in sources if isinstance(source, Recording)]
        if any(recorded):
            key = None  # what was asked for had no recording yet: the next run finds it under the recording's own key
        if seen is None or any(recorded):
            digests = [source.fingerprint(index) for source in sources]
            model = identity(spec, store, index)
            seen = Seen(sources, digests, combine(digests, store, model), model)
        digests = seen.digests
        workers = 1 if isinstance(modality, abilities.Tabular) else idle_cores()
        scratch = Scratch(store.cache_dir("scratch"), held)
        group_by, said = _group_by(spec, modality), _statements(store)
        gatherer = Gatherer(modality, target, index, workers, group_by, said, progress, scratch)
        rows = writer.file("rows.parquet")
        if parent is not None:
            parent.columns().ahead(["id"])
        gathered = gatherer.run(sources, rows)
        release()
        progress.begin("checking")
        production = [number for number, source in enumerate(sources) if source.kind == PRODUCTION]
        fresh = gathered.sources.among(production)
        places = _places(spec, sources, digests)
        judge = Judge(spec, store, modality, target, gathered, rows, index, places, progress)
        outcome, _ = judge.run(parent, fresh)
        schema = _learn(spec, store, modality, target, gathered, outcome, places, rows, progress)
        tables.write_samples(writer.file("samples.parquet"), gathered, outcome)
        tables.write_issues(writer.file("issues.parquet"), outcome.decided)
        writer.file("schema.json").write_bytes(canonical.dumps(schema))
        meta = _meta(spec, gathered, outcome, places, schema)
        _tell(outcome, meta, progress)
        if key is not None and not _held(seen, gatherer, index, store):
            progress.say("the sources changed while they were read: the next run reads them again")
            key = None
        # What a parent decides is who is in which split, and that is content. Who the parent was is not: the same
        # samples in the same splits are the same dataset.
        observed = {"parent": None if parent is None else parent.digest, "key": None if key is None else key[1]}
        made = Dataset(
            store,
            writer.publish(
                meta, {"sources": canonical.digest_value(digests)}, None if spec.synthesize.ways else key, observed
            ),
        )
        _forget(index, gathered, sources, progress)
    del gatherer, gathered, judge, outcome  # the page needs the memory
    if spec.synthesize.ways:
        made = synthesize(made, spec.synthesize, key=key, progress=progress)
    from modelwright.prepare.explore import attach

    attach(made, parent=parent, problem=spec.problem, progress=progress)
    return made


def _held(seen: Seen, gatherer: Gatherer, index: Index, store: Any) -> bool:
    """Say whether the dataset was made from what was seen.

    Of files that were listed, each one's digest is what it was seen to be: what becomes of it later is another dataset.
    Any other source is looked at once more.
    """
    if gatherer.moved:
        return False
    digests = [
        digest if number in gatherer.listed else source.fingerprint(index)
        for number, (source, digest) in enumerate(zip(seen.sources, seen.digests, strict=True))
    ]
    return combine(digests, store, seen.model) == seen.combined


def _forget(index: Index, gathered: Gathered, sources: Sequence[Any], progress: Progress) -> None:
    """Let go of scans of what no source holds any more, where these are most of what is remembered."""
    if gathered.scanner:
        freed = index.forget(gathered.scanner, {source_key(source) for source in sources}, gathered.digests())
        if freed:
            progress.say(f"forgot what was remembered of files that no source has any more: {freed / 1e6:,.0f} MB")


def _statements(store: Any) -> dict[str, tuple[Any, int]]:
    """Return what people and production said about samples: digest to ``(label, sequence)``."""
    if not store.annotations.head():
        return {}
    return {
        sample: (each.value, each.seq) for sample, each in store.annotations.newest().items() if each.kind == "label"
    }


def _group_by(spec: Any, modality: tasks.Modality) -> Callable[[str], str | None] | None:
    pattern = spec.split.group_pattern
    if pattern is None or isinstance(modality, abilities.Tabular):
        return None
    compiled = re.compile(pattern)

    def group(path: str) -> str | None:
        found = compiled.search(path)
        if found is None:
            return None
        return found.group(1) if compiled.groups and found.group(1) is not None else found.group(0)

    return group


class _Labels(Sequence[Any]):
    """The labels of training samples, each made when it is looked at."""

    def __init__(self, values: NDArray[Any], names: Sequence[str] | None) -> None:
        self._values, self._names = values, names

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: Any) -> Any:
        found = self._values[place].tolist()
        if self._names is None:
            return found
        return [self._names[code] for code in found] if isinstance(place, slice) else self._names[found]

    def __iter__(self) -> Iterator[Any]:
        for part in parts(len(self)):
            yield from self[part]


class _Numbers(_Labels):
    """Labels that are numbers: all of them at once, for who can use that."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._values, dtype, copy=copy)


def _learn(
    spec: Any,
    store: Any,
    modality: tasks.Modality,
    target: tasks.Labels,
    gathered: Gathered,
    outcome: Outcome,
    sources: Sequence[Mapping[str, Any]],
    rows: Path,
    progress: Progress,
) -> dict[str, Any]:
    from modelwright.prepare.learning import learn_files, learn_table

    train = outcome.splits == split.TRAIN
    labels = outcome.labels[train]
    try:
        output = target.learn(_Labels(labels, outcome.names) if gathered.coded else _Numbers(labels, None))
    except InputError as error:
        raise InputError(f"{where(spec)}: {error.message}", code=error.code, hint=error.hint) from error
    progress.begin("learning the schema", None)
    if isinstance(modality, abilities.Tabular):
        given = learn_table(modality, rows, train, spec.label, outcome.dropped_columns, spec.features)
        if "answers" in given.get("features", ()) and isinstance(modality, abilities.Answering):
            given = _answered(modality, given, target, output, rows, outcome, train)
    else:
        given = learn_files(modality, gathered, sources, store, rows, train, spec.features)
        rules = contract.of_measures({name: _whole(values, train) for name, values in gathered.measures.items()})
        if rules:
            given["contract"] = rules
    if isinstance(given.get("reason"), str):
        progress.say(f"input: {given['reason']}")
    return {
        "modality": modality.name,
        "modality_version": modality.version,
        "input": given,
        "target": target.name,
        "target_version": target.version,
        "output": output,
    }


def _answered(
    modality: abilities.Answering,
    schema: Mapping[str, Any],
    target: tasks.Labels,
    output: Mapping[str, Any],
    rows: Path,
    outcome: Outcome,
    train: NDArray[np.bool_],
) -> dict[str, Any]:
    """Return the input's schema with the mean answers by category."""
    from modelwright.prepare.learning import training_rows

    labels = outcome.labels[train]
    if target.label_kind == "number":
        answers, names = labels.astype(np.float64)[:, None], ["mean answer"]
    elif target.label_kind == "class" and 2 <= len(output["classes"]) <= MOST_ANSWERS:
        classes = output["classes"][1:] if len(output["classes"]) == 2 else output["classes"]
        answers = np.stack([labels == outcome.names.index(name) for name in classes], 1).astype(np.float64)
        names = [f"share of {name}" for name in classes]
    else:
        raise InputError(
            f"features: 'answers' wants a number or at most {MOST_ANSWERS} classes to predict",
            code="unknown-feature",
            hint="leave 'answers' out of 'features'",
        )
    keys = outcome.group_keys[outcome.groups[train]]
    return modality.with_answers(schema, training_rows(rows, train), answers, keys, names)


def _whole(values: Sequence[float], train: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a measure of the training samples; the last ones may have none."""
    made = np.full(len(train), np.nan)
    made[: len(values)] = values
    return made[train]


def _places(spec: Any, sources: Sequence[Any], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``meta["sources"]``: what each source was, and where the bytes of its samples lie."""
    places = []
    for source, each, digest in zip(sources, spec.sources, digests, strict=True):
        place = {"kind": source.kind, "location": each.location, "digest": digest, "kept": source.kept}
        for name in ("base", "part"):
            value = getattr(source, name, None)
            if value is not None:
                place[name] = value
        if dealt := standing.dealt_by(each):
            place["dealt_by"] = dealt
        places.append(place)
    return places


def _meta(
    spec: Any,
    gathered: Gathered,
    outcome: Outcome,
    sources: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Any],
) -> dict[str, Any]:
    counts = {name: int((outcome.splits == number).sum()) for number, name in enumerate(split.NAMES)}
    return {
        "name": spec.name,
        "modality": spec.input,
        "target": spec.output,
        "learnable": tasks.learnable(tasks.labels(spec.output)),
        "counts": {**counts, "dropped": len(gathered) - int(outcome.kept.sum())},
        "classes": list(schema["output"].get("classes", [])),
        "sources": list(sources),
        "dropped_columns": list(outcome.dropped_columns),
        "label_check": outcome.label_check,
        "split": spec.part("prepare")["split"],
        "division": outcome.division.facts,
        **({} if outcome.embeddings is None else {"embeddings": outcome.embeddings}),
    }


def _tell(outcome: Outcome, meta: Mapping[str, Any], progress: Progress) -> None:
    kinds: dict[tuple[str, str, str], int] = {}
    for each in outcome.decided:
        place = (each.issue.kind, each.decision, each.by)
        kinds[place] = kinds.get(place, 0) + 1
    for (kind, decision, by), count in sorted(kinds.items(), key=lambda pair: -pair[1]):
        progress.say(f"{count} × {kind}: {decision} ({by})")
    if outcome.dropped_columns:
        progress.say(f"columns left out: {', '.join(outcome.dropped_columns)}")
    for line in told(outcome.division.facts):
        progress.say(line)
    counts = meta["counts"]
    progress.say(
        f"{counts['train']} samples to train, {counts['validation']} to validate, {counts['test']} to test, "
        f"{counts['dropped']} dropped"
    )
