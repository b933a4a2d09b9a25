"""The victim: a process that applies load to a book until it is killed.

What command number n is depends on n alone, and so does its key: a process that begins again
asks for the same things. Every answer is written to the pipe before the next command is asked
for by the same caller, so whatever the parent has read was acknowledged.
"""

import asyncio
import itertools
import os
import random
import threading

from khata import Khata, KhataError, Money
from khata.domain.holds import CaptureGroup, PlaceHold
from khata.domain.wallets import Credit, OpenWallet, Transfer
from khata.engine.committer import Limits

WALLETS = 12
START = "1000.00"
CALLERS = 24


def bdt(amount):
    return Money(amount, "BDT")


def wallet(number):
    return f"user-{number}/personal/BDT"


def holder(number):
    return f"holder-{number}/personal/BDT"


def open_book(url):
    """A book in which every wallet has its money."""
    with Khata.open(url, migrate=True) as book:
        for number in range(WALLETS):
            for owner in (f"user-{number}", f"holder-{number}"):
                book.submit(OpenWallet(owner, "BDT"))
                book.submit(Credit(f"{owner}/personal/BDT", bdt(START)))


def lines(lane, number):
    """What is asked for under this number: (key, command), more than one when all or nothing."""
    draw = random.Random(f"{lane} {number}")
    payer, payee = draw.sample(range(WALLETS), 2)
    amount = bdt(f"{draw.randrange(1, 90)}.{draw.randrange(100):02}")
    key, pick = f"{lane}-{number}", draw.random()
    if pick < 0.1:
        command = PlaceHold(holder(payer), amount, group=f"{lane}-{number}")
        return [(key, command)]
    if pick < 0.2:
        return [(key, CaptureGroup(f"{lane}-{draw.randrange(max(number - 40, 0), number + 1)}"))]
    if pick < 0.3:
        return [
            (f"{key}-a", Transfer(wallet(payer), wallet(payee), amount)),
            (f"{key}-b", Transfer(wallet(payee), wallet((payee + 1) % WALLETS), amount)),
        ]
    return [(key, Transfer(wallet(payer), wallet(payee), amount))]


def run(url, lane, start, path):
    """Open the book and ask for command after command, half the time from coroutines."""
    pipe = os.open(path, os.O_WRONLY)
    book = Khata.open(url, limits=Limits(patience_seconds=30))
    numbers = itertools.count(start)
    if start % 2:
        asyncio.run(_coroutines(book, lane, numbers, pipe))
    else:
        threads = [
            threading.Thread(target=_ask, args=(book, lane, numbers, pipe)) for _ in range(CALLERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _ask(book, lane, numbers, pipe):
    for number in numbers:
        wanted = lines(lane, number)
        try:
            if len(wanted) > 1:
                _acknowledge(pipe, number, wanted, book.submit_many(wanted, atomic=True))
            else:
                key, command = wanted[0]
                _acknowledge(pipe, number, wanted, [book.submit(command, key=key)])
        except KhataError as error:
            _refused(pipe, number, error)


async def _coroutines(book, lane, numbers, pipe):
    async def caller():
        for number in numbers:
            wanted = lines(lane, number)
            try:
                if len(wanted) > 1:
                    answers = await book.asubmit_many(wanted, atomic=True)
                else:
                    answers = [await book.asubmit(wanted[0][1], key=wanted[0][0])]
                _acknowledge(pipe, number, wanted, answers)
            except KhataError as error:
                _refused(pipe, number, error)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def _acknowledge(pipe, number, wanted, answers):
    for (key, _), receipt in zip(wanted, answers, strict=True):
        os.write(pipe, f"{number} {key} {receipt.seq}\n".encode())


def _refused(pipe, number, error):
    """A refusal is an answer too; anything else is a fault of Khata's and ends the test."""
    code = "fault" if error.retryable or error.code == "broken" else "refused"
    os.write(pipe, f"{number} {code} {error.code}\n".encode())
