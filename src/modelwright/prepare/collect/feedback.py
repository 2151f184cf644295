"""Source ``feedback``: what production saw and somebody labelled since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from modelwright import canonical
from modelwright.errors import InputError
from modelwright.prepare.collect.base import Item, Kept, Rejected, Settings, Survey

if TYPE_CHECKING:
    from modelwright.prepare.cache.index import Index


class FeedbackSource:
    """Production samples with a label from ``/feedback`` or from a person, newest statement first.

    The bytes come out of the prediction logs and are copied to the store's objects, so that the dataset stands when the
    logs are gone. Order: by sample digest. The location is a word for people; there is one annotation log.
    """

    kind: ClassVar[str] = "feedback"
    option_names: ClassVar[Mapping[str, str]] = {
        "sources": "list of annotation sources to take; default: feedback and person",
    }
    kept: ClassVar[Kept] = "objects"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        wanted = settings.options.get("sources", ["feedback", "person"])
        if isinstance(wanted, str):
            wanted = [wanted]
        if not isinstance(wanted, (list, tuple)) or not all(isinstance(each, str) for each in wanted):
            raise InputError(
                f"source 'feedback': option 'sources' is {wanted!r}; it must be a list of texts", code="bad-option"
            )
        self._wanted = frozenset(wanted)

    def fingerprint(self, index: Index) -> str:  # noqa: ARG002 - the seam's signature
        """Return the head of the annotation log."""
        return canonical.digest_value(["feedback", self.settings.store.annotations.head(), sorted(self._wanted)])

    def survey(self) -> Survey:
        """Return nothing: labels may not have come yet, and that is no error."""
        return Survey()

    def items(self, columns: Mapping[str, str]) -> Iterator[Item | Rejected]:
        """Stream the labelled production samples; one whose bytes are in no log is passed over."""
        store = self.settings.store
        newest = {
            sample: each
            for sample, each in store.annotations.newest().items()
            if each.kind == "label" and each.source in self._wanted
        }
        missing = set()
        for sample in newest:
            if not store.objects.has(sample):
                missing.add(sample)
        for sample, _, data in store.logs.find_inputs(missing):
            if canonical.digest_bytes(data) == sample:
                store.objects.put(data)
        for sample in sorted(newest):
            if not store.objects.has(sample):
                continue  # an annotation of a sample that lies in another source
            raw = store.objects.get(sample)
            annotation = newest[sample]
            row = None
            if self.settings.input == "table":
                row = row_of(raw, columns)
                if row is None:
                    yield Rejected(sample, "corrupt", f"production sample {sample[:12]} is not a JSON object")
                    continue
            yield Item(sample, annotation.value, raw=raw, row=row, annotation=f"annotation:{annotation.seq}")


def row_of(raw: bytes, columns: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the columns of a row that production sent as JSON, by type; None if it is no object."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {name: _cell(found.get(name), kind) for name, kind in columns.items()}


def _cell(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, (dict, list)):
        return None
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value)
    try:
        wide = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if wide != wide or abs(wide) == float("inf"):  # noqa: PLR0124 - NaN
        return None
    return (
        int(wide)
        if kind == "integer" and wide.is_integer() and abs(wide) < 2**63
        else (None if kind == "integer" else wide)
    )
