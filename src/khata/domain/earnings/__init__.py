"""Earnings."""

from khata.domain.earnings.commands import VERBS

__all__ = ["VERBS"]
