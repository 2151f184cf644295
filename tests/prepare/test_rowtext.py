"""The text and digest of rows made by the column are those made row by row."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright import canonical
from modelwright.prepare.collect import rowtext

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1e-4, 9.999e-5, 1e15, 999999999999999.0, 1e16, 5e-324, 1.7976931348623157e308, 123456.0, 0.1]
)


@given(
    st.lists(WORDS, min_size=1, max_size=4, unique=True),
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | NUMBERS,
            st.none() | WORDS,
            st.none() | st.sampled_from(["a", 'b"', "\\", "\n", "é", "\x7f", "\u2028"]),
        ),
        max_size=40,
    ),
)
@settings(max_examples=300, deadline=None)
def test_texts_and_digests_are_those_of_each_row(names: list[str], rows: list[tuple[object, ...]]) -> None:
    types = (pa.int64(), pa.float64(), pa.string(), pa.string())[: len(names)]
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(types)]
    batch = pa.record_batch(columns, names=names)
    wanted = [canonical.dumps(row) for row in batch.to_pylist()]
    made = rowtext.texts(batch)
    assert [text.encode() for text in made.to_pylist()] == wanted
    assert rowtext.digests(made).hex() == "".join(map(canonical.digest_bytes, wanted))
    for start in range(0, len(rows), 7):
        part = made.slice(start, 7)
        assert rowtext.digests(part).hex() == "".join(map(canonical.digest_bytes, wanted[start : start + 7]))
