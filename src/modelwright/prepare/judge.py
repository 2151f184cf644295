"""What all samples together say: the checks in their order, what was decided about each finding, and the splits.

Each check sees what the ones before it decided: a class that was spelled in two ways is one class when its balance is
looked at, and a sample that was dropped is in nobody's split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.prepare import about
from modelwright.prepare.cache.index import Index
from modelwright.prepare.cache.scanned import Look
from modelwright.prepare.clean import (
    appearance,
    channels,
    checks,
    detected,
    empties,
    file_times,
    giveaways,
    group_sizes,
    mislabelled,
    near,
    near_rows,
    near_vectors,
    outliers,
    same_masks,
    structured,
    swapped,
    together,
    unusual,
)
from modelwright.prepare.clean.columns import ColumnFindings, check
from modelwright.prepare.clean.labels.check import Predict, Result, Samples
from modelwright.prepare.clean.labels.features import of_files, of_rows, sketches_of
from modelwright.prepare.clean.labels.texts import of_texts
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.divide import dividing, split, standing
from modelwright.prepare.divide.proof import Tie
from modelwright.prepare.divide.words import are_splits
from modelwright.prepare.embed.choose import open_embedder
from modelwright.prepare.embed.embedded import Embedded, embed
from modelwright.prepare.gather.gathered import Gathered
from modelwright.prepare.gather.scratch import parts
from modelwright.prepare.issues import Decided, Issue, Rules, decide, people_of
from modelwright.prepare.outcome import Outcome
from modelwright.prepare.scan.read_again import decoded, raws
from modelwright.progress import Progress
from modelwright.store.dataset import Dataset
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks
from modelwright.tasks.targets.boxes import Boxes
from modelwright.tasks.targets.mask import Mask
from modelwright.tasks.targets.tags import Tags

MIXED = 0.5
"""Share of samples with their group's most frequent label, up to which groups say nothing about labels."""


