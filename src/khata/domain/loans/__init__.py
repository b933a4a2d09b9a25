"""Loans and floats."""

from khata.domain.loans.commands import VERBS

__all__ = ["VERBS"]
