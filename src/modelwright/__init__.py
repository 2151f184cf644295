"""Modelwright: from data to a model in production that keeps getting better, on your own machine.

>>> import modelwright
>>> project = modelwright.open("belt-fruit")           # doctest: +SKIP
>>> project.run().report.verdict                       # doctest: +SKIP
'accepted'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.version import __version__

if TYPE_CHECKING:
    from modelwright.prepare.profile import profile
    from modelwright.project import Project
    from modelwright.project import init_project as init
    from modelwright.project import open_project as open  # noqa: A004 - modelwright.open(path) is the point

__all__ = ["Project", "__version__", "init", "open", "profile"]

_LAZY = {
    "Project": ("modelwright.project", "Project"),
    "open": ("modelwright.project", "open_project"),
    "profile": ("modelwright.prepare.profile", "profile"),
    "init": ("modelwright.project", "init_project"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'modelwright' has no attribute {name!r}")
    import importlib

    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)
