"""Matching lines with postings: what a run found, what people say, and taking it apart again.

Whatever was found outside is looked at again here: every line and posting is still without a
partner, and the sums are equal, but for a difference that the book's policy allows. A difference
is posted, so that the sums of a match are always equal to the minor unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from khata.domain.ledger import check_four_eyes, enter, entry_key, other_side
from khata.domain.reconciliation import rules
from khata.domain.reconciliation.commands import Adjust, MatchLines, RecordMatches, Unmatch
from khata.domain.reconciliation.importing import statement_account
from khata.domain.reconciliation.model import (
    FEES,
    SETTING,
    LineKey,
    Match,
    PairedPosting,
    Period,
    PostingKey,
    Reconciled,
    ReconException,
    Statement,
    StatementLine,
    line_id,
    line_key,
)
from khata.domain.reconciliation.states import MatchState, Pair, Recorded, Skipped
from khata.domain.setup import setting, source_of
from khata.engine.accounts import Account, Entry, Posting
from khata.engine.book import Book
from khata.engine.command import Verbs
from khata.errors import EntryNotFound, Invalid, InvalidTransition, KhataError
from khata.errors.operations import LineMatched, MatchRefused, PeriodClosed, StatementNotFound

VERBS: Final = Verbs()
MOST_PAIRS: Final = 500
_MOST_BY_HAND: Final = 200
_STAFF: Final = ("admin", "finance", "service")
_OPEN: Final = ("open", "excepted")
_TAKEN_BACK: Final = "taken back"


# ── what a run found ─────────────────────────────────────────────────────────────────


@VERBS.handles(RecordMatches, roles=("service",), internal=True)
def record_matches(book: Book, command: RecordMatches) -> Recorded:
    """What somebody else was faster with is left out and told.

    Errors: `Invalid` for too many, those of `statement_account`.
    """
    if len(command.pairs) > MOST_PAIRS:
        raise Invalid("Too many pairs.", expected=MOST_PAIRS, got=len(command.pairs))
    account = statement_account(book, command.account, command.currency)
    foresee(
        book,
        account,
        [line for pair in command.pairs for line in pair.lines],
        [posting for pair in command.pairs for posting in pair.postings],
    )
    policy = rules.policy_in(setting(book, SETTING))
    slack = rules.slack_of(policy, account.code, account.unit, account.exponent)
    skipped: list[Skipped] = []
    for pair in command.pairs:
        try:
            lines = _checked(book, account, pair, slack)
        except KhataError as error:
            skipped.append(Skipped(_name(pair), error.code))
            continue
        _match(  # not within the `try`: an entry that is refused takes the whole command with it
            book,
            account,
            lines,
            pair.postings,
            difference=pair.difference,
            against=FEES,
            source="fee",
            rule=pair.rule,
            score=pair.score,
            why=pair.why,
        )
    return Recorded(len(command.pairs) - len(skipped), skipped)


def _name(pair: Pair) -> str:
    if pair.lines:
        return line_id(pair.lines[0])
    return rules.entries_of(pair.postings)[0] if pair.postings else "nothing"


def _checked(book: Book, account: Account, pair: Pair, slack: rules.Slack) -> list[StatementLine]:
    """The lines of a pair that may be recorded. Errors: `MatchRefused`, those of looking again."""
    lines = [open_line(book, account, line) for line in pair.lines]
    gross = sum(open_posting(book, account, posting).amount for posting in pair.postings)
    difference = gross - sum(line.amount for line in lines)
    fair = difference == pair.difference and slack.allows(gross, len(pair.postings), difference)
    if not fair or not _is_match(lines, pair.postings):
        raise MatchRefused(
            "The sums differ.", reason="sums_differ", expected=pair.difference, got=difference
        )
    return lines


def _is_match(lines: Sequence[StatementLine], postings: Sequence[PostingKey]) -> bool:
    """Each named once, and more than one thing."""
    several = len(lines) + len(postings) > 1
    once = len({(line.statement, line.number) for line in lines}) == len(lines)
    return several and once and len({posting[:2] for posting in postings}) == len(postings)


def foresee(
    book: Book, account: Account, lines: Sequence[LineKey], postings: Sequence[PostingKey]
) -> None:
    """Have all rows loaded at once that matching looks at."""
    book.expect(
        [
            (Reconciled, account.id),
            *((Statement, name) for name in dict.fromkeys(name for name, _ in lines)),
            *((StatementLine, line) for line in lines),
            *((cls, (account.id, *p[:2])) for p in postings for cls in (Posting, PairedPosting)),
        ]
    )
    known = [book.peek(StatementLine, line) for line in lines]
    paired = [book.peek(PairedPosting, (account.id, *posting[:2])) for posting in postings]
    names = {row.exception for row in (*known, *paired) if row is not None and row.exception}
    book.expect([(ReconException, name) for name in sorted(names)])


# ── what people say ──────────────────────────────────────────────────────────────────


@VERBS.handles(MatchLines, roles=_STAFF)
def match_lines(book: Book, command: MatchLines) -> MatchState:
    """Errors: `StatementNotFound`, `EntryNotFound`, `LineMatched`, `PeriodClosed`, `Invalid`;
    `MatchRefused` with `reason`: sums_differ, other_account, other_currency; `ApprovalRequired`.
    """
    reason = rules.checked_text(command.reason, "reason", 500)
    count = len(command.lines) + len(command.entries)
    if not command.lines or not 1 < count <= _MOST_BY_HAND:
        raise Invalid(
            "Name a line, and what it belongs to.",
            expected=f"1 or more lines, and at most {_MOST_BY_HAND} lines and entries",
            got=count,
        )
    first = line_of(book, command.lines[0])
    account = book.account(first.account_id)
    lines = [open_line(book, account, line_key_of(name)) for name in command.lines]
    postings = [key for name in command.entries for key in _postings_of(book, account, name)]
    if not _is_match(lines, postings):
        raise Invalid("Name each line and entry once.", expected="different ones")
    amounts = [open_posting(book, account, posting).amount for posting in postings]
    told = _told(book, account, lines, postings)
    difference = sum(amounts) - sum(line.amount for line in lines)
    if difference and command.against is None:
        raise MatchRefused(
            "The sums differ; say against which account the difference goes.",
            reason="sums_differ",
            expected=sum(amounts),
            got=sum(amounts) - difference,
        )
    check_four_eyes(book, account, abs(difference))
    match = _match(
        book,
        account,
        lines,
        postings,
        difference=difference,
        against=command.against or FEES,
        source=command.source,
        rule="by hand",
        score=100,
        why=[reason],
    )
    _look_again(book, account, told, match)
    return rules.match_state(match)


@VERBS.handles(Adjust, roles=_STAFF)
def adjust(book: Book, command: Adjust) -> MatchState:
    """Errors: `StatementNotFound`, `LineMatched`, `PeriodClosed`, `Invalid`, `ApprovalRequired`;
    `MatchRefused` for a line in another currency; those of `enter`.
    """
    reason = rules.checked_text(command.reason, "reason", 500)
    line = line_of(book, command.line)
    account = book.account(line.account_id)
    line = open_line(book, account, (line.statement, line.number))
    check_four_eyes(book, account, abs(line.amount))
    told = _told(book, account, [line], [])
    match = _match(
        book,
        account,
        [line],
        [],
        difference=-line.amount,
        against=command.against,
        source=command.source,
        rule="adjusted",
        score=100,
        why=[reason],
    )
    _look_again(book, account, told, match)
    return rules.match_state(match)


@VERBS.handles(Unmatch, roles=_STAFF)
def unmatch(book: Book, command: Unmatch) -> MatchState:
    """Errors: `StatementNotFound`, `InvalidTransition` for one that was taken apart before,
    `PeriodClosed`, `Invalid`, `ApprovalRequired`; those of `enter`.
    """
    reason = rules.checked_text(command.reason, "reason", 500)
    match = book.peek(Match, command.match) if rules.fits(command.match, 100) else None
    if match is None:
        raise StatementNotFound("No such match.", got=command.match[:100])
    if match.undone_at is not None:
        raise InvalidTransition(f"{match.id} was taken apart.", expected="a match that stands")
    if match.rule == _TAKEN_BACK:
        raise InvalidTransition("What was taken back stays so.", expected="a match with lines")
    account = book.account(match.account_id)
    foresee(book, account, match.lines, match.postings)
    if not match.lines:
        _check_netted(book, account, match)
    for name in match.lines:
        line = book.get(StatementLine, name)
        _check_period(book, account, line)
        book.change(line, status="open", match=None, open_account=account.id)
    for posting in match.postings:
        paired = book.get(PairedPosting, (account.id, *posting[:2]))
        book.change(paired, match=None)
    if match.entry is not None:
        check_four_eyes(book, account, abs(match.difference))
        _take_back(book, account, match, reason)
    match = book.change(match, undone_by=str(book.actor), undone_at=book.now, reason=reason)
    _free(book, account)
    return rules.match_state(match)


def _check_netted(book: Book, account: Account, match: Match) -> None:
    """Entries that cancel out have no line to tell their day by: what was known when the last
    period was closed may be in it. Errors: `PeriodClosed`.
    """
    last = book.get(Reconciled, account.id).last_period
    period = book.get(Period, last) if last is not None else None
    if period is not None and match.at <= period.closed_at:
        raise PeriodClosed(
            f"{match.id} was netted before {account.code} was closed up to {period.to_on}.",
            expected=f"open {period.id} again",
            got=match.id,
        )


def _told(
    book: Book, account: Account, lines: Sequence[StatementLine], postings: Sequence[PostingKey]
) -> list[ReconException]:
    """The exceptions that name these."""
    rows = [book.peek(PairedPosting, (account.id, *posting[:2])) for posting in postings]
    names = [row.exception for row in (*lines, *rows) if row is not None and row.exception]
    return [book.get(ReconException, name) for name in dict.fromkeys(names)]


def _look_again(book: Book, account: Account, told: Sequence[ReconException], match: Match) -> None:
    """What a person leaves of exceptions that a match ends is free: no period closes over it
    before a run has looked at it.
    """
    matched = {*map(tuple, match.lines), *(tuple(posting) for posting in match.postings)}
    named = {tuple(key) for each in told for key in (each.line, *each.postings) if key}
    if not named <= matched:
        _free(book, account)


def _free(book: Book, account: Account) -> None:
    book.change(book.get(Reconciled, account.id), freed_at=book.now)


def _take_back(book: Book, account: Account, match: Match, reason: str) -> None:
    """The difference that a match had posted: the other way round, and the two are netted."""
    entry = book.get(Entry, entry_key(match.entry or "") or (0, 0))
    legs = msgspec.json.decode(entry.legs, type=list[tuple[int, int]])
    moved = enter(
        book,
        [(number, -amount) for number, amount in legs],
        type="adjustment",
        source=source_of(book, entry.source),
        reference=match.id,
        note=reason,
    )
    posted = _posted(book, legs, account)
    net = [match.postings[-1], posted]
    _keep(
        book,
        account,
        [],
        net,
        difference=0,
        entry=moved.id,
        rule=_TAKEN_BACK,
        score=100,
        why=[f"{match.id} was taken apart"],
    )


# ── looking again ────────────────────────────────────────────────────────────────────


def line_key_of(name: str) -> LineKey:
    """Errors: `StatementNotFound` for what is no line's id."""
    key = line_key(name) if rules.fits(name, 100) else None
    if key is None:
        raise StatementNotFound("No such line.", expected="such as stm_0400/1", got=name[:100])
    return key