class Judge:
    """Judges one gathered dataset, once.

    Parameters
    ----------
    spec, store
        The project's.
    modality, target
        The task.
    gathered
        What the sources held.
    rows
        ``rows.parquet``, where there is one.
    index
        The scan cache, for second looks.
    sources
        As in the dataset's ``meta``: where samples are read a second time.
    progress
        Who listens.

    Raises
    ------
    modelwright.errors.InputError
        If no sample is usable.
    """

    def __init__(
        self,
        spec: Any,
        store: Any,
        modality: tasks.Modality,
        target: tasks.Labels,
        gathered: Gathered,
        rows: Path,
        index: Index,
        sources: Sequence[Mapping[str, Any]],
        progress: Progress,
    ) -> None:
        self._sources = sources
        self._spec, self._store, self._progress = spec, store, progress
        self._modality, self._target = modality, target
        self._gathered, self._rows = gathered, rows
        self._index, self._look = index, _looker(index, gathered.scanner)
        self._embedded: Embedded | None = None
        self._memory = Remembered(store.cache_dir("prepare") / "checks", gathered.scanner)
        self._shown = gathered.paths.__getitem__
        self._rules, self._people = Rules.of(spec.clean), people_of(store)
        self._tabular = isinstance(modality, abilities.Tabular)
        self._usable = np.frombuffer(bytes(gathered.unusable), np.uint8) == 0
        if not self._usable.any():
            raise _none_usable(spec, gathered)
        self._kept = self._usable.copy()
        self._names = gathered.names()
        self._labels: NDArray[Any] = _labels_of(gathered)
        self._columns = ColumnFindings()
        self._dropped: tuple[str, ...] = ()
        self._ties: list[Tie] = []
        self._decided = [decide(issue, self._rules, self._people) for issue in gathered.issues]
        for (kind, message), places in gathered.faults.items():
            self._judge(about.samples(gathered, np.array(places), kind, 0.9, message))

    def run(self, parent: Dataset | None, production: NDArray[np.bool_]) -> tuple[Outcome, ColumnFindings]:
        """Return what was decided about everything.

        Parameters
        ----------
        parent
            The dataset before, whose splits hold.
        production
            ``(n,)`` which samples came from production.
        """
        gathered = self._gathered
        if self._target.label_kind == "class" and are_splits(self._names):
            raise _splits_as_classes(self._spec, self._names)
        self._embed()
        self._spellings()
        exact = self._equal()
        if self._tabular:
            self._check_columns(exact)
        else:
            self._near()
        self._judge(unusual.issues(gathered, self._modality, self._usable, self._shown))
        self._judge(unusual.mixtures(gathered, self._modality, self._usable))
        self._judge(channels.issues(gathered, self._modality, self._usable, self._shown))
        self._judge(appearance.odd_colours(gathered, self._usable, self._shown))
        self._giveaways()
        self._parts()
        for each in self._decided:
            self._drop(each)
        self._ties.append(Tie("group", "the same group", standing.stated(gathered)))
        tied = np.concatenate([tie.pairs for tie in self._ties])
        vouching = np.concatenate([tie.pairs for tie in self._vouching()])
        fixed, facts = self._mislabelled(vouching, self._folds(tied, parent, production))
        if not self._kept.any():
            raise InputError(
                "every sample was dropped by the rules of 'clean'", code="no-samples", hint="see `mw issues`"
            )
        self._balance()
        groups, keys, division = self._split(tied, parent, production)
        self._decided.sort(
            key=lambda each: (-each.issue.severity, each.issue.kind, each.issue.path, each.issue.column or "")
        )
        outcome = Outcome(
            self._decided,
            self._labels,
            self._names,
            self._kept,
            groups,
            keys,
            division.splits,
            self._dropped,
            fixed,
            division,
            facts,
            None if self._embedded is None else self._embedded.facts,
        )
        return outcome, self._columns

    def _judge(self, found: Iterable[Issue]) -> list[Decided]:
        made = [decide(issue, self._rules, self._people) for issue in found]
        self._decided.extend(made)
        return made

    def _drop(self, each: Decided) -> None:
        if each.decision == "drop":
            if each.issue.place >= 0:
                self._kept[each.issue.place] = False
            if len(each.issue.places):
                self._kept[np.asarray(each.issue.places, np.int64)] = False

    def _embed(self) -> None:
        """Make vectors of all samples where the spec asks for a model's."""
        embedder = open_embedder(self._spec, self._store, self._index, self._progress)
        if embedder is not None:
            self._embedded = embed(
                embedder, self._gathered, self._usable, self._store, self._sources, self._rows, self._progress
            )

    def _spellings(self) -> None:
        if self._target.label_kind == "class":
            found = self._judge(checks.spelling_issues(_counts(self._labels, self._names, self._usable)))
            self._labels = checks.respell(found, self._labels, self._names)
        elif isinstance(self._target, Tags):
            counts = structured.counts(self._target, self._labels[self._usable], self._names)
            found = self._judge(checks.spelling_issues(counts))
            self._labels = self._labels.copy()
            structured.respell(found, self._target, self._labels, self._names)

    def _equal(self) -> checks.Copies:
        gathered = self._gathered
        exact = checks.copies(gathered.id_array(), self._labels, self._usable, gathered.scratch)
        self._judge(checks.copy_issues(gathered, exact, self._shown, rows=self._tabular))
        self._ties.append(Tie("duplicate", "equal values" if self._tabular else "equal bytes", exact.pairs))
        return exact

    def _check_columns(self, exact: checks.Copies) -> None:
        gathered = self._gathered
        codes = self._labels if gathered.label_kind == "class" else np.broadcast_to(-1, len(self._usable))
        words, numbers = "hashing" in self._spec.features, np.asarray(gathered.numbers)
        self._columns = check(
            self._rows, self._usable, codes, numbers, self._names, words=words, scratch=gathered.scratch
        )
        many = np.flatnonzero(self._usable & (self._columns.gaps > max(len(gathered.columns), 3) / 2))
        self._judge(about.samples(gathered, many, "incomplete", 0.4, "lacks more than half of its values"))
        found = self._judge(self._columns.issues)
        self._dropped = tuple(
            each.issue.column
            for each in found
            if each.decision == "drop"
            and each.issue.column in gathered.columns
            and each.issue.kind not in {"missing-value", "under-represented"}
            and not len(each.issue.places)
        )
        alike = checks.copies(self._columns.keys, self._labels, self._usable, gathered.scratch)
        self._ties.append(Tie("alike", "equal values but for identifiers", alike.pairs))
        self._columns.forget_rows()
        if len(self._usable) > near_rows.MOST_ROWS:
            self._progress.say(f"rows that are nearly the same are not looked for in more than {near_rows.MOST_ROWS:,}")
        close = near_rows.pairs(self._rows, self._columns.summary, self._dropped, self._usable, exact.pairs[:, 1])
        self._judge(near_rows.issues(gathered, close, self._shown))
        self._ties.append(Tie("near-duplicate", "nearly equal values", close))
        self._judge(checks.alike_rows(len(alike.extra) - len(exact.extra)))
        if len(self._dropped) >= len(gathered.columns):
            raise InputError(
                f"no column is left to learn from: {', '.join(self._dropped[:8])} are constant or identifiers",
                code="no-columns",
                hint="give a table with more rows, or with a column that repeats and varies",
            )

    def _near(self) -> None:
        if not isinstance(self._modality, abilities.Sketched):
            return
        agreement = self._spec.clean.near_duplicate
        folder = self._store.cache_dir("prepare") / "near"
        found = near.pairs(self._gathered, self._usable, self._look, self._modality, agreement, folder)
        self._judge(near.issues(self._gathered, found, self._shown))
        self._ties.append(Tie("near-duplicate", "nearly the same content", found))
        if self._embedded is not None:
            seen = near_vectors.pairs_of(self._gathered, self._embedded, found)
            told = seen[~np.isin(seen[:, 1], found[:, 1])]  # one issue a sample
            self._judge(near.issues(self._gathered, told, self._shown, "is to the model nearly the same as"))
            self._ties.append(Tie("near-duplicate", "nearly the same to the model", seen))
        about_all = self._gathered, self._modality, self._look, self._usable, self._shown, self._memory
        self._judge(outliers.issues(*about_all, self._embedded))
        self._judge(together.issues(self._gathered, self._modality, self._look, self._usable))

    def _giveaways(self) -> None:
        """Look for what tells the answer without being part of it."""
        gathered, modality, usable, shown = self._gathered, self._modality, self._usable, self._shown
        classes = self._target.label_kind == "class"
        codes: NDArray[np.int64] = self._labels if classes else np.zeros(len(usable), np.int64)
        if isinstance(modality, abilities.Sketched):
            sketched = modality

            def sketches(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
                return sketches_of(sketched, gathered, self._look, places)

            self._judge(giveaways.shared_names(gathered, sketched, sketches, codes, usable, shown, self._memory))
            if classes:
                tied = np.concatenate([tie.pairs for tie in self._ties])
                groups = split.union(len(usable), tied)
                digests = gathered.digests()
                self._judge(
                    appearance.telling_border(
                        modality, sketches, codes, self._names, usable, groups, digests, self._memory
                    )
                )
        if classes:
            self._judge(giveaways.confounded(gathered, codes, self._names, usable))
            if not self._tabular:
                self._judge(giveaways.named_otherwise(gathered, codes, self._names, usable, shown))
                self._judge(giveaways.form(gathered, modality, codes, self._names, usable))
                again = partial(raws, gathered, self._sources, self._store, self._rows)
                self._judge(file_times.issues(gathered, modality, codes, usable, shown, again, self._memory))
        self._judge(group_sizes.issues(gathered, usable))

    def _parts(self) -> None:
        """Check structured labels against their samples, and mend what is to be mended."""
        if isinstance(self._target, abilities.Structured):
            found = structured.issues(
                self._gathered, self._target, self._labels, self._names, self._usable, self._shown
            )
            told = self._judge(empties.sharpened(found, self._labels, self._usable, self._shown))
            structured.mend(told, self._gathered, self._target, self._labels, self._names)
        if isinstance(self._target, Mask):
            tied = np.concatenate([tie.pairs for tie in self._ties])
            about_masks = self._gathered, self._target, self._labels, self._names, self._usable, tied, self._shown
            self._judge(same_masks.issues(*about_masks))

    def _vouching(self) -> list[Tie]:
        """Return the ties of samples that would vouch for each other's mistakes, one learned and the other checked.

        A group of one label does (a recording cut into pieces, all labelled at once). One of many labels (a speaker, a
        camera) does not, and what others of it look like helps.
        """
        groups = self._gathered.groups.numpy()
        inside = self._kept & (groups >= 0)
        if self._gathered.label_kind != "class" or not inside.any():
            return self._ties
        both = np.unique(np.stack([groups[inside], self._labels[inside]]), axis=1, return_counts=True)
        most = np.zeros(int(groups.max()) + 1, np.int64)
        np.maximum.at(most, both[0][0], both[1])
        if most.sum() > MIXED * inside.sum():
            return self._ties
        if not self._spec.split.folds:
            self._progress.say("labels are mixed within groups: when they are checked, a group may teach about itself")
        return [tie for tie in self._ties if tie.kind != "group"]

    def _folds(
        self, tied: NDArray[np.int64], parent: Dataset | None, production: NDArray[np.bool_]
    ) -> NDArray[np.int64] | None:
        """Return the folds that the dataset keeps where the spec asks for them, as labels stand before any is fixed."""
        if not (self._spec.split.folds and mislabelled.wanted(self._spec.clean) and self._kept.any()):
            return None
        _, _, division = self._division(tied, parent, production)
        return None if division.folds is None else division.folds.astype(np.int64)

    def _samples(self, tied: NDArray[np.int64], folds: NDArray[np.int64] | None) -> Samples:
        """Return what the check of labels needs of all samples."""
        gathered = self._gathered
        groups, keys = standing.groups(gathered, tied, self._kept)
        settled = np.asarray(gathered.annotations) >= 0
        return Samples(gathered.id_array(), self._labels, self._names, self._kept.copy(), settled, groups, keys, folds)

    def _mislabelled(
        self, tied: NDArray[np.int64], folds: NDArray[np.int64] | None
    ) -> tuple[dict[int, str], dict[str, Any]]:
        """Return which labels were replaced, by which issue, and how labels were checked."""
        spec, gathered = self._spec, self._gathered
        if isinstance(self._target, Boxes):
            return self._swapped(tied, folds)
        tags_of = self._target.classes if isinstance(self._target, Tags) else None
        if gathered.label_kind not in {"class", "number"} and tags_of is None:
            return {}, {"skipped": f"labels of output {spec.output!r} are not one class or one number"}
        found = Result(facts={"skipped": "no rule of 'clean' names mislabelled"})
        describe = mislabelled.describer(gathered, self._shown)
        if mislabelled.wanted(spec.clean) and self._kept.any():
            samples = self._samples(tied, folds)
            mark = [self._modality.name, self._modality.version, gathered.scanner, spec.label, list(self._dropped)]
            mark += [] if self._embedded is None else [self._embedded.embedder.identity]
            found = mislabelled.suspects(samples, self._predict(), self._store, mark, describe, self._progress, tags_of)
        decided = self._judge(mislabelled.issues(found, describe))
        closed = tags_of is None
        fixed = mislabelled.settle(decided, self._store, self._labels, self._names, self._kept, closed=closed)
        return fixed, found.facts

    def _swapped(
        self, tied: NDArray[np.int64], folds: NDArray[np.int64] | None
    ) -> tuple[dict[int, str], dict[str, Any]]:
        """Return which labels were replaced because a box has another class, and how boxes were checked."""
        gathered = self._gathered
        if not mislabelled.wanted(self._spec.clean, *detected.KINDS) or not self._kept.any():
            return {}, {"skipped": "no rule of 'clean' names mislabelled"}
        again = partial(decoded, self._modality, gathered, self._sources, self._store, self._rows, whole=True)
        about = ["boxes", self._modality.name, self._modality.version], mislabelled.describer(gathered, self._shown)
        samples = self._samples(tied, folds)
        facts, found, places = detected.of_boxes(samples, again, self._store, *about, self._progress)
        fixed = swapped.settle(self._judge(found), self._store, self._labels, self._names, self._kept)
        for each in (moved := self._judge(places)):
            self._drop(each)
        return fixed | detected.settle(moved, self._store, self._labels, self._names), facts

    def _predict(self) -> Predict:
        """Return what predicts samples out of fold: from columns, from texts read again, or from sketches."""
        modality, gathered, progress = self._modality, self._gathered, self._progress
        if self._tabular:
            return of_rows(modality, self._rows, self._spec.label, self._dropped, progress)
        taught = self._embedded is None or self._embedded.embedder.supervised
        if isinstance(modality, abilities.Sparse) and taught:
            again = partial(decoded, modality, gathered, self._sources, self._store, self._rows)
            return of_texts(modality, again, progress)
        folder = self._store.cache_dir("labels")
        return of_files(modality, gathered, self._look, folder, progress, self._embedded)

    def _balance(self) -> None:
        kind = self._target.label_kind
        if kind == "class":
            self._judge(checks.balance_issues(_counts(self._labels, self._names, self._kept)))
        elif isinstance(self._target, abilities.Structured):
            self._judge(checks.balance_issues(structured.counts(self._target, self._labels[self._kept], self._names)))
        elif kind == "number":
            self._judge(checks.cap_issues(self._labels[self._kept]))

    def _strata(self) -> NDArray[Any]:
        """Return the stratum of each kept sample: class, rarest class in it, bin of its number, or one for all."""
        if self._spec.split.by == "random" or self._target.label_kind == "none":
            return np.zeros(int(np.count_nonzero(self._kept)), np.int8)
        if self._target.label_kind == "number":
            return split.bins(self._labels, self._kept)
        labels: NDArray[Any] = self._labels[self._kept]
        if isinstance(self._target, abilities.Structured):
            return structured.strata(self._target, labels, self._names)
        return labels

    def _division(
        self, tied: NDArray[np.int64], parent: Dataset | None, production: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], dividing.Division]:
        """Return groups, their keys, and who is where, as things stand."""
        gathered = self._gathered
        groups, keys = standing.groups(gathered, tied, self._kept)
        division = dividing.divide(
            self._spec.split,
            gathered,
            self._rows,
            self._kept,
            dividing.Ties(self._ties, groups, keys),
            self._strata(),
            production,
            None if parent is None else standing.splits_before(gathered, parent),
            None if parent is None else parent.meta.get("division"),
        )
        return groups, keys, division

    def _split(
        self, tied: NDArray[np.int64], parent: Dataset | None, production: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], dividing.Division]:
        """Return groups, their keys, and who is where, with what is wrong about it judged."""
        groups, keys, division = self._division(tied, parent, production)
        self._judge(division.issues)
        self._kept &= division.splits >= 0
        self._judge(dividing.small_splits(self._spec.split, division.splits))
        return groups, keys, division


