"""The findings as a page with pictures: what drifted, how quality went, what was least understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from modelwright.drawing import chart, page
from modelwright.drawing.page import Element, h
from modelwright.drawing.rows import row_table
from modelwright.monitor.decoding import InForce
from modelwright.store import Store
from modelwright.tasks.judging import by_metric
from modelwright.tasks.modalities.audio import clips as audio_clips

THUMBNAIL = 96
MOST_RULES = 30
"""Broken rules in the table."""
DRAWN = 6
"""Features drawn; the others are in the table."""


def draw(found: Mapping[str, Any], package: InForce, store: Store) -> str:
    """Return the page for a ``findings.json`` document; thumbnails come from the prediction log."""
    window = found["window"]
    return page.document(
        f"Monitoring: {package.name}",
        _overview(found),
        page.section("Drift", _histograms(found), _tests(found)),
        _contract(found),
        page.section("Quality over time", *_timeline(found)),
        _unsure(found, package, store),
        subtitle=f"{window['count']} predictions of package {found['package'][:12]}, "
        f"{chart_moment(window['from'])} to {chart_moment(window['to'])} UTC",
    )


def chart_moment(nanoseconds: int) -> str:
    """Return a time as ``2026-11-21 01:02:03``, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _figure_card(name: str, figure: Mapping[str, Any] | None, note: str) -> tuple[str, str, str]:
    if not figure:
        return name, "–", note
    return name, f"{figure['value']:.3g}", f"{figure['low']:.3g} to {figure['high']:.3g}; {note}"


def _overview(found: Mapping[str, Any]) -> Element:
    figures = found["quality"] or {}
    drifted = [drift for drift in found["drift"] if drift["drifted"]]
    metric = by_metric(figures["metric"]).words if figures else "quality"
    realised = figures.get("realised")
    cards = [
        ("Predictions", found["window"]["count"], f"{found['undecodable']} could not be decoded"),
        (
            "Features drifted",
            f"{len(drifted)} of {len(found['drift'])}",
            f"false alarms: {found['false_alarm_rate']:.2%} of windows",
        ),
    ]
    if figures:
        cards += [
            _figure_card(
                f"Estimated {metric}",
                figures["estimated"],
                "before any label is known" if figures["reliable"] else "inputs drifted: do not rely on it",
            ),
            _figure_card(
                f"Realised {metric}", realised, f"{realised['count']} labels" if realised else "no labels yet"
            ),
            (f"Held-out {metric}", f"{figures['reference']:.3g}", "when the package was made"),
        ]
    said = [
        page.banner("bad" if alert["severity"] == "critical" else "warn", alert["message"]) for alert in found["alerts"]
    ]
    beside = found["contract"]
    if beside["samples"]:
        note = f"{beside['refused']} of them refused" if beside["refused"] else "answered all the same"
        cards.append(("Inputs beside the contract", beside["samples"], note))
    quiet = page.banner("good", "Nothing drifted, and quality is where it was." if figures else "Nothing drifted.")
    return page.section("What was found", said or quiet, page.cards(cards))


def _histograms(found: Mapping[str, Any]) -> list[Element]:
    drawn: list[Element] = []
    for drift in found["drift"]:
        block = found["distributions"].get(drift["feature"])
        if block is None or len(drawn) == DRAWN:
            continue
        drawn.append(page.figure(_histogram(drift["feature"], block), drift["words"]))
    if not drawn:
        return []
    return [page.columns(drawn)]


def _histogram(feature: str, block: Mapping[str, Any]) -> Element:
    series = {"training": block["reference"], "now": block["current"]}
    if block["where"] == "prediction":
        series = {"held-out": block["reference"], "now": block["current"]}
    if block["kind"] == "number":
        missing = any(counts[-1] for counts in series.values())
        if not missing:
            shown = {name: counts[:-1] for name, counts in series.items()}
            return chart.histogram(block["edges"], shown, title=feature, x_label=feature)
        return chart.histogram([], series, title=f"{feature} (last: missing)", x_label="bin")
    rows = []
    totals = {name: max(1, sum(counts)) for name, counts in series.items()}
    for index in sorted(range(len(block["cells"])), key=lambda i: -block["current"][i] - block["reference"][i])[:10]:
        for name, counts in series.items():
            if any(values[index] for values in series.values()):
                rows.append((f"{block['cells'][index]} · {name}", 100 * counts[index] / totals[name]))
    return chart.bars([row[0] for row in rows], [row[1] for row in rows], title=feature, unit="%")


def _tests(found: Mapping[str, Any]) -> Element:
    rows = [
        (
            drift["feature"],
            drift["where"],
            h("strong", "drifted") if drift["drifted"] else "no",
            f"{drift['effect']:.3f}",
            f"{drift['adjusted_p']:.2g}",
            drift["words"] if drift["drifted"] else "",
        )
        for drift in found["drift"]
    ]
    return page.table(
        ("feature", "of", "drift", "effect (0 to 1)", "p, all features considered", "what changed"),
        rows,
        caption="Two-sample test of this window against the package's profile.",
    )


