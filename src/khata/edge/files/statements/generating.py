"""Statements as a bank would write them of a book's own account, with defects on request.

For tests, demo and bench: every posting becomes a line, and then some are spoiled. Reconciled with
the book, the statement has an exception for each defect, no more and no fewer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from khata.base.clock import from_iso, to_iso
from khata.base.money import MAX_MINOR, to_minor, to_text
from khata.domain.ledger import account_ref, entry_id
from khata.edge.files.statements.neutral import BankLine, BankStatement
from khata.engine.accounts import Entry, Posting
from khata.engine.database import View
from khata.engine.tables import JOURNAL, table_of
from khata.errors import Invalid

Defect = Literal[
    "missing_in_book",
    "missing_in_statement",
    "amount_differs",
    "sign_swapped",
    "duplicate_line",
]
DEFECTS: Final[tuple[Defect, ...]] = (
    "missing_in_book",
    "missing_in_statement",
    "amount_differs",
    "sign_swapped",
    "duplicate_line",
)
_POSTINGS: Final = table_of(Posting)
_ENTRIES: Final = table_of(Entry)
_LONGEST: Final = 35


class Planted(msgspec.Struct, frozen=True):
    """A defect, the reference of its line, and its amount in the book's eyes."""

    cls: Defect
    reference: str
    amount: str


class Sample(msgspec.Struct, frozen=True):
    """A statement and what is wrong with it."""

    statement: BankStatement
    planted: list[Planted]


def make_sample(
    view: View,
    account: str,
    currency: str | None = None,
    *,
    number: str = "1",
    since: str | None = None,
    until: str | None = None,
    opening: str | None = None,
    defects: Sequence[Defect] = (),
    seed: int = 1,
) -> Sample:
    """The statement of a house account, `since` and `until` ISO days, the last one included.

    `opening`: where the statement before it ended, when that was spoiled; else the book's. The same
    book and arguments make the same statement. Errors: `AccountNotFound`; `Invalid` for
    more defects than lines, or none at all.
    """
    found = account_ref(view, account, currency)
    rows = _rows(view, found.id, since, until)
    if len(defects) > len(rows) or not rows:
        raise Invalid(
            "The account has fewer postings than there are to be defects.",
            expected=f"{max(len(defects), 1)} or more",
            got=len(rows),
        )
    exponent = found.exponent
    begins = rows[0].balance_after - rows[0].amount
    if opening is not None:
        begins = to_minor(opening, exponent)
    lines = _lines(rows, exponent)
    spoiled, planted = _spoil(lines, defects, random.Random(seed), exponent)  # noqa: S311 - chosen, not secret
    closing = begins + sum(_minor(line) for line in spoiled)
    statement = BankStatement(
        "csv",
        account,
        found.unit,
        number,
        since or spoiled[0].booked_on,
        until or max(line.booked_on for line in lines),
        to_text(begins, exponent),
        to_text(closing, exponent),
        spoiled,
    )
    return Sample(statement, planted)


def drawn(count: int, seed: int, classes: Sequence[Defect] = DEFECTS) -> list[Defect]:
    """So many defects, each class in turn as long as they last, in an order of the seed's."""
    kinds = [classes[number % len(classes)] for number in range(count)]
    random.Random(seed).shuffle(kinds)  # noqa: S311 - chosen, not secret
    return kinds


def _rows(view: View, account_id: int, since: str | None, until: str | None) -> Sequence[Any]:
    p, e, j = _POSTINGS.c, _ENTRIES.c, JOURNAL.c
    of_entry = (e.book_id == p.book_id) & (e.seq == p.seq) & (e.entry == p.entry)
    query = (
        sa.select(p.seq, p.leg, p.entry, p.amount, p.balance_after, j.at, e.reference, e.note,
                  e.source)
        .join(_ENTRIES, of_entry)
        .join(JOURNAL, (j.book_id == p.book_id) & (j.seq == p.seq))
        .where(p.book_id == view.book_id, p.account_id == account_id)
        .order_by(p.seq, p.leg)
    )  # fmt: skip
    if since is not None:
        query = query.where(j.at >= from_iso(since))
    if until is not None:
        query = query.where(j.at < from_iso(f"{until}T23:59:59.999999+00:00"))
    return view.rows(query)


def _lines(rows: Sequence[Any], exponent: int) -> list[BankLine]:
    """A line for each posting, under its own reference, or its entry's id when others have it."""
    times = Counter(row.reference for row in rows)
    made = []
    for number, row in enumerate(rows, 1):
        own = row.reference
        fits = own and times[own] == 1 and len(own) <= _LONGEST and own.isprintable()
        on = to_iso(row.at)[:10]
        made.append(
            BankLine(
                number,
                to_text(row.amount, exponent),
                on,
                on,
                f"B{row.seq}-{row.leg}",
                own if fits else entry_id(row.seq, row.entry),
                None,
                row.note or row.source,
                "NTRF",
            )
        )
    return made


def _spoil(
    lines: list[BankLine], defects: Sequence[Defect], chance: random.Random, exponent: int
) -> tuple[list[BankLine], list[Planted]]:
    """Spoil as many lines as there are defects, each another one."""
    taken = {abs(_minor(line)) for line in lines}
    chosen = chance.sample(range(len(lines)), len(defects))
    at = dict(zip(chosen, defects, strict=True))
    made: list[BankLine] = []
    planted: list[Planted] = []
    for place, line in enumerate(lines):
        defect = at.get(place)
        if defect is None:
            made.append(line)
            continue
        planted.append(Planted(defect, line.end_to_end or "", line.amount))
        made += _spoiled(line, defect, taken, chance, exponent)
    return made, planted


def _spoiled(
    line: BankLine, defect: Defect, taken: set[int], chance: random.Random, exponent: int
) -> list[BankLine]:
    minor = _minor(line)
    if defect == "missing_in_statement":
        return []
    if defect == "duplicate_line":
        return [line, line]
    if defect == "sign_swapped":
        return [_with(line, -minor, exponent)]
    sign = 1 if minor > 0 else -1
    other = _other(abs(minor), taken, chance) * sign
    if defect == "amount_differs":
        return [_with(line, other, exponent)]
    reference = f"X{chance.randrange(10**12):012d}"
    extra = msgspec.structs.replace(
        line, reference=reference, end_to_end=reference, text=None, amount=to_text(other, exponent)
    )
    return [line, extra]


def _other(size: int, taken: set[int], chance: random.Random) -> int:
    """An amount that no line has, larger by more than any fee or tolerance would explain."""
    found = size + size // 10 + chance.randint(11, 999)
    while found in taken:
        found += 1
    taken.add(found)
    return min(found, MAX_MINOR)


def _with(line: BankLine, minor: int, exponent: int) -> BankLine:
    return msgspec.structs.replace(line, amount=to_text(minor, exponent))


def _minor(line: BankLine) -> int:
    return int(line.amount.replace(".", ""))
