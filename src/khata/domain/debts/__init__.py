"""What owners owe the house."""

from khata.domain.debts.commands import VERBS

__all__ = ["VERBS"]
