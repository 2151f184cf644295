"""The one table of what may stand in ``modelwright.yaml``: name, type, default, meaning.

Checks, defaults and the reference (``docs/spec.md``) are all made from it. A key that is not here is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelwright import registry
from modelwright.spec.values import (
    Choice,
    Duration,
    ListOf,
    Number,
    OneOrMore,
    Text,
    Trigger,
    Type,
    WordOr,
)
from modelwright.spec.vocabulary import ISSUE_KINDS, LOSSES

_NAME = Text(
    "a name: letters, digits, '-' and '_', at most 64, beginning with a letter or digit",
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
)
_COLUMN = Text("a column's name")


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
        WordOr("auto", "auto", ListOf(Text("a word of the input's own, such as edges or log-mel"), least=1)),
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
    Key(
        "clean.embeddings",
        Text("light, model, or a path"),
        "light",
        "light",
        "By what samples are compared for near-duplicates, outliers and the map: 'light' features of ours, the 'model' "
        "of this project that is in production, or a folder with pretrained weights (or a package), which also serves "
        "to find wrong labels. Nothing is downloaded.",
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
        OneOrMore(_COLUMN),
        None,
        "none",
        "Column with the time of each sample: dates, or numbers that grow. With it no training sample is later than a "
        "test sample. Of tables also a list: a date and a time of day, or year, month, day and so on. A time of day "
        "beside a date is found too, and said. A file's own time never counts, because copying changes it.",
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
