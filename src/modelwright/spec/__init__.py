"""The spec: ``modelwright.yaml``, checked whole before anything runs, every mistake with its line.

>>> from modelwright.spec import loads
>>> loads("sources: [{table: titanic.csv}]\\nlabel: survived").part("prepare")["label"]
'survived'
"""

from modelwright.spec.model import (
    Clean,
    Condition,
    Deploy,
    Monitor,
    Packaging,
    Retrain,
    Source,
    Spec,
    Split,
    StoreSettings,
    Train,
)
from modelwright.spec.reading import check_files, load, loads
from modelwright.spec.writing import Draft, write

__all__ = [
    "Clean",
    "Condition",
    "Deploy",
    "Draft",
    "Monitor",
    "Packaging",
    "Retrain",
    "Source",
    "Spec",
    "Split",
    "StoreSettings",
    "Train",
    "check_files",
    "load",
    "loads",
    "write",
]
