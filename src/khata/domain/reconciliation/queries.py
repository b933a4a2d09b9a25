"""Reading reconciliation: statements, lines, matches, exceptions, periods, runs; what is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from khata.base.clock import DAY, Instant
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.payments import Payment, Refund
from khata.domain.payouts import Payout
from khata.domain.reconciliation import rules
from khata.domain.reconciliation.model import (
    SETTING,
    Discrepancy,
    Match,
    PairedPosting,
    Period,
    PostingKey,
    Reconciled,
    ReconException,
    Run,
    Statement,
    StatementLine,
)
from khata.domain.reconciliation.states import (
    AccountStatus,
    Bucket,
    DiscrepancyState,
    ExceptionState,
    LineState,
    MatchState,
    PeriodState,
    Policy,
    RunState,
    StatementState,
)
from khata.domain.setup import Setting
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import (
    among,
    checked_text,
    is_storable,
    looked_up,
    record,
    records,
    select,
    seq_at,
)
from khata.engine.records import Record, spec
from khata.engine.tables import ENTRIES, JOURNAL, POSTINGS, table_of
from khata.errors import Invalid
from khata.errors.operations import StatementNotFound

R = TypeVar("R", bound=Record)
S = TypeVar("S")
_STATEMENTS: Final = table_of(Statement)
_LINES: Final = table_of(StatementLine)
_MATCHES: Final = table_of(Match)
_EXCEPTIONS: Final = table_of(ReconException)
_DISCREPANCIES: Final = table_of(Discrepancy)
_PAIRED: Final = table_of(PairedPosting)
_PAYMENTS: Final = table_of(Payment)
_REFUNDS: Final = table_of(Refund)
_PAYOUTS: Final = table_of(Payout)
_PREFIXES: Final = {"payments": "pay_", "refunds": "rfd_", "payouts": "pyo_"}
_MOST_KEYS: Final = 5000
_keys: Final = msgspec.json.Decoder(list[Any])


# ── one of them ──────────────────────────────────────────────────────────────────────


def _one(view: View, cls: type[R], name: str) -> R:
    view.check_owner(None)
    found = record(view, cls, name) if is_storable(name) else None
    if found is None:
        raise StatementNotFound(f"No {cls.__name__.lower()} {name[:100]!r}.", got=name[:100])
    return found


def statement(view: View, name: str) -> StatementState:
    """One statement. Errors: `StatementNotFound`; `NotYours` for owners."""
    return rules.statement_state(_one(view, Statement, name))


def match_of(view: View, name: str) -> MatchState:
    """One match. Errors: `StatementNotFound`; `NotYours` for owners."""
    return rules.match_state(_one(view, Match, name))


def exception(view: View, name: str) -> ExceptionState:
    """One exception. Errors: `StatementNotFound`; `NotYours` for owners."""
    return rules.exception_state(_one(view, ReconException, name), view.now)


# ── lists ────────────────────────────────────────────────────────────────────────────


def _newest(
    view: View,
    cls: type[R],
    at: str,
    wanted: dict[str, str | None],
    cursor: str | None,
    limit: int,
    show: Callable[[R], S],
) -> Page[S]:
    """Rows by (`at`, id), newest first. Errors: `NotYours`, `Invalid`, `InvalidCursor`."""
    view.check_owner(None)
    of = table_of(cls).c
    query = select(view, cls)
    for name, value in wanted.items():
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of[at], of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of[at].desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, cls, query), limit, lambda row: (getattr(row, at), row.id))  # type: ignore[attr-defined]
    return Page([show(row) for row in page.items], page.next)


def statements(
    view: View, *, account: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[StatementState]:
    """Statements, newest first. Errors: `NotYours` for owners, `Invalid`, `InvalidCursor`."""
    wanted = {"account": account}
    show = rules.statement_state
    return _newest(view, Statement, "imported_at", wanted, cursor, limit, show)


def lines(
    view: View,
    name: str,
    *,
    open_only: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[LineState]:
    """The lines of a statement in its order; `open_only`: those that wait for a partner.

    Errors: `StatementNotFound`; `NotYours` for owners, `Invalid` limit, `InvalidCursor`.
    """
    _one(view, Statement, name)
    query = select(view, StatementLine).where(_LINES.c.statement == name)
    if open_only:
        query = query.where(_LINES.c.open_account.is_not(None))
    if cursor is not None:
        query = query.where(_LINES.c.number > from_cursor(cursor, int)[0])
    query = query.order_by(_LINES.c.number).limit(checked_limit(limit) + 1)
    page = paged(records(view, StatementLine, query), limit, lambda line: (line.number,))
    return Page([rules.line_state(line) for line in page.items], page.next)


def matches(
    view: View,
    *,
    account: str | None = None,
    kind: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[MatchState]:
    """Matches, newest first, those that were taken apart too.

    Errors: `NotYours` for owners, `Invalid`, `InvalidCursor`.
    """
    wanted = {"account": account, "kind": kind}
    return _newest(view, Match, "at", wanted, cursor, limit, rules.match_state)


def exceptions(
    view: View,
    *,
    account: str | None = None,
    cls: str | None = None,
    status: str | None = "open",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ExceptionState]:
    """Exceptions, the oldest first, by the day of what they are about.

    Errors: `NotYours` for owners, `Invalid`, `InvalidCursor`.
    """
    view.check_owner(None)
    of = _EXCEPTIONS.c
    query = select(view, ReconException)
    for name, value in (("account", account), ("cls", cls), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if status not in (None, "open", "resolved"):
        raise Invalid("An exception is open or resolved.", expected="open or resolved", got=status)
    if cursor is not None:
        query = query.where(sa.tuple_(of.on, of.id) > from_cursor(cursor, str, str))
    query = query.order_by(of.on, of.id).limit(checked_limit(limit) + 1)
    page = paged(records(view, ReconException, query), limit, lambda found: (found.on, found.id))
    return Page([rules.exception_state(found, view.now) for found in page.items], page.next)


def periods(
    view: View, *, account: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[PeriodState]:
    """Closed periods, newest first, those that were opened again too.

    Errors: `NotYours` for owners, `Invalid`, `InvalidCursor`.
    """
    wanted = {"account": account}
    return _newest(view, Period, "closed_at", wanted, cursor, limit, rules.period_state)


def runs(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[RunState]:
    """Runs, newest first. Errors: `NotYours` for owners, `Invalid` limit, `InvalidCursor`."""
    return _newest(view, Run, "ended_at", {}, cursor, limit, rules.run_state)


def discrepancies(
    view: View,
    *,
    area: str | None = None,
    gone: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DiscrepancyState]:
    """Discrepancies that are there, the oldest first; `gone`: those that are no longer there.

    Errors: `NotYours` for owners, `Invalid`, `InvalidCursor`.
    """
    view.check_owner(None)
    of = _DISCREPANCIES.c
    there = of.open_name.is_(None) if gone else of.open_name.is_not(None)
    query = select(view, Discrepancy).where(there)
    if checked_text(area, "area") is not None:
        query = query.where(of.area == area)
    if cursor is not None:
        query = query.where(sa.tuple_(of.first_seen, of.id) > from_cursor(cursor, int, str))
    query = query.order_by(of.first_seen, of.id).limit(checked_limit(limit) + 1)
    page = paged(records(view, Discrepancy, query), limit, lambda row: (row.first_seen, row.id))
    return Page([rules.discrepancy_state(row, view.now) for row in page.items], page.next)


def open_names(view: View) -> dict[str, str]:
    """Name → id of every discrepancy that is there."""
    of = _DISCREPANCIES.c
    query = sa.select(of.open_name, of.id).where(
        of.book_id == view.book_id, of.open_name.is_not(None)
    )
    return {row.open_name: row.id for row in view.stream(query)}


# ── how accounts stand ───────────────────────────────────────────────────────────────


def accounts(view: View) -> list[AccountStatus]:
    """How far each account is reconciled, with its open exceptions by class and age.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    known = records(view, Reconciled, select(view, Reconciled))
    ages = _ages(view)
    return [
        _account_status(view, row, ages.get(row.account_id, []))
        for row in sorted(known, key=lambda row: (row.account, row.unit))
    ]


