"""`khata approvals …`: commands that one person asked for and another decides on."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from khata.domain import access
from khata.domain.access import Approve, Reject
from khata.edge.cli.screen import dump, more, out, row, short, table
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

app: Final = family("approvals", "What waits for a second person.")
Request = Annotated[str, Parameter(help="The request's id, apr_….")]


@command(app, "list", "khata approvals list", "khata approvals list --status approved")
def list_(
    *,
    status: Annotated[
        str | None, Parameter(help="asked, approved or rejected; left out, all.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List requests for approval, newest first."""
    with looking(where) as view:
        page = access.approvals(view, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("request", "status", "asked", "by", "reason", "command")
        for item in page.items:
            asked = short(item.asked_at)
            row(made, item.id, item.status, asked, item.asked_by, item.reason, _text(item.command))
        out().print(made if page.items else "No requests.")
    more(page.next)
    return 0


@command(app, "approve", "khata approvals approve apr_0401 --actor finance:mitu")
def approve(request: Request, *, how: How = SO, where: Where = HERE) -> int:
    """Approve a request: its command is carried out, in the same transaction."""
    return carry_out(where, how, Approve(request), _show)


@command(app, "reject", "khata approvals reject apr_0401 --reason 'Wrong wallet'")
def reject(request: Request, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Turn a request down."""
    return carry_out(where, how, Reject(request, reason), _show)


def _show(decision: Any) -> None:
    out().print(f"{decision.request} is {decision.status}.")
    if decision.result is not None:
        out().print(_text(decision.result), soft_wrap=True)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
