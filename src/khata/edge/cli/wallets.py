"""`khata wallets …`: wallets and the money in them."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import wallets
from khata.domain.ledger import AccountState, CloseAccount, FreezeAccount, UnfreezeAccount
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer, WalletState, WalletView
from khata.edge.cli.limits import limit_text, limits
from khata.edge.cli.moved import (
    Amount,
    Currency,
    Note,
    Reference,
    Source,
    in_currency_of,
    show_moved,
    transactions_table,
)
from khata.edge.cli.screen import coloured, dump, money, more, out, pairs, row, short, table
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
    instant,
    looking,
)

app: Final = family("wallets", "Open wallets, move money, freeze, set limits.")
Ref = Annotated[str, Parameter(help="Its id, wal_…, or path, such as alice/personal/BDT.")]
Against = Annotated[
    str | None, Parameter(help="The house account opposite; left out, the source's own.")
]
_LATEST: Final = 10


@command(app, "list", "khata wallets list --owner alice", "khata wallets list --json | jq .path")
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    kind: Annotated[str | None, Parameter(help="Only this kind, such as partner.")] = None,
    currency: Annotated[str | None, Parameter(help="Only this currency.")] = None,
    status: Annotated[str | None, Parameter(help="active, frozen or closed.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List wallets with their balances, in the order in which they were opened."""
    with looking(where) as view:
        page = wallets.wallets(
            view,
            owner=owner,
            kind=kind,
            currency=currency,
            status=status,
            cursor=cursor,
            limit=limit,
        )
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("id", "wallet", "status", "balance>", "held>", "available>")
        for item in page.items:
            cells = (item.balance, item.held, item.available)
            row(
                made,
                item.id,
                item.path,
                item.status,
                *(coloured(cell, item.currency) for cell in cells),
            )
        out().print(made if page.items else "No wallets.")
    more(page.next)
    return 0


