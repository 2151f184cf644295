"""A check of LightGBM's text format, before LightGBM reads it.

LightGBM trusts the text: a file that was cut off, or that points outside its own arrays, ends the process (``abort`` in
``Tree::Tree``) or reads other memory. So everything that it will index by is checked here first.

Source of the format: LightGBM ``src/boosting/gbdt_model_text.cpp`` and ``src/io/tree.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import IntegrityError

PER_SPLIT = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
PER_SPLIT_OPTIONAL = ("internal_value", "internal_weight", "internal_count")
PER_LEAF = ("leaf_value",)
PER_LEAF_OPTIONAL = ("leaf_weight", "leaf_count")
END = "end of trees\n"


def _wrong(what: str) -> IntegrityError:
    return IntegrityError(f"trees.txt of the model is damaged: {what}")


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _numbers(fields: Mapping[str, str], name: str, count: int, *, optional: bool = False) -> NDArray[np.float64]:
    """Return the ``count`` numbers of one line."""
    if name not in fields:
        if optional:
            return np.zeros(count)
        raise _wrong(f"{name} is missing")
    try:
        values = np.array(fields[name].split(), np.float64)
    except ValueError:
        raise _wrong(f"{name} holds something that is not a number") from None
    if len(values) != count or np.isnan(values).any():
        raise _wrong(f"{name} has {len(values)} numbers where {count} are right")
    return values


def _whole(fields: Mapping[str, str], name: str, low: int, high: int) -> int:
    text = fields.get(name, "")
    if not text.isdigit() or not low <= int(text) <= high:
        raise _wrong(f"{name} is {text[:20]!r}; {low} to {high} is right")
    return int(text)


def audit(text: str, features: int, trees_per_round: int) -> None:
    """Check a whole text.

    Parameters
    ----------
    text
        What ``Booster.model_to_string`` gave, up to and without its parameters.
    features, trees_per_round
        What the model is said to have.

    Raises
    ------
    IntegrityError
        If anything that LightGBM indexes by is missing, of another length, or out of range.
    """
    head, separator, rest = text.partition("\n\n")
    fields = _fields(head)
    if not text.startswith("tree\n") or not separator:
        raise _wrong("it does not begin like a LightGBM model")
    found = (fields.get("max_feature_idx"), fields.get("num_tree_per_iteration"), fields.get("version"))
    right = (str(features - 1), str(trees_per_round), "v4")
    if found != right or _whole(fields, "num_class", 1, 10**6) != trees_per_round:
        raise _wrong(f"its header says {found}; {right} is right")
    for name in ("feature_names", "feature_infos"):
        if len(fields.get(name, "").split()) != features:
            raise _wrong(f"{name} does not name {features} features")
    sizes = fields.get("tree_sizes", "").split()
    if not sizes or len(sizes) % trees_per_round or not all(size.isdigit() for size in sizes):
        raise _wrong("tree_sizes is missing or not whole")
    start = 0
    for number, size in enumerate(sizes):
        block = rest[start : start + int(size)]
        if len(block) != int(size) or not block.startswith(f"Tree={number}\n"):
            raise _wrong(f"tree {number} is not where it should be")
        _audit_tree(_fields(block), features)
        start += int(size)
    if not rest[start:].lstrip("\n").startswith(END):
        raise _wrong("its end is missing")


def _audit_tree(fields: Mapping[str, str], features: int) -> None:
    leaves = _whole(fields, "num_leaves", 1, 1 << 20)
    categorical = _whole(fields, "num_cat", 0, leaves)
    if fields.get("is_linear", "0") != "0":
        raise _wrong("it has linear trees")
    for name in PER_LEAF:
        if not np.isfinite(_numbers(fields, name, leaves)).all():
            raise _wrong(f"{name} holds infinity")
    if leaves == 1:
        return
    for name in PER_LEAF_OPTIONAL:
        _numbers(fields, name, leaves, optional=True)
    for name in PER_SPLIT_OPTIONAL:
        _numbers(fields, name, leaves - 1, optional=True)
    columns = {name: _numbers(fields, name, leaves - 1) for name in PER_SPLIT}
    used = columns["split_feature"]
    if (used < 0).any() or (used >= features).any():
        raise _wrong("a split looks at a feature that is not there")
    _audit_shape(columns["left_child"], columns["right_child"], leaves)
    kinds = columns["decision_type"].astype(np.int64)
    if ((kinds < 0) | (kinds > 15)).any():
        raise _wrong("a decision is of no known kind")
    _audit_categories(fields, columns["threshold"][kinds % 2 == 1], categorical)


def _audit_shape(left: NDArray[np.float64], right: NDArray[np.float64], leaves: int) -> None:
    """Check that the children are every split but the first and every leaf, each once, and after its parent."""
    children = np.concatenate([left, right]).astype(np.int64)
    right_children = np.concatenate([np.arange(1, leaves - 1), ~np.arange(leaves)])
    if not np.array_equal(np.sort(children), np.sort(right_children)):
        raise _wrong("its nodes do not form a tree")
    parents = np.tile(np.arange(leaves - 1), 2)
    if (children[children > 0] <= parents[children > 0]).any():
        raise _wrong("its nodes form a circle")


def _audit_categories(fields: Mapping[str, str], thresholds: NDArray[np.float64], categorical: int) -> None:
    """Check the bit sets of categorical splits and the places that splits look them up at."""
    if ((thresholds < 0) | (thresholds >= max(categorical, 0)) | (thresholds % 1 != 0)).any():
        raise _wrong("a split looks up a set of categories that is not there")
    if not categorical:
        return
    boundaries = _numbers(fields, "cat_boundaries", categorical + 1)
    if boundaries[0] != 0 or (np.diff(boundaries) < 0).any() or boundaries[-1] > 1 << 20:
        raise _wrong("cat_boundaries do not ascend")
    words = _numbers(fields, "cat_threshold", int(boundaries[-1]))
    if ((words < 0) | (words >= 2**32)).any():
        raise _wrong("cat_threshold is out of range")
