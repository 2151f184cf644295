"""What the sources hold now, as one digest: the part of prepare's step key that only the data decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright import canonical
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Source, open_all
from modelwright.prepare.embed.choose import identity
from modelwright.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelwright.prepare.cache.known_files import Reader
    from modelwright.prepare.scan.small_files import Part

VERSION = 6
"""Declared version of the step's code: raise it when the same sources and spec give another dataset."""


@dataclass(frozen=True)
class Seen:
    """The sources of a spec, opened and looked at once.

    Parameters
    ----------
    sources
        They remember what they saw, so that a folder is not listed again to be read.
    digests
        Of what each holds.
    combined
        The one digest of all that decides which dataset is made.
    """

    sources: list[Source]
    digests: list[str]
    combined: str
    model: str | None = None
    """Which model's embeddings samples are compared by; None: light features."""


def observe(spec: Any, store: Any, progress: Progress | None = None) -> Seen:
    """Look at what the sources, annotations and decisions of a project hold now.

    With nothing changed since the last time this stats the files and reads a few short lines: no decoding, no database,
    neither numpy nor pyarrow. Only files whose size, mtime, inode or ctime changed are hashed.

    Parameters
    ----------
    spec
        A :class:`modelwright.spec.Spec`.
    store
        The project's store.
    progress
        Who listens, where the step itself follows: many small files that have to be hashed are then scanned as well, so
        that each is read once.

    Raises
    ------
    modelwright.errors.InputError
        If a source is not there.
    """
    with Index(store.cache_dir("prepare")) as index:
        if progress is not None:
            index.reader = _scanning(spec.input, index, progress)
        sources = open_all(spec, store)
        digests = [source.fingerprint(index) for source in sources]
        model = identity(spec, store, index)
    return Seen(sources, digests, combine(digests, store, model), model)


def _scanning(name: str, index: Index, progress: Progress) -> Reader:
    """Return what reads many small files, and scans them for a modality on the way."""

    def read(root: bytes, names: Sequence[bytes], size: int) -> Iterator[NDArray[np.uint8]] | None:
        from modelwright.prepare.scan import small_files
        from modelwright.tasks import abilities
        from modelwright.tasks import base as tasks

        modality = tasks.modality(name)
        if isinstance(modality, abilities.Tabular) or not small_files.many(len(names), size):
            return None
        return found(small_files.scan(index, modality, root, names), len(names))

    def found(parts: Iterator[Part], count: int) -> Iterator[NDArray[np.uint8]]:
        progress.begin("reading files", count)
        for part in parts:
            progress.advance(len(part.digests))
            yield part.digests

    return read


def fingerprint(spec: Any, store: Any) -> str:
    """Return the digest of what :func:`observe` sees."""
    return observe(spec, store).combined


def combine(parts: list[str], store: Any, model: str | None) -> str:
    """Return the one digest of the sources' digests, the heads of the annotation and decision logs, and the model."""
    return canonical.digest_value([VERSION, parts, store.annotations.head(), store.decisions.head(), model])
