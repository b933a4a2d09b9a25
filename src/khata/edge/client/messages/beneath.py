"""The database beneath: where clients write and read while no gateway can be reached.

Who uses it is trusted by the database, as the command line is. As whom they write says their
credential, which is looked up as the gateway would.
"""

from __future__ import annotations

import base64
import binascii
import threading
from typing import Any, Final, NoReturn

import msgspec

from khata.base.actor import SYSTEM
from khata.base.clock import system_clock
from khata.domain.access import key_by_hash
from khata.edge.client.messaging_answers import Messages, MessageView, Taken
from khata.edge.security import book_of, hash_key
from khata.engine import migrations
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import Unauthenticated
from khata.messaging.history import History
from khata.messaging.model import Identity, Kept
from khata.messaging.outbox import Outbox

_DEFAULT_BOOK: Final = "main"


class Beneath:
    """`database`: its URL. `book`: where a token names none. Opened when it is first needed.

    Errors of all methods: `DatabaseUnavailable`, `SchemaOutdated`, `BookNotFound`,
    `Unauthenticated`. Thread-safe.
    """

    def __init__(
        self, database: str, credential: str, *, book: str | None = None, vault: Vault | None = None
    ) -> None:
        self._url = database
        self._credential = credential
        self._book = book
        self._vault = vault
        self._opening = threading.Lock()
        self._opened: tuple[Database, int, Outbox, History] | None = None

    def take(self, asked: Kept) -> Taken:
        """Keep a message until a gateway takes it in. Errors: as `Outbox.put`."""
        _, _, outbox, _ = self._open()
        outbox.put(self.who(), asked)
        return Taken(asked.id, "database")

    def after(self, seq: int, limit: int) -> Messages:
        """What came to the caller after a number, as far as it is stored."""
        _, _, outbox, history = self._open()
        user = self.who().user
        found = history.after(user, seq, limit)
        lines = [message.line for message in found.messages]
        if not found.more:
            lines += [message.line for message in outbox.to(user, limit)]
        messages = [msgspec.json.decode(line, type=MessageView) for line in lines]
        return Messages(messages, found.messages[-1].seq if found.more else None)

    def who(self) -> Identity:
        """Whose credential it is. Errors: `Unauthenticated`."""
        if not self._credential.startswith("kh_"):
            owner = _claims(self._credential).get("sub")
            return Identity(owner) if isinstance(owner, str) and owner else _stranger()
        database, book_id, _, _ = self._open()
        with database.view(book_id, system_clock(), SYSTEM) as view:
            key = key_by_hash(view, hash_key(self._credential))
        if key is None or key.revoked_at is not None or "write" not in key.scopes:
            _stranger()
        return Identity(key.id, frozenset(key.roles))

    def close(self) -> None:
        """Let the database go."""
        with self._opening:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def _open(self) -> tuple[Database, int, Outbox, History]:
        with self._opening:
            if self._opened is None:
                database = Database(self._url)
                try:
                    migrations.check(database)
                    book_id = database.open_book(self._name(), system_clock, create=False)
                except BaseException:
                    database.close()
                    raise
                outbox = Outbox(database, book_id, self._vault)
                history = History(database, book_id, vault=self._vault)
                self._opened = (database, book_id, outbox, history)
            return self._opened

    def _name(self) -> str:
        if self._credential.startswith("kh_"):
            return book_of(self._credential) or _DEFAULT_BOOK
        return str(_claims(self._credential).get("book") or self._book or _DEFAULT_BOOK)


def _claims(token: str) -> dict[str, Any]:
    """What a token says. Its signature is not checked: who has the database needs none."""
    try:
        part = token.split(".")[1]
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (IndexError, binascii.Error, ValueError, msgspec.MsgspecError):
        _stranger()


def _stranger() -> NoReturn:
    raise Unauthenticated("This credential is not valid.", expected="an API key or a token")
