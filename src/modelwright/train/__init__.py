"""Dataset → Model: a shortlist, fits that can be killed and go on, the best by held-out samples, calibration."""

from __future__ import annotations

from modelwright.train.training import train

__all__ = ["train"]