def line_of(book: Book, name: str) -> StatementLine:
    """A line by its id. Errors: `StatementNotFound`."""
    line = book.peek(StatementLine, line_key_of(name))
    if line is None:
        raise StatementNotFound(f"No line {name[:100]!r}.", got=name[:100])
    return line


def open_line(book: Book, account: Account, key: LineKey) -> StatementLine:
    """A line of this account that waits for a partner.

    Errors: `StatementNotFound`, `LineMatched`, `PeriodClosed`; `MatchRefused` for one of another
    account, in another currency, or of a statement that is not here wholly.
    """
    line = book.peek(StatementLine, key)
    if line is None:
        raise StatementNotFound(f"No line {line_id(key)[:100]!r}.", got=line_id(key)[:100])
    if line.account_id != account.id:
        raise MatchRefused("The line is of another account.", reason="other_account")
    if line.currency != account.unit:
        raise MatchRefused(
            "The line is in another currency.",
            reason="other_currency",
            expected=account.unit,
            got=line.currency,
        )
    if line.status not in _OPEN:
        raise LineMatched(f"{line_id(key)} is {line.status}.", got=line.match or line.status)
    status = book.get(Statement, line.statement).status
    if status != "imported":
        raise MatchRefused(
            f"The statement is {status}.", reason=status, expected="imported", got=status
        )
    _check_period(book, account, line)
    return line


