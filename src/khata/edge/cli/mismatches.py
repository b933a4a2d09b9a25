"""`khata orders audit`, `repair` and their kin: what is wrong with orders, and putting it right.

They belong to the family `khata orders`, which takes them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from khata.app import Khata
from khata.domain import mismatches
from khata.domain.mismatches import (
    ActionState,
    DismissMismatch,
    MismatchState,
    OrderSeen,
    PlanState,
    RepairMismatch,
    RepairState,
    Swept,
)
from khata.edge.cli.screen import dump, err, money, out, pairs, row, short, show_page, table
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
    opened,
)
from khata.errors import Invalid, KhataError

_REFUSED: Final = 3
_MANY: Final = 1000
_HOUR, _DAY = 3600, 86_400
Snapshot = Annotated[
    Path | None, Parameter(help="A folder with another system's export; see docs/legacy-audit.md.")
]
Mapping = Annotated[
    Path | None, Parameter(help="How it is read; left out, mapping.toml in that folder.")
]


def attach(app: App) -> None:
    """Take these commands into the family of orders."""
    command(
        app,
        "audit",
        "khata orders audit",
        "khata orders audit --json",
        "khata orders audit --snapshot export/ --plan",
    )(audit)
    command(
        app,
        "mismatches",
        "khata orders mismatches --status open",
        "khata orders mismatches --order M1001 --json",
    )(listed)
    command(
        app,
        "repair",
        "khata orders repair M1001 --dry-run --reason 'Ticket 4711'",
        "khata orders repair --all --reason 'After the outage of 3 May'",
        "khata orders repair --snapshot export/ --dry-run --reason 'The old shop closes'",
    )(repair)
    command(app, "repairs", "khata orders repairs", "khata orders repairs --order M1001")(repairs)
    command(
        app,
        "dismiss",
        "khata orders dismiss msm_0801 --reason 'Settled in cash, slip 12'",
    )(dismiss)


# ── what is wrong ────────────────────────────────────────────────────────────────────


def audit(
    *,
    snapshot: Snapshot = None,
    mapping: Mapping = None,
    plan: Annotated[
        bool, Parameter(negative="", help="With --snapshot: show each repair in full.")
    ] = False,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Look at every order now, and show all that is wrong: since when, the money, the repair.

    With --snapshot the orders are those of another system, in its exported files; nothing is
    written, and no book is needed.
    """
    if snapshot is not None:
        # imported here: it builds on this page
        from khata.edge.cli.legacy import audit_snapshot  # noqa: PLC0415

        return audit_snapshot(snapshot, mapping, plan=plan, json=json)
    with opened(where) as book:
        swept = _swept(book, where)
        found = open_mismatches(book)
    if json:
        for item in found:
            dump(item)
        return 0
    _headline(swept)
    show_mismatches(found)
    return 0


def _swept(book: Khata, where: Where) -> Swept:
    # imported here: the workers' part of Khata is needed by nothing else on this page
    from khata.edge.working.sweeping import sweep_all  # noqa: PLC0415

    return sweep_all(book, where.who())


def open_mismatches(book: Khata) -> list[MismatchState]:
    """All that is open, newest first."""
    found: list[MismatchState] = []
    cursor = None
    while True:
        page = book.query(mismatches.mismatches, status="open", cursor=cursor, limit=_MANY)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def _headline(swept: Swept) -> None:
    out().print(
        f"{swept.looked_at} orders looked at: {len(swept.opened)} new mismatches,"
        f" {len(swept.ended)} gone.",
        style="dim",
        soft_wrap=True,
    )


