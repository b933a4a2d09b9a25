"""Calls about shadow mode."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.paging import Page
from khata.domain.shadow import (
    ComparisonView,
    Event,
    EventsFed,
    FlowLine,
    FlowReport,
    FlowState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, encode, path_of, write


def define_flow(
    name: str,
    *,
    into: str | None = None,
    gate: int | None = None,
    least: int | None = None,
    window_seconds: int | None = None,
    late_seconds: int | None = None,
    quiet_seconds: int | None = None,
    fields: dict[str, str] | None = None,
    codes: dict[str, str] | None = None,
    ignored: Sequence[str] | None = None,
    tolerances: dict[str, str] | None = None,
    masked: Sequence[str] | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[FlowState]]:
    """Say how a flow is compared, and when it may be relied on; what is left out is as usual."""
    body = {"name": name, "into": into, "gate": gate, "least": least,
            "window_seconds": window_seconds, "late_seconds": late_seconds,
            "quiet_seconds": quiet_seconds, "fields": fields, "codes": codes,
            "ignored": ignored, "tolerances": tolerances, "masked": masked}  # fmt: skip
    path = path_of("shadow", "flows")
    return write(Receipt[FlowState], path, body, key, dry_run=dry_run)


def switch_flow(
    flow: str, mode: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[FlowState]]:
    """Switch a flow to off, shadow or primary, at once."""
    path = path_of("shadow", "flows", flow, "switch")
    return write(Receipt[FlowState], path, {"mode": mode, "reason": reason}, key, dry_run=dry_run)


def feed_events(events: Sequence[Event]) -> Call[EventsFed]:
    """Feed up to 500 events of another system; each counts once, by its flow and its seq."""
    body = encode({"events": list(events)})
    return Call("POST", path_of("shadow", "events"), EventsFed, body=body)


def flows(*, limit: int = 100) -> Call[Page[FlowLine]]:
    """Flows by name, and how they stand."""
    return Call("GET", path_of("shadow", "flows"), Page[FlowLine], asked({"limit": limit}))


def flow_report(flow: str) -> Call[FlowReport]:
    """How a flow does: its gate, in what ways it differs, how it was switched."""
    return Call("GET", path_of("shadow", "flows", flow), FlowReport)


def comparisons(
    flow: str, *, outcome: str | None = None, signature: str | None = None, limit: int = 100
) -> Call[Page[ComparisonView]]:
    """What was compared of a flow, newest first; each filter is an equality."""
    query = {"outcome": outcome, "signature": signature, "limit": limit}
    path = path_of("shadow", "flows", flow, "comparisons")
    return Call("GET", path, Page[ComparisonView], asked(query))
