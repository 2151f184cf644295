"""The HTML report of prepare: what is there, what is wrong, what was decided and why. One file, under 2 MB."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import chart
from modelwright.drawing import page as draw
from modelwright.prepare import split
from modelwright.prepare.columns import ColumnFindings
from modelwright.prepare.gather import Gathered
from modelwright.prepare.issues import Decided
from modelwright.store.packed import MemberError
from modelwright.store.raws import Raws

if TYPE_CHECKING:
    from modelwright.prepare.outcome import Outcome

_PICTURE_BYTES = 1_200_000
"""What all thumbnails of a page may weigh together, before base64."""
_WORST = 40
_SUSPECTS = 24
_SHOWN_MEASURES = ("brightness", "contrast", "sharpness", "saturation", "width", "height")


class Pictures:
    """Makes thumbnails of samples until the page's budget is spent."""

    def __init__(self, gathered: Gathered, meta: Mapping[str, Any], store: Any) -> None:
        self._gathered = gathered
        self._raws = Raws(store, meta["sources"])
        self._paths = gathered.paths.arrow()
        self._left = _PICTURE_BYTES

    def path(self, place: int) -> str:
        """Return a sample's name."""
        return str(self._paths[place].as_py())

    def small(self, place: int, side: int = 96) -> bytes | None:
        """Return a JPEG of at most ``side`` pixels, or None if there is none or the budget is spent."""
        from PIL import Image

        from modelwright.tasks import base as tasks

        if self._left <= 0:
            return None
        try:
            raw = self._raws.read(self._gathered.sources[place], self.path(place), self._gathered.id(place))
            pixels = tasks.modality("image").decode(raw, {})["image"][0]
        except (MemberError, tasks.UndecodableError):
            return None
        picture = Image.fromarray(pixels)
        picture.thumbnail((side, side))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=80)
        self._left -= len(out.getvalue())
        return out.getvalue()