def _contract(found: Mapping[str, Any]) -> Element | None:
    """Return what was beside the contract, by column and rule; nothing where nothing was."""
    beside = found["contract"]
    if not beside["rules"]:
        return None
    rows = [
        (
            rule["column"],
            rule["code"],
            rule["count"],
            f"{rule['share']:.2%}",
            f"{rule['chance']:.2%}",
            h("strong", "too often") if rule["alarm"] else "by chance, or rare",
            ", ".join("nothing" if each is None else clipped(each) for each in rule["found"]),
            rule["expected"],
        )
        for rule in beside["rules"][:MOST_RULES]
    ]
    refused = f", of which {beside['refused']:,} were refused and are in no log" if beside["refused"] else ""
    return page.section(
        "Beside the contract",
        h("p", f"{beside['samples']:,} of {beside['of']:,} inputs have values that training never saw{refused}."),
        page.table(
            ("column", "rule", "inputs", "share", "at most by chance", "verdict", "found", "expected"),
            rows,
            caption="A verdict wants more than chance allows, all rules together, and one input in a hundred.",
        ),
    )


def clipped(value: Any) -> str:
    """Return a value as short text."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _timeline(found: Mapping[str, Any]) -> list[Element]:
    entries: Sequence[Mapping[str, Any]] = found["timeline"]
    series: dict[str, list[tuple[float, float | None]]] = {}
    bands: dict[str, list[tuple[float, float, float]]] = {}
    for entry in entries:
        for name in ("estimated", "realised"):
            figure = entry[name]
            if figure:
                series.setdefault(name, []).append((entry["to"], figure[0]))
                bands.setdefault(name, []).append((entry["to"], figure[1], figure[2]))
    confidence = [(entry["to"], entry["confidence"]) for entry in entries if entry["confidence"] is not None]
    if confidence:
        series["mean confidence"] = list(confidence)
    marks = [(float(entry["to"]), "drift") for entry in entries if entry["alarm"]]
    parts: list[Element] = []
    if len(entries) == 1:
        parts += _only(found, entries[0])
    elif series:
        figures = found["quality"] or {}
        levels = [(float(figures["reference"]), "held-out")] if figures else []
        drawn = chart.lines(series, title="Quality", time=True, bands=bands, marks=marks, levels=levels)
        parts.append(
            page.figure(
                drawn,
                "Estimated from the model's own certainty, realised where labels came; shades are 95 % intervals.",
            )
        )
    rows = [
        (
            chart_moment(entry["from"]),
            entry["count"],
            entry["package"][:12],
            ", ".join(entry["drifted"][:6]) or ("earlier in the window" if entry["alarm"] else "–"),
            f"{entry['estimated'][0]:.3f}" if entry["estimated"] else None,
            f"{entry['realised'][0]:.3f}" if entry["realised"] else None,
        )
        for entry in reversed(entries[-20:])
    ]
    parts.append(page.table(("from (UTC)", "predictions", "package", "drifted", "estimated", "realised"), rows))
    parts.append(
        h(
            "p",
            "An estimate holds as long as inputs mean what they meant in training. On drifted inputs models are "
            "usually too sure of themselves: take a low estimate as a warning, and a high one not as a proof.",
            class_="muted",
        )
    )
    return parts


def _only(found: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Element]:
    """Return the figures of the first window: one moment is no time line."""
    rows = [(name, *entry[name]) for name in ("estimated", "realised") if entry[name]]
    if not rows or not found["quality"]:
        return []
    drawn = chart.intervals(rows, title="Quality", reference=float(found["quality"]["reference"]))
    return [page.figure(drawn, "The first window, with 95 % intervals; the dashed line is the held-out figure.")]


def _unsure(found: Mapping[str, Any], package: InForce, store: Store) -> Element | None:
    wanted = {one["sample"]: one for one in found["unsure"]}
    if not wanted:
        return None
    pictures: dict[str, tuple[bytes, str]] = {}
    rows = []
    for sample, media_type, data in store.logs.find_inputs(set(wanted)):
        one = wanted[sample]
        said = one["said"] if isinstance(one["said"], str) else f"{one['said']:.4g}"
        sure = f"{one['certainty']:.0%} sure" if package.judging.share else f"± {one['certainty'] / 2:.3g}"
        picture = None
        if media_type.startswith("image/"):
            picture = thumbnail(data)
        elif media_type.startswith("audio/"):
            picture = audio_clips.png(data, 2 * THUMBNAIL, THUMBNAIL)
        if picture is not None:
            pictures[sample] = (picture, f"{said}, {sure}")
        else:
            rows.append(((said, sure), data.decode("utf-8", "replace")))
    shown = [pictures[sample] for sample in wanted if sample in pictures]
    return page.section(
        "Least understood",
        page.gallery(shown, width=THUMBNAIL) if shown else None,
        row_table(("answer", "certainty"), rows) if rows else None,
    )


def thumbnail(data: bytes, side: int = THUMBNAIL) -> bytes | None:
    """Return a PNG of at most ``side`` × ``side`` pixels (small pictures enlarged, unblurred), or None if it is none.

    Pillow's own limit on pixels applies; what cannot be read is left out of the page, never an error.
    """
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")) as opened:
                opened.draft("RGB", (side, side))
                picture = opened.convert("RGB")
    except Exception:  # noqa: BLE001 - Pillow raises many kinds on hostile bytes, and a page needs none of them
        return None
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
    buffer = BytesIO()
    picture.resize(size, method).save(buffer, "PNG")
    return buffer.getvalue()
