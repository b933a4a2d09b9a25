"""What a book is set up with: units, transaction sources, wallet kinds, settings. All data."""

from khata.domain.setup.commands import (
    VERBS,
    DefineSource,
    DefineUnit,
    DefineWalletKind,
    Set,
    acts_alone,
    exponent_of,
    keep,
    setting,
    source_of,
    wallet_kind_of,
)
from khata.domain.setup.model import FOUR_EYES, KhataKind, Setting, Source, Unit, WalletKind
from khata.domain.setup.queries import decimals_of, source_named, sources, units, wallet_kinds

__all__ = [
    "FOUR_EYES",
    "VERBS",
    "DefineSource",
    "DefineUnit",
    "DefineWalletKind",
    "KhataKind",
    "Set",
    "Setting",
    "Source",
    "Unit",
    "WalletKind",
    "acts_alone",
    "decimals_of",
    "exponent_of",
    "keep",
    "setting",
    "source_named",
    "source_of",
    "sources",
    "units",
    "wallet_kind_of",
    "wallet_kinds",
]