def page(
    spec: Any, gathered: Gathered, outcome: Outcome, columns: ColumnFindings, meta: Mapping[str, Any], store: Any
) -> str:
    """Return the report as HTML."""
    counts = meta["counts"]
    kept = sum(counts[name] for name in split.NAMES)
    pictures = Pictures(gathered, meta, store) if spec.input == "image" else None
    return draw.document(
        f"Dataset: {spec.name}",
        draw.section(
            "Overview",
            draw.cards(
                [
                    ("samples", f"{kept:,}", f"{counts['dropped']:,} dropped"),
                    ("to train", f"{counts['train']:,}", _share(counts["train"], kept)),
                    ("to validate", f"{counts['validation']:,}", _share(counts["validation"], kept)),
                    ("to test", f"{counts['test']:,}", f"{_share(counts['test'], kept)}, locked"),
                    ("issues", f"{len(outcome.decided):,}", _kinds_in_words(outcome.decided)),
                ]
            ),
            draw.table(
                ["source", "kind", "digest"],
                [[each["location"], each["kind"], each["digest"][:12]] for each in meta["sources"]],
            ),
        ),
        _balance(gathered, outcome),
        _decisions(outcome.decided),
        _worst(outcome.decided, pictures),
        _mislabelled(outcome, pictures),
        _sheet(outcome, pictures) if pictures is not None and gathered.categories else None,
        _distributions(gathered, outcome) if spec.input == "image" else _columns(columns, outcome),
        _proof(outcome),
        subtitle=spec.problem or f"{spec.input} → {spec.output}",
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _kinds_in_words(decided: Sequence[Decided]) -> str:
    return f"of {len({each.issue.kind for each in decided})} kinds" if decided else "nothing found"


def _balance(gathered: Gathered, outcome: Outcome) -> Any:
    if not gathered.categories:
        edges = np.histogram_bin_edges(outcome.labels[outcome.kept], bins=30)
        series = {
            name: np.histogram(outcome.labels[outcome.splits == number], edges)[0].tolist()
            for number, name in enumerate(split.NAMES)
            if (outcome.splits == number).any()
        }
        return draw.section(
            "Answers by split",
            draw.figure(chart.histogram(edges.tolist(), series, x_label="answer"), "The splits should look alike."),
        )
    rows: list[list[Any]] = []
    for code, name in enumerate(outcome.names):
        mine = outcome.kept & (outcome.labels == code)
        if mine.any():
            rows.append(
                [name, *(int((mine & (outcome.splits == number)).sum()) for number in range(3)), int(mine.sum())]
            )
    rows.sort(key=lambda row: -row[-1])
    return draw.section(
        "Classes",
        draw.figure(
            chart.bars([row[0] for row in rows], [row[-1] for row in rows], title="samples per class"), "Kept samples."
        ),
        draw.table(["class", *split.NAMES, "all"], rows[:200]),
    )


def _decisions(decided: Sequence[Decided]) -> Any:
    groups: dict[tuple[str, str, str], list[Decided]] = {}
    for each in decided:
        groups.setdefault((each.issue.kind, each.decision, each.by), []).append(each)
    rows: list[list[Any]] = [
        [kind, len(some), f"{max(each.issue.severity for each in some):.2f}", decision, by, some[0].issue.advice.why]
        for (kind, decision, by), some in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]
    return draw.section(
        "What was decided, and why", draw.table(["issue", "how many", "worst", "decision", "by", "why"], rows)
    )


def _worst(decided: Sequence[Decided], pictures: Pictures | None) -> Any:
    """Show the most severe issues, but of no kind more than its share, so that one flood hides nothing."""
    kinds: dict[str, int] = {}
    chosen: list[Decided] = []
    for each in decided:
        kinds[each.issue.kind] = kinds.get(each.issue.kind, 0) + 1
        if kinds[each.issue.kind] <= 8 and len(chosen) < _WORST:
            chosen.append(each)
    rows: list[list[Any]] = []
    shown: list[tuple[bytes, str]] = []
    for each in chosen:
        small = pictures.small(each.issue.place, 160) if pictures is not None and each.issue.place >= 0 else None
        if small is not None:
            shown.append((small, f"{each.issue.kind}: {_clip(_name(each.issue.path), 40)} ({each.decision})"))
        issue = each.issue
        rows.append([issue.kind, f"{issue.severity:.2f}", _clip(issue.message, 300), each.decision, issue.id])
    return draw.section(
        "The worst issues",
        draw.gallery(shown, width=128) if shown else None,
        draw.table(["issue", "severity", "what was found", "decision", "id"], rows, caption="All of them: mw issues"),
    )


def _mislabelled(outcome: Outcome, pictures: Pictures | None) -> Any:
    """Show the samples whose label is probably wrong, worst first, and which classes are taken for which."""
    mine = [each for each in outcome.decided if each.issue.kind == "mislabelled"]
    facts = outcome.label_check
    if not mine:
        said = f"Not checked: {facts['skipped']}." if "skipped" in facts else "None was found."
        return draw.section("Probably mislabelled", draw.h("p", said))
    shown: list[tuple[bytes, str]] = []
    for each in mine[:_SUSPECTS] if pictures is not None else []:
        small = pictures.small(each.issue.place, 128) if pictures is not None else None
        if small is not None:
            evidence = each.issue.evidence
            given, suggested = (_clip(str(evidence[word]), 24) for word in ("given", "suggested"))
            shown.append((small, f"{given} → {suggested}? {_clip(_name(each.issue.path), 40)} ({each.decision})"))
    pairs: dict[tuple[str, str], int] = {}
    for each in mine:
        if "probabilities" in each.issue.evidence:
            pair = str(each.issue.evidence["given"]), str(each.issue.evidence["suggested"])
            pairs[pair] = pairs.get(pair, 0) + 1
    most = sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))[:12]
    return draw.section(
        "Probably mislabelled",
        draw.h(
            "p",
            f"{len(mine):,} of {facts['samples']:,} samples are labelled otherwise than {facts['how']} say, "
            "none of which saw the sample's own label. They stay as they are until somebody decides: fix takes the "
            "suggested label, drop leaves the sample out, keep settles that the label is right.",
        ),
        draw.gallery(shown, width=128) if shown else None,
        None
        if shown
        else draw.table(
            ["severity", "what was found", "decision", "id"],
            [
                [f"{each.issue.severity:.2f}", _clip(each.issue.message, 200), each.decision, each.issue.id]
                for each in mine[:_SUSPECTS]
            ],
        ),
        draw.table(["labelled", "looks like", "how many"], [[*pair, count] for pair, count in most]) if most else None,
    )