def _ages(view: View) -> dict[int, list[tuple[str, str, int]]]:
    """Account → (class, day, amount) of each open exception."""
    of = _EXCEPTIONS.c
    query = sa.select(of.open_account, of.cls, of.on, of.amount).where(
        of.book_id == view.book_id, of.open_account.is_not(None)
    )
    found: dict[int, list[tuple[str, str, int]]] = {}
    for row in view.stream(query):
        found.setdefault(row.open_account, []).append((row.cls, row.on, row.amount))
    return found


def _account_status(
    view: View, known: Reconciled, ages: list[tuple[str, str, int]]
) -> AccountStatus:
    account = record(view, Account, known.account_id)
    of = _LINES.c
    waiting = view.row(
        sa.select(sa.func.count().label("open")).where(
            of.book_id == view.book_id,
            of.open_account == known.account_id,
            looked_up(view, _STATEMENTS.c.status, of.statement) == "imported",
        )
    )
    today = view.now // DAY * DAY
    buckets: dict[tuple[str, str], list[int]] = {}
    for cls, on, amount in ages:
        age = (today - rules.start_of(on)) // DAY
        buckets.setdefault((cls, rules.bucket(age)), []).append(amount)
    places = known.exponent
    closing = known.last_closing
    return AccountStatus(
        known.account,
        known.unit,
        to_text(account.natural if account else 0, places),
        None if closing is None else to_text(closing, places),
        known.begins_on,
        known.last_to_on,
        known.ran_through,
        known.closed_on,
        known.importing,
        waiting.open if waiting else 0,
        len(ages),
        [
            Bucket(cls, age, len(amounts), to_text(sum(map(abs, amounts)), places))
            for (cls, age), amounts in sorted(buckets.items())
        ],
    )


