"""Awarding experience and trust for what an owner did, and saying what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from khata.base.money import to_text
from khata.domain import setup
from khata.domain.ledger import enter, house_account
from khata.domain.setup import setting, source_of
from khata.domain.trust.model import (
    EXPERIENCE,
    KEPT,
    TRUST,
    XP,
    Award,
    TrustEvent,
    TrustRules,
    TrustScore,
    Worth,
)
from khata.domain.trust.rules import START, check_rules, rules_in, score_of
from khata.domain.wallets import ensure_wallet
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import Invalid

VERBS: Final = Verbs()
_MOST_REFERENCE: Final = 200


class RecordEvent(Command, frozen=True, tag="trust.record"):
    """Something an owner did that no other command tells of. `reference`: what it is about."""

    owner: str
    event: str
    reference: str


class SetRules(Command, frozen=True, tag="trust.set_rules"):
    """Say what events are worth. An event that is not named is worth what is built in."""

    events: dict[str, Worth]


@VERBS.handles(RecordEvent, roles=("admin", "service"))
def record_event(book: Book, command: RecordEvent) -> Award:
    """Errors: those of `award`."""
    return award(book, command.owner, command.event, reference=command.reference)


@VERBS.handles(SetRules, roles=("admin",))
def set_rules(book: Book, command: SetRules) -> TrustRules:
    """Errors: `Invalid` for a name that is none, a number out of its bounds, too many events."""
    check_rules(command.events)
    value = {"events": {name: msgspec.to_builtins(rule) for name, rule in command.events.items()}}
    setup.keep(book, TRUST, value)
    return TrustRules(rules_in(value))


def award(book: Book, owner: str, event: str, *, reference: str) -> Award:
    """Give an owner what an event is worth: experience, and a new score, with a line of history.

    From another room's handler. An experience wallet that is frozen or closed takes nothing, and
    nothing comes out of a frozen equity; the score changes all the same, so that it never stands
    in the way of an order.

    Errors: `Invalid` for an event that this book does not know, an owner's name that is none, a
    reference that is not 1 to 200 characters.
    """
    rule = rules_in(setting(book, TRUST)).get(event)
    if rule is None:
        raise Invalid(
            f"{event[:60]!r} is not an event that earns trust.",
            expected="an event of the rules of trust",
            got=event[:60],
        )
    if not reference.strip() or len(reference) > _MOST_REFERENCE:
        raise Invalid(
            "A reference has 1 to 200 characters.", expected="1 to 200", got=reference[:60]
        )
    xp, places, entry = _give(book, owner, rule.xp, reference)
    score = _count(book, owner, rule)
    book.add(
        TrustEvent(
            owner,
            book.seq,
            len(book.facts.get(TrustEvent.TABLE.name, ())),
            event,
            xp,
            rule.good,
            rule.bad,
            score.score,
            reference,
            book.now,
        )
    )
    text = to_text(xp, places)
    book.announce("trust.changed", owner, owner, event=event, xp=text, score=score.score)
    return Award(owner, event, text, score.score, entry)


def foresee(book: Book, owners: Sequence[str]) -> None:
    """Have loaded at once what awards to these owners ask for; without it, it is one by one."""
    paths = [f"wallet/{owner}/xp/{XP.code}" for owner in owners]
    book.expect(
        rows=((TrustScore, owner) for owner in owners),
        answers=((Account, "code", path) for path in paths),
    )


def _give(book: Book, owner: str, points: int, reference: str) -> tuple[int, int, str | None]:
    """Experience out of equity: (minor units given, decimals of `XP`, the entry's id)."""
    unit = book.peek(setup.Unit, XP.code) or book.add(XP)
    wallet = ensure_wallet(book, owner, "xp", unit.code)
    if not wallet.limits:  # also on one that its owner opened before there was anything in it
        wallet = book.change(wallet, limits=[KEPT])
    house = house_account(book, EXPERIENCE, unit.code)
    if not points or {wallet.status, house.status} != {"active"}:
        return 0, unit.exponent, None
    minor = points * 10**unit.exponent
    moved = enter(
        book,
        ((house.id, minor), (wallet.id, -minor)),
        type="experience",
        source=source_of(book, "experience"),
        reference=reference,
    )
    return minor, unit.exponent, moved.id


def _count(book: Book, owner: str, rule: Worth) -> TrustScore:
    known = book.peek(TrustScore, owner)
    if known is None:
        known = book.add(TrustScore(owner, START, 0, 0, 0, book.now))
    good, bad = known.good + rule.good, known.bad + rule.bad
    return book.change(
        known,
        score=score_of(good, bad),
        good=good,
        bad=bad,
        events=known.events + 1,
        changed_at=book.now,
    )
