"""What a source is: the seam through which samples come in.

A source streams what it holds, in a fixed order, without judging it: an :class:`Item` for whatever may be a sample, a
:class:`Rejected` for whatever cannot be one (a device, a ragged row), with the reason. Everything that follows
(decoding, checks, decisions, splits) is the same for all sources. Registered in :mod:`modelwright.registry` under
``sources``; a plug-in brings itself with the entry point ``modelwright.sources``. The contract suite is
:mod:`modelwright.testing.source`.

This module imports neither numpy nor pyarrow: fingerprints are made with it on every ``mw run``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from modelwright.errors import InputError
from modelwright.prepare.collect.regular import RejectedFileError, read_regular, reason
from modelwright.store.sample_names import os_path, printable

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index


Kept = Literal["files", "rows", "objects", "members", "arrays"]


@dataclass(frozen=True)
class Settings:
    """What a source is told, checked by its constructor.

    Parameters
    ----------
    location
        As the spec has it: a path relative to ``root``, or a word of the source's own.
    options
        The source's option keys, as the spec has them.
    root
        The project's folder.
    input, output
        The task, for sources that serve several.
    label
        The column to predict, for sources that have columns.
    store
        The project's store, for sources that read from it.
    split_by, split_group
        How the spec divides samples, for sources that cut recordings into samples that overlap.
    """

    location: str
    options: Mapping[str, Any] = field(default_factory=dict)
    root: Path = Path()
    input: str = "image"
    output: str = "category"
    label: str | None = None
    store: Any = None
    split_by: str = ""
    split_group: str | None = None

    @property
    def path(self) -> Path:
        """The location as a path, relative ones from the project's folder."""
        return self.root / self.location


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may be a sample.

    Exactly one of ``file``, ``raw`` and ``fetch`` is given. ``row`` goes with ``raw`` where a source keeps rows: for
    tables the columns, typed as the survey said; for texts and series cut from a table ``{"text": …}``, the text of
    ``raw``.
    """

    path: str
    """Its name inside the source: unique there, printable, and reversible (:func:`printable`)."""
    label: Any = None
    group: str | None = None
    """Samples with the same group never straddle two splits."""
    file: str | None = None
    stamp: tuple[int, int, int, int] | None = None
    """``(size, mtime_ns, inode, ctime_ns)`` of ``file``, or four numbers that change when what ``fetch`` returns
    does."""
    raw: bytes | None = None
    row: Mapping[str, Any] | None = None
    annotation: str = "source"
    """Where the label came from: ``source`` or ``annotation:<seq>``."""
    fetch: Callable[[], bytes] | None = field(default=None, compare=False)
    """Reads the bytes when they are needed, in any thread; may raise :class:`RejectedFileError`."""
    time: float | str | None = None
    """When the sample was taken, for splits by time: seconds since 1970 UTC or another number that grows, or a date as
    a table writes it. It comes from the source's content, never from a file's own times, which copying changes."""
    begins: float | None = None
    """When it begins, in the unit of ``time``, where it is a stretch that ends at ``time``. In a split by time it is in
    no split if a cut lies inside it."""
    split: str | None = None
    """The split that the source gives the sample, as written there, for splits by column."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One thing that cannot be a sample, and why; it becomes an issue."""

    path: str
    kind: str
    message: str
    severity: float = 0.8
    evidence: Mapping[str, Any] = field(default_factory=dict)
    column: str | None = None


@dataclass(frozen=True)
class Block:
    """Many rows of a table at once; what :class:`Item` is for one.

    Parameters
    ----------
    name
        The file's; row ``i`` of the block is called ``<name>#<first + i>``.
    first
        Number of the first row.
    inputs
        ``pyarrow.Table``: the columns, typed as the survey said (int64, double, string).
    label, group, time, split
        Arrow arrays, or None: as the items' of the same names.
    """

    name: str
    first: int
    inputs: Any
    label: Any = None
    group: Any = None
    time: Any = None
    split: Any = None
    texts: Sequence[Any] | None = None
    """Canonical JSON of the rows without their labels, in Arrow arrays one after the other, if it was made already."""


@runtime_checkable
class Blocked(Protocol):
    """What a source of tables may have beside :class:`Source`: its rows by the block, many times as fast."""

    def blocks(self, columns: Mapping[str, str]) -> Iterator[Item | Block | Rejected]:
        """Stream what ``items`` streams, with rows put together where that can be."""


