"""Python's garbage collector, told to look less often.

Commands, receipts and rows form no cycles, and a busy book has so many of them that walking through
them again and again would cost up to a third of the time and hold every caller up for some 60 ms.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SELDOM: Final = (100_000, 50, 100)


def collect_seldom() -> None:
    """For the rest of this process. All that it costs are the cycles of a few failed requests."""
    gc.set_threshold(*_SELDOM)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """For a while."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
