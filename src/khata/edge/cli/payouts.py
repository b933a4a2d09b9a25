"""`khata payouts …`: money that leaves to bank accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import payouts
from khata.domain.payouts import (
    BatchLine,
    BatchMade,
    BatchState,
    BatchTotal,
    CompletePayout,
    CreatePayoutBatch,
    FailPayout,
    GiveBack,
    InitiatePayout,
    PayoutState,
)
from khata.edge.cli.bank_accounts import app as accounts
from khata.edge.cli.moved import in_currency_of
from khata.edge.cli.screen import dump, money, out, pairs, progress, row, short, show_page, table
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
    opened,
)
from khata.edge.files.table import Table
from khata.edge.sealing import rotate as seal_anew
from khata.engine.database import View

app: Final = family("payouts", "Money that leaves to bank accounts; the accounts.")
app.command(accounts, name="accounts")
Name = Annotated[str, Parameter(help="The payout's id, pyo_….")]
_COLUMNS: Final = ("wallet", "amount", "currency", "reference", "bank_account")
_REQUIRED: Final = _COLUMNS[:-1]


@command(
    app,
    "list",
    "khata payouts list --status processing",
    "khata payouts list --wallet alice/personal/BDT --json",
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    wallet: Annotated[str | None, Parameter(help="Only this wallet's.")] = None,
    status: Annotated[
        str | None,
        Parameter(help="requested, locked, processing, completed, failed or returned."),
    ] = None,
    batch: Annotated[str | None, Parameter(help="Only this batch's, bat_….")] = None,
    reference: Annotated[str | None, Parameter(help="Only the one with this reference.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List payouts, newest first."""
    with looking(where) as view:
        page = payouts.payouts(
            view,
            owner=owner,
            wallet=wallet,
            status=status,
            batch=batch,
            reference=reference,
            cursor=cursor,
            limit=limit,
        )
    show_page(page, _show_all, json=json)
    return 0


