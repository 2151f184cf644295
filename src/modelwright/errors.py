"""The one shape in which Modelwright says that something is wrong.

Every error carries ``code`` (stable, for programs), ``message`` (what, where, what was found, what would be right)
and ``hint`` (what to do). The command line prints them, ``--json`` and the server return them, Python raises them.
Foreign exceptions are turned into one of these at the seam where they arise.
"""

from __future__ import annotations


class ModelwrightError(Exception):
    """The work failed (exit status 1).

    Parameters
    ----------
    message
        What, where, what was found, what would be right. One line.
    code
        Stable word for programs, ``lower-case-with-dashes``. Defaults to the class's own.
    hint
        What the reader can do about it; may be empty.
    """

    code: str = "failed"
    exit_status: int = 1

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """Return ``{"code", "message", "hint"}``, the shape used in ``--json`` and over HTTP."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InputError(ModelwrightError):
    """Bad usage or bad input (exit status 2)."""

    code = "bad-input"
    exit_status = 2


class SpecError(InputError):
    """A mistake in ``modelwright.yaml``: file, line, key, what was found, what is allowed."""

    code = "bad-spec"


class MissingExtraError(InputError):
    """A command whose part is not installed; the hint names the extra to install."""

    code = "missing-extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a part that is not installed here",
            hint=f"pip install 'modelwright[{extra}]'",
        )
        self.extra = extra


class IntegrityError(InputError):
    """Something stored or packaged is not what its manifest says it is."""

    code = "integrity"


class FormatTooNewError(InputError):
    """A file was written by a newer Modelwright than this one."""

    code = "format-too-new"


class GateRefusedError(ModelwrightError):
    """The gate said no (exit status 3)."""

    code = "refused"
    exit_status = 3
