"""Loss functions by name, for families that learn by gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError

if TYPE_CHECKING:
    import torch

CATEGORY = ("cross-entropy", "label-smoothing", "focal")
NUMBER = ("squared", "absolute", "huber")
TAGS = ("binary-cross-entropy", "focal", "asymmetric")
DEFAULT = {"category": CATEGORY[0], "number": NUMBER[0], "tags": TAGS[0]}
"""The plain loss of each target: what is learned by if nothing else is asked for, and validated by."""


def per_sample(name: str, scores: torch.Tensor, truth: torch.Tensor) -> Any:
    """Return the loss of each sample ``(n,)``, or of each tag of each sample ``(n, k)``.

    Parameters
    ----------
    name
        ``cross-entropy``; ``label-smoothing`` (0.1; Szegedy et al., 2016); ``focal`` (gamma 2; Lin et al., 2017);
        ``squared``; ``absolute``; ``huber`` (delta 1 standard deviation). Of tags ``binary-cross-entropy``; ``focal``;
        ``asymmetric`` (easy negatives count less, and below a probability of 0.05 not at all; Ridnik et al., 2021).
    scores
        ``(n, k)`` logits, or ``(n, 1)`` standardised values.
    truth
        ``(n,)`` class indices, or standardised values; ``(n, k)`` 0 or 1 for tags.

    Raises
    ------
    InputError
        For another name.
    """
    from torch.nn import functional

    if truth.ndim == 2:
        return _per_tag(name, scores, truth)
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


def _per_tag(name: str, scores: torch.Tensor, truth: torch.Tensor) -> Any:
    from torch.nn import functional

    if name == "binary-cross-entropy":
        return functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    if name == "focal":
        plain = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        return (1.0 - (-plain).exp()) ** 2 * plain
    if name == "asymmetric":
        sure = scores.sigmoid()
        shifted = (sure - 0.05).clamp(min=0.0)
        there = truth * functional.logsigmoid(scores)
        absent = (1.0 - truth) * shifted**4 * (1.0 - shifted).clamp(min=1e-8).log()
        return -(there + absent)
    raise InputError(f"there is no loss {name!r} of tags; there are {', '.join(TAGS)}", code="unknown-name")
