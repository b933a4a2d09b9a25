"""The brake: while it is on for a currency, no payout of it is begun, locked or sent.

The check of solvency puts it on, or a person alone; it comes off by two. What a bank has done is
recorded in any case, and what was sent before is waited for.
"""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.clock import from_iso, to_iso
from khata.domain.ledger import check_reason
from khata.domain.setup import exponent_of, keep, setting
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import ApprovalRequired, InvalidTransition
from khata.errors.operations import PayoutsBraked

VERBS: Final = Verbs()
BRAKE: Final = "payout_brake"
"""The setting that holds, by currency, why payouts are braked (`Brake` without its currency)."""


class Brake(msgspec.Struct, frozen=True):
    """Payouts in a currency are braked: why, since when, by whom."""

    currency: str
    reason: str
    at: str
    by: str


class ApplyBrake(Command, frozen=True, tag="payouts.brake"):
    """Stop all payouts in a currency, until two people let them go on."""

    currency: str
    reason: str


class LiftBrake(Command, frozen=True, tag="payouts.lift_brake"):
    """Let payouts in a currency go on. It always takes a second person."""

    currency: str
    reason: str


class BrakeLifted(msgspec.Struct, frozen=True):
    """A brake that is off: why it was on, and why it was lifted."""

    brake: Brake
    reason: str


@VERBS.handles(ApplyBrake, roles=("admin", "finance"))
def apply_brake(book: Book, command: ApplyBrake) -> Brake:
    """One that is on stays as it is. Errors: `UnknownCurrency`; `Invalid` reason."""
    check_reason(command.reason)
    exponent_of(book, command.currency)
    return brake(book, command.currency, command.reason, str(book.actor))


@VERBS.handles(LiftBrake, roles=("admin", "finance"))
def lift_brake(book: Book, command: LiftBrake) -> BrakeLifted:
    """Errors: `ApprovalRequired` unless one person asked for it since it is on and another
    approved: who asked before knew nothing of this one; `InvalidTransition` when it is not on;
    `UnknownCurrency`; `Invalid` reason.
    """
    check_reason(command.reason)
    exponent_of(book, command.currency)
    on = dict(setting(book, BRAKE))
    if command.currency not in on:
        raise InvalidTransition(
            f"Payouts in {command.currency} are not braked.", expected="a brake", got=None
        )
    if book.asked_at is None or book.asked_at < from_iso(on[command.currency]["at"]):
        raise ApprovalRequired(
            f"To let payouts in {command.currency} go on takes two people: ask for it first.",
            expected="an approved request, made since the brake is on",
            got=str(book.actor),
            currency=command.currency,
        )
    found = Brake(command.currency, **on.pop(command.currency))
    keep(book, BRAKE, on)
    book.announce("payouts.brake_lifted", command.currency, reason=command.reason)
    return BrakeLifted(found, command.reason)


def brake(book: Book, currency: str, reason: str, by: str) -> Brake:
    """The brake of a currency once it is on; one that is on already stays as it is."""
    on = dict(setting(book, BRAKE))
    if currency not in on:
        on[currency] = {"reason": reason, "at": to_iso(book.now), "by": by}
        keep(book, BRAKE, on)
        book.announce("payouts.braked", currency, reason=reason)
    return Brake(currency, **on[currency])


def is_braked(book: Book, currency: str) -> bool:
    """Whether payouts in a currency are braked."""
    return currency in setting(book, BRAKE)


def check_unbraked(book: Book, currency: str) -> None:
    """Errors: `PayoutsBraked`, which tells staff why, and owners only that it is so."""
    on = setting(book, BRAKE).get(currency)
    if on is None:
        return
    why = "." if book.actor.owner is not None else f": {on['reason']}"
    raise PayoutsBraked(
        f"Payouts in {currency} are braked{why}",
        expected="a brake that two people have lifted",
        got="braked",
        currency=currency,
    )
