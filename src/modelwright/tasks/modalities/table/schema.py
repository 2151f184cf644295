"""What is learned about a table's columns, in one pass and bounded memory.

Of each column are kept: exact counts and moments, a uniform sample of 20,000 numbers (for quantiles), and the counts of
at most 20,000 different texts. The kind is decided at the end: all booleans → ``boolean``; all numbers → ``number``;
all dates → ``date``; anything else → ``category``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import InputError
from modelwright.tasks import contract
from modelwright.tasks.base import UndecodableError
from modelwright.tasks.limits import FLOAT32_MAX
from modelwright.tasks.modalities.table import cells, dates, hashing

KINDS = ("number", "category", "date", "boolean")
CAP = 64
MOST_HASHED = 16_384
"""Columns that words of all columns together are hashed to, if 16 a column are no more."""
HASHED_BYTES = 1 << 30
"""Bytes that these may take on disk for all training samples."""
_SAMPLE = 20_000
_BLOCK = 8192
_TEXTS = 20_000
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def learn(batches: Iterable[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema.

    Returns
    -------
    dict
        ``columns``: per column ``name``, ``tensor``, ``kind``, ``missing`` (share), and by kind: ``mean``, ``std``,
        ``median``, ``quantiles``, ``log`` (``{"mean", "std"}`` or None) for numbers; ``mean``, ``std``, ``median`` for
        booleans; the same as lists over the six parts, and ``day_first``, for dates; ``categories`` (most frequent
        first), ``counts``, ``other`` (rows with none of them) for categories, and ``hashed`` where their words are:
        ``size`` (hashes a row), ``width`` (columns they are counted in), ``words`` (seen often).
        ``left_out``: ``[{"name", "reason"}]``. ``others``: names that a row may have although no model uses them.
        ``samples``: rows. ``contract``: what values were like, see :mod:`modelwright.tasks.contract`.

    Raises
    ------
    InputError
        ``no-columns`` where nothing is left to learn from, ``unknown-column`` and ``bad-kind`` for wrong settings.
    """
    columns: dict[str, _Column] = {}
    total = 0
    hashed = "hashing" in settings.get("features", ())
    kinds = dict(settings.get("kinds", {}))
    skipped = [name for name in (settings.get("target"), *settings.get("ignore", ())) if name]
    for rows in _each(batches):
        count = next((len(values) for values in rows.values()), 0)
        for name, values in rows.items():
            if name in skipped:
                continue
            if name not in columns:
                columns[name] = _Column(name, len(columns), kinds.get(name))
                columns[name].missing = total  # rows before this one had no such key
            columns[name].feed(values)
        for name in columns.keys() - rows.keys():
            columns[name].missing += count
        total += count
    _check_kinds(kinds, columns)
    learned: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    for name, column in columns.items():
        found = column.finish(total, int(settings.get("cap", CAP)), hashed=hashed)
        if isinstance(found, str):
            left_out.append({"name": name, "reason": found})
        else:
            learned.append({"name": name, "tensor": f"c{len(learned)}", **found})
    if not learned:
        raise InputError(
            "no column is left to learn from" + "".join(f"; {each['name']}: {each['reason']}" for each in left_out[:5]),
            code="no-columns",
            hint="check the label column and the columns that are ignored",
        )
    schema: dict[str, Any] = {
        "columns": learned,
        "left_out": left_out,
        "others": sorted({*skipped, *(each["name"] for each in left_out)}),
        "samples": total,
    }
    _narrow(learned, total)
    schema["contract"] = {each["name"]: columns[each["name"]].rule() for each in learned}
    if settings.get("strict"):
        schema["strict"] = True
    return schema