def listed(
    *,
    order: Annotated[str | None, Parameter(help="Only of this order.")] = None,
    kind: Annotated[str | None, Parameter(help="Only of this kind.")] = None,
    status: Annotated[str | None, Parameter(help="open, repaired, gone or dismissed.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what is, or was, wrong with orders, newest first, without looking again."""
    with looking(where) as view:
        page = mismatches.mismatches(
            view, order=order, kind=kind, status=status, cursor=cursor, limit=limit
        )
    show_page(page, show_mismatches, json=json)
    return 0


def dismiss(
    mismatch: Annotated[str, Parameter(help="The mismatch, msm_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say that a mismatch may stay as it is; it is found again only when more is at risk."""
    wanted = DismissMismatch(mismatch, reason)
    return carry_out(where, how, wanted, lambda item: show_mismatches([item]))


# ── putting it right ─────────────────────────────────────────────────────────────────


def repair(
    order: Annotated[str | None, Parameter(help="The order; or --all.")] = None,
    *,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="Every order that has open mismatches.")
    ] = False,
    snapshot: Snapshot = None,
    mapping: Mapping = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Repair all that is wrong with an order; --dry-run tells the plan and writes nothing.

    With --snapshot the customers of another system's export are taken over, and their orders
    repaired.
    """
    if [order is not None, all_, snapshot is not None].count(True) != 1:
        raise Invalid(
            "Name an order, or say --all, or --snapshot.", expected="one of these", got=order
        )
    if snapshot is not None:
        # imported here: it builds on this page
        from khata.edge.cli.legacy import repair_snapshot  # noqa: PLC0415

        return repair_snapshot(snapshot, mapping, reason, how, where)
    if how.ask is not None and order is None:
        raise Invalid("Ask for one repair at a time.", expected="an order", got="--all")
    if how.ask is not None:
        return carry_out(where, how, RepairMismatch(order or "", reason), _show_repair)
    with opened(where) as book:
        refs = [order] if order is not None else _all_refs(book, where)
        done, errors = repair_each(book, refs, reason, how, where)
    for item in done:
        if how.json:
            dump(item)
        else:
            _show_repair(item, dry_run=how.dry_run)
    if order is not None and errors:
        raise errors[0][1]
    for ref, error in errors:
        err().print(f"{ref}: {error.message}", style="red", soft_wrap=True)
    if all_ and not how.json:
        verb = "would be repaired" if how.dry_run else "asked for"
        out().print(f"{len(done)} repairs {verb}, {len(errors)} refused.", style="dim")
    return _REFUSED if errors or any(item.status == "failed" for item in done) else 0


def repair_each(
    book: Khata, refs: Sequence[str], reason: str, how: How, where: Where
) -> tuple[list[RepairState], list[tuple[str, KhataError]]]:
    """Ask for the repair of each order and do it here and now, as far as it waits for nobody:
    the repairs as they stand then, and what was refused.
    """
    # imported here: see `_swept`
    from khata.edge.working.at_once import work_off  # noqa: PLC0415

    asked: list[RepairState] = []
    errors: list[tuple[str, KhataError]] = []
    for ref in refs:
        key = None if how.key is None else f"{how.key}/{ref}" if len(refs) > 1 else how.key
        wanted = RepairMismatch(ref, reason)
        try:
            receipt = book.submit(wanted, key=key, actor=where.who(), dry_run=how.dry_run)
            asked.append(receipt.result)
        except KhataError as error:
            errors.append((ref, error))
    if how.dry_run:
        return asked, errors
    work_off(book, [item.saga for item in asked])
    return [book.query(mismatches.repair, item.id) for item in asked], errors


def _all_refs(book: Khata, where: Where) -> list[str]:
    _swept(book, where)
    return sorted({item.order for item in open_mismatches(book)})


def repairs(
    *,
    order: Annotated[str | None, Parameter(help="Only of this order.")] = None,
    status: Annotated[str | None, Parameter(help="waiting, applied or failed.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List repairs, newest first: who asked for what, when and why, and what came of it."""
    with looking(where) as view:
        page = mismatches.repairs(view, order=order, status=status, cursor=cursor, limit=limit)
    show_page(page, _show_repairs, json=json)
    return 0


# ── showing ──────────────────────────────────────────────────────────────────────────


def show_mismatches(items: Sequence[MismatchState]) -> None:
    """A table of what is wrong."""
    made = table("mismatch", "order", "what", "status", "for>", "at risk>", "proposed repair")
    for item in items:
        row(
            made,
            item.id,
            item.order,
            item.kind.replace("_", " "),
            item.status,
            age_text(item.age_seconds),
            money(item.at_risk, item.currency),
            actions_text(item.repair_proposed, item.currency),
        )
    out().print(made)


def _show_repairs(items: Sequence[RepairState]) -> None:
    made = table("repair", "order", "status", "asked by", "at", "reason", "what", "entries")
    for item in items:
        row(
            made,
            item.id,
            item.order,
            item.status,
            item.asked_by,
            short(item.asked_at),
            item.reason,
            actions_text(item.plan.actions, item.plan.currency),
            " ".join(item.entries),
        )
    out().print(made)


def _show_repair(item: RepairState, *, dry_run: bool = False) -> None:
    if dry_run:
        out().print("Dry run: this would happen; nothing was written.", style="dim")
    rows: list[tuple[str, str | None]] = []
    if not dry_run:
        rows += [("repair", item.id), ("status", item.status)]
    out().print(pairs([*rows, *plan_rows(item.plan)]))
    if item.status == "failed":
        err().print(f"{item.order}: {item.message or item.code}", style="red", soft_wrap=True)
    elif item.needs_approval:
        who = "It takes a second person" if dry_run else "It waits for a second person"
        then = "." if dry_run else f": khata sagas approve {item.saga} --reason …"
        out().print(who + then, soft_wrap=True)


def plan_rows(plan: PlanState) -> list[tuple[str, str | None]]:
    """A plan as names and values."""
    rows: list[tuple[str, str | None]] = [
        ("order", plan.order),
        ("found", ", ".join(kind.replace("_", " ") for kind in plan.kinds)),
        ("repair", actions_text(plan.actions, plan.currency)),
        ("before", order_text(plan.before, plan.currency)),
        ("after", order_text(plan.after, plan.currency)),
    ]
    if plan.wallet is not None and plan.wallet_before and plan.wallet_after:
        before, after = (money(it, plan.currency) for it in (plan.wallet_before, plan.wallet_after))
        rows.append(("wallet", f"{plan.wallet}: {before} → {after}"))
    return rows


def order_text(seen: OrderSeen, currency: str) -> str:
    """How an order stands, in a line."""
    axes = f"{seen.finance} · {seen.warehouse} · {seen.logistics}"
    came = f"{money(seen.captured, currency)} came, {money(seen.refunded, currency)} went back"
    return f"{axes}, shown as {seen.shown}, {came}"


def actions_text(actions: Sequence[ActionState], currency: str) -> str:
    """What a repair does, in a line."""
    return ", ".join(_action_text(action, currency) for action in actions)


def _action_text(action: ActionState, currency: str) -> str:
    words = action.kind.replace("_", " ")
    if action.kind == "move":
        return f"{action.axis} to {action.to}"
    if action.amount is not None:
        return f"{words} {money(action.amount, currency)}"
    return f"{words} {action.to}" if action.to else words


def age_text(seconds: int) -> str:
    """How long, in the largest unit that is not too coarse: `3 d`, `5 h`, `40 min`."""
    if seconds >= 2 * _DAY:
        return f"{seconds // _DAY} d"
    if seconds >= 2 * _HOUR:
        return f"{seconds // _HOUR} h"
    return f"{seconds // 60} min"
