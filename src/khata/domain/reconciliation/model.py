"""Statements of banks and providers, what their lines were matched with, and what is left over."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from khata.engine.records import Record, Table

StatementStatus = Literal["importing", "imported", "discarded"]
LineStatus = Literal["open", "excepted", "matched", "adjusted", "dismissed", "nil"]
MatchKind = Literal["1:1", "1:N", "N:1", "N:M", "adjusted", "netted"]
ExceptionClass = Literal[
    "missing_in_book",
    "missing_in_statement",
    "amount_differs",
    "duplicate_line",
    "foreign_currency",
    "sign_swapped",
    "out_of_period",
    "ambiguous",
    "statement_gap",
]
LineKey = tuple[str, int]
"""(statement, number)"""
PostingKey = tuple[int, int, int]
"""(seq, leg, entry)"""
Area = Literal["wallets", "payments", "inventory", "solvency", "matches"]

SETTING: Final = "reconciliation"
FEES: Final = "expense/bank_fees"
"""What banks and providers kept is an expense here, unless the caller names another account."""
ROOTS_OF_ACCOUNTS: Final = ("cash", "bank")
"""First words of the accounts that statements can be of."""


class Reconciled(Record, frozen=True):
    """How far an account is reconciled. Days are ISO dates, amounts minor units.

    `begins_on`: the first day of its first statement. `last_to_on`, `last_closing`: of the last
    one that was imported wholly; `importing`: the one that is being imported. `ran_through`: the
    last day that a run has looked at, begun at `ran_at`. `freed_at`: when a person last left
    something without a partner that had one. `closed_on`: the last day of the last closed period.
    """

    account_id: int
    account: str
    unit: str
    exponent: int
    begins_on: str | None
    last_statement: str | None
    last_to_on: str | None
    last_closing: int | None
    importing: str | None
    ran_through: str | None
    ran_at: int | None
    closed_on: str | None
    last_period: str | None
    freed_at: int | None

    TABLE: ClassVar = Table("reconciled_accounts", key=("account_id",), indexes=(("account",),))


class Statement(Record, frozen=True):
    """A statement of one account. Days are ISO dates, amounts minor units.

    `identity`: account, currency, number and the year of its last day, while it counts (banks
    begin their numbers anew each year); None once it was discarded.
    `number`: the bank's. `digest`: of the file that it came in. `count`: lines that it has;
    `received`: lines that are here; `moved`: their sum. `gap`: what its opening differs from the
    closing before it, with a reason in `note`.
    """

    id: str
    identity: str | None
    account_id: int
    account: str
    unit: str
    exponent: int
    number: str
    format: str
    from_on: str
    to_on: str
    opening: int
    closing: int
    digest: str
    count: int
    received: int
    moved: int
    gap: int
    note: str | None
    status: StatementStatus
    imported_by: str
    imported_at: int

    TABLE: ClassVar = Table(
        "statements",
        key=("id",),
        finds=("identity",),
        unique=(("identity",),),
        indexes=(("account", "imported_at"), ("imported_at",)),
    )


class StatementLine(Record, frozen=True):
    """A line of a statement. `amount`: minor units of the line's own `currency`, above zero when
    it made the balance larger; a line in another currency than the account's is no part of it.

    `open_account`: its account's number until it is matched or dismissed. `reference`: the bank's
    or provider's own; `end_to_end`: the one that travels with the money. `text`: as it came.
    """

    statement: str
    number: int
    account_id: int
    open_account: int | None
    amount: int
    currency: str
    exponent: int
    booked_on: str
    value_on: str | None
    reference: str | None
    end_to_end: str | None
    counterparty: str | None
    text: str | None
    status: LineStatus
    match: str | None
    exception: str | None

    TABLE: ClassVar = Table(
        "statement_lines",
        key=("statement", "number"),
        finds=("open_account",),
        indexes=(("match",),),
    )


class PairedPosting(Record, frozen=True):
    """What is known of a posting: its match, or its exception, which may have been dismissed.

    Its key is the posting's, so that no posting can be in two matches.
    """

    account_id: int
    seq: int
    leg: int
    match: str | None
    exception: str | None
    dismissed: bool

    TABLE: ClassVar = Table("paired_postings", key=("account_id", "seq", "leg"))


class Match(Record, frozen=True):
    """Lines and postings that are the same money: their sums are equal. Amounts in minor units.

    `lines`: [[statement, number], …]; `postings`: [[seq, leg, entry], …]. `difference`: what the
    lines have less than the postings that were there; `entry` posted it. `score`: 0 to 100,
    `why`: how it comes about. `undone_at`: when it was taken apart.
    """

    id: str
    account_id: int
    account: str
    unit: str
    exponent: int
    kind: MatchKind
    lines: list[LineKey]
    postings: list[PostingKey]
    amount: int
    difference: int
    entry: str | None
    rule: str
    score: int
    why: list[str]
    by: str
    at: int
    undone_by: str | None = None
    undone_at: int | None = None
    reason: str | None = None

    TABLE: ClassVar = Table(
        "statement_matches", key=("id",), indexes=(("account", "at"), ("at",), ("kind", "at"))
    )


class ReconException(Record, frozen=True):
    """A line or postings without a partner, or partners that do not agree. Minor units.

    `open_account`: its account's number while it is open. `found`: the line's amount, `expected`:
    that of the postings. `on`: the day of the line, or of the posting. `carried`: the period that
    was closed over it.
    """

    id: str
    account_id: int
    account: str
    unit: str
    exponent: int
    cls: ExceptionClass
    open_account: int | None
    line: LineKey | None
    postings: list[PostingKey]
    found: int | None
    expected: int | None
    amount: int
    on: str
    note: str | None
    status: Literal["open", "resolved"]
    carried: str | None
    opened_at: int
    closed_at: int | None
    closed_by: str | None
    reason: str | None

    TABLE: ClassVar = Table(
        "statement_exceptions",
        key=("id",),
        finds=("open_account",),
        indexes=(("account", "on"), ("status", "on"), ("cls", "on"), ("on",)),
    )


class Period(Record, frozen=True):
    """Days of an account in which nothing changes any more. `carried`: open exceptions that were
    taken into the next one. `before`: the period before it.
    """

    id: str
    account_id: int
    account: str
    unit: str
    exponent: int
    from_on: str
    to_on: str
    carried: int
    status: Literal["closed", "reopened"]
    before: str | None
    closed_by: str
    closed_at: int
    reason: str
    reopened_by: str | None = None
    reopened_at: int | None = None

    TABLE: ClassVar = Table(
        "statement_periods", key=("id",), indexes=(("account", "closed_at"), ("closed_at",))
    )


class Discrepancy(Record, frozen=True):
    """Two things inside the book that should agree and do not.

    `name`: what tells it from others; `open_name`: the same while it is there. `expected`, `found`:
    as they read; `amount`: the difference as a decimal string, where it is one of money.
    """

    id: str
    name: str
    open_name: str | None
    area: Area
    cls: str
    subject: str
    currency: str | None
    expected: str
    found: str
    amount: str | None
    repair: str
    first_seen: int
    last_seen: int
    gone_at: int | None

    TABLE: ClassVar = Table(
        "discrepancies",
        key=("id",),
        finds=("open_name",),
        indexes=(("area", "first_seen"), ("first_seen",)),
    )


class Run(Record, frozen=True):
    """One run of reconciliation over some accounts, and what it did."""

    id: str
    accounts: list[str]
    asked_by: str
    lines: int
    postings: int
    matched: int
    skipped: int
    opened: int
    discrepancies: int
    started_at: int
    ended_at: int

    TABLE: ClassVar = Table("reconciliation_runs", key=("id",), indexes=(("ended_at",),))


def line_id(line: LineKey) -> str:
    """`stm_0400/1`."""
    return f"{line[0]}/{line[1]}"


def line_key(text: str) -> LineKey | None:
    """(statement, number) of a line's id, or None when it is not one."""
    statement, _, digits = text.rpartition("/")
    fine = statement.startswith("stm_") and digits.isascii() and digits.isdigit()
    return (statement, int(digits)) if fine and len(digits) < 10 else None  # noqa: PLR2004
