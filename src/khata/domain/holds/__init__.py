"""Two-phase money: place a hold, capture it in one or several parts, raise it, void it."""

from khata.domain.holds.commands import (
    VERBS,
    CaptureGroup,
    CaptureHold,
    HoldState,
    PlaceHold,
    RaiseHold,
    VoidGroup,
    VoidHold,
    active_hold,
    capture,
    keep,
    let_go,
)
from khata.domain.holds.queries import hold, holds

__all__ = [
    "VERBS",
    "CaptureGroup",
    "CaptureHold",
    "HoldState",
    "PlaceHold",
    "RaiseHold",
    "VoidGroup",
    "VoidHold",
    "active_hold",
    "capture",
    "hold",
    "holds",
    "keep",
    "let_go",
]
