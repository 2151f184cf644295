"""Which features a table's columns become, in order: what the graph builds and what names them read the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelwright.tasks import directions
from modelwright.tasks.base import Encoding
from modelwright.tasks.modalities.table import dates
from modelwright.tasks.modalities.table.cells import words_tensor
from modelwright.tasks.places import runs

WORDS: Mapping[str, str] = {
    "missing": "a 0/1 that says a number was missing, where training missed some",
    "log": "the logarithm of numbers that are far from symmetric, beside them",
    "dates": "year, month, day, weekday, second of the day and day number of dates",
    "categories": "a 0/1 for each category (for trees: its number)",
    "answers": "the mean answer of each category's training rows, out of fold while learning (Micci-Barreca 2001)",
    "hashing": "the words of columns with more than 64 different texts, counted by their hash (Weinberger et al. 2009)",
    "pca": "the directions that hold 95 % of the variance, in place of all that (for trees: beside it)",
}
"""What a table's columns may become besides the numbers themselves, which are always there."""
AUTO = ("missing", "log", "dates", "categories")
MISSING_CODE = -2.0
UNKNOWN_CODE = -1.0


@dataclass(frozen=True)
class Figure:
    """One number of one column: the column itself, or a part of a date."""

    name: str
    tensor: str
    mean: float
    std: float
    median: float
    indicator: str
    """Name of the feature that says it is missing; empty where training never missed it, or another part says it."""
    log: Mapping[str, float] | None


@dataclass(frozen=True)
class OneHot:
    """One 0/1 feature: whether the category column number ``column`` has code ``code``."""

    name: str
    column: int
    code: float


@dataclass(frozen=True)
class Hashed:
    """The counts of a column's words by their hash."""

    name: str
    tensor: str
    width: int


@dataclass(frozen=True)
class Mean:
    """One mean answer by a category."""

    name: str
    column: Mapping[str, Any]
    dimension: int


def wants(schema: Mapping[str, Any], word: str) -> bool:
    """Say whether a word of :data:`WORDS` is among the schema's features."""
    return word in schema.get("features", AUTO)


def means(schema: Mapping[str, Any]) -> list[Mean]:
    """Return the mean answers, by column and then by what is averaged."""
    if not wants(schema, "answers"):
        return []
    return [
        Mean(f"{column['name']}: {name}", column, place)
        for column in schema["columns"]
        if "answers" in column
        for place, name in enumerate(schema["answer_names"])
    ]


def hashed(schema: Mapping[str, Any]) -> list[Hashed]:
    """Return the columns whose words are counted by their hash."""
    if not wants(schema, "hashing"):
        return []
    return [
        Hashed(column["name"], words_tensor(column), int(column["hashed"]["width"]))
        for column in schema["columns"]
        if "hashed" in column
    ]


def components(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the principal components (:func:`modelwright.tasks.directions.components`), or None without any."""
    return directions.learned(schema) if wants(schema, "pca") else None


def shown(schema: Mapping[str, Any], column: Mapping[str, Any]) -> bool:
    """Say whether a column itself is a feature of trees."""
    if column["kind"] == "category" and not column["categories"]:
        return False  # nothing but words to hash
    word = {"category": "categories", "date": "dates"}.get(column["kind"])
    return word is None or wants(schema, word)


def figures(schema: Mapping[str, Any]) -> list[Figure]:
    """Return the numeric features of ``dense``: all number, boolean and date columns, in the schema's order."""
    plan: list[Figure] = []
    indicated, logged = wants(schema, "missing"), wants(schema, "log")
    for column in schema["columns"]:
        if not shown(schema, column):
            continue
        name, missing = column["name"], f"{column['name']} is missing" if column["missing"] and indicated else ""
        if column["kind"] in {"number", "boolean"}:
            plan.append(
                Figure(
                    name,
                    column["tensor"],
                    column["mean"],
                    column["std"],
                    column["median"],
                    missing,
                    column.get("log") if logged else None,
                )
            )
        elif column["kind"] == "date":
            plan += [
                Figure(
                    f"{name}: {part}",
                    column["tensor"],
                    column["mean"][place],
                    column["std"][place],
                    column["median"][place],
                    missing if place == 0 else "",
                    None,
                )
                for place, part in enumerate(dates.PARTS)
            ]
    return plan


def categories(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the category columns in the schema's order."""
    return [column for column in schema["columns"] if column["kind"] == "category" and shown(schema, column)]


def one_hots(schema: Mapping[str, Any]) -> list[OneHot]:
    """Return the one-hot features of ``dense``: each category, "another one" and "missing" where training had them."""
    plan: list[OneHot] = []
    for place, column in enumerate(categories(schema)):
        name = column["name"]
        plan += [OneHot(f"{name} = {word}", place, float(code)) for code, word in enumerate(column["categories"])]
        if column["other"]:
            plan.append(OneHot(f"{name} is another one", place, float(len(column["categories"]))))
        if column["missing"]:
            plan.append(OneHot(f"{name} is missing", place, MISSING_CODE))
    return plan


def block(schema: Mapping[str, Any]) -> list[str]:
    """Return the names of ``dense`` features, but for those that come from answers or take the place of these."""
    numbers = figures(schema)
    return [
        *(figure.name for figure in numbers),
        *(figure.indicator for figure in numbers if figure.indicator),
        *(f"log {figure.name}" for figure in numbers if figure.log),
        *(one.name for one in one_hots(schema)),
        *_hashed_names(schema),
    ]


def names(schema: Mapping[str, Any], encoding: Encoding) -> list[str]:
    """Return the features' names in the graph's order."""
    along = directions.names(components(schema))
    answers = [mean.name for mean in means(schema)]
    if encoding != "trees":
        return [*(along or block(schema)), *answers]
    found: list[str] = []
    for column in schema["columns"]:
        if not shown(schema, column):
            continue
        if column["kind"] == "date":
            found += [f"{column['name']}: {part}" for part in dates.PARTS]
        else:
            found.append(column["name"])
    return [*found, *_hashed_names(schema), *along, *answers]


def parts(schema: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return where the ``dense`` features of each word are; numbers and booleans are of none."""
    numbers = figures(schema)
    dated = {column["tensor"] for column in schema["columns"] if column["kind"] == "date"}
    widths = {
        "missing": sum(bool(figure.indicator) for figure in numbers),
        "log": sum(bool(figure.log) for figure in numbers),
        "categories": len(one_hots(schema)),
        "hashing": sum(each.width for each in hashed(schema)),
    }
    made = {"dates": [place for place, figure in enumerate(numbers) if figure.tensor in dated]}
    made |= runs(widths, len(numbers))
    if along := components(schema):
        made = {"pca": list(range(len(along["most"])))}
    start = len(block(schema)) if along is None else len(along["most"])
    made["answers"] = list(range(start, start + len(means(schema))))
    return {word: places for word, places in made.items() if places}


def _hashed_names(schema: Mapping[str, Any]) -> list[str]:
    return [f"{each.name}, words hashed to {place}" for each in hashed(schema) for place in range(each.width)]
