"""What a run would do: what is open in one snapshot of a book, matched, and what the book says of
itself. Nothing here changes anything; `khata.edge.working.reconciling` hands it to commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from khata.base.clock import DAY
from khata.base.money import to_text
from khata.domain import inventory, proofs, solvency
from khata.domain.ledger import entry_id
from khata.domain.reconciliation import queries, rules
from khata.domain.reconciliation.leftovers import leftovers
from khata.domain.reconciliation.matching import Terms, match
from khata.domain.reconciliation.model import Reconciled, ReconException, StatementLine
from khata.domain.reconciliation.naming import OpenLine, OpenPosting, finder, says
from khata.domain.reconciliation.queries import PostingRow
from khata.domain.reconciliation.states import Finding, MatchDifference, Pair, Plan, Policy
from khata.domain.reconciliation.states import Leftover as Left
from khata.engine.database import View

_object: Final = msgspec.json.Decoder(dict[str, Any])
_BY_STOCK: Final = "stock"


# ── an account ───────────────────────────────────────────────────────────────────────


def plan(view: View, account: str, currency: str) -> Plan:
    """What a run would do with an account, as it stands in this snapshot.

    Errors: `StatementNotFound` when it never had a statement; `NotYours` for owners, `Invalid`
    for a policy that makes no sense.
    """
    known = queries.reconciled(view, account, currency)
    if known.begins_on is None or known.last_to_on is None:
        return Plan(account, currency, None, 0, 0, [], [], [])
    policy = queries.policy(view)
    open_ = queries.open_exceptions(view, known)
    lines = _lines(view, known, open_)
    postings = _postings(view, known, policy, open_)
    terms = Terms(
        rules.slack_of(policy, known.account, known.unit, known.exponent),
        policy.days,
        known.account in policy.settlements,
    )
    table = match(lines, postings, terms, finder(tuple(policy.patterns)))
    found = leftovers(table, terms)
    return Plan(
        known.account,
        known.unit,
        known.last_to_on,
        len(lines),
        len(postings),
        table.pairs,
        found,
        _gone(open_, table.pairs, found),
    )


def _gone(open_: Iterable[ReconException], pairs: Iterable[Pair], found: list[Left]) -> list[str]:
    """Open exceptions about things that are neither matched now nor exceptions again."""
    told = [*((pair.lines, pair.postings) for pair in pairs)]
    told += [([left.line] if left.line else [], left.postings) for left in found]
    lines = {tuple(line) for some, _ in told for line in some}
    postings = {tuple(posting) for _, some in told for posting in some}
    return [
        each.id
        for each in open_
        if each.cls != "statement_gap"
        and (each.line is None or tuple(each.line) not in lines)
        and not any(tuple(posting) in postings for posting in each.postings)
    ]


def _lines(view: View, known: Reconciled, open_: Iterable[ReconException]) -> list[OpenLine]:
    waiting = queries.waiting_lines(view, known)
    carried = {each.id for each in open_ if each.carried}
    closed = known.closed_on or ""
    waiting = [
        (line, astray)
        for line, astray in waiting
        # an open line of closed days came with a later statement: nobody has looked at it
        if line.booked_on > closed or line.status == "open" or line.exception in carried
    ]
    settled = {
        (line.statement, _print(line))
        for line in queries.settled_lines(view, {line.statement for line, _ in waiting})
    }
    return [_open_line(line, known, settled, astray=astray) for line, astray in waiting]


def _print(line: StatementLine) -> str | None:
    """What tells a line from others: all that it says, if it has a reference."""
    if not says(line.reference) and not says(line.end_to_end):
        return None
    said = (line.reference, line.end_to_end, line.counterparty, line.text)
    return msgspec.json.encode((line.amount, line.currency, line.booked_on, *said)).decode()


def _open_line(
    line: StatementLine, known: Reconciled, settled: set[tuple[str, str | None]], *, astray: bool
) -> OpenLine:
    mark = _print(line)
    return OpenLine(
        (line.statement, line.number),
        line.amount,
        rules.ordinal(line.booked_on) or 0,
        tuple(name for name in (line.reference, line.end_to_end) if name),
        tuple(text for text in (line.text, line.counterparty) if text),
        line.currency != known.unit,
        astray,
        mark,
        mark is not None and (line.statement, mark) in settled,
    )


def _postings(
    view: View, known: Reconciled, policy: Policy, open_: Iterable[ReconException]
) -> list[OpenPosting]:
    """Those of the days that are open, and of some before, and those that exceptions name.

    What was on its way when a period was closed, or was taken apart since, is due like any other.
    """
    offset = policy.offset_minutes
    begins = known.begins_on or ""
    first = rules.after(known.closed_on) if known.closed_on else begins
    last = known.last_to_on or ""
    since = rules.start_of(first, offset) - max(policy.days, policy.transit_days) * DAY
    until = rules.start_of(last, offset) + (policy.days + 1) * DAY
    excepted = {tuple(key) for each in open_ for key in each.postings}
    rows = list(queries.waiting_postings(view, known, since, until))
    seen = {row.key for row in rows}
    older = {(seq, leg) for seq, leg, entry in excepted if (seq, leg, entry) not in seen}
    rows = [*queries.named_postings(view, known, older), *rows]
    names = queries.names_of(view, {name for row in rows for name in _said(row)})
    due = range(rules.ordinal(begins) or 0, (rules.ordinal(last) or 0) + 1 - policy.transit_days)
    found = []
    for row in rows:
        day = rules.day_of(row.at, offset)
        waits = row.key in excepted or day in due
        found.append(_open_posting(row, day, names, due=waits))
    return found


def _said(row: PostingRow) -> Iterator[str]:
    """What an entry says of itself: its reference, and the texts of its metadata."""
    if row.reference:
        yield row.reference
    if row.metadata:
        yield from (value for value in _object.decode(row.metadata).values() if _is_name(value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200  # noqa: PLR2004 - a line's longest


def _open_posting(
    row: PostingRow, day: int, known: dict[str, list[str]], *, due: bool
) -> OpenPosting:
    said = list(_said(row))
    more = [name for own in said for name in known.get(own, ())]
    keys = [name.partition("/")[2] for name in more if "/" in name]
    names = (entry_id(row.key[0], row.key[2]), *said, *more, *keys)
    return OpenPosting(
        row.key, row.amount, day, tuple(dict.fromkeys(filter(None, names))), row.undoes, due
    )


# ── the book ─────────────────────────────────────────────────────────────────────────


def findings(view: View) -> list[Finding]:
    """What does not agree inside the book: wallets and what rooms keep, stock, payments that no
    statement shows, solvency, and matches themselves. Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    return [
        *_rooms(view),
        *_stock(view),
        *_payments(view),
        *_solvency(view),
        *(
            Finding("matches", "match_differs", each.match, each.expected, each.found, _ASK)
            for each in check(view)
        ),
    ]


