"""Nothing is lost over the end of a period: late lines, money on its way, what is taken apart."""

import msgspec
import pytest

from khata import KhataError
from khata.domain import ledger, reconciliation, setup
from khata.domain.reconciliation import (
    ClosePeriod,
    LineIn,
    MatchLines,
    ResolveException,
    Unmatch,
)
from tests.builders import FINANCE, Clock, refused
from tests.reconcilers import BANK, a_bank, left, moved, only_match, run, statement, today

DAYS = 86_400


def close(book, day, *, carry=False):
    return book.submit(ClosePeriod(BANK, "BDT", day, "month end", carry), actor=FINANCE).result


def test_a_line_of_closed_days_that_comes_later(database_url):
    """It is an exception that somebody can resolve, and the next period closes."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        moved(book, "1.00", "pay_0001")
        first = today(book)
        book.submit(statement(book, "1", ("1.00", "pay_0001")))
        clock.pass_by(DAYS)
        run(book)
        close(book, first)
        late = LineIn("3.00", first, reference="late")
        book.submit(statement(book, "2", late, opening="1.00"))
        second = today(book)
        clock.pass_by(DAYS)
        for _ in range(2):
            run(book)
            assert left(book) == [("out_of_period", "3.00")]
        (found,) = book.query(reconciliation.exceptions).items
        assert found.carried is not None
        assert close(book, second, carry=True).carried == 1
        run(book)
        book.submit(ResolveException(found.id, "booked"), actor=FINANCE)
        assert (run(book).opened, left(book)) == (0, [])


def test_what_is_on_its_way_when_a_period_closes(database_url):
    """Money in transit is due after the close as before, and a carried exception keeps its entry
    however old that is.
    """
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        book.submit(setup.Set("reconciliation", {"transit_days": 2}))
        moved(book, "100.00", "pay_0001")
        book.submit(statement(book, "1", ("7.00", "x")))
        clock.pass_by(19 * DAYS)
        moved(book, "50.00", "pay_0002")
        book.submit(statement(book, "2", ("90.00", "pay_0001"), opening="7.00"))
        last = today(book)
        clock.pass_by(DAYS)
        run(book)
        known = [("missing_in_book", "7.00"), ("amount_differs", "-10.00")]
        assert left(book) == known
        close(book, last, carry=True)
        run(book)
        assert left(book) == known
        for number in (3, 4, 5):
            clock.pass_by(DAYS)
            book.submit(statement(book, str(number), opening="97.00"))
        run(book)
        assert sorted(left(book)) == sorted([*known, ("missing_in_statement", "-50.00")])


def test_what_people_take_apart_is_looked_at_before_a_period_closes(database_url):
    """An entry that lost its line is an exception first."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        moved(book, "5.00", "pay_0001")
        other = moved(book, "5.00", "pay_0002")
        third = moved(book, "9.00", "pay_0003")
        day = today(book)
        made = book.submit(statement(book, "1", ("5.00", "pay_0001"), ("8.00", "pay_0003"))).result
        clock.pass_by(DAYS)
        run(book)
        assert sorted(left(book)) == [
            ("amount_differs", "-1.00"),
            ("missing_in_statement", "-5.00"),
        ]
        clock.pass_by(1)
        book.submit(Unmatch(only_match(book).id, "another one"), actor=FINANCE)
        book.submit(MatchLines([f"{made.id}/1"], [other], "this one"), actor=FINANCE)
        command = ClosePeriod(BANK, "BDT", day, "month end", carry=True)
        assert refused(book, command, actor=FINANCE).code == "invalid_transition"
        run(book)
        clock.pass_by(1)
        fourth = book.submit(ledger.Reverse(third, "typed wrongly")).result.id
        lines, entries = [f"{made.id}/2"], [other, fourth]
        assert refused(book, MatchLines(lines, entries, "no"), actor=FINANCE).code != "broken"
        # the exception named an entry beside the line: that is free when the line finds another
        fee = MatchLines(lines, [moved(book, "8.00")], "booked again")
        book.submit(fee, actor=FINANCE)
        assert refused(book, command, actor=FINANCE).code == "invalid_transition"
        clock.pass_by(1)
        run(book)
        close(book, day, carry=True)
        netted = book.query(reconciliation.matches, kind="netted").items[0]
        assert refused(book, Unmatch(netted.id, "no")).code == "period_closed"
        assert left(book) == [("missing_in_statement", "-5.00")]


def test_a_number_comes_again(database_url):
    """In another year it is another statement; twice in one file it is refused, not passed over."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        file = {"digest": "a" * 64}
        first = book.submit(statement(book, "1", ("5.00", "x"), **file)).result
        second = statement(book, "1", ("1.00", "y"), ("2.00", "z"), opening="5.00", **file)
        with pytest.raises(KhataError) as caught:
            book.submit(second)
        assert caught.value.details["reason"] == "other_content"
        again = statement(book, "1", ("5.00", "x"), opening="5.00", **file)
        assert book.submit(again).result == first  # balances may be those that the book knows
        clock.pass_by(366 * DAYS)
        later = statement(book, "1", ("5.00", "x"), opening="5.00", digest="b" * 64)
        assert book.submit(later).result.id != first.id


def test_a_reference_that_refers_to_nothing_tells_no_copies(database_url):
    """Two cash deposits alike are two, whatever the bank writes where there is no reference."""
    with a_bank(database_url) as book:
        entries = [moved(book, "5.00") for _ in range(2)]
        line = LineIn("5.00", today(book), reference="NONREF", text="cash")
        book.submit(statement(book, "1", line, msgspec.structs.replace(line)))
        assert (run(book).matched, left(book)) == (2, [])
        found = book.query(reconciliation.matches).items
        assert sorted(each.entries[0] for each in found) == sorted(entries)


def test_a_fee_that_cannot_be_posted_stops_nothing_else(database_url):
    """Its pair waits; all others are matched, and what is wrong is told."""
    with a_bank(database_url) as book:
        book.submit(setup.Set("reconciliation", {"fees": {BANK: {"points": 500}}}))
        for name in ("pay_0001", "pay_0002"):
            moved(book, "100.00", name)
        moved(book, "1.00", against=reconciliation.FEES)
        book.submit(ledger.FreezeAccount(reconciliation.FEES, "audit"))
        book.submit(statement(book, "1", ("97.00", "pay_0001"), ("100.00", "pay_0002")))
        done = run(book)
        assert (done.matched, done.skipped) == (1, 3)
        assert left(book) == [("missing_in_statement", "-1.00")]
        book.submit(ledger.UnfreezeAccount(reconciliation.FEES, "done"))
        assert (run(book).matched, len(left(book))) == (1, 1)
