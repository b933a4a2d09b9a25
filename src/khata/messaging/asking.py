"""What may be asked at all, whoever takes it in: a gateway's other doors, or the outbox."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.errors import Forbidden, Invalid
from khata.messaging.model import (
    DEEPEST_BODY,
    LONGEST_BODY,
    LONGEST_NAME,
    MOST_RECEIVERS,
    Broadcast,
    Conversation,
    Identity,
    Kept,
    Send,
    depth,
    named,
    senseless,
)

_encode: Final = msgspec.json.Encoder().encode
_read: Final = msgspec.json.Decoder(Kept).decode


def check_form(asked: Kept) -> None:
    """Say no to what was made in Python of values that could not be read again: no type is checked
    there. Errors: `Invalid`.
    """
    try:
        _read(_encode(asked))
    except UnicodeEncodeError:
        raise Invalid("A name is text in Unicode.", expected="no lone surrogates") from None
    except msgspec.ValidationError as error:
        raise senseless(error) from None
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise Invalid(f"This is no JSON: {error}.", expected="values that JSON has") from None


def check(who: Identity, asked: Kept) -> None:
    """Say no to what no gateway would take from this one. Errors: `Invalid`, `Forbidden`."""
    if isinstance(asked, Conversation):
        check_names(who.user, asked.id, asked.c, *asked.add, *asked.remove)
        return
    check_body(bytes(asked.body))
    _check_text(bytes(asked.body))
    sender_of(who, asked.sender)
    if isinstance(asked, Send):
        check_names(who.user, asked.id, asked.to, asked.c, asked.sender)
        if (asked.to is None) == (asked.c is None):
            raise Invalid("A message is for a user or a conversation.", expected="to or c")
        return
    _check_broadcast(who, asked)


def _check_broadcast(who: Identity, asked: Broadcast) -> None:
    if not who.service:
        raise Forbidden("Only services send to many.", expected="service")
    check_names(who.user, asked.id, asked.sender, *(asked.to or ()))
    if asked.to is not None and len(asked.to) > MOST_RECEIVERS:
        raise Invalid("Too many for one broadcast.", expected=MOST_RECEIVERS, got=len(asked.to))


def sender_of(who: Identity, named_: str | None) -> str:
    """Who sends it, as far as it is said. Errors: `Forbidden`."""
    if named_ is None or named_ == who.user:
        return who.user
    if not who.service:
        raise Forbidden("Only services send on behalf of others.", expected="service")
    return named_


def check_body(body: bytes) -> None:
    """Refuse what is too long or too deep. Errors: `Invalid`."""
    if len(body) > LONGEST_BODY:
        raise Invalid("The body is too long.", expected=LONGEST_BODY, got=len(body))
    # most have not even so many brackets
    if body.count(b"[") + body.count(b"{") > DEEPEST_BODY and depth(body) > DEEPEST_BODY:
        raise Invalid("The body is too deep.", expected=DEEPEST_BODY)


def _check_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Invalid("The body is not text.", expected="JSON in UTF-8") from None


def check_names(*names: str | None) -> None:
    """Refuse names that no database keeps, or that nobody can see. Errors: `Invalid`."""
    if not named(*names):
        raise Invalid("Names have no control characters.", expected="visible characters")
    for name in names:
        if name is not None and not 0 < len(name) <= LONGEST_NAME:
            raise Invalid("A name has 1 to 128 characters.", expected=LONGEST_NAME, got=len(name))
        if name is not None and not _encodable(name):
            raise Invalid("A name is text in Unicode.", expected="no lone surrogates")


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
