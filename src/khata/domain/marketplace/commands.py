"""Sales: place, pay, assign, deliver, cancel, refund. What takes long is the saga's to do."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from khata.base.money import Money, to_positive_minor, to_text
from khata.domain import benefits, commissions, escrow, payments, trust
from khata.domain.escrow import Escrow, Frozen, On, Policy, RefundEscrow
from khata.domain.ledger import account_of, check_reason
from khata.domain.marketplace import rules, selling
from khata.domain.marketplace.model import (
    Fault,
    Mission,
    MissionState,
    Sale,
    SaleState,
    subject_of,
)
from khata.domain.payments import PaymentState, payment_state
from khata.domain.setup import exponent_of, source_of
from khata.domain.wallets import is_owner_name
from khata.engine import limits
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas import start
from khata.errors import (
    AlreadyExists,
    CurrencyMismatch,
    Invalid,
    InvalidAmount,
    InvalidTransition,
    WalletNotFound,
)

VERBS: Final = Verbs()
_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_TEXT: Final = re.compile(r"(?=.*\S).{1,200}", re.DOTALL)
_MOST_CODES: Final = 10


class PlaceSale(Command, frozen=True, tag="marketplace.place", omit_defaults=True):
    """A customer buys from a partner; with a `creator`, because of their `video`.

    `price`: shared by the commission rule in force for `source`, `category` and `partner`.
    `delivery_fee`: on top, for the rider who brings it; without one nothing is to be brought.
    `wallet`: pays at once, in the same transaction; left out, `marketplace.pay` comes later.
    `codes`: campaigns. Wallets that are not named are `<partner>/partner/<currency>` and
    `<creator>/creator/<currency>`. `source`: left out, `video_order` with a creator and `order`
    without. Released `release_days` after `release_on`.
    """

    ref: str
    customer: str
    partner: str
    price: Money
    creator: str | None = None
    video: str | None = None
    delivery_fee: Money | None = None
    wallet: str | None = None
    codes: list[str] | None = None
    partner_wallet: str | None = None
    creator_wallet: str | None = None
    source: str | None = None
    category: str | None = None
    title: str | None = None
    country: str | None = None
    release_on: On = "delivery"
    release_days: int = 0


class PaySale(Command, frozen=True, tag="marketplace.pay", omit_defaults=True):
    """Begin to pay a sale: as `payments.initiate` for its subject."""

    sale: str
    method: Literal["wallet", "provider", "mixed"] = "provider"
    wallet: str | None = None
    wallet_part: Money | None = None
    provider: str | None = None
    way: Literal["card", "mobile_money", "bank_transfer"] | None = None
    token: str | None = None


class AssignRider(Command, frozen=True, tag="marketplace.assign", omit_defaults=True):
    """Who brings it. `wallet`: left out, `<rider>/rider/<currency>`. Who has brought it already can
    still be given another wallet, as long as the fee is not paid.
    """

    sale: str
    rider: str
    wallet: str | None = None


class DeliverSale(Command, frozen=True, tag="marketplace.deliver", omit_defaults=True):
    """It has arrived: the rider is paid, and the days until its release begin to count.

    `late`: the rider's trust suffers.
    """

    sale: str
    late: bool = False


class CancelSale(Command, frozen=True, tag="marketplace.cancel", omit_defaults=True):
    """Call a sale off before it is delivered. What was paid goes back.

    `fault`: whose it is, if anybody's: their trust suffers.
    """

    sale: str
    reason: str
    fault: Fault | None = None


class RefundSale(Command, frozen=True, tag="marketplace.refund", omit_defaults=True):
    """Give a customer money back, before or after it was released: see `escrow.refund`.

    `fault`: whose it is, if anybody's: their trust suffers.
    """

    sale: str
    reason: str
    amount: Money | None = None
    policy: Policy = "pro_rata"
    named: dict[str, Money] | None = None
    frozen: Frozen = "refuse"
    fault: Fault | None = None


# ── placing and paying ───────────────────────────────────────────────────────────────


@VERBS.handles(PlaceSale, roles=("admin", "service"))
def place(book: Book, command: PlaceSale) -> SaleState:
    """Errors: `Invalid`, `AlreadyExists`, `WalletNotFound`, `CurrencyMismatch`,
    `SplitImpossible`, those of an amount, of a benefit, and of a wallet that pays at once.
    """
    _check(command)
    if book.peek(Sale, command.ref) is not None:
        raise AlreadyExists(f"The sale {command.ref} exists already.", got=command.ref)
    if book.peek(Escrow, subject_of(command.ref)) is not None:
        raise AlreadyExists(
            f"An escrow is called {subject_of(command.ref)} already.", got=command.ref
        )
    sale = _sale(book, command)
    selling.check_legs(book, sale)
    payable = payments.register(
        book,
        subject_of(sale.ref),
        sale.customer,
        Money(to_text(sale.due, sale.exponent), sale.unit),
        source=sale.source,
        country=command.country,
        title=sale.title,
    )
    saga = start(
        book,
        "sale",
        {"sale": sale.ref},
        reference=payable.subject,
        amount=Money(to_text(sale.due, sale.exponent), sale.unit),
    )
    sale = book.add(msgspec.structs.replace(sale, saga=saga))
    selling.announce(book, sale, "placed")
    if command.wallet is not None:
        _pay(book, PaySale(sale.ref, "wallet", command.wallet))
        sale = selling.hold(book, sale)
    return _state(book, sale)


def _check(command: PlaceSale) -> None:
    """What can be told without looking anything up. Errors: `Invalid`."""
    texts = (command.title, command.category, command.video, command.country)
    if not _REF.fullmatch(command.ref):
        raise Invalid(
            "A sale has a reference of 1 to 100 characters, without spaces and slashes.",
            expected="such as M1001",
            got=command.ref[:60],
        )
    for text in texts:
        if text is not None and not _TEXT.fullmatch(text):
            raise Invalid(
                "Title, category, video and country have 1 to 200 characters, and are no spaces.",
                expected="1 to 200 characters",
                got=text[:60],
            )
    customer = command.customer
    if not is_owner_name(customer):
        raise Invalid(
            f"{customer[:60]!r} is nobody who can have a wallet.",
            expected="a name of 1 to 128 characters, without spaces and slashes",
            got=customer[:60],
        )
    if command.creator is None and (command.video or command.creator_wallet):
        raise Invalid("A video has a creator.", expected="creator", got=None)
    codes = command.codes or []
    if len(codes) > _MOST_CODES or len(set(codes)) < len(codes):
        raise Invalid("At most 10 codes, each once.", expected=_MOST_CODES, got=len(codes))
    if customer == command.partner:
        raise Invalid("Nobody buys from themselves.", expected="two people", got=customer)
    escrow.check_terms(subject_of(command.ref), command.release_on, command.release_days)


def _sale(book: Book, command: PlaceSale) -> Sale:
    currency = command.price.currency
    places = exponent_of(book, currency)
    price = to_positive_minor(command.price.amount, places)
    fee = 0 if command.delivery_fee is None else _fee(command.delivery_fee, currency, places)
    partner = _wallet(book, command.partner_wallet, command.partner, "partner", currency)
    creator = None
    if command.creator is not None:
        creator = _wallet(book, command.creator_wallet, command.creator, "creator", currency)
    named = command.source or ("video_order" if command.creator else "order")
    source = source_of(book, named).name
    rule = commissions.rule_for(
        book, source=source, category=command.category, partner=command.partner
    )
    ask = benefits.Ask(
        subject=subject_of(command.ref),
        owner=command.customer,
        amount=price,
        unit=currency,
        exponent=places,
        source=source,
        codes=command.codes or [],
        partner=command.partner,
        category=command.category,
    )
    granted = benefits.apply(book, ask) if command.codes else []
    due = price + fee - sum(part.amount for part in granted)
    if due <= 0:
        raise InvalidAmount(
            f"Nothing is left to pay for {command.ref}.", expected="above zero", got="0"
        )
    return Sale(
        ref=command.ref,
        customer=command.customer,
        partner=command.partner,
        partner_wallet=partner,
        creator=command.creator,
        creator_wallet=creator,
        video=command.video,
        title=command.title,
        category=command.category,
        source=source,
        unit=currency,
        exponent=places,
        price=price,
        delivery_fee=fee,
        granted=granted,
        due=due,
        rule=rule.name,
        version=rule.version,
        on=command.release_on,
        days=command.release_days,
        status="placed",
        payment=None,
        mission=None,
        saga=None,
        reason=None,
        placed_at=book.now,
        paid_at=None,
        delivered_at=None,
        completed_at=None,
        cancelled_at=None,
    )


def _fee(fee: Money, currency: str, places: int) -> int:
    if fee.currency != currency:
        raise CurrencyMismatch(
            "The delivery fee is in another currency.", expected=currency, got=fee.currency[:20]
        )
    return to_positive_minor(fee.amount, places)


def _wallet(book: Book, path: str | None, owner: str, kind: str, unit: str) -> str:
    """The path of somebody's wallet.

    Errors: `WalletNotFound`, `Invalid`, `CurrencyMismatch`, `AccountClosed`.
    """
    account = account_of(book, path or f"{owner}/{kind}/{unit}")
    if account.owner is None:
        raise WalletNotFound(f"{(path or owner)[:200]!r} is no wallet.", got=(path or owner)[:200])
    if account.owner != owner:
        raise Invalid(f"The wallet is not {owner[:60]}'s.", expected=owner[:60], got=account.owner)
    if account.unit != unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}.", expected=unit, got=account.unit
        )
    if account.status == "closed":
        limits.check_status(account)
    return account.code.removeprefix("wallet/")


@VERBS.handles(PaySale, roles=("owner", "admin", "finance", "service"))
def pay(book: Book, command: PaySale) -> PaymentState:
    """Errors: `SaleNotFound`, those of `payments.initiate`."""
    if book.actor.owner is None:
        selling.sale_of(book, command.sale)
    paid = _pay(book, command)
    sale = book.peek(Sale, command.sale)
    if sale is not None:
        selling.hold(book, sale)
    return paid


def _pay(book: Book, command: PaySale) -> PaymentState:
    wanted = payments.Initiate(
        subject_of(command.sale),
        wallet=command.wallet,
        method=command.method,
        wallet_part=command.wallet_part,
        provider=command.provider,
        way=command.way,
        token=command.token,
    )
    return payment_state(payments.initiate(book, wanted))


# ── bringing it ──────────────────────────────────────────────────────────────────────


@VERBS.handles(AssignRider, roles=("admin", "logistics", "service"))
def assign(book: Book, command: AssignRider) -> MissionState:
    """Errors: `SaleNotFound`, `WalletNotFound`, `CurrencyMismatch`; `InvalidTransition` unless it
    is paid, waits to be brought and is not yet delivered, or only its rider's wallet is another.
    """
    sale = selling.sale_of(book, command.sale)
    brought = selling.unpaid_mission(book, sale)
    if brought is not None and brought.rider == command.rider:
        path = _wallet(book, command.wallet, command.rider, "rider", sale.unit)
        return rules.mission_state(book.change(brought, wallet=path))
    selling.expect(sale, "paid", "dispatched")
    sale = selling.open_mission(book, sale)
    if sale.mission is None:
        raise InvalidTransition(
            f"Nothing of {sale.ref} is to be brought.", expected="a delivery fee", got=None
        )
    path = _wallet(book, command.wallet, command.rider, "rider", sale.unit)
    mission = book.change(
        book.get(Mission, sale.mission),
        rider=command.rider,
        wallet=path,
        status="assigned",
        assigned_at=book.now,
    )
    sale = book.change(sale, status="dispatched")
    selling.announce(book, sale, "dispatched")
    book.announce("mission.assigned", mission.id, command.rider, sale=sale.ref)
    return rules.mission_state(mission)


@VERBS.handles(DeliverSale, roles=("admin", "logistics", "service"))
def deliver(book: Book, command: DeliverSale) -> SaleState:
    """Errors: `SaleNotFound`; `InvalidTransition` unless it is paid, and on its way if it is to
    be brought.
    """
    sale = selling.sale_of(book, command.sale)
    selling.expect(sale, *(("dispatched",) if sale.delivery_fee else ("paid",)))
    sale = selling.deliver(book, sale, "It was delivered.")
    if command.late:
        _blame(book, sale, "rider", "late_delivery")
    return _state(book, sale)


# ── taking it back ───────────────────────────────────────────────────────────────────


@VERBS.handles(CancelSale, roles=("admin", "support", "service"))
def cancel(book: Book, command: CancelSale) -> SaleState:
    """Errors: `SaleNotFound`; `InvalidTransition` once delivered: refund it instead; those of
    `escrow.refund`.
    """
    check_reason(command.reason)
    sale = selling.sale_of(book, command.sale)
    selling.expect(sale, "placed", "paid", "dispatched")
    back = RefundEscrow(subject_of(sale.ref), command.reason)
    sale = selling.hold(book, sale)
    kept = selling.escrow_of(book, sale)
    if kept is not None:
        escrow.back_of(book, kept, back)
    sale = selling.cancel(book, sale, command.reason)
    _blame(book, sale, command.fault, "order_cancelled")
    return _state(book, sale)


@VERBS.handles(RefundSale, roles=("admin", "finance", "service"))
def refund(book: Book, command: RefundSale) -> SaleState:
    """Errors: `SaleNotFound`, `InvalidTransition` unless paid, `RefundExceeded`, `Invalid`,
    `AccountFrozen`, `ApprovalRequired`, those of an amount.
    """
    sale = selling.hold(book, selling.sale_of(book, command.sale))
    kept = selling.escrow_of(book, sale)
    if kept is None:
        raise InvalidTransition(f"{sale.ref} is not paid.", expected="paid", got=sale.status)
    if sale.status == "delivered" and command.frozen == "refuse" and kept.dispute is None:
        # who brought it has earned the fee, even if the saga that pays it has not come to it yet
        selling.pay_rider(book, sale)
        kept = book.get(Escrow, kept.ref)
    wanted = RefundEscrow(
        kept.ref, command.reason, command.amount, command.policy, command.named, command.frozen
    )
    selling.refund(book, sale, escrow.back_of(book, kept, wanted))
    _blame(book, sale, command.fault, "refund_caused")
    return _state(book, book.get(Sale, sale.ref))


def _blame(book: Book, sale: Sale, fault: Fault | None, event: str) -> None:
    if fault is None:
        return
    rider = book.get(Mission, sale.mission).rider if sale.mission else None
    owner = {"customer": sale.customer, "partner": sale.partner, "rider": rider}[fault]
    if owner is None:
        raise Invalid(f"No rider had to do with {sale.ref}.", expected="a rider", got=None)
    trust.award(book, owner, event, reference=subject_of(sale.ref))


def _state(book: Book, sale: Sale) -> SaleState:
    return rules.state_of(sale, selling.escrow_of(book, sale))
