"""The small residual network: planned from sizes alone, as a torch module, and as an ONNX graph.

The plan is a JSON-ready list of layers. Both the module and the graph are made by walking it, so that they cannot
differ. Batch normalisation (Ioffe and Szegedy, 2015) is folded into the convolutions of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.models import onnx_graph

Plan = list[dict[str, Any]]
EPSILON = 1e-5


def plan(side: int, width: int) -> Plan:
    """Return the layers for pictures whose shorter side is ``side`` pixels.

    ``{"kind": "conv", "in", "out", "stride"}``, ``{"kind": "residual", "channels"}`` (two convolutions and a shortcut;
    He et al., 2016) and ``{"kind": "pool"}`` (2 × 2 maximum). Halved until 3 to 5 pixels are left.
    """
    layers: Plan = []
    channels, now = width, side
    stride = 2 if now > 80 else 1  # large pictures lose half their side at once: most of the work is up here
    layers.append({"kind": "conv", "in": 0, "out": channels, "stride": stride})
    now = (now + stride - 1) // stride
    if now > 20:
        layers.append({"kind": "pool"})
        now //= 2
    while True:
        wider = min(channels * 2, 128)
        layers.append({"kind": "conv", "in": channels, "out": wider, "stride": 1})
        channels = wider
        if now >= 6:
            layers.append({"kind": "pool"})
            now //= 2
        if now <= 16:
            layers.append({"kind": "residual", "channels": channels})
        if now <= 5:
            return layers


def convolutions(layers: Plan, inputs: int) -> list[tuple[str, int, int, int]]:
    """Return ``(name, channels in, channels out, stride)`` of every convolution, in order."""
    found = []
    for number, layer in enumerate(layers):
        if layer["kind"] == "conv":
            found.append((f"layer{number}", int(layer["in"]) or inputs, int(layer["out"]), int(layer["stride"])))
        elif layer["kind"] == "residual":
            size = int(layer["channels"])
            found += [(f"layer{number}a", size, size, 1), (f"layer{number}b", size, size, 1)]
    return found


def tensor_shapes(layers: Plan, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor that a saved network holds."""
    shapes: dict[str, tuple[int, ...]] = {"mean": (inputs,), "scale": (inputs,)}
    channels = 0
    for name, before, after, _ in convolutions(layers, inputs):
        shapes[f"convs.{name}.weight"] = (after, before, 3, 3)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"norms.{name}.{part}"] = (after,)
        channels = after
    shapes["head.weight"] = (outputs, 2 * channels)
    shapes["head.bias"] = (outputs,)
    return shapes


def module(layers: Plan, inputs: int, outputs: int, mean: Sequence[float], scale: Sequence[float]) -> Any:
    """Return the network as a ``torch.nn.Module``: ``(n, inputs, h, w) float32`` in 0..255 to ``(n, outputs)``."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Network(nn.Module):
        """Layers as planned, then mean and maximum over the picture, then a linear layer."""

        mean: torch.Tensor
        scale: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
            self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
            channels = inputs
            for name, before, after, stride in convolutions(layers, inputs):
                conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                self.convs[name] = conv
                self.norms[name] = nn.BatchNorm2d(after, eps=EPSILON)
                channels = after
            self.head = nn.Linear(2 * channels, outputs)
            nn.init.zeros_(self.head.bias)

        def _unit(self, x: torch.Tensor, name: str) -> torch.Tensor:
            made: torch.Tensor = self.norms[name](self.convs[name](x))
            return made

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            """Return scores."""
            x = (pixels - self.mean[None, :, None, None]) * self.scale[None, :, None, None]
            for number, layer in enumerate(layers):
                if layer["kind"] == "pool":
                    x = functional.max_pool2d(x, 2)
                elif layer["kind"] == "conv":
                    x = functional.relu(self._unit(x, f"layer{number}"))
                else:
                    inner = functional.relu(self._unit(x, f"layer{number}a"))
                    x = functional.relu(x + self._unit(inner, f"layer{number}b"))
            pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
            scores: torch.Tensor = self.head(pooled)
            return scores

    return Network()


def _folded(tensors: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the kernel and bias of a convolution with its batch normalisation folded in, in double precision."""
    part = {key: tensors[f"norms.{name}.{key}"].astype(np.float64) for key in ("weight", "bias")}
    mean = tensors[f"norms.{name}.running_mean"].astype(np.float64)
    gain = part["weight"] / np.sqrt(tensors[f"norms.{name}.running_var"].astype(np.float64) + EPSILON)
    kernel = tensors[f"convs.{name}.weight"].astype(np.float64) * gain[:, None, None, None]
    return kernel.astype(np.float32), (part["bias"] - mean * gain).astype(np.float32)


class _Writer:
    """Collects nodes and constants while the plan is walked."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._tensors = tensors

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(onnx_graph.node(kind, inputs, output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = value
        return name

    def conv(self, source: str, name: str, stride: int) -> str:
        kernel, bias = _folded(self._tensors, name)
        inputs = [source, self.constant(f"{name}_kernel", kernel), self.constant(f"{name}_bias", bias)]
        return self.add("Conv", inputs, f"{name}_out", pads=[1, 1, 1, 1], strides=[stride, stride])


def to_onnx(
    layers: Plan,
    tensors: Mapping[str, NDArray[Any]],
    shape: Sequence[int],
    value_scale: float | None = None,
    value_mean: float = 0.0,
) -> Any:
    """Return the graph: ``features (n, h, w, 3) uint8`` to ``scores``.

    ``value_scale`` and ``value_mean`` bring a standardised number back to its unit.
    """
    from onnx import TensorProto

    inputs = len(tensors["mean"])
    out = _Writer(tensors)
    out.add("Cast", ["features"], "pixels", to=TensorProto.FLOAT)
    x = out.add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    if inputs == 1:
        x = out.add("ReduceMean", [x, out.constant("channel_axis", np.array([1], np.int64))], "grey", keepdims=1)
    x = out.add("Sub", [x, out.constant("mean", tensors["mean"].reshape(1, -1, 1, 1))], "centred")
    x = out.add("Mul", [x, out.constant("inverse_std", tensors["scale"].reshape(1, -1, 1, 1))], "normal")
    for number, layer in enumerate(layers):
        name = f"layer{number}"
        if layer["kind"] == "pool":
            x = out.add("MaxPool", [x], name, kernel_shape=[2, 2], strides=[2, 2])
        elif layer["kind"] == "conv":
            x = out.add("Relu", [out.conv(x, name, int(layer["stride"]))], name)
        else:
            inner = out.add("Relu", [out.conv(x, f"{name}a", 1)], f"{name}a")
            x = out.add("Relu", [out.add("Add", [x, out.conv(inner, f"{name}b", 1)], f"{name}_sum")], name)
    mean, most = out.add("GlobalAveragePool", [x], "average"), out.add("GlobalMaxPool", [x], "maximum")
    flat = out.add("Flatten", [out.add("Concat", [mean, most], "pooled", axis=1)], "flat", axis=1)
    weight, bias = tensors["head.weight"].astype(np.float64), tensors["head.bias"].astype(np.float64)
    if value_scale is not None:
        weight, bias = weight * value_scale, bias * value_scale + value_mean
    head = [flat, out.constant("head", weight.astype(np.float32)), out.constant("head_bias", bias.astype(np.float32))]
    out.add("Gemm", head, "scores", transB=1)
    return onnx_graph.build(out.nodes, out.constants, shape, "uint8", len(bias))
