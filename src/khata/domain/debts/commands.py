"""What owners owe the house: what can be asked."""

from __future__ import annotations

from typing import Final

from khata.engine.command import Verbs

VERBS: Final = Verbs()
