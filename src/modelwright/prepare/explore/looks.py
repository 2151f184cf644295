"""How the samples of a modality are shown to a person: as pictures, as words, and what their measures mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.drawing import small


@dataclass(frozen=True)
class Gauge:
    """How one measure is read.

    Parameters
    ----------
    unit
        Written behind its figures, such as ``"s"`` or ``"px"``; ``"%"`` for a share, which is kept as 0 to 1.
    says
        What it says, in a few words.
    """

    unit: str = ""
    says: str = ""

    def words(self, value: float) -> str:
        """Return one figure with its unit.

        Examples
        --------
        >>> Gauge("px").words(320.0), Gauge("%").words(0.4161)
        ('320 px', '42%')
        """
        return small.measure(value, self.unit)

    def span(self, low: float, high: float) -> str:
        """Return a range in words; where both ends read the same, that one figure.

        Examples
        --------
        >>> Gauge("px").span(177.6, 500), Gauge().span(5, 5)
        ('178 px to 500 px', '5')
        """
        first, last = self.words(low), self.words(high)
        return first if first == last else f"{first} to {last}"


PLAIN = Gauge()


@dataclass(frozen=True)
class Pictures:
    """How the samples of a modality look; None where they cannot be looked at."""

    of_raw: Callable[[bytes, Mapping[str, Any], int], Any] | None = None
    """Makes a ``PIL.Image`` of at most so many pixels a side from a sample's bytes and the input's schema."""
    of_sketch: Callable[[NDArray[np.uint8], int], Any] | None = None
    """Makes one, square, from a sketch alone: for maps of hundreds of samples, none of which is read again."""
    quoted: Callable[[bytes], str] | None = None
    """How a sample reads, in at most some hundred characters: for samples that are text."""
    gauge: Callable[[str], Gauge | None] | None = None
    """How a measure is read; None for one that says nothing to a person, such as one of many alike."""
    seen: str = ""
    """What the colours of a model's input mean, where it is no picture as people know them."""


NO_PICTURES = Pictures()
