"""How reconciliation is shown on a screen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from rich.table import Table

from khata.domain.reconciliation import (
    AccountStatus,
    DiscrepancyState,
    ExceptionState,
    LineState,
    MatchDifference,
    MatchState,
    PeriodState,
    RunState,
    StatementState,
)
from khata.edge.cli.screen import coloured, money, out, pairs, row, short, table
from khata.edge.files.statements.generating import Sample
from khata.edge.files.statements.importing import ImportedFile

_AGES: Final = ("0-1", "2-7", "8-30", "31-90", "over 90")


def encode(value: object) -> bytes:
    """JSON for people: indented, without what is None."""
    plain = {name: item for name, item in msgspec.to_builtins(value).items() if item is not None}
    plain["columns"] = {k: v for k, v in plain.get("columns", {}).items() if v is not None}
    return msgspec.json.format(msgspec.json.encode(plain), indent=2)


def _words(text: str) -> str:
    return text.replace("_", " ")


def show_import(found: ImportedFile, *, dry_run: bool) -> None:
    """What became of a file."""
    for item in found.statements:
        show_statement(item)
    if dry_run:
        out().print("Dry run: the file can be read, and this would begin; nothing was written.")
        return
    left = f" {found.pending:,} are not booked yet." if found.pending else ""
    out().print(f"{found.lines:,} lines came in.{left} Next: khata reconcile run")


def show_status(found: Sequence[AccountStatus]) -> None:
    """Accounts, and below them how old their exceptions are."""
    if not found:
        out().print("No account has a statement yet.")
        return
    made = table("account", "book>", "statement>", "of", "looked at", "closed", "waiting>",
                 "exceptions>")  # fmt: skip
    for item in found:
        row(
            made,
            f"{item.account} {item.currency}",
            money(item.balance, item.currency),
            None if item.verified is None else money(item.verified, item.currency),
            item.last_to_on,
            item.ran_through,
            item.closed_on,
            f"{item.waiting:,}",
            f"{item.exceptions:,}",
        )
    out().print(made)
    aged = table("exceptions by days", *(f"{age}>" for age in _AGES), "amount>")
    for item in found:
        for cls in dict.fromkeys(bucket.cls for bucket in item.buckets):
            _show_ages(aged, item, cls)
    if aged.row_count:
        out().print(aged)


def _show_ages(aged: Table, item: AccountStatus, cls: str) -> None:
    of = {bucket.age: bucket for bucket in item.buckets if bucket.cls == cls}
    total = sum(Decimal(bucket.amount) for bucket in of.values())
    counts = (f"{of[age].count:,}" if age in of else None for age in _AGES)
    row(aged, f"{item.account}: {_words(cls)}", *counts, money(f"{total:f}", item.currency))


def show_differences(found: Sequence[MatchDifference]) -> None:
    """Matches that do not agree with what they are of."""
    made = table("match", "expected", "found")
    for item in found:
        row(made, item.match, item.expected, item.found)
    out().print(made if found else "Every match agrees with its lines and entries.")


def show_statement(item: StatementState) -> None:
    """One statement."""
    out().print(
        pairs(
            [
                ("statement", f"{item.id} {item.number}"),
                ("status", item.status),
                ("account", f"{item.account} {item.currency}"),
                ("days", f"{item.from_on} to {item.to_on}"),
                ("opening", money(item.opening, item.currency)),
                ("closing", money(item.closing, item.currency)),
                ("lines", f"{item.received:,} of {item.count:,}"),
            ]
        )
    )


def show_statements(items: Sequence[StatementState]) -> None:
    """Statements, one a row."""
    made = table("statement", "number", "account", "days", "opening>", "closing>", "lines>",
                 "status")  # fmt: skip
    for item in items:
        row(
            made,
            item.id,
            item.number,
            item.account,
            f"{item.from_on} to {item.to_on}",
            money(item.opening, item.currency),
            money(item.closing, item.currency),
            f"{item.received:,}",
            item.status,
        )
    out().print(made if items else "No statements.")


def show_lines(items: Sequence[LineState]) -> None:
    """Lines of a statement."""
    made = table("line", "day", "amount>", "reference", "text", "status", "match")
    for item in items:
        row(
            made,
            item.id,
            item.booked_on,
            coloured(item.amount, item.currency),
            item.end_to_end or item.reference,
            item.text,
            item.status,
            item.match,
        )
    out().print(made if items else "No lines.")


def show_run(found: RunState) -> None:
    """What a run did."""
    out().print(
        f"{found.lines:,} lines and {found.postings:,} postings were open; {found.matched:,}"
        f" matches, {found.opened:,} new exceptions, {found.discrepancies:,} discrepancies."
    )
    if found.skipped:
        out().print(f"{found.skipped:,} pairs were taken meanwhile; run again.")


def show_match(item: MatchState) -> None:
    """One match."""
    rows = [
        ("match", f"{item.id} {item.kind}"),
        ("account", f"{item.account} {item.currency}"),
        ("lines", ", ".join(item.lines)),
        ("entries", ", ".join(item.entries)),
        ("amount", money(item.amount, item.currency)),
        ("difference", money(item.difference, item.currency)),
        ("posted", item.posted),
        ("score", f"{item.score} ({item.rule}): {'; '.join(item.why)}"),
        ("by", f"{item.by}, {short(item.at)}"),
        ("undone", item.undone_at and f"{item.undone_by}, {short(item.undone_at)}: {item.reason}"),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def show_matches(items: Sequence[MatchState]) -> None:
    """Matches, one a row."""
    made = table("match", "kind", "account", "amount>", "score>", "why", "lines", "entries")
    for item in items:
        row(
            made,
            item.id,
            item.kind if item.undone_at is None else f"{item.kind}, undone",
            item.account,
            coloured(item.amount, item.currency),
            str(item.score),
            "; ".join(item.why),
            ", ".join(item.lines[:3]),
            ", ".join(item.entries[:3]),
        )
    out().print(made if items else "No matches.")


def show_exception(item: ExceptionState) -> None:
    """One exception."""
    show_exceptions([item])


def show_exceptions(items: Sequence[ExceptionState]) -> None:
    """Exceptions, one a row, with what to do about each."""
    made = table("exception", "what", "account", "day", "age>", "found>", "expected>",
                 "line or entries", "to do")  # fmt: skip
    for item in items:
        amounts = (item.found, item.expected)
        row(
            made,
            item.id,
            _words(item.cls),
            item.account,
            item.on,
            f"{item.age_days} d",
            *(None if each is None else coloured(each, item.currency) for each in amounts),
            ", ".join([*([item.line] if item.line else []), *item.entries[:3]]),
            item.repair if item.status == "open" else f"{item.status}: {item.reason}",
        )
    out().print(made if items else "No exceptions.")


def show_period(item: PeriodState) -> None:
    """One period."""
    out().print(
        pairs(
            [
                ("period", f"{item.id} {item.status}"),
                ("account", f"{item.account} {item.currency}"),
                ("days", f"{item.from_on} to {item.to_on}"),
                ("carried", str(item.carried)),
                ("closed", f"{item.closed_by}, {short(item.closed_at)}"),
                ("reason", item.reason),
            ]
        )
    )


def show_discrepancies(items: Sequence[DiscrepancyState]) -> None:
    """Discrepancies, one a row."""
    made = table("area", "what", "about", "age>", "expected>", "found>", "to do")
    for item in items:
        row(
            made,
            item.area,
            _words(item.cls),
            item.subject,
            f"{item.age_days} d",
            item.expected,
            item.found,
            item.repair if item.gone_at is None else f"gone {short(item.gone_at)}",
        )
    out().print(made if items else "No discrepancies.")


def show_runs(items: Sequence[RunState]) -> None:
    """Runs, one a row."""
    made = table("run", "ended", "asked by", "lines>", "postings>", "matched>", "exceptions>",
                 "discrepancies>")  # fmt: skip
    for item in items:
        counts = (item.lines, item.postings, item.matched, item.opened, item.discrepancies)
        row(made, item.id, short(item.ended_at), item.asked_by, *(f"{each:,}" for each in counts))
    out().print(made if items else "No runs.")


def show_sample(made: Sample, path: str) -> None:
    """What was written, and what is wrong with it."""
    out().print(f"{len(made.statement.lines):,} lines written to {path}.", soft_wrap=True)
    if not made.planted:
        return
    planted = table("defect", "reference", "amount in the book>")
    for item in made.planted:
        row(planted, _words(item.cls), item.reference,
            coloured(item.amount, made.statement.currency))  # fmt: skip
    out().print(planted)
