"""A small residual network for pictures (``pixels``), trained from nothing on the processor.

The work is in :mod:`modelwright.models.convnet_training`; the layers are in :mod:`modelwright.models.convnet_layers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelwright.errors import IntegrityError
from modelwright.models import augment, convnet_layers, files
from modelwright.models.base import FitContext, Fold, History, Task
from modelwright.tasks.base import Encoding

SCORING_BATCH = 128


class ConvnetModel:
    """A trained network. ``meta``: the plan of the layers, and for a number its ``value_mean`` and ``value_scale``."""

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], history: History | None = None
    ) -> None:
        self.history = history or History()
        self._tensors = dict(tensors)
        self._meta = dict(meta)
        self._network: Any = None

    def _ready(self) -> Any:
        """Return the network, built on first use."""
        import torch

        if self._network is None:
            network = convnet_layers.module(
                self._meta["layers"],
                len(self._tensors["mean"]),
                len(self._tensors["head.bias"]),
                self._tensors["mean"].tolist(),
                self._tensors["scale"].tolist(),
            )
            state = {name: torch.from_numpy(value.copy()) for name, value in self._tensors.items()}
            network.load_state_dict(state, strict=False)  # only batch normalisation's step counters are left out
            network.to(memory_format=torch.channels_last).eval()
            self._network = network
        return self._network

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, k)`` logits or ``(n, 1)`` values, by torch, in batches of 128."""
        import torch

        from modelwright.models import torch_settings

        network = self._ready()
        found = [np.zeros((0, len(self._tensors["head.bias"])), np.float32)]
        with torch_settings.steady(int(self._meta["threads"])), torch.inference_mode():
            for start in range(0, len(features), SCORING_BATCH):
                batch = torch.from_numpy(np.array(features[start : start + SCORING_BATCH])).permute(0, 3, 1, 2).float()
                if len(self._tensors["mean"]) == 1:
                    batch = batch.mean(dim=1, keepdim=True)
                found.append(network(batch).numpy())
        scores = np.concatenate(found)
        if self._meta["value_scale"] is None:
            return scores
        return np.asarray(scores * self._meta["value_scale"] + self._meta["value_mean"], np.float32)

    def to_onnx(self) -> Any:
        """Return the graph, written layer by layer, batch normalisation folded in."""
        meta = self._meta
        return convnet_layers.to_onnx(
            meta["layers"], self._tensors, meta["shape"], meta["value_scale"], meta["value_mean"]
        )

    def save(self, folder: Path) -> None:
        """Write ``network.safetensors`` and ``network.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        files.write_tensors(folder / "network.safetensors", self._tensors)
        files.write_json(folder / "network.json", self._meta)

    def importance(self) -> NDArray[np.float64] | None:
        """Return None: pixels have no names."""
        return None


def _changes(task: Task) -> dict[str, Any]:
    """Return what may be changed in a training picture without making another sample of it."""
    if task.modality == "audio":
        return dict(augment.SPECTROGRAM)
    return {**augment.STANDARD, "flip": "colour"}


class Convnet:
    """Residual network, AdamW, warm-up and cosine decay, augmentation, early stopping, the best epoch kept."""

    name: ClassVar[str] = "convnet"
    version: ClassVar[int] = 1
    tasks: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (modality, target) for modality in ("image", "audio") for target in ("category", "number", "tags")
    )
    encoding: ClassVar[Encoding] = "pixels"

    def candidates(self, task: Task) -> list[dict[str, Any]]:
        """Return one setting, sized for a processor: epochs such that all samples × epochs stay near a fixed sum."""
        side = min(task.shape[:2])
        shown = 40_000 if side <= 12 else 150_000 if side <= 40 else 40_000 if side <= 80 else 16_000
        return [
            {
                "width": 16,
                "epochs": int(np.clip(round(shown / max(1, task.samples)), 10, 60)),
                "batch": 64 if task.samples >= 640 else 16,
                "learning_rate": 0.004,
                "weight_decay": 0.05,
                "augment": _changes(task),
            }
        ]

    def draw(self, task: Task, random: np.random.Generator) -> dict[str, Any]:
        """Draw learning rate, decay, width and strength of augmentation around the usual setting."""
        params = self.candidates(task)[0]
        strength = float(random.choice([0.5, 1.0, 1.5]))
        return {
            **params,
            "width": int(random.choice([16, 24, 32])),
            "learning_rate": float(np.round(10 ** random.uniform(-3, -2), 5)),
            "weight_decay": float(np.round(10 ** random.uniform(-3, -0.7), 5)),
            "augment": {
                name: value if isinstance(value, str) else value * strength for name, value in _changes(task).items()
            },
        }

    def fit(
        self, train: Fold, validation: Fold, task: Task, params: Mapping[str, Any], context: FitContext
    ) -> ConvnetModel:
        """Learn; goes on from ``context.checkpoints`` to the same weights, bit by bit, after a kill."""
        from modelwright.models.convnet_training import Training

        return ConvnetModel(*Training(train, validation, task, params, context).run())

    def load(self, folder: Path) -> ConvnetModel:
        """Open a saved network; every tensor must have the shape that the plan of the layers gives."""
        keys = ["layers", "shape", "threads", "value_mean", "value_scale"]
        meta = files.read_json(folder / "network.json", keys)
        tensors = files.read_tensors(folder / "network.safetensors")
        try:
            inputs, outputs = len(tensors["mean"]), len(tensors["head.bias"])
            right = convnet_layers.tensor_shapes(meta["layers"], inputs, outputs)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"the network's plan or tensors are not complete: {error!r}") from error
        found = {name: value.shape for name, value in tensors.items()}
        if found != right:
            wrong = sorted(name for name in set(found) | set(right) if found.get(name) != right.get(name))
            raise IntegrityError(f"network.safetensors does not fit network.json at {', '.join(wrong[:3])}")
        return ConvnetModel(tensors, meta)
