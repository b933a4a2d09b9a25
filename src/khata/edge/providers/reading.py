"""Reading what a provider sent: JSON of a shape, or one clear error without a word of it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from khata.errors import Invalid

T = TypeVar("T")
_LONGEST: Final = 255


def read(body: bytes, shape: type[T]) -> T:
    """The struct in a body. Errors: `Invalid`, naming the type of what is wrong and its place."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _malformed(error) from None


def shaped(value: Any, shape: type[T]) -> T:
    """A part of it, by the shape that its type calls for. Errors: `Invalid`."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _malformed(error) from None


def reference_in(notes: Any) -> str | None:
    """Our own id among the notes that a provider keeps for us."""
    found = notes.get("reference") if isinstance(notes, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= _LONGEST else None


def _malformed(error: Exception) -> Invalid:
    # the place ("$.data.object") is the provider's documented word, what stands there is not told
    _, _, place = str(error).rpartition(" - at ")
    return Invalid("The body is not what the provider documents.", got=place.strip("`")[:100])
