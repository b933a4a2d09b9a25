"""`khata holds …`: money that is set aside."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import holds
from khata.domain.holds import HoldState, VoidGroup, VoidHold
from khata.edge.cli.screen import money, out, row, short, show_page, table
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
from khata.errors import Invalid

app: Final = family("holds", "Money set aside: see it, give it back.")


@command(
    app,
    "list",
    "khata holds list --wallet alice/personal/BDT",
    "khata holds list --status active --json",
)
def list_(
    *,
    wallet: Annotated[str | None, Parameter(help="Only this wallet's.")] = None,
    status: Annotated[
        str | None, Parameter(help="active, captured, voided or expired, as of now.")
    ] = None,
    group: Annotated[str | None, Parameter(help="Only this group's.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List holds, newest first."""
    with looking(where) as view:
        page = holds.holds(
            view, wallet=wallet, status=status, group=group, cursor=cursor, limit=limit
        )
    show_page(page, _show, json=json)
    return 0


@command(
    app,
    "void",
    "khata holds void hld_0401 --reason 'Order cancelled'",
    "khata holds void --group M1001 --reason 'Order cancelled'",
)
def void(
    hold: Annotated[str | None, Parameter(help="The hold's id, hld_….")] = None,
    *,
    group: Annotated[str | None, Parameter(help="All active holds of a group, or none.")] = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give held money back to its wallet."""
    if (hold is None) == (group is None):
        raise Invalid("Name a hold or a group.", expected="HOLD or --group", got=None)
    wanted = VoidGroup(group, reason) if group is not None else VoidHold(hold or "", reason)
    return carry_out(where, how, wanted, _show_result)


def _show_result(result: HoldState | list[HoldState]) -> None:
    _show(result if isinstance(result, list) else [result])


def _show(items: list[HoldState]) -> None:
    made = table("hold", "wallet", "status", "held>", "captured>", "left>", "group", "expires")
    for item in items:
        amounts = (item.amount, item.captured, item.remaining)
        row(
            made,
            item.id,
            item.wallet,
            item.status,
            *(money(amount, item.currency) for amount in amounts),
            item.group,
            short(item.expires_at) if item.expires_at else "never",
        )
    out().print(made if items else "No holds.")
