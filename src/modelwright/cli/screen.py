"""What the command line shows: one answer on standard output, everything else on standard error.

While a command works, file descriptor 1 points at standard error, so that whatever a library prints (from C, too) can
never mix with the answer. Text that came from outside (file names, labels, messages) is cleaned of control characters
before a terminal sees it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = {"bold": "1", "dim": "2", "good": "32", "warn": "33", "bad": "31", "link": "36"}


class Screen:
    """Where a command says what it has to say.

    Parameters
    ----------
    json
        Whether the answer is one JSON document instead of lines.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.answered = False
        self._out: int | None = None
        self._tty = _is_tty(1)
        self.colour = not json and self._tty and _colour_wanted()
        self.bars = _is_tty(2) and os.environ.get("TERM") != "dumb"
        self.colour_err = _is_tty(2) and _colour_wanted()

    # ------------------------------------------------------------------ standard output

    def protect(self) -> None:
        """Keep standard output for the answer: from now on descriptor 1 is standard error."""
        if self._out is not None:
            return
        try:
            self._out = os.dup(1)
            os.dup2(2, 1)
        except OSError:
            self._out = None

    def release(self) -> None:
        """Give descriptor 1 back."""
        if self._out is not None:
            with contextlib.suppress(OSError):
                os.dup2(self._out, 1)
                os.close(self._out)
            self._out = None

    def write(self, text: str) -> None:
        """Write to standard output. Whoever closed it early (``| head``) is not an error.

        Raises
        ------
        OSError
            If it cannot be written, such as on a full disk.
        """
        data = text.encode("utf-8", errors="backslashreplace")
        try:
            while data:
                data = data[os.write(1 if self._out is None else self._out, data) :]
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1 if self._out is None else self._out)
                os.close(null)

    def answer(self, document: Any, lines: Iterable[str] = ()) -> None:
        """Give the one answer: ``document`` with ``--json``, ``lines`` without."""
        self.answered = True
        if self.json:
            self.write(json_text(document) + "\n")
        else:
            self.write("".join(f"{line}\n" for line in lines))

    def stream(self, name: str, items: Iterable[tuple[Any, str]]) -> None:
        """Give an answer of many parts as they come: ``{name: [document, …]}``, or a line each.

        If it breaks off with an error the document is still whole, and the error stands beside what came before it; if
        nothing came before it the error is the answer.
        """
        from modelwright.errors import ModelwrightError

        between = f'{{"{name}": [' if self.json else ""
        try:
            for document, text in items:
                self.write(between + json_text(document, indent=None) if self.json else f"{text}\n")
                between = ",\n  "
                self.answered = True
        except (ModelwrightError, KeyboardInterrupt) as error:
            if self.json and self.answered:
                told = error.as_dict() if isinstance(error, ModelwrightError) else INTERRUPTED
                self.write(f'], "error": {json_text(told, indent=None)}}}\n')
            raise
        if self.json:
            self.write(("" if self.answered else between) + "]}\n")
        self.answered = True

    # ------------------------------------------------------------------ standard error

    def note(self, message: str) -> None:
        """Write a line to standard error."""
        data = f"{clean(message)}\n".encode(errors="backslashreplace")
        with contextlib.suppress(OSError):
            os.write(2, data)

    def error(self, error: Mapping[str, str]) -> None:
        """Say what went wrong, in one line with its hint; with ``--json`` it is the answer, too."""
        word = self.style("error:", "bad", err=True)
        hint = f" ({error['hint']})" if error["hint"] else ""
        self.note_raw(f"{word} {clean(one_line(error['message'] + hint))}")
        if self.json and not self.answered:
            self.answer({"error": dict(error)})

    def note_raw(self, message: str) -> None:
        """Write a line that is already clean (it may hold our own colours) to standard error."""
        with contextlib.suppress(OSError):
            os.write(2, f"{message}\n".encode(errors="backslashreplace"))

    # ------------------------------------------------------------------ looks

    def style(self, text: str, *names: str, err: bool = False) -> str:
        """Return ``text`` (already clean) in colour where there is any."""
        if not (self.colour_err if err else self.colour) or not names:
            return text
        return f"\x1b[{';'.join(_STYLES[name] for name in names)}m{text}\x1b[0m"

    def table(
        self, rows: Iterable[Sequence[Any]], head: Sequence[str] = (), *, right: Sequence[int] = (), indent: str = "  "
    ) -> list[str]:
        """Return rows in columns; on a terminal the last column is cut to what fits.

        Parameters
        ----------
        right
            Columns that are aligned right.
        """
        body = [[clean(one_line("–" if cell is None else str(cell))) for cell in row] for row in rows]
        if not body:
            return []
        every = [list(head), *body] if head else body
        count = max(len(row) for row in every)
        every = [row + [""] * (count - len(row)) for row in every]
        widths = [max(width(row[i]) for row in every) for i in range(count)]
        room = self.columns - len(indent) - sum(widths[:-1]) - 2 * (count - 1)
        if self._tty and room < widths[-1]:
            widths[-1] = max(room, 12)
        lines = []
        for number, row in enumerate(every):
            cells = [cut(cell, widths[i]) for i, cell in enumerate(row)]
            cells = [
                " " * (widths[i] - width(cell)) + cell if i in right else cell + " " * (widths[i] - width(cell))
                for i, cell in enumerate(cells)
            ]
            line = (indent + "  ".join(cells)).rstrip()
            lines.append(self.style(line, "dim") if head and number == 0 else line)
        return lines

    @property
    def columns(self) -> int:
        """Width of the terminal in characters."""
        import shutil

        return shutil.get_terminal_size((100, 24)).columns


