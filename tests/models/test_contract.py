"""Every registered family on every task it claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.engine.threads import settle_openmp
from modelwright.testing import family

settle_openmp()


@pytest.mark.parametrize("check", family.CHECKS, ids=lambda check: str(check.__name__).removeprefix("check_"))
@pytest.mark.parametrize("case", family.cases(), ids=str)
def test_contract(case: family.Case, check: Callable[[family.Case, Path], None], tmp_path: Path) -> None:
    check(case, tmp_path)
