"""Wallets: accounts that belong to someone. Credit, debit, transfer, opening balances."""

from khata.domain.wallets.commands import (
    VERBS,
    Credit,
    Debit,
    OpenWallet,
    RenameWallet,
    SetOpeningBalance,
    Transfer,
    WalletState,
)
from khata.domain.wallets.model import History, Wallet

__all__ = [
    "VERBS",
    "Credit",
    "Debit",
    "History",
    "OpenWallet",
    "RenameWallet",
    "SetOpeningBalance",
    "Transfer",
    "Wallet",
    "WalletState",
]
