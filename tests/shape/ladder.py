"""The ladder of the design as data: who stands above whom, and so who may import whom."""

ROOMS = (
    "setup",
    "access",
    "khata",
    "ledger",
    "wallets",
    "holds",
    "sagas",
    "payments",
    "payouts",
    "bookings",
    "webhooks",
    "commissions",
    "debts",
    "trust",
    "benefits",
    "escrow",
    "marketplace",
    "squads",
    "earnings",
    "loans",
    "inventory",
    "orders",
    "proofs",
    "mismatches",
    "legacy",
    "solvency",
    "reconciliation",
    "shadow",
)
"""The rooms of `domain/`, left to right: each may import those before it."""

MAY_IMPORT = {
    "errors": {"base", "errors"},
    "base": {"base", "errors"},
    "settings": {"base", "errors", "settings"},
    "engine": {"base", "engine", "errors", "settings"},
    "domain": {"base", "engine", "domain", "errors", "settings"},
    "messaging": {"base", "engine", "messaging", "errors", "settings"},
    "testing": {"base", "engine", "domain", "testing", "app", "errors", "settings"},
    "edge": {"base", "engine", "domain", "messaging", "edge", "app", "errors", "settings"},
    "app": {"base", "engine", "domain", "messaging", "edge", "errors", "settings"},
    "__main__": {"edge", "app", "errors"},
    "khata": {"base", "engine", "domain", "messaging", "app", "errors", "settings"},
}
"""Shelf → the shelves that it may import. `khata` is the package's own `__init__`."""

THIRD_PARTY_OF_BASE = {"msgspec"}


def shelf(name: str) -> str:
    """The shelf of a dotted module name: `khata.engine.book` stands on `engine`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def room(name: str) -> str | None:
    """The room of a module of the domain; None for the rest and for `khata.domain` itself."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "domain" else None
