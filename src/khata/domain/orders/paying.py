"""The money of an order: set aside, captured, put in escrow, given back. Minor units.

All that comes for an order comes to lie on its escrow account. Once it is all there the escrow
begins: it is known who is to receive what. What came before that and is not wanted any more goes
back to the customer's wallet.
"""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.clock import SECOND
from khata.base.money import Money, to_text
from khata.domain import commissions, debts, escrow, holds
from khata.domain.escrow import Back, Escrow, Leg
from khata.domain.holds import CaptureHold, PlaceHold, RaiseHold
from khata.domain.ledger import account_of, enter, house_account, share, wallet_account
from khata.domain.orders import rules
from khata.domain.orders.changing import note, turn
from khata.domain.orders.model import SALES, Order, OrderPolicy
from khata.domain.setup import setting, source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.holds import Hold
from khata.engine.sagas import start
from khata.errors import Invalid
from khata.errors.market import EscrowClosed

RECEIVABLE: Final = "refund"
"""The kind of debt of a customer who was given back more than they had paid."""
_DAY_SECONDS: Final = 86_400


def money_of(order: Order, minor: int) -> Money:
    """An amount of an order, as commands have it."""
    return Money(to_text(minor, order.exponent), order.unit)


def account_for(book: Book, order: Order) -> Account:
    """The account where the order's money lies."""
    return house_account(book, order.account, order.unit)


def wallet_for(book: Book, order: Order, named: str | None = None) -> Account:
    """The customer's wallet, which pays and gets back: the one that is named, or the order's own.

    Errors: `Invalid` when none is known, or it is not the customer's; `WalletNotFound`,
    `CurrencyMismatch`; `NotYours` for an owner who names what is not theirs.
    """
    path = named or order.wallet
    if named is not None and book.actor.owner is not None:
        wallet_account(book, named)  # whether there is such a wallet is not for them to learn
    if path is None:
        raise Invalid(
            f"Say which wallet of {order.customer[:60]} it is.",
            expected=f"such as {order.customer[:60]}/personal/{order.unit}",
            got=None,
        )
    account = account_of(book, path, order.unit)
    if account.owner != order.customer:
        raise Invalid(
            f"The wallet is not {order.customer[:60]}'s.",
            expected=order.customer[:60],
            got=path[:200],
        )
    return account


# ── the wallet's part ────────────────────────────────────────────────────────────────


def set_aside(book: Book, order: Order, minor: int) -> Order:
    """A hold on the wallet for its part, or more under the one that there is.

    Errors: those of `holds.place` and `holds.raise`.
    """
    if active_hold(book, order) is not None:
        book.perform(RaiseHold(order.hold or "", money_of(order, minor)))
        return order
    wallet = wallet_for(book, order)
    made = book.perform(
        PlaceHold(
            wallet.code.removeprefix("wallet/"),
            money_of(order, minor),
            order.source,
            reference=order.subject,
        )
    )
    return book.change(order, hold=made.id)


def active_hold(book: Book, order: Order) -> Hold | None:
    """The hold for the wallet's part, unless somebody gave it back or it is past its time."""
    hold = None if order.hold is None else book.peek(Hold, order.hold)
    if hold is not None and hold.status == "active":
        book.account(hold.account_id)
        hold = book.get(Hold, hold.id)
    return hold if hold is not None and hold.status == "active" else None


def take_from_wallet(book: Book, order: Order) -> Order:
    """What the wallet has still to pay of its part: out of its hold first, then as it is.

    Errors: those of `holds.capture` and `enter`.
    """
    order = reclaim(book, order, "More went back than came.")
    if order.finance in rules.AWAITING:  # what came elsewhere is not taken twice
        missing = min(order.wallet_part - order.wallet_taken, rules.lacking(order))
        order = book.change(order, wallet_part=order.wallet_taken + max(missing, 0))
    missing = order.wallet_part - order.wallet_taken
    if missing <= 0:
        holds.let_go(book, order.hold)
        return order
    entries = list(order.entries)
    hold = active_hold(book, order)
    held = 0 if hold is None else min(hold.remaining, missing)
    if hold is not None:
        target = account_for(book, order).code
        taken = book.perform(CaptureHold(hold.id, money_of(order, held), target, final=True))
        entries.append(str(taken.entry))
    if missing > held:
        wallet = wallet_for(book, order)
        moved = enter(
            book,
            ((wallet.id, missing - held), (account_for(book, order).id, held - missing)),
            type="escrow",
            source=source_of(book, order.source),
            reference=order.subject,
        )
        entries.append(moved.id)
    return book.change(
        order,
        wallet_taken=order.wallet_taken + missing,
        captured=order.captured + missing,
        entries=entries,
    )


def reclaim(book: Book, order: Order, reason: str) -> Order:
    """What the customer was given back beyond what they had paid, they owe from now on; and what
    comes later is not taken for it.

    Errors: those of `debts.owe` and of a movement.
    """
    excess = order.refunded - order.reclaimed - order.captured
    if excess <= 0:
        return order
    owed = house_account(book, debts.account_code(RECEIVABLE, order.customer), order.unit)
    source = source_of(book, "adjustment")
    other = house_account(book, source.against, order.unit)
    moved = enter(
        book,
        ((owed.id, excess), (other.id, -excess)),
        type="reclaim",
        source=source,
        reference=order.subject,
        note=reason,
    )
    debts.owe(
        book,
        order.customer,
        RECEIVABLE,
        order.unit,
        excess,
        reference=order.subject,
        reason=reason,
        wallet=order.wallet,
    )
    note(book, order, "money", f"owed {to_text(excess, order.exponent)}", reason=reason)
    return book.change(
        order, reclaimed=order.reclaimed + excess, entries=[*order.entries, moved.id]
    )


