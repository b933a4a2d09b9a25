"""Proofs: that the rooms and the ledger say the same, and where the money went."""

from khata.domain.proofs.queries import prove
from khata.domain.proofs.tracing import Effect, Trace, trace

__all__ = ["Effect", "Trace", "prove", "trace"]
