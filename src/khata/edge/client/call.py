"""A call: a request as a value, and how its answer is read. What the modules of calls are made of.

No network, no waiting.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import quote

import msgspec

T = TypeVar("T")
Json = dict[str, Any]
encode: Final = msgspec.json.Encoder().encode


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A request: method, path, query, body, idempotency key, and the type of its answer.

    `media`: the body's type. An answer of type `bytes` is a file.

    A call that writes has its key from the start: however often it is sent, it happens once.
    """

    method: str
    path: str
    gives: Any
    query: Json = {}
    body: bytes | None = None
    key: str | None = None
    media: str = "application/json"

    def headers(self) -> dict[str, str]:
        """The headers of this call alone."""
        found = {"accept": "*/*" if self.gives is bytes else "application/json"}
        if self.body is not None:
            found["content-type"] = self.media
        if self.key is not None:
            found["idempotency-key"] = self.key
        return found

    def read(self, body: bytes) -> T:
        """The answer in a body."""
        if self.gives is bytes:
            return cast("T", body)
        found: T = msgspec.json.decode(body, type=self.gives)
        return found

    def following(self, cursor: str) -> Call[T]:
        """The same call for the next page."""
        return msgspec.structs.replace(self, query={**self.query, "cursor": cursor})


def new_idempotency_key() -> str:
    """A key that no one else has; it begins with the time, which keeps the journal's index fast."""
    return f"cli-{time.time_ns():016x}{os.urandom(6).hex()}"


def path_of(*parts: str) -> str:
    """A path of the API; what varies in it is encoded."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def given(values: Json) -> Json:
    """What is not None."""
    return {name: value for name, value in values.items() if value is not None}


def asked(values: Json) -> Json:
    """A query: what is not None, flags as words."""
    shown = {True: "true", False: "false"}
    return {
        name: shown[value] if isinstance(value, bool) else value
        for name, value in given(values).items()
    }


def write(
    gives: Any,
    path: str,
    body: Json,
    key: str | None,
    *,
    dry_run: bool = False,
    method: str = "POST",
) -> Call[Any]:
    """A call that changes something, under its key or a new one."""
    return Call(
        method,
        path,
        gives,
        {"dry_run": "true"} if dry_run else {},
        encode(given(body)),
        key or new_idempotency_key(),
    )
