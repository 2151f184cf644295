"""From the text of ``modelwright.yaml`` to a checked Spec, or to one error about the first mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright import registry
from modelwright.errors import SpecError
from modelwright.spec import keys as table
from modelwright.spec import source_options, vocabulary
from modelwright.spec.document import Node, mistake, parse, read_text
from modelwright.spec.model import (
    Clean,
    Condition,
    Deploy,
    Monitor,
    Packaging,
    Retrain,
    Source,
    Spec,
    Split,
    StoreSettings,
    Synthesize,
    Train,
)
from modelwright.spec.values import Comparison, Wrong, name_of, nearest, untyped

_PARTS: Mapping[str, type[Any]] = {
    "clean": Clean,
    "split": Split,
    "synthesize": Synthesize,
    "train": Train,
    "package": Packaging,
    "deploy": Deploy,
    "monitor": Monitor,
    "retrain": Retrain,
    "store": StoreSettings,
}


def load(path: str | Path) -> Spec:
    """Read and check a spec file.

    The sources need not be there (a server has no training data); :func:`check_files` asks for them.

    Raises
    ------
    SpecError
        For the first mistake: file, line, key, what was found, what is allowed, and the nearest word as the hint.
    """
    path = Path(path)
    return loads(read_text(path), path)


def loads(text: str, path: str | Path = "modelwright.yaml") -> Spec:
    """Check the text of a spec; ``path`` is named in errors, and relative locations start from its folder.

    Examples
    --------
    >>> spec = loads("sources: [{folder: photos}]", "belt/modelwright.yaml")
    >>> spec.name, spec.input, spec.output, spec.split.test
    ('belt', 'image', 'category', 0.2)
    >>> loads("sources: [{folder: photos}]\\ntrain: {budgt: 5m}")
    Traceback (most recent call last):
    modelwright.errors.SpecError: modelwright.yaml:2: unknown key 'train.budgt'; allowed: models, metric, budget, ...
    """
    path = Path(path)
    return _Reader(path).spec(parse(text, path))


@dataclass
class _Reader:
    path: Path
    lines: dict[str, int] = field(default_factory=dict)

    def wrong(self, node: Node, key: str, allowed: str, near: str = "") -> SpecError:
        """Return the error for a value that is not allowed."""
        return mistake(
            self.path,
            node.line,
            f"{key}: found {node.found}; allowed: {allowed}",
            hint=f"did you mean {near!r}?" if near else "",
        )

    def pairs(self, node: Node, key: str, allowed: Iterable[str]) -> dict[str, tuple[Node, Node]]:
        """Return the pairs of a map whose keys are all allowed; nothing at all counts as an empty map."""
        words = list(allowed)
        where = f"{key}." if key else ""
        if node.is_null:
            return {}
        if node.kind != "map":
            raise self.wrong(node, key or "the spec", f"keys, one a line: {', '.join(words)}")
        made = {}
        for name, value in node.pairs:
            if name.text not in words:
                near = nearest(name.text, words)
                raise mistake(
                    self.path,
                    name.line,
                    f"unknown key {where + name.text!r}; allowed: {', '.join(words)}",
                    hint=f"did you mean {near!r}?" if near else self._elsewhere(name.text),
                )
            self.lines[where + name.text] = name.line
            made[name.text] = (name, value)
        return made

    @staticmethod
    def _elsewhere(word: str) -> str:
        places = [key.name for key in table.KEYS if key.name.rpartition(".")[2] == word]
        return f"did you mean {places[0]!r}?" if places else ""

    def value(self, key: table.Key, node: Node) -> Any:
        """Return the value of a key of the table."""
        if node.is_null and key.default is None:
            return None
        try:
            return key.type.read(node)
        except Wrong as wrong:
            raise self.wrong(wrong.node, key.name, wrong.allowed, wrong.near) from None

    def spec(self, root: Node) -> Spec:
        """Check the whole document."""
        top = self.pairs(root, "", table.TOP)
        plain = {
            name: self.value(key, top[name][1]) if name in top else key.default
            for name, key in table.section_keys("").items()
        }
        sources = self.sources(top, root)
        plain["input"] = plain["input"] or source_options.INPUTS.get(sources[0].kind, "image")
        plain["input"] = "image" if plain["input"] == "video" else plain["input"]
        if plain["name"] is None:
            plain["name"] = name_of(self.path.absolute().parent.name)
        parts = {name: self.section(name, top[name][1] if name in top else None) for name in table.SECTIONS}
        self.check_clean(parts["clean"], plain["input"])
        columns = any(source.kind in {"table", "sql", "manifest"} for source in sources)
        parts["split"] = self.check_split(parts["split"], plain["input"], columns=columns)
        self.check_train(parts["train"], plain["output"])
        self.check_deploy(parts["deploy"])
        accept = self.accept(top["accept"][1], plain["output"]) if "accept" in top else ()
        made = {name: _PARTS[name](**values) for name, values in parts.items()}
        return Spec(path=self.path, sources=sources, accept=accept, lines=dict(self.lines), **plain, **made)

    def section(self, name: str, node: Node | None) -> dict[str, Any]:
        """Return a section's values by attribute, defaults filled in."""
        keys = table.section_keys(name)
        given = {} if node is None else self.pairs(node, name, keys)
        return {
            key.attribute: self.value(key, given[word][1]) if word in given else key.default
            for word, key in keys.items()
        }

    # ------------------------------------------------------------------ sources and accept

    def sources(self, top: Mapping[str, tuple[Node, Node]], root: Node) -> tuple[Source, ...]:
        """Return the sources; there must be one."""
        kinds = [*registry.BUILT_IN["sources"], *source_options.ALIASES]
        right = "a list, such as '- folder: photos/' or '- table: data.csv'"
        if "sources" not in top:
            raise mistake(
                self.path,
                root.line,
                f"the key 'sources' is missing; it is {right}",
                hint="mw init PATH writes a spec for the data at PATH",
            )
        node = top["sources"][1]
        if node.kind != "list" or not node.items:
            raise self.wrong(node, "sources", right)
        return tuple(self.source(each, f"sources[{index}]", kinds) for index, each in enumerate(node.items))

    def source(self, node: Node, key: str, kinds: list[str]) -> Source:
        """Return one source: its kind and location are the first pair, its options the others."""
        if node.kind != "map" or not node.pairs:
            raise self.wrong(node, key, f"a kind and a location, such as 'folder: photos/'; kinds: {', '.join(kinds)}")
        named = [pair for pair in node.pairs if pair[0].text in kinds]
        if not named:
            kinds = [*registry.names("sources"), *source_options.ALIASES]
            named = [pair for pair in node.pairs if pair[0].text in kinds]
        if not named:
            first = node.pairs[0][0]
            near = nearest(first.text, kinds)
            raise mistake(
                self.path,
                first.line,
                f"{key}: unknown kind of source {first.text!r}; allowed: {', '.join(kinds)}",
                hint=f"did you mean {near!r}?" if near else "",
            )
        word, location = named[0]
        kind = source_options.ALIASES.get(word.text, word.text)
        if location.kind != "scalar" or location.is_null or not location.text.strip() or "\0" in location.text:
            raise self.wrong(location, f"{key}.{word.text}", "a path or a word, such as photos/")
        options: dict[str, Any] = {}
        known = source_options.SOURCE_OPTIONS.get(kind)
        for name, value in node.pairs:
            if name is word:
                continue
            options[name.text] = self.option(f"{key}.{name.text}", name, value, known)
        return Source(kind, location.text, options, word.line)

    def option(self, key: str, name: Node, value: Node, known: Mapping[str, Any] | None) -> Any:
        """Return one option of a source."""
        if known is None:
            return untyped(value)
        if name.text not in known:
            near = nearest(name.text, known)
            raise mistake(
                self.path,
                name.line,
                f"unknown key {key!r}; allowed: {', '.join(known) or 'none'}",
                hint=f"did you mean {near!r}?" if near else "",
            )
        try:
            return known[name.text].read(value)
        except Wrong as wrong:
            raise self.wrong(wrong.node, key, wrong.allowed, wrong.near) from None

    def accept(self, node: Node, output: str) -> tuple[Condition, ...]:
        """Return the limits; a metric that validation never reports is a mistake now, not after training."""
        if node.is_null:
            return ()
        own = vocabulary.METRICS.get(output)
        words = [*(own or ()), *vocabulary.MEASUREMENTS]
        if node.kind != "map":
            raise self.wrong(node, "accept", f"metric to limit, such as '{words[0]}: \">= 0.9\"'")
        made = []
        for name, value in node.pairs:
            if own is not None and name.text not in words:
                near = nearest(name.text, words)
                raise mistake(
                    self.path,
                    name.line,
                    f"accept: unknown metric {name.text!r} for the output {output!r}; allowed: {', '.join(words)}",
                    hint=f"did you mean {near!r}?" if near else "",
                )
            self.lines[f"accept.{name.text}"] = name.line
            for each in value.items if value.kind == "list" else (value,):
                try:
                    op, limit = Comparison().read(each)
                except Wrong as wrong:
                    raise self.wrong(each, f"accept.{name.text}", wrong.allowed) from None
                made.append(Condition(name.text, op, limit))
        return tuple(made)

    # ------------------------------------------------------------------ what several keys say together

    def check_clean(self, clean: dict[str, Any], modality: str) -> None:
        """Refuse a kind of problem that two rules claim; a default gives way to what is written."""
        rules = ("drop", "fix", "keep", "review")
        given = [rule for rule in rules if f"clean.{rule}" in self.lines]
        if modality == "table" and "drop" not in given:
            # Two equal rows are usually two events; two equal files are one picture, copied.
            clean["drop"] = tuple(kind for kind in clean["drop"] if kind != "duplicate")
        for rule in rules:
            if rule not in given:
                taken = {kind for other in given for kind in clean[other]}
                clean[rule] = tuple(kind for kind in clean[rule] if kind not in taken)
        seen: dict[str, str] = {}
        for rule in given:
            for kind in clean[rule]:
                if kind in seen:
                    raise mistake(
                        self.path,
                        self.lines[f"clean.{rule}"],
                        f"clean.{rule}: {kind!r} is in clean.{seen[kind]} too; allowed: in one of them",
                    )
                seen[kind] = rule

    def check_split(self, split: dict[str, Any], modality: str, *, columns: bool) -> dict[str, Any]:
        """Check that the shares sum to 1; one share left out is what the others leave.

        ``columns`` says whether a source has columns, of which the group may be one.
        """
        names = ("train", "validation", "test")
        given = [name for name in names if f"split.{name}" in self.lines]
        left = [name for name in names if name not in given]
        line = max((self.lines[f"split.{name}"] for name in given), default=0)
        total = sum(split[name] for name in given)
        if given and left:
            # The shares that were left out keep their proportion to each other.
            rest, weight = 1.0 - total, sum(split[name] for name in left)
            for name in left:
                split[name] = round(rest * split[name] / weight, 12)
        shares = ", ".join(f"{name} {split[name]:g}" for name in names)
        if abs(sum(split[name] for name in names) - 1.0) > 1e-6 or min(split[name] for name in names) < 0:
            raise mistake(self.path, line, f"split: found shares that sum to {total:g} ({shares}); allowed: a sum of 1")
        for name in names:
            if split[name] <= 0:
                raise mistake(self.path, line, f"split.{name}: found {split[name]:g}; allowed: more than 0 ({shares})")
        self.check_split_by(split, modality)
        if split["folds"] == 1:
            raise mistake(self.path, self.lines["split.folds"], "split.folds: found 1; allowed: 0, or 2 to 50")
        if split["group"] is not None and modality != "table" and not columns:
            self.check_pattern(split["group"])
        return split

    def check_split_by(self, split: dict[str, Any], modality: str) -> None:
        """Fill in ``by`` from the key that goes with it, and refuse one without the other."""
        keys = ("group", "time", "column")
        told = "split.by" in self.lines
        # A series may carry its own time; a table's is a column, and somebody has to say which.
        own_time = modality == "series"
        if told and split["by"] in keys and split[split["by"]] is None and not (split["by"] == "time" and own_time):
            word = split["by"]
            raise mistake(
                self.path,
                self.lines["split.by"],
                f"split.by: found {word!r}, and split.{word} is missing; allowed: both",
                hint=f"split: {{by: {word}, {word}: COLUMN}}",
            )
        given = [key for key in keys if split[key] is not None]
        for word in ("time", "column"):
            if split[word] is not None and split["by"] != word and (told or (word == "time" and "column" in given)):
                other = split["by"] if told else "column"
                raise mistake(
                    self.path,
                    self.lines[f"split.{word}"],
                    f"split.{word}: found {split[word]!r} beside a split by {other!r}; allowed: with 'by: {word}'",
                )
        if not told and given:
            split["by"] = next(word for word in ("column", "time", "group") if word in given)

    def check_pattern(self, pattern: str) -> None:
        """Check the regular expression that finds the group in a file's name."""
        import re

        try:
            groups = re.compile(pattern).groups
        except (re.error, RecursionError, OverflowError) as error:
            problem = str(error)
        else:
            problem = "" if groups else "it has no group"
        if problem:
            raise mistake(
                self.path,
                self.lines["split.group"],
                f"split.group: found {pattern!r} ({problem}); allowed: a regular expression with a group",
                hint="such as '(.*)_[0-9]+' for names like plate7_001.png",
            )

    def check_train(self, train: Mapping[str, Any], output: str) -> None:
        """Check metric and loss against the output, and the folds."""
        for name, words in (("metric", vocabulary.METRICS.get(output)), ("loss", vocabulary.LOSSES.get(output))):
            if words and train[name] not in ("auto", *words):
                near = nearest(train[name], words)
                raise mistake(
                    self.path,
                    self.lines[f"train.{name}"],
                    f"train.{name}: found {train[name]!r}; allowed for the output {output!r}: auto, {', '.join(words)}",
                    hint=f"did you mean {near!r}?" if near else "",
                )
        if train["folds"] == 1:
            raise mistake(self.path, self.lines["train.folds"], "train.folds: found '1'; allowed: 0, or at least 2")

    def check_deploy(self, deploy: Mapping[str, Any]) -> None:
        """Check that certificate and key go together."""
        for one, other in (("certificate", "private_key"), ("private_key", "certificate")):
            if deploy[one] and not deploy[other]:
                raise mistake(
                    self.path,
                    self.lines[f"deploy.{one}"],
                    f"deploy.{one}: found it without deploy.{other}; allowed: both or neither",
                )


