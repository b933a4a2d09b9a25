"""Stock and investments."""

from khata.domain.inventory.commands import VERBS

__all__ = ["VERBS"]