INTERRUPTED = {"code": "interrupted", "message": "stopped before it was done", "hint": "run it again: it goes on"}


def _is_tty(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _colour_wanted() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def clean(text: str) -> str:
    """Return text that a terminal only prints: control characters and direction marks are written as escapes.

    Examples
    --------
    >>> clean("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """Return text on one line."""
    return " ".join(text.split())


def width(text: str) -> int:
    """Return how many columns a terminal needs for ``text``."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, room: int) -> str:
    """Return ``text`` in at most ``room`` columns, with an ellipsis if it was longer."""
    if width(text) <= room:
        return text
    used, kept = 1, []
    for letter in text:
        used += width(letter)
        if used > room:
            break
        kept.append(letter)
    return "".join(kept) + "…"


def json_text(document: Any, *, indent: int | None = 2) -> str:
    """Return one JSON document: NaN and infinities become null, objects what they say of themselves."""
    return json.dumps(ready(document), ensure_ascii=False, indent=indent, allow_nan=False)


def ready(value: Any) -> Any:
    """Return ``value`` made of what JSON has."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): ready(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset | Iterator):
        return [ready(each) for each in (sorted(value) if isinstance(value, set | frozenset) else value)]
    for name in ("as_dict", "tolist", "isoformat"):
        if callable(method := getattr(value, name, None)):
            return ready(method())
    if hasattr(value, "__dataclass_fields__"):
        return {name: ready(getattr(value, name)) for name in value.__dataclass_fields__}
    return str(value)


def short(digest: Any) -> str:
    """Return the first 12 characters of a digest."""
    return str(digest)[:12] if digest else "–"


def figure(value: Any) -> str:
    """Return a number in four significant digits.

    Examples
    --------
    >>> figure(0.93456), figure(12345.678), figure(None), figure(3)
    ('0.9346', '12,346', '–', '3')
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return "–"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def interval(entry: Mapping[str, Any]) -> str:
    """Return ``{"value", "low", "high"}`` as ``0.93 (0.91 to 0.95)``."""
    words = figure(entry.get("value"))
    if entry.get("low") is not None and entry.get("high") is not None:
        words += f" ({figure(entry['low'])} to {figure(entry['high'])})"
    return words


def length(seconds: float) -> str:
    """Return a length of time.

    Examples
    --------
    >>> length(0.04), length(3.21), length(200), length(8000)
    ('0.0 s', '3.2 s', '3 min 20 s', '2 h 13 min')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def moment(nanoseconds: Any) -> str:
    """Return a time since 1970 in nanoseconds as local date and time."""
    import time

    if not isinstance(nanoseconds, int | float):
        return "–"
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(nanoseconds / 1e9))
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)


def flush() -> None:
    """Push out what Python still holds for standard output and error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