def check_files(spec: Spec, step: str = "prepare") -> None:
    """Check that the files the spec names for ``step`` (prepare: sources; deploy: certificate and key) are there.

    Raises
    ------
    SpecError
        For the first that is missing: file, line, key, and the nearest name beside it.
    """
    if step == "prepare":
        for index, source in enumerate(spec.sources):
            if source.kind in {"folder", "table", "archive", "arrays", "manifest", "video"}:
                _must_be(spec, source.location, f"sources[{index}].{source.kind}", source.line)
                for option in ("labels", "classes", "folder"):
                    path = source.options.get(option)
                    if isinstance(path, str) and not (option == "labels" and source.location.endswith(".npz")):
                        _must_be(spec, path, f"sources[{index}].{option}", source.line)
        if spec.clean.embeddings not in {"light", "model"}:
            _must_be(spec, spec.clean.embeddings, "clean.embeddings", spec.lines.get("clean.embeddings", 0))
    if step == "deploy":
        for name in ("certificate", "private_key"):
            if location := getattr(spec.deploy, name):
                _must_be(spec, location, f"deploy.{name}", spec.lines.get(f"deploy.{name}", 0))


def _must_be(spec: Spec, location: str, key: str, line: int) -> None:
    import glob

    path = spec.resolve(location)
    try:
        there = path.exists() or (glob.has_magic(location) and next(glob.iglob(str(path)), None) is not None)  # noqa: PTH207 - may be absolute
    except (OSError, ValueError) as error:
        raise mistake(spec.path, line, f"{key}: {location!r} cannot be looked at: {error}") from None
    if there:
        return
    near = ""
    parent = path.parent
    if parent.is_dir():
        near = nearest(path.name, (each.name for each in sorted(parent.iterdir())[:10_000]))
    raise mistake(
        spec.path,
        line,
        f"{key}: found {location!r}, and there is nothing at {path}; allowed: a path that is there",
        hint=f"did you mean {near!r}?" if near else "relative paths start from the spec's folder",
    )
