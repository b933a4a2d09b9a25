"""A wallet: whose it is and what for. Its money and its status are its account's."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from khata.base.money import Money
from khata.engine.records import Record, Table


class Wallet(Record, frozen=True):
    """`account_id` is the wallet's account, and its identity. One wallet has one currency."""

    account_id: int
    owner: str
    kind: str
    unit: str
    title: str
    opened_at: int

    TABLE: ClassVar = Table("wallets", key=("account_id",), indexes=(("owner", "account_id"),))


class History(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a wallet's past adds up to, in another system: totals, each zero or more.

    The opening balance is `payments_in + bonuses + refunds_in - purchases - withdrawals
    - fees`. All in one currency.
    """

    payments_in: Money | None = None
    bonuses: Money | None = None
    refunds_in: Money | None = None
    purchases: Money | None = None
    withdrawals: Money | None = None
    fees: Money | None = None
