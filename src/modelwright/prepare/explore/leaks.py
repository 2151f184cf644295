"""The proof that no split has seen another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View


def sections(view: View) -> list[Element]:
    """Return the count of groups in more than one split."""
    groups, sizes, spread = _groups(view)
    straddling = int((spread > 1).sum())
    view.figures["groups"] = {"groups": groups, "of_several": int((sizes > 1).sum()), "straddling": straddling}
    return [
        draw.section(
            "No leaks between splits",
            draw.banner(
                "good" if straddling == 0 else "bad",
                f"{int((sizes > 1).sum()):,} groups of duplicates, near-duplicates and samples that belong together "
                f"were found; {straddling} of them lie in more than one split.",
            ),
        )
    ]


def _groups(view: View) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of groups, and of each its size and how many splits it is in."""
    codes = np.asarray(view.samples["group"].combine_chunks().dictionary_encode().indices.to_numpy())[view.kept]
    if not len(codes):
        return 0, np.empty(0, np.int64), np.empty(0, np.int64)
    sizes = np.bincount(codes)
    both = np.unique(codes.astype(np.int64) * 3 + view.splits[view.kept])
    return int((sizes > 0).sum()), sizes, np.bincount(both // 3, minlength=len(sizes))
