"""Trust scores and experience."""

from khata.domain.trust.commands import VERBS

__all__ = ["VERBS"]
