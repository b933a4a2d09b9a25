"""Escrows."""

from khata.domain.escrow.commands import VERBS

__all__ = ["VERBS"]
