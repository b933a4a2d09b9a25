"""`khata payments …`: what is to be paid, what was paid, what goes back."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import payments
from khata.domain.payments import (
    ConfirmTransfer,
    Initiate,
    PaymentState,
    RefundPayment,
    RefundState,
)
from khata.edge.cli.screen import dump, money, out, pairs, row, short, show_page, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
)
from khata.engine.database import View

app: Final = family("payments", "What is to be paid, what was paid, what goes back.")
_Id = Annotated[str, Parameter(help="The payment's id, pay_….")]


@command(
    app,
    "list",
    "khata payments list --status unknown",
    "khata payments list --subject order/M1001 --json",
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this payer's.")] = None,
    subject: Annotated[str | None, Parameter(help="Only for this, such as order/M1001.")] = None,
    status: Annotated[
        str | None, Parameter(help="pending, paid, failed, unknown, disputed, …")
    ] = None,
    provider: Annotated[str | None, Parameter(help="Only through this provider.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List payments, newest first."""
    with looking(where) as view:
        page = payments.payments(
            view,
            owner=owner,
            subject=subject,
            status=status,
            provider=provider,
            cursor=cursor,
            limit=limit,
        )
    show_page(page, _show_list, json=json)
    return 0


def _show_list(items: list[PaymentState]) -> None:
    made = table("payment", "for", "owner", "by", "status", "amount>", "refunded>", "begun")
    for item in items:
        row(
            made,
            item.id,
            item.subject or item.wallet,
            item.owner,
            item.provider or item.method,
            item.status,
            money(item.amount, item.currency),
            money(item.refunded, item.currency),
            short(item.created_at),
        )
    out().print(made if items else "No payments.")


@command(app, "show", "khata payments show pay_0800")
def show(payment: _Id, *, json: Json = False, where: Where = HERE) -> int:
    """One payment, with its refunds and disputes."""
    with looking(where) as view:
        known = payments.payment(view, payment)
        refunds = payments.refunds(view, payment=payment).items
        disputes = payments.disputes(view, payment=payment).items
    if json:
        dump({"payment": known, "refunds": refunds, "disputes": disputes})
        return 0
    _show(known)
    made = table("refund or dispute", "status", "amount>", "why")
    for refund in refunds:
        row(made, refund.id, refund.status, money(refund.amount, refund.currency), refund.reason)
    for dispute in disputes:
        amount = money(dispute.amount or known.amount, dispute.currency)
        row(made, dispute.id, dispute.status, amount, dispute.code)
    out().print(made if refunds or disputes else "")
    return 0


def _show(payment: PaymentState) -> None:
    currency = payment.currency
    rows = [
        ("payment", payment.id),
        ("status", payment.status if payment.code is None else f"{payment.status}, {payment.code}"),
        ("for", payment.subject or f"top-up of {payment.wallet}"),
        ("owner", payment.owner),
        ("amount", money(payment.amount, currency)),
        ("refunded", money(payment.refunded, currency)),
        (
            "by",
            payment.method if payment.provider is None else f"{payment.provider}, {payment.way}",
        ),
        ("from wallet", money(payment.wallet_part, currency) if payment.subject else "nothing"),
        ("entries", ", ".join(payment.entries) or "none"),
        ("saga", payment.saga or "none"),
        ("begun", f"{short(payment.created_at)} UTC"),
        ("paid", f"{short(payment.paid_at)} UTC" if payment.paid_at else "no"),
    ]
    if payment.action_url is not None:
        rows.append(("goes on at", payment.action_url))
    out().print(pairs(rows))


@command(
    app,
    "offered",
    "khata payments offered BDT --country BD",
)
def offered(
    currency: Annotated[str, Parameter(help="What is to be collected.")],
    *,
    country: Annotated[str | None, Parameter(help="Where, two letters; any if left out.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Which providers collect a currency in a country, and how."""
    with looking(where) as view:
        found = payments.offered(view, country=country, currency=currency)
    if json:
        for item in found:
            dump(item)
        return 0
    made = table("provider", "ways", "least>", "most>")
    for item in found:
        row(made, item.provider, ", ".join(item.methods), item.least or "", item.most or "")
    out().print(made if found else "Nobody: the setting `providers` names none for it.")
    return 0


@command(
    app,
    "pay",
    "khata payments pay order/M1001 --wallet alice/personal/BDT",
    "khata payments pay order/M1001 --provider sandbox --way card",
    "khata payments pay order/M1001 --wallet alice/personal/BDT --part 300.00",
)
def pay(
    subject: Annotated[str, Parameter(help="What is paid, such as order/M1001.")],
    *,
    wallet: Annotated[str | None, Parameter(help="The wallet that pays.")] = None,
    part: Annotated[
        str | None, Parameter(help="How much of it the wallet pays; a bank transfer the rest.")
    ] = None,
    provider: Annotated[str | None, Parameter(help="Who collects it otherwise.")] = None,
    way: Annotated[
        Literal["card", "mobile_money", "bank_transfer"] | None,
        Parameter(help="How the provider collects."),
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay out of a wallet, through a provider, or part by wallet and part by bank transfer."""

    def wanted(view: View) -> Initiate:
        if wallet is None:
            return Initiate(subject, provider=provider, way=way)
        if part is None:
            return Initiate(subject, wallet=wallet, method="wallet")
        due = payments.payable(view, subject)
        return Initiate(
            subject, wallet=wallet, method="mixed", wallet_part=Money(part, due.currency)
        )

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "confirm",
    "khata payments confirm pay_0800 700.00 --evidence 'Statement of 31 January, line 7'",
)
def confirm(
    payment: _Id,
    amount: Annotated[str, Parameter(help="What came by bank transfer.")],
    *,
    evidence: Annotated[str, Parameter(help="Where that is to be seen.")],
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Tell that the bank transfer of a mixed payment has come."""

    def wanted(view: View) -> ConfirmTransfer:
        known = payments.payment(view, payment)
        return ConfirmTransfer(payment, Money(amount, known.currency), evidence)

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "refund",
    "khata payments refund pay_0800 --reason 'Never arrived'",
    "khata payments refund pay_0800 400.00 --reason 'One was broken'",
)
def refund(
    payment: _Id,
    amount: Annotated[str | None, Parameter(help="Left out: all that is left.")] = None,
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a payment back, wholly or in part."""

    def wanted(view: View) -> RefundPayment:
        if amount is None:
            return RefundPayment(payment, reason)
        known = payments.payment(view, payment)
        return RefundPayment(payment, reason, Money(amount, known.currency))

    return carry_out(where, how, wanted, _show_refund)


def _show_refund(refund: RefundState) -> None:
    amount = money(refund.amount, refund.currency)
    out().print(f"{refund.id} of {refund.payment} over {amount} is {refund.status}.")
