"""What the sources hold now, as one digest: the part of prepare's step key that only the data decides."""

from __future__ import annotations

from typing import Any

from modelwright import canonical
from modelwright.prepare.collect.base import open_all
from modelwright.prepare.index import Index

VERSION = 5
"""Declared version of the step's code: raise it when the same sources and spec give another dataset."""


def fingerprint(spec: Any, store: Any) -> str:
    """Return the digest of what the sources, annotations and decisions of a project hold now.

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
        parts = [source.fingerprint(index) for source in open_all(spec, store)]
    return combine(parts, store)


def combine(parts: list[str], store: Any) -> str:
    """Return the one digest of the sources' digests and the heads of the annotation and decision logs."""
    return canonical.digest_value([VERSION, parts, store.annotations.head(), store.decisions.head()])
