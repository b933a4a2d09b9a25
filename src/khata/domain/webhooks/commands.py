"""What can be asked of webhooks: those that come in, and those that go out."""

from __future__ import annotations

from typing import Final

from khata.domain.webhooks import endpoints, receiving
from khata.engine.command import Verbs

VERBS: Final = Verbs(receiving.VERBS, endpoints.VERBS)
