"""The step: sources in, Dataset out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.engine.threads import idle_cores
from modelwright.errors import InputError
from modelwright.prepare import checks, mislabelled, split, tables
from modelwright.prepare.collect.base import open_all
from modelwright.prepare.columns import ColumnFindings, check
from modelwright.prepare.fingerprints import combine
from modelwright.prepare.gather import Gathered, Gatherer
from modelwright.prepare.index import Index
from modelwright.prepare.issues import Decided, Issue, Rules, decide, people_of
from modelwright.prepare.labels.check import Result, Samples
from modelwright.prepare.labels.features import of_pictures, of_rows
from modelwright.prepare.outcome import Outcome
from modelwright.prepare.scan import Scan, unpack
from modelwright.progress import SILENT, Progress
from modelwright.store.dataset import Dataset
from modelwright.tasks import base as tasks

PRODUCTION = "feedback"
"""Kind of the source that holds what production saw."""


def prepare(
    spec: Any,
    store: Any,
    *,
    key: tuple[str, str] | None = None,
    parent: Dataset | None = None,
    progress: Progress = SILENT,
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
    progress
        Who listens.

    Raises
    ------
    modelwright.errors.InputError
        Nothing to learn from: no such path, nothing readable, a label column that isn't there, one class only.
    """
    modality, target = tasks.modality(spec.input), tasks.target(spec.output)
    with store.artifacts.begin("dataset") as writer, Index(store.cache_dir("prepare")) as index:
        sources = open_all(spec, store)
        digests = [source.fingerprint(index) for source in sources]
        heads = combine(digests, store)
        workers = 1 if modality.name == "table" else idle_cores()
        gatherer = Gatherer(
            modality, target, index, workers, _group_by(spec, modality.name), _statements(store), progress
        )
        rows = writer.file("rows.parquet")
        gathered = gatherer.run(sources, rows)
        progress.begin("checking")
        production = [number for number, source in enumerate(sources) if source.kind == PRODUCTION]
        fresh = np.isin(gathered.sources, production)
        outcome, columns = _judge(spec, store, modality, gathered, rows, index, parent, fresh, progress)
        places = _places(spec, sources, digests)
        schema = _learn(spec, store, modality, target, gathered, outcome, places, rows, progress)
        tables.write_samples(writer.file("samples.parquet"), gathered, outcome)
        tables.write_issues(writer.file("issues.parquet"), outcome.decided)
        writer.file("schema.json").write_bytes(canonical.dumps(schema))
        meta = _meta(spec, gathered, outcome, places, schema)
        _tell(outcome, meta, progress)
        if key is not None and combine([source.fingerprint(index) for source in sources], store) != heads:
            progress.say("the sources changed while they were read: the next run reads them again")
            key = None
        from modelwright.prepare.explore import page

        writer.attach("report.html").write_text(page(spec, gathered, outcome, columns, meta, store), "utf-8")
        # What a parent decides is who is in which split, and that is content. Who the parent was is not: the same
        # samples in the same splits are the same dataset.
        observed = {"parent": None if parent is None else parent.digest, "key": None if key is None else key[1]}
        return Dataset(store, writer.publish(meta, {"sources": canonical.digest_value(digests)}, key, observed))


def _statements(store: Any) -> dict[str, tuple[Any, int]]:
    """Return what people and production said about samples: digest to ``(label, sequence)``."""
    if not store.annotations.head():
        return {}
    return {
        sample: (each.value, each.seq) for sample, each in store.annotations.newest().items() if each.kind == "label"
    }


def _group_by(spec: Any, modality: str) -> Callable[[str], str | None]:
    pattern = spec.split.group
    if not pattern or modality == "table":
        return lambda _: None
    compiled = re.compile(pattern)

    def group(path: str) -> str | None:
        found = compiled.search(path)
        if found is None:
            return None
        return found.group(1) if compiled.groups and found.group(1) is not None else found.group(0)

    return group


