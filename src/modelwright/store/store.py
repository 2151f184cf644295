"""The store of one project: ``.modelwright/`` and what is in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.errors import InputError
from modelwright.store.artifacts import Artifacts
from modelwright.store.files import check_name, read_file, seal, storage_errors, unseal
from modelwright.store.keys import Keys
from modelwright.store.locks import file_lock
from modelwright.store.objects import Objects
from modelwright.store.scratch import Scratch

if TYPE_CHECKING:
    from modelwright.store.annotations import Annotations
    from modelwright.store.catalog import Catalog
    from modelwright.store.catalog.database import Database
    from modelwright.store.catalog.ledger import Ledger
    from modelwright.store.decisions import Decisions
    from modelwright.store.deployments import Deployments
    from modelwright.store.logs import Logs

FORMAT = 1


class Store:
    """Everything that a project keeps; open one with :meth:`open`.

    Each kind of record has its own small object: ``objects``, ``artifacts``, ``annotations``, ``decisions``,
    ``deployments``, ``logs``, ``catalog`` (runs, lineage, audit), ``keys``. They are made when first asked for, and the
    database is opened only by those that need it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.open(Path(folder.name) / ".modelwright")
    >>> digest = store.objects.put(b"a picture")
    >>> store.objects.get(digest)
    b'a picture'
    >>> with store.artifacts.begin("dataset") as writer:
    ...     _ = writer.file("labels.txt").write_text("apple")
    ...     dataset = writer.publish({"name": "fruit"}, inputs={}, key=("prepare", "0" * 64))
    >>> store.artifacts.by_key("prepare", "0" * 64) == dataset
    True
    >>> folder.cleanup()
    """

    def __init__(self, root: Path, catalog: str | None) -> None:
        self.root = root
        self._address = catalog
        self._scratch = Scratch(root)

    @classmethod
    def open(cls, root: Path, *, catalog: str | None = None) -> Store:
        """Open the store in the folder ``root``, which is made if there is none.

        Parameters
        ----------
        root
            The project's ``.modelwright`` folder.
        catalog
            SQLAlchemy address of the database (``postgresql+psycopg://…``); None is ``catalog.sqlite`` in the store.

        Raises
        ------
        FormatTooNewError
            If a newer Modelwright wrote it.
        IntegrityError
            If ``store.json`` is damaged.
        StorageError
            If the folder cannot be made.
        """
        root = Path(root).absolute()
        store = cls(root, catalog)
        mark = root / "store.json"
        with storage_errors("open", root):
            try:
                unseal(read_file(mark), mark, FORMAT)
            except FileNotFoundError:
                root.mkdir(parents=True, exist_ok=True)
                store._scratch.write(mark, seal({"format": FORMAT}))
            except NotADirectoryError:
                raise InputError(f"{root} is not a folder", code="not-a-folder") from None
            store._scratch.sweep()
        return store

    @cached_property
    def objects(self) -> Objects:
        """Bytes by their digest."""
        return Objects(self.root, self._scratch)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The results of steps, and the step cache."""
        return Artifacts(self.root, self._scratch, self.root / "locks")

    @cached_property
    def keys(self) -> Keys:
        """The signing key and the server's token."""
        return Keys(self.root, self._scratch)

    @cached_property
    def annotations(self) -> Annotations:
        """Statements about samples."""
        from modelwright.store.annotations import Annotations

        return Annotations(self._ledger("annotations"))

    @cached_property
    def decisions(self) -> Decisions:
        """What people decided about issues."""
        from modelwright.store.decisions import Decisions

        return Decisions(self._ledger("decisions"))

    @cached_property
    def catalog(self) -> Catalog:
        """Runs, lineage and audit."""
        from modelwright.store.catalog import Catalog

        return Catalog(self._database, self._ledger("audit"), self.artifacts, self._annotated)

    @cached_property
    def deployments(self) -> Deployments:
        """Which package is champion where."""
        from modelwright.store.deployments import Deployments

        return Deployments(self.root, self._scratch, self.artifacts, lambda: self.catalog.audit)

    @cached_property
    def logs(self) -> Logs:
        """The prediction logs."""
        from modelwright.store.logs import Logs

        return Logs(self.root, self._scratch)

    def lock(self, name: str, timeout: float | None = None) -> AbstractContextManager[None]:
        """Return a lock between processes as a context manager; the kernel releases it when its holder dies.

        Raises
        ------
        StorageError
            On entering: ``locked``, if it could not be had within ``timeout`` seconds (None: wait for ever).
        """
        return file_lock(self.root / "locks", name, timeout)

    def cache_dir(self, name: str) -> Path:
        """Return a folder below ``cache/``, made if absent; a user may delete it at any time."""
        path = self.root / "cache" / check_name(name, "cache")
        with storage_errors("make", path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def close(self) -> None:
        """Close the database's connections in this process, if there are any; the store stays usable."""
        if "_database" in self.__dict__:
            self._database.close()

    @cached_property
    def _database(self) -> Database:
        from modelwright.store.catalog.database import Database

        return Database(self.root, self._address)

    def _ledger(self, name: str) -> Ledger:
        from modelwright.store.catalog.ledger import Ledger

        return Ledger(name, self.root, self._database, self._scratch)

    def _annotated(self, head: str) -> int:
        return self.annotations.count(head)
