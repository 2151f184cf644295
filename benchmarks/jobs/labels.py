"""Label errors that people really made (CIFAR-10N), found by ours and by cleanlab.

Two questions, over the five columns of human labels whose clean labels are known:

1. *Given the same out-of-fold probabilities* (ours), who ranks the wrong labels better? AUROC, average precision, and
   precision at the noise rate, with bootstrap intervals over the pictures of both and of their difference. cleanlab's
   figure is that of its best method, chosen with the truth in hand: more than a user could do.
2. *The whole way*, from picture files to issues: ours against a convnet in five folds and cleanlab. The network trains
   as long as it takes for its out-of-fold accuracy (against the clean labels) to be no worse than ours.

The records' ``ours`` and ``peer`` are the figures, ``ratio`` is ours ÷ peer; the whole-way time is also given in
processor seconds, since those do not depend on what else the machine does.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import DATA
from benchmarks.environments import PEERS, WORK, clean_environment, ours, peer
from benchmarks.measure import Record

FOLDER = DATA / "cifar10-human-labels"
COLUMNS = ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
WHOLE_WAY = ("random_label1",)
EPOCHS = 16
BEST_OF = (
    "self_confidence",
    "normalized_margin",
    "adjusted_self_confidence",
    "adjusted_normalized_margin",
    "confidence_weighted_entropy",
)
COMMAND = "python -m benchmarks --jobs labels"

OURS = """
import json, sys, time
wall, processor = time.perf_counter(), time.process_time()
import numpy as np
import modelwright
project = modelwright.open(sys.argv[1])
project.prepare()
taken = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
print(json.dumps(taken))
"""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def auroc(scores: Floats, wrong: Flags) -> float:
    """Return the area under the ROC curve of ``scores`` (high is suspicious), ties counted half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = int(wrong.sum())
    return float((ranks[wrong].sum() - positive * (positive + 1) / 2) / (positive * (len(wrong) - positive)))


