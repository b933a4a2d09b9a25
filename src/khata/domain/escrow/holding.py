"""Putting money in escrow and letting it go: what other rooms call inside their handlers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from khata.base.money import Money, to_text
from khata.domain import commissions, debts
from khata.domain.escrow import rules
from khata.domain.escrow.model import Escrow, Giver, Leg, MoveKind, On, Step
from khata.domain.ledger import entered, other_side
from khata.domain.setup import source_of
from khata.engine import limits
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.sagas import start, wake
from khata.errors import Invalid, NotYours
from khata.errors.market import EscrowClosed, EscrowDisputed, EscrowNotFound

_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}(/[^\s/\x00-\x1f\x7f]{1,100})?")
_MOST_DAYS: Final = 400
_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,58}[^\s\x00-\x1f\x7f])?")
_NOT_RECEIVING: Final = frozenset({"escrow", "receivable"})
"""Accounts that cannot receive out of an escrow: others' escrows, and what explains debts."""
MOST_LEGS: Final = 100
_MOST_STEPS: Final = 400


class Terms(msgspec.Struct, frozen=True):
    """What an escrow is opened with, beside its money: see `Escrow`."""

    owner: str
    payer: str | None
    payment: str | None
    source: str
    on: On
    days: int
    rule: str | None = None
    version: int = 0
    keeper: str | None = None


def check_terms(ref: str, on: On, days: int) -> None:
    """Whether an escrow can be called so and be released so. Errors: `Invalid`."""
    if not _REF.fullmatch(ref):
        raise Invalid(
            "An escrow has a reference of 1 to 100 characters, perhaps after a word and a slash.",
            expected="such as M1001 or order/M1001",
            got=ref[:60],
        )
    if not 0 <= days <= _MOST_DAYS or (on == "request" and days):
        raise Invalid(
            "An escrow is released 0 to 400 days after it was funded or delivered.",
            expected=f"0 to {_MOST_DAYS}, and 0 on request",
            got=days,
        )


def legs_by_rule(
    book: Book, rule: commissions.Rule, amount: int, account: Account, parties: Mapping[str, str]
) -> list[Leg]:
    """The legs that a commission rule makes of an amount. Errors: those of `shares`, and of
    `account_of` for a party without a wallet.
    """
    parts = commissions.shares(rule, amount, account.unit, account.exponent, parties)
    return checked_legs(book, [Leg(part.name, part.to, part.amount) for part in parts], account)


