"""Khata's side of a bench: a book with wallets, and callers that are coroutines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from typing import Final

import uvloop

from khata.app import Khata
from khata.base.actor import Actor
from khata.base.money import Money, to_text
from khata.domain.wallets import Credit, OpenWallet, Transfer, WalletState
from khata.edge.bench.figures import (
    CURRENCY,
    EXPONENT,
    NOTE,
    OPENING,
    Draw,
    Sample,
    key_of,
    path_of,
)
from khata.engine.journal import Receipt
from khata.errors import BookCorrupted, KhataError

SERVICE: Final = Actor("bench", frozenset({"service"}))


class BookSide:
    """See `khata.edge.bench.figures.Side`."""

    def __init__(self, book: Khata) -> None:
        self.book = book
        self._keys = count()

    def load(self, draws: Sequence[Draw], *, callers: int, seconds: float) -> Sample:
        """As the protocol says. Errors: `KhataError` when the book refuses a transfer."""
        commands = [transfer_of(draw) for draw in draws]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._drive(commands, callers, seconds))

    async def _drive(self, commands: list[Transfer], callers: int, seconds: float) -> Sample:
        turns, latencies = cycle(commands), list[float]()
        begun = time.perf_counter()

        async def call() -> None:
            while (started := time.perf_counter()) < begun + seconds:
                key = key_of(next(self._keys))
                await self.book.asubmit(next(turns), key=key, actor=SERVICE)
                latencies.append(time.perf_counter() - started)

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(call())
        return Sample(latencies, time.perf_counter() - begun)

    def check(self) -> None:
        """As the protocol says."""
        check(self.book)


@contextmanager
def book_side(url: str, accounts: int) -> Iterator[BookSide]:
    """A book with so many wallets, each with `OPENING`."""
    with Khata.open(url, migrate=True) as book:
        fill(book, accounts)
        yield BookSide(book)


def fill(book: Khata, accounts: int) -> list[str]:
    """Open the wallets of a load and fill them; their ids. Errors: what the book raises."""
    numbers = range(1, accounts + 1)
    money = Money(to_text(OPENING, EXPONENT), CURRENCY)
    opened = book.submit_many(
        [OpenWallet(path_of(number).partition("/")[0], CURRENCY) for number in numbers]
    )
    filled = book.submit_many([Credit(path_of(number), money) for number in numbers])
    ids = []
    for outcome in [*opened, *filled]:
        if isinstance(outcome, KhataError):
            raise outcome
        if isinstance(outcome.result, WalletState):
            ids.append(outcome.result.id)
    return ids


def transfer_of(draw: Draw) -> Transfer:
    """The command of a drawn transfer."""
    return Transfer(
        path_of(draw.source),
        path_of(draw.target),
        Money(to_text(draw.amount, EXPONENT), CURRENCY),
        reference=draw.reference,
        note=NOTE,
    )


def carried_out(outcomes: Sequence[Receipt | KhataError]) -> int:
    """How many there are. Errors: the first that is not a receipt."""
    for outcome in outcomes:
        if isinstance(outcome, KhataError):
            raise outcome
    return len(outcomes)


def check(book: Khata) -> None:
    """A bench proves nothing if its book is wrong. Errors: `BookCorrupted`."""
    report = book.verify()
    if not report.ok:
        first = report.discrepancies[0]
        raise BookCorrupted(
            f"The bench left a book that does not verify: {first.check} at {first.where}.",
            expected=first.expected,
            got=first.got,
        )
