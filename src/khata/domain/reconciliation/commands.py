"""What can be asked of reconciliation. The files beside this one say what happens then."""

from __future__ import annotations

from khata.domain.reconciliation.model import FEES
from khata.domain.reconciliation.states import Finding, Leftover, LineIn, Pair
from khata.engine.command import Command


class ImportStatement(
    Command, frozen=True, tag="reconciliation.import_statement", omit_defaults=True
):
    """Take a statement in, with its first lines; at most 1000 come in one command.

    `account`: the house account that it is of, `bank/main` or `cash/sandbox`. `number`: the
    bank's own. `opening`, `closing`: decimal strings. `digest`: SHA-256 of the file, 64 hex
    digits: the same number with the same digest changes nothing. `count`: how many lines it has;
    left out, those that are here. The rest come by `ImportLines`. `gap`: why its opening is not
    the closing of the one before, where a statement is missing for good.
    """

    account: str
    currency: str
    number: str
    from_on: str
    to_on: str
    opening: str
    closing: str
    digest: str
    lines: list[LineIn]
    count: int | None = None
    format: str = "csv"
    gap: str | None = None


class ImportLines(Command, frozen=True, tag="reconciliation.import_lines"):
    """Go on with a statement: lines from number `first` on. Lines that are here already stay."""

    statement: str
    first: int
    lines: list[LineIn]


class DiscardImport(Command, frozen=True, tag="reconciliation.discard_import"):
    """Give up a statement whose lines are not all here; its number is free again."""

    statement: str
    reason: str


class RecordMatches(Command, frozen=True, tag="reconciliation.record_matches"):
    """Keep what matching found, at most 500 pairs; each is looked at again."""

    account: str
    currency: str
    pairs: list[Pair]


class RecordExceptions(Command, frozen=True, tag="reconciliation.record_exceptions"):
    """Keep what matching could not explain, at most 500; what is gone is closed.

    `gone`: ids of open exceptions that were not found again.
    """

    account: str
    currency: str
    found: list[Leftover]
    gone: list[str]


class RecordDiscrepancies(Command, frozen=True, tag="reconciliation.record_discrepancies"):
    """Keep what the checks of the book found, at most 500; close those that are `gone` (ids)."""

    found: list[Finding]
    gone: list[str]


class RecordRun(Command, frozen=True, tag="reconciliation.record_run"):
    """Note that a run is over. `through`: account/currency → the last day that it looked at."""

    asked_by: str
    through: dict[str, str]
    lines: int
    postings: int
    matched: int
    skipped: int
    opened: int
    discrepancies: int
    started_at: int


class MatchLines(Command, frozen=True, tag="reconciliation.match", omit_defaults=True):
    """Match lines with entries by hand. `lines`: ids such as `stm_0400/1`; `entries`: ids.

    `against`: the account on which a difference is booked, with `source` as its reason; without
    it the sums are equal.
    """

    lines: list[str]
    entries: list[str]
    reason: str
    against: str | None = None
    source: str = "fee"


class Unmatch(Command, frozen=True, tag="reconciliation.unmatch"):
    """Take a match apart; an entry that it posted is taken back by another one."""

    match: str
    reason: str


class Adjust(Command, frozen=True, tag="reconciliation.adjust", omit_defaults=True):
    """Book a line that the book does not know, such as a fee of the bank, and match the two.

    `against`: the other account, a house account or a wallet.
    """

    line: str
    reason: str
    against: str = FEES
    source: str = "fee"


class ResolveException(Command, frozen=True, tag="reconciliation.resolve"):
    """Close an exception without a match: its line or entries are left out of matching for good."""

    exception: str
    reason: str


class ClosePeriod(Command, frozen=True, tag="reconciliation.close_period", omit_defaults=True):
    """Close an account's days up to `to_on` (ISO date). `carry`: take open exceptions along."""

    account: str
    currency: str
    to_on: str
    reason: str
    carry: bool = False


class ReopenPeriod(Command, frozen=True, tag="reconciliation.reopen_period"):
    """Open the account's last closed period again; a second person must approve."""

    period: str
    reason: str
