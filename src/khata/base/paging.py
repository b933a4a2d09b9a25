"""Pages: a list with the opaque cursor of what follows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from khata.errors import Invalid, InvalidCursor

T = TypeVar("T")
MAX_LIMIT: Final = 1000


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Up to `limit` items; `next` is the cursor of the following page, None at the end."""

    items: list[T]
    next: str | None = None


def to_cursor(*position: int | str) -> str:
    """An opaque cursor for the position of the last item shown."""
    raw = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_cursor(text: str, *types: type) -> tuple[int | str, ...]:
    """The position in a cursor, checked against the types it must have.

    Errors: `InvalidCursor`.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        values = msgspec.json.decode(raw, type=list[int | str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        values = None
    if values is None or [type(v) for v in values] != list(types) or not all(map(_fits, values)):
        raise InvalidCursor(
            "That cursor is not one of this list's.",
            expected="the `next` of an earlier page",
            got=text[:60],
        )
    return tuple(values)


def _fits(value: int | str) -> bool:
    """Whether a database can compare a column with it."""
    return "\x00" not in value if isinstance(value, str) else -(1 << 63) <= value < 1 << 63


def checked_limit(limit: int) -> int:
    """The page size, between 1 and `MAX_LIMIT`. Errors: `Invalid`."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid("A page has 1 to 1000 items.", expected=f"1 to {MAX_LIMIT}", got=limit)
    return limit


def paged(found: list[T], limit: int, position: Callable[[T], tuple[int | str, ...]]) -> Page[T]:
    """A page out of `limit + 1` fetched items, with the cursor of the last one that is shown."""
    if len(found) <= limit:
        return Page(found)
    return Page(found[:limit], to_cursor(*position(found[limit - 1])))
