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
    collect,
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
    "collect",
    "hold",
    "holds",
    "keep",
    "let_go",
]
