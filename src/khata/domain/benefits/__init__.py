"""Campaigns and referrals."""

from khata.domain.benefits.commands import VERBS

__all__ = ["VERBS"]
