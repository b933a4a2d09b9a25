"""Calls about sales, the missions that bring them, and money traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.escrow import Frozen, On, Policy
from khata.domain.marketplace import MissionState, SaleState
from khata.domain.payments import PaymentState
from khata.domain.proofs import Trace
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

Fault = Literal["customer", "partner", "rider"]


def place_sale(
    ref: str,
    customer: str,
    partner: str,
    price: Money,
    *,
    creator: str | None = None,
    video: str | None = None,
    delivery_fee: Money | None = None,
    wallet: str | None = None,
    codes: Sequence[str] | None = None,
    partner_wallet: str | None = None,
    creator_wallet: str | None = None,
    source: str | None = None,
    category: str | None = None,
    title: str | None = None,
    country: str | None = None,
    release_on: On = "delivery",
    release_days: int = 0,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SaleState]]:
    """A customer buys from a partner; paid at once out of `wallet`, or later."""
    body = {"ref": ref, "customer": customer, "partner": partner, "price": price,
            "creator": creator, "video": video, "delivery_fee": delivery_fee, "wallet": wallet,
            "codes": codes, "partner_wallet": partner_wallet, "creator_wallet": creator_wallet,
            "source": source, "category": category, "title": title, "country": country,
            "release_on": release_on, "release_days": release_days}  # fmt: skip
    return write(Receipt[SaleState], path_of("sales"), body, key, dry_run=dry_run)


def sale(ref: str) -> Call[SaleState]:
    """One sale."""
    return Call("GET", path_of("sales", ref), SaleState)


def sales(
    *,
    customer: str | None = None,
    partner: str | None = None,
    creator: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[SaleState]]:
    """Sales, newest first; each filter is an equality."""
    query = {"customer": customer, "partner": partner, "creator": creator, "status": status,
             "limit": limit}  # fmt: skip
    return Call("GET", path_of("sales"), Page[SaleState], asked(query))


def pay_sale(
    ref: str,
    *,
    method: str = "provider",
    wallet: str | None = None,
    wallet_part: Money | None = None,
    provider: str | None = None,
    way: str | None = None,
    token: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[PaymentState]]:
    """Begin to pay a sale."""
    body = {"method": method, "wallet": wallet, "wallet_part": wallet_part,
            "provider": provider, "way": way, "token": token}  # fmt: skip
    return write(Receipt[PaymentState], path_of("sales", ref, "pay"), body, key, dry_run=dry_run)


def assign_rider(
    ref: str, rider: str, *, wallet: str | None = None, key: str | None = None
) -> Call[Receipt[MissionState]]:
    """Say who brings it."""
    body = {"rider": rider, "wallet": wallet}
    return write(Receipt[MissionState], path_of("sales", ref, "assign"), body, key)


def deliver_sale(
    ref: str, *, late: bool = False, key: str | None = None
) -> Call[Receipt[SaleState]]:
    """Tell that it has arrived: its rider is paid, the days until its release begin to count."""
    return write(Receipt[SaleState], path_of("sales", ref, "deliver"), {"late": late}, key)


def cancel_sale(
    ref: str, reason: str, *, fault: Fault | None = None, key: str | None = None
) -> Call[Receipt[SaleState]]:
    """Call a sale off before it is delivered; what was paid goes back."""
    body = {"reason": reason, "fault": fault}
    return write(Receipt[SaleState], path_of("sales", ref, "cancel"), body, key)


def refund_sale(
    ref: str,
    reason: str,
    *,
    amount: Money | None = None,
    policy: Policy = "pro_rata",
    named: Mapping[str, Money] | None = None,
    frozen: Frozen = "refuse",
    fault: Fault | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SaleState]]:
    """Give a customer money back, by a policy that says who gives it."""
    body = {"reason": reason, "amount": amount, "policy": policy, "named": named,
            "frozen": frozen, "fault": fault}  # fmt: skip
    return write(Receipt[SaleState], path_of("sales", ref, "refunds"), body, key, dry_run=dry_run)


def mission(name: str) -> Call[MissionState]:
    """One mission."""
    return Call("GET", path_of("missions", name), MissionState)


def missions(
    *, rider: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[MissionState]]:
    """Who brings what, newest first; each filter is an equality."""
    query = {"rider": rider, "status": status, "limit": limit}
    return Call("GET", path_of("missions"), Page[MissionState], asked(query))


def trace(name: str) -> Call[Trace]:
    """Every leg that has to do with an order such as `order/M1001`, or a payment, a loan, …"""
    return Call("GET", path_of("trace", name), Trace)
