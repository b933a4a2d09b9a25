"""Holds: money set aside on an account, still there but no longer available."""

from __future__ import annotations

from typing import ClassVar, Literal

from khata.engine.records import Record, Table

HoldStatus = Literal["active", "captured", "voided", "expired"]


class Hold(Record, frozen=True):
    """`remaining` is what is still set aside; `captured` what has been taken so far.

    `open_account` is the account while the hold is active and None afterwards, so that looking
    for an account's holds never wades through its past ones.
    """

    id: str
    account_id: int
    open_account: int | None
    group: str | None
    amount: int
    remaining: int
    captured: int
    status: HoldStatus
    placed_at: int
    expires_at: int | None
    source: str
    reference: str | None

    TABLE: ClassVar = Table(
        "holds",
        key=("id",),
        finds=("open_account", "group"),
        indexes=(("account_id",),),
    )
