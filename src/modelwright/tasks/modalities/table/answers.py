"""Categories by the answers they go with, without leaking them (Micci-Barreca 2001).

The mean answer of a category's rows, drawn towards that of all rows where they are few:
``(sum + m · prior) / (n + m)``. A row that is learned from must not see its own answer in its features, so each
training row is encoded by the means over the *other* folds; every other row, in production too, by those over all
training rows. The fold of a row follows from its group, so copies never tell each other's answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.tasks.modalities.table import cells

FOLDS = 5
WEIGHT = 20.0
"""``m``: rows of the prior that a category's own rows are weighed against."""
MOST_WORDS = 2000
LEAST = 3
"""Rows that a category needs to have a figure of its own."""
MOST_DIMENSIONS = 10


def folds_of(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return ``(n,)`` the fold of each row from its group's key."""
    return np.asarray(keys % np.uint64(FOLDS), np.int64)


def learn(
    schema: Mapping[str, Any],
    batches: Iterable[Mapping[str, Any]],
    answers: NDArray[np.float64],
    folds: NDArray[np.int64],
    names: list[str],
) -> dict[str, Any]:
    """Return the schema with ``answers`` on each category column that has categories to tell apart.

    Parameters
    ----------
    schema
        Learned from the same rows.
    batches
        The training rows by column, as they were learned from.
    answers
        ``(n, d)`` what is averaged: numbers, or 0 and 1 a class.
    folds
        ``(n,)`` from :func:`folds_of`.
    names
        Of the ``d`` averages.
    """
    columns = [column for column in schema["columns"] if column["kind"] == "category"]
    codes: list[dict[str, int]] = [{} for _ in columns]
    taken: list[list[NDArray[np.int64]]] = [[] for _ in columns]
    for batch in batches:
        count = next((len(values) for values in batch.values()), 0)
        for place, column in enumerate(columns):
            known = codes[place]
            values = [cells.category(value, column["name"]) for value in batch.get(column["name"], [None] * count)]
            taken[place].append(np.array([known.setdefault(word, len(known)) for word in values], np.int64))
    made = {
        column["name"]: _means(list(known), np.concatenate(found), answers, folds)
        for column, known, found in zip(columns, codes, taken, strict=True)
    }
    made = {name: found for name, found in made.items() if found["words"]}  # else all rows would have the same
    if not made:
        nothing = f"answers adds nothing: no category comes up in {LEAST} training rows"
        schema = {**schema, "reason": "; ".join(filter(None, (schema.get("reason"), nothing)))}
    return {
        **schema,
        "columns": [
            {**column, "answers": made[column["name"]]} if column["name"] in made else column
            for column in schema["columns"]
        ],
        "answer_names": names,
        "answer_folds": FOLDS,
    }


def _means(
    words: list[str], codes: NDArray[np.int64], answers: NDArray[np.float64], folds: NDArray[np.int64]
) -> dict[str, Any]:
    size, width = len(words), answers.shape[1]
    counts = np.zeros((FOLDS, size))
    np.add.at(counts, (folds, codes), 1.0)
    sums = np.zeros((FOLDS, size, width))
    np.add.at(sums, (folds, codes), answers)
    total = counts.sum(0)
    kept = np.flatnonzero(total >= LEAST)
    kept = np.sort(kept[np.argsort(-total[kept], kind="stable")][:MOST_WORDS])

    def smoothed(number: NDArray[np.float64], sum_: NDArray[np.float64]) -> tuple[list[float], list[list[float]]]:
        prior = sum_.sum(0) / max(float(number.sum()), 1.0)
        values = (sum_[kept] + WEIGHT * prior) / (number[kept, None] + WEIGHT)
        return prior.tolist(), values.T.tolist()

    parts = [smoothed(total - counts[fold], sums.sum(0) - sums[fold]) for fold in range(FOLDS)]
    prior, values = smoothed(total, sums.sum(0))
    every = np.repeat(np.array(prior)[:, None], size, 1)
    every[:, kept] = values
    spread = every[:, codes].std(1)
    return {
        "words": [words[place] for place in kept.tolist()],
        "prior": prior,
        "values": values,
        "std": [float(each) if each > 1e-9 else 1.0 for each in spread],
        "folds": [{"prior": part[0], "values": part[1]} for part in parts],
    }


def of_fold(schema: Mapping[str, Any], fold: int) -> dict[str, Any]:
    """Return the schema by which the training rows of a fold are encoded: from the answers of all other folds."""
    columns = [
        {**column, "answers": {**column["answers"], **column["answers"]["folds"][fold]}}
        if "answers" in column
        else column
        for column in schema["columns"]
    ]
    return {**schema, "columns": columns}
