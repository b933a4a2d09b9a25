"""Financial statements: as of any day in a time zone, balanced to the minor unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Money
from khata.base.clock import DAY, from_iso
from khata.domain import ledger, setup, wallets
from khata.domain.ledger import LegIn, PostEntry
from khata.edge import reporting
from khata.errors import Invalid, NotYours
from tests.builders import ALICE, Clock, a_book, bdt, owner
from tests.conftest import examples

MIDNIGHT = from_iso("2026-01-31T18:00:00Z")
"""Of the first of February, in Dhaka."""


def post(book, debit, credit, amount, currency="BDT"):
    money = Money(amount, currency)
    legs = [LegIn(debit, debit=money), LegIn(credit, credit=money)]
    book.submit(PostEntry(legs, "adjustment"))


def lines(found):
    return {line.account: line.amount for line in found}


def test_a_day_ends_at_its_own_midnight(database_url):
    """What is entered a microsecond before is in the day, what is entered then is not."""
    clock = Clock(MIDNIGHT - 1)
    with a_book(database_url, clock=clock, alice="100.00") as book:
        post(book, "cash/main", "equity/capital", "50.00")
        post(book, "expense/rent", "cash/main", "20.00")
        clock.now = MIDNIGHT
        post(book, "cash/main", "revenue/fee", "7.00")
        post(book, "receivable/dhaar", "cash/main", "5.00")
        with book.view() as view:
            january = reporting.balance_sheet(view, "2026-01-31")
            (sheet,) = january.items
            assert (january.time_zone, january.until) == (
                "Asia/Dhaka",
                "2026-01-31T18:00:00.000000Z",
            )
            assert lines(sheet.assets) == {"cash/main": "130.00"}
            assert lines(sheet.liabilities) == {"wallet": "100.00"}
            assert (sheet.total_equity, sheet.result, sheet.balanced) == ("50.00", "-20.00", True)
            # in New York the last of January goes on for eleven hours more
            (sheet,) = reporting.balance_sheet(view, "2026-01-31", "America/New_York").items
            assert (sheet.total_assets, sheet.result) == ("137.00", "-13.00")
            (first,) = reporting.income_statement(view, "2026-01-31").items
            (second,) = reporting.income_statement(view, "2026-02-01", None, "2026-02-01").items
            (whole,) = reporting.income_statement(view).items
            assert [(one.result, one.balanced) for one in (first, second, whole)] == [
                ("-20.00", True),
                ("7.00", True),
                ("-13.00", True),
            ]
            assert (lines(second.revenue), lines(second.expenses)) == ({"revenue/fee": "7.00"}, {})
            trial = reporting.trial_balance(view, "2026-01-31")
            assert {line.code: line.balance for line in trial.items}["cash/main"] == "130.00"
            assert reporting.balance_sheet(view, "2026-01-30").items == []
            for wrong in (
                {"on": "31 January"},
                {"on": "2026-01-31", "zone": "Dhaka"},
                {"on": "2026-01-31", "first": "2026-02-02"},
            ):
                with pytest.raises(Invalid):
                    reporting.income_statement(view, **wrong)
        with book.view(owner("alice")) as view:
            for ask in (
                reporting.trial_balance,
                reporting.balance_sheet,
                reporting.income_statement,
            ):
                with pytest.raises(NotYours):
                    ask(view)


ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["cash/main", "bank/b", "expense/x", "receivable/r", "inventory/i"]),
        st.sampled_from(["revenue/f", "payable/p", "equity/e", f"wallet/{ALICE}", "clearing/c"]),
        st.integers(1, 10**9),
        st.sampled_from(["BDT", "JPY"]),
    ),
    max_size=15,
)


@given(entries=ENTRIES, day=st.integers(0, 6))
@examples(4)
def test_statements_of_any_day_balance(database_url, entries, day):
    """Whatever was entered when: both statements balance, and two periods add up to the whole."""
    clock = Clock(MIDNIGHT)
    with a_book(database_url, clock=clock) as book:
        if not book.query(wallets.wallets).items:
            book.submit(wallets.OpenWallet("alice", "BDT"))
        for late, debit, credit, minor, currency in sorted(entries):
            clock.now = max(clock.now, MIDNIGHT + late * DAY)
            if credit.startswith("wallet"):
                currency = "BDT"  # noqa: PLW2901 - that of the wallet
            amount = f"{minor // 100}.{minor % 100:02}" if currency == "BDT" else str(minor)
            post(book, debit, credit, amount, currency)
        at = MIDNIGHT + day * DAY
        with book.view() as view:
            assert all(sheet.balanced for sheet in ledger.balance_sheet(view, at))
            early = ledger.income_statement(view, until=at)
            late = ledger.income_statement(view, since=at)
            whole = ledger.income_statement(view)
            assert all(one.balanced for one in (*early, *late, *whole))
            results = {one.currency: minor_of(one.result) for one in whole}
            for one in early:
                results[one.currency] -= minor_of(one.result)
            for one in late:
                results[one.currency] -= minor_of(one.result)
            assert not any(results.values())
            assert setup.schedules(view).time_zone == "Asia/Dhaka"


def minor_of(text):
    return int(text.replace(".", ""))


def test_amounts_of_a_whole_currency(database_url):
    """Escrows and wallets by the thousand are a line together; amounts keep their decimals."""
    with a_book(database_url, clock=Clock(), alice="1.00", bob="2.00") as book:
        post(book, "cash/main", "escrow/a", "1.00")
        post(book, "cash/main", "escrow/b", "2.00")
        book.submit(wallets.Credit(ALICE, bdt("0.01")))
        (sheet,) = book.query(ledger.balance_sheet)
        assert lines(sheet.liabilities) == {"escrow": "3.00", "wallet": "3.01"}
