"""Beginning a payment: is it due, is it theirs, is nobody else at it, who collects it.

The payment, the start of its saga and the mark on its payable are one command: of two who begin
at once, one wins.
"""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.clock import SECOND
from khata.base.money import Money, to_minor, to_positive_minor, to_text
from khata.domain.holds import PlaceHold
from khata.domain.ledger import check_four_eyes, minor_of, wallet_account
from khata.domain.payments.model import PROVIDERS, Facts, Offer, Payable, Payment, Way
from khata.domain.payments.telling import learn
from khata.domain.setup import exponent_of, setting
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.sagas import start
from khata.errors import (
    AmountMismatch,
    CurrencyMismatch,
    Invalid,
    InvalidAmount,
    NotYours,
    PayableClosed,
    PayableNotFound,
    PaymentActive,
    ProviderNotOffered,
)

CHARGE_SECONDS: Final = 1800
"""How long a payer has at a provider."""
TRANSFER_SECONDS: Final = 3 * 86_400
"""How long a bank transfer may take to be confirmed."""


class How(msgspec.Struct, frozen=True):
    """How a provider is to collect: what the payer chose; None is whatever is offered first."""

    provider: str | None = None
    way: Way | None = None
    country: str | None = None
    token: str | None = None


def open_payable(book: Book, subject: str) -> Payable:
    """The payable, if the actor may pay it now.

    Errors: `PayableNotFound`, `NotYours` (an owner learns nothing of what others pay),
    `PayableClosed`, `PaymentActive`.
    """
    payable, owner = book.peek(Payable, subject), book.actor.owner
    if owner is not None and (payable is None or payable.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if payable is None:
        raise PayableNotFound(f"Nothing to pay for {subject[:200]!r}.", got=subject[:200])
    if payable.status != "open":
        raise PayableClosed(f"{subject} is {payable.status}.", expected="open", got=payable.status)
    if payable.active is not None:
        raise PaymentActive(f"{payable.active} pays {subject} already.", payment=payable.active)
    return payable


def paying_wallet(book: Book, payable: Payable, name: str | None) -> Account:
    """The wallet that pays: the payer's own, in the currency of what is paid.

    Errors: `Invalid`, `NotYours`, `WalletNotFound`, `CurrencyMismatch`.
    """
    if name is None:
        raise Invalid("Name the wallet that pays.", expected="wallet", got=None)
    account = wallet_account(book, name)
    if account.owner != payable.owner:
        raise NotYours(f"{payable.subject} is paid by its owner.", expected=payable.owner)
    if account.unit != payable.unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}, {payable.subject} in {payable.unit}.",
            expected=payable.unit,
            got=account.unit,
        )
    return account


def whole(book: Book, payable: Payable, amount: Money | None) -> int:
    """The amount of a payable, which a caller may repeat to be sure.

    Errors: `AmountMismatch`, `CurrencyMismatch`, those of an amount.
    """
    if amount is None:
        return payable.amount
    if amount.currency != payable.unit:
        exponent_of(book, amount.currency)
        raise CurrencyMismatch(
            f"{payable.subject} is in {payable.unit}, the amount in {amount.currency}.",
            expected=payable.unit,
            got=amount.currency,
        )
    minor = to_positive_minor(amount.amount, payable.exponent)
    if minor != payable.amount:
        due = to_text(payable.amount, payable.exponent)
        raise AmountMismatch(f"{payable.subject} is over {due}.", expected=due, got=amount.amount)
    return minor


# ── the three ways ───────────────────────────────────────────────────────────────────


def pay_by_wallet(book: Book, payable: Payable, account: Account) -> Payment:
    """Out of a wallet into escrow, at once.

    Errors: `ApprovalRequired`, `InsufficientFunds`, `LimitExceeded`, `AccountFrozen`.
    """
    check_four_eyes(book, account, payable.amount)
    payment = _begin(book, payable, account, "wallet", payable.amount, None)
    return learn(book, payment, Facts(paid=True))


def pay_mixed(book: Book, payable: Payable, account: Account, part: Money | None) -> Payment:
    """A part out of a wallet, held until finance confirms the bank transfer of the rest.

    Errors: `Invalid`, `AmountMismatch`, `InsufficientFunds` and those of a hold.
    """
    if part is None:
        raise Invalid("Say how much the wallet pays.", expected="wallet_part", got=None)
    minor = minor_of(book, account, part)
    if minor >= payable.amount:
        due = to_text(payable.amount, payable.exponent)
        raise AmountMismatch(
            "The wallet pays a part, the bank transfer the rest.",
            expected=f"less than {due}",
            got=part.amount,
        )
    check_four_eyes(book, account, minor)
    payment = _begin(book, payable, account, "mixed", minor, TRANSFER_SECONDS)
    hold = book.perform(
        PlaceHold(
            account.code.removeprefix("wallet/"),
            part,
            source=payable.source,
            reference=payment.id,
            expires_in_seconds=TRANSFER_SECONDS,
        )
    )
    return _under_way(book, book.change(payment, hold=hold.id), "bank_transfer", {})


