"""Package → Deployment: a server that swaps champions without dropping a request, and prediction for files.

Nothing here is imported before it is asked for: ``import modelwright.deploy`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.deploy.batch import answer_files, predict_files
    from modelwright.deploy.server import serve
    from modelwright.deploy.settings import ServeSettings
    from modelwright.deploy.step import Deployment, deploy

__all__ = ["Deployment", "ServeSettings", "answer_files", "deploy", "predict_files", "serve"]

_WHERE = {
    "Deployment": "step",
    "ServeSettings": "settings",
    "deploy": "step",
    "answer_files": "batch",
    "predict_files": "batch",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
