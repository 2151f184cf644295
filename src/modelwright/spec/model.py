"""What a checked spec is: frozen objects with plain values. See :mod:`modelwright.spec.keys`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PARTS: dict[str, tuple[str, ...]] = {
    "prepare": ("name", "input", "output", "label", "features", "sources", "clean", "split", "synthesize"),
    "train": ("train",),
    "package": ("name", "problem", "package"),
    "validate": ("accept",),
    "deploy": ("deploy",),
    "monitor": ("monitor",),
    "retrain": ("retrain",),
}
"""Which parts of the spec a step's artifact depends on, besides its input artifacts."""


@dataclass(frozen=True)
class Source:
    """One entry of ``sources``."""

    kind: str
    location: str
    """As written: a path relative to the spec's folder, or a word of the source's own."""
    options: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
    """Where it stands in the file; 0 if it stands in none."""


@dataclass(frozen=True)
class Clean:
    """What is done about each kind of problem that prepare finds."""

    drop: tuple[str, ...]
    fix: tuple[str, ...]
    keep: tuple[str, ...]
    review: tuple[str, ...]
    near_duplicate: float
    embeddings: str = "light"
    """``light``, ``model``, or where a model lies."""


@dataclass(frozen=True)
class Split:
    """How samples are divided; the three shares sum to 1."""

    train: float
    validation: float
    test: float
    by: str
    group: str | None
    seed: int
    time: str | tuple[str, ...] | None = None
    """Column that holds when a sample was taken, or those that say it together; None where the source itself knows, or
    nobody asks."""
    column: str | None = None
    """Column that holds a sample's split."""
    folds: int = 0

    @property
    def group_pattern(self) -> str | None:
        """``group`` where it is a regular expression on names, which has a group in brackets; else it is a column."""
        try:
            return self.group if self.group and re.compile(self.group).groups else None
        except (re.error, RecursionError, OverflowError):
            return None


@dataclass(frozen=True)
class Synthesize:
    """What is made out of real training samples."""

    ways: tuple[str, ...]
    """Empty: nothing; ``("auto",)``: all ways of the modality that keep the label right."""
    only: str
    copies: int
    seed: int


@dataclass(frozen=True)
class Train:
    """How a model is chosen and learned."""

    models: str | tuple[str, ...]
    metric: str
    budget_seconds: float
    loss: str
    folds: int
    trials: int
    class_weights: str
    threads: int | None
    seed: int


@dataclass(frozen=True)
class Packaging:
    """What is done to the graph before it is bundled."""

    optimise: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """One limit that a package must keep: ``metric op value``."""

    metric: str
    op: str
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.value:g}"


@dataclass(frozen=True)
class Deploy:
    """Where and how a package is served."""

    to: str
    host: str
    port: int
    durability: str
    certificate: str | None
    private_key: str | None
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    contract: str = "warn"


@dataclass(frozen=True)
class Monitor:
    """How production is watched."""

    window_seconds: float
    drift: str
    false_alarm_rate: float
    alerts: tuple[str, ...]


@dataclass(frozen=True)
class Retrain:
    """When a new round begins and who promotes."""

    when: tuple[str, ...]
    promote: str

    @property
    def triggers(self) -> tuple[tuple[str, float | None], ...]:
        """``when`` taken apart: ``("drift", None)``, ``("labels", 200.0)``, ``("every", seconds)``."""
        from modelwright.spec.values import seconds

        made: list[tuple[str, float | None]] = []
        for text in self.when:
            if text.startswith("labels >= "):
                made.append(("labels", float(text.removeprefix("labels >= "))))
            elif text.startswith("every "):
                made.append(("every", seconds(text.removeprefix("every "))))
            else:
                made.append((text, None))
        return tuple(made)


@dataclass(frozen=True)
class StoreSettings:
    """Where the catalog is kept."""

    catalog: str | None


@dataclass(frozen=True)
class Spec:
    """A checked ``modelwright.yaml``."""

    path: Path
    name: str
    problem: str
    input: str
    output: str
    label: str | None
    features: str | tuple[str, ...]
    """``auto``, or words of the modality."""
    sources: tuple[Source, ...]
    clean: Clean
    split: Split
    synthesize: Synthesize
    train: Train
    package: Packaging
    accept: tuple[Condition, ...]
    deploy: Deploy
    monitor: Monitor
    retrain: Retrain
    store: StoreSettings
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Key to the line where it stands; keys that were left out are not in it."""

    @property
    def folder(self) -> Path:
        """The folder that relative locations start from."""
        return self.path.absolute().parent

    def resolve(self, location: str) -> Path:
        """Return ``location`` as a path, relative ones from the spec's folder."""
        return self.folder / Path(location).expanduser()

    def part(self, step: str) -> dict[str, Any]:
        """Return what the artifact of ``step`` depends on, JSON-ready; the same for the same settings, however written.

        What only changes how fast something is done (``train.threads``), where it stands in the file, or what can be
        looked up in the input artifacts is not in it.
        """
        made = {name: self._ready(name) for name in PARTS[step]}
        if step == "train":
            # Candidates are compared by what `accept` asks for first, so its metrics count; its limits do not.
            made["metrics"] = list(dict.fromkeys(condition.metric for condition in self.accept))
        if step == "validate":
            # Intervals are drawn with the seed of training.
            made["seed"] = self.train.seed
        return made

    def as_dict(self) -> dict[str, Any]:
        """Return everything, defaults included, JSON-ready."""
        names = dict.fromkeys(name for names in PARTS.values() for name in names)
        return {name: self._ready(name) for name in (*names, "store")}

    def _ready(self, name: str) -> Any:
        value = getattr(self, name)
        if name == "sources":
            return [{"kind": s.kind, "location": s.location, "options": _plain(s.options)} for s in value]
        if name == "accept":
            return [[condition.metric, condition.op, condition.value] for condition in value]
        if hasattr(value, "__dataclass_fields__"):
            made = {key: _plain(each) for key, each in asdict(value).items()}
            if name == "train":
                del made["threads"]
            return made
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
