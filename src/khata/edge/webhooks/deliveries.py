"""The account that a worker keeps of deliveries: which event is to be sent where, and how it went.

It is no part of the book: all of it can be made again from the journal, which says what happened
and what people wanted sent again. A place in the journal (consumer `webhooks`) and the deliveries
that follow from it move in one transaction, so each event becomes one delivery for an endpoint.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from khata.base.clock import DAY, SECOND, Instant
from khata.domain.webhooks import (
    MOVEMENTS,
    Endpoint,
    Resend,
    Told,
    asked_again,
    delivery_id,
    delivery_key,
    raw_endpoints,
    told,
    wants,
)
from khata.engine.database import Database, View
from khata.engine.reading import head
from khata.engine.tables import CONSUMERS, DELIVERIES

CONSUMER: Final = "webhooks"
LEASE: Final[Instant] = 120 * SECOND
"""How long a delivery belongs to whoever has claimed it."""
KEPT: Final[Instant] = 30 * DAY
"""How long what was delivered is kept; what was given up stays."""
_SPAN: Final = 2000
_CHUNK: Final = 500
_IDLE: Final = 500
"""So few commands without anything to tell are read again rather than written off."""
_LAG: Final = 10_000
_OF: Final = DELIVERIES.c


Again = list[tuple[Endpoint, list[Told]]]
"""What is to be sent again, to whom."""


class Claimed(NamedTuple):
    """A delivery that is this worker's until its lease ends."""

    id: str
    endpoint: str
    seq: int
    n: int
    attempts: int


class Result(NamedTuple):
    """How an attempt went. `next_at`: when the next one follows; None when it is over."""

    id: str
    status: str
    attempts: int
    next_at: Instant | None
    last_status: int | None
    last_error: str | None


