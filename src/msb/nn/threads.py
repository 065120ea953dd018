"""How many cores one operation may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["limited_threads"]


@contextmanager
def limited_threads(most: int) -> Iterator[None]:
    """Let operations use at most so many threads; what was set before holds again afterwards.

    Many small operations are slower on several threads than on one, and much slower where other processes
    use the cores too: each of them waits for all threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(most, before)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