def reconciled(view: View, account: str, currency: str) -> Reconciled:
    """How far an account is. Errors: `StatementNotFound` when it never had a statement."""
    view.check_owner(None)
    of = table_of(Reconciled).c
    query = select(view, Reconciled)
    if is_storable(account) and is_storable(currency):
        query = query.where(of.account == account, of.unit == currency)
        found = records(view, Reconciled, query)
        if found:
            return found[0]
    raise StatementNotFound(f"{account[:100]!r} has no statement yet.", got=account[:100])


# ── what is open ─────────────────────────────────────────────────────────────────────


def policy(view: View) -> Policy:
    """The book's policy. Errors: `Invalid` for a setting that makes no sense."""
    known = record(view, Setting, SETTING)
    return rules.policy_in(known.value if known else {})


def open_exceptions(view: View, known: Reconciled) -> list[ReconException]:
    """Every open exception of an account."""
    query = select(view, ReconException).where(_EXCEPTIONS.c.open_account == known.account_id)
    return records(view, ReconException, query.order_by(_EXCEPTIONS.c.id))


def waiting_lines(view: View, known: Reconciled) -> list[tuple[StatementLine, bool]]:
    """(Line that waits for a partner, whether its statement does not reach to its day)."""
    query = select(view, StatementLine).where(
        _LINES.c.open_account == known.account_id,
        looked_up(view, _STATEMENTS.c.status, _LINES.c.statement) == "imported",
    )
    found = records(view, StatementLine, query)
    of = among(view, Statement, "id", {line.statement for line in found})
    days = {each.id: (each.from_on, each.to_on) for each in of}
    return [
        (line, not days[line.statement][0] <= line.booked_on <= days[line.statement][1])
        for line in found
    ]


def settled_lines(view: View, statements_: set[str]) -> Iterator[StatementLine]:
    """The lines of some statements that wait no more and have a reference."""
    decode = spec(StatementLine).decode
    for name in sorted(statements_):
        query = select(view, StatementLine).where(
            _LINES.c.statement == name,
            _LINES.c.open_account.is_(None),
            sa.or_(_LINES.c.reference.is_not(None), _LINES.c.end_to_end.is_not(None)),
        )
        for row in view.stream(query):
            yield decode(tuple(row))


class PostingRow(msgspec.Struct, frozen=True, gc=False):
    """A posting without a match, with what is known of its entry."""

    key: PostingKey
    amount: int
    at: Instant
    reference: str | None
    metadata: str | None
    undoes: tuple[int, int] | None


def waiting_postings(
    view: View, known: Reconciled, since: Instant, until: Instant
) -> Iterator[PostingRow]:
    """The postings of an account in a period that have no match and were not dismissed."""
    of = POSTINGS.c
    within = (of.seq > seq_at(view, since - 1), of.seq <= seq_at(view, until - 1))
    return _postings(view, _waiting(view, known).where(*within).order_by(of.seq, of.leg))


def named_postings(
    view: View, known: Reconciled, keys: set[tuple[int, int]]
) -> Iterator[PostingRow]:
    """Those of an account's postings, (seq, leg), that have no match and were not dismissed."""
    of = POSTINGS.c
    seqs = sorted({seq for seq, _ in keys})
    for start in range(0, len(seqs), _MOST_KEYS):
        within = of.seq.in_(seqs[start : start + _MOST_KEYS])
        for row in _postings(view, _waiting(view, known).where(within).order_by(of.seq, of.leg)):
            if row.key[:2] in keys:
                yield row


def _waiting(view: View, known: Reconciled) -> sa.Select[Any]:
    of = POSTINGS.c
    pair = (of.account_id, of.seq, of.leg)
    return (
        sa.select(
            of.seq,
            of.leg,
            of.entry,
            of.amount,
            JOURNAL.c.at,
            ENTRIES.c.reference,
            ENTRIES.c.metadata,
            ENTRIES.c.reverses_seq,
            ENTRIES.c.reverses_entry,
        )
        .join_from(
            POSTINGS,
            ENTRIES,
            sa.and_(
                ENTRIES.c.book_id == of.book_id,
                ENTRIES.c.seq == of.seq,
                ENTRIES.c.entry == of.entry,
            ),
        )
        .join(JOURNAL, sa.and_(JOURNAL.c.book_id == of.book_id, JOURNAL.c.seq == of.seq))
        .where(
            of.book_id == view.book_id,
            of.account_id == known.account_id,
            looked_up(view, _PAIRED.c.match, *pair).is_(None),
            sa.func.coalesce(looked_up(view, _PAIRED.c.dismissed, *pair), sa.false()).is_(
                sa.false()
            ),
        )
    )


