"""How torch is made to compute the same thing every time: threads, determinism, and no trace left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def steady(threads: int) -> Iterator[None]:
    """Run torch with ``threads`` threads and deterministic algorithms, and put back what was set before.

    The number of threads changes the order of sums, hence the last bits: it is a setting, never a guess.
    """
    import torch
    from torch.utils import deterministic as settings

    deterministic: Any = settings  # the module makes its one setting a property, which its types do not show

    before = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    filling = deterministic.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    # Filling every new tensor with NaN finds reads of memory that nobody wrote; it costs a tenth of the time here.
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        deterministic.fill_uninitialized_memory = filling
        torch.use_deterministic_algorithms(mode=strict)
        torch.set_num_threads(before)
