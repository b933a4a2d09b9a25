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
    ensure_wallet,
)
from khata.domain.wallets.model import History, Wallet
from khata.domain.wallets.queries import (
    Balance,
    Statement,
    Transaction,
    WalletView,
    balance,
    statement,
    transactions,
    wallet,
    wallets,
)
from khata.domain.wallets.rules import is_owner_name

__all__ = [
    "VERBS",
    "Balance",
    "Credit",
    "Debit",
    "History",
    "OpenWallet",
    "RenameWallet",
    "SetOpeningBalance",
    "Statement",
    "Transaction",
    "Transfer",
    "Wallet",
    "WalletState",
    "WalletView",
    "balance",
    "ensure_wallet",
    "is_owner_name",
    "statement",
    "transactions",
    "wallet",
    "wallets",
]
