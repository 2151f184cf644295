"""Write a spec that explains itself: what ``mw init`` guessed, why, and what else may be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelwright.spec.model import Source
from modelwright.spec.values import name_of

_WORDS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")


@dataclass(frozen=True)
class Draft:
    """What goes into a new spec.

    Parameters
    ----------
    name
        Any text, such as the folder's name; what a name may not hold becomes ``-``.
    problem
        As in the spec.
    input, output, label
        The guessed task.
    sources
        At least one.
    metric
        What to choose and accept by, such as ``f1_macro``; empty leaves ``accept`` out.
    reasons
        One line a guess, written as comments at the top.
    """

    name: str
    input: str
    output: str
    sources: Sequence[Source]
    label: str | None = None
    metric: str = ""
    problem: str = ""
    reasons: Sequence[str] = ()
    split: str = ""
    """Column that says which split a sample is in; empty: samples are dealt."""


def scalar(text: str) -> str:
    """Return ``text`` as YAML: plain where that is safe, double-quoted where not.

    Examples
    --------
    >>> scalar("photos/"), scalar("no"), scalar("a: b"), scalar("2024")
    ('photos/', '"no"', '"a: b"', '"2024"')
    """
    plain = (
        text.lower() not in _WORDS
        and text == text.strip()
        and text[:1].isalpha()
        and all(letter in _SAFE for letter in text)
    )
    return text if plain else '"' + "".join(map(_escaped, text)) + '"'


def _comment(text: str) -> str:
    """Return text for a comment: on one line, with what is not printable (no UTF-8, a direction mark) as its number."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in " ".join(text.split()))


def _escaped(letter: str) -> str:
    """Return one character for a double-quoted YAML scalar; what is not printable as its number."""
    if letter in {'"', "\\"}:
        return "\\" + letter
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def write(draft: Draft) -> str:
    """Return the commented text of a spec; :func:`modelwright.spec.loads` reads it back.

    Examples
    --------
    >>> text = write(Draft("belt", "image", "category", [Source("folder", "photos/")], reasons=["3 folders"]))
    >>> print(text.splitlines()[2])
    #   - 3 folders
    """
    lines = [
        "# What this project is to do. Everything but `sources` may be left out; docs/spec.md lists every key.",
        "# Guessed from the data, correct what is wrong:",
    ]
    lines += [f"#   - {_comment(reason)}" for reason in draft.reasons] or ["#   - nothing had to be guessed"]
    lines += ["", f"name: {scalar(name_of(draft.name))}"]
    if draft.problem:
        lines.append(f"problem: {scalar(' '.join(draft.problem.split()))}")
    lines += [
        f"{f'input: {draft.input}':<34}# what goes in",
        f"{f'output: {draft.output}':<34}# what comes out",
    ]
    if draft.label is not None:
        lines.append(f"{f'label: {scalar(draft.label)}':<34}# the column to predict")
    lines.append("sources:")
    for source in draft.sources:
        lines.append(f"  - {source.kind}: {scalar(source.location)}")
        lines += [f"    {key}: {_value(value)}" for key, value in source.options.items()]
    lines += [
        "",
        "# What is done about problems that are found; `mw issues` lists them.",
        "clean: {review: [mislabelled]}",
        f"split: {{column: {scalar(draft.split)}}}"
        if draft.split
        else "split: {train: 0.7, validation: 0.1, test: 0.2}",
        "train: {models: auto, budget: 10m, seed: 0}",
        "",
    ]
    higher = draft.metric not in {"log_loss", "mae", "rmse"}
    if draft.metric:
        lines.append(
            f"# The gate. Uncomment to demand a figure before anything is deployed; the metric is {draft.metric}."
        )
        limit = ">= 0.9" if higher else "<= 1.0"
        lines += [f'# accept: {{{draft.metric}: "{limit}", latency_p95_ms: "<= 30"}}', ""]
    lines += [
        "deploy: {to: server, port: 8080}",
        "monitor: {window: 1h}",
        'retrain: {when: [drift, "labels >= 200"], promote: auto}',
        "",
    ]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(scalar(str(each)) for each in value) + "]"
    return scalar(str(value))
