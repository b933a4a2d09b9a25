"""A worker process of one version of a program: it works a book's sagas off until it is stopped."""

import signal
import threading
from pathlib import Path

from khata import Khata, Money
from khata.domain.wallets import Transfer
from khata.engine.sagas import NOTHING, Call, Local, Outcome, Saga
from khata.engine.sagas.worker import Options

PAYER, PAYEE = "payer/personal/BDT", "payee/personal/BDT"


def pay(book, run):
    """One taka goes over."""
    book.perform(Transfer(PAYER, PAYEE, Money("1.00", "BDT"), reference=run.id))


def ask_for_it(book, run):
    """What the world is asked."""
    return {"run": run.id}


class World:
    """A world outside that remembers by files: one for each key that it was called with."""

    def __init__(self, folder):
        self._folder = Path(folder)

    def call(self, intent):
        """Do it, once for each key."""
        (self._folder / intent.key).touch()
        return Outcome("done", {"id": intent.key})

    def ask(self, intent):
        """Whether it was done."""
        if (self._folder / intent.key).exists():
            return Outcome("done", {"id": intent.key})
        return Outcome("absent")


def journey(version):
    """The second version has a step more, and goes on with runs of the first."""
    steps = [
        Local(name="pay", do=pay, undo=NOTHING),
        Call(name="tell", to="world", request=ask_for_it, undo=NOTHING),
        Local(name="pay_again", do=pay, undo=NOTHING),
    ]
    if version == 1:
        return Saga("journey", 1, steps)
    return Saga("journey", 2, [*steps, Local(name="more", do=pay, undo=NOTHING)], adopts=(1,))


def run(url, version, folder, ready):
    """Work until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    options = Options(capacity=8, lease_seconds=1, poll_seconds=0.02)
    with (
        Khata.open(url, sagas=[journey(version)]) as book,
        book.worker({"world": World(folder)}, options=options),
    ):
        ready.set()
        stop.wait()
