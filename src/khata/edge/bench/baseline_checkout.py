"""The usual way of a checkout on either database, as one side of the bench.

PostgreSQL: sixteen connections that the callers share, each with a thread, prepared statements,
READ COMMITTED, rows locked by `SELECT … FOR UPDATE` in order of id, the platform's among them.
SQLite: one connection, `BEGIN IMMEDIATE`. Durable as Khata is; no hash chain, as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, Final

from khata.edge.bench.baseline_checkout_rows import Request
from khata.edge.bench.baseline_checkout_sql import Desk, Statements, tables
from khata.edge.bench.baseline_postgres import ACCOUNT, CONNECTIONS, connected
from khata.edge.bench.baseline_postgres import TABLES as POSTGRES_TABLES
from khata.edge.bench.baseline_rows import check_sum, opening_rows
from khata.edge.bench.baseline_sqlite import TABLES as SQLITE_TABLES
from khata.edge.bench.baseline_sqlite import opened
from khata.edge.bench.checkout_turns import take_checkouts
from khata.edge.bench.checkouts import PLATFORM, Checkout, CheckoutLoad, CheckoutSample
from khata.edge.bench.figures import OPENING
from khata.edge.bench.ground import Ground
from khata.engine.database import SQLITE

_ONE: Final = "SELECT coalesce(sum({}), 0) FROM baseline_{}"
CHECKS: Final = {
    "What is on the accounts": _ONE.format("balance", "accounts"),
    "What was posted": _ONE.format("amount", "postings"),
    "What is held": _ONE.format("held", "accounts"),
    "What is left in escrows": _ONE.format("abs(balance)", "accounts") + " WHERE floor = 0"
    " AND code LIKE 'escrow/%'",
    "What customers paid": (
        "SELECT (SELECT coalesce(sum(amount - refunded), 0) FROM baseline_escrows)"
        " - (SELECT sum({opening} - balance) FROM baseline_accounts"
        " WHERE id BETWEEN 1 AND {customers})"
    ),
    "What accounts have beside their postings": (
        "SELECT count(*) FROM baseline_accounts AS account WHERE balance"
        " - CASE WHEN id = 0 THEN -{total}"
        " WHEN id <= {customers} THEN {opening} ELSE 0 END"
        " <> (SELECT coalesce(sum(amount), 0) FROM baseline_postings"
        " WHERE account_id = account.id)"
    ),
}
"""What must be zero when every checkout has ended."""


class CheckoutBaseline:
    """See `khata.edge.bench.checkouts.CheckoutSide`. `desks`: one for each connection."""

    def __init__(
        self, load: CheckoutLoad, desks: Sequence[Desk], ask: Callable[[str], Any]
    ) -> None:
        self.desks: Final = desks
        self._load = load
        self._ask = ask
        self._keys = count()
        self._numbers = count()

    def load(self, drawn: Sequence[Checkout], *, callers: int, seconds: float) -> CheckoutSample:
        """As the protocol says."""
        return take_checkouts(
            [desk.carry_out for desk in self.desks],
            drawn,
            callers=callers,
            seconds=seconds,
            keys=self._keys,
            numbers=self._numbers,
        )

    def check_out(self, checkout: Checkout) -> list[str]:
        """One checkout: what its four requests were answered, as JSON."""
        number = next(self._numbers)
        requests = [Request(step, f"one-{number}{step}", number, checkout) for step in range(4)]
        return [self.desks[0].carry_out(request) for request in requests]

    def check(self) -> None:
        """As the protocol says."""
        customers = self._load.customers
        for what, query in CHECKS.items():
            row = self._ask(
                query.format(opening=OPENING, customers=customers, total=OPENING * customers)
            ).fetchone()
            check_sum(what, row[0])


@contextmanager
def checkout_baseline(place: Ground, load: CheckoutLoad) -> Iterator[CheckoutBaseline]:
    """The baseline in an empty database of its own."""
    with place.fresh() as url:
        if place.dialect == "sqlite":
            with _on_sqlite(url.removeprefix(SQLITE), load) as side:
                yield side
        else:
            with _on_postgres(url, load) as side:
                yield side


@contextmanager
def _on_sqlite(path: str, load: CheckoutLoad) -> Iterator[CheckoutBaseline]:
    with opened(path) as connection:
        connection.executescript(SQLITE_TABLES + tables("sqlite"))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(ACCOUNT.replace("%s", "?"), _opening_rows(load))
        connection.execute("COMMIT")
        desk = Desk(connection, Statements("sqlite"), load.platform)
        yield CheckoutBaseline(load, [desk], connection.execute)


@contextmanager
def _on_postgres(url: str, load: CheckoutLoad) -> Iterator[CheckoutBaseline]:
    with ExitStack() as stack:
        setup = stack.enter_context(connected(url))
        setup.execute(POSTGRES_TABLES + tables("postgres"), prepare=False)
        with setup.cursor() as cursor:
            cursor.executemany(ACCOUNT, _opening_rows(load))
        setup.execute("VACUUM ANALYZE baseline_accounts")
        statements = Statements("postgres")
        connections = [stack.enter_context(connected(url)) for _ in range(CONNECTIONS)]
        desks = [Desk(connection, statements, load.platform) for connection in connections]
        yield CheckoutBaseline(load, desks, setup.execute)


def _opening_rows(load: CheckoutLoad) -> list[tuple[int, str, int, int | None]]:
    """(id, code, balance, floor) of all accounts; customers alone have something."""
    earners: list[tuple[int, str, int, int | None]] = [
        (number, f"wallet/{path}", 0, 0) for number, path in load.earners()
    ]
    return [*opening_rows(load.customers), *earners, (load.platform, PLATFORM, 0, None)]
