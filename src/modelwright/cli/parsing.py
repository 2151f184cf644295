"""Arguments: global options by hand (so that ``mw --help`` imports nothing), a verb's own by argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from modelwright.errors import InputError


class UsageError(InputError):
    """A command was called with arguments that it does not have."""

    code = "usage"


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are raised instead of printed."""

    def __init__(self, name: str, summary: str) -> None:
        super().__init__(
            prog=f"mw {name}",
            description=summary[:1].upper() + summary[1:] + ".",
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100),
        )
        shared = self.add_argument_group("everywhere")
        shared.add_argument("-h", "--help", action="store_true", help="show this and exit")
        shared.add_argument(
            "-C",
            dest="directory",
            metavar="DIR",
            default=argparse.SUPPRESS,
            help="the project's folder; default: the nearest one upwards",
        )
        shared.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="answer with one JSON document on standard output",
        )

    def actions(self) -> list[argparse.Action]:
        """Return every argument, in the order in which they were added."""
        return list(self._actions)

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as one line."""
        raise UsageError(f"{self.prog}: {' '.join(message.split())}", hint=f"{self.prog} --help")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within ``low..high``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return read


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
