"""What lies at the place of a model: told by names alone, so that a run with nothing to do opens none."""

from __future__ import annotations

from pathlib import Path

from modelwright.errors import InputError

_GRAPHS = ("model.onnx", "onnx/model.onnx")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5")


def files(place: Path) -> list[Path]:
    """Return the files of a folder that vectors follow from, or the one file that was named.

    Raises
    ------
    InputError
        Code ``bad-weights``: nothing in the folder is a model; ``not-found``.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"clean.embeddings: there is nothing at {place}", code="not-found")
    if is_package(place):
        return sorted(path for path in place.rglob("*") if path.is_file())
    told = sorted(place.glob("*.json"))
    if graph := graph_in(place):
        return [graph, *told]
    if weights := sorted(place.glob("*.safetensors")):
        return [*weights, *told]
    pickled = sorted(path.name for path in place.iterdir() if path.suffix in _PICKLED)
    if pickled:
        raise InputError(
            f"{place} holds {pickled[0]}, which may run code when it is loaded, and is never loaded",
            code="bad-weights",
            hint="save the weights as model.safetensors, or the model as model.onnx",
        )
    raise InputError(
        f"{place} holds no model: neither model.onnx, nor model.safetensors, nor a package",
        code="bad-weights",
        hint="see docs/cleaning.md, 'Other embeddings'",
    )


def is_package(place: Path) -> bool:
    """Say whether it is a package of Modelwright's, as a file or a folder."""
    return place.suffix == ".mwpkg" or (place / "manifest.json").is_file()


def graph_in(place: Path) -> Path | None:
    """Return the ONNX graph in a folder, if there is one, or one alone."""
    for name in _GRAPHS:
        if (place / name).is_file():
            return place / name
    found = sorted(place.glob("*.onnx"))
    return found[0] if len(found) == 1 else None
