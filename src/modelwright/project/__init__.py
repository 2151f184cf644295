"""The project: a folder with a spec and a store, and the workflow as one method per step.

The only room that knows more than one step. ``workflow.py`` brings artifacts up to date, ``rounds.py`` closes the loop
(monitor, label, retrain, promote, undo), ``views.py`` says what there is. :class:`Project` is what a Python user holds.
"""

from __future__ import annotations

from modelwright.project.beginning import init_project, open_project
from modelwright.project.project import Project
from modelwright.project.results import RunResult, StepResult

__all__ = ["Project", "RunResult", "StepResult", "init_project", "open_project"]
