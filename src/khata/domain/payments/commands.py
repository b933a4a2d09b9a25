"""What can be asked about payments: register what is to be paid, pay it, confirm, refund."""

from __future__ import annotations

import re
from typing import Final, Literal

from khata.base.money import Money, to_positive_minor, to_text
from khata.domain.ledger import check_four_eyes, check_reason, house_account, wallet_account
from khata.domain.payments import paying
from khata.domain.payments.model import (
    UNAPPLIED,
    Applied,
    Facts,
    Payable,
    Payment,
    ProviderEvent,
    Way,
)
from khata.domain.payments.naming import check_free, taken_by
from khata.domain.payments.refunding import open_refund, refundable
from khata.domain.payments.showing import (
    PayableState,
    PaymentState,
    RefundState,
    payable_state,
    payment_state,
    refund_state,
)
from khata.domain.payments.telling import apply_event, learn
from khata.domain.setup import exponent_of, source_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas import wake
from khata.errors import (
    AlreadyExists,
    AmountMismatch,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
    PayableClosed,
    PayableNotFound,
    PaymentNotFound,
)

VERBS: Final = Verbs()
_SUBJECT: Final = re.compile(r"[a-z][a-z0-9_]{0,39}/[^\s/\x00-\x1f\x7f]{1,100}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_MOST_TEXT: Final = 200


class RegisterPayable(Command, frozen=True, tag="payments.register", omit_defaults=True):
    """Say what is to be paid, and by whom: `order/M1001`, by its customer.

    `escrow`: where the money goes; left out, `escrow/<subject>`. `country`: ISO 3166, two letters.
    """

    subject: str
    owner: str
    amount: Money
    source: str = "order"
    escrow: str | None = None
    country: str | None = None
    title: str | None = None


class CancelPayable(Command, frozen=True, tag="payments.cancel_payable"):
    """Say that it is not to be paid any more. Money that comes all the same goes back by itself."""

    subject: str
    reason: str


class Initiate(Command, frozen=True, tag="payments.initiate", omit_defaults=True):
    """Begin to pay for `subject`, or, without one, to top up `wallet` through a provider.

    `method`: `wallet` (out of `wallet`), `provider` (by `way`; left out, what is offered first),
    `mixed` (`wallet_part` out of `wallet`, the rest by bank transfer). `amount`: for a top-up; for
    a subject it only has to agree. `token`: what the provider gave the payer's device; good once.
    """

    subject: str | None = None
    wallet: str | None = None
    method: Literal["wallet", "provider", "mixed"] = "provider"
    amount: Money | None = None
    wallet_part: Money | None = None
    provider: str | None = None
    way: Way | None = None
    country: str | None = None
    token: str | None = None


class ConfirmTransfer(Command, frozen=True, tag="payments.confirm_transfer"):
    """The bank transfer of a mixed payment has come: `evidence` says where that is to be seen."""

    payment: str
    amount: Money
    evidence: str


class RejectTransfer(Command, frozen=True, tag="payments.reject_transfer"):
    """The bank transfer of a mixed payment will not come: the wallet's part is let go."""

    payment: str
    reason: str


class RefundPayment(Command, frozen=True, tag="payments.refund", omit_defaults=True):
    """Give a payment back, wholly or in part; left out, all that is left."""

    payment: str
    reason: str
    amount: Money | None = None


class Tell(Command, frozen=True, tag="payments.tell"):
    """A provider has told this: for whoever checked that it was the provider."""

    event: ProviderEvent


# ── what is to be paid ───────────────────────────────────────────────────────────────


@VERBS.handles(RegisterPayable, roles=("admin", "service"))
def register_payable(book: Book, command: RegisterPayable) -> PayableState:
    """Errors: those of `register`."""
    return payable_state(
        register(
            book,
            command.subject,
            command.owner,
            command.amount,
            source=command.source,
            escrow=command.escrow,
            country=command.country,
            title=command.title,
        )
    )


def register(
    book: Book,
    subject: str,
    owner: str,
    amount: Money,
    *,
    source: str = "order",
    escrow: str | None = None,
    country: str | None = None,
    title: str | None = None,
) -> Payable:
    """Register what is to be paid, from another room's handler.

    Errors: `Invalid`, `UnknownSource`, `AlreadyExists`, those of an amount.
    """
    if not _SUBJECT.fullmatch(subject):
        raise Invalid(
            f"{subject[:60]!r} cannot be paid for.",
            expected="such as order/M1001",
            got=subject[:60],
        )
    if not owner or len(owner) > _MOST_TEXT or len(title or "") > _MOST_TEXT:
        raise Invalid("Owner and title have at most 200 characters.", got=owner[:60])
    if country is not None and not _COUNTRY.fullmatch(country):
        raise Invalid("A country is two capital letters.", expected="such as BD", got=country[:20])
    exponent = exponent_of(book, amount.currency)
    minor = to_positive_minor(amount.amount, exponent)
    code = escrow or f"escrow/{subject}"
    if not code.startswith("escrow/"):
        raise Invalid("The money goes into escrow.", expected="such as escrow/M1", got=code[:60])
    place = code.removeprefix("escrow/")
    book.expect([(Payable, subject), *taken_by(subject), *taken_by(place)])
    if book.peek(Payable, subject) is not None:
        raise AlreadyExists(f"{subject} is registered already.", got=subject)
    for name in dict.fromkeys((subject, place)):
        check_free(book, name)
    house_account(book, code, amount.currency)
    return book.add(
        Payable(
            subject,
            owner,
            minor,
            amount.currency,
            exponent,
            source_of(book, source).name,
            code,
            country,
            title,
            "open",
            None,
            None,
            book.now,
        )
    )


@VERBS.handles(CancelPayable, roles=("admin", "service"))
def cancel_payable(book: Book, command: CancelPayable) -> PayableState:
    """Errors: `PayableNotFound`, `PayableClosed` when it is paid: refund it instead."""
    check_reason(command.reason)
    return payable_state(cancel(book, command.subject))


def cancel(book: Book, subject: str) -> Payable:
    """Cancel what was to be paid, from another room's handler.

    A mixed payment under way lets its wallet's part go; one at a provider runs on, and what it
    brings goes back. Errors: `PayableNotFound`, `PayableClosed`.
    """
    payable = book.peek(Payable, subject)
    if payable is None:
        raise PayableNotFound(f"Nothing to pay for {subject[:200]!r}.", got=subject[:200])
    if payable.status != "open":
        raise PayableClosed(f"{subject} is {payable.status}.", expected="open", got=payable.status)
    book.change(payable, status="cancelled")
    active = book.peek(Payment, payable.active) if payable.active else None
    if active is not None and active.method == "mixed":
        learn(book, active, Facts(failed="cancelled"))
    wake(book, subject)
    return book.get(Payable, subject)


# ── paying ───────────────────────────────────────────────────────────────────────────


@VERBS.handles(Initiate, roles=("owner", "admin", "finance", "service"))
def initiate_payment(book: Book, command: Initiate) -> PaymentState:
    """Errors: those of `initiate`."""
    return payment_state(initiate(book, command))


def initiate(book: Book, command: Initiate) -> Payment:
    """Begin a payment, from another room's handler too.

    Errors: `PayableNotFound`, `NotYours`, `PayableClosed`, `PaymentActive`, `ProviderNotOffered`,
    `AmountMismatch`, `CurrencyMismatch`, `Invalid`, and those of a wallet that pays.
    """
    if command.token is not None and len(command.token) > _MOST_TEXT:
        raise Invalid("A token has at most 200 characters.", got=len(command.token))
    if command.subject is None:
        return _top_up(book, command)
    payable = paying.open_payable(book, command.subject)
    paying.whole(book, payable, command.amount)
    if command.method == "provider":
        return paying.charge_for(book, payable, _how(command))
    account = paying.paying_wallet(book, payable, command.wallet)
    if command.method == "wallet":
        return paying.pay_by_wallet(book, payable, account)
    return paying.pay_mixed(book, payable, account, command.wallet_part)


def _top_up(book: Book, command: Initiate) -> Payment:
    if command.wallet is None or command.amount is None or command.method != "provider":
        raise Invalid(
            "A payment is for a subject, or tops up a wallet through a provider.",
            expected="subject, or wallet and amount with the method provider",
            got=command.method,
        )
    account = wallet_account(book, command.wallet)
    return paying.top_up(book, account, command.amount, _how(command))


def _how(command: Initiate) -> paying.How:
    return paying.How(command.provider, command.way, command.country, command.token)


@VERBS.handles(ConfirmTransfer, roles=("admin", "finance"))
def confirm_transfer(book: Book, command: ConfirmTransfer) -> PaymentState:
    """Errors: `PaymentNotFound`, `InvalidTransition` unless a mixed payment waits for it,
    `AmountMismatch`, `CurrencyMismatch`, `PayableClosed`, `ApprovalRequired`.
    """
    check_reason(command.evidence)
    payment = _awaited(book, command.payment)
    rest = payment.amount - payment.wallet_part
    if command.amount.currency != payment.unit:
        exponent_of(book, command.amount.currency)
        raise CurrencyMismatch(
            f"{payment.id} is in {payment.unit}.",
            expected=payment.unit,
            got=command.amount.currency,
        )
    if to_positive_minor(command.amount.amount, payment.exponent) != rest:
        due = to_text(rest, payment.exponent)
        raise AmountMismatch(
            f"The transfer for {payment.id} is over {due}.",
            expected=due,
            got=command.amount.amount,
        )
    check_four_eyes(book, house_account(book, UNAPPLIED, payment.unit), payment.amount)
    return payment_state(learn(book, payment, Facts(paid=True)))


@VERBS.handles(RejectTransfer, roles=("admin", "finance"))
def reject_transfer(book: Book, command: RejectTransfer) -> PaymentState:
    """Errors: `PaymentNotFound`, `InvalidTransition` unless a mixed payment waits for it."""
    check_reason(command.reason)
    payment = _awaited(book, command.payment)
    told = Facts(failed="transfer_rejected")
    return payment_state(learn(book, payment, told, message=command.reason))


def _awaited(book: Book, name: str) -> Payment:
    payment = payment_of(book, name)
    if payment.method != "mixed" or payment.status != "pending":
        raise InvalidTransition(
            f"{payment.id} waits for no bank transfer.",
            expected="a mixed payment, pending",
            got=f"{payment.method}, {payment.status}",
        )
    return payment


def payment_of(book: Book, name: str) -> Payment:
    """A payment by its id. Errors: `PaymentNotFound`."""
    payment = book.peek(Payment, name)
    if payment is None:
        raise PaymentNotFound(f"No payment {name[:60]!r}.", got=name[:60])
    return payment


# ── refunding ────────────────────────────────────────────────────────────────────────


@VERBS.handles(RefundPayment, roles=("admin", "finance", "service"))
def refund_payment(book: Book, command: RefundPayment) -> RefundState:
    """Errors: `PaymentNotFound`, `InvalidTransition` unless paid, `RefundExceeded`,
    `CurrencyMismatch`, `ApprovalRequired`, `InsufficientFunds`.
    """
    check_reason(command.reason)
    payment = payment_of(book, command.payment)
    account = house_account(book, UNAPPLIED, payment.unit)
    if command.amount is None:
        minor = refundable(book, payment)
    elif command.amount.currency != payment.unit:
        exponent_of(book, command.amount.currency)
        raise CurrencyMismatch(
            f"{payment.id} is in {payment.unit}.",
            expected=payment.unit,
            got=command.amount.currency,
        )
    else:
        minor = to_positive_minor(command.amount.amount, payment.exponent)
    check_four_eyes(book, account, minor)
    return refund_state(open_refund(book, payment, minor, command.reason))


# ── what providers tell ──────────────────────────────────────────────────────────────


@VERBS.handles(Tell, roles=("service",), internal=True)
def tell(book: Book, command: Tell) -> Applied:
    """What became of it; nothing that a provider says is refused."""
    return apply_event(book, command.event)