def charge_for(book: Book, payable: Payable, how: How) -> Payment:
    """A provider collects it. Errors: `ProviderNotOffered`, `InvalidAmount`."""
    due = payable.amount, payable.unit, payable.exponent
    name, way = chosen(book, how.provider, how.way, payable.country or how.country, due)
    payment = _begin(book, payable, None, "provider", 0, CHARGE_SECONDS)
    payment = book.change(payment, provider=name, way=way)
    return _under_way(book, payment, "payment", {"token": how.token})


def top_up(book: Book, account: Account, amount: Money, how: How) -> Payment:
    """A provider collects money for a wallet. Errors: `ProviderNotOffered`, those of an amount."""
    due = minor_of(book, account, amount), account.unit, account.exponent
    name, way = chosen(book, how.provider, how.way, how.country, due)
    payment = _new(book, account.owner or "", account, due)
    expires_at = book.now + CHARGE_SECONDS * SECOND
    payment = msgspec.structs.replace(payment, provider=name, way=way, expires_at=expires_at)
    return _under_way(book, book.add(payment), "payment", {"token": how.token})


def _begin(
    book: Book,
    payable: Payable,
    account: Account | None,
    method: str,
    wallet_part: int,
    seconds: int | None,
) -> Payment:
    payment = _new(book, payable.owner, account, (payable.amount, payable.unit, payable.exponent))
    payment = msgspec.structs.replace(
        payment,
        subject=payable.subject,
        method=method,
        wallet_part=wallet_part,
        expires_at=None if seconds is None else book.now + seconds * SECOND,
    )
    book.change(payable, active=payment.id)
    return book.add(payment)


def _new(book: Book, owner: str, account: Account | None, amount: tuple[int, str, int]) -> Payment:
    minor, unit, exponent = amount
    return Payment(
        id=book.new_id("pay"),
        subject=None,
        owner=owner,
        wallet=None if account is None else account.code.removeprefix("wallet/"),
        method="provider",
        provider=None,
        way=None,
        charge=None,
        charge_key=None,
        amount=minor,
        wallet_part=0,
        unit=unit,
        exponent=exponent,
        status="pending",
        facts=Facts(),
        refunded=0,
        landed=None,
        position={},
        entries=[],
        hold=None,
        saga=None,
        action_url=None,
        code=None,
        message=None,
        created_at=book.now,
        paid_at=None,
        expires_at=None,
    )


def _under_way(book: Book, payment: Payment, saga: str, data: dict[str, str | None]) -> Payment:
    money = Money(to_text(payment.amount, payment.exponent), payment.unit)
    given = {name: value for name, value in data.items() if value is not None}
    run = start(book, saga, {"payment": payment.id, **given}, reference=payment.id, amount=money)
    return book.change(payment, saga=run)


# ── providers ────────────────────────────────────────────────────────────────────────


def offers_in(value: dict[str, object]) -> dict[str, Offer]:
    """What the setting `providers` says. Errors: `Invalid` when it says something else."""
    try:
        return msgspec.convert(value, dict[str, Offer])
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The setting {PROVIDERS!r} is not what it should be: {error}",
            expected='{"name": {"countries": […], "currencies": […], "methods": […]}}',
        ) from None


def serves(offer: Offer, country: str | None, currency: str | None, way: Way | None = None) -> bool:
    """Whether a provider collects this currency, there, that way; None stands for any."""
    return (
        (currency is None or currency in offer.currencies)
        and (country is None or country in offer.countries)
        and (way is None or way in offer.methods)
    )


def chosen(
    book: Book,
    provider: str | None,
    way: Way | None,
    country: str | None,
    amount: tuple[int, str, int],
) -> tuple[str, Way]:
    """The provider and the way: the caller's choice, or the first one offered.

    Errors: `ProviderNotOffered`, `InvalidAmount` outside of what it takes.
    """
    minor, currency, exponent = amount
    offers = offers_in(setting(book, PROVIDERS))
    fitting = [name for name, offer in offers.items() if serves(offer, country, currency, way)]
    name = provider if provider is not None else next(iter(fitting), None)
    if name not in fitting:
        raise ProviderNotOffered(
            f"Nobody called {str(provider)[:60]!r} collects {currency} this way there.",
            expected=fitting,
            got=None if provider is None else provider[:60],
        )
    offer = offers[name]
    least, most = offer.least.get(currency), offer.most.get(currency)
    below = least is not None and minor < to_minor(least, exponent)
    if below or (most is not None and minor > to_minor(most, exponent)):
        raise InvalidAmount(
            f"{name} collects {least or 'nothing'} to {most or 'any'} {currency}.",
            expected=[least, most],
            got=to_text(minor, exponent),
        )
    return name, way or offer.methods[0]
