"""The verbs of reconciliation, to which each of its files adds its own."""

from __future__ import annotations

from typing import Final

from khata.engine.command import Verbs

VERBS: Final = Verbs()