@dataclass(frozen=True)
class Survey:
    """What a source found out about itself before it streams.

    Parameters
    ----------
    columns
        Column name to type: ``integer``, ``number`` or ``text``; empty for sources of files.
    remarks
        What was detected or chosen, each one line with its reason (delimiter, encoding, header …).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Source(Protocol):
    """Where samples come from. The constructor checks the settings and touches nothing else.

    A source may also have the attributes ``base``, the location that its samples' names start from if it is not its
    own, and ``part``, which part of a packed file they lie in. Both are kept in the dataset's ``meta``.
    """

    kind: ClassVar[str]
    option_names: ClassVar[Mapping[str, str]]
    """Option key to one line of help; any other key in the spec is an error."""

    @property
    def kept(self) -> Kept:
        """Where a sample's bytes stay.

        In their ``files``, as ``rows`` of the dataset, copied to ``objects``, or in packed files, as ``members`` of an
        archive or pictures in ``arrays``. May be a class attribute.
        """

    def __init__(self, settings: Settings) -> None: ...

    def fingerprint(self, index: Index) -> str:
        """Return the digest of what the source holds now: equal content, equal digest, on any machine."""

    def survey(self) -> Survey:
        """Look through the source once, in bounded memory.

        Raises
        ------
        InputError
            If there is nothing at the location, or nothing that this source can read.
        """

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream what the source holds, in a fixed order; ``columns`` are the types that all tables agreed on."""


@runtime_checkable
class Recording(Protocol):
    """What a source may have beside :class:`Source` if it can be read only once: it is recorded first."""

    def record(self, progress: Any) -> bool:
        """Record what the source gives, unless that was done before; return whether it was done now."""


def make(kind: str, settings: Settings) -> Source:
    """Return the source ``kind`` for ``settings``.

    Raises
    ------
    InputError
        For an unknown kind, or an option the source doesn't have.
    """
    import difflib

    from modelwright import registry

    made = registry.load("sources", kind)
    allowed: Mapping[str, str] = made.option_names
    for key in settings.options:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            raise InputError(
                f"source '{kind}: {settings.location}' has an unknown option {key!r}; "
                f"allowed: {', '.join(allowed) or 'none'}",
                code="unknown-option",
                hint=f"did you mean {near[0]!r}?" if near else "",
            )
    source: Source = made(settings)
    return source


def open_all(spec: Any, store: Any) -> list[Source]:
    """Return the sources of a spec, in its order."""
    return [make(each.kind, settings_of(spec, each, store)) for each in spec.sources]


def settings_of(spec: Any, source: Any, store: Any) -> Settings:
    """Return the settings of one source of ``spec``; a table is told of the columns that decide its split."""
    options = dict(source.options)
    time = spec.split.time
    if isinstance(time, tuple):
        if source.kind in {"manifest", "series"}:
            raise InputError(
                f"split.time: found a list, {', '.join(map(repr, time))}, and a source of kind {source.kind!r}; "
                "columns are joined of tables alone",
                code="bad-time",
                hint="name one column, or join them at the source",
            )
        time = None  # each of them is an input, and is read as one
    if source.kind in {"table", "sql", "manifest"}:
        group = spec.split.group if spec.input == "table" or spec.split.group_pattern is None else None
        for option, column in (("group", group), ("time", time), ("split", spec.split.column)):
            if column is not None:
                options.setdefault(option, column)
    if source.kind == "series" and time is not None:
        options.setdefault("time", time)
    return Settings(
        location=source.location,
        options=options,
        root=Path(spec.path).resolve().parent,
        input=spec.input,
        output=spec.output,
        label=spec.label,
        store=store,
        split_by=spec.split.by,
        split_group=spec.split.group,
    )


def must_exist(path: Path, what: str) -> None:
    """Raise an :class:`InputError` in words if nothing is at ``path``."""
    try:
        path.stat()
    except FileNotFoundError:
        raise InputError(
            f"{what}: there is nothing at {path}", code="no-such-path", hint="check 'sources' in modelwright.yaml"
        ) from None
    except OSError as error:
        raise InputError(f"{what}: {path} cannot be opened: {reason(error)}", code="unreadable") from None


__all__ = [
    "Block",
    "Blocked",
    "Item",
    "Kept",
    "Recording",
    "Rejected",
    "RejectedFileError",
    "Settings",
    "Source",
    "Survey",
    "make",
    "must_exist",
    "open_all",
    "os_path",
    "printable",
    "read_regular",
    "reason",
    "settings_of",
]
