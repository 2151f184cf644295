"""LightGBM's trees as an ONNX ``TreeEnsembleRegressor``, decision for decision.

Why by hand: converters have silently produced other trees than were learned (sklearn-onnx issue 1051), and the
exactness of a decision lies in details that only show on unusual inputs:

- LightGBM compares the feature, widened to double, with a double threshold ``t``; the graph compares float32. The
  largest float32 that is not above ``t`` splits the float32 numbers exactly as ``t`` does.
- A missing value (NaN) goes the way that was learned, or is taken as 0 where training saw none missing.
- A set of categories is a chain of equality tests whose hits share one child. NaN, negative and unknown codes go right.
  Codes are whole numbers, as the ``trees`` encoding makes them (LightGBM would cut off a fraction; the graph does not).

Source of the rules: LightGBM ``include/LightGBM/tree.h`` (``NumericalDecision``, ``CategoricalDecision``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelwright.models import onnx_graph


def round_down(threshold: float) -> float:
    """Return the largest float32 that is not above ``threshold`` (as a Python float; may be infinite).

    ``dump_model`` writes infinity as 1e300 (``Common::AvoidInf``): the split "missing or not" has that threshold, and
    an infinite feature does take its left branch.

    Examples
    --------
    >>> round_down(0.1) <= 0.1, round_down(0.5)
    (True, 0.5)
    >>> round_down(1e299) == float(np.finfo(np.float32).max), round_down(1e300)
    (True, inf)
    """
    if abs(threshold) >= 1e300:
        return float(np.copysign(np.inf, threshold))
    with np.errstate(over="ignore"):  # beyond the largest float32 the answer is an infinity, and that is right
        nearest = np.float32(threshold)
        if float(nearest) > threshold:
            nearest = np.nextafter(nearest, np.float32(-np.inf))
    return float(nearest)


@dataclass
class _Nodes:
    """The attribute lists of the operator, one entry a node or a leaf."""

    tree: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    missing_yes: list[int] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    leaf_target: list[int] = field(default_factory=list)
    leaf_weight: list[float] = field(default_factory=list)

    def add(
        self, tree: int, number: int, mode: str, feature: int = 0, value: float = 0.0, missing: bool = False
    ) -> int:
        self.tree.append(tree)
        self.number.append(number)
        self.feature.append(feature)
        self.mode.append(mode)
        self.value.append(value)
        self.yes.append(0)
        self.no.append(0)
        self.missing_yes.append(int(missing))
        return len(self.tree) - 1


def _categories(threshold: str) -> list[int]:
    return [int(code) for code in str(threshold).split("||")]


def _missing_goes_left(split: Mapping[str, Any]) -> bool:
    """Whether NaN takes the left branch of a numerical split."""
    if split["missing_type"] == "NaN":
        return bool(split["default_left"])
    return float(split["threshold"]) >= 0.0  # NaN counts as 0 where training saw nothing missing


def _write_tree(nodes: _Nodes, tree: int, target: int, root: Mapping[str, Any]) -> None:
    """Append one tree. Parents come before their children; no recursion, however deep it is."""
    number = 0
    # (subtree, rows whose "yes" points at it, rows whose "no" points at it)
    waiting: list[tuple[Mapping[str, Any], list[int], list[int]]] = [(root, [], [])]
    while waiting:
        split, from_yes, from_no = waiting.pop()
        if "split_index" not in split:
            first = nodes.add(tree, number, "LEAF")
            nodes.leaf_tree.append(tree)
            nodes.leaf_node.append(number)
            nodes.leaf_target.append(target)
            nodes.leaf_weight.append(float(split["leaf_value"]))
            rows = [first]
        elif split["decision_type"] == "==":
            codes = _categories(split["threshold"])
            rows = [
                nodes.add(tree, number + offset, "BRANCH_EQ", split["split_feature"], float(code))
                for offset, code in enumerate(codes)
            ]
            for offset, row in enumerate(rows[:-1], start=1):
                nodes.no[row] = number + offset
        else:
            threshold = round_down(float(split["threshold"]))
            missing = _missing_goes_left(split)
            rows = [nodes.add(tree, number, "BRANCH_LEQ", split["split_feature"], threshold, missing)]
        for row in from_yes:
            nodes.yes[row] = number
        for row in from_no:
            nodes.no[row] = number
        number += len(rows)
        if "split_index" in split:
            waiting.append((split["right_child"], [], rows[-1:]))
            waiting.append((split["left_child"], rows, []))


def ensemble(trees: Sequence[Mapping[str, Any]], width: int, output: str, owners: Sequence[int] | None = None) -> Any:
    """Return the node: input ``features (n, d) float32``, output the sum of the trees' leaves ``(n, width) float32``.

    Parameters
    ----------
    trees
        ``tree_info`` of LightGBM's ``dump_model``.
    width
        Scores per sample.
    output
        Name of the node's output.
    owners
        The score that each tree adds to; None: tree ``i`` adds to score ``i % width``.
    """
    nodes = _Nodes()
    for index, tree in enumerate(trees):
        _write_tree(nodes, index, index % width if owners is None else owners[index], tree["tree_structure"])
    return onnx_graph.node(
        "TreeEnsembleRegressor",
        ["features"],
        output,
        domain="ai.onnx.ml",
        n_targets=width,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=nodes.tree,
        nodes_nodeids=nodes.number,
        nodes_featureids=nodes.feature,
        nodes_modes=nodes.mode,
        nodes_values=nodes.value,
        nodes_truenodeids=nodes.yes,
        nodes_falsenodeids=nodes.no,
        nodes_missing_value_tracks_true=nodes.missing_yes,
        target_treeids=nodes.leaf_tree,
        target_nodeids=nodes.leaf_node,
        target_ids=nodes.leaf_target,
        target_weights=nodes.leaf_weight,
    )
