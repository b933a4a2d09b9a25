"""Sales and missions."""

from khata.domain.marketplace.commands import VERBS

__all__ = ["VERBS"]
