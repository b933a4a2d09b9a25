"""Where a room's records and the accounts that they explain do not say the same.

The engine's verification proves that no row was altered; this proves that the rows agree about
the business: what is in escrow is what its legs hold, what is owed is what debts have outstanding,
a squad's wallet is its members', stock costs what its lots do, bonuses owed are booked, and what
came for orders lies on their accounts.
"""

from __future__ import annotations

from collections.abc import Iterator

from khata.domain import benefits, debts, escrow, inventory, orders, squads
from khata.engine.database import View
from khata.engine.verify import Discrepancy


def prove(view: View) -> list[Discrepancy]:
    """All differences; none, unless somebody posted an entry by hand where a room keeps count.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    return [
        *_debts(view),
        *_escrows(view),
        *_squads(view),
        *_stock(view),
        *_referrals(view),
        *_orders(view),
    ]


def _debts(view: View) -> Iterator[Discrepancy]:
    for found in debts.unexplained(view):
        where = f"accounts code={found.account} unit={found.currency}"
        yield Discrepancy("debts", where, found.outstanding, found.balance)


def _escrows(view: View) -> Iterator[Discrepancy]:
    for found in escrow.unexplained(view):
        where = f"accounts code={found.account} unit={found.currency}"
        yield Discrepancy("escrow", where, found.held, found.balance)


def _squads(view: View) -> Iterator[Discrepancy]:
    for found in squads.check(view):
        whose = f" owner={found.owner}" if found.owner is not None else ""
        yield Discrepancy(
            "squads", f"squads ref={found.squad}{whose} {found.what}", found.expected, found.got
        )


def _stock(view: View) -> Iterator[Discrepancy]:
    for found in inventory.check(view):
        lot = f" lot={found.lot}" if found.lot is not None else ""
        yield Discrepancy(
            "stock", f"items sku={found.sku}{lot} {found.what}", found.expected, found.found
        )


def _referrals(view: View) -> Iterator[Discrepancy]:
    for found in benefits.liability(view):
        if not found.agrees:
            yield Discrepancy(
                "referrals", f"referrals unit={found.currency}", found.owed, found.booked
            )


def _orders(view: View) -> Iterator[Discrepancy]:
    for found in orders.check(view):
        whose = f"orders ref={found.order} " if found.order is not None else "accounts "
        yield Discrepancy("orders", f"{whose}{found.what}", found.expected, found.found)
