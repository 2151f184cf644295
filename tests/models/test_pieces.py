"""Folds, losses, layers, augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.engine.threads import settle_openmp
from modelwright.errors import InputError, IntegrityError
from modelwright.models import convnet_layers, files
from modelwright.models.base import FitContext, Fold, Task
from modelwright.models.linear import Logistic

settle_openmp()


def test_a_part_of_a_part_keeps_its_rows() -> None:
    features = np.arange(20).reshape(10, 2)
    fold = Fold(features, np.arange(10)).part(np.array([7, 3, 5])).part(np.array([2, 0]))
    assert fold.truth.tolist() == [5, 7]
    assert fold.take(slice(None)).tolist() == [[10, 11], [14, 15]]


def test_fitting_keeps_to_its_limit() -> None:
    fold = Fold(np.zeros((1000, 4), np.float32), np.arange(1000)).fitting(160)
    assert fold.count == 10
    assert fold.truth[[0, -1]].tolist() == [0, 999]


def test_a_class_that_training_lacks_is_very_unlikely() -> None:
    task = Task("table", "category", 3, 40, (2,))
    random = np.random.default_rng(0)
    features, truth = random.normal(size=(40, 2)).astype(np.float32), np.arange(40) % 2
    context = FitContext(seed=0, loss="", threads=1)
    scores = Logistic().fit(Fold(features, truth), Fold(features, truth), task, {"c": 1.0}, context).scores(features)
    assert (scores[:, 2] < scores[:, :2].max(axis=1) - 10).all()


@pytest.mark.parametrize("side", [4, 8, 12, 16, 28, 32, 48, 64, 96, 128, 224])
def test_layers_leave_a_picture_of_three_to_five_pixels(side: int) -> None:
    now = side
    for layer in convnet_layers.plan(side, 16):
        stride = 2 if layer["kind"] == "pool" else int(layer.get("stride", 1))
        now = now // 2 if layer["kind"] == "pool" else (now + stride - 1) // stride
    assert min(side, 3) <= now <= 5


@pytest.mark.parametrize("name", ["cross-entropy", "label-smoothing", "focal", "squared", "absolute", "huber"])
def test_losses_have_one_figure_a_sample(name: str) -> None:
    import torch

    from modelwright.models import losses

    category = name in losses.CATEGORY
    truth = torch.tensor([0, 1]) if category else torch.tensor([0.0, 1.0])
    found = losses.per_sample(name, torch.tensor([[1.0, 0.0], [0.0, 1.0]]) if category else truth[:, None], truth)
    assert found.shape == (2,)
    assert float(found.min()) >= 0


def test_an_unknown_loss_is_an_error() -> None:
    import torch

    from modelwright.models import losses

    with pytest.raises(InputError, match="there is no loss"):
        losses.per_sample("best", torch.zeros(1, 2), torch.zeros(1))


def test_augmentation_is_the_generators_alone_and_keeps_to_the_range() -> None:
    import torch

    from modelwright.models import augment

    pixels = torch.randint(0, 256, (16, 3, 20, 24), generator=torch.Generator().manual_seed(1)).float()
    settings = {**augment.STANDARD, "flip": 0.5}
    one, two = (augment.apply(pixels, settings, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one, two)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 255
    none = dict.fromkeys(augment.STANDARD, 0.0)
    same = augment.apply(pixels, none, torch.Generator().manual_seed(4))
    assert torch.allclose(same, pixels, atol=0.05)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    files.write_tensors(tmp_path / "a.safetensors", {"weights": np.array([1.0, np.nan])})
    with pytest.raises(IntegrityError, match="not finite"):
        files.read_tensors(tmp_path / "a.safetensors")


@pytest.mark.slow
def test_the_hand_written_graph_is_the_exporters() -> None:
    """The general exporter and the graph written by hand say the same of the same network."""
    import torch

    from modelwright.models.torch_export import to_onnx
    from modelwright.runtime.session import open_session

    layers = convnet_layers.plan(12, 8)
    torch.manual_seed(0)
    network = convnet_layers.module(layers, 3, 4, [100.0] * 3, [0.02] * 3).eval()
    model = to_onnx(network, (3, 12, 12), 4)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3)).astype(np.uint8)
    planes = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    (scores,) = open_session(model.SerializeToString()).run(["scores"], {"features": planes})
    tensors = {k: v.numpy() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    by_hand = convnet_layers.to_onnx(layers, tensors, (12, 12, 3))
    (ours,) = open_session(by_hand.SerializeToString()).run(["scores"], {"features": pixels})
    np.testing.assert_allclose(scores, ours, atol=1e-5)
