"""Dataset: an immutable snapshot of samples, resolved labels and splits, and how to get at the bytes behind it.

The tables are Parquet (``docs/formats.md``). The bytes of a sample stay where they are: in a file of its source, in a
row of ``rows.parquet``, or in the store's objects; they are checked against the sample's id whenever they are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.errors import IntegrityError
from modelwright.progress import SILENT, Progress
from modelwright.store.columns import Columns
from modelwright.store.packed import MemberError
from modelwright.store.raws import Raws
from modelwright.tasks import base as tasks
from modelwright.tasks.abilities import Answering, Stacking, Tabular
from modelwright.tasks.base import Arrays, Encoding, UndecodableError

if TYPE_CHECKING:
    from modelwright.store.artifacts import Artifact
    from modelwright.store.store import Store

SPLITS = ("train", "validation", "test")
ROW_TEXT = "text"
"""The one column of ``rows.parquet`` where samples are texts or series cut from a table: the text of their bytes."""
SYNTHETIC = "synthetic:"
"""What ``annotation`` begins with for samples that were made and not found: ``synthetic:<method>:<parent>``, and
``+<parent>`` where there are two."""
_WINDOW = 64
_BATCH_BYTES = 32 << 20


class Dataset:
    """A dataset artifact, opened.

    Parameters
    ----------
    store
        The store it lies in; its parent folder is what relative source locations start from.
    artifact
        Of kind ``dataset``.
    """

    def __init__(self, store: Store, artifact: Artifact) -> None:
        self.store = store
        self.artifact = artifact
        self._by_column: Columns | None = None

    def __repr__(self) -> str:
        return f"Dataset({self.digest[:12]}, {self.meta['counts']})"

    @property
    def digest(self) -> str:
        """The artifact's digest."""
        return self.artifact.digest

    @property
    def meta(self) -> Mapping[str, Any]:
        """Name, task, counts, classes, sources and parent."""
        return self.artifact.meta

    @cached_property
    def schema(self) -> dict[str, Any]:
        """``schema.json``: what was learned about input and output on the training split."""
        found: dict[str, Any] = json.loads(self.artifact.path("schema.json").read_bytes())
        return found

    @cached_property
    def modality(self) -> tasks.Modality:
        """The kind of input."""
        return tasks.modality(self.meta["modality"])

    @cached_property
    def target(self) -> tasks.Target:
        """The kind of output.

        Raises
        ------
        modelwright.errors.InputError
            If nothing learns it; then :attr:`meta` still names it.
        """
        return tasks.target(self.meta["target"])

    @cached_property
    def _samples(self) -> Any:
        from pyarrow import parquet

        return parquet.read_table(self.artifact.path("samples.parquet"))

    def columns(self) -> Columns:
        """Return ``samples.parquet`` by the column: each is read when it is asked for, and only small ones are kept."""
        if self._by_column is None:
            self._by_column = Columns(self.artifact.path("samples.parquet"))
        return self._by_column

    def samples(self, split: str | None = None) -> Any:
        """Return ``samples.parquet`` as a ``pyarrow.Table``: all of it, rejected samples included, or one split."""
        return self._samples if split is None else self._samples.take(self._places(split))

    def issues(self) -> Any:
        """Return ``issues.parquet`` as a ``pyarrow.Table``."""
        from pyarrow import parquet

        return parquet.read_table(self.artifact.path("issues.parquet"))

    def count(self, split: str) -> int:
        """Return the number of samples of a split."""
        return int(self.meta["counts"][_checked(split)])

    def ids(self, split: str) -> list[str]:
        """Return the digests of a split's samples, in order."""
        found: list[str] = self.samples(split)["id"].to_pylist()
        return found

    def groups(self, split: str) -> list[str]:
        """Return the digests of the groups of a split's samples, in order: those of one never straddle two splits."""
        found: list[str] = self.samples(split)["group"].to_pylist()
        return found

    def labels(self, split: str) -> list[Any]:
        """Return the canonical labels of a split in order: ``str``, ``float``, or None where the target has none."""
        found: list[Any] = self.samples(split)["label"].to_pylist()
        return found

    def truth(self, split: str) -> NDArray[Any]:
        """Return ``(n,)`` truth as :meth:`Target.encode` gives it."""
        return self.target.encode(self.labels(split), self.schema["output"])

    def real(self) -> Dataset:
        """Return the dataset without its synthetic samples: the one that they were made from, or this one."""
        made_from = self.artifact.inputs.get("real")
        return self if made_from is None else Dataset(self.store, self.store.artifacts.open(made_from, "dataset"))

    def synthetic(self, split: str) -> NDArray[np.bool_]:
        """Return ``(n,)``: which samples of a split were made from others; none of validation and test ever is."""
        from pyarrow import compute

        found = compute.starts_with(self.samples(split)["annotation"], SYNTHETIC)
        return np.asarray(found.to_numpy(zero_copy_only=False), bool)

    def made_from(self, split: str) -> NDArray[np.int64]:
        """Return ``(n, 2)``: where in the split the samples are that each was made from, -1 for none.

        Real samples are made from none, and some ways to synthesize take two.
        """
        table = self.samples(split)
        made = np.full((len(table), 2), -1, np.int64)
        rows = np.flatnonzero(self.synthetic(split))
        if len(rows):
            place = {sample: number for number, sample in enumerate(table["id"].to_pylist())}
            for row, said in zip(rows.tolist(), table["annotation"].take(rows).to_pylist(), strict=True):
                for number, parent in enumerate(said.rpartition(":")[2].split("+")[:2]):
                    made[row, number] = place.get(parent, -1)
        return made

    @property
    def label_kind(self) -> tasks.LabelKind:
        """What one label is: ``class``, ``number``, ``structured`` or ``none``."""
        return tasks.labels(self.meta["target"]).label_kind

    def measures(self, split: str) -> dict[str, NDArray[Any]]:
        """Return ``(n,)`` per measure of the modality; numbers are float64, categories objects (None: missing)."""
        table = self.samples(split)
        stored = [name for name in table.column_names if name.startswith("measure.")]
        if stored:
            return {name[8:]: table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in stored}
        pieces: dict[str, list[NDArray[Any]]] = {}
        for batch in self.inputs(split):
            for arrays in batch if isinstance(batch, list) else [batch]:
                for name, values in self.modality.measure(arrays, self.schema["input"]).items():
                    pieces.setdefault(name, []).append(values)
        return {name: np.concatenate(parts) for name, parts in pieces.items()}

    def raw(self, split: str, indices: Sequence[int] | NDArray[np.int64] | None = None) -> Iterator[bytes]:
        """Yield the bytes of a split's samples as production would send them, each checked against its id.

        Parameters
        ----------
        split
            ``train``, ``validation`` or ``test``.
        indices
            Positions within the split, in the order wanted; None: all.

        Raises
        ------
        IntegrityError
            If a file of the sources is gone or changed since the dataset was made.
        """
        places = self._places(split)
        if indices is not None:
            places = places[np.asarray(indices, np.int64)]
        yield from self._raw(places)

    def inputs(self, split: str, batch: int = 256) -> Iterator[Arrays | list[Arrays]]:
        """Yield a split decoded, up to ``batch`` samples at a time.

        A list with one :data:`Arrays` per sample for images (each has its own size); one :data:`Arrays` with ``n`` rows
        where all samples have the same shape by nature (tables).
        """
        places = self._places(split)
        if isinstance(self.modality, Tabular):
            for columns in self._columns(places, batch):
                yield self._from_columns(columns)
            return
        for start in range(0, len(places), batch):
            yield list(self._decoded(places[start : start + batch]))

    def features(self, split: str, encoding: Encoding, progress: Progress = SILENT) -> NDArray[Any]:
        """Return a split as a model family learns from it, memory-mapped and read-only.

        Made once by running the modality's graph with onnxruntime, then kept in ``cache/`` under the digests of dataset
        and graph.

        Parameters
        ----------
        encoding
            ``pixels`` ``(n, h, w, 3) uint8``, ``dense`` or ``trees`` ``(n, d) float32``.
        """
        if split == "train" and "answer_folds" in self.schema["input"]:
            return self._out_of_fold(encoding, progress)
        graph = self.modality.graph(self.schema["input"], encoding).SerializeToString(deterministic=True)
        name = f"{self.digest[:32]}-{_checked(split)}-{encoding}-{canonical.digest_bytes(graph)[:16]}.npy"
        path = self.store.cache_dir("features") / name
        if not path.is_file():
            self._make_features(path, split, graph, progress)
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped

    def _out_of_fold(self, encoding: Encoding, progress: Progress) -> NDArray[Any]:
        """Return the training split's features, each sample's by what the answers of the other folds say."""
        schema, modality = self.schema["input"], self.modality
        assert isinstance(modality, Answering)
        graphs = [
            modality.graph(modality.of_fold(schema, fold), encoding).SerializeToString(deterministic=True)
            for fold in range(schema["answer_folds"])
        ]
        mark = canonical.digest_bytes(b"".join(graphs))[:16]
        path = self.store.cache_dir("features") / f"{self.digest[:32]}-train-{encoding}-{mark}.npy"
        if not path.is_file():
            from modelwright.runtime.session import open_session

            groups = self.samples("train")["group"].to_pylist()
            folds = np.array([int(group, 16) % len(graphs) for group in groups], np.int64)
            sessions = [open_session(graph, threads=1) for graph in graphs]
            wanted = {each.name for session in sessions for each in session.get_inputs()}
            progress.begin("features of train", len(folds))
            made: NDArray[Any] | None = None
            for positions, batch in self._batches("train"):
                for fold, session in enumerate(sessions):
                    mine = np.flatnonzero(folds[positions] == fold)
                    if not len(mine):
                        continue
                    feed = {key: value[mine] for key, value in batch.items() if key in wanted}
                    (features,) = session.run(["features"], feed)
                    if made is None:
                        made = np.empty((len(folds), *features.shape[1:]), features.dtype)
                    made[positions[mine]] = features
                progress.advance(len(positions))
            temporary = path.with_name(f"{path.name}.{os.getpid()}")
            with temporary.open("wb") as file:
                np.save(file, np.empty((0, 0), np.float32) if made is None else made, allow_pickle=False)
            temporary.replace(path)
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped

    def _make_features(self, path: Path, split: str, graph: bytes, progress: Progress) -> None:
        from modelwright.runtime.session import open_session

        session = open_session(graph, threads=1)
        wanted = {each.name for each in session.get_inputs()}
        places = self._places(split)
        progress.begin(f"features of {split}", len(places))
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        made: NDArray[Any] | None = None
        try:
            for positions, batch in self._batches(split):
                feed = {key: value for key, value in batch.items() if key in wanted}
                (features,) = session.run(["features"], feed)
                if made is None:
                    shape = (len(places), *features.shape[1:])
                    made = np.lib.format.open_memmap(temporary, "w+", features.dtype, shape)
                made[positions] = features
                progress.advance(len(positions))
            if made is None:
                with temporary.open("wb") as file:
                    np.save(file, np.empty((0, 0), np.float32), allow_pickle=False)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _batches(self, split: str) -> Iterator[tuple[NDArray[np.int64], Arrays]]:
        """Yield ``(positions in the split, stacked inputs)``, samples of one shape together."""
        start = 0
        for batch in self.inputs(split, 8192 if isinstance(self.modality, Tabular) else _WINDOW):
            if isinstance(batch, list):
                if isinstance(self.modality, Stacking):
                    yield start + np.arange(len(batch)), self.modality.stack(batch)
                else:
                    for inside in _alike(batch):
                        yield start + np.asarray(inside), _stacked([batch[place] for place in inside])
                start += len(batch)
            else:
                count = len(next(iter(batch.values())))
                yield np.arange(start, start + count), batch
                start += count

    def _columns(self, places: NDArray[np.int64], batch: int) -> Iterator[Any]:
        """Yield ascending rows of ``rows.parquet`` as Arrow batches of at most ``batch`` rows."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.artifact.path("rows.parquet")) as file:
            start = 0
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                inside = places[np.searchsorted(places, start) : np.searchsorted(places, stop)] - start
                if len(inside):
                    some = file.read_row_group(group, use_threads=False).take(inside).combine_chunks()
                    yield from some.to_batches(max_chunksize=batch)
                start = stop

    def _from_columns(self, batch: Any) -> Arrays:
        """Turn an Arrow batch into the graph's inputs, all rows at once."""
        import pyarrow.types as kinds

        named = zip(batch.schema.names, batch.columns, strict=True)
        columns = {
            name: each.to_pylist() if kinds.is_string(each.type) else each.to_numpy(zero_copy_only=False)
            for name, each in named
        }
        made: Arrays = self.modality.from_columns(columns, self.schema["input"])  # type: ignore[attr-defined]
        return made

    def _decoded(self, places: NDArray[np.int64]) -> Iterator[Arrays]:
        schema = self.schema["input"]

        def decode(raw: bytes) -> Arrays:
            try:
                return self.modality.decode(raw, schema)
            except UndecodableError as error:
                raise IntegrityError(
                    f"a sample of dataset {self.digest[:12]} no longer decodes: {error.problem.message}",
                    hint="run `mw prepare` again",
                ) from error

        # Pillow releases the interpreter's lock while it decodes.
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for start in range(0, len(places), _WINDOW):
                yield from pool.map(decode, self._raw(places[start : start + _WINDOW]))

    def _places(self, split: str) -> NDArray[np.int64]:
        codes = self._split_codes
        return np.flatnonzero(codes == SPLITS.index(_checked(split)))

    @cached_property
    def _split_codes(self) -> NDArray[np.int8]:
        from pyarrow import compute

        found = compute.index_in(self._samples["split"], value_set=_splits_array())
        return np.asarray(compute.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int8))

    def _raw(self, places: NDArray[np.int64]) -> Iterator[bytes]:
        if not len(places):
            return
        table = self._samples.select(["id", "source", "path"]).take(places)
        sources = self.meta["sources"]
        rows: Iterator[bytes] | None = None
        kept = [sources[source]["kept"] for source in table["source"].to_pylist()]
        if "rows" in kept:
            rows = self._rows(places[np.array([each == "rows" for each in kept])])
        columns = zip(
            table["id"].to_pylist(), table["source"].to_pylist(), table["path"].to_pylist(), kept, strict=True
        )
        for sample, source, path, how in columns:
            if how == "rows":
                assert rows is not None
                data = next(rows)
            else:
                data = self._read(source, path, sample)
            if how != "objects" and canonical.digest_bytes(data) != sample:
                where = f"row {path}" if how == "rows" else self._raws.where(source, path)
                raise IntegrityError(
                    f"{where} changed since dataset {self.digest[:12]} was made",
                    code="source-changed",
                    hint="run `mw prepare` again, or put the file back",
                )
            yield data

    @cached_property
    def _raws(self) -> Raws:
        return Raws(self.store, self.meta["sources"])

    def _read(self, source: int, path: str, sample: str) -> bytes:
        try:
            return self._raws.read(source, path, sample)
        except MemberError as error:
            raise IntegrityError(
                f"{self._raws.where(source, path)}, a sample of dataset {self.digest[:12]}, {error.message}",
                code="source-missing",
                hint="put the file back, or run `mw prepare` again",
            ) from None

    def _rows(self, places: NDArray[np.int64]) -> Iterator[bytes]:
        """Yield the bytes of rows (canonical JSON, or text) in the order of ``places``; streams if they ascend."""
        if len(places) > 1 and (np.diff(places) <= 0).any():
            ordered, back = np.unique(places, return_inverse=True)
            found = list(self._rows(ordered))
            yield from (found[place] for place in back)
            return
        tabular = isinstance(self.modality, Tabular)
        for batch in self._columns(places, 4096):
            if tabular:
                yield from (canonical.dumps(row) for row in batch.to_pylist())
            else:
                yield from (text.encode() for text in batch[ROW_TEXT].to_pylist())


def _checked(split: str) -> str:
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; there are: {', '.join(SPLITS)}")
    return split


def _splits_array() -> Any:
    import pyarrow as pa

    return pa.array(list(SPLITS))


def _alike(window: Sequence[Arrays]) -> Iterator[list[int]]:
    """Yield the positions of samples that can be stacked, in batches of bounded size."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, arrays in enumerate(window):
        groups.setdefault(tuple((name, array.shape[1:]) for name, array in sorted(arrays.items())), []).append(place)
    for places in groups.values():
        size = max(1, sum(array.nbytes for array in window[places[0]].values()))
        most = max(1, _BATCH_BYTES // size)
        for start in range(0, len(places), most):
            yield places[start : start + most]


def _stacked(samples: Sequence[Arrays]) -> Arrays:
    """Return the samples' arrays joined along the first axis."""
    if len(samples) == 1:
        return samples[0]
    return {name: np.concatenate([each[name] for each in samples]) for name in samples[0]}
