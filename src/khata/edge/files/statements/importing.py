"""Statements from files into a book, by the chunk; what is in the book already stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.base.clock import to_iso
from khata.base.money import to_minor, to_text
from khata.domain import reconciliation, setup
from khata.domain.reconciliation import ImportLines, ImportStatement, LineIn, StatementState
from khata.edge.files.statements.mapping import Mapping
from khata.edge.files.statements.neutral import (
    BankLine,
    BankStatement,
    Exponents,
    Format,
    amount,
    refuse,
)
from khata.edge.files.statements.reading import read_statements
from khata.engine.database import View
from khata.errors import KhataError
from khata.errors.operations import StatementNotFound

CHUNK: Final = 200
_AT_ONCE: Final = 50
"""Lines in a command, and commands in one transaction."""
MOST_BYTES: Final = 1 << 28
Progress = Callable[[int, int | None], None]


class How(msgspec.Struct, frozen=True):
    """How a file is to be read.

    `format`: left out, what it looks like. `mapping`: for CSV. `opening`, `closing`, `number`:
    when the file has none; with an opening alone the closing is what the lines make of it, and
    without one it is where the statement before it ended. `gap`: why a statement is missing
    before this one.
    """

    format: Format | None = None
    mapping: Mapping | None = None
    encoding: str | None = None
    opening: str | None = None
    closing: str | None = None
    number: str | None = None
    gap: str | None = None


class ImportedFile(msgspec.Struct, frozen=True):
    """What became of a file. `pending`: lines that are left out because they are not booked yet.

    `lines`: lines that came in now; those that were in the book already are not counted.
    """

    statements: list[StatementState]
    lines: int
    pending: int


def import_file(
    book: Khata,
    raw: bytes,
    account: str,
    how: How | None = None,
    *,
    actor: Actor = SYSTEM,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportedFile:
    """Read a file and take its statements into the book. The same file again changes nothing.

    `account`: the house account, such as `bank/main`. `dry_run`: read it, and let the book look at
    each statement's head and its first lines. Errors: `StatementRefused`, `PeriodClosed`, those
    of an account; what was taken in before stays, and the same file goes on from there.
    """
    wanted = how or How()
    if len(raw) > MOST_BYTES:
        refuse("too_large", "is too large", None, f"at most {MOST_BYTES} bytes", len(raw))
    with book.view(actor) as view:
        exponents = Exponents({unit.code: unit.exponent for unit in setup.units(view)})
    found = read_statements(
        raw,
        format=wanted.format,
        mapping=wanted.mapping,
        encoding=wanted.encoding,
        exponents=exponents,
    )
    digest = hashlib.sha256(raw).hexdigest()
    total = sum(len(item.lines) for item in found)
    done = 0
    states = []
    came = 0
    for item in sorted(found, key=lambda each: (each.from_on, each.to_on)):
        whole = _balanced(book, account, item, wanted, exponents)
        state, new = _import(book, account, whole, digest, wanted, actor, dry_run=dry_run)
        states.append(state)
        came += new
        while not dry_run and state.received < state.count:
            before = state.received
            state = states[-1] = _go_on(book, state, whole.lines, actor)
            came += state.received - before
            if progress is not None:
                progress(done + state.received, total)
        done += len(whole.lines)
    return ImportedFile(states, came, sum(item.pending for item in found))


def _import(
    book: Khata,
    account: str,
    item: BankStatement,
    digest: str,
    how: How,
    actor: Actor,
    *,
    dry_run: bool,
) -> tuple[StatementState, int]:
    """The statement's head with its first lines, and how many of these are new."""
    assert item.opening is not None
    assert item.closing is not None
    first = item.lines[:CHUNK]
    command = ImportStatement(
        account,
        item.currency,
        how.number or item.number,
        item.from_on,
        item.to_on,
        item.opening,
        item.closing,
        digest,
        [line_in(line) for line in first],
        len(item.lines),
        item.format,
        how.gap,
    )
    receipt = book.submit(command, actor=actor, dry_run=dry_run)
    state: StatementState = receipt.result
    # a statement that was here before answers with the time of its own import
    return state, len(first) if to_iso(receipt.at) == state.imported_at else 0


def _go_on(
    book: Khata, state: StatementState, lines: Sequence[BankLine], actor: Actor
) -> StatementState:
    """The next lines of a statement, in several commands. Errors: the first that was refused."""
    last = min(len(lines), state.received + CHUNK * _AT_ONCE)
    commands = [
        ImportLines(state.id, at + 1, [line_in(line) for line in lines[at : min(at + CHUNK, last)]])
        for at in range(state.received, last, CHUNK)
    ]
    for outcome in book.submit_many(commands, actor=actor):
        if isinstance(outcome, KhataError):
            raise outcome
        state = outcome.result
    return state


def line_in(line: BankLine) -> LineIn:
    """A line as the book takes it."""
    return LineIn(
        line.amount,
        line.booked_on,
        line.value_on,
        line.reference,
        line.end_to_end,
        line.counterparty,
        line.text,
    )


def _balanced(
    book: Khata, account: str, item: BankStatement, how: How, exponents: Exponents
) -> BankStatement:
    """The statement with both balances. Errors: `StatementRefused`: `balance`."""
    exponent = exponents.of(item.currency, None)
    opening = item.opening
    if how.opening is not None:
        opening = amount(how.opening, exponent, None)
    closing = item.closing
    if how.closing is not None:
        closing = amount(how.closing, exponent, None)
    moved = sum(to_minor(line.amount, exponent) for line in item.lines)
    if opening is None and closing is not None:
        opening = to_text(to_minor(closing, exponent) - moved, exponent)
    if opening is None:
        with book.view() as view:
            opening = _last_closing(view, account, item.currency)
    if opening is None:
        refuse("balance", "says no opening balance", None, "an opening balance", None)
    if closing is None:
        closing = to_text(to_minor(opening, exponent) + moved, exponent)
    return msgspec.structs.replace(item, opening=opening, closing=closing)


def _last_closing(view: View, account: str, currency: str) -> str | None:
    """Where the statement before ended; None for an account that never had one."""
    try:
        known = reconciliation.reconciled(view, account, currency)
    except StatementNotFound:
        return None
    return None if known.last_closing is None else to_text(known.last_closing, known.exponent)
