"""Calls about debts and loans."""

from __future__ import annotations

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.debts import DebtState, Netting, RepaymentView, Unexplained
from khata.domain.loans import LoanState, LoanView, Marked
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── debts ────────────────────────────────────────────────────────────────────────────


def debt(name: str) -> Call[DebtState]:
    """One debt."""
    return Call("GET", path_of("debts", name), DebtState)


def debts(
    *,
    owner: str | None = None,
    status: str | None = None,
    kind: str | None = None,
    limit: int = 100,
) -> Call[Page[DebtState]]:
    """What owners owe the house, newest first; each filter is an equality."""
    query = {"owner": owner, "status": status, "kind": kind, "limit": limit}
    return Call("GET", path_of("debts"), Page[DebtState], asked(query))


def repayments(name: str, *, limit: int = 100) -> Call[Page[RepaymentView]]:
    """What made a debt smaller, newest first."""
    path = path_of("debts", name, "repayments")
    return Call("GET", path, Page[RepaymentView], asked({"limit": limit}))


def repay_debt(
    name: str, wallet: str, amount: Money, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[DebtState]]:
    """Repay a debt, wholly or in part, from a wallet of who owes it."""
    path = path_of("debts", name, "repay")
    body = {"wallet": wallet, "amount": amount}
    return write(Receipt[DebtState], path, body, key, dry_run=dry_run)


def write_off_debt(
    name: str,
    reason: str,
    *,
    amount: Money | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[DebtState]]:
    """Give up what is outstanding of a debt, or `amount` of it."""
    path = path_of("debts", name, "write-off")
    body = {"reason": reason, "amount": amount}
    return write(Receipt[DebtState], path, body, key, dry_run=dry_run)


def netting() -> Call[Netting]:
    """In which order debts are netted from earnings, and how much of each."""
    return Call("GET", path_of("netting"), Netting)


def set_netting(
    order: list[str], most: dict[str, int] | None = None, *, key: str | None = None
) -> Call[Receipt[Netting]]:
    """Say so. `most`: basis points of an earning by kind of debt."""
    return write(Receipt[Netting], path_of("netting"), {"order": order, "most": most}, key)


def unexplained_debts() -> Call[Page[Unexplained]]:
    """Accounts whose balance is not what their debts have outstanding."""
    return Call("GET", path_of("unexplained-debts"), Page[Unexplained])


# ── loans ────────────────────────────────────────────────────────────────────────────


def grant_loan(
    wallet: str,
    amount: Money,
    *,
    instalments: int = 1,
    every_days: int = 30,
    first_due_in_days: int = 30,
    fee: Money | None = None,
    reference: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[LoanState]]:
    """Lend money into a wallet, to be paid back in instalments."""
    body = {"wallet": wallet, "amount": amount, "instalments": instalments,
            "every_days": every_days, "first_due_in_days": first_due_in_days, "fee": fee,
            "reference": reference}  # fmt: skip
    return write(Receipt[LoanState], path_of("loans"), body, key, dry_run=dry_run)


def advance_float(
    wallet: str,
    amount: Money,
    *,
    reference: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[LoanState]]:
    """Give a mover money to work with; it is settled from what they earn next."""
    body = {"wallet": wallet, "amount": amount, "reference": reference}
    return write(Receipt[LoanState], path_of("floats"), body, key, dry_run=dry_run)


def loan(name: str) -> Call[LoanView]:
    """The statement of a loan."""
    return Call("GET", path_of("loans", name), LoanView)


def loans(
    *,
    owner: str | None = None,
    status: str | None = None,
    kind: str | None = None,
    limit: int = 100,
) -> Call[Page[LoanState]]:
    """Loans and floats, newest first; each filter is an equality."""
    query = {"owner": owner, "status": status, "kind": kind, "limit": limit}
    return Call("GET", path_of("loans"), Page[LoanState], asked(query))


def repay_loan(
    name: str,
    amount: Money,
    *,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[LoanState]]:
    """Repay a loan or a float; without `wallet` from the one that received it."""
    path = path_of("loans", name, "repay")
    return write(
        Receipt[LoanState], path, {"amount": amount, "wallet": wallet}, key, dry_run=dry_run
    )


def write_off_loan(
    name: str,
    reason: str,
    *,
    amount: Money | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[LoanState]]:
    """Give up what is outstanding of a loan, or `amount` of it."""
    path = path_of("loans", name, "write-off")
    body = {"reason": reason, "amount": amount}
    return write(Receipt[LoanState], path, body, key, dry_run=dry_run)


def mark_overdue_loans(names: list[str], *, key: str | None = None) -> Call[Receipt[Marked]]:
    """Look at loans of which an instalment came due, and tell of those that are overdue."""
    return write(Receipt[Marked], path_of("due-loans"), {"loans": names}, key)
