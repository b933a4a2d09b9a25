"""Batches: many payouts asked for at once, each of which goes its own way.

What is malformed refuses the whole batch, with the index of its line. What only time can tell, such
as whether the money is there, is found out line by line, and fails that line alone.
"""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.money import Money
from khata.domain.ledger import check_total
from khata.domain.payouts import rules
from khata.domain.payouts.braking import check_unbraked
from khata.domain.payouts.commands import InitiatePayout, begin, draft
from khata.domain.payouts.model import BankAccount, BatchTotal, Payout, PayoutBatch
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import AlreadyExists, Invalid, KhataError

VERBS: Final = Verbs()
_MOST_LINES: Final = 1000
_MOST_REFERENCE: Final = 200


class BatchLine(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One payout of a batch, as `InitiatePayout`."""

    wallet: str
    amount: Money
    reference: str
    bank_account: str | None = None


class CreatePayoutBatch(Command, frozen=True, tag="payouts.create_batch", omit_defaults=True):
    """Ask for up to 1000 payouts. `reference`: unique among the book's batches."""

    reference: str
    lines: list[BatchLine]
    provider: str | None = None


class BatchMade(msgspec.Struct, frozen=True):
    """A batch whose lines are under way. `payouts`: their ids, in the order of the lines."""

    id: str
    reference: str
    totals: list[BatchTotal]
    payouts: list[str]


@VERBS.handles(CreatePayoutBatch, roles=("admin", "finance", "service"))
def create_batch(book: Book, command: CreatePayoutBatch) -> BatchMade:
    """Errors: those of `draft`, with the line's `index`, and `PayoutsBraked`; `AlreadyExists` for
    a reference that was used; `ApprovalRequired` for what all lines come to.
    """
    _check(book, command)
    _foresee(book, command.lines)
    batch = PayoutBatch(
        book.new_id("bat"), command.reference, len(command.lines), str(book.actor), book.now
    )
    book.add(batch)
    drafts = [_draft(book, command, batch.id, index) for index in range(len(command.lines))]
    check_total(book, [(payout.account_id, payout.amount + payout.fee) for payout in drafts])
    payouts = [begin(book, payout) for payout in drafts]
    return BatchMade(
        batch.id, batch.reference, rules.totals(payouts), [payout.id for payout in payouts]
    )


def _draft(book: Book, command: CreatePayoutBatch, batch: str, index: int) -> Payout:
    line = command.lines[index]
    wanted = InitiatePayout(
        line.wallet, line.amount, line.reference, line.bank_account, command.provider
    )
    try:
        payout = draft(book, wanted, batch, index)
        check_unbraked(book, payout.unit)
    except KhataError as error:
        raise type(error)(
            f"Line {index}: {error.message}", **{**error.details, "index": index}
        ) from error
    return payout


def _foresee(book: Book, lines: list[BatchLine]) -> None:
    """Have what all lines need loaded at once."""
    codes = {f"wallet/{line.wallet}" for line in lines if "/" in line.wallet}
    book.foresee(Payout, "reference", [line.reference for line in lines])
    book.foresee(Account, "code", sorted(codes))
    owners = {account.owner for code in codes for account in book.find(Account, code=code)}
    book.foresee(BankAccount, "owner", sorted(owner for owner in owners if owner))


def _check(book: Book, command: CreatePayoutBatch) -> None:
    reference = command.reference
    if not reference.strip() or len(reference) > _MOST_REFERENCE or "\x00" in reference:
        raise Invalid("A batch has a reference of 1 to 200 characters.", got=reference[:60])
    if not 1 <= len(command.lines) <= _MOST_LINES:
        raise Invalid(
            "A batch has 1 to 1000 lines.", expected=f"1 to {_MOST_LINES}", got=len(command.lines)
        )
    if book.find(PayoutBatch, reference=reference):
        raise AlreadyExists(f"There is a batch {reference[:60]!r}.", got=reference[:60])
