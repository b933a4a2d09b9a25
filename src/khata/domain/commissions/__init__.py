"""Commission rules."""

from khata.domain.commissions.commands import VERBS

__all__ = ["VERBS"]
