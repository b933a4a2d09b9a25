"""Sagas: long ways of several steps that finish, or undo themselves.

`steps` says how one is written down, `moving` how a run moves, `commands` what a worker asks of
the book, `worker` who asks it.
"""

from khata.engine.sagas.commands import VERBS
from khata.engine.sagas.due import watching
from khata.engine.sagas.model import ENDED, NEEDS_A_PERSON, SagaRun, SagaStep, Schedule
from khata.engine.sagas.moving import Move, Progress
from khata.engine.sagas.outcome import Intent, Outcome
from khata.engine.sagas.registry import Flow, Sagas
from khata.engine.sagas.retry import ASKING, ONCE, STEADFAST, Retry, patient
from khata.engine.sagas.starting import start, wake
from khata.engine.sagas.steps import (
    IMPOSSIBLE,
    NOTHING,
    Approval,
    Call,
    Delay,
    Effect,
    Local,
    Run,
    Saga,
    Step,
    Wait,
)

__all__ = [
    "ASKING",
    "ENDED",
    "IMPOSSIBLE",
    "NEEDS_A_PERSON",
    "NOTHING",
    "ONCE",
    "STEADFAST",
    "VERBS",
    "Approval",
    "Call",
    "Delay",
    "Effect",
    "Flow",
    "Intent",
    "Local",
    "Move",
    "Outcome",
    "Progress",
    "Retry",
    "Run",
    "Saga",
    "SagaRun",
    "SagaStep",
    "Sagas",
    "Schedule",
    "Step",
    "Wait",
    "patient",
    "start",
    "wake",
    "watching",
]