def _splits_as_classes(spec: Any, names: Sequence[str]) -> InputError:
    folders = any(source.kind in {"folder", "archive"} for source in spec.sources)
    return InputError(
        f"{where(spec)}: the classes would be {', '.join(sorted(names))}: names of splits, not of what is to be told",
        code="splits-as-classes",
        hint="'level: 2' in the source takes the folders inside for the classes"
        if folders
        else "name the column with the answer as 'label', and this one as 'split: {column: …}'",
    )


def _none_usable(spec: Any, gathered: Gathered) -> InputError:
    counts: dict[str, int] = {}
    for issue in gathered.issues:
        counts[issue.kind] = counts.get(issue.kind, 0) + 1
    first = gathered.issues[0].message if gathered.issues else "nothing was found"
    for (kind, message), places in gathered.faults.items():
        counts[kind] = counts.get(kind, 0) + len(places)
        if not gathered.issues:
            first = f"{gathered.paths[places[0]]} {message}"
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    words = f"none of {len(gathered)} samples of {where(spec)} is usable ({found}); the first: {first}"
    return InputError(words, code="no-samples", hint="give some that open and have a label: good ones go on beside bad")


def where(spec: Any) -> str:
    """Return the sources that the user of a spec named, in words."""
    named = [f"'{each.kind}: {each.location}'" for each in spec.sources if each.kind != "feedback"]
    return f"source {named[0]}" if len(named) == 1 else f"sources {', '.join(named)}"


def _looker(index: Index, scanner: str) -> Look:
    return lambda digests, width: index.scanned(scanner).sketches(digests, width)


def _labels_of(gathered: Gathered) -> NDArray[Any]:
    """Return the labels to be mended: codes, as narrow as they come for rows, or numbers."""
    if not gathered.coded:
        return gathered.scratch.copy(np.asarray(gathered.numbers, np.float64))
    codes = gathered.labels.numpy()
    return gathered.scratch.copy(codes) if gathered.label_kind == "class" else codes.astype(np.int64)


def _counts(labels: NDArray[np.int64], names: Sequence[str], usable: NDArray[np.bool_]) -> dict[str, int]:
    counted = np.zeros(len(names), np.int64)
    for part in parts(len(labels), labels):
        known = labels[part][usable[part]]
        counted += np.bincount(known[known >= 0], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counted, strict=True) if count}