def _narrow(columns: Iterable[Mapping[str, Any]], samples: int) -> None:
    """Halve the columns that words are hashed to until all of them together are few enough for so many samples."""
    hashed = [column["hashed"] for column in columns if "hashed" in column]
    most = min(MOST_HASHED, HASHED_BYTES // (4 * max(samples, 1)))
    while sum(each["width"] for each in hashed) > most:
        widest = max(each["width"] for each in hashed)
        if widest <= hashing.WIDTHS[0]:
            break
        for each in hashed:
            each["width"] = min(each["width"], widest // 2)


def _each(batches: Iterable[Any]) -> Iterator[Mapping[str, cells.Values]]:
    for batch in batches:
        yield from batch if isinstance(batch, (list, tuple)) else [batch]


def _check_kinds(kinds: Mapping[str, Any], columns: Mapping[str, _Column]) -> None:
    for name, kind in kinds.items():
        if name not in columns:
            raise InputError(f'there is no column "{name}" to give a kind to', code="unknown-column")
        if kind not in KINDS:
            raise InputError(f'column "{name}": kind {kind!r}, expected one of {", ".join(KINDS)}', code="bad-kind")


class _Numbers:
    """Moments of a stream of numbers, and a uniform sample: the values with the smallest of seeded random keys.

    Values are taken up in blocks of one length, so that the figures don't depend on how the stream was cut.
    """

    def __init__(self, seed: int) -> None:
        self.count = 0
        self.low, self.high = math.inf, -math.inf
        self.mean = 0.0
        self.squares = 0.0
        self.sample = np.empty(0)
        self._keys = np.empty(0)
        self._limit = 1.0
        self._random = np.random.default_rng(seed)
        self._waiting: list[NDArray[np.float64]] = []
        self._held = 0

    def feed(self, values: NDArray[np.float64]) -> None:
        self._waiting.append(values)
        self._held += len(values)
        if self._held >= _BLOCK:
            joined = np.concatenate(self._waiting)
            whole = len(joined) - len(joined) % _BLOCK
            for start in range(0, whole, _BLOCK):
                self._take(joined[start : start + _BLOCK])
            self._waiting, self._held = [joined[whole:]], len(joined) - whole

    def close(self) -> None:
        """Take up what is left; nothing may be fed afterwards."""
        if self._held:
            self._take(np.concatenate(self._waiting))
        self._waiting, self._held = [], 0
        self._shorten()

    def _take(self, values: NDArray[np.float64]) -> None:
        mean = float(values.mean())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        both = self.count + len(values)
        # Chan, Golub and LeVeque 1979: the moments of two parts together.
        self.squares += float(((values - mean) ** 2).sum()) + (mean - self.mean) ** 2 * self.count * len(values) / both
        self.mean += (mean - self.mean) * len(values) / both
        self.count = both
        keys = self._random.random(len(values))
        if self._limit < 1.0:
            values, keys = values[keys < self._limit], keys[keys < self._limit]
        self.sample = np.concatenate([self.sample, values])
        self._keys = np.concatenate([self._keys, keys])
        if len(self.sample) > 2 * _SAMPLE:
            self._shorten()

    def _shorten(self) -> None:
        """Keep the smallest keys, in the order in which they came; larger ones need not come in any more."""
        if len(self.sample) > _SAMPLE:
            kept = np.sort(np.argpartition(self._keys, _SAMPLE)[:_SAMPLE])
            self.sample, self._keys = self.sample[kept], self._keys[kept]
            self._limit = float(self._keys.max())

    @property
    def std(self) -> float:
        """Population deviation; 1 where all are equal, since it is divided by."""
        deviation = math.sqrt(self.squares / max(self.count, 1))
        return deviation if deviation > 1e-9 * max(1.0, abs(self.mean)) else 1.0


class _Column:
    """One column, while its values stream by."""

    def __init__(self, name: str, place: int, forced: str | None) -> None:
        self.name = name
        self.forced = forced
        self.missing = 0
        self.kind = ""
        self.seen = Counter[str]()
        self.numbers = _Numbers(place)
        self.times = [_Numbers(place) for _ in dates.PARTS]
        self.texts = Counter[str]()
        self.crowded = False
        self.hashed = False
        self.day_first = 0
        self._dates: dict[str, int] = {}
        """Texts that were read as dates, and what they say about the day coming first; some of the first ones."""
        self._pending: list[str] = []

    def feed(self, values: cells.Values) -> None:
        """Take more values, typed or not."""
        array = values if isinstance(values, np.ndarray) else None
        if self.forced in {"category", "boolean"}:
            self._take_forced(values)
        elif array is not None and array.dtype.kind in "iuf":
            self._take_numbers(array.astype(np.float64))
        elif array is not None and array.dtype.kind == "b":
            self._take_texts("boolean", [cells.category(value, self.name) for value in array.tolist()])
        elif array is not None and array.dtype.kind == "M":
            self._take_times(array)
        else:
            self._take_mixed(values)

    def _take_numbers(self, figures: NDArray[np.float64]) -> None:
        known = figures[~np.isnan(figures)]
        self.missing += len(figures) - len(known)
        self.seen["number"] += len(known)
        self.numbers.feed(known[np.abs(known) <= FLOAT32_MAX])

    def _take_texts(self, kind: str, words: list[str]) -> None:
        self.seen[kind] += len(words)
        self.texts.update(words)
        if len(self.texts) > _TEXTS:
            # What is frequent survives (Manku and Motwani 2002); a rare one may lose some of its count.
            self.crowded = True
            self.texts = Counter(dict(self.texts.most_common(_TEXTS // 2)))

    def _take_times(self, times: NDArray[np.datetime64]) -> None:
        known = times[~np.isnat(times)]
        self.missing += len(times) - len(known)
        self.seen["date"] += len(known)
        for numbers, column in zip(self.times, dates.parts(known).T, strict=True):
            numbers.feed(column.astype(np.float64))

    def _take_forced(self, values: cells.Values) -> None:
        words = [cells.category(value, self.name) for value in values]
        known = [word for word in words if word]
        self.missing += len(words) - len(known)
        self._take_texts(self.forced or "", known)

    def _take_words(self, values: cells.Values) -> bool:
        """Take values that are all text or None, each different one looked at once; False if they are not."""
        if not set(map(type, values)) <= {str, type(None)}:
            return False
        try:
            found = {value: cells.category(value, self.name) for value in dict.fromkeys(values)}
        except UndecodableError:
            return False
        words = [found[value] for value in values]
        known = [word for word in words if word]
        self.missing += len(words) - len(known)
        if known:
            self._take_texts("text", known)
            self._try_dates(known)
        return True

    def _take_mixed(self, values: cells.Values) -> None:
        if self._take_words(values):
            return
        figures: list[float] = []
        words: dict[str, list[str]] = {"text": [], "boolean": []}
        times: list[date] = []
        numbers_as_text: list[str] = []
        for value in values:
            try:
                word = cells.category(value, self.name)
            except UndecodableError:
                self.seen["odd"] += 1
                continue
            if not word or value != value:  # noqa: PLR0124 - NaN is not itself
                self.missing += 1
            elif isinstance(value, str):
                words["text"].append(word)
            elif isinstance(value, (bool, np.bool_)):
                words["boolean"].append(word)
            elif isinstance(value, (int, float, Decimal, np.number)):
                figures.append(_bounded(value))
                numbers_as_text.append(word)
            elif isinstance(value, (date, datetime)):
                times.append(value)
        if figures:
            self._take_numbers(np.array(figures))
            self.texts.update(numbers_as_text)
            if len(self.texts) > _TEXTS:
                self.texts = Counter(dict(self.texts.most_common(_TEXTS // 2)))
        for kind, found in words.items():
            if found:
                self._take_texts(kind, found)
        if times:
            self._take_times(dates.moments(times))
        if words["text"]:
            self._try_dates(words["text"])

    def _try_dates(self, words: list[str]) -> None:
        """Read texts as dates for as long as every one of them is one."""
        if self.seen["not a date"]:
            return
        day_first = 0
        for word, count in Counter(words).items():
            speaks = self._dates.get(word)
            if speaks is None:
                if dates.parse(word) is None:
                    self.seen["not a date"] = 1
                    self._pending = []
                    return
                speaks = dates.speaks_for_day_first(word)
                if len(self._dates) < _TEXTS:
                    self._dates[word] = speaks
            day_first += speaks * count
        self.day_first += day_first
        self._pending = (self._pending + words)[:_SAMPLE]

    def finish(self, total: int, cap: int, *, hashed: bool = False) -> dict[str, Any] | str:
        """Return the column's part of the schema, or in words why it is left out; ``hashed``: words may be."""
        known = total - self.missing
        if not known:
            return "no value in the training data"
        if self.seen["odd"]:
            return "it holds lists or objects; a column holds numbers, text, dates or booleans"
        kind = self.kind = self.forced or self._kind(known)
        share = self.missing / total
        if kind == "number":
            return self._number(share)
        if kind == "boolean":
            return self._boolean(share)
        if kind == "date":
            return self._date(share)
        return self._category(share, known, cap, hashed=hashed)

    def rule(self) -> dict[str, Any]:
        """Return what the contract says of the finished column."""
        missing = self.missing > 0
        if self.kind == "number":
            return contract.number(self.numbers.low, self.numbers.high, missing=missing)
        if self.kind == "date":
            days = self.times[dates.PARTS.index("days")]
            return contract.number(days.low, days.high, missing=missing)
        if self.kind == "boolean":
            return contract.category(("false", "true"), missing=missing)
        return contract.category(self.texts, missing=missing, closed=not self.crowded and not self.hashed)

    def _kind(self, known: int) -> str:
        for kind in ("number", "boolean", "date"):
            if self.seen[kind] == known:
                return kind
        if self.seen["text"] == known and self._pending:
            return "date"
        return "category"

    def _number(self, share: float) -> dict[str, Any] | str:
        numbers = self.numbers
        numbers.close()
        if not numbers.count:
            return "it has no number in the training data"
        sample = numbers.sample
        if not share and sample.min() == sample.max() and numbers.squares == 0.0:
            return f"constant: always {sample[0]:g}"
        centred = sample - sample.mean()
        spread = float((centred**2).mean()) ** 1.5  # 0 where numbers differ by less than 1e-108, too
        skewness = float((centred**3).mean()) / spread if spread > 0 else 0.0
        log = None
        if abs(skewness) > 2.0:
            logs = np.sign(sample) * np.log1p(np.abs(sample))
            log = {"mean": float(logs.mean()), "std": float(logs.std()) or 1.0}
        return {
            "kind": "number",
            "missing": share,
            "mean": numbers.mean,
            "std": numbers.std,
            "median": float(np.median(sample)),
            "quantiles": [float(value) for value in np.quantile(sample, _QUANTILES)],
            "log": log,
        }

    def _boolean(self, share: float) -> dict[str, Any] | str:
        ones = sum(count for word, count in self.texts.items() if word.lower() in {"true", "1", "yes", "y", "t"})
        total = sum(self.texts.values())
        mean = ones / total if total else 0.0
        if not share and mean in {0.0, 1.0}:
            return f"constant: always {'true' if mean else 'false'}"
        deviation = math.sqrt(mean * (1.0 - mean)) or 1.0
        return {"kind": "boolean", "missing": share, "mean": mean, "std": deviation, "median": float(mean > 0.5)}

    def _date(self, share: float) -> dict[str, Any] | str:
        day_first = self.day_first > 0
        if self._pending:
            self._take_times(dates.moments(dates.parse(word, day_first=day_first) for word in self._pending))
        for part in self.times:
            part.close()
        if not self.times[0].count:
            return "it has no date in the training data"
        if not share and all(part.squares == 0.0 for part in self.times):
            return "constant: always the same date"
        return {
            "kind": "date",
            "missing": share,
            "mean": [part.mean for part in self.times],
            "std": [part.std for part in self.times],
            "median": [float(np.median(part.sample)) for part in self.times],
            "day_first": day_first,
        }

    def _category(self, share: float, known: int, cap: int, *, hashed: bool) -> dict[str, Any] | str:
        if not share and len(self.texts) == 1 and not self.crowded:
            return f"constant: always {next(iter(self.texts))!r}"
        # A category seen once or twice among hundreds teaches noise; together they teach what "another one" means.
        least = 1 if known < 100 else max(3, known // 5000)
        ranked = sorted(self.texts.items(), key=lambda item: (-item[1], item[0]))
        kept = [(word, count) for word, count in ranked if count >= least][:cap]
        other = known - sum(count for _, count in kept)
        made: dict[str, Any] = {}
        if hashed and (len(self.texts) > cap or self.crowded):
            size, width, often = hashing.sizes(ranked)
            if often:
                made = {"hashed": {"size": size, "width": width, "words": often}}
                self.hashed = True
        if not kept or (known >= 50 and other > 0.98 * known):
            if not made:
                return "nearly every row has a value of its own, as in a name or an identifier"
            kept, other = [], known
        return {
            "kind": "category",
            "missing": share,
            "categories": [word for word, _ in kept],
            "counts": [count for _, count in kept],
            "other": other,
            **made,
        }


def _bounded(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.inf
