"""Class names for labels that are numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Settings, reason

_MOST_BYTES = 1 << 20
BESIDE = ("classes.txt", "class_names.txt")
"""Files beside a table that usually name its classes, in the order of their numbers."""
NONE = "none"
"""What the option ``classes`` says for: no file, whatever lies beside."""
_SHOWN = 4


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


class ClassFile:
    """The file that names the classes of a table whose labels are numbers: the spec's, or one that lies beside it.

    Parameters
    ----------
    asked
        The option ``classes``: a path, ``none``, or None to look beside the table.
    settings
        Of the source.
    where
        The source, for messages.
    """

    def __init__(self, asked: str | None, settings: Settings, where: str) -> None:
        self._settings, self._where = settings, where
        self._asked = asked
        if asked is not None and asked != NONE and settings.output != "category":
            raise InputError(
                f"{where}: option 'classes' names classes, and the output is {settings.output}", code="bad-option"
            )

    def path(self) -> Path | None:
        """Return the file, or None where there is none, or labels are no classes."""
        if self._asked == NONE or self._settings.output != "category":
            return None
        if self._asked is not None:
            return self._settings.root / self._asked
        table = self._settings.path
        folder = table if table.is_dir() else table.parent
        return next((folder / name for name in BESIDE if (folder / name).is_file()), None)

    def fit(self, labels: Iterable[Any]) -> tuple[dict[str, str], str]:
        """Return names by number as text, and in words why these, or why none.

        A file that lies beside the table is used only if it has as many names as there are labels, and these count from
        0 or from 1.

        Parameters
        ----------
        labels
            Those of the table, in any number; read no further than needed.

        Raises
        ------
        InputError
            If the file that the spec names cannot be read, or does not fit.
        """
        path = self.path()
        if path is None:
            return {}, ""
        try:
            names = class_names((), str(path.resolve()), self._settings)
        except InputError as error:
            if self._asked is not None:
                raise
            return {}, f"{path.name} beside the table is not used: {error.message}"
        different = list(islice(_different(labels), len(names) + 1))
        found = _numbered(names, different, exactly=self._asked is None)
        if isinstance(found, dict):
            shown = ", ".join(f"{number} is {name}" for number, name in list(found.items())[:_SHOWN])
            more = "" if len(found) <= _SHOWN else ", …"
            return found, (
                f"{path.name} names the {len(names)} classes: {shown}{more}"
                + ("" if self._asked else " ('classes: none' beside the source leaves the numbers)")
            )
        if self._asked is not None:
            raise InputError(
                f"{self._where}: {path.name} does not fit the labels: {found}",
                code="bad-option",
                hint="one name a line, that of class 0 or 1 first; or 'classes: none'",
            )
        return {}, f"{path.name} beside the table is not used: {found}"


def label_text(value: Any) -> str:
    """Return a label as text, whole numbers without a fraction.

    Examples
    --------
    >>> label_text(3.0), label_text(" 3 "), label_text("World")
    ('3', '3', 'World')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def named(value: Any, names: Mapping[str, str]) -> Any:
    """Return the name of a label that is a number; any other as it is."""
    return value if value is None or isinstance(value, (list, dict)) else names.get(label_text(value), value)


def _different(labels: Iterable[Any]) -> Iterable[str]:
    seen: set[str] = set()
    for value in labels:
        if value is not None and (text := label_text(value)) not in seen:
            seen.add(text)
            yield text


def _numbered(names: Sequence[str], labels: Sequence[str], *, exactly: bool) -> dict[str, str] | str:
    """Return names by number, or in words why they don't fit."""
    strange = [text for text in labels if text not in names and not (text.isascii() and text.isdigit())]
    if strange:
        return f"the label {strange[0][:40]!r} is neither a number nor one of its {len(names)} names"
    numbers = sorted({int(text) for text in labels if text not in names})
    if not numbers:
        return "the labels are names already" if exactly else {}
    first = 1 if numbers[0] >= 1 and numbers[-1] == len(names) else 0
    if numbers[-1] >= first + len(names):
        return f"it has {len(names)} names, and there is a class {numbers[-1]}"
    if exactly and numbers != list(range(first, first + len(names))):
        return f"it has {len(names)} names, and the labels are {len(labels)} numbers from {numbers[0]} to {numbers[-1]}"
    return {str(number): name for number, name in enumerate(names, first)}