def checked_legs(book: Book, legs: Sequence[Leg], account: Account) -> list[Leg]:
    """Legs whose receivers are there, in the escrow's currency; a wallet is named by its path.

    Errors: `Invalid`, `WalletNotFound`, `CurrencyMismatch`, `AccountClosed`.
    """
    names = [leg.name for leg in legs]
    if len(set(names)) < len(names) or not 0 < len(legs) <= MOST_LEGS:
        raise Invalid(
            "An escrow has 1 to 100 legs, each with a name of its own.",
            expected=f"1 to {MOST_LEGS} different names",
            got=[name[:60] for name in names[:MOST_LEGS]],
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise Invalid(
                "A leg's name has 1 to 60 characters, and no spaces around them.",
                expected="such as partner",
                got=name[:60],
            )
    return [
        leg
        if leg.to is None
        else msgspec.structs.replace(leg, to=_receiver(book, leg.to, account.unit))
        for leg in legs
    ]


def _receiver(book: Book, to: str, unit: str) -> str:
    """A receiver as it is kept: a wallet's path, or a house account's code.

    Errors: `Invalid`, `WalletNotFound`, `CurrencyMismatch`, `AccountClosed`.
    """
    account = other_side(book, to, unit)
    if account.owner is None and account.code.partition("/")[0] in _NOT_RECEIVING:
        raise Invalid(
            f"{account.code[:200]} receives nothing out of an escrow.",
            expected="a wallet, or a house account such as revenue/fee",
            got=to[:200],
        )
    if account.status == "closed":
        limits.check_status(account)
    return account.code.removeprefix("wallet/")


def begin(
    book: Book,
    escrow: Account,
    terms: Terms,
    legs: Sequence[Leg],
    entries: Sequence[str],
    givers: Sequence[Giver] = (),
) -> Escrow:
    """An escrow whose money has just come to lie on its account, by these entries.

    Errors: `AlreadyExists`.
    """
    ref = escrow.code.removeprefix("escrow/")
    amount = sum(leg.share for leg in legs)
    made = Escrow(
        ref=ref,
        owner=terms.owner,
        payer=terms.payer,
        payment=terms.payment,
        unit=escrow.unit,
        exponent=escrow.exponent,
        source=terms.source,
        amount=amount,
        paid=amount - sum(giver.amount for giver in givers),
        refunded=0,
        legs=list(legs),
        givers=list(givers),
        rule=terms.rule,
        version=terms.version,
        keeper=terms.keeper,
        on=terms.on,
        days=terms.days,
        status="held",
        dispute=None,
        steps=[Step("funded", str(book.actor), book.now, amount, None, list(entries))],
        saga=None,
        funded_at=book.now,
        delivered_at=None,
    )
    if terms.on != "request":
        saga = start(
            book,
            "escrow_release",
            {"escrow": ref},
            reference=ref,
            amount=Money(to_text(amount, escrow.exponent), escrow.unit),
        )
        made = msgspec.structs.replace(made, saga=saga)
    _tell(book, made, made.steps[0])
    return book.add(made)


def noted(
    book: Book,
    escrow: Escrow,
    kind: MoveKind,
    *,
    amount: int = 0,
    reason: str | None = None,
    entries: Sequence[str] = (),
    last: bool = False,
) -> list[Step]:
    """The history of an escrow with one more line, which all who have a part in it are told.

    `last`: it empties the escrow, or takes something back, and so is never refused.

    Errors: `Invalid` for a history that is too long for more.
    """
    if len(escrow.steps) >= _MOST_STEPS and not last:
        raise Invalid(
            "This escrow has too long a history to go on with.",
            expected=_MOST_STEPS,
            got=len(escrow.steps),
        )
    line = Step(kind, str(book.actor), book.now, amount, reason, list(entries))
    if kind != "netted":  # that is told by the debts
        _tell(book, escrow, line)
    return [*escrow.steps, line]


def _tell(book: Book, escrow: Escrow, line: Step) -> None:
    """Tell those whom a line of the history concerns: who paid that it is in escrow, who receives
    that it was released, and both of all else.
    """
    concerned = [] if line.kind == "released" else [escrow.owner]
    if line.kind != "funded":
        concerned += rules.receiving(escrow.legs)
    book.announce_to(
        dict.fromkeys(concerned),
        f"escrow.{line.kind}",
        escrow.ref,
        amount=to_text(line.amount, escrow.exponent),
        currency=escrow.unit,
        by=line.by,
        reason=line.reason,
    )


def escrow_of(book: Book, ref: str) -> Escrow:
    """An escrow by its reference. Errors: `EscrowNotFound`; `NotYours` for owners."""
    found, owner = book.peek(Escrow, ref), book.actor.owner
    if owner is not None and (found is None or owner != found.owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise EscrowNotFound(f"No escrow {ref[:100]!r}.", got=ref[:100])
    return found


def release(
    book: Book,
    escrow: Escrow,
    reason: str,
    amount: int | None = None,
    names: Sequence[str] | None = None,
    called: str | None = None,
) -> Escrow:
    """Give receivers what is theirs; who owes the house pays from it.

    `called`: the source under which it is theirs, where that is not the escrow's own.

    Errors: `EscrowDisputed`; those of `rules.releases`; `AccountFrozen`, `AccountClosed`.
    """
    if escrow.dispute is not None:
        raise EscrowDisputed(
            f"{escrow.ref} is disputed: {escrow.dispute}", expected="no dispute", got="disputed"
        )
    if escrow.status == "refunded":
        raise EscrowClosed(f"{escrow.ref} is refunded.", expected="money", got="refunded")
    parts = rules.releases(escrow, amount, names)
    book.foresee(debts.Debt, "open_owner", rules.receiving(escrow.legs))
    to = [
        (account_of_leg(book, escrow, leg), part)
        for leg, part in zip(escrow.legs, parts, strict=True)
        if part
    ]
    held, total = other_side(book, escrow.account, escrow.unit), sum(parts)
    paid = entered(
        book,
        [(held.id, total), *((account.id, -part) for account, part in to)],
        type="release",
        source=source_of(book, called or escrow.source),
        reference=escrow.ref,
        note=reason,
    )
    last = amount is None
    steps = noted(book, escrow, "released", amount=total, reason=reason, entries=[paid], last=last)
    escrow = msgspec.structs.replace(escrow, steps=steps)
    netted = [entry for account, part in to for entry in _net(book, account, part, escrow.ref)]
    if netted:
        steps = noted(book, escrow, "netted", reason="debts", entries=netted, last=True)
    legs = rules.released(escrow.legs, parts)
    escrow = book.change(escrow, legs=legs, steps=steps, status=rules.status_of(legs))
    tell(book, escrow)
    return escrow


def _net(book: Book, account: Account, earned: int, ref: str) -> list[str]:
    if account.owner is None:
        return []
    netted = debts.collect(book, book.account(account.id), earned, reference=ref)
    return [moved.id for moved in netted]


def account_of_leg(book: Book, escrow: Escrow, leg: Leg) -> Account:
    """The account of a leg's receiver. Errors: those of `other_side`; `Invalid` without one."""
    if leg.to is None:
        raise Invalid(f"Nobody is known yet to receive {leg.name!r}.", expected="a receiver")
    return other_side(book, leg.to, escrow.unit)


def assign(book: Book, escrow: Escrow, name: str, to: str) -> Escrow:
    """Say who receives a leg, as long as it is in escrow.

    Errors: `Invalid`, `WalletNotFound`, `CurrencyMismatch`, `AccountClosed`; `EscrowClosed` when
    it was released.
    """
    rules.check_names(escrow.legs, [name])
    to = _receiver(book, to, escrow.unit)
    legs = [msgspec.structs.replace(leg, to=to) if leg.name == name else leg for leg in escrow.legs]
    if any(leg.name == name and leg.received for leg in legs):
        raise EscrowClosed(f"{name} of {escrow.ref} is released.", expected="held", got="released")
    return book.change(escrow, legs=legs)


def topic(ref: str) -> str:
    """What runs wait for that have to do with an escrow."""
    return f"escrow:{ref}"


def tell(book: Book, escrow: Escrow) -> None:
    """Something happened with it that a run may wait for, if there is one that could."""
    if escrow.saga is not None or escrow.keeper is not None:
        wake(book, topic(escrow.ref))


def delivered(book: Book, escrow: Escrow, reason: str) -> Escrow:
    """What was paid for has arrived: from now on its days count.

    Errors: `EscrowClosed` when it is refunded.
    """
    if escrow.status == "refunded":
        raise EscrowClosed(f"{escrow.ref} is refunded.", expected="money", got="refunded")
    if escrow.delivered_at is None:
        steps = noted(book, escrow, "delivered", reason=reason, last=True)
        escrow = book.change(escrow, delivered_at=book.now, steps=steps)
        tell(book, escrow)
    return escrow
