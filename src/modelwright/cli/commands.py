"""The table of commands: name, module, one line. A command's module is imported when it is called, not before.

For a command ``x`` its module has ``add_x(parser)``, which adds arguments, and ``x(options, screen) -> int``, which
does it and returns the exit status.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One verb."""

    name: str
    module: str
    summary: str


GROUPS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    (
        "Begin",
        (
            Command("init", "begin", "look at data and write modelwright.yaml, with every guess explained"),
            Command("run", "steps", "bring everything up to date, in order; on bare data, make a project first"),
            Command("status", "look", "where the project stands, and what to do next"),
            Command("demo", "demo", "the whole loop on real pictures, in front of you"),
            Command("doctor", "doctor", "check this machine for the known traps"),
        ),
    ),
    (
        "Steps",
        (
            Command("prepare", "steps", "sources to a dataset: collect, check, clean, split"),
            Command("train", "steps", "dataset to a model"),
            Command("package", "steps", "model to a package: one graph, golden samples, card, signature"),
            Command("validate", "steps", "measure the package on the locked test split and ask the gate"),
            Command("deploy", "live", "make the package champion and serve it in the background"),
            Command("monitor", "live", "compare what production saw with the training data"),
            Command("retrain", "live", "learn from production: label, challenge, replay, promote, undo"),
        ),
    ),
    (
        "Data and people",
        (
            Command("explore", "look", "the reports: what was found in the data, how good the package is; any table"),
            Command("issues", "people", "problems found in the data; decide about them"),
            Command("diff", "look", "what changed from one dataset to another"),
            Command("label", "people", "what to label next, and saying what it is"),
        ),
    ),
    (
        "Use",
        (
            Command("predict", "live", "answers for files"),
            Command("serve", "live", "serve the champion here, until Ctrl-C"),
            Command("export", "live", "write the package, or the dataset, for use elsewhere"),
        ),
    ),
    (
        "Trace",
        (
            Command("log", "look", "what was run, when, and what became of it"),
            Command("lineage", "look", "what something was made from, and what was made from it"),
        ),
    ),
)
COMMANDS: dict[str, Command] = {command.name: command for _, group in GROUPS for command in group}
