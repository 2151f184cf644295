"""Class names for labels that are numbers."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Settings, reason

_MOST_BYTES = 1 << 20


def class_names(names: Sequence[str], classes: str | None, settings: Settings) -> list[str]:
    """Return the names of classes 0, 1, 2 …: those of the spec, or the lines of the file ``classes``.

    Raises
    ------
    InputError
        If the file cannot be read, or a name comes twice.
    """
    if names or classes is None:
        found = list(names)
    else:
        path = settings.root / classes
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
            raise InputError(f"the class names in {path} cannot be read: {why}", code="unreadable") from None
        found = [line.strip() for line in text.splitlines() if line.strip()]
        if len(found) == 1 and len(found[0].split()) > 1:
            found = found[0].replace(",", " ").split()
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise InputError(f"the class name {min(twice)!r} comes twice in {classes or 'names'}", code="bad-option")
    return found
