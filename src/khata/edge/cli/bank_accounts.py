"""`khata payouts accounts …`: bank accounts. A number is typed or piped in, never an argument:
arguments stay in the shell's history, and every process of the machine can see them.
"""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated, Final

from cyclopts import App, Parameter

from khata.domain import payouts
from khata.domain.payouts import (
    BankAccountState,
    BlockBankAccount,
    RemoveBankAccount,
    SetPrimary,
    VerifyBankAccount,
)
from khata.edge.cli.screen import out, row, short, show_page, table
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
    looking,
)
from khata.edge.sealing import needed, sealed_bank_account, sealed_before
from khata.engine.command import Command
from khata.engine.database import View
from khata.engine.vault import Vault
from khata.settings import vault_keys_from

app: Final = App(
    name="accounts",
    help="Bank accounts: add, verify, choose, block, remove.",
    help_epilogue="khata payouts accounts COMMAND --help has examples of each.",
)
Account = Annotated[str, Parameter(help="The bank account's id, bnk_….")]
_LONGEST: Final = 200


@command(
    app,
    "list",
    "khata payouts accounts list --owner alice",
    "khata payouts accounts list --status pending --json",
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    status: Annotated[str | None, Parameter(help="pending, verified, blocked or removed.")] = None,
    currency: Annotated[str | None, Parameter(help="Only those in this currency.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List bank accounts, newest first, masked."""
    with looking(where) as view:
        page = payouts.bank_accounts(
            view, owner=owner, status=status, currency=currency, cursor=cursor, limit=limit
        )
    show_page(page, _show_all, json=json)
    return 0


@command(
    app,
    "add",
    "khata payouts accounts add alice BDT --holder 'Alice Rahman' --bank 'Dutch-Bangla Bank'"
    " --country BD < number.txt",
)
def add(
    owner: Annotated[str, Parameter(help="Whose it is.")],
    currency: Annotated[str, Parameter(help="Its currency, such as BDT.")],
    *,
    holder: Annotated[str, Parameter(help="The name that the bank knows.")],
    bank: Annotated[str, Parameter(help="The bank's name.")],
    country: Annotated[str, Parameter(help="Two letters, as in ISO 3166: BD.")],
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Add a bank account. Its number is asked for, or read from standard input."""
    vault = needed(Vault.of(vault_keys_from(os.environ)))
    made = sealed_bank_account(
        vault,
        owner=owner,
        number=_number(),
        holder=holder,
        bank=bank,
        country=country,
        currency=currency,
    )

    def wanted(view: View) -> Command:
        before = sealed_before(view, vault, how.key, made, where.who()) if how.key else None
        return before or made

    return carry_out(where, how, wanted, _show)


def _number() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Account number: ")
    return sys.stdin.readline(_LONGEST).strip()


@command(app, "primary", "khata payouts accounts primary bnk_0800")
def primary(account: Account, *, how: How = SO, where: Where = HERE) -> int:
    """Let payouts go there that name no bank account."""
    return carry_out(where, how, SetPrimary(account), _show)


@command(app, "verify", "khata payouts accounts verify bnk_0800 --evidence 'Statement seen'")
def verify(
    account: Account,
    *,
    evidence: Annotated[str, Parameter(help="How it is known to be its owner's.")],
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Confirm that a bank account is its owner's; a blocked one is freed by it."""
    return carry_out(where, how, VerifyBankAccount(account, evidence), _show)


@command(app, "block", "khata payouts accounts block bnk_0800 --reason 'Reported stolen'")
def block(account: Account, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let nothing be paid out to a bank account until it is verified anew."""
    return carry_out(where, how, BlockBankAccount(account, reason), _show)


@command(app, "remove", "khata payouts accounts remove bnk_0800 --reason 'Closed'")
def remove(account: Account, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Remove a bank account for good."""
    return carry_out(where, how, RemoveBankAccount(account, reason), _show)


def _show(item: BankAccountState) -> None:
    _show_all([item])


def _show_all(items: list[BankAccountState]) -> None:
    made = table("account", "owner", "number", "holder", "bank", "currency", "status", "added")
    for item in items:
        status = f"{item.status}, primary" if item.primary else item.status
        row(
            made,
            item.id,
            item.owner,
            item.number,
            item.holder,
            f"{item.bank}, {item.country}",
            item.currency,
            status,
            short(item.added_at),
        )
    out().print(made if items else "No bank accounts.")
