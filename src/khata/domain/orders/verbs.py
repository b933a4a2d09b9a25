"""The verbs of this room."""

from __future__ import annotations

from typing import Final

from khata.engine.command import Verbs

VERBS: Final = Verbs()
