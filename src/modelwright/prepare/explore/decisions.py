"""What was decided about the issues, by whom and why."""

from __future__ import annotations

from typing import Any

from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.explore.view import View


def sections(view: View) -> list[Element]:
    """Return one table: a row a kind of issue and decision."""
    if not view.issues.num_rows:
        return []
    keys = ["kind", "decision", "decided_by"]
    grouped = view.issues.group_by(keys).aggregate([("severity", "max"), ("severity", "count"), ("why", "min")])
    found = sorted(grouped.to_pylist(), key=lambda row: (-row["severity_count"], *(row[key] for key in keys)))
    view.figures["decisions"] = [
        {"kind": row["kind"], "decision": row["decision"], "by": row["decided_by"], "count": row["severity_count"]}
        for row in found
    ]
    rows: list[list[Any]] = [
        [row["kind"], row["severity_count"], f"{row['severity_max']:.2f}", row["decision"], row["decided_by"],
         row["why_min"]]
        for row in found
    ]  # fmt: skip
    return [
        draw.section(
            "What was decided, and why", draw.table(["issue", "how many", "worst", "decision", "by", "why"], rows)
        )
    ]