def _judge(
    spec: Any,
    store: Any,
    modality: tasks.Modality,
    gathered: Gathered,
    rows: Path,
    index: Index,
    parent: Dataset | None,
    production: NDArray[np.bool_],
    progress: Progress,
) -> tuple[Outcome, ColumnFindings]:
    table = spec.input == "table"
    rules, people = Rules.of(spec.clean), people_of(store)
    usable = ~np.frombuffer(bytes(gathered.unusable), np.uint8).astype(bool)
    if not usable.any():
        raise _none_usable(spec, gathered)
    labels: NDArray[Any] = gathered.labels.numpy() if gathered.categories else np.array(gathered.numbers, np.float64)
    names = gathered.names()
    decided = [decide(issue, rules, people) for issue in gathered.issues]

    def judge(found: Iterator[Issue] | Sequence[Issue]) -> list[Decided]:
        made = [decide(issue, rules, people) for issue in found]
        decided.extend(made)
        return made

    if gathered.categories:
        labels = _respell(judge(checks.spelling_issues(_counts(labels, names, usable))), labels, names)
    shown = _paths(gathered)
    ids = gathered.id_array()
    exact = checks.copies(ids, labels, usable)
    judge(checks.copy_issues(gathered, exact, shown, rows=table))
    pairs = [exact.pairs]
    columns = ColumnFindings()
    dropped: tuple[str, ...] = ()
    if table:
        columns = check(
            rows, usable, labels if gathered.categories else np.full(len(usable), -1), np.array(gathered.numbers)
        )
        about = judge(columns.issues)
        dropped = tuple(
            each.issue.column
            for each in about
            if each.decision == "drop" and each.issue.column is not None and each.issue.kind != "missing-value"
        )
        alike = checks.copies(columns.keys, labels, usable)
        pairs.append(alike.pairs)
        judge(_alike_rows(len(alike.extra) - len(exact.extra)))
        if len(dropped) >= len(gathered.columns):
            raise InputError(
                f"no column is left to learn from: {', '.join(dropped[:8])} are constant or identifiers",
                code="no-columns",
                hint="give a table with more rows, or with a column that repeats and varies",
            )
    else:
        near = checks.near_pairs(gathered, usable, _looker(index, gathered.scanner), spec.clean.near_duplicate)
        judge(checks.near_issues(gathered, near, shown))
        pairs.append(near)
    kept = usable.copy()
    for each in decided:
        if each.decision == "drop" and each.issue.place >= 0:
            kept[each.issue.place] = False
    tied = np.concatenate([*pairs, _user_pairs(gathered)])
    describe = mislabelled.describer(gathered, shown)
    found = Result(facts={"skipped": "no rule of 'clean' names mislabelled"})
    if mislabelled.wanted(spec.clean) and kept.any():
        groups, keys = _groups(gathered, tied, kept)
        settled = np.array(gathered.annotations, np.int64) >= 0
        samples = Samples(ids, labels, names, kept.copy(), settled, groups, keys)
        mark = [modality.name, modality.version, gathered.scanner, spec.label, list(dropped)]
        predict = (
            of_rows(modality, rows, spec.label, dropped, progress)
            if table
            else of_pictures(gathered, _looker(index, gathered.scanner), store.cache_dir("labels"), progress)
        )
        found = mislabelled.suspects(samples, predict, store, mark, describe, progress)
    fixed = mislabelled.settle(judge(mislabelled.issues(found, describe)), store, labels, names, kept)
    if not kept.any():
        raise InputError("every sample was dropped by the rules of 'clean'", code="no-samples", hint="see `mw issues`")
    if gathered.categories:
        judge(checks.balance_issues(_counts(labels, names, kept)))
    else:
        judge(checks.cap_issues(labels[kept]))
    groups, keys = _groups(gathered, tied, kept)
    plan = _split(spec, gathered, labels, kept, groups, keys, parent, production[kept])
    for place in np.flatnonzero(kept)[plan.conflicts].tolist():
        judge(
            [
                Issue(
                    "split-conflict",
                    0.6,
                    f"{shown(place)} is like a sample of the locked test split",
                    place,
                    gathered.id(place),
                    f"{gathered.sources[place]}/{shown(place)}",
                )
            ]
        )
    splits = np.full(len(gathered), -1, np.int8)
    splits[kept] = plan.splits
    kept &= splits >= 0
    judge(_small_splits(spec, splits))
    decided.sort(key=lambda each: (-each.issue.severity, each.issue.kind, each.issue.path, each.issue.column or ""))
    return Outcome(decided, labels, names, kept, groups, keys, splits, dropped, fixed, found.facts), columns


def _none_usable(spec: Any, gathered: Gathered) -> InputError:
    counts: dict[str, int] = {}
    for issue in gathered.issues:
        counts[issue.kind] = counts.get(issue.kind, 0) + 1
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    first = gathered.issues[0].message if gathered.issues else "nothing was found"
    words = f"none of {len(gathered)} samples of {_where(spec)} is usable ({found}); the first: {first}"
    return InputError(words, code="no-samples", hint="give some that open and have a label: good ones go on beside bad")


def _where(spec: Any) -> str:
    """Return the sources that the user named, in words."""
    named = [f"'{each.kind}: {each.location}'" for each in spec.sources if each.kind != "feedback"]
    return f"source {named[0]}" if len(named) == 1 else f"sources {', '.join(named)}"


def _respell(found: Sequence[Decided], labels: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    made = labels.copy()
    for each in found:
        if each.decision == "fix":
            into = names.index(each.issue.evidence["into"])
            for variant in each.issue.evidence["variants"]:
                made[labels == names.index(variant)] = into
    return made


def _alike_rows(count: int) -> Iterator[Issue]:
    if count > 0:
        yield Issue(
            "duplicate-rows",
            0.2,
            f"{count} rows equal another one but for identifier-like columns; they stay in one split with it",
            evidence={"rows": count},
        )


def _looker(index: Index, scanner: str) -> Callable[[Sequence[str]], Mapping[str, Scan]]:
    def look(digests: Sequence[str]) -> dict[str, Scan]:
        found = {}
        for digest, data in index.scans(scanner, digests):
            found[digest] = unpack(digest, data)
        return found

    return look


def _paths(gathered: Gathered) -> Callable[[int], str]:
    arrow = gathered.paths.arrow()
    return lambda place: str(arrow[place].as_py())


def _counts(labels: NDArray[np.int64], names: Sequence[str], usable: NDArray[np.bool_]) -> dict[str, int]:
    counted = np.bincount(labels[usable & (labels >= 0)], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counted, strict=True) if count}


