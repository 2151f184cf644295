from __future__ import annotations

from collections.abc import Callable

import pytest

from modelwright.store import Store
from modelwright.testing.store import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Callable[[], Store]], None], open_store: Callable[[], Store]) -> None:
    check(open_store)