def _check_period(book: Book, account: Account, line: StatementLine) -> None:
    """Errors: `PeriodClosed`, unless the line was carried out of it."""
    closed = book.get(Reconciled, account.id).closed_on
    if closed is None or line.booked_on > closed:
        return
    found = book.peek(ReconException, line.exception) if line.exception else None
    if found is None or found.carried is None:
        raise PeriodClosed(
            f"{account.code} is closed up to {closed}.",
            expected=f"after {closed}",
            got=line.booked_on,
        )


def open_posting(book: Book, account: Account, key: PostingKey) -> Posting:
    """A posting of this account that waits for a partner.

    Errors: `EntryNotFound`, `LineMatched`.
    """
    seq, leg, entry = key
    posting = book.peek(Posting, (account.id, seq, leg))
    if posting is None or posting.entry != entry:
        raise EntryNotFound("No such posting.", got=[seq, leg, entry])
    paired = book.peek(PairedPosting, (account.id, seq, leg))
    if paired is not None and (paired.match is not None or paired.dismissed):
        name = rules.entries_of([key])[0]
        raise LineMatched(f"{name} is spoken for.", got=paired.match or paired.exception)
    return posting


def _postings_of(book: Book, account: Account, name: str) -> list[PostingKey]:
    """What an entry posted on the account and nobody has matched.

    Errors: `EntryNotFound`, `MatchRefused`, `LineMatched`.
    """
    key = entry_key(name)
    entry = book.peek(Entry, key) if key else None
    if entry is None:
        raise EntryNotFound(f"No entry {name[:60]!r}.", got=name[:60])
    legs = msgspec.json.decode(entry.legs, type=list[tuple[int, int]])
    found = [
        (entry.seq, leg, entry.entry)
        for leg, (number, _) in enumerate(legs, entry.first_leg)
        if number == account.id
    ]
    if not found:
        raise MatchRefused(
            f"{name} moved nothing on {account.code}.",
            reason="other_account",
            expected=account.code,
            got=name,
        )
    paired = {posting: book.peek(PairedPosting, (account.id, *posting[:2])) for posting in found}
    free = [key for key, row in paired.items() if row is None or not (row.match or row.dismissed)]
    return free or found


