"""Shadow mode: flows of another system, what was compared of them, and how they were switched.

A flow is one way of using the other system, such as `checkout`. While it is in shadow, what that
system did is done again in a book beside it, and the two answers are compared field by field.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

Mode = Literal["off", "shadow", "primary"]
Sort = Literal["value", "one_unit", "missing", "extra"]
"""How two values differ. `one_unit`: two amounts, by the smallest unit that either writes.
`missing`: they have it and we do not. `extra`: we have it and they do not."""

MODES: Final[tuple[Mode, ...]] = ("off", "shadow", "primary")
SLICES: Final = 60
"""Into how many parts the window of a flow is cut to be counted."""
WHOLE: Final = 10_000
"""A match rate of all, in basis points."""
MASK: Final = "***"
"""What stands for a value that is not to be seen."""
OTHER: Final = "other"
"""The signature of what differs in yet another way, once a flow has `MOST_SIGNATURES`."""
MOST_SIGNATURES: Final = 200
SHADOW_OF: Final = "shadow_of"
"""The setting of a book that names, under `books`, those whose flows may be fed into it by HTTP."""


class Answer(msgspec.Struct, frozen=True):
    """What one side answered. `code`: why it refused. `fields`: what it said, as plain values."""

    ok: bool
    code: str | None = None
    fields: dict[str, Any] = {}


class Difference(msgspec.Struct, frozen=True):
    """A field in which the two differ; its values as texts, None where there is none."""

    field: str
    sort: Sort
    theirs: str | None
    ours: str | None


class Example(msgspec.Struct, frozen=True):
    """A comparison that stands for its signature. `at`: when it was compared."""

    reference: str
    number: int | None
    at: int
    differences: list[Difference]


class Flow(Record, frozen=True):
    """How a flow is compared, and when it may be relied on.

    `into`: the book in which commands are carried out while it is in shadow. `gate`: basis points
    of comparisons that must match, `least`: of at least how many, in the last `window_seconds`.
    `late_seconds`: how long after its `at` an event may come, 0 for ever. `quiet_seconds`: after
    how long without a comparison it counts as silent. `fields`: their field → dotted path in our
    result, where the names differ. `codes`: their code → ours. `ignored`: fields that are not
    compared. `tolerances`: field → decimal string, by how much amounts may differ. `masked`:
    fields whose values are not kept.
    """

    name: str
    into: str
    mode: Mode
    gate: int
    least: int
    window_seconds: int
    late_seconds: int
    quiet_seconds: int
    fields: dict[str, str]
    codes: dict[str, str]
    ignored: list[str]
    tolerances: dict[str, str]
    masked: list[str]
    defined_at: int
    mode_since: int

    TABLE: ClassVar = Table("shadow_flows", key=("name",))


class FlowTally(Record, frozen=True):
    """What was counted of a flow.

    `errors`: our side failed in another way than by refusing. `dropped`: never compared, because
    too many waited. `first_number`, `last_number`, `received`: of the events that have numbers.
    `slices`: [start, compared, matched] in the window, oldest first.
    """

    flow: str
    compared: int
    matched: int
    errors: int
    dropped: int
    signatures: int
    first_number: int | None
    last_number: int | None
    received: int
    last_at: int | None
    slices: list[list[int]]

    TABLE: ClassVar = Table("shadow_tallies", key=("flow",))


class FlowSignature(Record, frozen=True):
    """One way in which the two sides differ, how often, and the first and last example of it."""

    flow: str
    signature: str
    count: int
    first: Example
    last: Example

    TABLE: ClassVar = Table(
        "shadow_signatures", key=("flow", "signature"), indexes=(("flow", "count", "signature"),)
    )


class Comparison(Record, frozen=True):
    """Two answers to the same thing, compared.

    `command`: the kind of what we carried out. `theirs`, `ours`: "ok", "refused:<code>",
    "error:<code>" (ours only), or None for no answer. `number`: the event's, in their order.
    `carried_as`: the seq of our command in the book it was carried out in. `event_at`: when it
    happened over there, `at`: when it was compared.
    """

    flow: str
    seq: int
    n: int
    reference: str
    command: str | None
    outcome: Literal["match", "mismatch"]
    signature: str | None
    theirs: str | None
    ours: str | None
    differences: list[Difference]
    number: int | None
    carried_as: int | None
    event_at: int | None
    at: int

    TABLE: ClassVar = Table(
        "shadow_comparisons",
        key=("flow", "seq", "n"),
        indexes=(
            ("flow", "number"),
            ("flow", "outcome", "seq", "n"),
            ("flow", "signature", "seq", "n"),
        ),
        facts=True,
    )


class FlowChange(Record, frozen=True):
    """A flow was switched. `compared`, `matched`: in its window then. `forced`: the gate was
    closed, and a second person approved of it.
    """

    flow: str
    seq: int
    n: int
    before: Mode
    after: Mode
    reason: str
    by: str
    compared: int
    matched: int
    forced: bool
    at: int

    TABLE: ClassVar = Table("shadow_changes", key=("flow", "seq", "n"), facts=True)


class FlowState(msgspec.Struct, frozen=True):
    """A flow as its caller is told of it."""

    name: str
    into: str
    mode: Mode
    mode_since: str
    gate: int
    least: int
    window_seconds: int
    late_seconds: int
    quiet_seconds: int
    fields: dict[str, str]
    codes: dict[str, str]
    ignored: list[str]
    tolerances: dict[str, str]
    masked: list[str]


class Rate(msgspec.Struct, frozen=True):
    """How many of how many matched. `basis_points`: rounded down; None of nothing."""

    compared: int
    matched: int
    basis_points: int | None


class Compared(msgspec.Struct, frozen=True):
    """What came of a comparison."""

    flow: str
    outcome: str
    signature: str | None


class ExampleView(msgspec.Struct, frozen=True):
    """An example of a signature."""

    reference: str
    number: int | None
    at: str
    differences: list[Difference]


class SignatureView(msgspec.Struct, frozen=True):
    """One way in which the two sides differ."""

    signature: str
    count: int
    first: ExampleView
    last: ExampleView


class ChangeView(msgspec.Struct, frozen=True):
    """A flow was switched; `rate` is what its window said then."""

    before: str
    after: str
    reason: str
    by: str
    rate: Rate
    forced: bool
    at: str


class FlowReport(msgspec.Struct, frozen=True):
    """How a flow does.

    `status`: off, comparing, silent, primary. `window`: what the gate counts. `gaps`: numbers
    between the first and the last event that never came. `gate_open`, and if not, `why`.
    `signatures`: the most frequent first; `history`: the newest first.
    """

    flow: FlowState
    status: str
    window: Rate
    total: Rate
    errors: int
    dropped: int
    gaps: int
    last_compared_at: str | None
    quiet_for_seconds: int | None
    gate_open: bool
    why: str | None
    signatures: list[SignatureView]
    history: list[ChangeView]


class FlowLine(msgspec.Struct, frozen=True):
    """A flow in a list."""

    name: str
    mode: str
    status: str
    window: Rate
    total: Rate
    errors: int
    dropped: int
    gaps: int
    last_compared_at: str | None
    quiet_for_seconds: int | None
    gate_open: bool


class ComparisonView(msgspec.Struct, frozen=True):
    """A comparison as its reader sees it."""

    flow: str
    reference: str
    command: str | None
    outcome: str
    signature: str | None
    theirs: str | None
    ours: str | None
    differences: list[Difference]
    number: int | None
    carried_as: int | None
    event_at: str | None
    at: str


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that another system did. `seq`: its place among the flow's events, and with the
    flow its name. `at`: when, ISO 8601. `command`: the same as a command of Khata's, None where
    there is none. `outcome`: `ok`, `code` when it was refused, and fields; None for no answer.
    """

    flow: str
    seq: int
    reference: str
    at: str
    command: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None


class Fed(msgspec.Struct, frozen=True):
    """What became of an event. `status`: match, mismatch; known, it was compared before; off or
    primary, its flow is not in shadow; refused, it is no event, for the reason in `code`.
    """

    flow: str
    seq: int
    status: Literal["match", "mismatch", "known", "off", "primary", "refused"]
    signature: str | None = None
    code: str | None = None
    message: str | None = None


class EventsFed(msgspec.Struct, frozen=True):
    """What became of events, in the order in which they came."""

    events: list[Fed]
