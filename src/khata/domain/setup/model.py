"""Units, sources, wallet kinds and settings. The built-in ones are tables in this module."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from khata.engine.records import Record, Table

KhataKind = Literal["income", "expense", "transfer", "loan_given", "loan_taken"]


class Unit(Record, frozen=True):
    """A unit of this book's own, such as XP: a code and its number of decimals."""

    code: str
    exponent: int
    name: str

    TABLE: ClassVar = Table("units", key=("code",))


class Source(Record, frozen=True):
    """Why money moves, and how its owner's khata shows it.

    `money_in`, `money_out`: the khata kind when it comes or goes. `against`: the house account
    that stands on the other side when the caller names none.
    """

    name: str
    category: str
    money_in: KhataKind
    money_out: KhataKind
    against: str

    TABLE: ClassVar = Table("sources", key=("name",))


class WalletKind(Record, frozen=True):
    """A sort of wallet with the floor and overdraft it starts with (minor units)."""

    name: str
    title: str
    floor: int
    overdraft: int

    TABLE: ClassVar = Table("wallet_kinds", key=("name",))


class Setting(Record, frozen=True):
    """A named value of the book, as JSON."""

    name: str
    value: dict[str, Any]

    TABLE: ClassVar = Table("settings", key=("name",))


SOURCES: Final[dict[str, Source]] = {
    source.name: source
    for source in (
        Source("top_up", "Top-up", "transfer", "transfer", "cash/main"),
        Source("withdrawal", "Withdrawal", "transfer", "transfer", "cash/main"),
        Source("transfer", "Transfer", "transfer", "transfer", "clearing/transfer"),
        Source("order", "Orders", "income", "expense", "clearing/order"),
        Source("delivery", "Delivery", "income", "expense", "clearing/delivery"),
        Source("video_view", "Video views", "income", "expense", "expense/video_view"),
        Source("video_order", "Video orders", "income", "expense", "clearing/video_order"),
        Source("bid", "Bids", "income", "expense", "clearing/bid"),
        Source("service", "Services", "income", "expense", "clearing/service"),
        Source("c2c_sale", "Second-hand sales", "income", "expense", "clearing/c2c_sale"),
        Source("squad", "Squads", "transfer", "transfer", "clearing/squad"),
        Source("mission", "Missions", "income", "expense", "expense/mission"),
        Source("dam_komao", "Bargaining savings", "income", "expense", "expense/dam_komao"),
        Source("surprise_coupon", "Coupons", "income", "expense", "expense/surprise_coupon"),
        Source("viral_bonus", "Viral bonus", "income", "expense", "expense/viral_bonus"),
        Source("referral_bonus", "Referral bonus", "income", "expense", "expense/referrals"),
        Source("dhaar_loan", "Dhaar", "loan_taken", "loan_given", "receivable/dhaar"),
        Source("dhaar_repayment", "Dhaar", "loan_given", "loan_taken", "receivable/dhaar"),
        Source("mover_float", "Mover float", "loan_taken", "loan_taken", "receivable/mover_float"),
        Source("refund", "Refunds", "income", "expense", "clearing/refund"),
        Source("experience", "Experience", "income", "expense", "equity/experience"),
        Source("fee", "Fees", "income", "expense", "revenue/fee"),
        Source("stock", "Stock", "transfer", "transfer", "clearing/stock"),
        Source("investment", "Investments", "transfer", "transfer", "clearing/investment"),
        Source("opening", "Opening balance", "transfer", "transfer", "equity/opening"),
        Source("adjustment", "Adjustments", "income", "expense", "equity/adjustment"),
    )
}
"""The built-in sources by name. A book may define more."""

WALLET_KINDS: Final[dict[str, WalletKind]] = {
    kind.name: kind
    for kind in (
        WalletKind("personal", "Personal", 0, 0),
        WalletKind("customer", "Customer", 0, 0),
        WalletKind("partner", "Partner", 0, 0),
        WalletKind("creator", "Creator", 0, 0),
        WalletKind("rider", "Rider", 0, 0),
        WalletKind("squad", "Squad", 0, 0),
        WalletKind("host", "Host", 0, 0),
        WalletKind("xp", "Experience", 0, 0),
    )
}
"""The built-in wallet kinds by name. A book may define more."""

FOUR_EYES: Final = "four_eyes"
"""The setting that holds, by currency, the amount above which staff need a second person."""
