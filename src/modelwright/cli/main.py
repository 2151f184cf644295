"""The entry point of ``mw``: find the verb, do it, say what came of it.

This file and what it imports at the top stay near bare Python: no argparse, no dataclasses, no heavy library. A test
keeps it so.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from modelwright.cli.commands import COMMANDS, GROUPS
from modelwright.errors import InputError, ModelwrightError

if TYPE_CHECKING:
    from modelwright.cli.parsing import Parser
    from modelwright.cli.screen import Screen

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status.

    0 done; 1 the work failed; 2 bad usage or bad input; 3 the gate said no; 130 stopped by Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    before = given[: given.index("--")] if "--" in given else given
    if (
        "--json" not in before
        and (not given or given[0] in {"-h", "--help", "help", "-V", "--version"})
        and len(given) < 2
    ):
        return _plain(version() if given and given[0] in {"-V", "--version"} else overview())

    from modelwright.cli.screen import INTERRUPTED as STOPPED
    from modelwright.cli.screen import Screen, flush

    screen = Screen(json="--json" in before)
    screen.protect()
    try:
        return _run(given, screen)
    except ModelwrightError as error:
        screen.error(error.as_dict())
        return error.exit_status
    except KeyboardInterrupt:
        screen.error(STOPPED)
        return INTERRUPTED
    except OSError as error:
        screen.error(_system(error))
        return 1
    except MemoryError:
        screen.error({"code": "out-of-memory", "message": "there is not enough memory", "hint": "mw doctor"})
        return 1
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes is one line and an exit status
        import traceback

        screen.note(traceback.format_exc().rstrip())
        words = f"{type(error).__name__}: {error}"
        screen.error(
            {"code": "bug", "message": f"this is a mistake in Modelwright: {words}", "hint": "please report it"}
        )
        return 1
    finally:
        # What a library printed is still in Python's buffer: it must go out before the descriptor is ours again.
        flush()
        screen.release()


def _plain(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        sys.stderr.write(f"error: standard output cannot be written: {error.strerror}\n")
        return 1
    return 0


def _system(error: OSError) -> dict[str, str]:
    import errno

    place = f" ({error.filename})" if error.filename else ""
    words = error.strerror or str(error) or type(error).__name__
    known = {
        errno.ENOSPC: ("disk-full", "free some space and run it again: it goes on"),
        errno.EDQUOT: ("disk-full", "free some space and run it again: it goes on"),
        errno.EACCES: ("no-permission", "mw doctor"),
        errno.EPERM: ("no-permission", "mw doctor"),
        errno.EROFS: ("read-only", "mw doctor"),
        errno.EMFILE: ("too-many-files", "raise the limit: ulimit -n 4096"),
    }
    code, hint = known.get(error.errno or 0, ("system", ""))
    return {"code": code, "message": f"the system says: {words}{place}", "hint": hint}


def _run(given: list[str], screen: Screen) -> int:
    """Take the global options, find the verb, parse the rest and do it."""
    shared, name, rest = _verb(given)
    if name is None:
        if shared.get("version"):
            screen.answer({"version": _version()}, [version().rstrip()])
        else:
            commands = [{"name": each.name, "summary": each.summary} for each in COMMANDS.values()]
            screen.answer({"commands": commands}, [overview().rstrip()])
        return 0
    module, parser = open_command(name)
    options = rest[: rest.index("--")] if "--" in rest else rest
    if shared.get("help") or "-h" in options or "--help" in options:
        screen.answer({"command": name, "help": parser.format_help()}, [parser.format_help().rstrip()])
        return 0
    parsed = parser.parse_args(rest)
    parsed.directory = getattr(parsed, "directory", shared.get("directory"))
    status: int = getattr(module, name)(parsed, screen)
    return status


def open_command(name: str) -> tuple[Any, Parser]:
    """Import a command's module and return it with its parser."""
    from importlib import import_module

    from modelwright.cli.parsing import Parser

    command = COMMANDS[name]
    module = import_module(f"modelwright.cli.{command.module}")
    parser = Parser(name, command.summary)
    getattr(module, f"add_{name}")(parser)
    return module, parser


def _verb(given: list[str]) -> tuple[dict[str, Any], str | None, list[str]]:
    """Split arguments into global options, the verb (or None) and what follows it."""
    shared: dict[str, Any] = {}
    rest = list(given)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            continue
        if word in {"-h", "--help", "help"}:
            shared["help"] = True
        elif word in {"-V", "--version"}:
            shared["version"] = True
        elif word == "-C":
            if not rest or rest[0].startswith("-"):
                raise InputError("-C wants a folder", code="usage", hint="mw -C DIR COMMAND")
            shared["directory"] = rest.pop(0)
        elif word.startswith("-C"):
            shared["directory"] = word[2:]
        elif word.startswith("-"):
            raise InputError(f"there is no option {word!r} before the command", code="usage", hint="mw --help")
        elif word in COMMANDS:
            return shared, word, rest
        else:
            import difflib

            near = difflib.get_close_matches(word.lower(), COMMANDS, 1, 0.5)
            raise InputError(
                f"there is no command {word!r}; there are: {', '.join(COMMANDS)}",
                code="usage",
                hint=f"did you mean 'mw {near[0]}'?" if near else "mw --help",
            )
    return shared, None, []


def _version() -> str:
    from modelwright import __version__

    return __version__


def version() -> str:
    """Return the line of ``mw --version``."""
    return f"modelwright {_version()}\n"


def overview() -> str:
    """Return the text of ``mw --help``."""
    lines = [
        "Modelwright: data to a model in production that keeps getting better, on your own machine.",
        "",
        "usage: mw [-C DIR] [--json] COMMAND …      mw COMMAND --help",
    ]
    for title, group in GROUPS:
        lines += ["", title]
        lines += [f"  {command.name:<10}{command.summary}" for command in group]
    lines += [
        "",
        "First steps: 'mw demo', or 'mw run PATH' with a folder of pictures (one folder a class) or a table.",
        "Exit status: 0 done, 1 the work failed, 2 bad usage or input, 3 the gate said no.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
