"""Proofs: what the rooms say beside what the ledger has. They must never differ."""

from khata.domain.proofs.queries import prove

__all__ = ["prove"]
