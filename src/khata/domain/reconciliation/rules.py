"""Statements and matches as values: days, texts, what may differ, how they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from khata.base.clock import DAY, Instant, iso_or_none, to_iso
from khata.base.money import to_minor, to_text
from khata.domain.ledger import entry_id
from khata.domain.reconciliation.model import (
    SETTING,
    Discrepancy,
    Match,
    MatchKind,
    Period,
    PostingKey,
    ReconException,
    Run,
    Statement,
    StatementLine,
    line_id,
)
from khata.domain.reconciliation.states import (
    DiscrepancyState,
    ExceptionState,
    Fee,
    LineState,
    MatchState,
    PeriodState,
    Policy,
    RunState,
    StatementState,
)
from khata.errors import Invalid, KhataError

REPAIRS: Final[dict[str, str]] = {
    "missing_in_book": "book it: adjust the line, or post what is missing and match by hand",
    "missing_in_statement": "ask the bank or provider; reverse the entry if no money ever moved",
    "amount_differs": "match by hand against an account for the difference, or correct the entry",
    "duplicate_line": "ask the bank to take one back, then resolve; adjust if both are real",
    "foreign_currency": "ask for a statement in the right currency; resolve it once booked by hand",
    "sign_swapped": "reverse the entry and post it the other way round, or ask the bank",
    "out_of_period": "ask for the statement of that day; match by hand if the line is right",
    "ambiguous": "match by hand: several lines or entries would fit as well",
    "statement_gap": "import the missing statement, or post what it would say",
}
"""What to do about an exception, by its class."""

BUCKETS: Final = (("0-1", 1), ("2-7", 7), ("8-30", 30), ("31-90", 90))
"""Ageing: the name of each bucket and its last day; what is older is `over 90`."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BAD: Final = re.compile("[\x00\ud800-\udfff]")
_EPOCH: Final = date(1970, 1, 1).toordinal()
_POINTS: Final = 10_000


# ── days and texts ───────────────────────────────────────────────────────────────────


def ordinal(day: str) -> int | None:
    """The number of an ISO date, day by day; None when it is not one."""
    if not _DAY.fullmatch(day):
        return None
    try:
        return date.fromisoformat(day).toordinal()
    except ValueError:
        return None


def checked_day(day: str, name: str) -> str:
    """An ISO date. Errors: `Invalid`."""
    if ordinal(day) is None:
        raise Invalid(f"The {name} is not a day.", expected="such as 2026-01-31", got=day[:40])
    return day


