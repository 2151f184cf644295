"""Rows that were written twice with a little noise are found, and tied; rows that agree by chance are not."""

from __future__ import annotations

import numpy as np

from .conftest import Project, issues

N = 300


def write(project: Project, rows: list[list[str]], header: str) -> None:
    (project.root / "t.csv").write_text("\n".join([header, *(",".join(row) for row in rows)]))


def test_noisy_copies_are_found_and_stay_in_one_split(project: Project) -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(N, 4))
    words = random.choice(["red", "green"], N).tolist()
    rows = [[*(f"{value:.5f}" for value in row), word] for row, word in zip(numbers, words, strict=True)]
    copies = [
        [*(f"{value + random.uniform(2e-5, 4e-4):.5f}" for value in numbers[place]), words[place]]
        for place in range(40)
    ]
    other_word = [[*rows[50][:4], "red" if words[50] == "green" else "green"]]
    write(project, rows + copies + other_word, "a,b,c,d,color")
    dataset = project.prepare("sources: [{table: t.csv}]\nlabel: d\noutput: number\n")
    found = {int(str(each["path"]).rpartition("#")[2]) for each in issues(dataset, "near-duplicate")}
    planted = set(range(N + 1, N + 41))
    assert found <= planted
    assert len(found) >= 38
    splits = {int(row["path"].rpartition("#")[2]): row["split"] for row in dataset.samples().to_pylist()}
    assert all(splits[place] == splits[place - N] for place in found)


def test_rows_that_agree_by_chance_are_not_near(project: Project) -> None:
    random = np.random.default_rng(1)
    fares = random.choice(["7.8958", "7.8792", "8.05", "26.0"], 2000).tolist()
    ages, more = random.integers(0, 80, 2000).tolist(), random.lognormal(2, 1, 2000).tolist()
    rows = [
        [str(random.integers(1, 4)), str(ages[number]), fares[number], f"{more[number]:.2f}", "xy"[number % 2]]
        for number in range(2000)
    ]
    write(project, rows, "class,age,fare,more,label")
    assert not issues(project.prepare("sources: [{table: t.csv}]\nlabel: label\n"), "near-duplicate")
