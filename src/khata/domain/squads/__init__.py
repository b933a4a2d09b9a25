"""Squads."""

from khata.domain.squads.commands import VERBS

__all__ = ["VERBS"]
