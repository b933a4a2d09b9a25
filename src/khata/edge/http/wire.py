"""The bytes of a request and of its answer. Nothing here knows what they mean."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from litestar.types import HTTPScope, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]
JSON: Final = b"application/json"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Disconnected(Exception):  # noqa: N818 - not a fault, and nobody is left to hear of it
    """The caller went away before the request was complete."""


class Reply:
    """An answer, whole. It is the ASGI app that Litestar sends."""

    __slots__ = ("body", "content_type", "headers", "request_id", "status", "without_body")

    def __init__(
        self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.request_id = b""
        self.without_body = False

    def head(self) -> list[tuple[bytes, bytes]]:
        """The headers that every answer has, then its own."""
        return [
            (b"content-type", self.content_type),
            (b"x-request-id", self.request_id),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send it."""
        headers = self.head()
        headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if self.without_body else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


class Stream(Reply):
    """An answer in parts, of a length that is not known when it begins."""

    __slots__ = ("parts",)

    def __init__(
        self, parts: AsyncIterator[bytes], content_type: bytes, headers: Headers = ()
    ) -> None:
        super().__init__(200, b"", content_type, headers)
        self.parts = parts

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send it, part by part."""
        await send({"type": "http.response.start", "status": 200, "headers": self.head()})
        if not self.without_body:
            async for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Ask:
    """A request: its headers by lower-case name, who asks (once admitted) and of which book."""

    __slots__ = ("actor", "book", "headers", "params", "receive", "request_id", "scope", "scopes")

    def __init__(self, scope: HTTPScope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        known = _REQUEST_ID.fullmatch(given)
        self.request_id = given if known else os.urandom(8).hex().encode()
        self.params: dict[str, str] = scope.get("path_params") or {}
        self.book: Any = None
        self.actor: Any = None
        self.scopes: tuple[str, ...] = ()

    def param(self, name: str) -> str:
        """A part of the path, with its slashes given back (see `keep_slashes`)."""
        return self.params[name].replace("%2F", "/")

    def query(self) -> dict[str, str]:
        """The query's parameters; of one given twice the last counts."""
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
        return dict(pairs)

    async def body(self, most: int) -> bytes | None:
        """The body; None when it is longer than `most` bytes. Errors: `Disconnected`."""
        length = self.headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > most:  # noqa: PLR2004 - before int()
            return None
        message: Any = await self.receive()
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                return None
            if not message.get("more_body") and not parts:
                return bytes(part)
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await self.receive()


def keep_slashes(scope: Scope) -> None:
    """Let an encoded slash stay part of a path's segment: `alice%2Fpersonal%2FBDT` is one name.

    ASGI decodes the path before it is split; the raw one tells where the slashes really were.
    """
    raw: bytes = scope.get("raw_path") or b""
    if str(scope["type"]) != "http" or b"%2" not in raw or b"%2f" not in raw.lower():
        return
    parts = re.split(rb"%2[fF]", raw.partition(b"?")[0])
    scope["path"] = "%2F".join(_unquoted(part) for part in parts)


def _unquoted(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "replace")
