"""Which model says how alike samples are: what the spec asks for, and what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelwright.errors import InputError
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.digesting import files_digest
from modelwright.prepare.embed.places import files
from modelwright.progress import Progress

if TYPE_CHECKING:
    from modelwright.prepare.embed.base import Embedder

LIGHT = "light"
"""Word of the spec for the modality's own light features: no model at all."""
MODEL = "model"
"""Word of the spec for the project's model in production."""


def identity(spec: Any, store: Any, index: Index) -> str | None:
    """Return what decides which model it is, without opening it: None for light features.

    Raises
    ------
    InputError
        If the place that the spec names holds no model.
    """
    asked = spec.clean.embeddings
    if asked == LIGHT:
        return None
    if asked == MODEL:
        champion = store.deployments.champion(spec.deploy.to)
        return None if champion is None else str(champion["package"])
    place = spec.resolve(asked)
    return files_digest(index, f"embeddings:{place}", files(place), "clean.embeddings")


def open_embedder(spec: Any, store: Any, index: Index, progress: Progress) -> Embedder | None:
    """Open the model that the spec asks for; None: light features, and why is said.

    Raises
    ------
    InputError
        If the place that the spec names holds no model for this kind of input.
    """
    asked = spec.clean.embeddings
    if asked == LIGHT:
        return None
    if spec.input == "table":
        raise InputError(
            f"clean.embeddings is {asked!r}, and rows of a table are compared by their columns",
            code="other-modality",
            hint="leave it out: embeddings are for pictures, sounds, texts and series",
        )
    known = identity(spec, store, index)
    if known is None:
        progress.say("embeddings: light features, since no model of this project is in production yet")
        return None
    if asked != MODEL:
        from modelwright.prepare.embed.pretrained import open_place

        opened: Embedder = open_place(spec.resolve(asked), spec.input, known)
    else:
        from modelwright.prepare.embed.packaged import Packaged

        try:
            folder = store.artifacts.open(known, "package").folder
            opened = Packaged(folder, spec.input, f"the model in production ({known[:12]})", supervised=True)
        except InputError as error:
            if error.code not in {"no-embedding", "other-modality"}:
                raise
            progress.say(f"embeddings: light features, since of the model in production: {error.message}")
            return None
    progress.say(f"embeddings: by {opened.name}")
    return opened
