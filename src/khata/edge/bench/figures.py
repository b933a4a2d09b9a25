"""What a load is made of and what it measured: requests, callers taking turns, and the figures.

Callers form a closed loop: each sends its next request as soon as its last one is answered. A
caller is only the moment at which it began to wait, kept in a queue; the threads that serve the
requests take the one that waited longest. So five hundred callers cost the measured code no
threads of their own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from random import Random

import msgspec

OPENING = 100_000_000
"""What every account of a load begins with, in minor units."""


class Figures(msgspec.Struct, frozen=True):
    """The outcome of one run: requests per second, and how long one of them took."""

    rate: float
    p50_ms: float
    p99_ms: float
    done: int


class Transfer(msgspec.Struct, frozen=True):
    """One request of the load: an amount from one account to another, under its own key."""

    key: str
    source: int
    target: int
    amount: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie (nearest rank); 0 for no values."""
    if not ordered:
        return 0.0
    rank = min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))
    return ordered[rank]


def figures_of(latencies: Sequence[float], elapsed: float) -> Figures:
    """The figures of a run from every request's latency and the run's length, in seconds."""
    ordered = sorted(latencies)
    return Figures(
        rate=len(ordered) / elapsed if elapsed > 0 else 0.0,
        p50_ms=percentile(ordered, 0.50) * 1000,
        p99_ms=percentile(ordered, 0.99) * 1000,
        done=len(ordered),
    )


def a_transfer(random: Random, accounts: int, *, hot: bool) -> Transfer:
    """A random transfer between accounts 1 … `accounts`; a hot one always pays into account 1."""
    target = 1 if hot else random.randint(1, accounts)
    source = random.randint(1, accounts - 1)
    if source >= target:
        source += 1
    return Transfer(f"{random.getrandbits(128):032x}", source, target, random.randint(1, 1000))


def closed_loop(
    workers: Sequence[Callable[[Transfer], None]],
    *,
    callers: int,
    seconds: float,
    accounts: int,
    hot: bool,
) -> Figures:
    """Let `callers` take turns at the workers, one thread each, for some seconds."""
    begun = time.perf_counter()
    waiting = deque([begun] * callers)
    latencies: list[float] = []
    failures: list[BaseException] = []

    def serve(number: int, work: Callable[[Transfer], None]) -> None:
        random = Random(number)
        try:
            while not failures and time.perf_counter() < begun + seconds:
                since = waiting.popleft()
                work(a_transfer(random, accounts, hot=hot))
                answered = time.perf_counter()
                latencies.append(answered - since)
                waiting.append(answered)
        except BaseException as failure:  # handed to the caller of closed_loop below
            failures.append(failure)

    threads = [
        threading.Thread(target=serve, args=(number, work), name=f"baseline-{number}")
        for number, work in enumerate(workers[:callers])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return figures_of(latencies, time.perf_counter() - begun)
