"""When to try again: exponential, with jitter and a cap, decided by values alone."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from khata.base.clock import SECOND, Instant


class Retry(msgspec.Struct, frozen=True):
    """`attempts` in all, the first after `first_seconds`, each `factor` times later, at most
    `cap_seconds`; the pause is lengthened by up to the share `jitter` of itself.

    `codes`: codes of refusals that are worth another try, beside what is retryable by itself;
    `"*"` stands for all. `never`: codes that are not, whatever else holds.
    """

    attempts: int = 8
    first_seconds: float = 1.0
    factor: float = 2.0
    cap_seconds: float = 300.0
    jitter: float = 0.2
    codes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def wants(self, code: str, *, retryable: bool) -> bool:
        """Whether a failure with this code is worth another try at all."""
        if code in self.never:
            return False
        return retryable or code in self.codes or "*" in self.codes

    def pause(self, attempt: int, salt: str) -> Instant | None:
        """How long to wait after the `attempt`-th failure (from 1); None: no more.

        The jitter comes from `salt`, so that it is the same when the journal is run again.
        """
        if attempt >= self.attempts:
            return None
        # a power of a large attempt overflows long after the cap was passed
        growth = self.factor ** min(attempt - 1, 64)
        seconds = min(self.first_seconds * growth, self.cap_seconds)
        chance = int.from_bytes(hashlib.sha256(f"{salt}/{attempt}".encode()).digest()[:4], "big")
        return int(seconds * (1 + self.jitter * chance / 2**32) * SECOND)


def patient(*codes: str) -> Retry:
    """For what somebody may mend any day, such as a frozen wallet: hour after hour, as long as it
    takes, after refusals with these codes.
    """
    return Retry(attempts=1_000_000, first_seconds=60, cap_seconds=3600, codes=codes)


USUAL: Final = Retry()
ONCE: Final = Retry(attempts=1)
STEADFAST: Final = Retry(attempts=12, codes=("*",), cap_seconds=900.0)
"""For undoing: whatever refuses may give way later (a frozen wallet)."""
ASKING: Final = Retry(attempts=16, first_seconds=2.0, cap_seconds=3600.0)
"""For asking after a call whose outcome is unknown: for some ten hours, then a person decides."""
