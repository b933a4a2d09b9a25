"""Reading flows: how they stand, in what ways the two sides differ, and every comparison."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.shadow import rules
from khata.domain.shadow.model import (
    Comparison,
    ComparisonView,
    Flow,
    FlowChange,
    FlowLine,
    FlowReport,
    FlowSignature,
    FlowTally,
    Mode,
)
from khata.engine.database import View
from khata.engine.reading import among, checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import Invalid
from khata.errors.operations import FlowNotFound

_FLOWS: Final = table_of(Flow)
_SIGNATURES: Final = table_of(FlowSignature)
_COMPARISONS: Final = table_of(Comparison)
_CHANGES: Final = table_of(FlowChange)
_OUTCOMES: Final = ("match", "mismatch")
_MOST_SHOWN: Final = 50
_MOST_FLOWS: Final = 1000


def flow_record(view: View, name: str) -> Flow:
    """A flow as it is kept. Errors: `NotYours` for owners, `FlowNotFound`."""
    view.check_owner(None)
    found = record(view, Flow, name) if is_storable(name) else None
    if found is None:
        raise FlowNotFound(f"No flow {name[:60]!r}.", got=name[:60])
    return found


def mode_of(view: View, name: str) -> Mode:
    """The mode of a flow now, one look-up by key. Errors: `FlowNotFound`."""
    row = view.row(
        sa.select(_FLOWS.c.mode).where(_FLOWS.c.book_id == view.book_id, _FLOWS.c.name == name)
    )
    if row is None:
        raise FlowNotFound(f"No flow {name[:60]!r}.", got=name[:60])
    mode: Mode = row.mode
    return mode


def modes(view: View) -> dict[str, Mode]:
    """The mode of each flow now; of the first 1000 by name. Errors: `NotYours` for owners."""
    view.check_owner(None)
    of = _FLOWS.c
    query = sa.select(of.name, of.mode).where(of.book_id == view.book_id)
    return {row.name: row.mode for row in view.rows(query.order_by(of.name).limit(_MOST_FLOWS))}


def flows(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[FlowLine]:
    """Flows by name, and how they stand. Errors: `NotYours` for owners, `InvalidCursor`."""
    view.check_owner(None)
    query = select(view, Flow)
    if cursor is not None:
        query = query.where(_FLOWS.c.name > from_cursor(cursor, str)[0])
    query = query.order_by(_FLOWS.c.name).limit(checked_limit(limit) + 1)
    page = paged(records(view, Flow, query), limit, lambda item: (item.name,))
    names = {flow.name for flow in page.items}
    tallies = {tally.flow: tally for tally in among(view, FlowTally, "flow", names)}
    lines = [
        rules.line_of(flow, tallies.get(flow.name) or rules.new_tally(flow.name), view.now)
        for flow in page.items
    ]
    return Page(lines, page.next)


def report(view: View, flow: str) -> FlowReport:
    """How a flow does: its rate, its gate, in what ways it differs and how it was switched; the
    50 most frequent ways, the 50 last switches. Errors: `NotYours` for owners, `FlowNotFound`.
    """
    found = flow_record(view, flow)
    tally = record(view, FlowTally, found.name) or rules.new_tally(found.name)
    line = rules.line_of(found, tally, view.now)
    closed = rules.why_closed(found, line.window)
    of, changes = _SIGNATURES.c, _CHANGES.c
    frequent = select(view, FlowSignature).where(of.flow == found.name)
    frequent = frequent.order_by(of.count.desc(), of.signature.desc()).limit(_MOST_SHOWN)
    newest = select(view, FlowChange).where(changes.flow == found.name)
    newest = newest.order_by(changes.seq.desc(), changes.n.desc()).limit(_MOST_SHOWN)
    return FlowReport(
        rules.state_of(found),
        line.status,
        line.window,
        line.total,
        line.errors,
        line.dropped,
        line.gaps,
        line.last_compared_at,
        line.quiet_for_seconds,
        line.gate_open,
        None if closed is None else closed[1],
        [rules.signature_view(item) for item in records(view, FlowSignature, frequent)],
        [rules.change_view(item) for item in records(view, FlowChange, newest)],
    )


def comparisons(
    view: View,
    flow: str,
    *,
    outcome: str | None = None,
    signature: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ComparisonView]:
    """What was compared of a flow, newest first; each filter is an equality.

    Errors: `NotYours` for owners, `FlowNotFound`, `Invalid` outcome or limit, `InvalidCursor`.
    """
    found = flow_record(view, flow)
    of = _COMPARISONS.c
    query = select(view, Comparison).where(of.flow == found.name)
    if outcome is not None:
        if outcome not in _OUTCOMES:
            raise Invalid(
                "No comparison has this outcome.", expected=list(_OUTCOMES), got=outcome[:40]
            )
        query = query.where(of.outcome == outcome)
    if checked_text(signature, "signature") is not None:
        query = query.where(of.signature == signature)
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) < from_cursor(cursor, int, int))
    query = query.order_by(of.seq.desc(), of.n.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Comparison, query), limit, lambda item: (item.seq, item.n))
    return Page([rules.comparison_view(item) for item in page.items], page.next)


def compared_numbers(view: View, flow: str, numbers: Collection[int]) -> dict[int, Comparison]:
    """Which of these events were compared before, and what came of them."""
    of = _COMPARISONS.c
    query = select(view, Comparison).where(of.flow == flow, of.number.in_(sorted(numbers)))
    return {
        item.number: item for item in records(view, Comparison, query) if item.number is not None
    }


def silent(view: View) -> list[FlowLine]:
    """Flows in shadow of which nothing was compared for too long. Errors: `NotYours`."""
    return [line for line in flows(view, limit=_MOST_FLOWS).items if line.status == "silent"]
