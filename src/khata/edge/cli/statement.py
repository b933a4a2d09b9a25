"""`khata statement`: a period of a wallet, on the screen, as CSV or as JSON."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from khata.base.clock import Instant
from khata.domain import wallets
from khata.domain.wallets import Statement, Transaction
from khata.edge.cli.moved import transactions_table
from khata.edge.cli.screen import dump, money, out, pairs, short
from khata.edge.cli.session import HERE, Where, alone, instant, looking
from khata.engine import reading
from khata.engine.database import View

COLUMNS: Final = (
    "at",
    "id",
    "type",
    "status",
    "source",
    "counterparty",
    "reference",
    "note",
    "amount",
    "balance_before",
    "balance_after",
    "currency",
)
"""The columns of the CSV, named as the fields of a transaction."""

_PAGE: Final = 1000


@alone(
    "statement",
    "khata statement alice/personal/BDT",
    "khata statement alice/personal/BDT --since 2026-01-01 --until 2026-02-01 --csv",
    "khata statement escrow/M1001 --json | jq .closing",
)
def statement(
    wallet: Annotated[str, Parameter(help="A wallet, or a house account's code.")],
    *,
    since: Annotated[
        str | None, Parameter(help="From this day or instant on, UTC; left out, from the first.")
    ] = None,
    until: Annotated[
        str | None, Parameter(help="Before this day or instant; left out, up to now.")
    ] = None,
    as_csv: Annotated[
        bool, Parameter(name="--csv", negative="", show_default=False, help="As CSV.")
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="As one JSON object.")
    ] = False,
    currency: Annotated[
        str | None, Parameter(help="Which of several house accounts with one code.")
    ] = None,
    where: Where = HERE,
) -> int:
    """A wallet's movements, oldest first, with running balances and totals."""
    first, last = instant(since), instant(until)
    with looking(where) as view:
        span = (first or 0, last if last is not None else _end(view))
        pages = _pages(view, wallet, span, currency)
        top = next(pages)
        if as_csv:
            _write_csv(itertools.chain([top], pages))
        elif json:
            items = [*top.items, *(item for page in pages for item in page.items)]
            dump(msgspec.structs.replace(top, items=items, next=None))
        else:
            _show(top, [*top.items, *(item for page in pages for item in page.items)])
    return 0


def _end(view: View) -> Instant:
    """Just after all that there is: a book's time may be ahead of this machine's."""
    return max(view.now, reading.head(view).at) + 1


def _pages(
    view: View, wallet: str, span: tuple[Instant, Instant], currency: str | None
) -> Iterator[Statement]:
    cursor = None
    while True:
        page = wallets.statement(
            view,
            wallet,
            since=span[0],
            until=span[1],
            cursor=cursor,
            limit=_PAGE,
            currency=currency,
        )
        yield page
        cursor = page.next
        if cursor is None:
            return


def _write_csv(pages: Iterable[Statement]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for page in pages:
        writer.writerows(_cells(item) for item in page.items)


def _cells(item: Transaction) -> list[str]:
    values = msgspec.structs.asdict(item) | {"counterparty": " ".join(item.counterparty)}
    return [values[name] or "" for name in COLUMNS]


def _show(of: Statement, items: list[Transaction]) -> None:
    screen = out()
    rows = [
        ("statement of", of.wallet),
        ("until", f"{short(of.until)} UTC"),
        ("opening", money(of.opening, of.currency)),
        ("debits", money(of.debits, of.currency)),
        ("credits", money(of.credits, of.currency)),
        ("closing", money(of.closing, of.currency)),
    ]
    if not of.since.startswith("1970-01-01T00:00:00"):
        rows.insert(1, ("since", f"{short(of.since)} UTC"))
    screen.print(pairs(rows))
    screen.print(transactions_table(items) if items else "No movements.")
