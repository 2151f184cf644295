"""Guessing from what says itself what it is: arrays in an ``.npz``, manifests as Hugging Face's data sets have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.errors import InputError
from modelwright.prepare.collect.base import Settings
from modelwright.prepare.collect.manifest import USUAL
from modelwright.prepare.collect.manifests import ManifestsSource

_SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".opus")
_TESTS = ("x_test", "test_images"), ("y_test", "test_labels")


@dataclass(frozen=True)
class Named:
    """What was recognised: an input, the spec's sources, and why."""

    input: str
    sources: list[dict[str, Any]]
    reasons: list[str] = field(default_factory=list)


def guess(path: Path) -> Named | None:
    """Return what a file or folder says itself that it is; None if it says nothing."""
    if path.is_file() and path.suffix.lower() == ".npz":
        return _arrays(path)
    if path.is_dir() and _has_manifest(path):
        return _manifest(path)
    return None


def _arrays(path: Path) -> Named:
    from modelwright.store.packed.arrays import IMAGES, LABELS, parts_of

    parts = parts_of(path)
    pictures, labels = (next((name for name in usual if name in parts), None) for usual in (IMAGES, LABELS))
    if pictures is None or labels is None:
        raise InputError(
            f"{path.name} holds the arrays {', '.join(parts[:12])}; which are pictures and labels is not to be told",
            code="nothing-found",
            hint="write modelwright.yaml by hand: sources: [{arrays: FILE, images: NAME, labels: NAME}]",
        )
    sources = [{"arrays": str(path), "images": pictures, "labels": labels}]
    reasons = [f"pictures are in the array {pictures!r}, labels in {labels!r}"]
    tests = [next((name for name in usual if name in parts), None) for usual in _TESTS]
    if all(tests):
        sources.append({"arrays": str(path), "images": str(tests[0]), "labels": str(tests[1])})
        reasons.append(f"{tests[0]!r} and {tests[1]!r} are read too, and dealt with the others")
    return Named("image", sources, reasons)


def _has_manifest(path: Path) -> bool:
    inner = [path, *(each for each in sorted(path.iterdir())[:100] if each.is_dir())]
    return any((each / name).is_file() for each in inner for name in USUAL) or any(
        True for each in (path / "data").glob("*.parquet")
    )


def _manifest(path: Path) -> Named | None:
    settings = Settings(location=str(path), options={}, root=Path.cwd(), input="image", output="category")
    try:
        source = ManifestsSource(settings)
        survey = source.survey()
        paths = (item.path for item in source.items({})) if source.kept == "files" else iter(())
        sounds = str(next(paths, "")).lower().endswith(_SOUNDS)
    except InputError:
        return None  # a table of rows, not of files
    reasons = [survey.remarks[0]]
    if source.splits:
        reasons.append(f"its files are named {', '.join(source.splits)}: 'split: {{column: split}}' divides so")
    return Named("audio" if sounds else "image", [{"manifest": str(path)}], reasons)
