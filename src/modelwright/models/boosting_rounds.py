"""How LightGBM is asked to learn: its parameters, and the rounds of one booster with early stopping and deadline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright.errors import IntegrityError, ModelwrightError
from modelwright.models.base import FitContext, Task

MOST_ROUNDS = 3000
SMALL = 100_000
"""Numbers (samples × features) below which a second thread costs more than it brings."""
OBJECTIVES = {
    "cross-entropy": "multiclass",
    "squared": "regression",
    "absolute": "regression_l1",
    "huber": "huber",
}


def open_booster(text: str) -> Any:
    """Return LightGBM's own object for a text in its format; :func:`tree_text.audit` has to have seen a stranger's."""
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise IntegrityError(f"trees.txt of the model is not a LightGBM model: {error}") from error


class Listener:
    """LightGBM callback: learning curve, progress, early stopping, deadline."""

    def __init__(self, context: FitContext, patience: int) -> None:
        self.curve: list[dict[str, float]] = []
        self.best = (float("inf"), 0)
        self.cut_short = False
        self._context = context
        self._patience = patience
        self._start = time.monotonic()
        self.order = 10
        self.before_iteration = False

    def __call__(self, env: Any) -> None:
        """Note one round; raise LightGBM's own signal to stop."""
        from lightgbm.callback import EarlyStopException

        losses = {name: float(value) for name, _, value, _ in env.evaluation_result_list}
        step = env.iteration + 1
        seconds = time.monotonic() - self._start
        train, held_out = losses["train"], losses.get("validation", losses["train"])
        self.curve.append({"step": step, "train_loss": train, "validation_loss": held_out, "seconds": seconds})
        # A gain below one part in ten thousand is not worth more trees.
        if held_out < self.best[0] - 1e-4 * abs(self.best[0] if np.isfinite(self.best[0]) else 0.0):
            self.best = (held_out, step)
        if step % 10 == 0:
            self._context.progress.advance(10, f"loss {held_out:.4g}")
        self.cut_short = self._context.out_of_time()
        if self.cut_short or step - self.best[1] >= self._patience:
            raise EarlyStopException(self.best[1] - 1, [])


def settings_of(task: Task, params: Mapping[str, Any], context: FitContext, threads: int) -> dict[str, Any]:
    """Return LightGBM's parameters."""
    if task.target == "tags":
        objective: dict[str, Any] = {"objective": "binary"}
    elif task.target == "category":
        objective = {"objective": "binary"}
        if task.classes > 2:
            objective = {"objective": "multiclass", "num_class": task.classes}
    else:
        objective = {"objective": OBJECTIVES.get(context.loss, "regression")}
    return {
        **objective,
        "learning_rate": float(params["learning_rate"]),
        "num_leaves": int(params["leaves"]),
        "min_data_in_leaf": int(params["least_in_leaf"]),
        "feature_fraction": float(params["features"]),
        "bagging_fraction": float(params["rows"]),
        "bagging_freq": 1,
        "lambda_l2": float(params["l2"]),
        "cat_smooth": 10.0,
        "max_cat_threshold": 32,
        "min_data_per_group": max(10, int(params["least_in_leaf"])),
        "seed": context.seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "num_threads": threads,
        "verbosity": -1,
    }


@dataclass(frozen=True)
class Grown:
    """A booster, how many of its own rounds are worth keeping, and who listened."""

    booster: Any
    best: int
    listener: Listener


def grow(settings: Mapping[str, Any], sets: Mapping[str, Any], context: FitContext, warm: Any = None) -> Grown:
    """Learn until the validation loss has not fallen for a while.

    Parameters
    ----------
    settings
        As :func:`settings_of` gives them.
    sets
        LightGBM datasets: ``train``, and ``validation`` where there is one (200 rounds where there is none).
    warm
        A booster to go on from, or None.
    """
    import lightgbm

    listener = Listener(context, max(50, int(3 / float(settings["learning_rate"]))))
    held_out = "validation" in sets
    rounds = MOST_ROUNDS if held_out else 200
    try:
        booster = lightgbm.train(
            dict(settings),
            sets["train"],
            rounds,
            valid_sets=list(sets.values()),
            valid_names=list(sets),
            init_model=warm,
            callbacks=[listener],
        )
    except lightgbm.basic.LightGBMError as error:
        raise ModelwrightError(f"gradient boosting failed: {error}", code="fit-failed") from error
    return Grown(booster, listener.best[1] if held_out else rounds, listener)


def kept_text(grown: Grown, width: int) -> str:
    """Return the best rounds in LightGBM's format, without the parameters of the run: threads would change the bytes.

    Parameters
    ----------
    width
        Trees a round.
    """
    before = grown.booster.num_trees() // width - len(grown.listener.curve)
    text: str = grown.booster.model_to_string(num_iteration=max(1, before + grown.best))
    return text.partition("\nparameters:")[0] + "\n"
