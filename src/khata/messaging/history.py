"""What was stored, read again: each user what was for them, or from them, and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import sqlalchemy as sa

from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import BookCorrupted, KhataError, VaultMissing
from khata.messaging import records, segments, wire
from khata.messaging.batch import PRIORITIES, about
from khata.messaging.model import Message, Priority
from khata.messaging.reader import Reader
from khata.messaging.sealing import DataKey
from khata.messaging.segments import Place
from khata.messaging.store import place_in
from khata.messaging.tables import (
    CONVERSATIONS,
    KEYS,
    MAILBOXES,
    MEMBERS,
    MESSAGES,
    RECEIVERS,
    SPOOLS,
)
from khata.messaging.together import Together

PAGE: Final = 500
MOST_UNREAD: Final = 10_000
"""Messages to a user, the newest, among which the unread ones are counted."""
_MOST_KEYS: Final = 1_000
_m: Final = MESSAGES.c
_COLUMNS: Final = (
    _m.seq, _m.sender, _m.id, _m.receiver, _m.conversation, _m.priority, _m.at, _m.key, _m.body
)  # fmt: skip

_KNOWN: Final = """
WITH v(name) AS (VALUES {values})
SELECT v.name,
    (SELECT seq FROM mailboxes
        WHERE book_id = :book AND owner = v.name AND conversation = '' AND other = ''),
    (SELECT max(seq) FROM messages WHERE book_id = :book AND receiver = v.name),
    (SELECT max(seq) FROM message_receivers WHERE book_id = :book AND receiver = v.name)
FROM v
"""
Asked = tuple[str, int | None, int]
"""A user, a number or None, and how many messages at most."""
Query = sa.Select[tuple[object, ...]]


class _Known(NamedTuple):
    """Of a user: up to where everything has come, and the newest message's number; 0 for none."""

    floor: int
    last: int


class Page(NamedTuple):
    """Some messages in the order of their numbers. `more`: whether there are others behind them,
    or before them, whichever way was asked.
    """

    messages: list[Message]
    more: bool


class Unread(NamedTuple):
    """`c` or `user`: the conversation whose messages were not read, or who sent them, to this user
    alone or to many. `last`: the newest one's number.
    """

    c: str | None
    user: str | None
    messages: int
    last: int


