"""Taking old messages out of the database: what was delivered to everybody, and long ago.

What somebody has not got yet stays, however old it is. A message that is gone may be sent again
under its id and is a new one then, so nothing younger than a day is taken. Conversations stay, and
so do the keys that sealed what is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog

from khata.base.clock import Clock, system_clock
from khata.engine.database import Database
from khata.errors import Invalid, KhataError
from khata.messaging.tables import MAILBOXES, MESSAGES, RECEIVERS

log = structlog.get_logger("khata.messaging")
DAY: Final = 86_400_000_000
"""Microseconds."""
_PAGE: Final = 2_000
"""Messages of one transaction: the book's writer waits for no more than that."""
_AGAIN_SECONDS: Final = 3_600.0
_m: Final = MESSAGES.c
_r: Final = RECEIVERS.c
_box: Final = MAILBOXES.c


class Pruned(msgspec.Struct):
    """What was taken out, or would be. `kept`: messages as old, which somebody has not got yet.
    `mailboxes`: rows that say how far users are with what is gone; none in a dry run.
    """

    messages: int = 0
    kept: int = 0
    mailboxes: int = 0


def prune(
    database: Database,
    book_id: int,
    days: int,
    *,
    dry_run: bool = False,
    clock: Clock = system_clock,
) -> Pruned:
    """Take out what was delivered and is older than so many days; `dry_run`: only count it.

    Errors: `Invalid` for less than a day, `DatabaseUnavailable`; what was taken out until then is.
    """
    if days < 1:
        raise Invalid("Messages are kept for a day at least.", expected="1 or more", got=days)
    before = clock() - days * DAY
    done, last = Pruned(), 0
    with database.reading() as connection:
        waited_for = set(connection.scalars(_not_delivered_to_all(book_id)))
    while True:
        with database.changing() as tx:
            rows = tx.execute(_page(book_id, last)).all()
            old = [row for row in rows if row.at < before]
            gone = [row.seq for row in old if _has_come(row, waited_for)]
            if gone and not dry_run:
                tx.execute(MESSAGES.delete().where(_m.book_id == book_id, _m.seq.in_(gone)))
        done.messages += len(gone)
        done.kept += len(old) - len(gone)
        if not old:
            # what comes behind it is younger, but for what a wrong clock dated: that waits
            break
        last = rows[-1].seq
    if done.messages and not dry_run:
        done.mailboxes = _tidy(database, book_id)
    return done


async def prune_often(database: Database, book_id: int, days: int) -> None:
    """Take out what has become old, again and again, until this is cancelled: a part for a
    supervisor.
    """
    while True:
        try:
            done = await asyncio.to_thread(prune, database, book_id, days)
        except KhataError as error:
            if not error.retryable:
                raise
            log.warning("messages_not_pruned", code=error.code)
        else:
            if done.messages:
                log.info("messages_pruned", **msgspec.structs.asdict(done))
        await asyncio.sleep(_AGAIN_SECONDS)


def _floor(owner: sa.ColumnElement[Any], book_id: int) -> sa.ScalarSelect[Any]:
    """Up to where everything has come to a user."""
    return (
        sa.select(sa.func.coalesce(sa.func.max(_box.seq), 0))
        .where(
            _box.book_id == book_id,
            _box.owner == owner,
            _box.conversation == "",
            _box.other == "",
        )
        .scalar_subquery()
    )


def _not_delivered_to_all(book_id: int) -> sa.Select[Any]:
    """The messages to many that one of them has not got."""
    return (
        sa.select(_r.seq)
        .where(_r.book_id == book_id, _r.seq > _floor(_r.receiver, book_id))
        .distinct()
    )


def _page(book_id: int, last: int) -> sa.Select[Any]:
    return (
        sa.select(_m.seq, _m.at, _m.receiver, _floor(_m.receiver, book_id).label("floor"))
        .where(_m.book_id == book_id, _m.seq > last)
        .order_by(_m.seq)
        .limit(_PAGE)
    )


def _has_come(row: sa.Row[Any], waited_for: set[int]) -> bool:
    if row.receiver is None:
        return row.seq not in waited_for
    return bool(row.seq <= row.floor)


def _tidy(database: Database, book_id: int) -> int:
    """Take out what is about messages that are gone; how many rows of mailboxes that were."""
    there = sa.exists().where(_m.book_id == book_id, _m.seq == _r.seq)
    to_them = sa.exists().where(_m.book_id == book_id, _m.receiver == _box.owner)
    shared = sa.exists().where(_r.book_id == book_id, _r.receiver == _box.owner)
    from_other = to_them.where(_m.sender == _box.other)
    in_it = sa.exists().where(_m.book_id == book_id, _m.conversation == _box.conversation)
    everything = (_box.conversation == "") & (_box.other == "") & ~to_them & ~shared
    one_sender = (_box.other != "") & ~from_other
    one_conversation = (_box.conversation != "") & ~in_it
    deletes: Sequence[sa.Delete] = (
        RECEIVERS.delete().where(_r.book_id == book_id, ~there),
        MAILBOXES.delete().where(
            _box.book_id == book_id, everything | one_sender | one_conversation
        ),
    )
    with database.changing() as tx:
        return [tx.execute(delete).rowcount for delete in deletes][-1]