def _postings(view: View, query: sa.Select[Any]) -> Iterator[PostingRow]:
    for row in view.stream(query):
        undoes = None if row.reverses_seq is None else (row.reverses_seq, row.reverses_entry)
        yield PostingRow(
            (row.seq, row.leg, row.entry),
            row.amount,
            row.at,
            row.reference,
            row.metadata,
            undoes,
        )


def names_of(view: View, ids: set[str]) -> dict[str, list[str]]:
    """Payment, refund or payout → what its provider and its payer call it."""
    found: dict[str, list[str]] = {}
    for table, columns in (
        (_PAYMENTS, ("charge", "subject")),
        (_PAYOUTS, ("provider_id", "reference")),
        (_REFUNDS, ("refund_key",)),
    ):
        wanted = sorted(ids & {name for name in ids if name.startswith(_PREFIXES[table.name])})
        for start in range(0, len(wanted), _MOST_KEYS):
            query = sa.select(table.c.id, *(table.c[name] for name in columns)).where(
                table.c.book_id == view.book_id,
                table.c.id.in_(wanted[start : start + _MOST_KEYS]),
            )
            for key, *names in map(list, view.rows(query)):
                found[key] = [name for name in names if name]
    return found


def unpaid(view: View, before: str) -> list[tuple[str, str, str, int, int]]:
    """Payments that count as paid and whose money no statement shows, of days before an ISO date:
    (payment, account, currency, exponent, minor units).
    """
    of = _EXCEPTIONS.c
    query = select(view, ReconException).where(
        of.status == "open", of.cls == "missing_in_statement", of.on < before
    )
    found = []
    for exception_ in records(view, ReconException, query.order_by(of.on, of.id)):
        seq, _, entry = exception_.postings[0]
        row = view.row(
            sa.select(ENTRIES.c.reference).where(
                ENTRIES.c.book_id == view.book_id, ENTRIES.c.seq == seq, ENTRIES.c.entry == entry
            )
        )
        if row is not None and (row.reference or "").startswith(_PREFIXES["payments"]):
            amount = exception_.expected or 0
            place = (exception_.account, exception_.unit, exception_.exponent)
            found.append((row.reference, *place, amount))
    return found


# ── counting again ───────────────────────────────────────────────────────────────────


def unlike(view: View) -> list[tuple[str, str, str]]:
    """Matches that do not agree with their lines and postings: (match, expected, found).

    None, unless a handler has a fault or somebody wrote past it. Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    lines_, postings = _of_lines(view), _of_postings(view)
    of = _MATCHES.c
    query = sa.select(of.id, of.lines, of.postings, of.amount, of.undone_at).where(
        of.book_id == view.book_id
    )
    wrong = []
    for row in view.stream(query):
        wanted = (len(_keys.decode(row.lines)), len(_keys.decode(row.postings)), row.amount)
        line, posting = lines_.pop(row.id, (0, 0)), postings.pop(row.id, (0, 0))
        if row.undone_at is not None:
            wanted = (0, 0, 0)
        if line != (wanted[0], wanted[2]) or posting != (wanted[1], wanted[2]):
            wrong.append((row.id, str(wanted), f"{line} {posting}"))
    loose = sorted({*lines_, *postings})
    return [*wrong, *((name, "a match", "none") for name in loose)]


def _of_lines(view: View) -> dict[str, tuple[int, int]]:
    """Match → (count, sum) of its lines."""
    of = _LINES.c
    query = sa.select(of.match, sa.func.count(), sa.func.sum(of.amount)).where(
        of.book_id == view.book_id, of.match.is_not(None)
    )
    rows = map(list, view.stream(query.group_by(of.match)))
    return {name: (count, int(total)) for name, count, total in rows}


def _of_postings(view: View) -> dict[str, tuple[int, int]]:
    """Match → (count, sum) of its postings."""
    of, paired = POSTINGS.c, _PAIRED.c
    same = (of.book_id == paired.book_id, of.account_id == paired.account_id)
    query = (
        sa.select(paired.match, sa.func.count(), sa.func.sum(of.amount))
        .join_from(_PAIRED, POSTINGS, sa.and_(*same, of.seq == paired.seq, of.leg == paired.leg))
        .where(paired.book_id == view.book_id, paired.match.is_not(None))
        .group_by(paired.match)
    )
    return {name: (count, int(total)) for name, count, total in map(list, view.stream(query))}
