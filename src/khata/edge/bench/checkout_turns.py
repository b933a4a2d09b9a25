"""Callers that check out the usual way: they take turns at a few connections, request by request.

A caller is kept in a queue between any two of its requests, so that nobody keeps a connection for a
whole checkout, and everybody waits for one as long as the others do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from khata.edge.bench.baseline_checkout_rows import Request
from khata.edge.bench.checkouts import STEPS, Checkout, CheckoutSample
from khata.edge.bench.figures import key_of
from khata.edge.bench.turns import on_threads

Work = Callable[[Request], object]


class _Caller:
    """Where a caller is: which request comes next, and since when it and its checkout wait."""

    __slots__ = ("begun", "checkout", "number", "since", "step")

    def __init__(self, now: float) -> None:
        self.begun = self.since = now
        self.step = STEPS  # has nothing under way
        self.number = 0
        self.checkout: Checkout


def take_checkouts(
    workers: Sequence[Work],
    drawn: Sequence[Checkout],
    *,
    callers: int,
    seconds: float,
    keys: Iterator[int],
    numbers: Iterator[int],
) -> CheckoutSample:
    """Let `callers` check out for some seconds; whoever is in the middle of it then goes on to the
    end. `keys`, `numbers`: those of requests and of checkouts.

    Errors: what a worker raises.
    """
    turns, requests, latencies = cycle(drawn), list[float](), list[float]()
    begun = time.perf_counter()
    waiting = deque(_Caller(begun) for _ in range(callers))

    def serve(work: Work, failures: list[BaseException]) -> None:
        # there are never more workers than callers: who finds nobody waiting is needed no more
        while waiting and not failures:
            try:
                caller = waiting.popleft()
            except IndexError:
                return
            if caller.step == STEPS:
                if time.perf_counter() >= begun + seconds:
                    continue
                caller.step, caller.number, caller.checkout = 0, next(numbers), next(turns)
            work(Request(caller.step, key_of(next(keys)), caller.number, caller.checkout))
            answered = time.perf_counter()
            requests.append(answered - caller.since)
            caller.since, caller.step = answered, caller.step + 1
            if caller.step == STEPS:
                latencies.append(answered - caller.begun)
                caller.begun = answered
            waiting.append(caller)

    on_threads(workers[:callers], serve)
    return CheckoutSample(latencies, time.perf_counter() - begun, requests)
