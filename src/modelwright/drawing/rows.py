"""Rows of a table, as production sent them, on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from modelwright.drawing import page
from modelwright.drawing.axes import number
from modelwright.drawing.page import Child, Element

COLUMNS = 8
LONGEST = 40


def row_table(head: Sequence[Child], entries: Sequence[tuple[Sequence[Child], str]], *, caption: str = "") -> Element:
    """Return a table whose last columns are the fields of JSON objects.

    Parameters
    ----------
    head
        Names of the leading columns.
    entries
        The leading cells, and the JSON object's text; what is no object is shown as it is, cut short.
    caption
        Above the table.

    Examples
    --------
    >>> print(row_table(("truth",), [(("worn",), '{"load": 0.25}')]))  # doctest: +ELLIPSIS
    <...truth...load...worn...0.25...
    """
    read = [(lead, _object(text)) for lead, text in entries]
    names = list(dict.fromkeys(name for _, row in read for name in row))
    shown = names[:COLUMNS]
    body = [(*lead, *(cell(row.get(name)) for name in shown)) for lead, row in read]
    more = f" {len(names) - COLUMNS} more columns are not shown." if len(names) > COLUMNS else ""
    return page.table((*head, *shown), body, caption=f"{caption}{more}".strip())


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {"input": text}


def cell(value: Any) -> Child:
    """Return a value as a cell: numbers with four digits, texts cut short, None for nothing.

    Examples
    --------
    >>> cell(0.123456), cell(7), cell(None), cell("x" * 99)[-1]
    ('0.1235', '7', None, '…')
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
