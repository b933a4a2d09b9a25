"""What happened to people's money becomes messages to them.

A consumer of the journal reads on from its place: of every movement each leg on an account that has
an owner, and every event that was announced to one. For each it puts a message into the outbox, in
the transaction that moves the place; so each is put there once, however often this is killed or run
beside itself, and a gateway takes it in when there is one. A message's id is made of where it comes
from, `<book>/<seq>/<n>` for an event and `<book>/<seq>/leg<n>` for a movement's leg, so even one
that is taken in twice is stored once.

    {"type":"money.credited","at":"…","subject":"ent_0abc","data":{"account":"bob/personal/BDT",…}}
    {"type":"order.paid","at":"…","subject":"ord_0abc","data":{…}}

A consumer that has no place yet begins at the end of the journal: nobody is told of the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog

from khata.base import ids
from khata.base.actor import SYSTEM
from khata.base.clock import Clock, Instant, system_clock, to_iso
from khata.base.money import to_text
from khata.engine import reading
from khata.engine.accounts import SIDE, Account, Entry, Posting
from khata.engine.database import Database, View
from khata.engine.events import Event
from khata.engine.tables import CONSUMERS, JOURNAL, table_of
from khata.messaging.model import KEYS, KHATA, LONGEST_BODY, LONGEST_NAME, Identity, Send, named
from khata.messaging.outbox import Outbox
from khata.messaging.supervising import as_it_comes

log = structlog.get_logger("khata.messaging")
CONSUMER: Final = "messages"
WHO: Final = Identity(KHATA, frozenset({"service"}))
_SPAN: Final = 500
"""Commands that are read at once."""
_IDLE: Final = 500
"""So few commands that concern nobody are read again rather than written off."""
_PAUSE_SECONDS: Final = 0.2
_STAFF: Final = frozenset({"by", "asked_by"})
"""What events say of who did it, mostly staff: no owner is told their names."""
_read: Final = msgspec.json.Decoder(dict[str, Any]).decode
_legs: Final = msgspec.json.Decoder(list[tuple[int, int]]).decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Telling:
    """Tells the owners of one book. `name`: the book's, with which the messages' ids begin.

    Several may work at once: of those that read the same, one writes.
    """

    def __init__(
        self,
        database: Database,
        book_id: int,
        name: str,
        outbox: Outbox,
        clock: Clock = system_clock,
    ) -> None:
        self._database = database
        self._book_id = book_id
        self._name = name
        self._outbox = outbox
        self._clock = clock

    def work(self) -> int:
        """Read on in the journal; how many commands that was. Not for an event loop's thread.

        Errors: `DatabaseUnavailable`; `Overloaded` when too much waits in the outbox.
        """
        with self._database.view(self._book_id, self._clock(), SYSTEM) as view:
            place, end = self._place(view), reading.head(view).seq
            if place is None:
                found, last = list[Send](), end
            else:
                last = min(end, place + _SPAN)
                found = told(view, self._name, place + 1, last) if last > place else []
        if place is not None and not found and last - place < _IDLE:
            return 0
        rows = self._outbox.rows([(WHO, one) for one in found])
        with self._database.changing() as tx:
            if not self._move(tx, place, last):
                tx.rollback()
                return 0
            self._outbox.write(tx, rows)
        return last - (place or 0) if place is not None else 0

    def _place(self, view: View) -> int | None:
        row = view.row(sa.select(CONSUMERS.c.seq).where(*self._mine()))
        return int(row.seq) if row else None

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return CONSUMERS.c.book_id == self._book_id, CONSUMERS.c.name == CONSUMER

    def _move(self, tx: sa.Connection, place: int | None, last: int) -> bool:
        """Whether the place was still where it was read, and is further on now."""
        if place is not None:
            move = CONSUMERS.update().where(*self._mine(), CONSUMERS.c.seq == place)
            return bool(tx.execute(move.values(seq=last)).rowcount)
        try:
            tx.execute(CONSUMERS.insert().values(book_id=self._book_id, name=CONSUMER, seq=last))
        except sa.exc.IntegrityError:
            return False
        return True


async def tell(telling: Telling, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
    """Tell, until this is cancelled: a part for a supervisor. A database that is away, and an
    outbox that is full, are waited for.
    """
    work = partial(asyncio.to_thread, telling.work)
    await as_it_comes(work, "owners_not_told", pause_seconds)


# ── what is told ─────────────────────────────────────────────────────────────────────


def told(view: View, book: str, first: int, last: int) -> list[Send]:
    """The messages that follow from the commands `first` to `last`, in their order."""
    found = [*_movements(view, book, first, last), *_events(view, book, first, last)]
    if not found:
        return []
    query = sa.select(JOURNAL.c.seq, JOURNAL.c.at).where(
        JOURNAL.c.book_id == view.book_id, JOURNAL.c.seq.between(first, last)
    )
    at: dict[int, Instant] = {row.seq: row.at for row in view.rows(query)}
    found.sort(key=lambda one: one[:2])
    messages = []
    for seq, _, owner, name, body in found:
        text = _encode({**body, "at": to_iso(at[seq])})
        if _is_storable(owner, name, text):
            messages.append(Send(name, msgspec.Raw(text), to=owner))
        else:
            log.warning("owner_not_told", seq=seq, type=body["type"])
    return messages


def _is_storable(owner: str, name: str, text: bytes) -> bool:
    if owner == KHATA or owner.startswith(KEYS):
        # nobody comes in under it but an API key, whose it is not
        return False
    short = max(len(owner), len(name)) <= LONGEST_NAME and len(text) <= LONGEST_BODY
    return short and bool(owner) and named(owner)


_Found = tuple[int, int, str, str, dict[str, Any]]
"""The command, the order within it, the owner, the message's id, its body."""


