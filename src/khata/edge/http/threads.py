"""Work that would hold up the event loop, in threads: reads, and long work apart from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_READERS: Final = 12
_CARRIERS: Final = 4


class Threads:
    """Two pools, so that a bulk or a verification never keeps a balance waiting."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, "khata-read")
        self._carriers = ThreadPoolExecutor(_CARRIERS, "khata-bulk")

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something short."""
        return await _run(self._readers, partial(work, *args, **kwargs))

    async def carry(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something long."""
        return await _run(self._carriers, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Wait for what was begun."""
        self._readers.shutdown()
        self._carriers.shutdown()


async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
