"""Callers that take turns at a few connections, one thread for each connection.

A caller is only the moment at which it began to wait, kept in a queue; the threads take the one
that waited longest. So five hundred callers cost the measured code no threads of their own.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Final, TypeVar

from khata.edge.bench.figures import Draw, Sample

W = TypeVar("W")
Work = Callable[[Draw], None]
_USUAL_SWITCH_SECONDS: Final = 0.005


def take_turns(
    workers: Sequence[Work], draws: Sequence[Draw], *, callers: int, seconds: float
) -> Sample:
    """Let `callers` take turns at the workers for some seconds. Errors: what a worker raises."""
    turns = cycle(draws)
    latencies: list[float] = []
    begun = time.perf_counter()
    waiting = deque([begun] * callers)

    def serve(work: Work, failures: list[BaseException]) -> None:
        while not failures and time.perf_counter() < begun + seconds:
            since = waiting.popleft()
            work(next(turns))
            answered = time.perf_counter()
            latencies.append(answered - since)
            waiting.append(answered)

    on_threads(workers[:callers], serve)
    return Sample(latencies, time.perf_counter() - begun)


def on_threads(workers: Sequence[W], serve: Callable[[W, list[BaseException]], None]) -> None:
    """Have each worker serve on a thread of its own, until all of them end.

    `serve` is given what failed so far on any thread, and ends when that is not empty.
    Errors: the first of them.
    """
    failures: list[BaseException] = []

    def run(worker: W) -> None:
        try:
            serve(worker, failures)
        except BaseException as failure:  # noqa: BLE001 - raised below, in the caller's thread
            failures.append(failure)

    with _usual_switching():
        threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _usual_switching() -> Iterator[None]:
    """Python as it comes: an open book makes its threads take turns more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_USUAL_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