class Deliveries:
    """The deliveries of one book."""

    def __init__(self, database: Database, book_id: int) -> None:
        self._database = database
        self._book = book_id

    # ── from the journal ─────────────────────────────────────────────────────────────

    def advance(self, view: View) -> int:
        """Turn what the journal has behind the place into deliveries; how many commands that was.

        Another worker may have done the same at the same time: then nothing is done here.
        """
        place = self._place(view)
        last = head(view).seq
        active = {one.id: one for one in raw_endpoints(view) if one.status == "active"}
        if not active:
            # nobody is told: the place is kept within reach of the end, and no more is written
            return self._write(place, last, [], [], view.now) if last - place > _LAG else 0
        last = min(last, place + _SPAN)
        rows = self._rows(view, active.values(), place + 1, last) if last > place else []
        again = _again(view, active, place + 1, last) if last > place else []
        if not rows and not again and last - place < _IDLE:
            return 0
        return self._write(place, last, rows, again, view.now)

    def is_due(self, view: View) -> bool:
        """Whether a delivery is to be sent now, by whomever."""
        free = sa.or_(_OF.claimed_until.is_(None), _OF.claimed_until <= view.now)
        query = sa.select(_OF.id).where(_OF.book_id == view.book_id, _OF.next_at <= view.now, free)
        return view.row(query.limit(1)) is not None

    def _write(
        self, place: int, last: int, rows: list[dict[str, Any]], again: Again, now: Instant
    ) -> int:
        """Move the place, and write what follows from that; how far it moved."""
        with self._database.changing() as tx:
            if not self._move(tx, place, last):
                tx.rollback()
                return 0
            for start in range(0, len(rows), _CHUNK):
                tx.execute(DELIVERIES.insert(), rows[start : start + _CHUNK])
            for endpoint, events in again:
                self._revive(tx, endpoint, events, now)
        return last - place

    def _place(self, view: View) -> int:
        row = view.row(sa.select(CONSUMERS.c.seq).where(*self._mine()))
        return int(row.seq) if row else 0

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return CONSUMERS.c.book_id == self._book, CONSUMERS.c.name == CONSUMER

    def _move(self, tx: sa.Connection, place: int, last: int) -> bool:
        """Whether the place was still where it was read, and is further on now."""
        moved = tx.execute(
            CONSUMERS.update().where(*self._mine(), CONSUMERS.c.seq == place).values(seq=last)
        )
        if moved.rowcount:
            return True
        if place or tx.scalar(sa.select(CONSUMERS.c.seq).where(*self._mine())) is not None:
            return False
        try:
            tx.execute(CONSUMERS.insert().values(book_id=self._book, name=CONSUMER, seq=last))
        except sa.exc.IntegrityError:
            return False
        return True

    def _rows(
        self, view: View, active: Iterable[Endpoint], first: int, last: int
    ) -> list[dict[str, Any]]:
        endpoints = list(active)
        moved = any(wants(one.events, kind) for one in endpoints for kind in MOVEMENTS.values())
        return [
            self._row(endpoint, event, view.now)
            for event in told(view, first, last, moved=moved)
            for endpoint in endpoints
            if event.seq > endpoint.since_seq and wants(endpoint.events, event.type)
        ]

    def _row(self, endpoint: Endpoint, event: Told, now: Instant) -> dict[str, Any]:
        return {
            "book_id": self._book,
            "id": delivery_id(event.seq, event.n, endpoint.id),
            "endpoint": endpoint.id,
            "seq": event.seq,
            "n": event.n,
            "type": event.type,
            "status": "pending",
            "attempts": 0,
            "next_at": now,
            "claim": None,
            "claimed_until": None,
            "last_status": None,
            "last_error": None,
            "created_at": now,
            "done_at": None,
        }

    def _revive(
        self, tx: sa.Connection, endpoint: Endpoint, events: Sequence[Told], now: Instant
    ) -> None:
        """Have these events sent (again), under the ids that they have."""
        fresh = {"status": "pending", "attempts": 0, "next_at": now, "done_at": None}
        for start in range(0, len(events), _CHUNK):
            rows = {
                row["id"]: row
                for row in (self._row(endpoint, one, now) for one in events[start : start + _CHUNK])
            }
            mine = (_OF.book_id == self._book, _OF.id.in_(list(rows)))
            known = set(tx.scalars(sa.select(_OF.id).where(*mine)))
            tx.execute(DELIVERIES.update().where(*mine, _OF.status != "pending").values(**fresh))
            missing = [row for name, row in rows.items() if name not in known]
            if missing:
                tx.execute(DELIVERIES.insert(), missing)

    # ── sending ──────────────────────────────────────────────────────────────────────

    def claim(self, now: Instant, limit: int) -> tuple[str, list[Claimed]]:
        """Up to `limit` deliveries that are due and nobody's, and the claim on them."""
        name = os.urandom(12).hex()
        free = sa.or_(_OF.claimed_until.is_(None), _OF.claimed_until <= now)
        due = (
            sa.select(_OF.id)
            .where(_OF.book_id == self._book, _OF.next_at <= now, free)
            .order_by(_OF.next_at, _OF.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        names = [getattr(_OF, name) for name in Claimed._fields]
        with self._database.changing() as tx:
            found = list(tx.scalars(due))
            if not found:
                return name, []
            mine = (_OF.book_id == self._book, _OF.id.in_(found))
            tx.execute(
                DELIVERIES.update().where(*mine).values(claim=name, claimed_until=now + LEASE)
            )
            rows = tx.execute(sa.select(*names).where(*mine).order_by(_OF.next_at, _OF.id))
            return name, [Claimed(*row) for row in rows]

    def mark(self, claim: str, results: Sequence[Result], now: Instant) -> None:
        """Write down how it went; of what somebody else has claimed meanwhile, nothing."""
        if not results:
            return
        change = (
            DELIVERIES.update()
            .where(
                _OF.book_id == self._book,
                _OF.id == sa.bindparam("of_id"),
                _OF.claim == claim,
            )
            .values(
                {name: sa.bindparam(f"new_{name}") for name in Result._fields[1:]}
                | {"done_at": sa.bindparam("new_done_at"), "claim": None, "claimed_until": None}
            )
        )
        values = [
            {f"new_{name}": value for name, value in result._asdict().items()}
            | {"of_id": result.id, "new_done_at": now if result.next_at is None else None}
            for result in results
        ]
        with self._database.changing() as tx:
            tx.execute(change, values)

    def release(self, claim: str) -> None:
        """Give back what was claimed and not tried."""
        with self._database.changing() as tx:
            tx.execute(
                DELIVERIES.update()
                .where(_OF.book_id == self._book, _OF.claim == claim)
                .values(claim=None, claimed_until=None)
            )

    def prune(self, now: Instant) -> int:
        """Forget what was delivered long ago; how many that were."""
        with self._database.changing() as tx:
            gone = tx.execute(
                DELIVERIES.delete().where(
                    _OF.book_id == self._book,
                    _OF.created_at < now - KEPT,
                    _OF.done_at < now - KEPT,
                    _OF.status == "delivered",
                )
            )
            return int(gone.rowcount)


def _again(view: View, active: dict[str, Endpoint], first: int, last: int) -> Again:
    """What people wanted sent again, by the commands in this range."""
    found: Again = []
    for command in asked_again(view, first, last):
        if isinstance(command, Resend):
            found += _one(view, active, command)
        elif command.endpoint in active:
            endpoint = active[command.endpoint]
            for start in range(command.since_seq, command.until_seq + 1, _SPAN):
                events = told(view, start, min(start + _SPAN - 1, command.until_seq))
                found.append(
                    (endpoint, [one for one in events if wants(endpoint.events, one.type)])
                )
    return found


def _one(view: View, active: dict[str, Endpoint], command: Resend) -> Again:
    seq, n, name = delivery_key(command.delivery) or (0, 0, "")
    if name not in active:
        return []
    return [(active[name], [one for one in told(view, seq, seq) if one.n == n])]
