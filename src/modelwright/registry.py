"""One readable table of what is built in, and the public door through which anything else comes.

A plug-in registers with an entry point in the group ``modelwright.<kind>``, for example::

    [project.entry-points."modelwright.families"]
    my-forest = "my_package.forest:Forest"

The built-in ones stand in :data:`BUILT_IN` and are loaded by the same function. Nothing is imported before it is asked
for by name, so a long table costs nothing at start.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from typing import Any

from modelwright.errors import InputError

BUILT_IN: dict[str, dict[str, str]] = {
    "modalities": {
        "image": "modelwright.tasks.modalities.image.modality:Image",
        "table": "modelwright.tasks.modalities.table.modality:Table",
        "text": "modelwright.tasks.modalities.text.modality:Text",
        "series": "modelwright.tasks.modalities.series.modality:Series",
        "audio": "modelwright.tasks.modalities.audio.modality:Audio",
    },
    "targets": {
        "category": "modelwright.tasks.targets.category:Category",
        "number": "modelwright.tasks.targets.number:Number",
        "tags": "modelwright.tasks.targets.tags:Tags",
        "boxes": "modelwright.tasks.targets.boxes:Boxes",
        "mask": "modelwright.tasks.targets.mask:Mask",
        "none": "modelwright.tasks.targets.none:Nothing",
    },
    "families": {
        "baseline": "modelwright.models.baseline:Baseline",
        "logistic": "modelwright.models.linear:Logistic",
        "ridge": "modelwright.models.linear:Ridge",
        "lasso": "modelwright.models.linear:Lasso",
        "boosting": "modelwright.models.boosting:Boosting",
        "convnet": "modelwright.models.convnet:Convnet",
    },
    "sources": {
        "folder": "modelwright.prepare.collect.folder:FolderSource",
        "table": "modelwright.prepare.collect.table:TableSource",
        "archive": "modelwright.prepare.collect.archive:ArchiveSource",
        "arrays": "modelwright.prepare.collect.arrays:ArraysSource",
        "manifest": "modelwright.prepare.collect.manifests:ManifestsSource",
        "sql": "modelwright.prepare.collect.sql:SqlSource",
        "series": "modelwright.prepare.collect.series:SeriesSource",
        "coco": "modelwright.prepare.collect.coco:CocoSource",
        "voc": "modelwright.prepare.collect.voc:VocSource",
        "yolo": "modelwright.prepare.collect.yolo:YoloSource",
        "pairs": "modelwright.prepare.collect.pairs:PairsSource",
        "video": "modelwright.prepare.collect.video:VideoSource",
        "camera": "modelwright.prepare.collect.camera:CameraSource",
        "log": "modelwright.prepare.collect.log:LogSource",
        "labelstudio": "modelwright.prepare.collect.labelstudio:LabelStudioSource",
        "feedback": "modelwright.prepare.collect.feedback:FeedbackSource",
    },
    "exporters": {
        "mwpkg": "modelwright.package.exporters:export_mwpkg",
        "folder": "modelwright.package.exporters:export_folder",
    },
    "dataset_exporters": {
        "dataset-folder": "modelwright.prepare.exports.plain:export_folder",
        "dataset-huggingface": "modelwright.prepare.exports.tables:export_huggingface",
        "dataset-csv": "modelwright.prepare.exports.tables:export_csv",
        "dataset-tsv": "modelwright.prepare.exports.tables:export_tsv",
        "dataset-jsonl": "modelwright.prepare.exports.tables:export_jsonl",
        "dataset-parquet": "modelwright.prepare.exports.tables:export_parquet",
        "dataset-arrow": "modelwright.prepare.exports.tables:export_arrow",
        "dataset-excel": "modelwright.prepare.exports.tables:export_excel",
        "dataset-sqlite": "modelwright.prepare.exports.tables:export_sqlite",
        "dataset-npz": "modelwright.prepare.exports.arrays:export_npz",
        "dataset-idx": "modelwright.prepare.exports.arrays:export_idx",
        "dataset-coco": "modelwright.prepare.exports.coco:export_coco",
        "dataset-voc": "modelwright.prepare.exports.voc:export_voc",
        "dataset-yolo": "modelwright.prepare.exports.yolo:export_yolo",
        "dataset-pairs": "modelwright.prepare.exports.pairs:export_pairs",
        "dataset-labelstudio": "modelwright.prepare.exports.labelstudio:export_labelstudio",
    },
    "explorers": {
        "image": "modelwright.prepare.explore.image:sections",
        "table": "modelwright.prepare.explore.table:sections",
        "audio": "modelwright.prepare.explore.audio:sections",
        "series": "modelwright.prepare.explore.series:sections",
        "text": "modelwright.prepare.explore.text:sections",
        "boxes": "modelwright.prepare.explore.boxes:sections",
        "mask": "modelwright.prepare.explore.mask:sections",
    },
    "pictures": {
        "image": "modelwright.prepare.explore.image:PICTURES",
        "audio": "modelwright.prepare.explore.audio:PICTURES",
        "series": "modelwright.prepare.explore.series:PICTURES",
        "text": "modelwright.prepare.explore.text:PICTURES",
    },
    "alert_sinks": {
        "file": "modelwright.monitor.alerts:FileSink",
    },
}


@cache
def _entry_points(kind: str) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"modelwright.{kind}")}


def names(kind: str) -> list[str]:
    """Return the names registered for ``kind``, the built-in ones first.

    Examples
    --------
    >>> names("modalities")[:2]
    ['image', 'table']
    """
    own = list(BUILT_IN[kind])
    return own + sorted(set(_entry_points(kind)) - set(own))


def load(kind: str, name: str) -> Any:
    """Import and return what is registered as ``name``.

    Raises
    ------
    InputError
        If nothing has that name (with the nearest one as the hint), or a plug-in does not import.
    """
    address = BUILT_IN[kind].get(name)
    if address is not None:
        module, _, attribute = address.partition(":")
        return getattr(importlib.import_module(module), attribute)
    point = _entry_points(kind).get(name)
    if point is None:
        near = difflib.get_close_matches(name, names(kind), 1)
        raise InputError(
            f"there is no {kind} named {name!r}; there are: {', '.join(names(kind))}",
            code="unknown-name",
            hint=f"did you mean {near[0]!r}?" if near else "",
        )
    try:
        return point.load()
    except Exception as error:  # a stranger's plug-in may raise anything
        raise InputError(
            f"the plug-in {point.value!r} ({kind}/{name}) does not load: {type(error).__name__}: {error}",
            code="broken-plugin",
            hint="update or uninstall the package that brings it",
        ) from error