def day_of(instant: Instant, offset_minutes: int = 0) -> int:
    """The number of the day of an instant, in a zone so many minutes ahead of UTC."""
    return (instant + offset_minutes * (DAY // 1440)) // DAY + _EPOCH


def start_of(day: str, offset_minutes: int = 0) -> Instant:
    """The first instant of an ISO date, in a zone so many minutes ahead of UTC."""
    number = date.fromisoformat(day).toordinal()
    return (number - _EPOCH) * DAY - offset_minutes * (DAY // 1440)


def to_day(number: int) -> str:
    """The ISO date of a day's number."""
    return date.fromordinal(number).isoformat()


def after(day: str, days: int = 1) -> str:
    """The ISO date so many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def fits(text: str | None, most: int) -> bool:
    """Whether an optional text has 1 to `most` characters that every database can hold."""
    if text is None:
        return True
    return 0 < len(text.strip()) <= len(text) <= most and not _BAD.search(text)


def checked_text(text: str, name: str, most: int) -> str:
    """A text that is there and not too long. Errors: `Invalid`."""
    if not fits(text, most):
        raise Invalid(
            f"The {name} is blank, too long, or holds what no database can keep.",
            expected=f"1 to {most} characters",
            got=text[:60].encode("utf-8", "replace").decode(),
        )
    return text


# ── what may differ ──────────────────────────────────────────────────────────────────


def policy_in(value: Mapping[str, Any]) -> Policy:
    """The policy that a setting's value says. Errors: `Invalid`."""
    try:
        policy = msgspec.convert(value, Policy)
        for pattern in policy.patterns:
            re.compile(pattern)
    except (msgspec.ValidationError, re.error) as error:
        raise Invalid(
            f"The setting {SETTING} makes no sense: {error}",
            expected=list(Policy.__struct_fields__),
        ) from None
    numbers = (policy.days, policy.transit_days, policy.payment_days)
    points = [fee.points for fee in policy.fees.values()]
    fine = all(0 <= number <= 366 for number in numbers)  # noqa: PLR2004 - a year
    if not fine or not all(0 <= point <= _POINTS for point in points):
        raise Invalid(
            f"The setting {SETTING} makes no sense.",
            expected="0 to 366 days, 0 to 10000 basis points",
            got=[*numbers, *points],
        )
    return policy


class Slack(msgspec.Struct, frozen=True):
    """How much lines of one account may have less than its postings. Minor units.

    `tolerance`: either way. `points`, `fixed`: kept as a fee of what came.
    """

    tolerance: int = 0
    points: int = 0
    fixed: int = 0

    def allows(self, gross: int, count: int, difference: int) -> bool:
        """Whether `difference` of `gross` in `count` postings is no reason to ask."""
        if abs(difference) <= self.tolerance:
            return True
        most = gross * self.points // _POINTS + self.fixed * count
        return 0 < difference <= most and gross > 0


def slack_of(policy: Policy, account: str, unit: str, exponent: int) -> Slack:
    """What a policy allows to differ on an account. Errors: `Invalid` for amounts that are none."""
    fee = policy.fees.get(account, Fee())
    try:
        return Slack(
            abs(to_minor(policy.tolerance.get(unit, "0"), exponent)),
            fee.points,
            abs(to_minor(fee.fixed, exponent)),
        )
    except KhataError as error:
        raise Invalid(
            f"The setting {SETTING} makes no sense: {error.message}", expected="decimal strings"
        ) from None


def kind_of(lines: int, postings: int) -> MatchKind:
    """What a match of so many lines and postings is called."""
    if not lines or not postings:
        return "netted"
    if lines == 1:
        return "1:1" if postings == 1 else "1:N"
    return "N:1" if postings == 1 else "N:M"


def bucket(days: int) -> str:
    """The ageing bucket of so many days."""
    return next((name for name, last in BUCKETS if days <= last), "over 90")


# ── how they are shown ───────────────────────────────────────────────────────────────


def statement_state(statement: Statement) -> StatementState:
    """A statement as its caller is told of it."""
    places = statement.exponent
    return StatementState(
        statement.id,
        statement.status,
        statement.account,
        statement.unit,
        statement.number,
        statement.format,
        statement.from_on,
        statement.to_on,
        to_text(statement.opening, places),
        to_text(statement.closing, places),
        statement.digest,
        statement.count,
        statement.received,
        to_text(statement.gap, places),
        statement.note,
        statement.imported_by,
        to_iso(statement.imported_at),
    )


def line_state(line: StatementLine) -> LineState:
    """A line as its caller is told of it."""
    return LineState(
        line_id((line.statement, line.number)),
        line.statement,
        line.number,
        line.status,
        to_text(line.amount, line.exponent),
        line.currency,
        line.booked_on,
        line.value_on,
        line.reference,
        line.end_to_end,
        line.counterparty,
        line.text,
        line.match,
        line.exception,
    )


def entries_of(postings: list[PostingKey]) -> list[str]:
    """The ids of the entries that postings belong to, each once."""
    return list(dict.fromkeys(entry_id(seq, entry) for seq, _, entry in postings))


def match_state(match: Match) -> MatchState:
    """A match as its caller is told of it."""
    return MatchState(
        match.id,
        match.kind,
        match.account,
        match.unit,
        [line_id(line) for line in match.lines],
        entries_of(match.postings),
        to_text(match.amount, match.exponent),
        to_text(match.difference, match.exponent),
        match.entry,
        match.rule,
        match.score,
        match.why,
        match.by,
        to_iso(match.at),
        match.undone_by,
        iso_or_none(match.undone_at),
        match.reason,
    )


def exception_state(found: ReconException, now: Instant) -> ExceptionState:
    """An exception as its caller is told of it, at an instant."""
    places = found.exponent
    return ExceptionState(
        found.id,
        found.cls,
        found.status,
        found.account,
        found.unit,
        line_id(found.line) if found.line else None,
        entries_of(found.postings),
        None if found.found is None else to_text(found.found, places),
        None if found.expected is None else to_text(found.expected, places),
        to_text(found.amount, places),
        found.on,
        max(0, day_of(now) - (ordinal(found.on) or 0)),
        REPAIRS[found.cls],
        found.note,
        found.carried,
        to_iso(found.opened_at),
        iso_or_none(found.closed_at),
        found.closed_by,
        found.reason,
    )


def period_state(period: Period) -> PeriodState:
    """A period as its caller is told of it."""
    return PeriodState(
        period.id,
        period.status,
        period.account,
        period.unit,
        period.from_on,
        period.to_on,
        period.carried,
        period.closed_by,
        to_iso(period.closed_at),
        period.reason,
        period.reopened_by,
        iso_or_none(period.reopened_at),
    )


def discrepancy_state(found: Discrepancy, now: Instant) -> DiscrepancyState:
    """A discrepancy as its caller is told of it, at an instant."""
    return DiscrepancyState(
        found.id,
        found.area,
        found.cls,
        found.subject,
        found.currency,
        found.expected,
        found.found,
        found.amount,
        found.repair,
        max(0, (found.gone_at or now) - found.first_seen) // DAY,
        to_iso(found.first_seen),
        to_iso(found.last_seen),
        iso_or_none(found.gone_at),
    )


def run_state(run: Run) -> RunState:
    """A run as its caller is told of it."""
    return RunState(
        run.id,
        run.accounts,
        run.asked_by,
        run.lines,
        run.postings,
        run.matched,
        run.skipped,
        run.opened,
        run.discrepancies,
        to_iso(run.started_at),
        to_iso(run.ended_at),
    )
