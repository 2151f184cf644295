"""What the sources hold now, as one digest: the part of prepare's step key that only the data decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelwright import canonical
from modelwright.prepare.cache.index import Index
from modelwright.prepare.collect.base import Source, open_all
from modelwright.prepare.embed.choose import identity

VERSION = 5
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


def observe(spec: Any, store: Any) -> Seen:
    """Look at what the sources, annotations and decisions of a project hold now.

    With nothing changed since the last time this stats the files and reads a few short lines: no decoding, no database,
    neither numpy nor pyarrow. Only files whose size, mtime, inode or ctime changed are hashed.

    Parameters
    ----------
    spec
        A :class:`modelwright.spec.Spec`.
    store
        The project's store.

    Raises
    ------
    modelwright.errors.InputError
        If a source is not there.
    """
    with Index(store.cache_dir("prepare")) as index:
        sources = open_all(spec, store)
        digests = [source.fingerprint(index) for source in sources]
        model = identity(spec, store, index)
    return Seen(sources, digests, combine(digests, store, model), model)


def fingerprint(spec: Any, store: Any) -> str:
    """Return the digest of what :func:`observe` sees."""
    return observe(spec, store).combined


def combine(parts: list[str], store: Any, model: str | None) -> str:
    """Return the one digest of the sources' digests, the heads of the annotation and decision logs, and the model."""
    return canonical.digest_value([VERSION, parts, store.annotations.head(), store.decisions.head(), model])
