"""Every verb of the room."""

from __future__ import annotations

from typing import Final

from khata.domain.payouts.accounts import VERBS as ACCOUNTS
from khata.domain.payouts.batches import VERBS as BATCHES
from khata.domain.payouts.braking import VERBS as BRAKING
from khata.domain.payouts.commands import VERBS as PAYOUTS
from khata.engine.command import Verbs

VERBS: Final = Verbs(ACCOUNTS, PAYOUTS, BATCHES, BRAKING)
