"""No label at all: pictures, sounds, rows or texts as they come, to be looked through, cleaned and exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from modelwright.tasks.base import LabelKind


class Nothing:
    """The target ``none``: whatever a source says about a sample, it has no label, and none is missing."""

    name: ClassVar[str] = "none"
    version: ClassVar[int] = 1
    label_kind: ClassVar[LabelKind] = "none"

    def read(self, raw: Any) -> None:
        """Return None for whatever is given, a class folder's name included."""

    def learn(self, labels: Sequence[Any]) -> dict[str, Any]:
        """Return a schema without classes, whatever is given."""
        return {"classes": []}