_ASK: Final = "verify the book: a row was written past its commands"


def check(view: View) -> list[MatchDifference]:
    """Matches that do not agree with their lines and postings; none when all is well.

    Errors: `NotYours` for owners.
    """
    return [MatchDifference(*found) for found in queries.unlike(view)]


def _rooms(view: View) -> Iterator[Finding]:
    for found in proofs.prove(view):
        if found.check != _BY_STOCK:
            repair = "reverse what was posted by hand on an account that a room keeps"
            texts = (str(found.expected), str(found.got))
            yield Finding("wallets", found.check, found.where, *texts, repair)


def _stock(view: View) -> Iterator[Finding]:
    for found in inventory.check(view):
        lot = "" if found.lot is None else f" lot {found.lot}"
        repair = "count again and adjust the lot; reverse what was posted on the account by hand"
        texts = (found.expected, found.found)
        yield Finding("inventory", found.what, f"{found.sku}{lot}", *texts, repair)


def _payments(view: View) -> Iterator[Finding]:
    policy = queries.policy(view)
    today = rules.day_of(view.now, policy.offset_minutes)
    for payment, account, unit, places, amount in queries.unpaid(
        view, rules.to_day(today - policy.payment_days)
    ):
        yield Finding(
            "payments",
            "paid_without_line",
            payment,
            f"a line on the statements of {account}",
            "none",
            "ask the provider; refund or reverse the payment if the money never came",
            unit,
            to_text(amount, places),
        )


def _solvency(view: View) -> Iterator[Finding]:
    for found in solvency.position(view).items:
        if found.solvent is False:
            repair = "bring cash in, or find what is owed too much; payouts are braked by the check"
            yield Finding(
                "solvency",
                "insolvent",
                found.currency,
                found.liabilities,
                found.cash,
                repair,
                found.currency,
                found.net,
            )
        if not found.equation:
            what = "assets equal to liabilities, equity and result"
            yield Finding("solvency", "equation", found.currency, what, "not so", _ASK)