def _user_pairs(gathered: Gathered) -> NDArray[np.int64]:
    codes = gathered.groups.numpy()
    places = np.flatnonzero(codes >= 0)
    if not len(places):
        return np.empty((0, 2), np.int64)
    _, first, inverse = np.unique(codes[places], return_index=True, return_inverse=True)
    return np.stack([places[first[inverse]], places], 1)


def _groups(
    gathered: Gathered, pairs: NDArray[np.int64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return ``(n,)`` group numbers and each group's key: that of its smallest digest, whatever the order of files."""
    groups = split.union(len(gathered), pairs)
    first = np.frombuffer(bytes(gathered.ids), ">u8").reshape(-1, 4)[:, 0].astype(np.uint64)
    keys = np.full(int(groups.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(keys, groups[kept], first[kept])
    return groups, keys


def _split(
    spec: Any,
    gathered: Gathered,
    labels: NDArray[Any],
    kept: NDArray[np.bool_],
    groups: NDArray[np.int64],
    keys: NDArray[np.uint64],
    parent: Dataset | None,
    production: NDArray[np.bool_],
) -> split.Plan:
    if spec.split.by == "random":
        strata = np.zeros(int(kept.sum()), np.int64)
    elif gathered.categories:
        strata = labels[kept]
    else:
        strata = split.bins(labels[kept])
    known = None
    if parent is not None:
        known = _known(gathered, parent)[kept]
    fractions = (spec.split.train, spec.split.validation, spec.split.test)
    strata, covered = split.by_origin(strata, production)
    present, numbered = np.unique(groups[kept], return_inverse=True)
    return split.assign(numbered.astype(np.int64), keys[present], strata, fractions, spec.split.seed, known, covered)


def _known(gathered: Gathered, parent: Dataset) -> NDArray[np.int8]:
    table = parent.samples()
    before = {
        bytes.fromhex(sample): split.NAMES.index(where)
        for sample, where in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
        if where is not None
    }
    ids = bytes(gathered.ids)
    return np.fromiter((before.get(ids[at : at + 32], -1) for at in range(0, len(ids), 32)), np.int8, len(gathered))


def _small_splits(spec: Any, splits: NDArray[np.int8]) -> Iterator[Issue]:
    total = int((splits >= 0).sum())
    for number, name in enumerate(split.NAMES):
        count = int((splits == number).sum())
        if getattr(spec.split, name) > 0 and count < 30:
            yield Issue(
                "small-split",
                0.7 if count < 10 else 0.5,
                f"the {name} split has {count} of {total} samples: figures on so few are rough",
                column=name,
                evidence={"count": count},
            )


def _learn(
    spec: Any,
    store: Any,
    modality: tasks.Modality,
    target: tasks.Target,
    gathered: Gathered,
    outcome: Outcome,
    sources: Sequence[Mapping[str, Any]],
    rows: Path,
    progress: Progress,
) -> dict[str, Any]:
    from modelwright.prepare.learning import learn_files, learn_table

    train = outcome.splits == split.TRAIN
    places = outcome.labels[train].tolist()
    try:
        output = target.learn([outcome.names[code] for code in places] if gathered.categories else places)
    except InputError as error:
        raise InputError(f"{_where(spec)}: {error.message}", code=error.code, hint=error.hint) from error
    progress.begin("learning the schema", None)
    if modality.name == "table":
        given = learn_table(modality, rows, train, spec.label, outcome.dropped_columns)
    else:
        given = learn_files(modality, gathered, sources, store, train)
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


def _places(spec: Any, sources: Sequence[Any], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``meta["sources"]``: what each source was, and where the bytes of its samples lie."""
    places = []
    for source, each, digest in zip(sources, spec.sources, digests, strict=True):
        place = {"kind": source.kind, "location": each.location, "digest": digest, "kept": source.kept}
        for name in ("base", "part"):
            value = getattr(source, name, None)
            if value is not None:
                place[name] = value
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
        "counts": {**counts, "dropped": len(gathered) - int(outcome.kept.sum())},
        "classes": list(schema["output"].get("classes", [])),
        "sources": list(sources),
        "dropped_columns": list(outcome.dropped_columns),
        "label_check": outcome.label_check,
        "split": spec.part("prepare")["split"],
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
    counts = meta["counts"]
    progress.say(
        f"{counts['train']} samples to train, {counts['validation']} to validate, {counts['test']} to test, "
        f"{counts['dropped']} dropped"
    )
