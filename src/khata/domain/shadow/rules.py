"""Counting what was compared, the gate, and how a flow stands: functions of values."""

from __future__ import annotations

from khata.base.clock import SECOND, Instant, iso_or_none, to_iso
from khata.domain.shadow.model import (
    SLICES,
    WHOLE,
    ChangeView,
    Comparison,
    ComparisonView,
    Example,
    ExampleView,
    Flow,
    FlowChange,
    FlowLine,
    FlowSignature,
    FlowState,
    FlowTally,
    Rate,
    SignatureView,
)

# ── counting ─────────────────────────────────────────────────────────────────────────


def new_tally(flow: str) -> FlowTally:
    """Nothing was compared yet."""
    return FlowTally(flow, 0, 0, 0, 0, 0, None, None, 0, None, [])


def counted(
    slices: list[list[int]], window_seconds: int, now: Instant, *, matched: bool
) -> list[list[int]]:
    """The slices of a window with one comparison more, without those that have left it."""
    width = max(window_seconds * SECOND // SLICES, SECOND)
    start = now - now % width
    kept = [part for part in slices if part[0] > now - window_seconds * SECOND - width]
    if kept and kept[-1][0] == start:
        _, of, right = kept[-1]
        return [*kept[:-1], [start, of + 1, right + matched]]
    return [*kept, [start, 1, int(matched)]]


def in_window(flow: Flow, tally: FlowTally | None, now: Instant) -> Rate:
    """What was compared in the flow's window. Its oldest slice counts whole or not at all."""
    since = now - flow.window_seconds * SECOND
    width = max(flow.window_seconds * SECOND // SLICES, SECOND)
    parts = [part for part in tally.slices if part[0] + width > since] if tally else []
    return rate(sum(part[1] for part in parts), sum(part[2] for part in parts))


def rate(compared: int, matched: int) -> Rate:
    """Basis points, rounded down."""
    return Rate(compared, matched, matched * WHOLE // compared if compared else None)


def why_closed(flow: Flow, window: Rate) -> tuple[str, str] | None:
    """(reason, sentence) why the gate is closed, None when it is open. It is exact to the unit."""
    if window.compared < flow.least:
        return (
            "too_few",
            f"{window.compared} comparisons in the window, {flow.least} are needed.",
        )
    if window.matched * WHOLE < flow.gate * window.compared:
        return (
            "below_gate",
            f"{window.matched} of {window.compared} match, {percent(flow.gate)} % must.",
        )
    return None


def percent(basis_points: int) -> str:
    """`99.00` for 9900."""
    return f"{basis_points // 100}.{basis_points % 100:02d}"


def gaps(tally: FlowTally) -> int:
    """Numbers between the first and the last event that never came."""
    if tally.first_number is None or tally.last_number is None:
        return 0
    return max(tally.last_number - tally.first_number + 1 - tally.received, 0)


# ── how a flow stands ────────────────────────────────────────────────────────────────


def quiet_for(flow: Flow, tally: FlowTally, now: Instant) -> int | None:
    """Seconds without a comparison while in shadow; None when it is not."""
    if flow.mode != "shadow":
        return None
    return max(now - max(flow.mode_since, tally.last_at or 0), 0) // SECOND


def status_of(flow: Flow, tally: FlowTally, now: Instant) -> str:
    """off, primary, comparing, or silent: in shadow without a comparison for too long."""
    quiet = quiet_for(flow, tally, now)
    if quiet is None:
        return flow.mode
    return "silent" if quiet >= flow.quiet_seconds else "comparing"


def state_of(flow: Flow) -> FlowState:
    """The flow as its caller is told of it."""
    return FlowState(
        flow.name,
        flow.into,
        flow.mode,
        to_iso(flow.mode_since),
        flow.gate,
        flow.least,
        flow.window_seconds,
        flow.late_seconds,
        flow.quiet_seconds,
        flow.fields,
        flow.codes,
        flow.ignored,
        flow.tolerances,
        flow.masked,
    )


def line_of(flow: Flow, tally: FlowTally, now: Instant) -> FlowLine:
    """The flow as a list shows it."""
    window = in_window(flow, tally, now)
    return FlowLine(
        flow.name,
        flow.mode,
        status_of(flow, tally, now),
        window,
        rate(tally.compared, tally.matched),
        tally.errors,
        tally.dropped,
        gaps(tally),
        iso(tally.last_at),
        quiet_for(flow, tally, now),
        why_closed(flow, window) is None,
    )


# ── views ────────────────────────────────────────────────────────────────────────────


def iso(instant: Instant | None) -> str | None:
    """As `to_iso`, None for None."""
    return iso_or_none(instant)


def signature_view(item: FlowSignature) -> SignatureView:
    """A signature as its reader sees it."""
    return SignatureView(
        item.signature, item.count, _example_view(item.first), _example_view(item.last)
    )


def _example_view(item: Example) -> ExampleView:
    return ExampleView(item.reference, item.number, to_iso(item.at), item.differences)


def change_view(item: FlowChange) -> ChangeView:
    """A change as its reader sees it."""
    return ChangeView(
        item.before,
        item.after,
        item.reason,
        item.by,
        rate(item.compared, item.matched),
        item.forced,
        to_iso(item.at),
    )


def comparison_view(item: Comparison) -> ComparisonView:
    """A comparison as its reader sees it."""
    return ComparisonView(
        item.flow,
        item.reference,
        item.command,
        item.outcome,
        item.signature,
        item.theirs,
        item.ours,
        item.differences,
        item.number,
        item.carried_as,
        iso(item.event_at),
        to_iso(item.at),
    )
