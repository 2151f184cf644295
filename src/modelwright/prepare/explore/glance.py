"""What a person should know after ten seconds, in sentences: from the figures that the sections gathered."""

from __future__ import annotations

from modelwright.drawing import page as draw
from modelwright.drawing.page import Element
from modelwright.prepare.clean.checks import IMBALANCE
from modelwright.prepare.explore.view import View, clip, share

_FEW = 30
"""Training samples of a class below which it is said."""
_GIVEN_AWAY = 0.9
"""Share of the answer that one column explains from which it may be the answer in disguise."""
_SIGNS = {"good": "✓", "warn": "!", "bad": "✕", "note": "i"}

Line = tuple[str, str]
"""Tone and sentence."""


def lines(view: View) -> list[Line]:
    """Return tone and sentence of everything worth saying first; call it after the other sections."""
    return [
        line
        for line in (
            _classes(view),
            _mislabelled(view),
            _waiting(view),
            _dropped(view),
            _missing(view),
            _telling(view),
            _thin(view),
            _leaks(view),
        )
        if line is not None
    ]


def drawn(found: list[Line]) -> Element:
    """Return sentences as a list, each with the sign of its tone."""
    return draw.h(
        "ul",
        [
            draw.h("li", draw.h("span", _SIGNS[tone], class_="sign", aria_hidden="true"), draw.h("span", text),
                   class_=tone)
            for tone, text in found
        ],
        class_="glance",
    )  # fmt: skip


def _classes(view: View) -> Line | None:
    classes = view.figures.get("classes")
    if not classes or view.label_kind == "none":
        return None
    sizes = {name: counts["all"] for name, counts in classes.items()}
    train = {name: counts["train"] for name, counts in classes.items()}
    most, least = max(sizes, key=lambda name: sizes[name]), min(sizes, key=lambda name: (sizes[name], name))
    ratio = sizes[most] / max(sizes[least], 1)
    several = view.label_kind == "structured"
    few = [name for name in train if train[name] < _FEW] if view.only is None else []
    if few:
        worst = min(few, key=lambda name: (train[name], name))
        what = "examples" if several else "samples"
        text = f"{len(few)} of {len(sizes)} classes have fewer than {_FEW} {what} to learn from; {clip(worst, 40)!r} "
        return "warn", text + f"has {train[worst]}."
    if ratio >= IMBALANCE:
        times = f"occurs {ratio:,.0f} times as often as" if several else f"has {ratio:,.0f} times as many samples as"
        return "warn", f"Out of balance: {clip(most, 40)!r} {times} {clip(least, 40)!r}."
    if len(sizes) == 1:
        return "warn", f"There is one class alone, {clip(most, 40)!r}: nothing can be told apart."
    if ratio < 1.05:
        return "good", f"{len(sizes)} classes, equally frequent."
    if several:
        return "good", f"{len(sizes)} classes; the most frequent occurs {ratio:.1f} times as often as the rarest."
    return "good", f"{len(sizes)} classes; the largest has {ratio:.1f} times as many samples as the smallest."


def _waiting(view: View) -> Line | None:
    open_ = [each for each in view.figures.get("decisions", []) if each["decision"] == "review"]
    if not open_:
        return "good", "No issue waits for a decision."
    said_already = "skipped" not in view.meta["label_check"]
    waiting = sum(each["count"] for each in open_ if not (said_already and each["kind"] == "mislabelled"))
    if not waiting:
        return None
    kinds = {each["kind"] for each in open_ if not (said_already and each["kind"] == "mislabelled")}
    other = " other" if len(open_) > len(kinds) else ""
    said = f"{waiting:,}{other} issue{'s wait' if waiting > 1 else ' waits'} for your decision"
    return "warn", f"{said} ({', '.join(sorted(kinds)[:5])}): mw issues"


def _mislabelled(view: View) -> Line | None:
    facts = view.meta["label_check"]
    if "skipped" in facts:
        return None
    count, samples = dict(view.kinds).get("mislabelled", 0), int(facts["samples"])
    poor = len(facts.get("not_understood", ()))
    if not count and poor:
        return "note", f"No label looks wrong; of {poor} of {facts['classes']} classes light features cannot tell."
    if not count:
        return "good", f"None of {samples:,} labels looks wrong."
    tone = "warn" if count >= 0.01 * samples else "note"
    waiting = any(
        each["kind"] == "mislabelled" and each["decision"] == "review" for each in view.figures.get("decisions", [])
    )
    looks = "looks wrong and waits" if count == 1 else "look wrong and wait"
    said = f"{looks} for your decision: mw issues --kind mislabelled" if waiting else looks.partition(" and")[0]
    return tone, f"{count:,} of {samples:,} labels ({share(count, samples)}) {said}{'' if waiting else '.'}"


def _dropped(view: View) -> Line | None:
    lost = view.figures.get("kept", {}).get("dropped_for")
    if not lost:
        return None
    found, kept = view.figures["kept"]["found"], view.figures["kept"]["kept"]
    worst = ", ".join(f"{count:,} {kind}" for kind, count in list(lost.items())[:4])
    tone = "warn" if found - kept > 0.1 * found else "note"
    return tone, f"{found - kept:,} of {found:,} samples were dropped ({worst})."


def _missing(view: View) -> Line | None:
    missing = view.figures.get("missing")
    if missing is None:
        return None
    if not missing:
        return "good", "No value is missing."
    worst = max(missing, key=lambda name: missing[name])
    rows = max(int(view.kept.sum()), 1)
    tone = "warn" if missing[worst] > 0.3 * rows else "note"
    many = f"{len(missing)} columns" if len(missing) > 1 else "one column"
    return tone, f"Values are missing in {many}, most in {clip(worst, 40)!r} ({share(missing[worst], rows)})."


def _telling(view: View) -> Line | None:
    told = {
        name: facts["explains"]
        for name, facts in view.figures.get("columns", {}).items()
        if facts["explains"] is not None and name not in view.meta["dropped_columns"]
    }
    if not told:
        return None
    best = sorted(told, key=lambda name: (-told[name], name))[:3]
    words = ", ".join(f"{clip(name, 40)} ({told[name]:.0%})" for name in best)
    if told[best[0]] > _GIVEN_AWAY:
        return "warn", (
            f"{clip(best[0], 40)!r} alone explains {told[best[0]]:.0%} of the answer: is it known before the answer is?"
        )
    return "note", f"What explains most of the answer, each alone: {words}."


def _thin(view: View) -> Line | None:
    thin = view.figures.get("under_represented")
    if not thin:
        return None
    first = thin[0]
    many = f"{len(thin)} groups are" if len(thin) > 1 else "One group is"
    return "note", (
        f"{many} hardly represented, such as {clip(first['group'], 60)} in {clip(first['class'], 40)}: "
        f"{first['count']:,} where {first['expected']:,.0f} were to be expected."
    )


def _leaks(view: View) -> Line | None:
    if view.figures.get("leaks"):
        return "bad", "Samples that belong together lie in different splits: figures on the test split flatter."
    tied = view.figures.get("groups", {}).get("of_several", 0)
    if not tied:
        return "good", "No leak between splits: no two samples are alike or belong together."
    groups = f"each of the {tied:,} groups" if tied > 1 else "the one group"
    return "good", f"No leak between splits: {groups} of samples that belong together is in one split."