def _events(view: View, book: str, first: int, last: int) -> Iterable[_Found]:
    of = table_of(Event).c
    query = reading.select(view, Event).where(of.seq.between(first, last), of.owner.is_not(None))
    for event in reading.records(view, Event, query):
        data = {name: value for name, value in _read(event.data).items() if name not in _STAFF}
        body = {"type": event.type, "subject": event.subject, "data": data}
        name = f"{book}/{event.seq}/{event.n}"
        yield event.seq, ids.PER_COMMAND + event.n, event.owner or "", name, body


def _movements(view: View, book: str, first: int, last: int) -> Iterable[_Found]:
    of = table_of(Entry).c
    query = reading.select(view, Entry).where(of.seq.between(first, last))
    entries = {(e.seq, e.entry): e for e in reading.records(view, Entry, query)}
    touched = {account for entry in entries.values() for account, _ in _legs(entry.legs)}
    accounts = {a.id: a for a in reading.among(view, Account, "id", touched) if a.owner is not None}
    p = table_of(Posting).c
    query = reading.select(view, Posting).where(
        p.account_id.in_(sorted(accounts)), p.seq.between(first, last)
    )
    for posting in reading.records(view, Posting, query):
        account, entry = accounts[posting.account_id], entries[posting.seq, posting.entry]
        name = f"{book}/{posting.seq}/leg{posting.leg}"
        body = _moved(account, posting, entry)
        yield posting.seq, posting.leg, account.owner or "", name, body


def _moved(account: Account, posting: Posting, entry: Entry) -> dict[str, Any]:
    side, exponent = SIDE[account.kind], account.exponent
    amount = posting.amount * side
    return {
        "type": "money.credited" if amount > 0 else "money.debited",
        "subject": ids.to_text("ent", ids.number(entry.seq, entry.entry)),
        "data": {
            "account": account.code,
            "amount": to_text(abs(amount), exponent),
            "balance": to_text(posting.balance_after * side, exponent),
            "currency": account.unit,
            "type": entry.type,
            "source": entry.source,
            "reference": entry.reference,
            "line": posting.line,
        },
    }
