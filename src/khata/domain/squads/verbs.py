"""Every verb of the room."""

from __future__ import annotations

from typing import Final

from khata.domain.squads.buying import VERBS as BUYING
from khata.domain.squads.commands import VERBS as SQUADS
from khata.domain.squads.moving import VERBS as MOVING
from khata.engine.command import Verbs

VERBS: Final = Verbs(SQUADS, MOVING, BUYING)
