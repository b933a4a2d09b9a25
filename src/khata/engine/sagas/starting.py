"""Starting sagas and waking them: what a room calls inside its own commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from khata.base.clock import SECOND
from khata.base.money import Money
from khata.engine.book import Book
from khata.engine.sagas.model import PRIORITIES, SagaRun
from khata.engine.sagas.moving import Move, plain
from khata.errors import Invalid

_MOST_DATA: Final = 16_000
_MOST_TEXT: Final = 200
_encode: Final = msgspec.json.Encoder().encode


def start(
    book: Book,
    name: str,
    data: Mapping[str, Any],
    *,
    reference: str | None = None,
    serial: str | None = None,
    priority: int | None = None,
    amount: Money | None = None,
) -> str:
    """Start a saga in this command; its id. A worker takes it up once the command is committed.

    `priority`: 1 goes before 0 before -1. `reference`: what it is about. `serial`: runs with the
    same text go one after the other, in the order of their start. `amount`: the money at stake,
    for those who have to decide.

    Errors: `UnknownSaga`; `Invalid` for data that is too long.
    """
    flow = book.sagas.newest(name)
    saga = flow.saga
    if len(_encode(data)) > _MOST_DATA or len(reference or "") > _MOST_TEXT:
        raise Invalid(
            "A saga starts with at most 16000 bytes of data and a reference of 200 characters.",
            expected=_MOST_DATA,
        )
    if priority not in (None, *PRIORITIES):
        raise Invalid("A priority is 1, 0 or -1.", expected=list(PRIORITIES), got=priority)
    now = book.now
    queued = serial is not None and bool(book.find(SagaRun, open_serial=serial))
    run = SagaRun(
        book.new_id("sag"),
        name,
        saga.version,
        "queued" if queued else "running",
        flow.first,
        0,
        plain(data),
        [],
        None,
        None,
        None,
        None,
        None,
        reference,
        serial,
        serial,
        None,
        None,
        saga.priority if priority is None else priority,
        amount.amount if amount else None,
        amount.currency if amount else None,
        str(book.actor),
        now,
        now,
        None,
        None,
        0,
        None if queued else now,
        None if saga.timeout_seconds is None else now + saga.timeout_seconds * SECOND,
        False,
        None,
        None,
        0,
    )
    book.add(run)
    Move(book, run).note("started", "", {"name": name, "version": saga.version})
    return run.id


def wake(book: Book, topic: str) -> None:
    """Something happened that runs may wait for: they will look again."""
    for run in book.find(SagaRun, topic=topic):
        if run.status == "waiting":
            book.change(run, due_at=book.now)
