"""Reading a source's options, with one kind of message for all mistakes."""

from __future__ import annotations

from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Settings


class Options:
    """The options of one source.

    Parameters
    ----------
    kind
        The source's kind.
    settings
        Where they are.
    """

    def __init__(self, kind: str, settings: Settings) -> None:
        self._options = settings.options
        self.where = f"source '{kind}: {settings.location}'"

    def bad(self, key: str, right: str) -> InputError:
        """Return the error for a value that is not ``right``."""
        return InputError(
            f"{self.where}: option {key!r} is {self._options[key]!r}; it must be {right}", code="bad-option"
        )

    def get(self, key: str) -> Any:
        """Return an option as it is, or None."""
        return self._options.get(key)

    def text(self, key: str) -> str | None:
        """Return a text, or None."""
        value = self._options.get(key)
        if value is not None and not isinstance(value, str):
            raise self.bad(key, "text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list too."""
        value = self._options.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(each, (str, int, float)) for each in value):
            return tuple(str(each) for each in value)
        raise self.bad(key, "text or a list of texts")

    def whole(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number from ``low`` to ``high``, or None."""
        value: Any = self._options.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.bad(key, f"a whole number, {low} to {high}")
        return value
