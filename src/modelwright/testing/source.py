"""The contract suite of sources: what every source keeps, ours and a stranger's.

Use it from a test::

    from modelwright.testing import source

    @pytest.mark.parametrize("check", source.CHECKS)
    def test_contract(check, tmp_path):
        check(source.SourceCase(make=..., change=..., empty=..., folder=tmp_path))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Item, Kept, Rejected, Source, os_path, printable, read_regular
from modelwright.prepare.collect.listing import Listed


@dataclass(frozen=True)
class SourceCase:
    """One source with something in it.

    Parameters
    ----------
    make
        Returns a fresh source over the same things; called several times.
    change
        Changes what the source holds: adds, alters or removes a sample.
    empty
        Returns a source of the same kind over nothing at all (no such path), or None if it has no place to be missing.
    folder
        A folder of the test's own, for the index.
    """

    make: Callable[[], Source]
    change: Callable[[], None]
    empty: Callable[[], Source | None]
    folder: Path

    def index(self) -> Index:
        """Return a fresh index over the test's cache."""
        return Index(self.folder / "cache")

    def items(self) -> list[Item | Rejected]:
        """Return everything the source streams."""
        source = self.make()
        return list(source.items(source.survey().columns))


def check_stream_is_repeatable(case: SourceCase) -> None:
    """WHY: the order of samples is part of a dataset's identity."""
    assert case.items() == case.items()
    assert case.items(), "the case must hold something"


def check_names_are_unique_and_reversible(case: SourceCase) -> None:
    """WHY: a sample is found again by source and name."""
    names = [item.path for item in case.items() if isinstance(item, Item)]
    assert len(names) == len(set(names))
    for name in names:
        assert name.isprintable()
        assert printable(os_path(name)) == name


def check_items_have_bytes(case: SourceCase) -> None:
    """WHY: everything later works on raw bytes, and a sample's id is their digest."""
    kept = case.make().kept
    assert kept in get_args(Kept)
    for item in case.items():
        if isinstance(item, Rejected):
            assert item.kind
            assert item.message
            assert "\n" not in item.message
            assert 0 <= item.severity <= 1
            continue
        assert [item.file, item.raw, item.fetch].count(None) == 2
        raw = read_regular(item.file) if item.file is not None else item.fetch() if item.fetch else item.raw
        assert raw is not None
        assert len(digest_bytes(raw)) == 64
        assert (item.row is not None) == (kept == "rows") or kept == "objects"


def check_fingerprint_is_stable(case: SourceCase) -> None:
    """WHY: with nothing changed nothing runs again, whether the cache is there or was deleted."""
    with case.index() as index:
        first = case.make().fingerprint(index)
        assert case.make().fingerprint(index) == first
    with Index(case.folder / "another-cache") as index:
        assert case.make().fingerprint(index) == first


def check_fingerprint_sees_a_change(case: SourceCase) -> None:
    """WHY: a change that is not seen leaves a stale dataset in use."""
    with case.index() as index:
        before = case.make().fingerprint(index)
        case.change()
        assert case.make().fingerprint(index) != before


def check_nothing_there_is_a_clear_error(case: SourceCase) -> None:
    """WHY: a mistyped path must not become a traceback, nor an empty dataset."""
    source = case.empty()
    if source is None:
        return
    found: InputError | None = None
    try:
        source.survey()
    except InputError as error:
        found = error
    assert found is not None, "a source over nothing must raise InputError"
    assert found.exit_status == 2
    assert "\n" not in found.message


def check_constructor_touches_nothing(case: SourceCase) -> None:
    """WHY: a spec is checked without its data being there."""
    case.empty()


def check_unknown_columns_do_not_matter(case: SourceCase) -> None:
    """WHY: columns are agreed between all sources; one may lack some."""
    source = case.make()
    columns = {**source.survey().columns, "a column that is nowhere": "number"}
    for item in source.items(columns):
        if isinstance(item, Item) and item.row is not None and set(item.row) != {"text"}:
            assert item.row["a column that is nowhere"] is None


def check_files_at_once_are_its_items(case: SourceCase) -> None:
    """WHY: a folder is taken by column, and must hold the same samples in the same order as one by one."""
    source = case.make()
    if not isinstance(source, Listed):
        return
    with case.index() as index:
        files = source.files(index)
    if files is None:
        return
    items = case.items()
    sound = [item for item in items if isinstance(item, Item)]
    assert files.rejected == [item for item in items if not isinstance(item, Item)]
    assert files.paths.to_pylist() == [item.path for item in sound]
    assert files.labels.to_pylist() == [item.label for item in sound]
    read = [read_regular(item.file or "") for item in files.items(range(len(files)))]
    assert [digest.tobytes().hex() for digest in files.digests] == [digest_bytes(raw) for raw in read]
    assert files.sizes.tolist() == [len(raw) for raw in read]


CHECKS: tuple[Callable[[SourceCase], None], ...] = tuple(
    value for name, value in list(globals().items()) if name.startswith("check_")
)
"""Every check, in the order of this file."""
