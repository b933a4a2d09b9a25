"""What can go wrong at a provider, as data: scripted call by call, or drawn by a seeded chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

Answer = Literal[
    "normal", "hang", "drop", "garbage", "error", "busy", "slow", "trickle", "huge", "wrong_amount",
    "wrong_currency", "decline", "pending",
]  # fmt: skip


class Fault(msgspec.Struct, frozen=True):
    """`does`: whether the money moves all the same. `answer`: what the caller sees of it."""

    does: bool
    answer: Answer


FAULTS: Final[dict[str, Fault]] = {
    "decline": Fault(True, "decline"),
    "pending": Fault(True, "pending"),
    "timeout_but_done": Fault(True, "hang"),
    "timeout_not_done": Fault(False, "hang"),
    "slow": Fault(True, "slow"),
    "trickle": Fault(True, "trickle"),
    "drop": Fault(False, "drop"),
    "drop_but_done": Fault(True, "drop"),
    "garbage": Fault(True, "garbage"),
    "garbage_not_done": Fault(False, "garbage"),
    "huge": Fault(True, "huge"),
    "error_500_but_done": Fault(True, "error"),
    "error_500_not_done": Fault(False, "error"),
    "busy_503": Fault(False, "busy"),
    "wrong_amount": Fault(True, "wrong_amount"),
    "wrong_currency": Fault(True, "wrong_currency"),
}
"""Faults of calls, by name. `slow` answers well, after a while; `trickle` never gets to its end."""

FATES: Final = ("duplicate", "late", "reordered", "lost")
"""Faults of webhooks. `late`: not before the next advance. `reordered`: after the one that follows
it."""

BY_CHANCE: Final = (
    "decline", "timeout_but_done", "timeout_not_done", "slow", "drop", "drop_but_done", "garbage",
    "error_500_but_done", "error_500_not_done", "busy_503",
)  # fmt: skip
"""What `--fault-rate` draws from. Of a question only the answer can be lost."""

Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """The next `times` calls after `after` others that match meet this fault.

    `op`: `charge`, `refund`, `payout`, `find`, `webhook` or `any` (of the calls). `match`: members
    of the body (of a webhook: `type`, `reference`, `id`) with their values. `code`: of a decline.
    `delay_ms`: of `slow`.
    """

    op: Literal["charge", "refund", "payout", "find", "webhook", "any"]
    fault: str
    times: Count = 1
    after: Count = 0
    match: dict[str, str] = {}
    code: str = "card_declined"
    delay_ms: Count = 200

    def fits(self, op: str, about: Mapping[str, object]) -> bool:
        """Whether it is about this call at all."""
        same_op = self.op == op or (self.op == "any" and op != "webhook")
        return same_op and all(about.get(name) == value for name, value in self.match.items())


class Script:
    """The rules that are still to come, in the order in which they were given."""

    def __init__(self, seed: str, rate: float) -> None:
        self._rules: list[Rule] = []
        self._seed = seed
        self._rate = rate

    def add(self, rule: Rule) -> None:
        """Queue a rule."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Forget what was queued."""
        self._rules.clear()

    def next(self, op: str, about: Mapping[str, object], chance: str) -> Rule | None:
        """The rule that this call meets. `chance`: what the seeded chance depends on."""
        for rule in self._rules:
            if not rule.fits(op, about) or rule.times == 0:
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            rule.times -= 1
            return rule
        return self._drawn(op, chance)

    def _drawn(self, op: str, chance: str) -> Rule | None:
        if not self._rate:
            return None
        # a text as seed: the same call meets the same fault, whatever came before it
        dice = random.Random(f"{self._seed}/{op}/{chance}")  # noqa: S311 - load, not a secret
        if dice.random() >= self._rate:
            return None
        names = FATES if op == "webhook" else BY_CHANCE
        return Rule(op="any", fault=dice.choice(names))
