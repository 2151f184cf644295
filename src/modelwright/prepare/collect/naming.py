"""Labels that stand in file names: ``7_jackson_0.wav`` is a seven."""

from __future__ import annotations

import re
from typing import Any

from modelwright.errors import InputError


class Naming:
    """Reads a label out of a sample's name by a regular expression: its first group, or all that it found.

    Parameters
    ----------
    pattern
        The expression, searched for in the whole name as the source shows it, folders included.
    where
        The source, for messages.

    Raises
    ------
    InputError
        If it is no regular expression.

    Examples
    --------
    >>> Naming(r"(\\d)_[a-z]+_", "source").label("recordings/7_jackson_0.wav")
    '7'
    """

    def __init__(self, pattern: str, where: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise InputError(
                f"{where}: option 'label' is {pattern!r}, which is no regular expression: {error}", code="bad-option"
            ) from None
        self._group = min(self._pattern.groups, 1)

    def label(self, name: str) -> str | None:
        """Return the label of a sample, or None where its name has none."""
        found = self._pattern.search(name)
        return None if found is None else found.group(self._group)

    @property
    def mark(self) -> str:
        """The expression: part of what the source holds."""
        return self._pattern.pattern

    @staticmethod
    def of(value: Any, where: str) -> Naming | None:
        """Return the naming that an option ``label`` asks for, or None if it is not given.

        Raises
        ------
        InputError
            If it is not a text with a regular expression in it.
        """
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise InputError(
                f"{where}: option 'label' is {value!r}; it must be a regular expression that finds the label in a "
                "file's name",
                code="bad-option",
            )
        return Naming(value, where)
