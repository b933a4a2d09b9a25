"""Every verb of the room."""

from __future__ import annotations

from typing import Final

from khata.domain.setup.commands import VERBS as SETTINGS
from khata.domain.setup.scheduling import VERBS as SCHEDULING
from khata.engine.command import Verbs

VERBS: Final = Verbs(SETTINGS, SCHEDULING)
