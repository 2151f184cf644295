"""The one table of what may stand in ``modelwright.yaml``: name, type, default, meaning.

Checks, defaults and the reference (``docs/spec.md``) are all made from it. A key that is not here is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelwright import registry
from modelwright.spec.values import (
    Choice,
    Duration,
    Flag,
    ListOf,
    Number,
    Text,
    Trigger,
    Type,
    WordOr,
)

ISSUE_KINDS = (
    "backward-time",
    "bad-annotation",
    "bad-label",
    "bad-time",
    "blurry",
    "boilerplate",
    "broken-encoding",
    "camera-lost",
    "capped-target",
    "case-twins",
    "clipped",
    "conflicting-boxes",
    "conflicting-labels",
    "conflicting-rows",
    "confounded-group",
    "constant-channel",
    "constant-column",
    "control-characters",
    "correlated-columns",
    "corrupt",
    "dangling-annotation",
    "dark",
    "dates-out-of-order",
    "duplicate",
    "duplicate-box",
    "duplicate-header",
    "duplicate-name",
    "duplicate-rows",
    "duplicate-share",
    "empty",
    "empty-mask",
    "encrypted",
    "future-date",
    "gap",
    "hidden-missing",
    "identifier-column",
    "imbalance",
    "impossible-date",
    "incomplete",
    "inverted-box",
    "irregular-step",
    "label-variants",
    "leaking-border",
    "leaking-column",
    "leaking-form",
    "leaking-identifier",
    "leaking-name",
    "leaking-order",
    "leaking-split",
    "literal-quotes",
    "low-information",
    "markup",
    "mislabelled",
    "missing-annotation",
    "missing-file",
    "missing-label",
    "missing-mask",
    "missing-time",
    "missing-value",
    "mixed-channels",
    "mixed-encoding",
    "mixed-rates",
    "mixed-units",
    "name-disagrees",
    "near-duplicate",
    "nested-archive",
    "no-boxes",
    "no-words",
    "noisy",
    "not-a-file",
    "not-a-video",
    "nul-bytes",
    "odd-aspect",
    "odd-colour",
    "odd-length",
    "odd-rate",
    "odd-row",
    "odd-size",
    "odd-value",
    "outlier",
    "outside-box",
    "overexposed",
    "ragged-row",
    "rare-category",
    "rare-class",
    "repeated-time",
    "repetitive",
    "short-header",
    "short-series",
    "silent",
    "small-split",
    "soft-mask",
    "split-conflict",
    "split-sequence",
    "stuck-sensor",
    "symlink",
    "tiny-box",
    "too-large",
    "too-long",
    "too-many-frames",
    "truncated",
    "turned",
    "type-mix",
    "under-represented",
    "unknown-mask-value",
    "unlisted-file",
    "unreadable",
    "unsafe-name",
    "wrong-format",
    "wrong-language",
    "wrong-size-annotation",
    "wrong-size-mask",
    "wrong-type",
    "zero-area-box",
)
"""Kinds of problems that prepare finds."""

METRICS: dict[str, tuple[str, ...]] = {
    "category": (
        "accuracy",
        "balanced_accuracy",
        "precision_macro",
        "recall_macro",
        "f1_macro",
        "f1_weighted",
        "auc_roc",
        "log_loss",
        "brier",
        "ece",
    ),
    "number": ("mae", "rmse", "r2", "median_ae", "coverage", "interval_width"),
    "tags": (
        "f1_macro",
        "f1_micro",
        "precision_macro",
        "recall_macro",
        "jaccard",
        "subset_accuracy",
        "hamming_loss",
        "average_precision",
        "auc_roc",
        "log_loss",
        "ece",
    ),
}
"""Metrics that validation reports, by output."""
LOSSES: dict[str, tuple[str, ...]] = {
    "category": ("cross-entropy", "label-smoothing", "focal"),
    "number": ("squared", "absolute", "huber"),
    "tags": ("binary-cross-entropy", "focal", "asymmetric"),
}
"""Losses by output; the first is what auto takes."""
MEASUREMENTS = ("latency_p50_ms", "latency_p95_ms", "peak_memory_mb", "size_mb")
"""Figures measured on this machine, which ``accept`` may name too."""

ALIASES = {
    **dict.fromkeys(("csv", "tsv", "jsonl", "parquet", "arrow", "feather", "excel"), "table"),
    **dict.fromkeys(("zip", "tar"), "archive"),
    **dict.fromkeys(("idx", "npy", "npz"), "arrays"),
}
"""Other words for a kind of source."""

INPUTS = {"table": "table", "sql": "table", "series": "series"}
"""The input by the first source's kind, where the spec doesn't say it; of any other kind it is an image."""

_NAME = Text(
    "a name: letters, digits, '-' and '_', at most 64, beginning with a letter or digit",
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
)
_COLUMN = Text("a column's name")
_EVERY = Text("a length of time such as 200ms, 1s or 2m", r"[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)?")
_SIZE = Text("a number of steps such as 60, or a length of time such as 30m", r"\d+(\.\d+)?\s*(ms|s|m|h|d|w)?")

SOURCE_OPTIONS: dict[str, Mapping[str, Type]] = {
    "folder": {
        "files": ListOf(Text("a pattern such as '*.jpg'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "label": Text("a regular expression"),
    },
    "table": {
        "label": _COLUMN,
        "labels": ListOf(_COLUMN, least=1),
        "delimiter": Text("a character, or one of comma, semicolon, tab"),
        "header": Flag(),
        "columns": ListOf(_COLUMN),
        "encoding": Text("an encoding such as utf-8 or cp1252"),
        "decimal": Choice((".", ",")),
        "missing": ListOf(Text("a text", empty=True)),
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "ignore": ListOf(_COLUMN),
        "text": ListOf(_COLUMN),
        "sheet": Text("a sheet's name"),
    },
    "archive": {
        "files": ListOf(Text("a pattern such as '*.jpg'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "label": Text("a regular expression"),
    },
    "arrays": {
        "labels": Text("a path, or the name of an array"),
        "images": Text("the name of an array"),
        "names": ListOf(Text("a class name")),
        "classes": Text("a path"),
    },
    "manifest": {
        "path": _COLUMN,
        "label": _COLUMN,
        "labels": ListOf(_COLUMN, least=1),
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "folder": Text("a path"),
        "names": ListOf(Text("a class name")),
        "classes": Text("a path"),
    },
    "sql": {
        "query": Text("a SELECT", lines=True),
        "label": _COLUMN,
        "missing": ListOf(Text("a text", empty=True)),
        "group": _COLUMN,
        "time": _COLUMN,
        "split": _COLUMN,
        "ignore": ListOf(_COLUMN),
        "text": ListOf(_COLUMN),
    },
    "series": {
        "label": _COLUMN,
        "labels": Text("a path"),
        "groups": Text("a path"),
        "group": _COLUMN,
        "files": ListOf(Text("a pattern such as 'valve*/*.csv'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
        "query": Text("a SELECT", lines=True),
        "sequence": _COLUMN,
        "time": _COLUMN,
        "window": _SIZE,
        "step": _SIZE,
        "rule": Choice(("end", "any", "most", "mean")),
        "ahead": _SIZE,
        "gap": _SIZE,
        "delimiter": Text("a character, or one of comma, semicolon, tab"),
        "header": Flag(),
        "columns": ListOf(_COLUMN),
        "encoding": Text("an encoding such as utf-8 or cp1252"),
        "decimal": Choice((".", ",")),
        "missing": ListOf(Text("a text", empty=True)),
        "ignore": ListOf(_COLUMN),
        "sheet": Text("a sheet's name"),
    },
    "coco": {"images": Text("a path"), "annotations": Text("a pattern such as 'instances_*.json'")},
    "voc": {"images": Text("a path"), "one_based": Flag()},
    "yolo": {"names": ListOf(Text("a class name")), "classes": Text("a path")},
    "pairs": {
        "masks": Text("a folder's name"),
        "suffix": Text("the end of a name, such as _mask"),
        "names": ListOf(Text("a class name")),
        "ignore": Number(0, 0xFFFFFF, whole=True),
        "threshold": Number(1, 255, whole=True),
    },
    "video": {
        "every": _EVERY,
        "change": Number(0.0, 1.0),
        "most": Number(1, 1_000_000, whole=True),
        "label": Text("a label"),
        "files": ListOf(Text("a pattern such as '*.mp4'")),
        "level": Number(1, 32, whole=True),
        "classes": ListOf(Text("a folder's name")),
    },
    "camera": {
        "every": _EVERY,
        "change": Number(0.0, 1.0),
        "label": Text("a label"),
        "frames": Number(1, 1_000_000, whole=True),
        "seconds": _EVERY,
        "timeout": _EVERY,
        "take": Number(1, 1_000_000, whole=True),
    },
    "log": {
        "labels": Choice(("feedback", "answers", "all")),
        "since": Text("a date such as 2026-03-01, or a time before now such as 7d"),
        "until": Text("a date such as 2026-03-01, or a time before now such as 7d"),
        "unsure": Number(0.0, 1.0),
        "sure": Number(0.0, 1.0),
        "most": Number(1, 10_000_000, whole=True),
    },
    "labelstudio": {"files": Text("a path"), "field": _COLUMN, "control": Text("the name of a labelling tag")},
    "feedback": {"sources": ListOf(Text("a word such as feedback or person"))},
}
"""Option keys of the built-in sources; those of a plug-in are checked by the plug-in."""


@dataclass(frozen=True)
class Key:
    """One key.

    Parameters
    ----------
    name
        Its path, such as ``train.budget``.
    type
        How it is read.
    default
        Its value when it is left out, as a Spec holds it.
    shown
        The default as the reference writes it.
    doc
        What it means.
    field
        The attribute of the Spec's part that holds it, where that is not the last part of the name.
    """

    name: str
    type: Type
    default: Any
    shown: str
    doc: str
    field: str = ""

    @property
    def section(self) -> str:
        """The first part of the name, or nothing for a key at the top."""
        return self.name.rpartition(".")[0]

    @property
    def attribute(self) -> str:
        """Name of the attribute that holds it."""
        return self.field or self.name.rpartition(".")[2]


def _families() -> list[str]:
    return registry.names("families")


_ISSUES = ListOf(Choice(ISSUE_KINDS))

KEYS: tuple[Key, ...] = (
    Key("name", _NAME, None, "the folder's name", "What the project, its packages and its server endpoint are called."),
    Key(
        "problem",
        Text("a text", lines=True),
        "",
        "empty",
        "What is to be decided, in a sentence; it heads reports and the model card.",
    ),
    Key(
        "input",
        Choice((*registry.BUILT_IN["modalities"], "video"), lambda: [*registry.names("modalities"), "video"]),
        None,
        "from the first source",
        "The kind of input; video is pictures, of which those of one recording stay together.",
    ),
    Key(
        "output",
        Choice(tuple(registry.BUILT_IN["targets"]), lambda: registry.names("targets")),
        "category",
        "category",
        "The kind of output.",
    ),
    Key(
        "label",
        _COLUMN,
        None,
        "for folders: the folder's name",
        "The column to predict, for tables.",
    ),
    Key(
        "features",
        WordOr("auto", "auto", ListOf(Text("a word of the input's own, such as resize or log-mel"), least=1)),
        "auto",
        "auto",
        "What the packaged graph makes of an input before the model sees it; auto takes what suits the data, and says "
        "it. The words of each input are in its documentation.",
    ),
    Key(
        "clean.drop",
        _ISSUES,
        ("corrupt", "duplicate", "conflicting-labels"),
        "[corrupt, duplicate, conflicting-labels]; for tables [corrupt, conflicting-labels]: equal rows may be real",
        "Kinds of problems whose samples (or columns) are left out. What cannot be read is left out in any case.",
    ),
    Key(
        "clean.fix",
        _ISSUES,
        (),
        "[]",
        "Kinds of problems to which the suggested remedy is applied, such as another label.",
    ),
    Key("clean.keep", _ISSUES, (), "[]", "Kinds of problems that are noted and otherwise ignored."),
    Key(
        "clean.review",
        _ISSUES,
        ("mislabelled",),
        "[mislabelled]",
        "Kinds of problems that wait for a person: `mw issues`.",
    ),
    Key(
        "clean.near_duplicate",
        Number(0.5, 1.0),
        0.97,
        "0.97",
        "How alike two pictures must be (correlation of thumbnails) to count as near duplicates. They "
        "never straddle two splits.",
    ),
    Key("split.train", Number(0.0, 1.0), 0.7, "0.7", "Share of samples to learn from."),
    Key("split.validation", Number(0.0, 1.0), 0.1, "0.1", "Share to choose and calibrate by."),
    Key("split.test", Number(0.0, 1.0), 0.2, "0.2", "Share locked away for the gate; looks at it are counted."),
    Key(
        "split.by",
        Choice(("stratified", "random", "group", "time", "column")),
        "stratified",
        "stratified, or group, time, column where that key is given",
        "How samples are divided: equal shares of every class (or of a number's quantiles), at random, "
        "whole groups, by time (the earlier to train, the latest to test), or as a column says.",
    ),
    Key(
        "split.group",
        Text("a column, or a regular expression on the file name"),
        None,
        "none",
        "Samples of one group never straddle two splits: a column, or a regular expression on the file "
        "name whose first group is it.",
    ),
    Key(
        "split.time",
        _COLUMN,
        None,
        "none",
        "Column with the time of each sample: dates, or numbers that grow. With it no training sample is later than a "
        "test sample. A file's own time never counts, because copying changes it.",
    ),
    Key(
        "split.column",
        _COLUMN,
        None,
        "none",
        "Column that says train, validation or test for each sample (val, valid, dev, holdout … mean the same). It is "
        "no input. A split that it never names is taken from train; samples without a word are divided as others are.",
    ),
    Key(
        "split.folds",
        Number(0, 50, whole=True),
        0,
        "0",
        "Folds of the training split for cross-validation, stratified, groups whole, kept in the dataset: training and "
        "the search for label errors use them. 0: none are kept.",
    ),
    Key("split.seed", Number(0, 2**32 - 1, whole=True), 0, "0", "Seed of the division."),
    Key(
        "synthesize.ways",
        WordOr("auto", ("auto",), ListOf(Text("a way of the input's own, such as light, noise or smote"))),
        (),
        "[]: nothing is synthesized",
        "Ways to make new training samples out of real ones; auto takes all that keep the label right. What is made is "
        "marked for ever and never validates or tests. What it is worth is measured on real held-back samples.",
    ),
    Key(
        "synthesize.only",
        Choice(("rare", "all")),
        "rare",
        "rare",
        "Of which classes: rare ones, up to the usual (median) class, or all.",
    ),
    Key(
        "synthesize.copies",
        Number(1, 50, whole=True),
        3,
        "3",
        "Synthetic samples made of one real sample: so many with `only: all`, at most so many for rare classes.",
    ),
    Key("synthesize.seed", Number(0, 2**32 - 1, whole=True), 0, "0", "Seed of what is made."),
    Key(
        "train.models",
        WordOr("auto", "auto", ListOf(Choice(tuple(registry.BUILT_IN["families"]), _families), least=1)),
        "auto",
        "auto",
        "Model families to try; auto takes a shortlist by task and size of the data.",
    ),
    Key(
        "train.metric",
        WordOr("auto", "auto", Text("the name of a metric")),
        "auto",
        "auto",
        "What the best candidate is chosen by, on the validation split; auto takes the output's own.",
    ),
    Key(
        "train.budget",
        Duration(1.0),
        600.0,
        "10m",
        "Time for the search. It only cuts the search short: what is tried, and in what order, is fixed "
        "by data, spec and seed.",
        "budget_seconds",
    ),
    Key(
        "train.loss",
        WordOr("auto", "auto", Text("the name of a loss")),
        "auto",
        "auto",
        "What is minimised: "
        + "; ".join(f"for {output} {', '.join(names)}" for output, names in LOSSES.items())
        + ". Auto takes the first.",
    ),
    Key(
        "train.folds",
        Number(0, 50, whole=True),
        0,
        "0",
        "Folds of cross-validation; 0 uses the validation split (5 folds for tables if it is under 200), 1 always.",
    ),
    Key(
        "train.trials",
        Number(0, 10_000, whole=True),
        0,
        "0",
        "Further parameter sets tried for the best family; 0 tries its standard ones.",
    ),
    Key(
        "train.class_weights",
        Choice(("none", "balanced", "auto")),
        "none",
        "none",
        "Whether rare classes weigh more while learning; auto: for F1-like metrics, when one class is thrice another.",
    ),
    Key(
        "train.threads",
        WordOr("auto", None, Number(1, 1024, whole=True)),
        None,
        "auto",
        "Threads of a fit; auto is 2 everywhere, because the number of threads changes the last digits of a model.",
    ),
    Key("train.seed", Number(0, 2**32 - 1, whole=True), 0, "0", "Seed of everything random in training."),
    Key(
        "package.optimise",
        ListOf(Text("the name of an optimisation")),
        (),
        "[]",
        "Optimisations tried on the graph; each is kept only if it passes parity.",
    ),
    Key("deploy.to", Choice(("server",)), "server", "server", "Where packages go: a server on this machine."),
    Key(
        "deploy.host",
        Text("a host name or address"),
        "127.0.0.1",
        "127.0.0.1",
        "Where the server listens. Beyond loopback it wants TLS, and the token for everything.",
    ),
    Key("deploy.port", Number(0, 65535, whole=True), 8080, "8080", "The server's port; 0 takes a free one."),
    Key(
        "deploy.durability",
        Choice(("process", "power")),
        "process",
        "process",
        "What an acknowledged prediction's log record survives: the end of the process, or a loss of "
        "power (a flush per batch).",
    ),
    Key(
        "deploy.contract",
        Choice(("off", "warn", "refuse")),
        "warn",
        "warn",
        "What happens to an input beside what training saw (a number far out, an unknown category, a value missing "
        "that never was): nothing, a warning in the answer, or a refusal (422).",
    ),
    Key("deploy.certificate", Text("the path of a PEM file"), None, "none", "TLS certificate."),
    Key("deploy.private_key", Text("the path of a PEM file"), None, "none", "Private key of the TLS certificate."),
    Key(
        "deploy.allowed_hosts",
        ListOf(Text("a host name")),
        (),
        "[]",
        "More names by which clients may call the server.",
    ),
    Key(
        "deploy.allowed_origins",
        ListOf(Text("a web origin such as https://intranet.example", r"https?://[^\s/]+")),
        (),
        "[]",
        "Web origins whose pages may call the server.",
    ),
    Key(
        "monitor.window",
        Duration(1.0),
        3600.0,
        "1h",
        "Length of the stretch of production that is compared with the training data.",
        "window_seconds",
    ),
    Key(
        "monitor.drift", Choice(("auto", "off")), "auto", "auto", "Whether inputs and predictions are tested for drift."
    ),
    Key(
        "monitor.false_alarm_rate",
        Number(1e-9, 0.5),
        0.001,
        "0.001",
        "Chance that a window without drift raises an alarm, all features together.",
    ),
    Key(
        "monitor.alerts",
        ListOf(Choice(tuple(registry.BUILT_IN["alert_sinks"]), lambda: registry.names("alert_sinks"))),
        ("file",),
        "[file]",
        "Where alerts go.",
    ),
    Key(
        "retrain.when",
        ListOf(Trigger()),
        ("drift", "labels >= 200"),
        '[drift, "labels >= 200"]',
        "Reasons for a new round: drift, quality (realised below accepted), so many new labels, so long "
        "since the last.",
    ),
    Key(
        "retrain.promote",
        Choice(("auto", "manual")),
        "auto",
        "auto",
        "Whether a challenger that wins beyond chance is promoted at once, or waits for `mw deploy`.",
    ),
    Key(
        "store.catalog",
        Text("an SQLAlchemy URL", r"[A-Za-z][A-Za-z0-9+]*:.*"),
        None,
        "`.modelwright/catalog.sqlite`",
        "Where runs, lineage and annotations are kept, if not in the project's own folder.",
    ),
)

SPECIAL: dict[str, str] = {
    "sources": "Where samples come from; the only key that must be there. A list: each entry is a kind with a "
    "location and, below it, the kind's options.",
    "accept": 'What a package must keep to pass the gate: metric to limit, such as `f1_macro: ">= 0.9"`.',
}
SECTIONS: dict[str, str] = {
    "clean": "What is done about each kind of problem. A person's decision (`mw issues`) goes before these rules.",
    "split": "How samples are divided. Duplicates and near duplicates never straddle two splits.",
    "synthesize": "New training samples made out of real ones. The spec names no way by default: none are made.",
    "train": "How a model is chosen and learned.",
    "package": "What is done to the graph before it is bundled.",
    "deploy": "Where and how a package is served.",
    "monitor": "How production is watched.",
    "retrain": "When a new round begins, and who promotes its result.",
    "store": "Where state is kept.",
}
TOP = (
    "name",
    "problem",
    "input",
    "output",
    "label",
    "features",
    "sources",
    "clean",
    "split",
    "synthesize",
    "train",
    "package",
    "accept",
    "deploy",
    "monitor",
    "retrain",
    "store",
)
"""Keys at the top, in the order in which they are written."""


def section_keys(section: str) -> dict[str, Key]:
    """Return the keys of a section by their last name; of the top for ``""``."""
    return {key.name.rpartition(".")[2]: key for key in KEYS if key.section == section}
