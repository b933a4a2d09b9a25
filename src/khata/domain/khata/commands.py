"""Khata lines by the owner's own hand; those of movements come with their postings."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.actor import Actor
from khata.base.clock import from_iso, to_iso
from khata.base.money import Money, to_positive_minor, to_text
from khata.domain.khata.model import KhataEntry
from khata.domain.setup import KhataKind, exponent_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import Invalid, NotYours

VERBS: Final = Verbs()
_MOST_TEXT: Final = 500
_LONGEST_NAME: Final = 128


class KhataState(msgspec.Struct, frozen=True):
    """A line as its caller is told of it. `amount`: decimal string, positive when money came."""

    owner: str
    seq: int
    kind: KhataKind
    category: str
    amount: str
    currency: str
    note: str | None
    happened_at: str


class AddKhataEntry(Command, frozen=True, tag="khata.add_entry"):
    """A line of the owner's own: cash spent, a loan to a friend. It moves no money.

    `owner` may be left out by an owner. `happened_at`: ISO 8601, now when left out.
    """

    line: KhataKind
    category: str
    amount: Money
    incoming: bool
    owner: str | None = None
    note: str | None = None
    happened_at: str | None = None


@VERBS.handles(AddKhataEntry, roles=("owner", "admin", "service"))
def add_entry(book: Book, command: AddKhataEntry) -> KhataState:
    """Errors: `InvalidAmount`, `TooManyDecimals`, `UnknownCurrency`, `Invalid`, `NotYours`."""
    owner = _whose(book.actor, command.owner)
    if not command.category.strip() or len(command.category + (command.note or "")) > _MOST_TEXT:
        raise Invalid(
            "A khata line has a category; category and note have at most 500 characters.",
            expected="1 to 500 characters",
            got=command.category[:60],
        )
    currency = command.amount.currency
    exponent = exponent_of(book, currency)
    minor = to_positive_minor(command.amount.amount, exponent)
    happened_at = from_iso(command.happened_at) if command.happened_at else book.now
    entry = KhataEntry(
        owner,
        book.seq,
        command.line,
        command.category,
        minor if command.incoming else -minor,
        currency,
        exponent,
        command.note,
        happened_at,
    )
    return state_of(book.add(entry))


def state_of(entry: KhataEntry) -> KhataState:
    """The line as its caller is told of it."""
    return KhataState(
        entry.owner,
        entry.seq,
        entry.kind,
        entry.category,
        to_text(entry.amount, entry.exponent),
        entry.unit,
        entry.note,
        to_iso(entry.happened_at),
    )


def _whose(actor: Actor, owner: str | None) -> str:
    if actor.owner is not None:
        if owner not in (None, actor.owner):
            raise NotYours("An owner writes in their own khata only.", expected=actor.owner)
        return actor.owner
    if owner is None:
        raise Invalid("Name the owner of this khata.", expected="owner", got=None)
    if not 0 < len(owner) <= _LONGEST_NAME or not owner.isprintable():
        raise Invalid("An owner's id has 1 to 128 characters.", expected="owner", got=owner[:60])
    return owner
