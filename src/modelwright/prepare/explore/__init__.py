"""The page about a dataset: what is there, what is wrong, what was decided and what it changed.

:func:`page` puts it together; every other file here draws one part from a
:class:`~modelwright.prepare.explore.view.View`. A modality or a target brings its own part as a function
``sections(view) -> list[Element]``, registered under its name as ``explorers``; a modality whose samples can be looked
at or read also brings a :class:`~modelwright.prepare.explore.looks.Pictures`, registered as ``pictures``.
"""

from __future__ import annotations

from modelwright.prepare.explore.looks import Gauge, Pictures
from modelwright.prepare.explore.page import FIGURES, REPORT, Page, attach, page, parent_of
from modelwright.prepare.explore.view import View

__all__ = ["FIGURES", "REPORT", "Gauge", "Page", "Pictures", "View", "attach", "page", "parent_of"]
