"""What a run still has to do, and what names and data may be: functions of values."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from khata.engine.sagas import ENDED, NOTHING, Flow, SagaRun
from khata.engine.sagas.planning import following
from khata.errors import Invalid

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MOST_DATA: Final = 16_000


def is_name(text: str) -> bool:
    """Whether this can be the name of a signal or a schedule."""
    return bool(_NAME.fullmatch(text))


def fits(data: dict[str, Any]) -> bool:
    """Whether a run can carry as much."""
    return len(msgspec.json.encode(data)) <= _MOST_DATA


def check_input(data: dict[str, Any]) -> None:
    """Errors: `Invalid` for too much, or for what only signals and approvals may say."""
    if "signals" in data or not fits(data):
        raise Invalid(
            "A run is given at most 16000 bytes, and no signals.",
            expected="data without the name signals: see sagas.signal and sagas.approve",
            got=sorted(data)[:20],
        )


def check_cron(cron: str, zone: str) -> None:
    """Errors: `Invalid` for an expression or a zone that makes no sense."""
    following(cron, zone, 0)


def plan(flow: Flow, run: SagaRun) -> list[str]:
    """The steps that are still to come, or `undo:` and the steps that are still to be undone."""
    if run.status in ENDED:
        return []
    if run.status in {"compensating", "compensation_stuck"}:
        return [f"undo:{name}" for name in reversed(run.done) if flow.undo_of(name) != NOTHING]
    names = list(flow.steps)
    return names[names.index(run.step) :] if run.step in flow.steps else []
