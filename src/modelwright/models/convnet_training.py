"""The training loop of the convnet: batches made on tensors, one checkpoint an epoch, the same weights every time.

All chance comes from one generator per epoch, seeded with the run's seed and the epoch's number, so that a run that
goes on after kill -9 needs nothing but the last checkpoint to end at the same bits.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import ModelwrightError
from modelwright.models import augment, convnet_layers, files, losses, torch_settings
from modelwright.models.base import FitContext, Fold, History, Task

if TYPE_CHECKING:
    import torch

IN_MEMORY = 256 << 20
"""Training pictures up to this size (as bytes of 8-bit planes) are held as one tensor; larger ones stay memory maps."""
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""

Tensors = dict[str, NDArray[Any]]


class _Pictures:
    """A fold's pictures as batches of ``(n, channels, h, w) float32``, channels last in memory."""

    def __init__(self, fold: Fold, channels: int) -> None:
        import torch

        self._fold = fold
        self._channels = channels
        size = fold.count * int(np.prod(fold.features.shape[1:3])) * channels
        self._held: torch.Tensor | None = None
        if size <= IN_MEMORY:
            pieces = [self._read(slice(start, start + 4096)) for start in range(0, fold.count, 4096)]
            self._held = torch.from_numpy(np.concatenate(pieces)) if pieces else None

    def _read(self, positions: NDArray[np.int64] | slice) -> NDArray[Any]:
        return np.ascontiguousarray(self._fold.take(positions)[..., : self._channels])

    def batch(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the pictures at ``positions``."""
        import torch

        held = torch.from_numpy(self._read(positions.numpy())) if self._held is None else self._held[positions]
        return held.permute(0, 3, 1, 2).float()


def _statistics(fold: Fold) -> tuple[bool, list[float], list[float]]:
    """Return whether all pictures are grey, and mean and 1/std per channel (0..255) of an evenly spaced part."""
    part = fold.fitting(64 << 20)
    grey = True
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for start in range(0, part.count, 256):
        pixels = part.take(slice(start, start + 256)).astype(np.float64)
        grey = grey and bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
        total += pixels.sum(axis=(0, 1, 2))
        squares += (pixels**2).sum(axis=(0, 1, 2))
        count += pixels.shape[0] * pixels.shape[1] * pixels.shape[2]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    kept = slice(0, 1 if grey else 3)
    return grey, mean[kept].tolist(), (1.0 / std[kept]).tolist()


class Training:
    """One fit of the convnet; :meth:`run` does it."""

    def __init__(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> None:
        self._train, self._validation = train, validation
        self._task, self._params, self._context = task, params, context
        self._outputs = task.classes or 1
        self._layers = convnet_layers.plan(min(task.shape[:2]), int(params["width"]))
        self._value_mean, self._value_scale = 0.0, 1.0
        if task.target == "number":
            self._value_mean = float(train.truth.astype(np.float64).mean())
            self._value_scale = float(train.truth.astype(np.float64).std()) or 1.0
        self._loss = context.loss or losses.DEFAULT[task.target]
        self._curve: list[dict[str, float]] = []
        self._best = (math.inf, 0)
        self._best_tensors: Tensors = {}

    def run(self) -> tuple[Tensors, dict[str, Any], History]:
        """Train, and return the best epoch's tensors, the description of the network, and the learning curve."""
        with torch_settings.steady(self._context.threads):
            return self._run()

    def _run(self) -> tuple[Tensors, dict[str, Any], History]:
        epochs = int(self._params["epochs"])
        self._prepare()
        first = self._resume()
        progress, patience = self._context.progress, max(5, epochs // 3)
        progress.begin("convnet", epochs)
        progress.advance(first)
        cut_short = False
        for epoch in range(first, epochs):
            if epoch - self._best[1] >= patience:
                break
            if epoch > 0 and self._context.out_of_time():
                cut_short = True
                break
            began = time.monotonic()
            train_loss = self._epoch(epoch, epochs)
            held_out = self._validate() if self._validation.count else train_loss
            if not math.isfinite(train_loss):
                raise ModelwrightError(
                    f"the convnet's loss became {train_loss} in epoch {epoch + 1}",
                    code="fit-failed",
                    hint="a lower learning rate may help",
                )
            seconds = time.monotonic() - began
            self._note(epoch + 1, train_loss, held_out, seconds)
            progress.advance(1, f"loss {train_loss:.4f}, validation {held_out:.4f}")
        history = History(tuple(self._curve), self._best[1], cut_short)
        return self._best_tensors, self._describe(), history

    def _note(self, step: int, train_loss: float, held_out: float, seconds: float) -> None:
        self._curve.append({"step": step, "train_loss": train_loss, "validation_loss": held_out, "seconds": seconds})
        if held_out < self._best[0] or not self._best_tensors:
            self._best = (held_out, step)
            self._best_tensors = self._tensors()
        self._checkpoint(step)

    def _describe(self) -> dict[str, Any]:
        number = self._task.target == "number"
        return {
            "layers": self._layers,
            "shape": list(self._task.shape),
            "threads": self._context.threads,
            "value_mean": self._value_mean if number else 0.0,
            "value_scale": self._value_scale if number else None,
        }

    def _prepare(self) -> None:
        """Build network and optimiser, and put the data within reach."""
        import torch

        grey, mean, scale = _statistics(self._train)
        self._settings = dict(self._params["augment"])
        if self._settings["flip"] == "colour":  # mirrored digits and letters are others; mirrored photos are not
            self._settings["flip"] = 0.0 if grey or min(self._task.shape[:2]) < 32 else 0.5
        channels = 1 if grey else 3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._context.seed)
            network = convnet_layers.module(self._layers, channels, self._outputs, mean, scale)
        self._network = network.to(memory_format=torch.channels_last)
        self._warm = self._load_warm()
        self._optimiser = torch.optim.AdamW(
            self._groups(), lr=1e-3, betas=(0.9, 0.98), weight_decay=float(self._params["weight_decay"]), fused=True
        )
        self._pictures = _Pictures(self._train, channels)
        self._held_out = _Pictures(self._validation, channels)
        self._truth, self._weights = self._tensors_of(self._train)
        self._held_truth, self._held_weights = self._tensors_of(self._validation)

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameters; decay acts on kernels alone, not on biases and normalisation."""
        kernels = [p for p in self._network.parameters() if p.ndim > 1]
        others = [p for p in self._network.parameters() if p.ndim <= 1]
        return [{"params": kernels}, {"params": others, "weight_decay": 0.0}]

    def _load_warm(self) -> bool:
        """Start from a saved network of the same shape. Its own normalisation is kept: its weights expect that."""
        import torch

        folder = self._context.warm_start
        if folder is None:
            return False
        saved = files.read_tensors(folder / "network.safetensors")
        own = {name: tuple(value.shape) for name, value in self._network.state_dict().items()}
        fits = all(own.get(name) == value.shape for name, value in saved.items())
        fits = fits and len(saved) == sum(not name.endswith("num_batches_tracked") for name in own)
        if not fits:
            self._context.progress.say("the earlier network has another shape: training starts from nothing")
            return False
        state = {name: torch.from_numpy(value) for name, value in saved.items()}
        self._network.load_state_dict(state, strict=False)
        return True

    def _tensors_of(self, fold: Fold) -> tuple[torch.Tensor, torch.Tensor | None]:
        import torch

        if self._task.target == "category":
            truth = torch.from_numpy(fold.truth.astype(np.int64))
        elif self._task.target == "tags":
            truth = torch.from_numpy(fold.truth.astype(np.float32))
        else:
            values = (fold.truth.astype(np.float64) - self._value_mean) / self._value_scale
            truth = torch.from_numpy(values.astype(np.float32))
        return truth, None if fold.weights is None else torch.from_numpy(fold.weights.astype(np.float32))

    def _rate(self, progress: float) -> float:
        """Return the learning rate at ``progress`` 0..1 of the run: warm-up, then a cosine to nothing."""
        most = float(self._params["learning_rate"]) * (0.3 if self._warm else 1.0)
        if progress < WARM_UP:
            return most * (0.05 + 0.95 * progress / WARM_UP)
        return most * 0.5 * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))

    def _batches(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Yield positions in random order; a rest too small for batch normalisation joins the batch before."""
        import torch

        order = torch.randperm(self._train.count, generator=generator)
        size = min(int(self._params["batch"]), self._train.count)
        full = max(1, self._train.count // size)
        for number in range(full):
            yield order[number * size : (number + 1) * size]
        rest = order[full * size :]
        if len(rest) >= size // 2 and len(rest) > 1:
            yield rest

    def _epoch(self, epoch: int, epochs: int) -> float:
        """Run one epoch and return the mean loss."""
        import torch

        generator = torch.Generator().manual_seed(self._context.seed * 100_003 + epoch)
        steps = max(1, self._train.count // max(1, int(self._params["batch"])))
        self._network.train()
        losses_seen: list[torch.Tensor] = []
        for step, positions in enumerate(self._batches(generator)):
            rate = self._rate(min(1.0, (epoch + step / steps) / epochs))
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            pixels = augment.apply(self._pictures.batch(positions), self._settings, generator)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            each = losses.per_sample(self._loss, self._network(pixels), self._truth[positions])
            loss = each.mean() if self._weights is None else (each * _along(self._weights[positions], each)).mean()
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
            losses_seen.append(loss.detach())
        return float(torch.stack(losses_seen).double().mean())

    def _validate(self) -> float:
        """Return the mean validation loss (the plain loss of the task, not the one trained with)."""
        import torch

        plain = self._loss if self._task.target == "number" else losses.DEFAULT[self._task.target]
        self._network.eval()
        total, weight = 0.0, 0.0
        with torch.inference_mode():
            for start in range(0, len(self._held_truth), 256):
                positions = torch.arange(start, min(start + 256, len(self._held_truth)))
                scores = self._network(self._held_out.batch(positions))
                each = losses.per_sample(plain, scores, self._held_truth[positions]).double()
                shares = torch.ones_like(each)
                if self._held_weights is not None:
                    shares = shares * _along(self._held_weights[positions], each)
                total += float((each * shares).sum())
                weight += float(shares.sum())
        return total / max(weight, 1e-12)

    def _tensors(self) -> Tensors:
        """Return a copy of the network's tensors, rows first in memory."""
        state = self._network.state_dict()
        kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
        return {name: value.detach().contiguous().numpy().copy() for name, value in kept.items()}

    def _checkpoint(self, step: int) -> None:
        """Leave everything that going on needs in one file, written whole or not at all."""
        from safetensors.numpy import save

        folder = self._context.checkpoints
        if folder is None:
            return
        tensors = {f"now/{name}": value for name, value in self._tensors().items()}
        tensors |= {f"best/{name}": value for name, value in self._best_tensors.items()}
        for number, state in enumerate(self._optimiser_states()):
            for key in ("exp_avg", "exp_avg_sq"):
                tensors[f"optimiser/{number}/{key}"] = state[key].contiguous().numpy()
        steps = float(self._optimiser_states()[0]["step"])
        notes = {"step": step, "optimiser_steps": steps, "best": list(self._best), "curve": self._curve}
        folder.mkdir(parents=True, exist_ok=True)
        files.replace_file(folder / "last.safetensors", save(tensors, {"state": json.dumps(notes)}))

    def _optimiser_states(self) -> list[dict[str, Any]]:
        return [self._optimiser.state[p] for group in self._optimiser.param_groups for p in group["params"]]

    def _resume(self) -> int:
        """Go on from the last checkpoint, if there is a whole one; return the number of epochs done."""
        import torch
        from safetensors import SafetensorError, safe_open

        path = None if self._context.checkpoints is None else self._context.checkpoints / "last.safetensors"
        if path is None or not path.exists():
            return 0
        try:
            with safe_open(path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
                notes = json.loads(file.metadata()["state"])
        except (SafetensorError, OSError, ValueError, KeyError):
            return 0  # damaged: it was only a cache of work
        parts: dict[str, Tensors] = {"now": {}, "best": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = value
        state = {name: torch.from_numpy(value) for name, value in parts["now"].items()}
        self._network.load_state_dict(state, strict=False)
        parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            moments = {key: torch.empty_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
            for key, value in moments.items():
                value.copy_(torch.from_numpy(tensors[f"optimiser/{number}/{key}"]))
            self._optimiser.state[parameter] = {"step": torch.tensor(notes["optimiser_steps"]), **moments}
        self._best, self._best_tensors = (float(notes["best"][0]), int(notes["best"][1])), parts["best"]
        self._curve = list(notes["curve"])
        return int(notes["step"])


def _along(weights: torch.Tensor, each: torch.Tensor) -> torch.Tensor:
    """Return weights ``(n,)`` or ``(n, k)`` so that they multiply losses ``(n,)`` or ``(n, k)``."""
    return weights[:, None] if weights.ndim < each.ndim else weights
