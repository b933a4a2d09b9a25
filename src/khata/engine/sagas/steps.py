"""Sagas as data: a name, a version, and the steps of the long way, in order.

    Saga("checkout", 1, [
        Local("reserve", do=reserve, undo=give_back),
        Call("charge", to="payments", request=charge, done=charged, undo=Call("refund", …)),
        Wait("paid", ready=is_paid, topic=payment_topic, timeout_seconds=1800),
        Local("confirm", do=confirm, undo=IMPOSSIBLE),
    ])

A step's functions are pure: `(book, run)` to what is to be remembered, a mapping that is merged
into `run.data`, or None. They must not change once runs exist: what must behave differently is a
new version of the saga. Each step says how it is undone: by a function or a call, `NOTHING` when
there is nothing to undo, or `IMPOSSIBLE`, after which the saga only goes forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from khata.base.clock import Instant
from khata.engine.book import Book
from khata.engine.sagas.outcome import Outcome
from khata.engine.sagas.retry import ASKING, STEADFAST, USUAL, Retry

NOTHING: Final = "nothing"
IMPOSSIBLE: Final = "impossible"


class Run(msgspec.Struct, frozen=True, gc=False):
    """A saga under way, as its steps see it. `data`: what was given at the start and remembered
    since. `started_at`, `step_at`: when it began, and came to this step.
    """

    id: str
    name: str
    version: int
    data: Mapping[str, Any]
    reference: str | None
    started_by: str
    started_at: Instant
    step_at: Instant


Remembered = Mapping[str, Any] | None
Effect = Callable[[Book, Run], Remembered]


@dataclass(frozen=True, kw_only=True)
class Local:
    """A change of the book: committed together with the saga's progress, or not at all.

    `retry`: for refusals whose code it names, and whatever is retryable by itself.
    """

    name: str
    do: Effect
    undo: Any
    retry: Retry = USUAL
    undo_retry: Retry = STEADFAST


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call to the world outside: intent committed, call made, outcome committed.

    `to`: the name of the caller that the worker has. `request`: what is asked, JSON; decided once.
    `done`: the effect of its success, in the same command as the outcome. `failed`: the effect of
    a final failure, likewise. `unknown`: when nobody can say, the first time. `refused`: for
    refusals of `request`, before anything is intended; `retry`: when the other side is busy;
    `ask`: while it is unknown.
    """

    name: str
    to: str
    request: Callable[[Book, Run], Mapping[str, Any]]
    undo: Any = NOTHING
    done: Callable[[Book, Run, Mapping[str, Any]], Remembered] | None = None
    failed: Callable[[Book, Run, Outcome], Remembered] | None = None
    unknown: Effect | None = None
    refused: Retry = USUAL
    retry: Retry = USUAL
    ask: Retry = ASKING
    undo_retry: Retry = STEADFAST


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait until `ready` gives a mapping; None means: not yet.

    It is asked on arrival and whenever `wake(book, topic)` is called for `topic(run)`; the event
    that it waits for may thus come early. `signal` names events that people or programs send to
    this very run (`sagas.signal`); `ready` then finds it in `run.data["signals"][name]`.
    `timeout_seconds`: after so long the saga fails with `timed_out`, and is undone.
    """

    name: str
    ready: Effect
    topic: Callable[[Run], str] | None = None
    timeout_seconds: int | None = None
    undo: Any = NOTHING


@dataclass(frozen=True, kw_only=True)
class Delay:
    """Go on after `seconds`, a number or a function of book and run."""

    name: str
    seconds: int | Callable[[Book, Run], int]
    undo: Any = NOTHING


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Go on when a person with one of `roles` approves; who started the saga cannot.

    Rejected, or not approved within `timeout_seconds`, it fails and is undone.
    """

    name: str
    roles: tuple[str, ...] = ("admin", "finance")
    timeout_seconds: int | None = None
    undo: Any = NOTHING


Step = Local | Call | Wait | Delay | Approval


@dataclass(frozen=True)
class Saga:
    """See the module. `timeout_seconds`: for the whole way, unless something irreversible was
    done. `most`: how many runs are worked on at the same time, over all workers. `priority`:
    higher goes first. `adopts`: earlier versions whose runs may go on along this list: every step
    that they have done must be in it. `open_to_all`: may be started by the public command.
    """

    name: str
    version: int
    steps: Sequence[Step]
    timeout_seconds: int | None = None
    most: int | None = None
    priority: int = 0
    adopts: tuple[int, ...] = ()
    open_to_all: bool = True
    on_end: Callable[[Book, Run, str], None] | None = None
    """Called with the final status, in the command that ends the run."""
