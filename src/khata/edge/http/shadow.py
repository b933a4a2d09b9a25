"""The operations of shadow mode: flows, what was compared of them, and the events they are fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from khata.app import Khata
from khata.base.actor import Actor
from khata.base.paging import Page
from khata.domain import shadow
from khata.domain.setup import setting_value
from khata.domain.shadow import (
    ComparisonView,
    DefineFlow,
    Event,
    EventsFed,
    FlowLine,
    FlowReport,
    SwitchFlow,
)
from khata.edge.http.operation import Operation, barred
from khata.edge.http.reading import body_of, decoded, queried
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.http.write import write
from khata.edge.shadowing import AT_ONCE, digits, feed
from khata.engine.command import Command
from khata.errors import BookNotFound, Invalid, RoleRequired
from khata.settings import Settings

_FEEDS: Final = ("admin", "service")
_F: Final = "/v1/shadow/flows/{flow}"
_EVENT: Final = {
    "flow": "checkout", "seq": 7, "reference": "order/M1", "at": "2026-01-31T09:00:00Z",
    "command": {"kind": "wallets.debit", "wallet": "alice/personal/BDT",
                "amount": {"amount": "1.00", "currency": "BDT"}},
    "outcome": {"ok": True, "left": "99.00"},
}  # fmt: skip


class ComparisonsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `outcome`: match, mismatch."""

    outcome: str | None = None
    signature: str | None = None


class EventsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to 500 events of another system, in their order."""

    events: list[Event]


# path, command, operation id, tag, status, scope, body that works
_WRITES: Final[tuple[tuple[str, Any, str, str, int, str, Any], ...]] = (
    ("/v1/shadow/flows", DefineFlow, "defineFlow", "shadow", 201, "admin",
     {"name": "checkout", "fields": {"left": "legs.0.balance_after"}, "masked": ["card"]}),
    (f"{_F}/switch", SwitchFlow, "switchFlow", "shadow", 200, "write",
     {"mode": "shadow", "reason": "A trial."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/shadow/flows", shadow.flows, Paged, Page[FlowLine], "listFlows", "shadow",
     "Flows by name: their mode, their match rate, whether they are silent"),
    (_F, shadow.report, Nothing, FlowReport, "getFlow", "shadow",
     "How a flow does: its gate, in what ways it differs, how it was switched"),
    (f"{_F}/comparisons", shadow.comparisons, ComparisonsAsked, Page[ComparisonView],
     "listComparisons", "shadow", "What was compared of a flow, newest first"),
)  # fmt: skip


def shadow_operations(
    settings: Settings,
    threads: Threads,
    books: Mapping[str, Khata],
    scopes: Mapping[type[Command], str],
) -> list[Operation]:
    """All of them; owners have no part in it. `scopes`: what a key needs for a command that has an
    operation of its own.
    """
    writes = [
        write(settings, "POST", path, command, name=name, tag=tag, status=status,
              example=example, scope=scope)
        for path, command, name, tag, status, scope, example in _WRITES
    ]  # fmt: skip
    reads = [read(threads, *row) for row in _READS]
    return [*writes, *reads, _feeding(settings, threads, books, scopes)]


def _feeding(
    settings: Settings,
    threads: Threads,
    books: Mapping[str, Khata],
    scopes: Mapping[type[Command], str],
) -> Operation:
    decoder = msgspec.json.Decoder(EventsBody, float_hook=digits)

    async def run(ask: Ask) -> Reply:
        queried(Nothing, ask)
        body = decoded(decoder, await body_of(ask, settings.max_bulk_body))
        found = await threads.carry(
            _feed, ask.book, books, ask.actor, body.events, without=barred(scopes, ask)
        )
        return Reply(200, msgspec.json.encode(EventsFed(found)), JSON)

    return Operation(
        method="POST",
        path="/v1/shadow/events",
        name="feedEvents",
        tag="shadow",
        summary="Carry out what another system did, and compare what came of it",
        about="Each event counts once, by its flow and its seq: feed again what was not answered."
        " Commands are carried out in the flow's book, which this server has to serve too.",
        run=run,
        gives=EventsFed,
        scope="write",
        query=Nothing,
        body=EventsBody,
        example={"events": [_EVENT]},
    )


def _feed(
    book: Khata,
    books: Mapping[str, Khata],
    actor: Actor,
    events: list[Event],
    *,
    without: frozenset[type[Command]],
) -> list[shadow.Fed]:
    """Errors: `RoleRequired`, `Invalid`, `BookNotFound`, `Unavailable`."""
    if not actor.has(*_FEEDS):
        raise RoleRequired(
            "Events are fed by admin or service.", expected=list(_FEEDS), got=sorted(actor.roles)
        )
    if not 1 <= len(events) <= AT_ONCE:
        raise Invalid(
            f"Feed 1 to {AT_ONCE} events at once.", expected=f"1 to {AT_ONCE}", got=len(events)
        )

    def into(name: str) -> Khata:
        if name == book.book:
            return book
        found = books.get(name)
        # a key belongs to one book: another book has to say itself that it may be fed from here
        if found is None or not _lets_in(found, book.book):
            raise BookNotFound(
                f"This server has no book {name!r} that lets {book.book} feed it: see KHATA_BOOK,"
                f" and the setting {shadow.SHADOW_OF} of that book.",
                got=name,
            )
        return found

    return feed(book, into, events, actor=actor, without=without)


def _lets_in(into: Khata, name: str) -> bool:
    allowed = into.query(setting_value, shadow.SHADOW_OF).get("books")
    return isinstance(allowed, list) and name in allowed
