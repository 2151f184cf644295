"""What every section of the page looks at: the samples of one dataset, and how to get at their bytes and pictures.

Whatever is drawn is either counted over all samples by numpy and Arrow, or taken from a bounded, evenly spaced sample
(:meth:`View.some`), so that a page costs about the same for ten thousand samples and for a million.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelwright import canonical
from modelwright.prepare.cache.index import Index
from modelwright.prepare.clean.remembered import Remembered
from modelwright.prepare.divide import split
from modelwright.prepare.explore.found import Found, find
from modelwright.prepare.explore.looks import NO_PICTURES, PLAIN, Gauge, Pictures
from modelwright.prepare.explore.parts import main_parts
from modelwright.prepare.gather.scratch import evenly, parts
from modelwright.prepare.gather.spaced import spaced
from modelwright.prepare.learning import by_column
from modelwright.prepare.scan.scanner import scanner_name
from modelwright.store.dataset import ROW_TEXT, SYNTHETIC, Dataset
from modelwright.store.packed import MemberError
from modelwright.store.raws import Raws
from modelwright.tasks import abilities
from modelwright.tasks import base as tasks
from modelwright.tasks.base import Arrays

PICTURE_BYTES = 2_200_000
"""What all pictures and sounds of a page may weigh together, before base64 makes a third more of them."""
MOST_CLASSES = 40
"""Classes that are drawn one by one; the rest is counted together."""
_TINY = 48
MOST_DECODED = 200
"""Samples whose lost sketches are made again."""


class View:
    """One dataset as the sections of its page look at it.

    Parameters
    ----------
    samples, issues
        ``samples.parquet`` by the column, and ``issues.parquet`` as an Arrow table.
    meta, schema
        The dataset's.
    store
        The project's store.
    rows
        ``rows.parquet``, where the samples are rows of tables.
    only
        Show one split alone.
    pictures
        How the modality's samples look.
    problem
        What the model is for, in the user's words.
    """

    def __init__(
        self,
        samples: Any,
        issues: Any,
        meta: Mapping[str, Any],
        schema: Mapping[str, Any],
        store: Any,
        *,
        rows: Path | None = None,
        only: str | None = None,
        pictures: Pictures = NO_PICTURES,
        problem: str = "",
    ) -> None:
        self.samples = samples
        self.issues = issues
        self.meta = meta
        self.schema = schema
        self.store = store
        self.rows = rows
        self.only = only
        self.problem = problem
        self.figures: dict[str, Any] = {}
        """What the sections showed, by name, JSON-ready: what ``mw explore --json`` answers."""
        self.modality = tasks.modality(meta["modality"])
        self.labelling = tasks.labels(meta["target"])
        self.label_kind = self.labelling.label_kind
        self.left = PICTURE_BYTES
        self.looks = pictures
        self._raws = Raws(store, meta["sources"])
        self._taken: tuple[NDArray[np.int64], Any] | None = None
        self._index: Index | None = None

    @classmethod
    def of(
        cls, dataset: Dataset, *, only: str | None = None, pictures: Pictures = NO_PICTURES, problem: str = ""
    ) -> Self:
        """Return the view of a published dataset."""
        artifact = dataset.artifact
        return cls(
            dataset.columns(),
            dataset.issues(),
            dataset.meta,
            dataset.schema,
            dataset.store,
            rows=artifact.path("rows.parquet") if "rows.parquet" in artifact.files else None,
            only=only,
            pictures=pictures,
            problem=problem,
        )

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    def close(self) -> None:
        """Close what was opened to be asked again; it is opened anew where it is."""
        if self._index is not None:
            self._index.close()
            self._index = None

    @cached_property
    def remembered(self) -> Remembered:
        """What takes seconds to draw, and is the same as long as what it is drawn from is."""
        return Remembered(self.store.cache_dir("prepare") / "checks", "page")

    # ------------------------------------------------------------------ who is where

    @cached_property
    def splits(self) -> NDArray[np.int8]:
        """``(n,)``: 0 train, 1 validation, 2 test, -1 dropped, or not of the split shown."""
        codes, names = self.samples.coded("split")
        numbers = [split.NAMES.index(name) if name in split.NAMES else -1 for name in names]
        made: NDArray[np.int8] = np.array([*numbers, -1], np.int8)[codes]
        if self.only is not None:
            made[made != split.NAMES.index(self.only)] = -1
        return made

    @cached_property
    def synthetic(self) -> NDArray[np.bool_]:
        """``(n,)``: which samples were made from others."""
        codes, names = self.samples.coded("annotation")
        made: NDArray[np.bool_] = np.array([*(str(name).startswith(SYNTHETIC) for name in names), False])[codes]
        return made

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """``(n,)``: which samples are shown."""
        return self.splits >= 0

    @property
    def present(self) -> list[tuple[int, str]]:
        """Number and name of each split that has samples."""
        return [(number, name) for number, name in enumerate(split.NAMES) if (self.splits == number).any()]

    def some(self, places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """Return at most ``most`` of ``places``, evenly spaced: the same every time."""
        return spaced(places, most)

    def shown(self, most: int) -> NDArray[np.int64]:
        """Return at most ``most`` of the samples that are shown, evenly spaced."""
        return evenly(self.kept, most)

    # ------------------------------------------------------------------ labels

    @cached_property
    def _labelled(self) -> tuple[NDArray[np.int64] | NDArray[np.int32], list[str]]:
        if self.label_kind in {"number", "none"}:
            return np.broadcast_to(np.int64(-1), len(self)), []
        codes, found = self.samples.coded("label")
        seen = [str(value) for value in found]
        values = main_parts(seen, self.parts) if self.label_kind == "structured" else seen
        names = sorted(set(values))
        into = np.array([*(names.index(value) for value in values), -1], np.min_scalar_type(-max(len(names), 1)))
        return into[codes], names

    def parts(self, label: str | None) -> list[str]:
        """Return the class names in one label: one, none, or one a part of a structured one."""
        if label is None:
            return []
        return self.labelling.classes(label) if isinstance(self.labelling, abilities.Structured) else [label]

    @property
    def classes(self) -> list[str]:
        """Names that :attr:`codes` stand for, sorted; empty for numbers. Of tags and boxes: the most frequent part."""
        return self._labelled[1]

    @property
    def codes(self) -> NDArray[np.int64] | NDArray[np.int32]:
        """``(n,)`` place of each sample's class in :attr:`classes`; -1: no label."""
        return self._labelled[0]

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """``(n,)`` answers where they are numbers, NaN where there is none."""
        if self.label_kind != "number":
            return np.full(len(self), np.nan)
        return np.asarray(self.samples["label"].to_numpy(zero_copy_only=False), np.float64)

    @cached_property
    def by_class(self) -> list[tuple[str, NDArray[Any]]]:
        """Name and places of every class that is shown, the largest first."""
        counts = np.zeros(len(self.classes), np.int64)
        for part in parts(len(self)):
            here = self.codes[part][self.kept[part]]
            counts += np.bincount(here[here >= 0], minlength=len(counts))
        small: Any = np.int32 if len(self) < 2**31 else np.int64
        ends, order = np.cumsum(counts), np.empty(int(counts.sum()), small)
        free = ends - counts
        for part in parts(len(self)):
            here = self.codes[part]
            places = np.flatnonzero(self.kept[part] & (here >= 0))
            places = places[np.argsort(here[places], kind="stable")]
            mine = np.bincount(here[places], minlength=len(counts))
            first = np.cumsum(mine) - mine
            order[np.repeat(free - first, mine) + np.arange(len(places))] = part.start + places
            free += mine
        named = [
            (self.classes[code], order[ends[code] - counts[code] : ends[code]])
            for code in np.flatnonzero(counts).tolist()
        ]
        return sorted(named, key=lambda pair: (-len(pair[1]), pair[0]))

    @cached_property
    def groups(self) -> list[tuple[str, NDArray[Any]]]:
        """What samples are told apart by: their classes, fifths of a number, or, where nothing is known, one group."""
        if self.label_kind != "number":
            return self.by_class or [("all", np.flatnonzero(self.kept))]
        known = np.flatnonzero(self.kept & np.isfinite(self.numbers))
        if not len(known):
            return [("all", np.flatnonzero(self.kept))]
        values = self.numbers[known]
        edges = np.unique(np.quantile(values, [0.2, 0.4, 0.6, 0.8]))
        bins = np.searchsorted(edges, values, side="right")
        made = []
        for number in np.unique(bins).tolist():
            mine = values[bins == number]
            made.append((PLAIN.span(float(mine.min()), float(mine.max())), known[bins == number]))
        return made

    @cached_property
    def group_codes(self) -> NDArray[np.int32]:
        """``(n,)``: which of :attr:`groups` each sample is in; -1 for none."""
        made = np.full(len(self), -1, np.int32)
        for number, (_, places) in enumerate(self.groups):
            for part in parts(len(places)):
                made[places[part]] = number
        return made

    def label(self, place: int) -> Any:
        """Return a sample's label as it is stored."""
        return self.samples.take("label", [place])[0].as_py()

    # ------------------------------------------------------------------ measures and columns

    @property
    def measures(self) -> list[str]:
        """Names of the modality's measures that were stored."""
        return [name[8:] for name in self.samples.column_names if name.startswith("measure.")]

    def measure(self, name: str) -> NDArray[np.float64]:
        """Return ``(n,)`` values of a measure, NaN where there is none."""
        made: NDArray[np.float64] = self.samples.numbers(f"measure.{name}")
        return made

    def gauge(self, name: str) -> Gauge:
        """Return how a measure is read."""
        found = self.looks.gauge(name) if self.looks.gauge is not None else None
        return found or PLAIN

    @property
    def telling(self) -> list[str]:
        """Names of the measures that say something to a person one by one."""
        gauge = self.looks.gauge
        return self.measures if gauge is None else [name for name in self.measures if gauge(name) is not None]

    # ------------------------------------------------------------------ single samples

    def path(self, place: int) -> str:
        """Return a sample's name in its source."""
        return str(self.samples.take("path", [place])[0].as_py())

    def sample(self, place: int) -> str:
        """Return a sample's digest."""
        return str(self.samples.take("id", [place])[0].as_py())

    def places_of(self, samples: Sequence[str]) -> dict[str, int]:
        """Return where samples, named by their digests, are; the first place of each that is there."""
        places, found = self.samples.find("id", set(samples))
        return dict(reversed(list(zip(found, places, strict=True))))

    def raw(self, place: int) -> bytes | None:
        """Return a sample's bytes, or None if they cannot be read any more."""
        source = self.samples.take("source", [place])[0].as_py()
        if self.meta["sources"][source]["kept"] == "rows":
            row = self.row(place)
            if row is None or isinstance(self.modality, abilities.Tabular):
                return None if row is None else canonical.dumps(row)
            return str(row[ROW_TEXT]).encode()
        try:
            return self._raws.read(source, self.path(place), self.sample(place))
        except MemberError:
            return None

    def quote(self, place: int) -> str | None:
        """Return how a sample reads, or None where it is no text or cannot be read any more."""
        raw = None if self.looks.quoted is None else self.raw(place)
        return None if raw is None or self.looks.quoted is None else self.looks.quoted(raw)

    def row(self, place: int) -> dict[str, Any] | None:
        """Return a row by column, or None where samples are no rows."""
        found = self.take_rows(np.array([place], np.int64))
        return None if found is None else dict(found.to_pylist()[0])

    def take_rows(self, places: NDArray[np.int64]) -> Any:
        """Return rows at ascending ``places`` as an Arrow table, or None; reads only the groups they are in.

        The last ones are kept: several sections ask for the same.
        """
        import pyarrow as pa
        from pyarrow import parquet

        if self.rows is None:
            return None
        if self._taken is not None and np.array_equal(self._taken[0], places):
            return self._taken[1]
        pieces = []
        with parquet.ParquetFile(self.rows) as file:
            start = 0
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                inside = places[np.searchsorted(places, start) : np.searchsorted(places, stop)] - start
                if len(inside):
                    pieces.append(file.read_row_group(group, use_threads=False).take(inside))
                start = stop
            made = pa.concat_tables(pieces) if pieces else file.schema_arrow.empty_table()
        self._taken = places, made
        return made

    def decoded(self, place: int) -> Arrays | None:
        """Return a sample decoded, or None if it cannot be."""
        raw = self.raw(place)
        if raw is None:
            return None
        try:
            return self.modality.decode(raw, self.schema["input"])
        except tasks.UndecodableError:
            return None

    def sketches(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]] | None:
        """Return which of ``places`` (positions) have a sketch, and those; None where the modality makes none.

        They are read from the scan cache; what isn't in it any more is decoded again, :data:`MOST_DECODED` at most.
        """
        if not isinstance(self.modality, abilities.Sketched):
            return None
        digests = self.samples.digests()[places]
        if self._index is None:
            self._index = Index(self.store.cache_dir("prepare"))
        scanned = self._index.scanned(scanner_name(self.modality))
        there, made = scanned.sketches(digests, self.modality.sketch_bytes)
        lost = np.flatnonzero(scanned.rows(digests) < 0)
        for number in lost[:MOST_DECODED].tolist():
            inputs = self.decoded(int(places[number]))
            data = None if inputs is None else self.modality.sketch(inputs).data
            if data is not None and len(data) == self.modality.sketch_bytes:
                made[number], there[number] = np.frombuffer(data, np.uint8), True
        inside = np.flatnonzero(there)
        return inside, made[inside]

    def features(
        self, places: NDArray[np.int64], encoding: tasks.Encoding, schema: Mapping[str, Any] | None = None
    ) -> NDArray[Any] | None:
        """Return what models learn from for rows at ascending ``places``, by the modality's graph; None for files.

        ``schema`` takes the place of the dataset's own for the input.
        """
        columns = self.take_rows(places) if isinstance(self.modality, abilities.Tabular) else None
        if columns is None or encoding not in self.modality.encodings:
            return None
        from modelwright.runtime.session import open_session

        schema = self.schema["input"] if schema is None else schema
        pieces = [by_column(batch) for batch in columns.combine_chunks().to_batches()]
        graph = self.modality.graph(schema, encoding).SerializeToString(deterministic=True)
        session = open_session(graph, threads=1)
        wanted = {each.name for each in session.get_inputs()}
        made = []
        for piece in pieces:
            feed = self.modality.from_columns(piece, schema)  # type: ignore[attr-defined]
            made.append(session.run(["features"], {name: feed[name] for name in wanted})[0])
        return np.concatenate(made) if made else None

    # ------------------------------------------------------------------ pictures

    @property
    def pictured(self) -> bool:
        """Whether samples can be looked at."""
        return self.looks.of_raw is not None

    def picture(self, place: int, side: int) -> Any:
        """Return a sample as a ``PIL.Image`` of at most ``side`` pixels, or None if it cannot be looked at."""
        if self.looks.of_raw is None:
            return None
        raw = self.raw(place)
        if raw is None:
            return None
        try:
            return self.looks.of_raw(raw, self.schema["input"], side)
        except tasks.UndecodableError:
            return None

    def tiny(self, sketch: NDArray[np.uint8], side: int) -> Any:
        """Return a square ``PIL.Image`` of ``side`` pixels from a sketch alone, or None."""
        return None if self.looks.of_sketch is None else self.looks.of_sketch(sketch, side)

    def small(self, place: int, side: int = 96) -> bytes | None:
        """Return a small picture of a sample, or None if it cannot be looked at or the page's budget is spent.

        A JPEG, or, of tiny samples, a PNG of their very pixels.
        """
        if self.left <= 0:
            return None
        picture = self.picture(place, side)
        if picture is None:
            return None
        return self.spend(png(picture) if max(picture.size) <= _TINY else jpeg(picture))

    def spend(self, data: bytes) -> bytes | None:
        """Return ``data`` and take it off the page's budget; None if it is more than what is left."""
        if len(data) > self.left:
            return None
        self.left -= len(data)
        return data

    # ------------------------------------------------------------------ issues

    @cached_property
    def kinds(self) -> list[tuple[str, int]]:
        """Kind and count of all issues, the most frequent first."""
        counted = [(each["values"], each["counts"]) for each in self.issues["kind"].value_counts().to_pylist()]
        return sorted(counted, key=lambda pair: (-pair[1], pair[0]))

    def found(
        self,
        most: int,
        *,
        kind: str | None = None,
        but: str = "",
        decision: str | None = None,
        each_kind: int | None = None,
        samples: bool = False,
    ) -> list[Found]:
        """Return the ``most`` most severe issues; the rest is as in :func:`modelwright.prepare.explore.found.find`."""
        return find(
            self.issues, self.samples, most, kind=kind, but=but, decision=decision, each_kind=each_kind, samples=samples
        )


def jpeg(picture: Any, quality: int = 80) -> bytes:
    """Return a ``PIL.Image`` as JPEG."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def png(picture: Any) -> bytes:
    """Return a ``PIL.Image`` as PNG; of grey ones, in grey."""
    out = io.BytesIO()
    bands = picture.convert("RGB").split()
    same = bands[0].tobytes() == bands[1].tobytes() == bands[2].tobytes()
    (bands[0] if same else picture.convert("RGB")).save(out, "PNG", optimize=True)
    return out.getvalue()


def clip(text: str, most: int) -> str:
    """Return ``text``, cut with an ellipsis beyond ``most`` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def share(part: float, whole: float) -> str:
    """Return ``part`` of ``whole`` in percent; what is there is never 0.0 %, nothing of nothing is empty.

    Examples
    --------
    >>> share(1, 3), share(1, 9000), share(0, 5), share(1, 0)
    ('33.3%', '0.01%', '0.0%', '')
    """
    if not whole:
        return ""
    part = part / whole
    return f"{part:.1%}" if part == 0 or abs(part) >= 0.0005 else f"{100 * part:.1g}%"
