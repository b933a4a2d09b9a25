"""`khata orders audit --snapshot` and `repair --snapshot`: orders of another system, out of its
export; and `khata orders takeovers`, what was taken over.

What an audit shows, a dry run and the repair itself show alike: it is one report.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from cyclopts import App

from khata.app import Khata
from khata.base.clock import SECOND, from_iso, system_clock
from khata.domain import legacy
from khata.domain.access import RequestApproval
from khata.domain.legacy import AuditedOrder, AuditReport, Snapshot, TakeoverState
from khata.edge.cli.mismatches import actions_text, age_text, plan_rows
from khata.edge.cli.screen import (
    dump,
    err,
    money,
    out,
    pairs,
    row,
    short,
    show_page,
    table,
)
from khata.edge.cli.session import (
    HERE,
    Cursor,
    How,
    Json,
    Limit,
    Where,
    command,
    looking,
    opened,
)

_REFUSED: Final = 3
_MAPPING: Final = "mapping.toml"


def attach(app: App) -> None:
    """Take these commands into the family of orders."""
    command(app, "takeovers", "khata orders takeovers", "khata orders takeovers --json")(takeovers)


# ── auditing ─────────────────────────────────────────────────────────────────────────


def snapshot_in(folder: Path, mapping: Path | None) -> Snapshot:
    """The export in a folder; without a `mapping`, by the `mapping.toml` in it.

    Errors: `SnapshotRefused`.
    """
    # imported here: what reads files and zones is needed by nothing else of orders
    from khata.edge.files.legacy import read_snapshot  # noqa: PLC0415

    return read_snapshot(folder, mapping or folder / _MAPPING, system_clock())


def audit_snapshot(folder: Path, mapping: Path | None, *, plan: bool, json: bool) -> int:
    """What is wrong with the orders of an export; with `plan` each repair in full."""
    report = legacy.audit(snapshot_in(folder, mapping))
    if json:
        dump(report)
    else:
        show_report(report, plan=plan)
    return 0


def show_report(report: AuditReport, *, plan: bool) -> None:
    """A report: what is wrong, the repairs, what they make of the wallets."""
    wrong = len(report.repairs)
    out().print(
        f"{report.snapshot}, as of {short(report.taken_at)}: {report.orders} orders,"
        f" {len(report.correct)} as they should be, {wrong} to repair.",
        soft_wrap=True,
    )
    if not report.repairs:
        return
    made = table("order", "customer", "what", "for>", "at risk>", "repair")
    for item in report.repairs:
        row(
            made,
            item.plan.order,
            item.customer,
            ", ".join(kind.replace("_", " ") for kind in item.plan.kinds),
            _age(item, report),
            money(item.at_risk, report.currency),
            _actions(item),
        )
    out().print(made)
    if plan:
        for item in report.repairs:
            out().print(pairs(plan_rows(item.plan)), "")
    moved = [item for item in report.balances if item.before != item.after]
    for wallet in moved:
        before, after = (money(amount, wallet.currency) for amount in (wallet.before, wallet.after))
        out().print(f"{wallet.wallet}: {before} → {after}", soft_wrap=True)


def _actions(item: AuditedOrder) -> str:
    if item.refused is not None:
        return f"none: {item.refused.replace('_', ' ')}"
    return actions_text(item.plan.actions, item.plan.currency)


def _age(item: AuditedOrder, report: AuditReport) -> str:
    return age_text(max(0, from_iso(report.taken_at) - from_iso(item.since)) // SECOND)


# ── taking over ──────────────────────────────────────────────────────────────────────


def repair_snapshot(folder: Path, mapping: Path | None, reason: str, how: How, where: Where) -> int:
    """Take the customers of an export over, and repair what is wrong with their orders."""
    # imported here: see `snapshot_in` and mismatches
    from khata.edge.files.legacy_taking import settled, take_over  # noqa: PLC0415
    from khata.edge.working.at_once import work_off  # noqa: PLC0415

    found = snapshot_in(folder, mapping)
    with opened(where, create=not how.dry_run) as book:
        if how.ask is not None:
            return _ask(book, found, reason, how, where)
        taken = take_over(book, found, reason, where.who(), dry_run=how.dry_run)
        if not how.dry_run:
            work_off(book, taken.sagas)
            taken = settled(book, found, taken)
    if how.json:
        dump(taken.report)
    else:
        show_report(taken.report, plan=True)
        verb = "would be taken over; nothing was written" if how.dry_run else "taken over"
        out().print(f"{taken.adopted} orders {verb}.", style="dim")
    for ref in taken.waiting:
        err().print(f"{ref} waits for a second person: see khata orders repairs --order {ref}")
    for ref, why in taken.failed.items():
        err().print(f"{ref}: {why}", style="red", soft_wrap=True)
    return _REFUSED if taken.failed else 0


def _ask(book: Khata, found: Snapshot, reason: str, how: How, where: Where) -> int:
    """Ask another person to approve that each customer is taken over."""
    # imported here: see `snapshot_in`
    from khata.edge.files.legacy_taking import command_for  # noqa: PLC0415

    for wallet, theirs in legacy.customers(found):
        wanted = command_for(found, wallet, theirs, reason)
        asked = RequestApproval(msgspec.to_builtins(wanted), how.ask or reason)
        request = book.submit(asked, actor=where.who(), dry_run=how.dry_run).result.request
        out().print(
            f"{wanted.customer}: {request} waits for another person: khata approvals approve"
            f" {request}",
            soft_wrap=True,
        )
    return 0


def takeovers(
    *, cursor: Cursor = None, limit: Limit = 50, json: Json = False, where: Where = HERE
) -> int:
    """List the customers who were taken over from another system, the latest first."""
    with looking(where) as view:
        page = legacy.takeovers(view, cursor=cursor, limit=limit)
    show_page(page, _show_takeovers, json=json)
    return 0


def _show_takeovers(items: Sequence[TakeoverState]) -> None:
    made = table(
        "system", "customer", "wallet", "balance>", "orders>", "repairs>", "by", "at", "reason"
    )
    for item in items:
        row(
            made,
            item.snapshot,
            item.customer,
            item.wallet,
            money(item.balance, item.currency) if item.balance else None,
            str(len(item.adopted)),
            str(len(item.repairs)),
            item.by,
            short(item.at),
            item.reason,
        )
    out().print(made)
