"""Every verb of the room."""

from __future__ import annotations

from typing import Final

from khata.domain.reconciliation.closing import VERBS as CLOSING
from khata.domain.reconciliation.excepting import VERBS as EXCEPTING
from khata.domain.reconciliation.importing import VERBS as IMPORTING
from khata.domain.reconciliation.pairing import VERBS as PAIRING
from khata.engine.command import Verbs

VERBS: Final = Verbs(IMPORTING, PAIRING, EXCEPTING, CLOSING)
