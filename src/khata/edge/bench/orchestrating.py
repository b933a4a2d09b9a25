"""`khata bench sagas`: sagas of four ledger steps, so many in flight, beside a plain loop.

A closed loop: whenever a saga ends, the next one is started. Every step is a command of its own,
committed with its effect, its line of history and the saga's progress. The plain loop does the
bare transfers one after the other, each in a transaction of its own, and keeps no history.
"""

from __future__ import annotations

import gc
import queue
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.money import Money, to_text
from khata.domain.sagas import StartSaga, health
from khata.domain.wallets import Transfer
from khata.edge.bench.book_side import SERVICE, carried_out, check, fill
from khata.edge.bench.figures import CURRENCY, EXPONENT, Sample, draws, figures_of, path_of
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import Load, baseline, measure, versions
from khata.edge.collecting import collecting_seldom
from khata.engine.book import Book
from khata.engine.sagas import NOTHING, Effect, Local, Progress, Run, Saga
from khata.engine.sagas.worker import Options
from khata.errors import Invalid, SameAccount

STEPS: Final = 4
_WARM_UP_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 120.0
_PATIENCE_SECONDS: Final = 0.05


class SagaReport(msgspec.Struct, frozen=True):
    """Per second; `p99_ms`: from the start of a saga until its end was durable.

    `compensation_ms`: how long the mean five-step saga took to undo its first four, with as many
    in flight.
    """

    steps_per_second: float
    sagas_per_second: float
    p50_ms: float
    p99_ms: float
    baseline_steps_per_second: float
    ratio: float
    compensation_ms: int
    in_flight: int
    seconds: float
    database: str
    versions: dict[str, str]
    verified: bool


def bench_sagas(place: Ground, in_flight: int, seconds: float) -> SagaReport:
    """Measure. Errors: `Invalid` for no load; `BookCorrupted` when the book does not verify."""
    if in_flight < 1 or seconds <= 0:
        raise Invalid("That is no load.", expected="1 or more, for some time", got=in_flight)
    load = Load(callers=1, seconds=seconds)
    own = [_saga("forward", STEPS), _saga("back", STEPS, refused=True)]
    with place.fresh() as url, Khata.open(url, migrate=True, sagas=own) as book:
        fill(book, load.accounts)
        sample = Flight(book, load, in_flight).measure(seconds)
        compensation = _compensation(book, load, in_flight)
        check(book)
    with baseline(place, load) as usual:
        beside = measure(usual, load).rate
        usual.check()
    figures = figures_of([sample])
    return SagaReport(
        steps_per_second=round(figures.rate * STEPS, 1),
        sagas_per_second=figures.rate,
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        baseline_steps_per_second=beside,
        ratio=round(figures.rate * STEPS / beside, 2) if beside else 0.0,
        compensation_ms=compensation,
        in_flight=in_flight,
        seconds=seconds,
        database=place.dialect,
        versions=versions(place),
        verified=True,
    )


class Flight:
    """Sagas in flight: a new one for each that ends."""

    def __init__(self, book: Khata, load: Load, in_flight: int) -> None:
        self._book = book
        self._in_flight = in_flight
        self._commands = cycle(_commands("forward", load))
        self._since: dict[str, float] = {}
        self._ended: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()

    def measure(self, seconds: float) -> Sample:
        """What ended within so many seconds, after a short warm-up."""
        options = Options(capacity=self._in_flight)
        with (
            collecting_seldom(),
            self._book.worker(options=options, ended=self._note),
        ):
            self._start(self._in_flight)
            self._keep(min(_WARM_UP_SECONDS, seconds))
            gc.collect()
            begun = time.perf_counter()
            latencies = self._keep(seconds)
            elapsed = time.perf_counter() - begun
            self._land()
        return Sample(latencies, elapsed)

    def _note(self, ended: Progress) -> None:
        self._ended.put((ended.saga, time.perf_counter()))

    def _start(self, count: int) -> None:
        commands = [next(self._commands) for _ in range(count)]
        since = time.perf_counter()
        answers = self._book.submit_many(commands, actor=SERVICE)
        carried_out(answers)
        for answer in answers:
            self._since[answer.result.id] = since  # type: ignore[union-attr]  # carried out

    def _keep(self, seconds: float) -> list[float]:
        """Go on for some seconds; the latencies of what ended."""
        until = time.perf_counter() + seconds
        latencies: list[float] = []
        while time.perf_counter() < until:
            ended = list(self._drain())
            latencies += [at - self._since.pop(saga, at) for saga, at in ended]
            if ended:
                self._start(len(ended))
        return latencies

    def _drain(self) -> Iterator[tuple[str, float]]:
        try:
            yield self._ended.get(timeout=_PATIENCE_SECONDS)
            while True:
                yield self._ended.get_nowait()
        except queue.Empty:
            return

    def _land(self) -> None:
        """Let the last ones end. Errors: `TimeoutError`."""
        until = time.perf_counter() + _LONGEST_SECONDS
        while self._since:
            for saga, _ in self._drain():
                self._since.pop(saga, None)
            if time.perf_counter() > until:
                message = f"{len(self._since)} sagas did not end"
                raise TimeoutError(message)


def _compensation(book: Khata, load: Load, count: int) -> int:
    """The mean time, in ms, in which so many sagas of five steps undo their first four."""
    commands = cycle(_commands("back", load))
    left: queue.SimpleQueue[Progress] = queue.SimpleQueue()
    with book.worker(options=Options(capacity=count), ended=left.put):
        started = [next(commands) for _ in range(count)]
        carried_out(book.submit_many(started, actor=SERVICE))
        for _ in range(count):
            left.get(timeout=_LONGEST_SECONDS)
    return book.query(health).windows[0].mean_compensation_ms or 0


def _commands(name: str, load: Load) -> list[StartSaga]:
    return [
        StartSaga(
            name,
            {
                "from": path_of(draw.source),
                "to": path_of(draw.target),
                "amount": to_text(draw.amount, EXPONENT),
            },
            reference=draw.reference,
        )
        for draw in draws(load.seed, load.accounts, hot=False)
    ]


def _saga(name: str, count: int, *, refused: bool = False) -> Saga:
    steps = [Local(name=f"move_{n}", do=_move("from", "to"), undo=_BACK) for n in range(count)]
    if refused:
        steps.append(Local(name="refused", do=_refuse, undo=NOTHING))
    return Saga(name, 1, steps)


def _move(source: str, target: str) -> Effect:
    def effect(book: Book, run: Run) -> None:
        data = run.data
        amount = Money(data["amount"], CURRENCY)
        book.perform(Transfer(data[source], data[target], amount, reference=run.reference))

    return effect


def _refuse(book: Book, run: Run) -> None:
    raise SameAccount("The last step is refused.", saga=run.id, at=book.now)


_BACK: Final = _move("to", "from")
