"""Scans by column: what is taken out is what was put in, whatever kind of scan it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.canonical import digest_bytes
from modelwright.prepare.cache import scanned as scanned_module
from modelwright.prepare.cache.scanned import Scanned
from modelwright.prepare.scan.columns import digest_array
from modelwright.prepare.scan.sample_scan import Scan
from modelwright.tasks.base import Problem

NAMES = ("brightness", "height")


def scan(seed: int) -> Scan:
    random = np.random.default_rng(seed)
    digest = digest_bytes(b"%d" % seed)
    kind = seed % 7
    if kind == 0:
        return Scan(digest, (Problem("corrupt", 0.9, "is broken"),), fatal=True)
    problems = (Problem("dark", 0.5, "is dark", {"by": 3}),) if kind == 1 else ()
    names = (*NAMES, "more") if kind == 2 else NAMES
    measures = {name: float(random.normal()) for name in names}
    if kind == 3:
        return Scan(digest, problems, measures)
    return Scan(digest, problems, measures, hash=int(random.integers(2**63)), sketch=random.bytes(12))


@given(st.lists(st.integers(0, 60), max_size=40), st.lists(st.integers(0, 70), max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_scans_come_back_as_they_were(tmp_path_factory: object, put: list[int], asked: list[int], size: int) -> None:
    path = tmp_path_factory.mktemp("scans") / "scans"  # type: ignore[attr-defined]
    scans = [scan(seed) for seed in put]
    half = len(scans) // 2
    with Scanned(path) as scanned:
        for start in range(0, half, size):
            scanned.add(scans[start : min(start + size, half)])
    with Scanned(path) as scanned:
        for start in range(half, len(scans), size):
            scanned.add(scans[start : start + size])
        wanted = [scan(seed) for seed in asked]
        digests = digest_array([each.digest for each in wanted])
        rows = scanned.rows(digests)
        assert [row >= 0 for row in rows.tolist()] == [seed in put for seed in asked]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scanned_module, "_LOOKED_THROUGH", 0)  # as where many are asked for
            assert scanned.rows(digests).tolist() == rows.tolist()
        mine = np.flatnonzero(rows >= 0)
        found = scanned.take(rows[mine])
        there, sketches = scanned.sketches(digests, 12)
        known = scanned.scans([each.digest for each in wanted])
        for place, number in enumerate(mine.tolist()):
            expected = wanted[number]
            assert bool(found.hashed[place]) == (expected.hash is not None)
            assert int(found.hashes[place]) == (expected.hash or 0)
            assert there[number] == (expected.sketch is not None)
            assert sketches[number].tobytes() == (expected.sketch or bytes(12))
            if place in found.odd:
                told = found.odd[place]
                assert (told.problems, told.fatal, told.measures) == (
                    expected.problems,
                    expected.fatal,
                    expected.measures,
                )
            else:
                figures = {name: float(values[place]) for name, values in found.measures.items()}
                assert {name: value for name, value in figures.items() if np.isfinite(value)} == expected.measures
            again = known[expected.digest]
            assert (again.problems, again.fatal, again.hash) == (expected.problems, expected.fatal, expected.hash)
            assert again.measures == expected.measures
        assert set(known) == {each.digest for each, row in zip(wanted, rows.tolist(), strict=True) if row >= 0}


def test_a_damaged_file_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "scans"
    with Scanned(path) as scanned:
        scanned.add([scan(4), scan(5)])
    raw = bytearray(path.read_bytes())
    at = raw.index(bytes.fromhex(scan(5).digest))
    raw[at] ^= 255
    path.write_bytes(raw)
    with Scanned(path) as scanned:
        assert len(scanned) == 0
        scanned.add([scan(6)])
    with Scanned(path) as scanned:
        assert scanned.rows(digest_array([scan(4).digest, scan(6).digest])).tolist() == [-1, 0]
