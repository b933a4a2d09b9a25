"""Khata's side of the checkout bench: callers are coroutines, each request a command of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import uvloop

from khata.app import Khata
from khata.domain.wallets import OpenWallet
from khata.edge.bench.book_side import SERVICE, carried_out, check, fill
from khata.edge.bench.checkouts import (
    Checkout,
    CheckoutLoad,
    CheckoutSample,
    fund_of,
    hold_of,
    ref_of,
    refund_of,
    release_of,
)
from khata.edge.bench.figures import key_of
from khata.engine.command import Command


class CheckoutBook:
    """See `khata.edge.bench.checkouts.CheckoutSide`."""

    def __init__(self, book: Khata) -> None:
        self.book = book
        self._keys = count()
        self._numbers = count()

    def load(self, drawn: Sequence[Checkout], *, callers: int, seconds: float) -> CheckoutSample:
        """As the protocol says. Errors: `KhataError` when the book refuses a request."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._drive(drawn, callers, seconds))

    async def _drive(
        self, drawn: Sequence[Checkout], callers: int, seconds: float
    ) -> CheckoutSample:
        turns, requests, latencies = cycle(drawn), list[float](), list[float]()
        begun = time.perf_counter()

        async def call() -> None:
            while (started := time.perf_counter()) < begun + seconds:
                await self.check_out(next(turns), requests)
                latencies.append(time.perf_counter() - started)

        # not a task group, which would tell of one refusal as a group of many
        await asyncio.gather(*(call() for _ in range(callers)))
        return CheckoutSample(latencies, time.perf_counter() - begun, requests)

    async def check_out(self, checkout: Checkout, requests: list[float]) -> list[Any]:
        """One checkout: what its four requests were answered; how long each took is added."""
        ref = ref_of(next(self._numbers))
        held = await self._ask(hold_of(checkout, ref), requests)
        return [
            held,
            await self._ask(fund_of(checkout, ref, held.id), requests),
            await self._ask(release_of(ref), requests),
            await self._ask(refund_of(checkout, ref), requests),
        ]

    async def _ask(self, command: Command, requests: list[float]) -> Any:
        started = time.perf_counter()
        receipt = await self.book.asubmit(command, key=key_of(next(self._keys)), actor=SERVICE)
        requests.append(time.perf_counter() - started)
        return receipt.result

    def check(self) -> None:
        """As the protocol says: the book verifies, escrows and the ledger say the same."""
        check(self.book)


@contextmanager
def checkout_book(url: str, load: CheckoutLoad) -> Iterator[CheckoutBook]:
    """A book with the wallets of a load, the customers' filled."""
    with Khata.open(url, migrate=True) as book:
        fill(book, load.customers)
        words = [path.split("/") for _, path in load.earners()]
        carried_out(
            book.submit_many([OpenWallet(owner, unit, kind) for owner, kind, unit in words])
        )
        yield CheckoutBook(book)