@command(app, "show", "khata payouts show pyo_0c00", "khata payouts show bat_1000")
def show(
    name: Annotated[str, Parameter(help="A payout's id, pyo_…, or a batch's, bat_….")],
    *,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show a payout, or a batch with all its lines."""
    with looking(where) as view:
        found: PayoutState | BatchState = (
            payouts.batch(view, name) if name.startswith("bat_") else payouts.payout(view, name)
        )
    if json:
        dump(found)
    elif isinstance(found, BatchState):
        out().print(f"{found.id} {found.reference}: {found.status}, {short(found.created_at)}")
        _show_totals(found.totals)
        _show_all(found.lines)
    else:
        _show(found)
    return 0


@command(
    app,
    "create",
    "khata payouts create alice/personal/BDT 400.00 --reference withdrawal-1",
    "khata payouts create alice/personal/BDT 400.00 --reference withdrawal-2 --provider manual",
)
def create(
    wallet: Annotated[str, Parameter(help="The wallet that pays.")],
    amount: Annotated[str, Parameter(help="What arrives; a fee comes on top.")],
    *,
    reference: Annotated[str, Parameter(help="Your own name for it, used once.")],
    account: Annotated[
        str | None, Parameter(help="The bank account, bnk_…; left out, the primary one.")
    ] = None,
    provider: Annotated[str | None, Parameter(help="Who pays out; `manual` is a person.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay money out. It leaves the wallet at once; a worker sends it."""

    def wanted(view: View) -> InitiatePayout:
        paid = in_currency_of(view, wallet, amount, None)
        return InitiatePayout(wallet, paid, reference, account, provider)

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "complete",
    "khata payouts complete pyo_0c00 --evidence 'Bank statement, line 7' --reason 'Paid by hand'",
)
def complete(
    payout: Name,
    *,
    evidence: Annotated[str, Parameter(help="How it is known that it arrived.")],
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Tell that a payout has arrived."""
    return carry_out(where, how, CompletePayout(payout, evidence, reason), _show)


@command(app, "fail", "khata payouts fail pyo_0c00 --reason 'Asked for by the owner'")
def fail(
    payout: Name,
    *,
    reason: Reason,
    evidence: Annotated[
        str | None,
        Parameter(help="How it is known that nothing was paid, once a provider was asked."),
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Call a payout off, or tell that it came to nothing: the money returns to its wallet."""
    return carry_out(where, how, FailPayout(payout, reason, evidence), _show)


@command(
    app,
    "give-back",
    "khata payouts give-back pyo_0c00 --wallet alice/creator/BDT --reason 'The other is closed'",
)
def give_back(
    payout: Name,
    *,
    wallet: Annotated[
        str | None, Parameter(help="Another wallet of the owner's; left out, the one it was from.")
    ] = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give back what a frozen or closed wallet could not take."""
    return carry_out(where, how, GiveBack(payout, reason, wallet), _show)


@command(
    app,
    "batch",
    "khata payouts batch partners.csv --reference partners-2026-01",
    "khata payouts batch partners.csv --reference partners-2026-01 --dry-run",
)
def batch(
    file: Annotated[
        Path, Parameter(help="CSV: wallet, amount, currency, reference, maybe bank_account.")
    ],
    *,
    reference: Annotated[str, Parameter(help="Your own name for the batch, used once.")],
    provider: Annotated[str | None, Parameter(help="Who pays out; `manual` is a person.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Ask for the payouts in a file; a line that makes no sense refuses all of them."""
    with Table(file, _COLUMNS, _REQUIRED) as read:
        lines = [
            BatchLine(
                cells["wallet"],
                Money(cells["amount"], cells["currency"]),
                cells["reference"],
                cells.get("bank_account") or None,
            )
            for _, cells in read
        ]
    return carry_out(where, how, CreatePayoutBatch(reference, lines, provider), _show_made)


@command(app, "rotate", "khata payouts rotate")
def rotate(*, json: Json = False, where: Where = HERE) -> int:
    """Seal every bank account anew under the newest key of KHATA_VAULT_KEYS.

    Before: put the new key in front of the old one. After, once no payout is under way that was
    asked for before: take the old one away.
    """
    with opened(where) as book, progress("Sealing anew") as tell:
        changed = seal_anew(book, where.who(), tell)
    if json:
        dump({"sealed": changed})
    else:
        out().print(f"{changed} bank accounts were sealed anew.")
    return 0


def _show(item: PayoutState) -> None:
    rows = [
        ("payout", f"{item.id} {item.reference}"),
        ("status", item.status if item.code is None else f"{item.status}: {item.code}"),
        ("money", item.money.replace("_", " ")),
        ("amount", money(item.amount, item.currency)),
        ("fee", money(item.fee, item.currency)),
        ("from", item.wallet),
        ("to", f"{item.bank_account} {item.mask}"),
        ("by", " ".join(filter(None, (item.provider, item.provider_id)))),
        ("saga", item.saga),
        ("entries", ", ".join(item.entries)),
        ("message", item.message),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _show_all(items: list[PayoutState]) -> None:
    made = table("payout", "reference", "status", "amount>", "fee>", "from", "to", "why", "asked")
    for item in items:
        row(
            made,
            item.id,
            item.reference,
            item.status,
            money(item.amount, item.currency),
            money(item.fee, item.currency),
            item.wallet,
            item.mask,
            item.code,
            short(item.created_at),
        )
    out().print(made if items else "No payouts.")


def _show_made(item: BatchMade) -> None:
    out().print(f"{item.id} {item.reference}: {len(item.payouts)} payouts are under way.")
    _show_totals(item.totals)


def _show_totals(totals: list[BatchTotal]) -> None:
    made = table("status", "payouts>", "amount>", "fees>")
    for total in totals:
        amounts = (money(total.amount, total.currency), money(total.fee, total.currency))
        row(made, total.status, str(total.count), *amounts)
    out().print(made)
