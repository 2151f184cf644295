"""``mw doctor``: is this machine fit, and is it free of the traps that cost others hours?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from modelwright.cli.projects import find_project, folder_of

if TYPE_CHECKING:
    from modelwright.cli.screen import Screen


def add_doctor(parser: ArgumentParser) -> None:
    """Add no arguments."""


def doctor(options: Namespace, screen: Screen) -> int:
    """Run every check; exit status 1 if one fails."""
    from modelwright.cli import check_machine, check_packages

    folder = find_project(options) or folder_of(options)
    checks = [*check_packages.every(), *check_machine.every(folder)]
    worst = next((word for word in ("fail", "warn") if any(each.status == word for each in checks)), "ok")
    looks = {"ok": ("✓", "good"), "warn": ("!", "warn"), "fail": ("✕", "bad")}
    lines = []
    for each in checks:
        sign, look = looks[each.status]
        rows = screen.table([(each.name, each.found)], indent="")
        lines.append(f"{screen.style(sign, look)} {rows[0]}" if rows else "")
        if each.status != "ok":
            lines.append(f"    {each.why}")
            lines.append(f"    {screen.style('remedy:', 'dim')} {each.remedy}")
    count = {word: sum(each.status == word for each in checks) for word in looks}
    said = {
        "ok": "All is well.",
        "warn": f"Usable, with {count['warn']} to look at.",
        "fail": f"{count['fail']} must be mended.",
    }
    screen.answer({"status": worst, "checks": [each.as_dict() for each in checks]}, [*lines, "", said[worst]])
    return 1 if worst == "fail" else 0
