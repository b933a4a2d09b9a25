"""Statements of banks from a file to the last exception, against a real book."""

from collections import Counter

import msgspec
import pytest

from khata.base.clock import to_iso
from khata.domain import reconciliation, setup, wallets
from khata.edge.files.statements import FORMATS
from khata.edge.files.statements.generating import DEFECTS, drawn, make_sample
from khata.edge.files.statements.importing import How, import_file
from khata.edge.files.statements.writing import sample_mapping, write_statement
from khata.edge.working.jobs import jobs
from khata.edge.working.reconciling import run as reconcile
from khata.errors import Invalid
from khata.errors.operations import StatementRefused
from tests.builders import ALICE, Clock, a_book, bdt, discrepancies

CASH = "cash/main"
DAY = 86_400


def a_day(book, clock, number):
    """A day of movements on the account, some of them with the same reference or amount."""
    clock.pass_by(DAY)
    for n in range(9):
        of = "eid" if n < 2 else f"سفارش {number}-{n}"
        money = bdt(f"{100 + n}.50")
        book.submit(wallets.Credit(ALICE, money, reference=of, note=f"ঈদ মোবারক {n}"))
    book.submit(wallets.Debit(ALICE, bdt("55.55"), reference=f"pay out {number}"))
    return to_iso(clock.now)[:10]


def exceptions(book):
    return book.query(reconciliation.exceptions, status="open", limit=1000).items


def test_as_many_exceptions_as_there_are_defects(database_url):
    """Five defects in a statement of each format: five exceptions, of the classes planted."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="1000.00") as book:
        opening, known = None, Counter()
        for number, format_ in enumerate(FORMATS):
            day = a_day(book, clock, number)
            with book.view() as view:
                made = make_sample(
                    view, CASH, number=str(number), since=day, until=day, opening=opening,
                    defects=drawn(5, number), seed=number,
                )  # fmt: skip
            how = How(mapping=sample_mapping(made.statement))
            raw = write_statement(made.statement, format_)
            tried = import_file(book, raw, CASH, how, dry_run=True)
            assert tried.statements[0].received == len(made.statement.lines)
            found = import_file(book, raw, CASH, how)
            clock.pass_by(1)
            again = import_file(book, raw, CASH, how)
            assert (found.lines, again.lines) == (len(made.statement.lines), 0)
            assert again.statements == found.statements
            clock.pass_by(DAY)
            assert reconcile(book).opened == 5
            now = Counter(item.cls for item in exceptions(book))
            assert now - known == Counter(item.cls for item in made.planted), format_
            known, opening = now, made.statement.closing
            assert reconcile(book).opened == 0
        assert set(known) == set(DEFECTS)
        assert discrepancies(book) == []


def test_a_long_file_comes_in_pieces_and_goes_on_where_it_was(database_url, monkeypatch):
    """An import that dies after two portions brings only the rest the next time."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="1000.00") as book:
        a_day(book, clock, 0)
        with book.view() as view:
            made = make_sample(view, CASH)
        monkeypatch.setattr("khata.edge.files.statements.importing.CHUNK", 4)
        monkeypatch.setattr("khata.edge.files.statements.importing._AT_ONCE", 1)
        raw = write_statement(made.statement, "camt.053")
        told = []

        def stop(done, total):
            told.append((done, total))
            if done == 8:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_file(book, raw, CASH, progress=stop)
        clock.pass_by(1)
        found = import_file(book, raw, CASH)
        assert (told, found.lines) == ([(8, 11)], 3)
        assert (found.statements[0].status, found.statements[0].received) == ("imported", 11)


def test_what_a_file_does_not_say_is_asked_for(database_url):
    """Balances come from the file, the caller, or the statement before; else it is refused."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="1000.00") as book:
        mapping = sample_mapping(_of(book))
        bare = How(mapping=msgspec.structs.replace(
            mapping, opening=None, closing=None, number=None))  # fmt: skip
        raw = write_statement(_of(book), "csv")
        with pytest.raises(StatementRefused) as caught:
            import_file(book, raw, CASH, bare)
        assert caught.value.details["reason"] == "balance"
        how = msgspec.structs.replace(bare, opening="0", number="A")
        assert import_file(book, raw, CASH, how).statements[0].closing == "1000.00"
        # the next one begins where that one ended
        clock.pass_by(DAY)
        book.submit(wallets.Credit(ALICE, bdt("1.00")))
        with book.view() as view:
            later = make_sample(view, CASH, since=to_iso(clock.now)[:10])
        found = import_file(book, write_statement(later.statement, "csv"), CASH, bare)
        assert (found.statements[0].opening, found.statements[0].closing) == ("1000.00", "1001.00")
        with pytest.raises(Invalid), book.view() as view:
            make_sample(view, CASH, defects=drawn(9, 1))


def test_the_daily_job_reconciles(database_url):
    """The job of the schedule, under its name there, done twice for one slot."""
    with a_book(database_url, alice="1000.00") as book:
        import_file(book, write_statement(_of(book), "mt940"), CASH)
        job = jobs(None)["reconciliation"]
        job(book, book.clock())
        job(book, book.clock())
        again, first = book.query(reconciliation.runs).items
        assert (first.matched, again.matched) == (1, 0)
        assert first.asked_by.startswith("schedule")
        assert set(jobs(None)) == set(setup.JOBS)


def _of(book):
    with book.view() as view:
        return make_sample(view, CASH).statement
