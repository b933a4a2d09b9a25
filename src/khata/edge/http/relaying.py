"""Passing requests on to the gateway, from servers that have none of their own.

The caller's own credential goes along, so nobody can do more here than there. A gateway that does
not answer is left alone for a moment, and the request is answered out of the database instead:
whatever became of it at the gateway, its message has an id and is stored once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import httpx
import msgspec

from khata.edge.client.answers import Problem
from khata.edge.http.operation import Operation
from khata.edge.http.wire import Ask, Reply
from khata.errors import Closing
from khata.messaging.model import LARGEST_FRAME

_CONNECT_SECONDS: Final = 0.5
_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
_THERE: Final[tuple[bytes, ...]] = (b"authorization", b"content-type", b"accept")
_BACK: Final = ("retry-after", "www-authenticate")
_UNAVAILABLE: Final = 503

Run = Callable[[Ask], Awaitable[Reply]]


class Relay:
    """`url`: where the gateway of the book called `book` answers HTTP."""

    def __init__(self, url: str, book: str) -> None:
        self._url = url
        self._book = book
        self._http: httpx.AsyncClient | None = None
        self._away_until = 0.0

    def passed_on(self, operation: Operation) -> Operation:
        """An operation that the gateway carries out if it can."""
        return replace(operation, run=self._runner(operation.method, operation.run))

    async def close(self) -> None:
        """Let the connections go."""
        if self._http is not None:
            await self._http.aclose()

    def _runner(self, method: str, here: Run) -> Run:
        async def run(ask: Ask) -> Reply:
            if ask.book.book != self._book or time.monotonic() < self._away_until:
                return await here(ask)
            body = await ask.body(LARGEST_FRAME) if method != "GET" else b""
            if body is None:
                return await here(ask)
            try:
                answer = await self._passed(method, ask, body)
            except httpx.TransportError:
                answer = None
            if answer is None:
                self._away_until = time.monotonic() + _PAUSE_SECONDS
                ask.receive = _again(body)
                return await here(ask)
            return answer

        return run

    async def _passed(self, method: str, ask: Ask, body: bytes) -> Reply | None:
        """The gateway's answer; None when it is shutting down. Errors: `httpx.TransportError`."""
        if self._http is None:
            timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
            self._http = httpx.AsyncClient(base_url=self._url, timeout=timeout)
        path, query = ask.scope["raw_path"].partition(b"?")[0], ask.scope["query_string"]
        headers = [(name, ask.headers[name]) for name in _THERE if name in ask.headers]
        headers.append((b"x-request-id", ask.request_id))
        url = httpx.URL(self._url).copy_with(raw_path=path + (b"?" + query if query else b""))
        found = await self._http.request(method, url, headers=headers, content=body)
        if found.status_code == _UNAVAILABLE and _code(found.content) == Closing.code:
            return None
        kept = [(n.encode(), found.headers[n].encode()) for n in _BACK if n in found.headers]
        return Reply(found.status_code, found.content, found.headers["content-type"].encode(), kept)


def _code(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=Problem).code
    except msgspec.MsgspecError:
        return None


def _again(body: bytes) -> Any:
    """What gives a request's body once more."""

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