def _name(path: str) -> str:
    return path.partition("/")[2]


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _sheet(outcome: Outcome, pictures: Pictures) -> Any:
    present = [code for code in range(len(outcome.names)) if (outcome.kept & (outcome.labels == code)).any()][:20]
    each_class = max(2, min(8, 96 // max(len(present), 1)))
    parts: list[Any] = []
    for code in present:
        places = np.flatnonzero(outcome.kept & (outcome.labels == code))
        chosen = places[np.linspace(0, len(places) - 1, min(each_class, len(places))).astype(int)]
        shown = [
            (small, _clip(pictures.path(place).rpartition("/")[2], 18))
            for place in chosen.tolist()
            if (small := pictures.small(place)) is not None
        ]
        parts.extend([draw.h("h3", outcome.names[code]), draw.gallery(shown)])
    return draw.section("Samples of each class", *parts)


def _distributions(gathered: Gathered, outcome: Outcome) -> Any:
    figures = list(_measure_figures(gathered, outcome))
    return draw.section("What the pictures are like", draw.columns(*figures)) if figures else None


def _measure_figures(gathered: Gathered, outcome: Outcome) -> Iterator[Any]:
    for name in _SHOWN_MEASURES:
        stored = gathered.measures.get(name)
        if stored is None:
            continue
        values: NDArray[np.float64] = np.full(len(gathered), np.nan)
        values[: len(stored)] = stored
        kept = values[outcome.kept & ~np.isnan(values)]
        if not len(kept) or kept.min() == kept.max():
            continue
        edges = np.histogram_bin_edges(kept, bins=24)
        series = {
            split_name: np.histogram(values[(outcome.splits == number) & ~np.isnan(values)], edges)[0].tolist()
            for number, split_name in enumerate(split.NAMES)
            if (outcome.splits == number).any()
        }
        yield draw.figure(chart.histogram(edges.tolist(), series, x_label=name), name)


def _columns(columns: ColumnFindings, outcome: Outcome) -> Any:
    total = len(outcome.kept)
    rows: list[list[Any]] = [
        [
            name,
            facts["type"],
            facts["distinct"],
            facts["missing"],
            _share(facts["missing"], total),
            "left out" if name in outcome.dropped_columns else "used",
        ]
        for name, facts in list(columns.summary.items())[:300]
    ]
    missing = [(name, 100 * facts["missing"] / total) for name, facts in columns.summary.items() if facts["missing"]]
    missing.sort(key=lambda pair: -pair[1])
    shown = missing[:30]
    return draw.section(
        "Columns",
        draw.table(["column", "type", "different values", "missing", "share", "in the input"], rows),
        draw.figure(chart.bars([name for name, _ in shown], [share for _, share in shown], unit="%"), "Missing values")
        if shown
        else None,
    )


def _proof(outcome: Outcome) -> Any:
    kept = outcome.kept
    groups, splits = outcome.groups[kept], outcome.splits[kept]
    straddling = len(np.unique(np.stack([groups, splits.astype(np.int64)]), axis=1).T) - len(np.unique(groups))
    sizes = np.bincount(groups)
    return draw.section(
        "No leaks between splits",
        draw.banner(
            "good" if straddling == 0 else "bad",
            f"{int((sizes > 1).sum()):,} groups of duplicates, near-duplicates and samples that belong together "
            f"were found; {straddling} of them lie in more than one split.",
        ),
    )
