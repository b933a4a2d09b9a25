"""`khata referrals …`: who brought whom, and the bonuses that are owed for it."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import benefits
from khata.domain.benefits import (
    BonusesPaid,
    CancelReferral,
    ConfirmKyc,
    KycState,
    PayBonuses,
    Refer,
    ReferralState,
)
from khata.edge.cli.screen import dump, money, more, out, pairs, row, short, table
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

app: Final = family("referrals", "Who brought whom, and the bonuses that are owed for it.")
_Referred = Annotated[str, Parameter(help="The owner who was brought.")]
_Owner = Annotated[str, Parameter(help="The owner's id.")]


@command(
    app,
    "list",
    "khata referrals list --status qualified",
    "khata referrals list --referrer alice --json",
)
def list_(
    *,
    referrer: Annotated[str | None, Parameter(help="Only those whom this owner brought.")] = None,
    status: Annotated[
        str | None, Parameter(help="pending, qualified, paid, lapsed or cancelled.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List referrals, newest first."""
    with looking(where) as view:
        page = benefits.referrals(
            view, referrer=referrer, status=status, cursor=cursor, limit=limit
        )
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("referred", "by", "status", "bonus>", "of the referrer>", "made")
        for item in page.items:
            bonuses = (_bonus(item, item.referred_bonus), _bonus(item, item.referrer_bonus))
            about = (item.referred, item.referrer, item.status)
            row(made, *about, *bonuses, short(item.created_at))
        out().print(made if page.items else "No referrals.")
    more(page.next)
    return 0


@command(app, "show", "khata referrals show bob")
def show(referred: _Referred, *, json: Json = False, where: Where = HERE) -> int:
    """One referral, and what became of it."""
    with looking(where) as view:
        known = benefits.referral(view, referred)
    if json:
        dump(known)
    else:
        _show(known)
    return 0


@command(app, "add", "khata referrals add alice bob")
def add(
    referrer: Annotated[str, Parameter(help="Who brought somebody.")],
    referred: _Referred,
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Note that one owner brought another, who has not bought anything yet."""
    return carry_out(where, how, Refer(referrer, referred), _show)


@command(app, "cancel", "khata referrals cancel bob --reason 'The same person'")
def cancel(referred: _Referred, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Call a referral off, before its bonuses are paid."""
    return carry_out(where, how, CancelReferral(referred, reason), _show)


@command(app, "confirm", "khata referrals confirm bob --evidence 'Passport seen, file 7'")
def confirm(
    owner: _Owner,
    *,
    evidence: Annotated[str, Parameter(help="Where it is kept how one knows who they are.")],
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say that it is known who an owner is, and pay the bonuses that waited for it."""
    return carry_out(where, how, ConfirmKyc(owner, evidence), _show_kyc)


@command(app, "pay", "khata referrals pay alice")
def pay(owner: _Owner, *, how: How = SO, where: Where = HERE) -> int:
    """Pay the bonuses of an owner's referrals that could not be paid before."""
    return carry_out(where, how, PayBonuses(owner), _show_paid)


@command(app, "owed", "khata referrals owed")
def owed(*, json: Json = False, where: Where = HERE) -> int:
    """What is owed for referrals, by currency; 1 if the accounts say something else."""
    with looking(where) as view:
        found = benefits.liability(view)
    if json:
        for item in found:
            dump(item)
    else:
        made = table("currency", "referrals>", "owed>", "on the accounts>")
        for item in found:
            amounts = (money(item.owed, item.currency), money(item.booked, item.currency))
            row(made, item.currency, str(item.referrals), *amounts)
        out().print(made if found else "Nothing is owed.")
    return 0 if all(item.agrees for item in found) else 1


def _bonus(item: ReferralState, amount: str | None) -> str:
    return "" if amount is None or item.currency is None else money(amount, item.currency)


def _show(item: ReferralState) -> None:
    rows = [
        ("referred", item.referred),
        ("by", item.referrer),
        ("status", item.status if item.reason is None else f"{item.status}: {item.reason}"),
        ("bonus", _bonus(item, item.referred_bonus)),
        ("of the referrer", _bonus(item, item.referrer_bonus)),
        ("bought", item.subject or ""),
        ("entries", ", ".join(item.entries)),
        ("made", f"{short(item.created_at)} UTC"),
        ("paid", f"{short(item.paid_at)} UTC" if item.paid_at else ""),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _show_kyc(item: KycState) -> None:
    out().print(f"{item.owner} is known: {item.evidence}")


def _show_paid(item: BonusesPaid) -> None:
    paid = ", ".join(item.paid) or "none"
    out().print(f"Paid for {item.owner}: {paid}; {item.waiting} more wait.")
