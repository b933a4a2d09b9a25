"""`khata reconcile …`, the part that only looks: how accounts stand, and what is kept."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import reconciliation
from khata.edge.cli import reconcile_shown as shown
from khata.edge.cli.exits import DONE
from khata.edge.cli.screen import dump, more, out, show_page
from khata.edge.cli.session import (
    HERE,
    Cursor,
    Json,
    Limit,
    Where,
    command,
    family,
    looking,
)

app: Final = family("reconcile", "Statements of banks and providers, compared with the book.")
OnlyAccount = Annotated[str | None, Parameter(help="Only this account, such as bank/main.")]
_FOUND: Final = 1


@command(app, "status", "khata reconcile status", "khata reconcile status --json")
def status(*, json: Json = False, where: Where = HERE) -> int:
    """Show how far each account is reconciled, and how old its open exceptions are."""
    with looking(where) as view:
        found = reconciliation.accounts(view)
    if json:
        for item in found:
            dump(item)
    else:
        shown.show_status(found)
    return DONE


@command(
    app,
    "exceptions",
    "khata reconcile exceptions",
    "khata reconcile exceptions --account bank/main --class missing_in_book --json",
)
def exceptions(
    *,
    account: OnlyAccount = None,
    cls: Annotated[
        str | None, Parameter(name="--class", help="Only this class: missing_in_book and so on.")
    ] = None,
    status: Annotated[str, Parameter(help="open or resolved.")] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what found no partner, the oldest first, with what to do about it."""
    with looking(where) as view:
        page = reconciliation.exceptions(
            view, account=account, cls=cls, status=status, cursor=cursor, limit=limit
        )
    show_page(page, shown.show_exceptions, json=json)
    return DONE


@command(app, "statements", "khata reconcile statements", "khata reconcile statements --json")
def statements(
    *,
    account: OnlyAccount = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the statements that came in, newest first."""
    with looking(where) as view:
        page = reconciliation.statements(view, account=account, cursor=cursor, limit=limit)
    show_page(page, shown.show_statements, json=json)
    return DONE


@command(app, "lines", "khata reconcile lines stm_0400", "khata reconcile lines stm_0400 --open")
def lines(
    statement: Annotated[str, Parameter(help="The statement, stm_….")],
    *,
    open_only: Annotated[
        bool,
        Parameter(
            name="--open", negative="", show_default=False, help="Only those without a partner."
        ),
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the lines of a statement, with what became of each."""
    with looking(where) as view:
        page = reconciliation.lines(
            view, statement, open_only=open_only, cursor=cursor, limit=limit
        )
    show_page(page, shown.show_lines, json=json)
    return DONE


@command(app, "matches", "khata reconcile matches", "khata reconcile matches --kind 1:N --json")
def matches(
    *,
    account: OnlyAccount = None,
    kind: Annotated[str | None, Parameter(help="1:1, 1:N, N:1, N:M, adjusted or netted.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List matches, newest first, each with its score and how that comes about."""
    with looking(where) as view:
        page = reconciliation.matches(view, account=account, kind=kind, cursor=cursor, limit=limit)
    show_page(page, shown.show_matches, json=json)
    return DONE


@command(app, "periods", "khata reconcile periods --account bank/main")
def periods(
    *,
    account: OnlyAccount = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List closed periods, newest first."""
    with looking(where) as view:
        page = reconciliation.periods(view, account=account, cursor=cursor, limit=limit)
    for item in page.items:
        if json:
            dump(item)
        else:
            shown.show_period(item)
    if not page.items and not json:
        out().print("No period was ever closed.")
    more(page.next)
    return DONE


@command(app, "runs", "khata reconcile runs", "khata reconcile runs --json")
def runs(
    *, cursor: Cursor = None, limit: Limit = 50, json: Json = False, where: Where = HERE
) -> int:
    """List runs, newest first."""
    with looking(where) as view:
        page = reconciliation.runs(view, cursor=cursor, limit=limit)
    show_page(page, shown.show_runs, json=json)
    return DONE


@command(
    app,
    "discrepancies",
    "khata reconcile discrepancies",
    "khata reconcile discrepancies --area payments --gone",
)
def discrepancies(
    *,
    area: Annotated[
        str | None,
        Parameter(help="wallets, payments, inventory, solvency or matches."),
    ] = None,
    gone: Annotated[
        bool, Parameter(negative="", show_default=False, help="Those that are no longer there.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List where the book's rooms disagree, as the last run found it."""
    with looking(where) as view:
        page = reconciliation.discrepancies(view, area=area, gone=gone, cursor=cursor, limit=limit)
    show_page(page, shown.show_discrepancies, json=json)
    return DONE


@command(app, "check", "khata reconcile check")
def check(*, json: Json = False, where: Where = HERE) -> int:
    """Count every match again; exit code 1 when one does not agree with its lines and entries."""
    with looking(where) as view:
        found = reconciliation.check(view)
    if json:
        for item in found:
            dump(item)
    else:
        shown.show_differences(found)
    return _FOUND if found else DONE
