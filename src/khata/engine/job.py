"""A job: one command on its way through the writer, and the ticket that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterable
from typing import Final

import msgspec

from khata.base.actor import Actor
from khata.engine.command import Command, Verb, digest
from khata.engine.journal import Receipt
from khata.errors import Invalid, InvalidKey, KhataError, Timeout

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_OWNED: Final = "owner:"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_encode: Final = msgspec.json.Encoder().encode

Outcome = Receipt | KhataError


class Job:
    """One command. `outcome` is set once, when it is committed or refused."""

    __slots__ = ("actor", "body", "command", "digest", "dry_run", "key", "outcome", "verb")

    def __init__(
        self, verb: Verb, command: Command, key: str, actor: Actor, *, dry_run: bool = False
    ) -> None:
        self.verb = verb
        self.command, body = _written(verb, command)
        self.key = scoped_key(key, actor)
        self.actor = actor
        self.dry_run = dry_run
        self.body = body.decode()
        self.digest = digest(body)
        self.outcome: Outcome | None = None


class Ticket:
    """Jobs that came together and are answered together. `atomic`: all of them or none.

    The caller waits in a thread (`wait`) or, with a `loop`, in a coroutine (`future`).
    """

    __slots__ = ("_answered", "atomic", "future", "jobs", "loop")

    def __init__(
        self,
        jobs: list[Job],
        *,
        atomic: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.jobs = jobs
        self.atomic = atomic
        self.loop = loop
        self.future: asyncio.Future[None] | None = loop.create_future() if loop else None
        self._answered = None if loop else threading.Lock()
        if self._answered:
            self._answered.acquire()

    def wait(self, timeout: float) -> None:
        """Wait until every job has its outcome. Errors: `Timeout` after so many seconds."""
        if self._answered and not self._answered.acquire(timeout=timeout):
            raise Timeout(
                f"No answer in {timeout:g} s. The command may still be carried out: its key tells.",
                keys=[job.key for job in self.jobs[:5]],
            )

    def answer(self) -> None:
        """Wake the thread that waits."""
        if self._answered:
            self._answered.release()


def answer(tickets: Iterable[Ticket]) -> None:
    """Wake everyone who waits for these tickets, each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for ticket in tickets:
        if ticket.loop is not None and ticket.future is not None:
            loops.setdefault(ticket.loop, []).append(ticket.future)
        else:
            ticket.answer()
    for loop, futures in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, futures)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _written(verb: Verb, command: Command) -> tuple[Command, bytes]:
    """The command as the journal will hold it, and its JSON: what is run is what is kept.

    Errors: `Invalid` for a value of a wrong type or one that no journal or database can hold.
    """
    try:
        body = _encode(command)
        command = verb.read(body)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"{verb.kind}: {error}", expected=verb.kind) from None
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid(f"{verb.kind}: a text holds a NUL.", expected="text without NUL")
    return command, body


def scoped_key(key: str, actor: Actor) -> str:
    """The key as the journal keeps it: an owner's keys are a space of their own.

    Errors: `InvalidKey` unless it is 1 to 255 visible ASCII characters that do not reach into an
    owner's space; `Invalid` for an owner whose name would reach into another's.
    """
    if type(key) is not str or not _KEY.fullmatch(key):
        raise InvalidKey(
            "An idempotency key has 1 to 255 visible ASCII characters.",
            expected="1 to 255 characters from ! to ~",
            got=str(key)[:60],
        )
    if actor.owner is None:
        if key.startswith(_OWNED):
            raise InvalidKey(
                f"Keys that begin with {_OWNED} are those of owners.",
                expected="another beginning",
                got=key[:60],
            )
        return key
    if "/" in actor.owner:
        raise Invalid("An owner's id has no slash.", expected="such as alice", got=actor.owner[:60])
    return f"{_OWNED}{actor.owner}/{key}"
