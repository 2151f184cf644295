"""Test figures of ``mw run`` on real data, beside a plain script on the very same split.

``python -m benchmarks.quality [NAME...]``. The plain scripts are what a practised person writes in ten minutes:
scikit-learn's histogram gradient boosting and a linear pipeline for tables, a small PyTorch convnet trained for a fixed
number of epochs for pictures, each fitted on training + validation rows and scored on the test rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np

from benchmarks.datasets import DATA, REAL_SETS, RealSet


def run_ours(real: RealSet, folder: Path) -> dict[str, Any]:
    """Write the raw files and the spec, and run the command line on them."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "modelwright.yaml").exists():
        real.write(folder)
        (folder / "modelwright.yaml").write_text(f"name: {real.name}\n{real.spec}")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "modelwright.cli.main", "-C", str(folder), "run", "--json"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{real.name}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    result["seconds"] = time.monotonic() - started
    return result


def _frame(folder: Path) -> tuple[Any, Any, list[str]]:
    """Return the kept rows of the newest dataset: columns, labels, splits."""
    from modelwright.store import Store
    from modelwright.store.dataset import Dataset

    store = Store.open(folder / ".modelwright")
    artifact = store.artifacts.latest("dataset")
    assert artifact is not None
    dataset = Dataset(store, artifact)
    return dataset, artifact, ["train", "validation", "test"]


def plain_table(folder: Path, number: bool) -> dict[str, float]:
    """Fit scikit-learn's usual pipelines on the same split."""
    import pyarrow.parquet as pq
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    dataset, artifact, _ = _frame(folder)
    samples = pq.read_table(artifact.path("samples.parquet")).to_pydict()
    rows = pq.read_table(artifact.path("rows.parquet"))
    known = {column["name"]: column["kind"] for column in dataset.schema["input"]["columns"]}
    split = np.array(
        [s if state == "kept" else "" for s, state in zip(samples["split"], samples["status"], strict=True)]
    )
    numbers, categories = [], []
    for name, kind in known.items():
        column = rows.column(name)
        if kind in {"number", "boolean"}:
            numbers.append(np.array([np.nan if v in {None, ""} else float(v) for v in column.to_pylist()]))
        else:
            categories.append(np.array(["" if v is None else str(v) for v in column.to_pylist()], dtype=object))
    number_block = np.stack(numbers, 1) if numbers else np.empty((len(split), 0))
    category_block = np.stack(categories, 1) if categories else np.empty((len(split), 0), dtype=object)
    table = np.concatenate([number_block.astype(object), category_block], axis=1)
    number_index = list(range(number_block.shape[1]))
    category_index = list(range(number_block.shape[1], table.shape[1]))
    truth = np.array(samples["label"], dtype=float if number else object)
    fit, test = np.isin(split, ["train", "validation"]), split == "test"
    trees = ColumnTransformer(
        [
            ("n", "passthrough", number_index),
            ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), category_index),
        ]
    )
    dense = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), number_index),
            ("c", OneHotEncoder(handle_unknown="ignore", min_frequency=5), category_index),
        ]
    )
    results: dict[str, float] = {}
    pairs = (
        (("boosting", trees, HistGradientBoostingRegressor(random_state=0)), ("linear", dense, RidgeCV()))
        if number
        else (
            ("boosting", trees, HistGradientBoostingClassifier(random_state=0)),
            ("linear", dense, LogisticRegression(max_iter=2000)),
        )
    )
    for name, encode, model in pairs:
        pipeline = make_pipeline(encode, model)
        pipeline.fit(table[fit], truth[fit])
        answer = pipeline.predict(table[test])
        if number:
            results[f"{name}.rmse"] = float(root_mean_squared_error(truth[test], answer))
            results[f"{name}.mae"] = float(mean_absolute_error(truth[test], answer))
            results[f"{name}.r2"] = float(r2_score(truth[test], answer))
        else:
            results[f"{name}.accuracy"] = float(accuracy_score(truth[test], answer))
            if len(set(truth)) == 2:
                results[f"{name}.auc_roc"] = float(
                    roc_auc_score(truth[test] == pipeline.classes_[1], pipeline.predict_proba(table[test])[:, 1])
                )
    return results


def plain_images(folder: Path, epochs: int) -> dict[str, float]:
    """Train a plain three-layer PyTorch convnet on the same split, pictures resized to at most 64 × 64."""
    import io

    import torch
    from PIL import Image
    from torch import nn

    dataset, _, _ = _frame(folder)
    classes = dataset.schema["output"]["classes"]
    side = 28 if folder.name == "fashion-mnist" else 64

    def load(split: str) -> tuple[torch.Tensor, torch.Tensor]:
        pictures = [
            np.asarray(Image.open(io.BytesIO(raw)).convert("RGB").resize((side, side))) for raw in dataset.raw(split)
        ]
        labels = [classes.index(label) for label in dataset.labels(split)]
        return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255, torch.tensor(labels)

    torch.manual_seed(0)
    parts = [load("train"), load("validation")]
    x, y = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    tx, ty = load("test")
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(128, len(classes)),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    steps = epochs * -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(epochs):
        net.train()
        for index in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[index]), y[index]).backward()
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        answer = torch.cat([net(part).argmax(1) for part in tx.split(256)])
    return {"convnet.accuracy": float((answer == ty).float().mean())}


def main() -> None:
    """Run the named data sets (default: all) and print one table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--work", type=Path, default=Path("benchmarks/work/quality"))
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit("the data sets are not here: set MODELWRIGHT_SHARED_DATA to their folder")
    records = []
    for real in REAL_SETS:
        if arguments.names and real.name not in arguments.names:
            continue
        folder = arguments.work / real.name
        ours = run_ours(real, folder)
        metrics = ours["report"]["metrics"]
        started = time.monotonic()
        if "image" in real.spec:
            plain = plain_images(folder, 60 if real.name != "fashion-mnist" else arguments.epochs)
        else:
            plain = plain_table(folder, "output: number" in real.spec)
        record = {
            "dataset": real.name,
            "seconds": round(ours["seconds"], 1),
            "ours": metrics,
            "plain": plain,
            "plain_seconds": round(time.monotonic() - started, 1),
        }
        records.append(record)
        shown = {name: metrics[name] for name in ("accuracy", "auc_roc", "rmse", "mae", "r2") if name in metrics}
        print(
            f"{real.name:22} {ours['seconds']:6.1f} s  "
            + "  ".join(f"{k} {v['value']:.4g} [{v['low']:.4g}, {v['high']:.4g}]" for k, v in shown.items())
        )
        print(
            f"{'  plain':22} {record['plain_seconds']:6.1f} s  " + "  ".join(f"{k} {v:.4g}" for k, v in plain.items()),
            flush=True,
        )
    arguments.work.mkdir(parents=True, exist_ok=True)
    (arguments.work / "quality.json").write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
