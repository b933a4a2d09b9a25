"""The outbox: what was sent while no gateway was there, in the database until one takes it in.

A message is known by its sender and id, on a spool, in the database and here. So it does not matter
when the same one went both ways, when a gateway dies between taking it in and deleting it here, or
when two gateways take it in: it is stored once, and who listens drops what they have seen.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import BookCorrupted, KhataError, NotFound, Overloaded, VaultMissing
from khata.messaging import wire
from khata.messaging.asking import check, check_form
from khata.messaging.batch import about
from khata.messaging.model import Broadcast, Conversation, Identity, Kept, Message, Send
from khata.messaging.sealing import NONCE, DataKey
from khata.messaging.supervising import as_it_comes
from khata.messaging.tables import CONVERSATIONS, KEYS, MEMBERS, MESSAGES, OUTBOX

log = structlog.get_logger("khata.messaging")
MOST_WAITING: Final = 100_000
MOST_READ: Final = 10_000
PAGE: Final = 500
_PAUSE_SECONDS: Final = 0.5
_CHANGE: Final = "\x1f"
"""No name has it, and every database does."""
_o: Final = OUTBOX.c

Post = Callable[[Identity, Kept], Awaitable[None]]


class Put(msgspec.Struct, frozen=True):
    """What is kept of a request: who asked, in which roles, for what."""

    user: str
    roles: list[str]
    asked: Kept


class Waiting(NamedTuple):
    """A request that waits. `sender` and `id` name it; `at`: when it came, in microseconds."""

    sender: str
    id: str
    at: int
    who: Identity
    asked: Kept


_decode: Final = msgspec.json.Decoder(Put).decode
_encode: Final = msgspec.json.Encoder().encode


class Outbox:
    """The outbox of a book. Thread-safe. With a vault, what is in it is sealed.

    Errors of all methods: `DatabaseUnavailable`.
    """

    def __init__(self, database: Database, book_id: int, vault: Vault | None = None) -> None:
        self._database = database
        self._book_id = book_id
        self._vault = vault
        self._key: tuple[str, DataKey] | None = None
        self._keys: dict[str, DataKey] = {}
        self._unreadable: set[tuple[str, str]] = set()

    def put(self, who: Identity, asked: Kept) -> None:
        """Keep a request; it is durable when this returns. One that is here, or was stored as a
        message already, is not kept again.

        Errors: `Invalid`, `Forbidden`, `NotFound` for a conversation that the sender is not in, or
        for a service that is not there, `Overloaded` when too much waits.
        """
        check_form(asked)
        check(who, asked)
        sender, name = sender_of(who, asked), name_of(asked)
        self._check_member(who, asked, sender)
        row = self._row(who, asked)
        with self._database.changing() as connection:
            if self._is_stored(connection, sender, name):
                return
            if self._count(connection) >= MOST_WAITING:
                raise Overloaded("Too much waits for a gateway.", retry_after_seconds=10)
            # nobody's requests overtake their own earlier ones, whatever the clock does
            last = connection.scalar(sa.select(sa.func.max(_o.at)).where(self._mine)) or 0
            values = {**row, "at": max(time.time_ns() // 1000, last + 1)}
            connection.execute(self._insert(OUTBOX).values(values).on_conflict_do_nothing())

    def rows(self, found: Sequence[tuple[Identity, Kept]]) -> list[dict[str, Any]]:
        """Requests of this process's own, sealed if need be, for `write`."""
        return [self._row(who, asked) for who, asked in found]

    def write(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Keep all of them in a transaction of the caller's, or none. They are not checked, nor
        whether they are stored: that transaction sees to it that they come once.

        Errors: `Overloaded` when too much waits.
        """
        if not rows:
            return
        if self._count(connection) + len(rows) > MOST_WAITING:
            raise Overloaded("Too much waits for a gateway.", retry_after_seconds=10)
        last = connection.scalar(sa.select(sa.func.max(_o.at)).where(self._mine)) or 0
        first = max(time.time_ns() // 1000, last + 1)
        for start in range(0, len(rows), PAGE):
            part = rows[start : start + PAGE]
            values = [{**row, "at": first + start + at} for at, row in enumerate(part)]
            connection.execute(self._insert(OUTBOX).on_conflict_do_nothing(), values)

    def waiting(
        self,
        limit: int = PAGE,
        *,
        behind: tuple[int, str, str] | None = None,
        changes: bool = False,
    ) -> list[Waiting]:
        """The oldest requests that wait, in their order. `behind`: (at, sender, id) of the one
        before them. `changes`: only those of conversations. What cannot be read is left where it
        is, and logged.

        Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`.
        """
        found: list[Waiting] = []
        while len(found) < limit:
            rows = self._page(limit, behind, changes=changes)
            found += [one for one in map(self._opened, rows) if one is not None]
            if len(rows) < limit:
                break
            behind = (rows[-1].at, rows[-1].sender, rows[-1].id)
        return found[:limit]

    def _page(
        self, limit: int, behind: tuple[int, str, str] | None, *, changes: bool
    ) -> Sequence[Any]:
        query = (
            sa.select(_o.sender, _o.id, _o.at, _o.key, _o.asked)
            .where(self._mine)
            .order_by(_o.at, _o.sender, _o.id)
            .limit(limit)
        )
        if behind is not None:
            query = query.where(sa.tuple_(_o.at, _o.sender, _o.id) > sa.tuple_(*behind))
        if changes:
            query = query.where(sa.func.substr(_o.id, 1, 1) == _CHANGE)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            self._open_keys(connection, {row.key for row in rows if row.key is not None})
        return rows

    def to(self, user: str, limit: int) -> list[Message]:
        """What waits for a user, the oldest first, without a number yet; to conversations, only
        gateways know. Among the oldest `MOST_READ` requests.
        """
        found = [one for one in self.waiting(MOST_READ) if _is_for(one.asked, user)]
        return [_message(one) for one in found[:limit]]

    def stored(self, found: Sequence[Waiting]) -> set[tuple[str, str]]:
        """Which of these are messages in the database already, by sender and id."""
        m = MESSAGES.c
        query = sa.select(m.sender, m.id).where(
            m.book_id == self._book_id,
            sa.tuple_(m.sender, m.id).in_([(one.sender, one.id) for one in found]),
        )
        with self._database.reading() as connection:
            return {(row.sender, row.id) for row in connection.execute(query)}

    def remove(self, taken: Iterable[Waiting]) -> None:
        """Delete what was taken in."""
        names = [(one.sender, one.id) for one in taken]
        if names:
            with self._database.changing() as connection:
                connection.execute(
                    OUTBOX.delete().where(self._mine, sa.tuple_(_o.sender, _o.id).in_(names))
                )

    def count(self) -> int:
        """How many requests wait."""
        with self._database.reading() as connection:
            return self._count(connection)

    # ── how ──────────────────────────────────────────────────────────────────────────

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return _o.book_id == self._book_id

    def _insert(self, table: sa.Table) -> Any:
        kind: Any = sqlite if self._database.dialect == "sqlite" else postgresql
        return kind.insert(table)

    def _count(self, connection: sa.Connection) -> int:
        return int(
            connection.scalar(sa.select(sa.func.count()).select_from(OUTBOX).where(self._mine)) or 0
        )

    def _row(self, who: Identity, asked: Kept) -> dict[str, Any]:
        sender, name = sender_of(who, asked), name_of(asked)
        content = _encode(Put(who.user, sorted(who.roles), asked))
        sealed_by = None
        if self._vault is not None:
            sealed_by, key = self._sealing(self._vault)
            content = key.seal_row(content, about(sender, name), os.urandom(NONCE))
        return {
            "book_id": self._book_id,
            "sender": sender,
            "id": name,
            "key": sealed_by,
            "asked": content,
        }

    def _is_stored(self, connection: sa.Connection, sender: str, id: str) -> bool:  # noqa: A002 - the name it has outside
        found = sa.select(MESSAGES.c.seq).where(
            MESSAGES.c.book_id == self._book_id, MESSAGES.c.sender == sender, MESSAGES.c.id == id
        )
        return connection.scalar(found) is not None

    def _check_member(self, who: Identity, asked: Kept, sender: str) -> None:
        if not isinstance(asked, Send) or asked.c is None:
            return
        c, m = CONVERSATIONS.c, MEMBERS.c
        theirs = (m.book_id == c.book_id) & (m.conversation == c.id) & (m.owner == c.owner)
        member = (
            sa.select(m.present)
            .join_from(CONVERSATIONS, MEMBERS, theirs)
            .where(c.book_id == self._book_id, c.id == asked.c, m.member == sender)
        )
        if who.service:
            # it need not be in it, but nobody could be told later that there is none
            member = sa.select(c.id).where(c.book_id == self._book_id, c.id == asked.c)
        with self._database.reading() as connection:
            present = connection.scalar(member)
        if not present and not self._comes_in(asked.c, None if who.service else sender):
            raise NotFound("You are in no such conversation.", got=asked.c)

    def _comes_in(self, c: str, user: str | None) -> bool:
        """Whether a request that waits brings a user into a conversation; None: names it at all."""
        behind: tuple[int, str, str] | None = None
        while found := self.waiting(behind=behind, changes=True):
            for one in found:
                change = one.asked
                if (
                    isinstance(change, Conversation)
                    and change.c == c
                    and (user is None or user in {one.sender, *change.add})
                ):
                    return True
            behind = (found[-1].at, found[-1].sender, found[-1].id)
        return False

    def _sealing(self, vault: Vault) -> tuple[str, DataKey]:
        """This process's own key, which the database has before anything is sealed by it."""
        if self._key is None:
            name, key = f"outbox/{os.urandom(8).hex()}", DataKey.new(vault)
            with self._database.changing() as connection:
                connection.execute(
                    KEYS.insert().values(book_id=self._book_id, id=name, sealed=key.sealed)
                )
            self._key = (name, key)
        return self._key

    def _open_keys(self, connection: sa.Connection, names: set[str]) -> None:
        missing = names - self._keys.keys()
        if not missing:
            return
        if self._vault is None:
            raise VaultMissing(
                "What waits for a gateway is sealed, and no vault key is set to open it.",
                expected="the key that it was sealed under, in KHATA_VAULT_KEYS",
            )
        query = sa.select(KEYS.c.id, KEYS.c.sealed).where(
            KEYS.c.book_id == self._book_id, KEYS.c.id.in_(missing)
        )
        for name, sealed in connection.execute(query):
            self._keys[name] = DataKey.unwrap(self._vault, sealed)
        if gone := missing - self._keys.keys():
            raise BookCorrupted("Messages are sealed with a key that is gone.", got=min(gone))

    def _opened(self, row: Any) -> Waiting | None:
        content = bytes(row.asked)
        if row.key is not None:
            content = self._keys[row.key].open_row(content, about(row.sender, row.id))
        try:
            put = _decode(content)
        except msgspec.MsgspecError:
            # whoever put it here did not check it: it must not keep the others from being taken in
            self._tell_unreadable(row.sender, row.id)
            return None
        return Waiting(
            row.sender, row.id, row.at, Identity(put.user, frozenset(put.roles)), put.asked
        )

    def _tell_unreadable(self, sender: str, id: str) -> None:  # noqa: A002 - as above
        """Once for each: it is come upon twice a second."""
        if (sender, id) not in self._unreadable:
            self._unreadable.add((sender, id))
            log.error("outbox_unreadable", sender=sender, id=id)


def _is_for(asked: Kept, user: str) -> bool:
    if isinstance(asked, Send):
        return asked.to == user
    return isinstance(asked, Broadcast) and asked.to is not None and user in asked.to


def _message(one: Waiting) -> Message:
    asked = one.asked
    assert not isinstance(asked, Conversation)
    sender = wire.encode(one.sender)
    if isinstance(asked, Send) and asked.to is not None:
        line = wire.direct_line(
            0, one.id, sender, wire.encode(asked.to), asked.p, one.at, asked.body
        )
    else:
        line = wire.shared_line(0, one.id, sender, None, asked.p, one.at, asked.body)
    return Message(0, one.id, one.sender, asked.p, line)


def name_of(asked: Kept) -> str:
    """The id under which it waits: a change of a conversation has none of those of messages."""
    return f"{_CHANGE}{asked.id}" if isinstance(asked, Conversation) else asked.id


def sender_of(who: Identity, asked: Kept) -> str:
    """In whose name it is asked."""
    if isinstance(asked, Send | Broadcast) and asked.sender is not None:
        return asked.sender
    return who.user


async def take_in(outbox: Outbox, post: Post, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
    """Take in what waits, and what comes, until it is cancelled. `post`: what takes one request
    and returns when it is durable. Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`.
    """
    await as_it_comes(partial(_take_page, outbox, post), "outbox_waits", pause_seconds)


async def _take_page(outbox: Outbox, post: Post) -> int:
    """Take some requests in; how many were dealt with."""
    found = await asyncio.to_thread(outbox.waiting)
    if not found:
        return 0
    known = await asyncio.to_thread(outbox.stored, found)
    new = [one for one in found if (one.sender, one.id) not in known]
    answers = await asyncio.gather(
        *(post(one.who, one.asked) for one in new), return_exceptions=True
    )
    done = [one for one in found if (one.sender, one.id) in known]
    for one, answer in zip(new, answers, strict=True):
        if answer is None:
            done.append(one)
        elif isinstance(answer, KhataError) and not answer.retryable:
            # it was right when it was put here, and is not any more: nobody is there to be told
            log.error("outbox_refused", sender=one.sender, id=one.id, code=answer.code)
            done.append(one)
        elif not isinstance(answer, KhataError):
            raise answer
    await asyncio.to_thread(outbox.remove, done)
    return len(done)
