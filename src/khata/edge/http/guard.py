"""Who is asking: API keys of the book, and owners' tokens signed by an outside issuer.

A key that was found valid is trusted for up to a second, and one in use is looked up again before
that second is over, so that nobody waits for it. Revoking a key through this process makes it
forget at once; so a revoked key works for at most a second, and only in other processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from khata.app import Khata
from khata.base.actor import Actor
from khata.domain.access import ApiKey, key_by_hash
from khata.edge.http.threads import Threads
from khata.edge.http.tokens import Tokens
from khata.edge.http.wire import Ask
from khata.edge.security import book_of, hash_key
from khata.errors import ScopeRequired, Unauthenticated
from khata.messaging.model import Identity

TRUST_SECONDS: Final = 1.0
SOCKET_SECONDS: Final = 30.0
"""How long a connection of messages goes on under a key before it is looked up again."""
_RENEW_SECONDS: Final = 0.4
_MOST: Final = 10_000
_OWNER_SCOPES: Final = ("read", "write")


class Pass(NamedTuple):
    """Who was let in, where to, for what, until when; when to look again (monotonic seconds)."""

    book: Khata
    actor: Actor
    scopes: tuple[str, ...]
    until: float
    renew: float


class Guard:
    """Lets requests in. `tokens`: None when no owners are let in."""

    def __init__(self, books: Mapping[str, Khata], threads: Threads, tokens: Tokens | None) -> None:
        self._books = books
        self._default = next(iter(books))
        self._threads = threads
        self._tokens = tokens
        self._known: dict[str, Pass] = {}
        self._forgotten = 0
        self._asked: dict[str, asyncio.Task[Pass]] = {}

    async def admit(self, ask: Ask, scope: str) -> None:
        """Say on the request who asks. Errors: `Unauthenticated`, `ScopeRequired`."""
        kind, _, text = ask.headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer" or not text:
            raise _stranger("This needs an API key or a token.")
        found = await self._found(text.decode("latin-1").strip())
        ask.book, ask.actor, ask.scopes = found.book, found.actor, found.scopes
        if scope not in found.scopes:
            raise ScopeRequired(
                f"This needs the scope {scope}.", expected=scope, got=list(found.scopes)
            )

    async def identify(self, credential: str) -> Identity:
        """Who is on a connection of messages: it reads and sends, so it needs both scopes. Whether
        a key was revoked is asked again and again while the connection lasts.

        Errors: `Unauthenticated`, `ScopeRequired`, `DatabaseUnavailable`.
        """
        if not credential:
            raise _stranger("This needs an API key or a token.")
        found = await self._found(credential)
        if missing := [scope for scope in _OWNER_SCOPES if scope not in found.scopes]:
            raise ScopeRequired(
                f"This needs the scope {missing[0]}.", expected=missing[0], got=list(found.scopes)
            )
        until = found.until
        if credential.startswith("kh_"):
            until = time.monotonic() + SOCKET_SECONDS
        return Identity(found.actor.name, found.actor.roles, until)

    async def _found(self, credential: str) -> Pass:
        found = self._known.get(credential)
        now = time.monotonic()
        if found is None or found.until < now:
            found = await asyncio.shield(self._look(credential))
        elif found.renew < now:
            self._look(credential)
        return found

    def forget(self) -> None:
        """Trust nobody from before: a key was revoked."""
        self._forgotten += 1
        self._known.clear()

    def _look(self, credential: str) -> asyncio.Task[Pass]:
        """Look a credential up, once for all who ask for the same one."""
        task = self._asked.get(credential)
        if task is None:
            task = asyncio.ensure_future(self._pass(credential))
            self._asked[credential] = task
            task.add_done_callback(lambda done: self._looked(credential, done))
        return task

    def _looked(self, credential: str, done: asyncio.Task[Pass]) -> None:
        self._asked.pop(credential, None)
        if done.cancelled() or done.exception() is not None:
            self._known.pop(credential, None)

    async def _pass(self, credential: str) -> Pass:
        forgotten = self._forgotten
        if credential.startswith("kh_"):
            found = await self._of_key(credential, time.monotonic())
        else:
            found = self._of_token(credential, time.monotonic())
        if forgotten != self._forgotten:
            return found  # a key was revoked meanwhile: this answer is not kept
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[credential] = found
        return found

    async def _of_key(self, credential: str, now: float) -> Pass:
        book = self._books.get(book_of(credential) or "")
        if book is None:
            raise _stranger("This key is not valid here.")
        key = await self._threads.read(_key, book, hash_key(credential))
        if key is None or key.revoked_at is not None:
            raise _stranger("This key is not valid (any more).")
        actor = Actor(key.id, frozenset(key.roles))
        return Pass(book, actor, tuple(key.scopes), now + TRUST_SECONDS, now + _RENEW_SECONDS)

    def _of_token(self, credential: str, now: float) -> Pass:
        if self._tokens is None:
            raise _stranger("This is not an API key, and tokens are not in use here.")
        claims = self._tokens.check(credential)
        book = self._books.get(claims.book or self._default)
        if book is None:
            raise _stranger("This token is for a book that is not here.")
        until = now + min(claims.seconds_left, 60)
        return Pass(book, Actor(claims.owner, frozenset({"owner"})), _OWNER_SCOPES, until, until)


def _key(book: Khata, hashed: str) -> ApiKey | None:
    return book.query(key_by_hash, hashed)


def _stranger(message: str) -> Unauthenticated:
    return Unauthenticated(message, expected="Authorization: Bearer <API key or token>")