class History:
    """One book's messages. `folder`: a spool, the rest of which is read where the database is
    behind. Thread-safe. All reads may raise `DatabaseUnavailable`, and where bodies are sealed
    `VaultMissing`, `VaultKeyUnknown` and `BookCorrupted`.
    """

    def __init__(
        self,
        database: Database,
        book_id: int,
        *,
        vault: Vault | None = None,
        folder: Path | None = None,
    ) -> None:
        self._database = database
        self._book_id = book_id
        self._vault = vault
        self._folder = folder
        self._spool = segments.name_of(folder) if folder is not None else ""
        self._keys: dict[str, DataKey] = {}
        self._together = Together(self._answer)

    # ── a gateway's questions ────────────────────────────────────────────────────────

    def last(self) -> int:
        """The highest number that is known, 0 before the first. Of what was taken out, or found to
        have a lower number, users' marks still tell.
        """
        with self._database.reading() as connection:
            found = [
                connection.scalar(sa.select(sa.func.max(column)).where(book == self._book_id))
                for column, book in (
                    (MESSAGES.c.seq, MESSAGES.c.book_id),
                    (MEMBERS.c.seq, MEMBERS.c.book_id),
                    (MAILBOXES.c.seq, MAILBOXES.c.book_id),
                    (SPOOLS.c.seq, SPOOLS.c.book_id),
                )
            ]
        return max(int(seq or 0) for seq in found)

    def stored(self) -> Place:
        """How far the spool is stored."""
        with self._database.reading() as connection:
            return place_in(connection, self._book_id, self._spool)

    def floor(self, user: str) -> int:
        """Everything up to this number has come to a user; 0 when nothing has."""
        with self._database.reading() as connection:
            found = connection.scalar(
                sa.select(MAILBOXES.c.seq).where(
                    MAILBOXES.c.book_id == self._book_id,
                    MAILBOXES.c.owner == user,
                    MAILBOXES.c.conversation == "",
                    MAILBOXES.c.other == "",
                )
            )
        return int(found or 0)

    def conversations(self) -> Iterator[tuple[str, str, list[str]]]:
        """All conversations of several: their names, owners and members."""
        c, m = CONVERSATIONS.c, MEMBERS.c
        query = (
            sa.select(c.id, c.owner, m.member)
            .join_from(
                CONVERSATIONS,
                MEMBERS,
                (m.book_id == c.book_id)
                & (m.conversation == c.id)
                & (m.owner == c.owner)
                & (m.present == 1),
                isouter=True,
            )
            .where(c.book_id == self._book_id)
            .order_by(c.id, m.seq, m.member)
        )
        now: tuple[str, str, list[str]] | None = None
        with self._database.reading() as connection:
            for name, owner, member in connection.execute(query):
                if now is None or now[0] != name:
                    if now is not None:
                        yield now
                    now = (name, owner, [])
                if member is not None:
                    now[2].append(member)
        if now is not None:
            yield now

    async def waiting(self, user: str, after: int | None, limit: int) -> list[Message]:
        """What a gateway asks when a user comes: as `after`, and without a number from what is
        known to have come to them. Those who ask at the same time are answered together.
        """
        return await self._together.ask((user, after, limit))

    def _answer(self, asked: Sequence[Asked]) -> list[list[Message] | Exception]:
        marks = self._marks({user for user, after, _ in asked if after is None})
        known = self._known({user for user, _, _ in asked})
        wanted = [
            (user, max(marks.get(user, 0), known[user].floor) if after is None else after)
            for user, after, _ in asked
        ]
        rest = self._on_spool(wanted, max(limit for _, _, limit in asked))
        # asked again behind the spool: what it had may have been stored and deleted meanwhile
        known = self._known({user for user, _ in wanted})
        found: list[list[Message] | Exception] = []
        for (user, seq), (_, _, limit) in zip(wanted, asked, strict=True):
            mine = rest[user]
            if known[user].last <= seq and not mine:
                found.append([])
                continue
            try:
                found.append(self._joined(user, seq, limit, mine).messages)
            except KhataError as error:
                found.append(error)
        return found

    def _marks(self, users: set[str]) -> dict[str, int]:
        """Up to where everything has come to these users, as far as the spool says."""
        found: dict[str, int] = {}
        for record in self._unstored(self.stored()) if users else ():
            if isinstance(record, records.Mark) and record.user in users:
                found[record.user] = max(found.get(record.user, 0), record.delivered or 0)
        return found

    def _known(self, users: Iterable[str]) -> dict[str, _Known]:
        """What the database knows of some users, in one query: most who come have no message."""
        names = dict(enumerate(users))
        values = ", ".join(f"(:u{n})" for n in names)
        query = sa.text(_KNOWN.format(values=values)).bindparams(
            book=self._book_id, **{f"u{n}": name for n, name in names.items()}
        )
        with self._database.reading() as connection:
            return {
                name: _Known(floor or 0, max(one or 0, many or 0))
                for name, floor, one, many in connection.execute(query)
            }

    def close(self) -> None:
        """End the thread that answers."""
        self._together.close()

    def groups(self) -> tuple[list[tuple[str, str, list[str]]], list[records.Change]]:
        """All conversations of several as they are stored, and the changes that are only on the
        spool, in their order.
        """
        # the spool first: what is stored and deleted meanwhile is in the database after it
        place = self.stored()
        changes = [one for one in self._unstored(place) if isinstance(one, records.Change)]
        return list(self.conversations()), changes

    # ── a user's questions ───────────────────────────────────────────────────────────

    def after(self, user: str, seq: int, limit: int = PAGE) -> Page:
        """What was for a user and came after `seq`, the oldest first, also what is on the spool and
        not stored yet.
        """
        rest = self._on_spool([(user, seq)], limit)
        return self._joined(user, seq, limit, rest.get(user, ()))

    def _joined(self, user: str, seq: int, limit: int, rest: Iterable[Message]) -> Page:
        """What is stored and what was on the spool. The spool was read before: what was stored and
        deleted meanwhile is in the database now, and what is in both counts once.
        """
        with self._database.reading() as connection:
            found = self._page(connection, self._received(user, _m.seq > seq), limit)
        if found.more:
            return found
        messages = {message.seq: message for message in rest if message.seq > seq}
        messages.update((message.seq, message) for message in found.messages)
        ordered = sorted(messages)
        return Page([messages[one] for one in ordered[:limit]], len(ordered) > limit)

    def with_user(
        self, user: str, other: str, before: int | None = None, limit: int = PAGE
    ) -> Page:
        """What two users wrote to each other, the newest page, or that before a number."""
        until = _m.seq < before if before is not None else sa.true()
        queries = [
            self._select(_m.receiver == to, _m.sender == sender, until).order_by(_m.seq.desc())
            for to, sender in {(user, other), (other, user)}
        ]
        return self._newest(queries, limit)

    def conversation(self, user: str, c: str, before: int | None = None, limit: int = PAGE) -> Page:
        """What was written in a conversation to a user, or by them: as `with_user`."""
        until = _m.seq < before if before is not None else sa.true()
        theirs = sa.exists().where(
            RECEIVERS.c.book_id == self._book_id,
            RECEIVERS.c.receiver == user,
            RECEIVERS.c.seq == _m.seq,
        )
        query = self._select(_m.conversation == c, until, (_m.sender == user) | theirs)
        return self._newest([query.order_by(_m.seq.desc())], limit)

    def unread(self, user: str) -> list[Unread]:
        """How many messages in which conversation, or from whom, a user has not read."""
        box, r = MAILBOXES.c, RECEIVERS.c
        direct = (
            sa.select(sa.literal("").label("c"), _m.sender.label("other"), _m.seq)
            .where(_m.book_id == self._book_id, _m.receiver == user)
            .order_by(_m.seq.desc())
        )
        shared = (
            sa.select(
                sa.func.coalesce(_m.conversation, "").label("c"),
                # a broadcast is read like whatever else its sender sent, or nobody could say so
                sa.case((_m.conversation.is_(None), _m.sender), else_="").label("other"),
                _m.seq,
            )
            .join_from(RECEIVERS, MESSAGES, (r.book_id == _m.book_id) & (r.seq == _m.seq))
            .where(r.book_id == self._book_id, r.receiver == user)
            .order_by(r.seq.desc())
        )
        found: dict[tuple[str, str], Unread] = {}
        with self._database.reading() as connection:
            for newest in (direct, shared):
                got = newest.limit(MOST_UNREAD).subquery()
                mine = (box.book_id == self._book_id) & (box.owner == user)
                here = (box.conversation == got.c.c) & (box.other == got.c.other)
                counted = (
                    sa.select(got.c.c, got.c.other, sa.func.count(), sa.func.max(got.c.seq))
                    .join_from(got, MAILBOXES, mine & here, isouter=True)
                    .where(got.c.seq > sa.func.coalesce(box.seq, 0))
                    .group_by(got.c.c, got.c.other)
                )
                for c, other, count, last in connection.execute(counted):
                    before = found.get((c, other), Unread(None, None, 0, 0))
                    total, newer = count + before.messages, max(last, before.last)
                    found[c, other] = Unread(c or None, other or None, total, newer)
        return sorted(found.values(), key=lambda one: -one.last)

    # ── how ──────────────────────────────────────────────────────────────────────────

    def _select(self, *where: sa.ColumnElement[bool]) -> Query:
        return sa.select(*_COLUMNS).where(_m.book_id == self._book_id, *where)

    def _received(self, user: str, since: sa.ColumnElement[bool]) -> list[Query]:
        """Two queries, each along an index: to them alone, and to many."""
        r = RECEIVERS.c
        return [
            self._select(_m.receiver == user, since).order_by(_m.seq),
            self._select(since)
            .join_from(RECEIVERS, MESSAGES, (r.book_id == _m.book_id) & (r.seq == _m.seq))
            .where(r.book_id == self._book_id, r.receiver == user)
            .order_by(_m.seq),
        ]

    def _newest(self, queries: list[Query], limit: int) -> Page:
        with self._database.reading() as connection:
            return self._page(connection, queries, limit, newest=True)

    def _page(
        self,
        connection: sa.Connection,
        queries: list[Query],
        limit: int,
        *,
        newest: bool = False,
    ) -> Page:
        rows = [row for query in queries for row in connection.execute(query.limit(limit + 1))]
        rows.sort(key=lambda row: -row.seq if newest else row.seq)
        kept = rows[:limit]
        if newest:
            kept.reverse()
        self._open_keys(connection, {row.key for row in kept if row.key is not None})
        return Page([self._message(row) for row in kept], len(rows) > limit)

    def _message(self, row: sa.Row[tuple[object, ...]]) -> Message:
        body = bytes(row.body)
        if row.key is not None:
            body = self._keys[row.key].open_row(body, about(row.sender, row.id))
        p: Priority = PRIORITIES[row.priority]
        sender = wire.encode(row.sender)
        line: Callable[..., bytes] = partial(wire.shared_line, c=row.conversation)
        if row.receiver is not None:
            line = partial(wire.direct_line, to=wire.encode(row.receiver))
        text = line(seq=row.seq, id=row.id, sender=sender, p=p, at=row.at, body=body)
        return Message(row.seq, row.id, row.sender, p, text)

    def _open_keys(self, connection: sa.Connection, names: set[str]) -> None:
        missing = names - self._keys.keys()
        if not missing:
            return
        if self._vault is None:
            raise VaultMissing(
                "These messages are sealed, and no vault key is set to open them.",
                expected="the key that they were sealed under, in KHATA_VAULT_KEYS",
            )
        if len(self._keys) > _MOST_KEYS:
            self._keys = {name: self._keys[name] for name in names - missing}
        query = sa.select(KEYS.c.id, KEYS.c.sealed).where(
            KEYS.c.book_id == self._book_id, KEYS.c.id.in_(missing)
        )
        for name, sealed in connection.execute(query):
            self._keys[name] = DataKey.unwrap(self._vault, sealed)
        if gone := missing - self._keys.keys():
            raise BookCorrupted("Messages are sealed with a key that is gone.", got=min(gone))

    def _on_spool(self, wanted: Sequence[tuple[str, int]], most: int) -> dict[str, list[Message]]:
        """What is on the spool and not stored for these users, behind these numbers: the first of
        it, one more than `most`, for each; all of it when somebody is named twice.
        """
        after: dict[str, int] = {}
        for user, seq in wanted:
            after[user] = min(seq, after.get(user, seq))
        most = most if len(after) == len(wanted) else sys.maxsize
        found: dict[str, list[Message]] = {user: [] for user in after}
        for record in self._unstored(self.stored()):
            if not isinstance(record, records.Line):
                continue
            for name in record.receivers if record.receivers is not None else (record.to,):
                if name in after and record.seq > after[name] and len(found[name]) <= most:
                    found[name].append(wire.message_of(record, records.written(record)))
        return found

    def _unstored(self, place: Place) -> Iterator[records.Record]:
        """The records of the spool behind a place."""
        if self._folder is None:
            return
        with contextlib.closing(Reader(self._folder, place, self._vault)) as reader:
            while (frame := reader.next()) is not None:
                yield from records.read(frame.content)
