"""When to ask again, and how errors come back as Khata's own. Values in, values out.

A call is sent again only under the key that it has, so asking twice is as good as asking once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from khata.edge.client.answers import Problem
from khata.errors import (
    Conflict,
    Forbidden,
    Invalid,
    KhataError,
    NotFound,
    RateLimited,
    Refused,
    Timeout,
    Unauthenticated,
    Unavailable,
    Unknown,
    every_error,
)

AGAIN: Final = frozenset({429, 503, 504})
_BY_CODE: Final = {cls.code: cls for cls in every_error()}
_BY_STATUS: Final[dict[int, type[KhataError]]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Refused,
    429: RateLimited,
    502: Unknown,
    503: Unavailable,
    504: Timeout,
}


class Patience(msgspec.Struct, frozen=True):
    """How often and how long to wait: `first_seconds`, doubled each time, at most
    `longest_seconds`, with jitter; `tries` in all.
    """

    tries: int = 6
    first_seconds: float = 0.1
    longest_seconds: float = 10.0

    def pause(self, tried: int, asked_for: float | None, random: Callable[[], float]) -> float:
        """Seconds to wait after `tried` tries; at least what the server asked for.

        `random` gives 0.0 to 1.0.
        """
        grown: float = min(self.first_seconds * 2 ** (tried - 1), self.longest_seconds)
        return max(grown * (0.5 + random() / 2), min(asked_for or 0.0, self.longest_seconds))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks for."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None  # noqa: PLR2004 - days


def error_of(status: int, body: bytes) -> KhataError:
    """The error that an answer tells of, by its code, else by its status."""
    try:
        told = msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        cls = _BY_STATUS.get(status, KhataError)
        return cls(f"The server answered {status}.", status=status)
    cls = _BY_CODE.get(told.code) or _BY_STATUS.get(status, KhataError)
    error = cls(told.detail)
    error.details.update(told.details)
    error.details["request_id"] = told.request_id
    return error


def error_by_code(code: str, message: str, details: dict[str, Any] | None = None) -> KhataError:
    """The error with this code, as it is told over a socket."""
    error = _BY_CODE.get(code, KhataError)(message)
    error.details.update(details or {})
    return error


def unreached(reason: str) -> Unavailable:
    """The error after the last try that reached nobody, or whose answer was lost."""
    return Unavailable(
        "The server cannot be reached, or its answer was lost: ask again under the same key.",
        reason=reason,
    )