def average_precision(scores: Floats, wrong: Flags) -> float:
    """Return the mean precision at the rank of each wrong label."""
    hits = wrong[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def precision_at_noise(scores: Floats, wrong: Flags) -> float:
    """Return the precision among as many of the most suspicious as there are wrong ones."""
    return float(wrong[np.argsort(-scores, kind="stable")[: int(wrong.sum())]].mean())


MEASURES: dict[str, Callable[[Floats, Flags], float]] = {
    "AUROC": auroc,
    "average precision": average_precision,
    "precision at the noise rate": precision_at_noise,
}


def paired(
    measure: Callable[[Floats, Flags], float], one: Floats, other: Floats, wrong: Flags, repeats: int = 300
) -> tuple[float, ...]:
    """Return both figures, and the 95 % bootstrap intervals of the first and of the ratio."""
    random = np.random.default_rng(0)
    first, ratios = [], []
    for _ in range(repeats):
        drawn = random.integers(0, len(wrong), len(wrong))
        figure = measure(one[drawn], wrong[drawn])
        first.append(figure)
        ratios.append(figure / measure(other[drawn], wrong[drawn]))
    low, high = np.quantile(first, [0.025, 0.975])
    ratio_low, ratio_high = np.quantile(ratios, [0.025, 0.975])
    return measure(one, wrong), measure(other, wrong), float(low), float(high), float(ratio_low), float(ratio_high)


def _rows() -> list[dict[str, str]]:
    with (FOLDER / "train_labels.csv").open() as file:
        return list(csv.DictReader(file))


def _pictures() -> Path:
    """Unpack the pictures once, under the names that the table gives them."""
    folder = WORK / "labels" / "pictures"
    if not (folder / ".made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.unpack_archive(FOLDER / "images.zip", folder)
        (folder / ".made").touch()
    return folder


def _project(column: str) -> Path:
    """Write a project whose folders are the classes of one column."""
    folder = WORK / "labels" / column
    shutil.rmtree(folder, ignore_errors=True)
    names = (FOLDER / "classes.txt").read_text().split()
    for row in _rows():
        target = folder / "photos" / names[int(row[column])] / f"{row['index']}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_pictures() / row["file"], target)
    (folder / "modelwright.yaml").write_text("input: image\noutput: category\nsources:\n  - folder: photos/\n")
    return folder


def _run_ours(column: str) -> dict[str, Any]:
    """Prepare from nothing in our environment; return the time it took, and the probabilities, in the table's order."""
    folder = _project(column)
    done = subprocess.run(
        [str(ours("all")), "-c", OURS, str(folder)], check=True, env=clean_environment(), capture_output=True, text=True
    )
    taken: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    (kept,) = (folder / ".modelwright/cache/labels").glob("*.npz")
    rows = {row["index"]: place for place, row in enumerate(_rows())}
    names = (FOLDER / "classes.txt").read_text().split()
    # The check sees classes by name, and pictures in the order of the folders.
    order = _checked_order(folder)
    with np.load(kept, allow_pickle=False) as file:
        values, inside = file["values"], file["inside"]
    by_code = np.argsort(np.array(names))
    made = np.full((len(rows), len(names)), np.nan)
    for place, row in zip(inside.tolist(), values, strict=True):
        made[rows[order[place]], by_code] = row
    return {**taken, "probabilities": made}


def _checked_order(folder: Path) -> list[str]:
    """Return the indices of the pictures that took part, in the order of the dataset."""
    import pyarrow.parquet as pq

    (table,) = (folder / ".modelwright/artifacts/dataset").glob("*/content/samples.parquet")
    found = pq.read_table(table, columns=["path", "status"]).to_pylist()
    return [Path(each["path"]).stem for each in found if each["status"] == "kept"]


def _cleanlab(labels: NDArray[np.int64], probabilities: Floats, folder: Path) -> dict[str, NDArray[Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "probabilities.npy", probabilities)
    arguments = [str(folder / name) for name in ("labels.npy", "probabilities.npy", "scores.npz")]
    subprocess.run(
        [str(peer("cleanlab")), str(PEERS / "cleanlab_scores.py"), *arguments], check=True, env=clean_environment()
    )
    with np.load(folder / "scores.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _same_probabilities(
    column: str, labels: NDArray[np.int64], clean: NDArray[np.int64], probabilities: Floats
) -> list[Record]:
    from modelwright.prepare.clean.labels import confident

    inside = np.flatnonzero(np.isfinite(probabilities).all(1))
    given, wrong, values = labels[inside], (labels != clean)[inside], probabilities[inside]
    joint = confident.confident_joint(values, given)
    mine = -confident.quality(values, given, joint.thresholds)
    theirs = _cleanlab(given, values, WORK / "labels" / "exchange")
    records = []
    for name, measure in MEASURES.items():
        best = max(BEST_OF, key=lambda method: measure(-theirs[method], wrong))
        figure, other, low, high, ratio_low, ratio_high = paired(measure, mine, -theirs[best], wrong)
        records.append(
            Record(
                "labels",
                f"{column}, {name}, same probabilities / cleanlab",
                figure,
                other,
                "",
                round(figure / other, 4),
                round(ratio_low, 4),
                round(ratio_high, 4),
                "≥ 1 ×",
                figure >= other,
                len(inside),
                COMMAND,
                note=f"ours {low:.3f} to {high:.3f}; cleanlab's best here: {best}; "
                f"wrong {wrong.mean():.3f}, estimated {joint.wrong:.3f}",
            )
        )
    return records


def _whole_way(column: str, labels: NDArray[np.int64], clean: NDArray[np.int64], mine: dict[str, Any]) -> list[Record]:
    from modelwright.prepare.clean.labels import confident

    out = WORK / "labels" / f"convnet-{column}.npz"
    script = [
        str(peer("cleanlab")),
        str(PEERS / "cleanlab_convnet.py"),
        str(_pictures()),
        str(FOLDER / "train_labels.csv"),
    ]
    done = subprocess.run(
        [*script, column, str(EPOCHS), str(out)], check=True, env=clean_environment(), capture_output=True, text=True
    )
    taken = json.loads(done.stdout.splitlines()[-1])
    with np.load(out, allow_pickle=False) as file:
        theirs = file["probabilities"].astype(np.float64)
    wrong = labels != clean
    probabilities = np.nan_to_num(mine["probabilities"], nan=0.1)
    joint = confident.confident_joint(probabilities, labels)
    figure, other, low, high, ratio_low, ratio_high = paired(
        auroc,
        -confident.quality(probabilities, labels, joint.thresholds),
        -confident.self_confidence(theirs, labels),
        wrong,
    )
    accuracy = [float((each.argmax(1) == clean).mean()) for each in (probabilities, theirs)]
    note = f"accuracy out of fold {accuracy[0]:.3f} and {accuracy[1]:.3f} (convnet, {EPOCHS} epochs)"
    make = partial(Record, "labels", unit="s", low=None, high=None, pairs=1, command=COMMAND, note=note)
    records = [
        Record(
            "labels",
            f"{column}, AUROC, whole way / convnet + cleanlab",
            figure,
            other,
            "",
            round(figure / other, 4),
            round(ratio_low, 4),
            round(ratio_high, 4),
            "≥ 1 ×",
            figure >= other,
            len(labels),
            COMMAND,
            note=f"ours {low:.3f} to {high:.3f}; {note}",
        )
    ]
    for word, key in (("seconds", "seconds"), ("processor seconds", "processor_seconds")):
        ratio = mine[key] / taken[key]
        records.append(
            make(
                measure=f"{column}, {word}, whole way / convnet + cleanlab",
                ours=mine[key],
                peer=taken[key],
                ratio=round(ratio, 4),
                goal="≤ 0.2 ×",
                met=ratio <= 0.2,
            )
        )
    return records


def run(pairs: int) -> list[Record]:
    """Measure; the figures are of fixed data, so ``pairs`` changes nothing."""
    del pairs
    if not FOLDER.is_dir():
        print(
            f"  skipped: {FOLDER} is not there (MODELWRIGHT_SHARED_DATA names the folder of real data)", file=sys.stderr
        )
        return []
    rows = _rows()
    clean = np.array([int(row["clean_label"]) for row in rows])
    records: list[Record] = []
    for column in COLUMNS:
        labels = np.array([int(row[column]) for row in rows])
        mine = _run_ours(column)
        records += _same_probabilities(column, labels, clean, mine["probabilities"])
        if column in WHOLE_WAY:
            records += _whole_way(column, labels, clean, mine)
    return records