# ── keeping ──────────────────────────────────────────────────────────────────────────


def _match(
    book: Book,
    account: Account,
    lines: Sequence[StatementLine],
    postings: Sequence[PostingKey],
    *,
    difference: int,
    against: str,
    source: str,
    rule: str,
    score: int,
    why: list[str],
) -> Match:
    """Post the difference, if there is one, and keep the match. Errors: those of `enter`."""
    entry, keys = None, list(postings)
    if difference:
        other = other_side(book, against, account.unit)
        if other.id == account.id:
            raise Invalid("A difference goes on another account.", got=against[:100])
        legs = [(account.id, -difference), (other.id, difference)]
        moved = enter(
            book,
            legs,
            type="adjustment",
            source=source_of(book, source),
            reference=line_id((lines[0].statement, lines[0].number)) if lines else None,
            note=why[0] if why else None,
        )
        entry = moved.id
        keys.append(_posted(book, legs, account))
    return _keep(
        book,
        account,
        lines,
        keys,
        difference=difference,
        entry=entry,
        rule=rule,
        score=score,
        why=why,
    )


def _posted(book: Book, legs: Sequence[tuple[int, int]], account: Account) -> PostingKey:
    """The posting on the account of the entry that was posted last."""
    rows = book.facts["postings"][-len(legs) :]
    row = next(row for row in rows if row[0] == account.id)
    return (row[1], row[2], row[3])


def _keep(
    book: Book,
    account: Account,
    lines: Sequence[StatementLine],
    postings: Sequence[PostingKey],
    *,
    difference: int,
    entry: str | None,
    rule: str,
    score: int,
    why: list[str],
) -> Match:
    adjusted = rule == "adjusted"
    own = 1 if difference else 0
    match = book.add(
        Match(
            id=book.new_id("mat"),
            account_id=account.id,
            account=account.code,
            unit=account.unit,
            exponent=account.exponent,
            kind="adjusted" if adjusted else rules.kind_of(len(lines), len(postings) - own),
            lines=[(line.statement, line.number) for line in lines],
            postings=list(postings),
            amount=sum(line.amount for line in lines),
            difference=difference,
            entry=entry,
            rule=rule,
            score=score,
            why=why,
            by=str(book.actor),
            at=book.now,
        )
    )
    for line in lines:
        close_exception(book, line.exception, "matched", match.id)
        status = "adjusted" if adjusted else "matched"
        book.change(line, status=status, match=match.id, open_account=None, exception=None)
    for posting in postings:
        _pair(book, account, posting, match)
    return match


def _pair(book: Book, account: Account, posting: PostingKey, match: Match) -> None:
    seq, leg, _ = posting
    paired = None if seq == book.seq else book.peek(PairedPosting, (account.id, seq, leg))
    if paired is None:
        new = PairedPosting(account.id, seq, leg, match.id, None, dismissed=False)
        book.add(new)
        return
    close_exception(book, paired.exception, "matched", match.id)
    book.change(paired, match=match.id, exception=None)


def close_exception(book: Book, name: str | None, reason: str, by: str) -> None:
    """An exception whose line or posting has found its place is resolved.

    What else it named is free again: the next run looks at it.
    """
    found = book.peek(ReconException, name) if name else None
    if found is None or found.status != "open":
        return
    book.change(
        found,
        status="resolved",
        open_account=None,
        closed_at=book.now,
        closed_by=by,
        reason=reason,
    )
    line = book.peek(StatementLine, found.line) if found.line else None
    if line is not None and line.exception == name:
        status = "open" if line.status == "excepted" else line.status
        book.change(line, exception=None, status=status)
    for seq, leg, _ in found.postings:
        paired = book.peek(PairedPosting, (found.account_id, seq, leg))
        if paired is not None and paired.exception == name:
            book.change(paired, exception=None)
