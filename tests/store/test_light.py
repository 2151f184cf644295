"""The path of a run with nothing to do loads nothing heavy, and opening a store needs no database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from modelwright.store import Store
from modelwright.testing.store import KEY, publish

HEAVY = {"sqlalchemy", "numpy", "cryptography", "pyarrow", "orjson", "sqlite3", "asyncio", "multiprocessing"}


def test_asking_the_cache_loads_nothing_heavy(tmp_path: Path, store: Store) -> None:
    publish(store, key=KEY)
    store.annotations.append("0" * 64, "label", 1, "me", "person")
    store.decisions.record("x", "keep", "me")
    code = f"""
import sys
from pathlib import Path
from modelwright.store import Store
store = Store.open(Path({str(store.root)!r}))
assert store.artifacts.by_key(*{KEY!r}) is not None
store.artifacts.latest("model"), store.annotations.head(), store.decisions.head(), store.deployments.champion("server")
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fresh_store_has_heads_without_a_database(store: Store) -> None:
    assert store.annotations.head() == store.decisions.head()
    assert not (store.root / "catalog.sqlite").exists()
