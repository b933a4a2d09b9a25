"""What a request says, as values: its JSON, its query, its idempotency key."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from khata.base.clock import from_iso
from khata.edge.http.problems import DoorError
from khata.edge.http.wire import Ask
from khata.errors import Invalid, InvalidKey

T = TypeVar("T")
INSTANTS: Final = frozenset({"since", "until", "at"})
_DRY: Final = {"": True, "1": True, "true": True, "0": False, "false": False}


class WriteQuery(msgspec.Struct, frozen=True):
    """`dry_run`: decide and answer, write nothing."""

    dry_run: bool = False


def key_of(ask: Ask) -> str:
    """The idempotency key. Errors: `InvalidKey` when there is none."""
    key = ask.headers.get(b"idempotency-key")
    if not key:
        raise InvalidKey(
            "A request that changes something needs an Idempotency-Key header.",
            expected="an Idempotency-Key of 1 to 255 visible ASCII characters",
            got=None,
        )
    return key.decode("latin-1")


def is_dry(ask: Ask) -> bool:
    """Whether it is only asked what would happen. Errors: `Invalid`."""
    if not ask.scope["query_string"]:
        return False
    given = ask.query()
    text = given.pop("dry_run", "0").lower()
    if given or text not in _DRY:
        raise Invalid(
            "The only parameter here is dry_run.",
            expected="dry_run=true or dry_run=false",
            got=", ".join(sorted(given))[:60] or text[:60],
        )
    return _DRY[text]


async def body_of(ask: Ask, most: int) -> bytes:
    """The body of a request that speaks JSON; an empty one counts as `{}`.

    Errors: `DoorError` 413 beyond `most` bytes, 415 for another type of content.
    """
    kind = ask.headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    body = await ask.body(most)
    if body is None:
        raise DoorError(
            413, "body_too_large", f"The body has more than {most} bytes.", expected=most
        )
    if body and kind != b"application/json":
        raise DoorError(
            415,
            "unsupported_media_type",
            "The body must be JSON.",
            expected="application/json",
            got=kind.decode("latin-1")[:60],
        )
    return body or b"{}"


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The value in a JSON text. Errors: `Invalid`, saying where it is wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(f"The body does not fit: {error}", expected=shape_of(decoder.type)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not JSON: {error}", expected="JSON in UTF-8") from None
    except RecursionError:
        raise Invalid("The body is nested too deeply.", expected="flat JSON") from None


def shape_of(kind: Any) -> Any:
    """The fields of a struct, as one is told who got them wrong."""
    try:
        return [field.encode_name for field in msgspec.structs.fields(kind)]
    except TypeError:
        return "the type in the API's description"


def queried(kind: Any, ask: Ask) -> dict[str, Any]:
    """The query's parameters that were given, instants as such. Errors: `Invalid`."""
    try:
        found = msgspec.convert(ask.query(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"The query does not fit: {error}", expected=shape_of(kind)) from None
    except ValueError:
        raise Invalid("The query has too many parameters.", expected=shape_of(kind)) from None
    return {
        name: from_iso(value) if name in INSTANTS else value
        for name, value in msgspec.structs.asdict(found).items()
        if value is not None
    }
