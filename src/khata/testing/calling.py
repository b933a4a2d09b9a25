"""A world outside that does what it is told, and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from khata.engine.sagas import Intent, Outcome

Behaviour = Literal[
    "ok", "declined", "busy", "timeout_but_done", "timeout_not_done", "silent", "raises"
]
_DECLINED: Final = Outcome("failed", code="declined", message="The card was declined.")
_TIMEOUT: Final = Outcome("unknown", code="timeout", message="No answer in time.")


class Asked(msgspec.Struct, frozen=True):
    """One call or question: its key, step and request."""

    key: str
    step: str
    request: dict[str, Any]
    question: bool


class ScriptedCaller:
    """A caller for workers in tests. What was made under a key stays made, once.

    `answer`: what a call gives, from its request; by default the request and an `id`.
    `asked`: everything that was asked, in order. `made`: what was done, by key. `declined`: keys
    that were refused, and stay so.
    """

    def __init__(self, answer: Callable[[Intent], Mapping[str, Any]] | None = None) -> None:
        self._answer = answer or (lambda intent: {"id": f"at-{intent.key}"})
        self._scripts: dict[str, deque[Behaviour]] = {}
        self.asked: list[Asked] = []
        self.made: dict[str, dict[str, Any]] = {}
        self.declined: set[str] = set()

    def script(self, step: str, *behaviours: Behaviour) -> None:
        """How the next calls of a step go, one after the other; then all is `ok` again.

        `silent`: questions are not answered either, as long as it is first in line: each call or
        question uses one up. `raises`: the caller itself fails, after the thing was done.
        """
        self._scripts.setdefault(step, deque()).extend(behaviours)

    def call(self, intent: Intent) -> Outcome:
        """See `khata.engine.sagas.worker.Caller`."""
        self.asked.append(Asked(intent.key, intent.step, intent.request, question=False))
        if intent.key in self.declined:
            return _DECLINED
        behaviour = "ok" if intent.key in self.made else self._next(intent.step)
        if behaviour == "declined":
            self.declined.add(intent.key)
            return _DECLINED
        if behaviour == "busy":
            return Outcome("busy", code="busy", message="Come back later.")
        if behaviour in {"timeout_not_done", "silent"}:
            return _TIMEOUT
        answer = self.made.setdefault(intent.key, dict(self._answer(intent)))
        if behaviour == "raises":
            message = "the caller broke"
            raise RuntimeError(message)
        return _TIMEOUT if behaviour == "timeout_but_done" else Outcome("done", answer)

    def ask(self, intent: Intent) -> Outcome:
        """See `khata.engine.sagas.worker.Caller`."""
        self.asked.append(Asked(intent.key, intent.step, intent.request, question=True))
        waiting = self._scripts.get(intent.step)
        if waiting and waiting[0] == "silent":
            waiting.popleft()
            return _TIMEOUT
        if intent.key in self.declined:
            return _DECLINED
        answer = self.made.get(intent.key)
        return Outcome("absent") if answer is None else Outcome("done", answer)

    def _next(self, step: str) -> Behaviour:
        waiting = self._scripts.get(step)
        return waiting.popleft() if waiting else "ok"
