"""Synthetic samples: made from real training samples, marked as such for ever, never in validation or test.

The dataset that was prepared stays what it is; a second one is made of it, with the synthetic samples at its end. Each
has its parent's label, group and fold, ``annotation`` says ``synthetic:<way>:<parent>`` (``…:<parent>+<second>`` where
two were mixed), and its bytes lie in the store's objects (rows of tables: in ``rows.parquet``). What the input's schema
learned stays what real samples taught. Where the dataset keeps folds, both parents are of one fold; where training
deals its own, it leaves out what was made of a sample that is judged by (:meth:`Dataset.made_from`).

Whether it helps is measured, with a light model, on real samples that were held back (:mod:`.gain`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.synthesize import gain
from modelwright.progress import SILENT, Progress
from modelwright.store.dataset import SYNTHETIC, Dataset
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks

LEAST = 10
"""Training samples below which there is nothing to make others from."""
MOST = 200_000
"""Synthetic samples at most."""
NEIGHBOURS = 5
"""Mixing takes one of so many nearest samples of the same class."""
_BINS = 10
_TRIES = 3


@dataclass(frozen=True)
class Made:
    """One synthetic sample."""

    parent: int
    """Place of its parent in the training split."""
    way: str
    data: bytes
    second: int | None = None
    """Place of the sample it was mixed with."""


def synthesize(
    dataset: Dataset,
    settings: Any,
    *,
    key: tuple[str, str] | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Return a dataset with synthetic training samples added to those of ``dataset``.

    Parameters
    ----------
    dataset
        What was prepared from real samples.
    settings
        ``spec.synthesize``: ``ways``, ``only``, ``copies``, ``seed``.
    key
        Step and key under which the new dataset is remembered.
    progress
        Who listens.

    Raises
    ------
    modelwright.errors.InputError
        For a way that the modality doesn't have, or one that moves what labels point at.
    """
    modality = dataset.modality
    ways = ways_of(modality, dataset.label_kind, settings.ways)
    asked = _asked(dataset, settings)
    if not asked.sum():
        progress.say("nothing is synthesized: no class has fewer training samples than the usual one")
    made = list(_make(dataset, modality, ways, asked, settings.seed, progress)) if asked.sum() else []
    store = dataset.store
    with store.artifacts.begin("dataset") as writer:
        table = dataset.samples()
        source = len(dataset.meta["sources"])
        tabular = isinstance(modality, abilities.Tabular)
        new = _rows_of(dataset, made, source)
        if not tabular:
            for each in made:
                store.objects.put(each.data)
        _write_table(writer.file("samples.parquet"), table, new)
        if "rows.parquet" in dataset.artifact.files:
            _write_rows(writer.file("rows.parquet"), dataset, made if tabular else [None] * len(made))
        for name in ("issues.parquet", "schema.json"):
            writer.file(name).write_bytes(dataset.artifact.path(name).read_bytes())
        meta = _meta(dataset, made, ways, settings)
        inputs = {**dataset.artifact.inputs, "real": dataset.digest}
        observed = {"parent": dataset.artifact.observed.get("parent"), "key": None if key is None else key[1]}
        both = Dataset(store, writer.publish(meta, inputs, key, observed))
    progress.say(_told(made, asked))
    if made:
        measured = gain.measure(both, progress)
        both.artifact.attach("synthesis.json", canonical.dumps(measured))
        progress.say(measured["words"])
    return both


