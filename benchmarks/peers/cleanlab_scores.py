"""The peer of the label benchmark: cleanlab's scores and counts for given out-of-fold probabilities.

Runs in its own environment; what is exchanged is arrays only::

    python cleanlab_scores.py labels.npy probabilities.npy scores.npz

``scores.npz`` holds one array ``(n,)`` a method (low is suspicious), and ``listed``: the places that
``find_label_issues`` names.
"""

import sys

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

METHODS = {
    "self_confidence": ("self_confidence", False),
    "normalized_margin": ("normalized_margin", False),
    "adjusted_self_confidence": ("self_confidence", True),
    "adjusted_normalized_margin": ("normalized_margin", True),
    "confidence_weighted_entropy": ("confidence_weighted_entropy", False),
}


def main(labels_path: str, probabilities_path: str, out: str) -> None:
    """Score and list."""
    labels, probabilities = np.load(labels_path), np.load(probabilities_path).astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    scores = {
        name: get_label_quality_scores(labels, probabilities, method=method, adjust_pred_probs=adjusted)
        for name, (method, adjusted) in METHODS.items()
    }
    listed = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence")
    np.savez(out, listed=listed, **scores)


if __name__ == "__main__":
    main(*sys.argv[1:4])
