"""The model card (Mitchell et al. 2019, https://arxiv.org/abs/1810.03993), from what is known; nothing is invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 50


@dataclass(frozen=True)
class Facts:
    """What a card is written from."""

    name: str
    problem: str
    manifest: Mapping[str, Any]
    dataset: Mapping[str, Any]
    """The dataset's meta."""
    model: Mapping[str, Any]
    """The model's meta."""
    metrics: Mapping[str, float]
    """On the validation split, through the packaged graph."""
    golden: int
    profile: Mapping[str, Any]


def write(facts: Facts) -> bytes:
    """Return ``card.md``."""
    parts = [
        f"# {_plain(facts.name)}",
        _plain(facts.problem) or "No description was given in the spec.",
        _what(facts),
        _data(facts),
        _quality(facts),
        _limits(facts),
        _made(facts),
    ]
    return ("\n\n".join(part.strip() for part in parts) + "\n").encode()


def _what(facts: Facts) -> str:
    manifest = facts.manifest
    task = manifest["task"]
    lines = [
        "## What it does",
        f"Takes {task['modality']} ({', '.join(manifest['input']['media_types'])}), answers with {task['target']}.",
        f"The model is of the family `{manifest['family']}`. Preprocessing and post-processing are in the same graph.",
    ]
    classes = manifest["schema"]["output"].get("classes")
    if classes:
        shown = ", ".join(f"`{_plain(str(label))}`" for label in classes[:_SHOWN])
        more = f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
        lines.append(f"Classes ({len(classes)}): {shown}{more}.")
    return "\n\n".join(lines)


def _data(facts: Facts) -> str:
    counts = facts.dataset.get("counts", {})
    rows = [f"| {split} | {count} |" for split, count in sorted(counts.items())]
    sources = [f"- {source.get('kind', '?')}: `{_plain(_last(source))}`" for source in facts.dataset.get("sources", [])]
    return "\n".join(["## The data", "", "| split | samples |", "|---|---|", *rows, "", *sources])


def _last(source: Mapping[str, Any]) -> str:
    # The last part only: where it lay on its maker's machine is nobody's business.
    return str(source.get("location", "")).rstrip("/").rsplit("/", 1)[-1]


def _quality(facts: Facts) -> str:
    rows = [f"| {name} | {value:.4g} |" for name, value in sorted(facts.metrics.items())]
    said = [
        "## How good it is",
        "",
        "On the validation split, which also chose and calibrated the model: expect a little less. The figures on data",
        "it has never met, with their intervals, are in the validation report.",
        "",
        "| metric | value |",
        "|---|---|",
        *rows,
    ]
    model = facts.model
    if model.get("score") is not None and model.get("baseline_score") is not None:
        said += [
            "",
            f"Chosen by {model['metric']}: {model['score']:.4g}; a trivial baseline has {model['baseline_score']:.4g}.",
        ]
    if model.get("reason"):
        said += ["", _plain(str(model["reason"]))]
    return "\n".join(said)


def _limits(facts: Facts) -> str:
    profile = facts.profile.get("inputs", {})
    lines = [
        "## Limits",
        "",
        "It knows what its training data shows. Inputs unlike these are outside of what was tested; the reference",
        "profile in this package is what monitoring compares them with.",
        "",
    ]
    for name, sketch in sorted(profile.items())[:_SHOWN]:
        if sketch.get("kind") == "number" and sketch.get("edges"):
            low, high = sketch["edges"][0], sketch["edges"][-1]
            lines.append(f"- {_plain(name)}: mostly {_figure(low)} to {_figure(high)}")
        elif sketch.get("kind") == "category":
            lines.append(f"- {_plain(name)}: {len(sketch.get('values', {}))} known values")
    if facts.model.get("cut_short"):
        lines += ["", "The search for this model was cut short by its time budget."]
    return "\n".join(lines)


def _made(facts: Facts) -> str:
    lineage = facts.manifest["lineage"]
    return "\n".join(
        [
            "## How it was made",
            "",
            f"- dataset `{lineage['dataset']}`",
            f"- model `{lineage['model']}`",
            "",
            f"This package holds {facts.golden} golden samples: **raw inputs** and the trained model's own answers,",
            "which are replayed wherever it is going to run. Whoever gets the package gets these samples.",
        ]
    )


def _figure(value: float) -> str:
    # A bin of its own for zeros has the smallest number above zero as its edge.
    return "0" if abs(value) < 1e-300 else f"{value:.4g}"


def _plain(text: str) -> str:
    """Keep a name from being markup: one line, no HTML, no fences, no table cells."""
    kept = " ".join(text.split())
    for sign, escape in (("&", "&amp;"), ("<", "&lt;"), ("`", "'"), ("|", "/"), ("[", "("), ("]", ")")):
        kept = kept.replace(sign, escape)
    return kept[:500]
