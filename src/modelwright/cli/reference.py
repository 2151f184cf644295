"""Print ``docs/cli.md``, made from the commands: ``python -m modelwright.cli.reference > docs/cli.md``."""

from __future__ import annotations

import argparse
import sys

from modelwright.cli.commands import GROUPS
from modelwright.cli.main import open_command
from modelwright.cli.parsing import Parser

HEAD = """\
# The command line

<!-- Made by `python -m modelwright.cli.reference`; a test keeps it current. Edit src/modelwright/cli/. -->

`modelwright`, or `mw` for short. Verbs are the steps.

- The project is the nearest folder upwards that has a `modelwright.yaml`, or the one that `-C DIR` names. Paths given
  to a command are relative to where you stand.
- `--json` on every command: exactly one JSON document on standard output, everything else on standard error. An error
  anywhere is `{"error": {"code", "message", "hint"}}`. Names and meanings are a contract: some may be added, none
  changes.
- Exit status: 0 done; 1 the work failed; 2 bad usage or bad input, said in one line; 3 the gate said no; 130 stopped by
  Ctrl-C (run it again: it goes on).
- Progress bars appear on anything over a second, on a terminal only. `NO_COLOR` is honoured.
"""


def text() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, group in GROUPS:
        parts.append(f"## {title}\n")
        for command in group:
            _, parser = open_command(command.name)
            parts.append(_command(parser, command.summary))
    return "\n".join(parts).rstrip() + "\n"


def _command(parser: Parser, summary: str) -> str:
    own = [action for action in parser.actions() if action.dest not in {"help", "directory", "json"}]
    usage = " ".join([parser.prog, *(_usage(action) for action in own)])
    lines = [f"### `{usage}`", "", f"{summary[:1].upper()}{summary[1:]}.", ""]
    lines += [f"- `{_names(action)}`: {action.help}" for action in own]
    return "\n".join(lines).rstrip() + "\n"


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = "" if action.nargs == 0 else f" {_value(action)}"
    return ", ".join(action.option_strings) + value


def _value(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _usage(action: argparse.Action) -> str:
    if action.option_strings:
        return f"[{_names(action)}]"
    name = str(action.metavar or (_value(action) if action.choices else action.dest))
    return {"?": f"[{name}]", "*": f"[{name}…]", "+": f"{name}…"}.get(str(action.nargs), name)


if __name__ == "__main__":
    sys.stdout.write(text())