@command(
    app,
    "show",
    "khata wallets show alice/personal/BDT",
    "khata wallets show alice/personal/BDT --at 2026-01-31T18:00:00+06:00",
)
def show(
    wallet: Ref,
    *,
    at: Annotated[
        str | None, Parameter(help="The balance as of this instant, ISO 8601 with an offset.")
    ] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show one wallet: its balance, its limits, its latest movements."""
    moment = instant(at)
    with looking(where) as view:
        if moment is not None:
            found = wallets.balance(view, wallet, moment)
            if json:
                dump(found)
            else:
                out().print(f"{found.wallet} had {money(found.balance, found.currency)}", end=" ")
                out().print(f"at {short(found.at)} UTC.")
            return 0
        known = wallets.wallet(view, wallet)
        latest = wallets.transactions(view, wallet, limit=_LATEST).items
    if json:
        dump(known)
    else:
        _show_wallet(known)
        out().print(transactions_table(latest, title="Latest movements") if latest else "")
    return 0


def _show_wallet(wallet: WalletView) -> None:
    currency = wallet.currency
    rows = [
        ("wallet", f"{wallet.path} ({wallet.id})"),
        ("title", wallet.title),
        ("status", wallet.status),
        ("balance", money(wallet.balance, currency)),
        ("held", money(wallet.held, currency)),
        ("available", money(wallet.available, currency)),
        ("floor", money(wallet.floor, currency) if wallet.floor is not None else "none"),
        ("overdraft", money(wallet.overdraft, currency)),
        *(("limit", limit_text(limit, currency)) for limit in wallet.limits),
        ("opened", f"{short(wallet.opened_at)} UTC"),
    ]
    out().print(pairs(rows))


@command(
    app,
    "open",
    "khata wallets open alice BDT",
    "khata wallets open karim BDT --kind partner --title 'Karim Stores'",
)
def open_(
    owner: Annotated[str, Parameter(help="The owner's id in your system.")],
    currency: Annotated[str, Parameter(help="An ISO 4217 code or a unit of the book.")],
    *,
    kind: Annotated[str, Parameter(help="personal, partner, creator, rider, …")] = "personal",
    title: Annotated[str | None, Parameter(help="A title for people.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Open a wallet. The first one makes the book, too."""
    wanted = OpenWallet(owner, currency, wallet_kind=kind, title=title)
    return carry_out(where, how, wanted, _show_opened, create=True)


def _show_opened(wallet: WalletState) -> None:
    out().print(
        f"{wallet.path} ({wallet.id}) is {wallet.status}"
        f" and has {money(wallet.balance, wallet.currency)}."
    )


@command(
    app,
    "credit",
    "khata wallets credit alice/personal/BDT 1000.00 --key top-up-1",
    "khata wallets credit alice/personal/BDT 25.00 --source viral_bonus --dry-run",
)
def credit(
    wallet: Ref,
    amount: Amount,
    *,
    currency: Currency = None,
    source: Source = "top_up",
    against: Against = None,
    reference: Reference = None,
    note: Note = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Bring money into a wallet, out of a house account such as cash/main."""
    return carry_out(
        where,
        how,
        lambda view: Credit(
            wallet,
            in_currency_of(view, wallet, amount, currency),
            source=source,
            against=against,
            reference=reference,
            note=note,
        ),
        show_moved,
    )


@command(app, "debit", "khata wallets debit alice/personal/BDT 50.00 --reference W-17")
def debit(
    wallet: Ref,
    amount: Amount,
    *,
    currency: Currency = None,
    source: Source = "withdrawal",
    against: Against = None,
    reference: Reference = None,
    note: Note = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take money out of a wallet, into a house account such as cash/main."""
    return carry_out(
        where,
        how,
        lambda view: Debit(
            wallet,
            in_currency_of(view, wallet, amount, currency),
            source=source,
            against=against,
            reference=reference,
            note=note,
        ),
        show_moved,
    )


@command(app, "transfer", "khata wallets transfer alice/personal/BDT bob/personal/BDT 20.00")
def transfer(
    wallet: Ref,
    to: Annotated[str, Parameter(help="The wallet that receives it.")],
    amount: Amount,
    *,
    currency: Currency = None,
    source: Source = "transfer",
    reference: Reference = None,
    note: Note = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Move money from one wallet to another."""
    return carry_out(
        where,
        how,
        lambda view: Transfer(
            wallet,
            to,
            in_currency_of(view, wallet, amount, currency),
            source=source,
            reference=reference,
            note=note,
        ),
        show_moved,
    )


# ── status ───────────────────────────────────────────────────────────────────────────


@command(app, "freeze", "khata wallets freeze alice/personal/BDT --reason 'Reported stolen'")
def freeze(wallet: Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Stop all movement on a wallet or house account."""
    return carry_out(where, how, FreezeAccount(wallet, reason), _show_status)


@command(app, "unfreeze", "khata wallets unfreeze alice/personal/BDT --reason 'Found again'")
def unfreeze(wallet: Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let a frozen wallet or house account move again."""
    return carry_out(where, how, UnfreezeAccount(wallet, reason), _show_status)


@command(app, "close", "khata wallets close alice/personal/BDT --reason 'Left us'")
def close(wallet: Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Close an empty wallet or house account, for good."""
    return carry_out(where, how, CloseAccount(wallet, reason), _show_status)


def _show_status(account: AccountState) -> None:
    balance = money(account.balance, account.currency)
    out().print(f"{account.code} is {account.status} and has {balance}.")


command(
    app,
    "limits",
    "khata wallets limits alice/personal/BDT",
    "khata wallets limits alice/personal/BDT --overdraft 500.00 --reason 'Trusted'",
    "khata wallets limits alice/personal/BDT --velocity 24h:5000.00:10 --reason 'New'",
    "khata wallets limits alice/personal/BDT --no-velocity --reason 'Verified'",
)(limits)