# ── escrow ───────────────────────────────────────────────────────────────────────────


def legs_of(book: Book, order: Order, amount: int) -> list[Leg]:
    """Who is to receive what of an amount: the house all of it when it sells itself, else as the
    rule says that was in force when the order was placed.

    Errors: `SplitImpossible`, `WalletNotFound`, `CurrencyMismatch`, `AccountClosed`.
    """
    home = account_for(book, order)
    if order.rule is None or order.seller_wallet is None:
        return escrow.checked_legs(book, [Leg("sales", SALES, amount)], home)
    rule = commissions.rule_at(book, order.rule, order.version)
    return escrow.legs_by_rule(book, rule, amount, home, {"partner": order.seller_wallet})


def begin_escrow(book: Book, order: Order, entries: list[str] | None = None) -> Order:
    """What came for the order is in escrow from now on; more that comes joins it.

    `entries`: those by which it came, if not all that the order knows.

    Errors: `AlreadyExists`, those of `legs_of`.
    """
    amount = rules.left_of(order)
    terms = escrow.Terms(
        owner=order.customer,
        payer=order.wallet,
        payment=None,
        source=order.source,
        on=order.on,
        days=order.days,
        rule=order.rule,
        version=order.version,
        keeper=f"order {order.ref}",
    )
    legs = legs_of(book, order, amount)
    came = order.entries if entries is None else entries
    escrow.begin(book, account_for(book, order), terms, legs, came)
    return book.change(order, escrow=order.subject)


def join_escrow(book: Book, order: Order, minor: int, entries: list[str]) -> Order:
    """More money lies on the account of an escrow that has begun: its legs share it.

    Errors: `EscrowClosed` when it is refunded.
    """
    kept = escrow_of(book, order)
    if kept is None:
        return begin_escrow(book, order)
    if kept.status == "refunded":
        raise EscrowClosed(f"{kept.ref} is refunded.", expected="money", got="refunded")
    parts = share(minor, [leg.share for leg in kept.legs])
    legs = [
        msgspec.structs.replace(leg, share=leg.share + part)
        for leg, part in zip(kept.legs, parts, strict=True)
    ]
    steps = escrow.noted(book, kept, "funded", amount=minor, last=True)
    steps[-1] = msgspec.structs.replace(steps[-1], entries=entries)
    book.change(
        kept,
        amount=kept.amount + minor,
        paid=kept.paid + minor,
        legs=legs,
        steps=steps,
        status="partly_released" if any(leg.received for leg in legs) else "held",
    )
    return order


def escrow_of(book: Book, order: Order) -> Escrow | None:
    """The order's escrow, once it has begun."""
    return None if order.escrow is None else book.peek(Escrow, order.escrow)


def settle(book: Book, order: Order, *, by: str | None, reason: str | None) -> Order:
    """All the money is there: it is in escrow, and the order is paid."""
    order = begin_escrow(book, order)
    return turn(book, order, {"finance": "paid"}, by=by, reason=reason, paid_at=book.now)


# ── waiting for the bank ─────────────────────────────────────────────────────────────


def policy_of(book: Book) -> OrderPolicy:
    """How the book treats its orders."""
    return rules.policy(setting(book, rules.ORDERS))


def wait(book: Book, order: Order, until: int) -> Order:
    """Money has to come until then; a saga lets the order go if nothing does.

    A run that was started before for the same order finds that it is not its saga any more.
    """
    saga = start(
        book,
        "order_payment",
        {"order": order.ref},
        reference=order.subject,
        amount=money_of(order, order.total),
    )
    return book.change(order, saga=saga, grace_ends_at=until)


def after_days(book: Book, days: int) -> int:
    """The instant so many days from now."""
    return book.now + days * _DAY_SECONDS * SECOND


# ── giving back ──────────────────────────────────────────────────────────────────────


def let_go(book: Book, order: Order, reason: str, wallet: str | None = None) -> Order:
    """What was set aside is the customer's again, and what came by bank goes to their wallet.

    Errors: `Invalid` when no wallet is known to get it; those of `enter`.
    """
    holds.let_go(book, order.hold)
    back = rules.left_of(order)
    if back <= 0:
        return order
    account = wallet_for(book, order, wallet)
    moved = enter(
        book,
        ((account_for(book, order).id, back), (account.id, -back)),
        type="refund",
        source=source_of(book, "refund"),
        reference=order.subject,
        note=reason,
        metered=False,
    )
    return book.change(
        order,
        refunded=order.refunded + back,
        wallet=account.code.removeprefix("wallet/"),
        entries=[*order.entries, moved.id],
    )


def refund(book: Book, order: Order, back: Back, wallet: str | None = None) -> tuple[Order, bool]:
    """Money of an order in escrow given back: the order, and whether that was all of it.

    Errors: those of `escrow.refund`; `Invalid` when no wallet is known to get it.
    """
    kept = escrow_of(book, order)
    if kept is None or kept.refunded >= kept.paid:
        return order, True
    account = wallet_for(book, order, wallet)
    path = account.code.removeprefix("wallet/")
    if kept.payer != path:
        kept = book.change(kept, payer=path)
    after = escrow.refund(book, kept, back)
    part = after.refunded - kept.refunded
    order = book.change(order, refunded=order.refunded + part, wallet=path)
    note(book, order, "money", f"refunded {to_text(part, order.exponent)}", reason=back.reason)
    return order, after.refunded >= after.paid
