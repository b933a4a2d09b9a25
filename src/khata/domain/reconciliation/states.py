"""What callers of reconciliation give, and what they are told."""

from __future__ import annotations

import msgspec

from khata.domain.reconciliation.model import Area, ExceptionClass, LineKey, PostingKey

# ── what callers give ────────────────────────────────────────────────────────────────


class LineIn(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line as the file has it. `amount`: a decimal string, `-` where the balance became less.

    `currency`: only where it is not the statement's. Days are ISO dates.
    """

    amount: str
    booked_on: str
    value_on: str | None = None
    reference: str | None = None
    end_to_end: str | None = None
    counterparty: str | None = None
    text: str | None = None
    currency: str | None = None


class Pair(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Lines and postings that belong together: what matching found. Minor units.

    `difference`: what the lines have less than the postings.
    """

    lines: list[LineKey]
    postings: list[PostingKey]
    rule: str
    score: int
    why: list[str]
    difference: int = 0


class Leftover(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What matching could not explain: one for each thing that is wrong. Minor units."""

    cls: ExceptionClass
    line: LineKey | None
    postings: list[PostingKey]
    found: int | None
    expected: int | None
    on: str
    note: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """A discrepancy as a check found it; see `Discrepancy`."""

    area: Area
    cls: str
    subject: str
    expected: str
    found: str
    repair: str
    currency: str | None = None
    amount: str | None = None


class Fee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be kept from what comes on an account: basis points of it, and an amount for each
    posting (a decimal string).
    """

    points: int = 0
    fixed: str = "0"


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setting `reconciliation`.

    `days`: how far a line's day may be from the posting's. `tolerance`: by currency, a difference
    that is booked as a fee. `fees`: by account. `settlements`: accounts whose lines may be the
    sum of a day's postings without naming them. `transit_days`: how long a posting may be on its
    way before it counts as missing. `offset_minutes`: of the banks' day from UTC. `patterns`:
    further regular expressions of references in free texts. `payment_days`: how long after it was
    paid a payment may wait for its line.
    """

    days: int = 5
    tolerance: dict[str, str] = {}
    fees: dict[str, Fee] = {}
    settlements: list[str] = []
    transit_days: int = 0
    offset_minutes: int = 0
    patterns: list[str] = []
    payment_days: int = 7


# ── what callers are told ────────────────────────────────────────────────────────────


class StatementState(msgspec.Struct, frozen=True):
    """A statement as its caller is told of it. Amounts are decimal strings, days ISO dates.

    `received`: how many of its `count` lines are here.
    """

    id: str
    status: str
    account: str
    currency: str
    number: str
    format: str
    from_on: str
    to_on: str
    opening: str
    closing: str
    digest: str
    count: int
    received: int
    gap: str
    note: str | None
    imported_by: str
    imported_at: str


class LineState(msgspec.Struct, frozen=True):
    """A line as its caller is told of it. `id`: `stm_…/1`, by which commands name it."""

    id: str
    statement: str
    number: int
    status: str
    amount: str
    currency: str
    booked_on: str
    value_on: str | None
    reference: str | None
    end_to_end: str | None
    counterparty: str | None
    text: str | None
    match: str | None
    exception: str | None


class MatchState(msgspec.Struct, frozen=True):
    """A match as its caller is told of it. `amount`: the sum of its lines, and of its entries.

    `lines`: ids of lines; `entries`: ids of entries. `posted`: the entry of the difference.
    """

    id: str
    kind: str
    account: str
    currency: str
    lines: list[str]
    entries: list[str]
    amount: str
    difference: str
    posted: str | None
    rule: str
    score: int
    why: list[str]
    by: str
    at: str
    undone_by: str | None
    undone_at: str | None
    reason: str | None


class ExceptionState(msgspec.Struct, frozen=True):
    """An exception as its caller is told of it. `age_days`: whole days since `on`.
    `repair`: what to do about it.
    """

    id: str
    cls: str
    status: str
    account: str
    currency: str
    line: str | None
    entries: list[str]
    found: str | None
    expected: str | None
    amount: str
    on: str
    age_days: int
    repair: str
    note: str | None
    carried: str | None
    opened_at: str
    closed_at: str | None
    closed_by: str | None
    reason: str | None


class PeriodState(msgspec.Struct, frozen=True):
    """A closed period as its caller is told of it."""

    id: str
    status: str
    account: str
    currency: str
    from_on: str
    to_on: str
    carried: int
    closed_by: str
    closed_at: str
    reason: str
    reopened_by: str | None
    reopened_at: str | None


class DiscrepancyState(msgspec.Struct, frozen=True):
    """A discrepancy as its caller is told of it."""

    id: str
    area: str
    cls: str
    subject: str
    currency: str | None
    expected: str
    found: str
    amount: str | None
    repair: str
    age_days: int
    first_seen: str
    last_seen: str
    gone_at: str | None


class RunState(msgspec.Struct, frozen=True):
    """A run as its caller is told of it."""

    id: str
    accounts: list[str]
    asked_by: str
    lines: int
    postings: int
    matched: int
    skipped: int
    opened: int
    discrepancies: int
    started_at: str
    ended_at: str


class Skipped(msgspec.Struct, frozen=True):
    """A pair that was not recorded, by its first line or posting, and why not."""

    what: str
    reason: str


class Recorded(msgspec.Struct, frozen=True):
    """What became of a portion of a run."""

    recorded: int
    skipped: list[Skipped]


class Bucket(msgspec.Struct, frozen=True):
    """Open exceptions of one class and age (in days: `0-1`, `2-7`, `8-30`, `31-90`, `over 90`)."""

    cls: str
    age: str
    count: int
    amount: str


class AccountStatus(msgspec.Struct, frozen=True):
    """How far an account is reconciled. Amounts are decimal strings, days ISO dates.

    `balance`: the book's, now. `verified`: the last statement's closing balance, of `last_to_on`.
    `waiting`: lines without a partner; `exceptions`: how many are open, and by class and age.
    """

    account: str
    currency: str
    balance: str
    verified: str | None
    begins_on: str | None
    last_to_on: str | None
    ran_through: str | None
    closed_on: str | None
    importing: str | None
    waiting: int
    exceptions: int
    buckets: list[Bucket]


class MatchDifference(msgspec.Struct, frozen=True):
    """A match that does not agree with its lines and postings: counts and sums in minor units."""

    match: str
    expected: str
    found: str


class Plan(msgspec.Struct, frozen=True):
    """What a run would do with an account: matches to keep, exceptions to open and to close.

    `through`: the last day that statements reach, None before the first. `lines`, `postings`: how
    many it looked at.
    """

    account: str
    currency: str
    through: str | None
    lines: int
    postings: int
    pairs: list[Pair]
    found: list[Leftover]
    gone: list[str]