def ways_of(modality: tasks.Modality, label_kind: tasks.LabelKind, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the ways to use, in order; ``auto`` stands for all that keep such labels right.

    Raises
    ------
    modelwright.errors.InputError
        For a way that isn't there, or that would make the label wrong.
    """
    if not isinstance(modality, abilities.Synthesizing):
        raise InputError(f"no way is known to synthesize {modality.name}", code="no-synthesis")
    right = [name for name, way in modality.ways.items() if _keeps(way, label_kind)]
    if tuple(asked) == ("auto",):
        return tuple(right)
    for name in asked:
        if name not in modality.ways:
            raise InputError(
                f"synthesize.ways: found {name!r}; allowed for {modality.name}: auto, {', '.join(modality.ways)}",
                code="unknown-way",
            )
        if name not in right:
            raise InputError(
                f"synthesize.ways: {name!r} makes labels of this kind ({label_kind}) wrong",
                code="wrong-way",
                hint=f"take some of: {', '.join(right)}",
            )
    return tuple(dict.fromkeys(asked))


def _keeps(way: abilities.Way, label_kind: tasks.LabelKind) -> bool:
    if label_kind == "structured":
        return not (way.moves or way.between)
    return label_kind == "class" or not way.between


def _asked(dataset: Dataset, settings: Any) -> NDArray[np.int64]:
    """Return ``(train,)``: how many samples are to be made of each training sample."""
    count = dataset.count("train")
    if count < LEAST:
        raise InputError(
            f"{count} training samples are too few to synthesize from; {LEAST} are needed", code="too-few-samples"
        )
    if settings.only == "all":
        wanted = np.full(count, settings.copies, np.int64)
    else:
        strata = _strata(dataset)
        sizes = np.bincount(strata)
        usual = float(np.median(sizes[sizes > 0]))
        wanted = np.zeros(count, np.int64)
        for stratum in np.flatnonzero((sizes > 0) & (sizes < usual)).tolist():
            mine = np.flatnonzero(strata == stratum)
            missing = min(round(usual) - len(mine), settings.copies * len(mine))
            each, rest = divmod(missing, len(mine))
            wanted[mine] = each
            wanted[mine[:rest]] += 1
    if wanted.sum() > MOST:
        raise InputError(
            f"synthesize asks for {int(wanted.sum()):,} samples, more than {MOST:,}",
            code="too-many-samples",
            hint="lower synthesize.copies, or set synthesize.only to rare",
        )
    return wanted


def _strata(dataset: Dataset) -> NDArray[np.int64]:
    """Return ``(train,)`` class codes, bins of a number, or the sets of classes of structured labels."""
    labels = dataset.labels("train")
    if dataset.label_kind == "number":
        values = np.array(labels, np.float64)
        edges = np.linspace(values.min(), values.max(), _BINS + 1)[1:-1]
        return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)
    known: dict[Any, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _make(
    dataset: Dataset,
    modality: tasks.Modality,
    ways: Sequence[str],
    asked: NDArray[np.int64],
    seed: int,
    progress: Progress,
) -> Iterator[Made]:
    assert isinstance(modality, abilities.Synthesizing)
    parents = np.flatnonzero(asked)
    nearest = _near(dataset, parents, _partners(dataset)) if any(modality.ways[name].second for name in ways) else {}
    ids = dataset.ids("train")
    known = set(dataset.samples()["id"].to_pylist())
    progress.begin("synthesizing", int(asked.sum()))
    for parent in parents.tolist():
        others = nearest.get(parent, [])
        mine = [name for name in ways if others or not modality.ways[name].second]
        if not mine:
            continue
        # A stream of its own for each parent: another sample in the data changes nothing for this one.
        random = np.random.default_rng([seed, int(ids[parent][:12], 16)])
        places = [parent, *others]
        raws = dict(zip(places, dataset.raw("train", places), strict=True))
        for _ in range(int(asked[parent])):
            progress.advance()
            for _ in range(_TRIES):
                way = mine[int(random.integers(0, len(mine)))]
                near_one = others[int(random.integers(0, len(others)))] if modality.ways[way].second else None
                second = [] if near_one is None else [raws[near_one]]
                data = modality.synthesize([raws[parent], *second], way, random)
                digest = canonical.digest_bytes(data)
                if digest not in known and _decodes(modality, data, dataset.schema["input"]):
                    known.add(digest)
                    yield Made(parent, way, data, near_one)
                    break


def _decodes(modality: tasks.Modality, data: bytes, schema: Any) -> bool:
    try:
        modality.decode(data, schema)
    except tasks.UndecodableError:
        return False
    return True


def _partners(dataset: Dataset) -> NDArray[np.int64]:
    """Return ``(train,)`` numbers, equal for samples that may be mixed: of one stratum, and of one kept fold."""
    strata, table = _strata(dataset), dataset.samples("train")
    if "fold" not in table.column_names:
        return strata
    from pyarrow import compute

    folds = compute.fill_null(table["fold"], -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return np.asarray(strata * (int(folds.max()) + 1) + folds)


def _near(dataset: Dataset, parents: NDArray[np.int64], strata: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return the nearest training samples of the same stratum for each parent, by dense features."""
    features = dataset.features("train", "dense")
    found: dict[int, list[int]] = {}
    for stratum in np.unique(strata[parents]).tolist():
        mine = np.flatnonzero(strata == stratum)
        block = np.asarray(features[mine], np.float32)
        squares = np.square(block).sum(1)
        for place in parents[strata[parents] == stratum].tolist():
            own = int(np.searchsorted(mine, place))
            between = squares - 2.0 * (block @ block[own])
            between[own] = np.inf
            count = min(NEIGHBOURS, len(mine) - 1)
            nearest = np.argsort(between, kind="stable")[:count]
            found[place] = mine[nearest].tolist()
    return found


def _rows_of(dataset: Dataset, made: Sequence[Made], source: int) -> Any:
    """Return the rows of ``samples.parquet`` for what was made, in the columns of the dataset's own."""
    import pyarrow as pa

    train = dataset.samples("train")
    parents = pa.array([each.parent for each in made], pa.int64())
    new = train.take(parents)
    ids = train["id"].to_pylist()
    columns: dict[str, Any] = {
        "id": pa.array([canonical.digest_bytes(each.data) for each in made], pa.string()),
        "source": pa.array([source] * len(made), new.schema.field("source").type),
        "path": pa.array([f"{each.way}/{number:06}" for number, each in enumerate(made)], pa.string()),
        "annotation": pa.array([f"{SYNTHETIC}{each.way}:{_parents(each, ids)}" for each in made], pa.string()),
    }
    columns |= _measured(dataset, made, new.column_names)
    for name, values in columns.items():
        new = new.set_column(new.column_names.index(name), name, values)
    return new


def _parents(each: Made, ids: Sequence[str]) -> str:
    return ids[each.parent] if each.second is None else f"{ids[each.parent]}+{ids[each.second]}"


def _measured(dataset: Dataset, made: Sequence[Made], names: Sequence[str]) -> dict[str, Any]:
    import pyarrow as pa

    wanted = [name for name in names if name.startswith("measure.")]
    if not wanted or not made:
        return {}
    modality, schema = dataset.modality, dataset.schema["input"]
    values: dict[str, list[float | None]] = {name: [] for name in wanted}
    for each in made:
        measured = modality.measure(modality.decode(each.data, {}), schema)
        for name in wanted:
            found = measured.get(name[8:])
            value = None if found is None else float(found[0])
            values[name].append(None if value is None or value != value else value)  # noqa: PLR0124 - NaN
    return {name: pa.array(column, pa.float64()) for name, column in values.items()}


def _write_table(path: Any, table: Any, new: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    whole = pa.concat_tables([table, new.cast(table.schema)]) if len(new) else table
    parquet.write_table(whole, path, compression="zstd", row_group_size=65536)


def _write_rows(path: Any, dataset: Dataset, made: Sequence[Made | None]) -> None:
    """Copy ``rows.parquet`` and add a row for each of ``made``: its own, or an empty one for what is no row."""
    import pyarrow as pa
    from pyarrow import parquet

    with (
        parquet.ParquetFile(dataset.artifact.path("rows.parquet")) as file,
        parquet.ParquetWriter(path, file.schema_arrow, compression="zstd") as writer,
    ):
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group, use_threads=False))
        names = file.schema_arrow.names
        for start in range(0, len(made), 8192):
            rows = [
                dict.fromkeys(names) if each is None else {name: json.loads(each.data).get(name) for name in names}
                for each in made[start : start + 8192]
            ]
            writer.write_table(pa.Table.from_pylist(rows, file.schema_arrow))


def _meta(dataset: Dataset, made: Sequence[Made], ways: Sequence[str], settings: Any) -> dict[str, Any]:
    tabular = isinstance(dataset.modality, abilities.Tabular)
    digest = canonical.digest_value([canonical.digest_bytes(each.data) for each in made])
    counts = dict(dataset.meta["counts"])
    counts["train"] += len(made)
    counted = {name: sum(each.way == name for each in made) for name in ways}
    return {
        **dataset.meta,
        "counts": counts,
        "sources": [
            *dataset.meta["sources"],
            {"kind": "synthetic", "location": "synthetic", "digest": digest, "kept": "rows" if tabular else "objects"},
        ],
        "synthetic": {"count": len(made), "ways": counted, "only": settings.only, "seed": settings.seed},
    }


def _told(made: Sequence[Made], asked: NDArray[np.int64]) -> str:
    missing = int(asked.sum()) - len(made)
    return f"{len(made):,} synthetic samples added to the training split, marked as such" + (
        f"; {missing:,} could not be made (nothing to mix with, or like one that is there)" if missing else ""
    )
