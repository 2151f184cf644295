"""The validation report as a page: what a person looks at before trusting a model."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.drawing import chart, page, traces
from modelwright.drawing.matrix import heatmap
from modelwright.tasks.modalities.audio import clips as audio_clips
from modelwright.tasks.modalities.text.encoding import read
from modelwright.validate.scoring import Scored

if TYPE_CHECKING:
    from modelwright.drawing.page import Element
    from modelwright.store.catalog.records import Lineage
    from modelwright.store.dataset import Dataset

_THUMBNAIL = 96
_PLAYED = 8
"""Sounds that can be listened to."""


def draw(
    name: str,
    dataset: Dataset,
    report: Mapping[str, Any],
    measured: Mapping[str, Any],
    test: Scored,
    lineage: Lineage,
) -> str:
    """Return the page as HTML, with everything it shows inside it."""
    return page.document(
        f"{name}: validation",
        _verdict(report),
        _figures(report),
        _mistaken(report, test),
        _by_class(report),
        _certainty(report),
        _slices(report),
        _worst(dataset, report),
        _champion(report),
        _cost(measured),
        _proof(report),
        _lineage(lineage),
        subtitle=f"{report['samples']} test samples, through the packaged runtime, from raw bytes",
    )


def _verdict(report: Mapping[str, Any]) -> Element:
    good = report["verdict"] == "accepted"
    primary = report["metrics"].get(report["primary_metric"])
    cards: list[tuple[str, Any, str]] = []
    if primary:
        interval = f"95 % interval {primary['low']:.4g} to {primary['high']:.4g}"
        cards.append((report["primary_metric"], f"{primary['value']:.4g}", interval))
    baseline = report["baseline"]["metrics"].get(report["primary_metric"])
    if baseline is not None:
        cards.append(("trivial baseline", f"{baseline:.4g}", "class shares, or the mean"))
    difference = report["gap"].get(report["primary_metric"])
    if difference is not None:
        cards.append(("train-test gap", f"{difference:.4g}", "how much worse than on training samples"))
    cards.append(("looks at the test split", report["test_looks"], "packages measured on it so far"))
    reasons = page.h("ul", [page.h("li", reason) for reason in report["reasons"]])
    return page.section(
        "Verdict",
        page.banner("good" if good else "bad", page.h("strong", report["verdict"].capitalize()), reasons),
        page.cards(cards),
    )


def _figures(report: Mapping[str, Any]) -> Element:
    metrics = report["metrics"]
    train, baseline = report["train_metrics"], report["baseline"]["metrics"]
    rows = [(key, entry["value"], entry["low"], entry["high"]) for key, entry in sorted(metrics.items())]
    # Figures between 0 and 1 share an axis; errors in the label's own unit would flatten them.
    shares = [row for row in rows if row[2] >= -0.001 and row[3] <= 1.001]
    others = [row for row in rows if row not in shares]
    drawn = [
        page.figure(chart.intervals(part), caption)
        for part, caption in (
            (shares, "Test split, 95 % intervals."),
            (others, "Test split, 95 % intervals, in their own units."),
        )
        if part
    ]
    listed = [
        (key, f"{value:.4g}", f"{low:.4g}", f"{high:.4g}", _number(train.get(key)), _number(baseline.get(key)))
        for key, value, low, high in rows
    ]
    return page.section(
        "Figures", drawn, page.table(("metric", "test", "low", "high", "training", "trivial baseline"), listed)
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _mistaken(report: Mapping[str, Any], test: Scored) -> Element | None:
    if report["confusion"] is not None:
        labels = [str(label) for label in report["classes"]]
        return page.section(
            "What is taken for what",
            page.figure(
                heatmap(report["confusion"], labels, labels),
                "Rows are the truth, columns the answer. The shade is the share of the row.",
            ),
        )
    if "value" not in test.outputs:
        return None
    known = test.known
    points = list(zip(test.truth[known].tolist(), test.outputs["value"][known].tolist(), strict=True))
    return page.section(
        "Answers and truths",
        page.figure(
            chart.scatter({"test samples": points}, x_label="truth", y_label="answer", diagonal=True),
            "On the line, the answer is the truth.",
        ),
    )


def _by_class(report: Mapping[str, Any]) -> Element | None:
    """Return the figures of each tag, those of the worst first."""
    found = report.get("per_class")
    if not found:
        return None
    found = sorted(found, key=lambda each: (each["f1"] is None, each["f1"] or 0.0, each["class"]))
    columns = ("precision", "recall", "f1", "average_precision", "auc_roc", "threshold")
    rows = [
        (each["class"], each["count"], each["given"], *(_number(each.get(name)) for name in columns)) for each in found
    ]
    shown = [each for each in found if each["f1"] is not None][:30]
    bars = chart.bars([each["class"] for each in shown], [each["f1"] for each in shown], title="F1 of each tag")
    head = ("tag", "on samples", "given to", "precision", "recall", "F1", "average precision", "AUC", "threshold")
    return page.section(
        "Tag by tag",
        page.figure(bars, "The worst first. A tag is given where its probability reaches its threshold."),
        page.table(head, rows),
    )


def _certainty(report: Mapping[str, Any]) -> Element | None:
    bins = report["reliability"]
    if not bins:
        return None
    points = [(each["confidence"], each["accuracy"]) for each in bins]
    bands = [(each["confidence"], each["low"], each["high"]) for each in bins]
    low = min(each["confidence"] for each in bins)
    drawn = chart.lines(
        {"the model": points, "ideal": [(low, low), (1.0, 1.0)]},
        x_label="how sure it says it is",
        y_label="how often it is right",
        bands={"the model": bands},
    )
    return page.section(
        "Can its certainty be believed?",
        page.figure(drawn, "Bins of equally many samples, with 95 % intervals. Below the ideal: too sure of itself."),
    )


def _slices(report: Mapping[str, Any]) -> Element | None:
    found = report["slices"]
    if not found:
        return None
    rows = [(f"{each['slice']} ({each['count']})", each["value"], each["low"], each["high"]) for each in found]
    weak = [each for each in found if each["weak"]]
    said = (
        f"{len(weak)} of the slices shown {'is' if len(weak) == 1 else 'are'} worse than the rest beyond chance."
        if weak
        else "None is worse than the rest beyond chance, after correcting for how many were looked at."
    )
    listed = [
        (
            e["slice"],
            e["count"],
            f"{e['value']:.4g}",
            f"{e['rest']:.4g}",
            f"{e['p_adjusted']:.2g}",
            "yes" if e["weak"] else "",
        )
        for e in found
    ]
    metric = found[0]["metric"]
    return page.section(
        "Where it is weakest",
        page.h("p", said),
        page.figure(chart.intervals(rows, x_label=metric), "Slices of the test split, with 95 % intervals."),
        page.details(
            "The figures", page.table(("slice", "samples", metric, "the rest", "p, adjusted", "weak"), listed)
        ),
    )


def _worst(dataset: Dataset, report: Mapping[str, Any]) -> Element | None:
    mistakes = report["mistakes"]
    if not mistakes:
        return page.section("Worst mistakes", page.h("p", "There are none."))
    raws = list(dataset.raw("test", [each["index"] for each in mistakes]))
    if dataset.meta["modality"] == "image":
        shown = [
            (_thumbnail(dataset, raw), f"{_truth(each)} taken for {_answer(each)}")
            for raw, each in zip(raws, mistakes, strict=True)
        ]
        return page.section("Worst mistakes", page.gallery(shown, width=_THUMBNAIL))
    if dataset.meta["modality"] == "audio":
        return page.section("Worst mistakes", *_heard(raws, mistakes))
    if dataset.meta["modality"] == "series":
        shown = [
            (_traces(dataset, raw), f"{_truth(each)} taken for {_answer(each)}")
            for raw, each in zip(raws, mistakes, strict=True)
        ]
        return page.section("Worst mistakes", page.gallery(shown, width=2 * _THUMBNAIL))
    rows = [
        (_truth(each), _answer(each), f"{each['loss']:.3g}", _words(dataset.meta["modality"], raw))
        for raw, each in zip(raws, mistakes, strict=True)
    ]
    return page.section("Worst mistakes", page.table(("truth", "answer", "loss", "the sample"), rows))


def _heard(raws: Sequence[bytes], mistakes: Sequence[Mapping[str, Any]]) -> list[Element]:
    """Return a spectrogram and a player of each sound; players of the first few only, for their weight."""
    tiles = []
    for place, (raw, each) in enumerate(zip(raws, mistakes, strict=True)):
        words = f"{_truth(each)} taken for {_answer(each)}"
        drawn = audio_clips.png(raw, 2 * _THUMBNAIL, _THUMBNAIL)
        if drawn is None:
            continue
        player = page.sound(audio_clips.clip(raw, rate=8000), words) if place < _PLAYED else None
        tiles.append(page.h("div", page.h("p", words), page.image(drawn, words), player, class_="tile"))
    return [page.h("div", tiles, class_="tiles")]


def _truth(mistake: Mapping[str, Any]) -> str:
    """Return the truth in words: a list of tags without its brackets."""
    if "tags" in mistake["answer"]:
        return ", ".join(json.loads(mistake["truth"])) or "none"
    return str(mistake["truth"])


def _answer(mistake: Mapping[str, Any]) -> str:
    answer = mistake["answer"]
    if "tags" in answer:
        return ", ".join(answer["tags"]) or "none"
    if "label" in answer:
        return f"{answer['label']} ({answer['score']:.0%})"
    return f"{answer['value']:.4g} ({answer['low']:.4g} to {answer['high']:.4g})"


def _words(modality: str, raw: bytes) -> str:
    """Return a sample in at most 300 characters: a text as it is, a row by its columns, else how large it is."""
    if modality == "text":
        words = " ".join(read(raw).text.split())
    elif modality == "table":
        words = ", ".join(f"{name} {'–' if value is None else value}" for name, value in json.loads(raw).items())
    else:
        words = f"{len(raw):,} bytes"
    return words if len(words) <= 300 else words[:299] + "…"


def _traces(dataset: Dataset, raw: bytes) -> bytes:
    schema = dataset.schema["input"]
    values = dataset.modality.decode(raw, schema)["values"][0]
    scale = [(channel["low"], channel["high"]) for channel in schema["channels"]]
    return traces.png(traces.traces(values, 2 * _THUMBNAIL, _THUMBNAIL, scale))


def _thumbnail(dataset: Dataset, raw: bytes) -> bytes:
    from PIL import Image

    pixels = dataset.modality.decode(raw, dataset.schema["input"])["image"][0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = 2 * _THUMBNAIL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = io.BytesIO()
    # Small pictures are shown with their pixels, large ones smoothly made smaller.
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    picture.resize(size, how).save(file, format="PNG")
    return file.getvalue()


def _champion(report: Mapping[str, Any]) -> Element | None:
    found = report["champion"]
    if found is None:
        return None
    rows = [
        (key, f"{entry['value']:.4g}", _number(found["metrics"].get(key)))
        for key, entry in sorted(report["metrics"].items())
    ]
    return page.section(
        "Against the champion",
        page.h("p", f"This package is {found['reason']}." if "p_value" in found else found["reason"]),
        page.table(("metric", "this package", "champion"), rows),
    )


def _cost(measured: Mapping[str, Any]) -> Element:
    latencies: Sequence[float] = measured["latencies_ms"]
    cards = [
        ("median latency", f"{measured['latency_p50_ms']:.3g} ms", "one sample from raw bytes, one thread"),
        ("95 % are faster than", f"{measured['latency_p95_ms']:.3g} ms", f"{measured['samples']} samples"),
        ("peak memory", f"{measured['peak_memory_mb']:.0f} MB", "the whole serving process"),
        ("size", f"{measured['size_mb']:.3g} MB", "the package"),
    ]
    drawn = None
    if len(latencies) > 1:
        counts, edges = np.histogram(np.minimum(latencies, np.quantile(latencies, 0.95)), bins=30)
        histogram = chart.histogram(edges.tolist(), {"latency": counts.tolist()}, x_label="ms")
        drawn = page.figure(histogram, "The slowest twentieth is drawn in the last bin. Measured on this machine.")
    return page.section("What it costs", page.cards(cards), drawn)


def _proof(report: Mapping[str, Any]) -> Element:
    parity = report["parity"]
    return page.section(
        "Is what was trained what runs?",
        page.facts(
            [
                ("golden samples", parity["samples"]),
                ("largest difference", f"{parity['largest_difference']:.2g}" if parity["passed"] else "too large"),
                ("limit", f"{parity['limit']:g}"),
                ("test samples with a label unknown in training", report["unknown_labels"]),
                ("seed of the resamples", report["seed"]),
            ]
        ),
    )


def _lineage(lineage: Lineage) -> Element:
    nodes = [{"id": node.id, "kind": node.kind, "label": node.id[:8], "note": node.id} for node in lineage.nodes]
    edges = [(edge.source, edge.made, edge.name) for edge in lineage.edges]
    return page.section(
        "What it was made from",
        page.figure(
            chart.graph(nodes, edges, highlight=lineage.root),
            "Every artifact behind this package, by the first characters of its digest; mw lineage tells more.",
        ),
    )
