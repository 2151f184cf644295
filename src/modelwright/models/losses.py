"""Loss functions by name, for families that learn by gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError

if TYPE_CHECKING:
    import torch

CATEGORY = ("cross-entropy", "label-smoothing", "focal")
NUMBER = ("squared", "absolute", "huber")


def per_sample(name: str, scores: torch.Tensor, truth: torch.Tensor) -> Any:
    """Return the loss of each sample ``(n,)``.

    Parameters
    ----------
    name
        ``cross-entropy``; ``label-smoothing`` (0.1; Szegedy et al., 2016); ``focal`` (gamma 2; Lin et al., 2017);
        ``squared``; ``absolute``; ``huber`` (delta 1 standard deviation).
    scores
        ``(n, k)`` logits, or ``(n, 1)`` standardised values.
    truth
        ``(n,)`` class indices, or standardised values.

    Raises
    ------
    InputError
        For another name.
    """
    from torch.nn import functional

    if name == "cross-entropy":
        return functional.cross_entropy(scores, truth, reduction="none")
    if name == "label-smoothing":
        return functional.cross_entropy(scores, truth, reduction="none", label_smoothing=0.1)
    if name == "focal":
        plain = functional.cross_entropy(scores, truth, reduction="none")
        return (1.0 - (-plain).exp()) ** 2 * plain
    if name == "squared":
        return functional.mse_loss(scores[:, 0], truth, reduction="none")
    if name == "absolute":
        return functional.l1_loss(scores[:, 0], truth, reduction="none")
    if name == "huber":
        return functional.huber_loss(scores[:, 0], truth, reduction="none")
    raise InputError(f"there is no loss {name!r}; there are {', '.join(CATEGORY + NUMBER)}", code="unknown-name")
