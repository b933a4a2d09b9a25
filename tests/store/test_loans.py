"""Loans: granted, repaid by hand and out of earnings, overdue, written off; floats for movers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import KhataError, Money
from khata.base.clock import DAY, to_iso
from khata.base.money import to_minor, to_text
from khata.domain import debts, khata, ledger, loans, setup, wallets
from khata.domain.debts import RepayDebt, SetNetting
from khata.domain.loans import AdvanceFloat, GrantLoan, MarkOverdue, RepayLoan, WriteOffLoan
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    SERVICE,
    START,
    SUPPORT,
    Clock,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.conftest import examples
from tests.lenders import Earn, Owe, a_lender, approved, owed
from tests.store.test_debts import events
from tests.store.test_queries_plans import plans_of

DAYS = 86_400


def granted(book, amount="1000.00", *, wallet=ALICE, **terms):
    """A new loan: four instalments, a week each, unless told otherwise."""
    usual = {"instalments": 4, "every_days": 7, "first_due_in_days": 7, "fee": bdt("50.00")}
    return book.submit(GrantLoan(wallet, bdt(amount), **(usual | terms))).result


def seen(book, name):
    """(status, outstanding, overdue, next due) of a loan now."""
    found = book.query(loans.loan, name).loan
    return found.status, found.outstanding, found.overdue, found.next_due


def at(days):
    return to_iso(START + days * DAY)


# ── granting ─────────────────────────────────────────────────────────────────────────


def test_a_loan_is_paid_out_with_its_schedule(database_url):
    """The wallet gets the principal, the house counts the fee as earned, the parts add up."""
    with a_lender(database_url, clock=Clock(), alice="0") as book:
        made = granted(book, "1000.01", reference="eid")
        assert (made.status, made.outstanding, made.principal_outstanding) == (
            "open",
            "1050.01",
            "1000.01",
        )
        assert balance(book) == "1000.01"
        assert owed(book, "receivable/dhaar/alice") == "1050.01"
        assert owed(book, "revenue/loan_fees") == "50.00"
        statement = book.query(loans.loan, made.id)
        assert [(part.due_at, part.principal, part.fee) for part in statement.instalments] == [
            (at(7), "250.01", "12.50"),
            (at(14), "250.00", "12.50"),
            (at(21), "250.00", "12.50"),
            (at(28), "250.00", "12.50"),
        ]
        assert (made.next_due_at, made.next_due) == (at(7), "262.51")
        entry = book.query(ledger.entry, made.entry)
        assert (entry.type, entry.source, entry.reference) == ("loan", "dhaar_loan", "eid")
        (line,) = book.query(khata.khata_book, "alice").items
        assert (line.kind, line.amount) == ("loan_taken", "1000.01")
        debt = book.query(debts.debt, made.debt)
        assert (debt.kind, debt.reference, debt.fee) == ("dhaar_loan", made.id, "50.00")
        ((who, subject, data),) = events(book, "loan.granted")
        assert (who, subject) == ("alice", made.id)
        assert '"amount":"1000.01"' in data
        assert discrepancies(book) == []


def test_what_is_not_granted(database_url):
    """Amounts and terms that make no sense, wallets that are none, people who may not."""
    with a_lender(database_url, alice="0") as book:
        ten = bdt("10.00")
        for command, code in (
            (GrantLoan(ALICE, bdt("0.00")), "invalid_amount"),
            (GrantLoan(ALICE, bdt("-1.00")), "invalid_amount"),
            (GrantLoan(ALICE, bdt("1.001")), "too_many_decimals"),
            (GrantLoan(ALICE, Money("1.00", "USD")), "currency_mismatch"),
            (GrantLoan(ALICE, ten, fee=bdt("-1.00")), "invalid_amount"),
            (GrantLoan(ALICE, ten, fee=Money("0", "USD")), "currency_mismatch"),
            (GrantLoan(ALICE, ten, instalments=0), "invalid_input"),
            (GrantLoan(ALICE, ten, instalments=121), "invalid_input"),
            (GrantLoan(ALICE, bdt("0.03"), instalments=4), "invalid_input"),
            (GrantLoan(ALICE, ten, every_days=0), "invalid_input"),
            (GrantLoan(ALICE, ten, every_days=367), "invalid_input"),
            (GrantLoan(ALICE, ten, first_due_in_days=0), "invalid_input"),
            (GrantLoan(ALICE, ten, first_due_in_days=367), "invalid_input"),
            (GrantLoan(ALICE, ten, reference="r" * 501), "invalid_input"),
            (GrantLoan("carol/personal/BDT", ten), "wallet_not_found"),
            (GrantLoan("clearing/order", ten), "account_not_found"),
            (AdvanceFloat(ALICE, bdt("0")), "invalid_amount"),
            (AdvanceFloat(ALICE, ten, reference="r" * 501), "invalid_input"),
            (AdvanceFloat("carol/rider/BDT", ten), "wallet_not_found"),
        ):
            assert refused(book, command).code == code, command
        for who in (owner("alice"), SUPPORT):
            for command in (GrantLoan(ALICE, ten), AdvanceFloat(ALICE, ten)):
                assert refused(book, command, actor=who).code == "role_required"
        assert (
            granted(book, "0.04", fee=bdt("0")).next_due,
            book.query(loans.loans).items[0].fee,
        ) == ("0.01", "0.00")


def test_staff_lend_much_only_with_a_second_person(database_url):
    """The fee counts too: that much is owed."""
    with a_lender(database_url, alice="0") as book:
        book.submit(setup.Set("four_eyes", {"BDT": "100.00"}))
        command = GrantLoan(ALICE, bdt("100.00"), fee=bdt("0.01"))
        assert refused(book, command, actor=FINANCE).code == "approval_required"
        assert (
            refused(book, AdvanceFloat(ALICE, bdt("100.01")), actor=ADMIN).code
            == "approval_required"
        )
        assert approved(book, command)["outstanding"] == "100.01"


def test_the_book_says_how_much_and_how_many(database_url):
    """`most`, `float_most` and `at_once`; a setting that makes no sense is told of."""
    with a_lender(database_url, alice="0") as book:
        policy = {"most": {"BDT": "100.00"}, "float_most": {"BDT": "30.00"}, "at_once": 2}
        book.submit(setup.Set("loans", policy))
        error = refused(book, GrantLoan(ALICE, bdt("100.01")))
        assert (error.code, error.details["reason"]) == ("loan_refused", "above_most")
        granted(book, "60.00")
        assert refused(book, GrantLoan(ALICE, bdt("40.01"))).details["got"] == "100.01"
        second = granted(book, "40.00", fee=None)
        book.submit(RepayLoan(second.id, bdt("10.00")))
        error = refused(book, GrantLoan(ALICE, bdt("1.00")))
        assert (error.code, error.details["reason"]) == ("loan_refused", "too_many")
        book.submit(AdvanceFloat(ALICE, bdt("29.99")))
        book.submit(AdvanceFloat(ALICE, bdt("0.01")))
        error = refused(book, AdvanceFloat(ALICE, bdt("0.01")))
        assert (error.code, error.details["reason"]) == ("loan_refused", "above_most")
        for wrong in ({"most": 5}, {"at_once": "two"}, {"x": 1}):
            book.submit(setup.Set("loans", wrong))
            assert refused(book, GrantLoan(ALICE, bdt("1.00"))).code == "invalid_input"
        book.submit(setup.Set("loans", {"most": {"BDT": "much"}, "at_once": 9}))
        assert refused(book, GrantLoan(ALICE, bdt("1.00"))).code == "invalid_amount"
        for name, grant in (("most", GrantLoan), ("float_most", AdvanceFloat)):
            book.submit(setup.Set("loans", {name: {"bdt": "100.00"}, "at_once": 9}))
            assert refused(book, grant(ALICE, bdt("1.00"))).code == "unknown_currency"


def test_who_is_overdue_gets_no_more(database_url):
    """From the very instant that an instalment is due, and until it is paid."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="500.00") as book:
        book.submit(setup.Set("loans", {"at_once": 3}))
        first = granted(book, "100.00", fee=None)
        clock.pass_by(7 * DAYS - 1)
        granted(book, "1.00")
        clock.pass_by(1)
        error = refused(book, GrantLoan(ALICE, bdt("1.00")))
        assert (error.details["reason"], error.details["loan"]) == ("overdue", first.id)
        book.submit(RepayLoan(first.id, bdt("25.00")))
        granted(book, "1.00")


# ── paying back ──────────────────────────────────────────────────────────────────────


def test_a_loan_is_repaid_in_the_order_of_its_instalments(database_url):
    """By hand and out of earnings; the statement names each with its entry."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="0") as book:
        made = granted(book, "100.00", fee=bdt("8.00"))
        clock.pass_by(8 * DAYS)
        assert seen(book, made.id) == ("overdue", "108.00", "27.00", "27.00")
        book.submit(Earn(ALICE, bdt("20.00")))
        assert seen(book, made.id) == ("overdue", "98.00", "17.00", "17.00")
        repaid = book.submit(RepayLoan(made.id, bdt("20.00")), actor=owner("alice")).result
        assert (repaid.status, repaid.next_due, repaid.next_due_at) == ("open", "24.00", at(14))
        statement = book.query(loans.loan, made.id)
        assert [part.outstanding for part in statement.instalments] == [
            "0.00",
            "24.00",
            "27.00",
            "27.00",
        ]
        assert [(item.way, item.amount, item.fee) for item in statement.repayments] == [
            ("by_hand", "20.00", "0.00"),
            ("netted", "10.00", "8.00"),
        ]
        types = [book.query(ledger.entry, item.entry).type for item in statement.repayments]
        assert types == ["repayment", "netting"]
        done = book.submit(RepayLoan(made.id, bdt("78.00"), ALICE)).result
        assert (done.status, done.outstanding, done.settled_at) == ("repaid", "0.00", at(8))
        clock.pass_by(90 * DAYS)
        assert seen(book, made.id) == ("repaid", "0.00", "0.00", None)
        assert owed(book, "receivable/dhaar/alice") == "0.00"
        assert discrepancies(book) == []


def test_what_is_not_taken_as_a_repayment(database_url):
    """Too much, from another's wallet, for another's loan, of none."""
    with a_lender(database_url, alice="0", bob="50.00") as book:
        made = granted(book, "100.00", fee=None)
        for command, code in (
            (RepayLoan(made.id, bdt("100.01")), "repayment_exceeded"),
            (RepayLoan(made.id, bdt("0")), "invalid_amount"),
            (RepayLoan(made.id, bdt("10.00"), BOB), "invalid_input"),
            (RepayLoan("loa_0000", bdt("10.00")), "loan_not_found"),
        ):
            assert refused(book, command).code == code
        for name, wallet in ((made.id, BOB), ("loa_0000", BOB), (made.id, None)):
            error = refused(book, RepayLoan(name, bdt("1.00"), wallet), actor=owner("bob"))
            assert error.code == "not_yours"


def test_a_float_is_settled_from_what_is_earned_next(database_url):
    """Wholly, before dhaar gets anything; what is left can be repaid by hand."""
    with a_lender(database_url, alice="0") as book:
        made = book.submit(AdvanceFloat(ALICE, bdt("500.00"), "shift 7"), actor=FINANCE).result
        assert (made.kind, made.status, made.next_due_at) == ("float", "open", None)
        assert owed(book, "receivable/mover_float/alice") == "500.00"
        granted(book, "100.00")
        book.submit(wallets.Debit(ALICE, bdt("600.00")))
        book.submit(Earn(ALICE, bdt("300.00")))
        assert balance(book) == "0.00"
        assert seen(book, made.id) == ("open", "200.00", "0.00", None)
        book.submit(Earn(ALICE, bdt("180.00")))
        book.submit(wallets.Credit(ALICE, bdt("20.00")))
        done = book.submit(RepayLoan(made.id, bdt("20.00")), actor=owner("alice")).result
        assert done.status == "repaid"
        assert book.query(debts.unexplained) == []


def test_a_loan_is_written_off_by_two_people(database_url):
    """A part counts to the instalments as a repayment does; the rest ends it."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="0") as book:
        made = granted(book, "100.00", fee=bdt("8.00"))
        command = WriteOffLoan(made.id, "flood", bdt("27.00"))
        assert refused(book, command, actor=FINANCE).code == "approval_required"
        assert refused(book, command, actor=SERVICE).code == "role_required"
        clock.pass_by(8 * DAYS)
        assert approved(book, command)["status"] == "open"
        done = approved(book, WriteOffLoan(made.id, "flood"))
        assert (done["status"], done["written_off"]) == ("written_off", "108.00")
        assert owed(book, "expense/bad_debt") == "108.00"
        gone = WriteOffLoan("loa_0000", "flood")
        assert refused(book, gone, actor=ADMIN).code == "loan_not_found"
        assert granted(book, "10.00").status == "open"


# ── overdue ──────────────────────────────────────────────────────────────────────────


def test_each_overdue_instalment_is_told_of_once(database_url):
    """Whoever looks, however often; what was paid in time is not told of."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="500.00", bob="0") as book:
        made, other = granted(book, "100.00", fee=None), granted(book, "40.00", wallet=BOB)

        def look():
            names = book.query(loans.due)
            marked = book.submit(MarkOverdue([*names, made.id]), actor=FINANCE).result
            return names, [state.id for state in marked.overdue]

        assert look() == ([], [])
        clock.pass_by(7 * DAYS)
        book.submit(RepayLoan(made.id, bdt("25.00")))
        assert look() == ([made.id, other.id], [other.id])
        assert look() == ([], [])
        clock.pass_by(14 * DAYS)
        assert look() == ([made.id, other.id], [made.id, other.id])
        ((_, first, _), (who, subject, data), _) = events(book, "loan.overdue")
        assert (first, who, subject) == (other.id, "alice", made.id)
        assert '"overdue":"50.00"' in data
        book.submit(RepayLoan(made.id, bdt("75.00")))
        clock.pass_by(70 * DAYS)
        assert look() == ([made.id, other.id], [other.id])
        assert look() == ([], [])


def test_many_loans_are_looked_at_in_one_go(database_url, monkeypatch):
    """What is known of them is fetched at once, not once for each: others wait meanwhile."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="0") as book:
        book.submit(setup.Set("loans", {"at_once": 40}))
        for _ in range(40):
            granted(book, "10.00", fee=None)
    clock.pass_by(8 * DAYS)
    asked = []
    look = loans.rules.standing
    monkeypatch.setattr(loans.rules, "standing", lambda *of: asked.append(of) or look(*of))
    with a_lender(database_url, clock=clock) as book:  # which knows nothing of them yet
        marked = book.submit(MarkOverdue(book.query(loans.due))).result
        assert len(marked.overdue) == 40
        assert len(asked) < 200


def test_only_staff_and_machines_look(database_url):
    """And at no more than 500 loans in one go, all of which there are."""
    with a_lender(database_url, alice="0") as book:
        assert refused(book, MarkOverdue([]), actor=owner("alice")).code == "role_required"
        assert refused(book, MarkOverdue(["loa_0000"])).code == "loan_not_found"
        assert refused(book, MarkOverdue(["x"] * 501)).code == "invalid_input"
        assert book.submit(MarkOverdue([])).result.overdue == []
        with book.view(owner("alice")) as view, pytest.raises(KhataError) as caught:
            loans.due(view)
        assert caught.value.code == "not_yours"


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_a_page_of_few_among_many_loans_is_not_sought_for_ever(database_url, monkeypatch):
    """After so many that do not fit the next page goes on; together the pages have them all."""
    monkeypatch.setattr(loans.queries, "_MOST_LOOKED_AT", 4)
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="0") as book:
        book.submit(setup.Set("loans", {"at_once": 20}))
        late = granted(book, "10.00")
        for _ in range(9):
            granted(book, "10.00", first_due_in_days=30)
        clock.pass_by(8 * DAYS)
        pages, cursor = [], None
        while not pages or cursor is not None:
            page = book.query(loans.loans, status="overdue", cursor=cursor)
            pages.append([item.id for item in page.items])
            cursor = page.next
        assert pages == [[], [], [late.id]]
        everyone = [item.id for item in book.query(loans.loans, limit=3).items]
        assert len(everyone) == 3


def test_loans_are_listed(database_url):
    """Newest first, by owner, kind and status as it is now, page by page; owners see their own."""
    clock = Clock()
    with a_lender(database_url, clock=clock, alice="100.00", bob="0") as book:
        book.submit(setup.Set("loans", {"at_once": 10}))
        late, paid, lost = (granted(book, "10.00", fee=None) for _ in range(3))
        book.submit(RepayLoan(paid.id, bdt("10.00")))
        approved(book, WriteOffLoan(lost.id, "gone"))
        book.submit(Owe(ALICE, "dhaar_loan", bdt("5.00")))
        clock.pass_by(6 * DAYS)
        fresh = granted(book, "10.00", wallet=BOB)
        advance = book.submit(AdvanceFloat(BOB, bdt("10.00"))).result
        clock.pass_by(2 * DAYS)

        def ids(**wanted):
            return [item.id for item in book.query(loans.loans, **wanted).items]

        newest = ids()
        assert newest == [advance.id, fresh.id, lost.id, paid.id, late.id]
        assert ids(status="overdue") == [late.id]
        assert ids(status="open") == [advance.id, fresh.id]
        assert (ids(status="repaid"), ids(status="written_off")) == ([paid.id], [lost.id])
        assert ids(kind="float") == [advance.id]
        assert ids(owner="bob", kind="dhaar") == [fresh.id]
        found, cursor = [], None
        while True:
            page = book.query(loans.loans, limit=2, cursor=cursor)
            found += [item.id for item in page.items]
            if (cursor := page.next) is None:
                break
        assert found == newest
        with book.view(owner("bob")) as view:
            assert len(loans.loans(view).items) == 2
            assert loans.loan(view, fresh.id).loan.id == fresh.id
        for ask, code in (
            (lambda view: loans.loan(view, late.id), "not_yours"),
            (lambda view: loans.loan(view, "loa_0000"), "not_yours"),
            (lambda view: loans.loans(view, owner="alice"), "not_yours"),
            (lambda view: loans.loans(view, status="late"), "invalid_input"),
            (lambda view: loans.loans(view, kind="gift"), "invalid_input"),
            (lambda view: loans.loans(view, limit=0), "invalid_input"),
            (lambda view: loans.loans(view, cursor="x"), "invalid_cursor"),
        ):
            with book.view(owner("bob")) as view, pytest.raises(KhataError) as caught:
                ask(view)
            assert caught.value.code == code
        with book.view() as view, pytest.raises(KhataError) as caught:
            loans.loan(view, "loa_\x00")
        assert caught.value.code == "loan_not_found"


def test_loans_are_read_through_keys(database_url):
    """No query walks a table."""
    with a_lender(database_url, alice="0") as book:
        made = granted(book)
        for ask in (
            lambda view: loans.loans(view, owner="alice"),
            lambda view: loans.loans(view, status="overdue"),
            lambda view: loans.loan(view, made.id),
            loans.due,
        ):
            for plan in plans_of(book, ask):
                assert "SCAN loans" not in plan, plan
                assert "Seq Scan" not in plan, plan


# ── whatever the order ───────────────────────────────────────────────────────────────

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grant", "float", "refund", "earn", "earn", "earn", "repay", "write_off", "spend"]
        ),
        st.integers(0, 3),
        st.integers(1, 5000),
        st.integers(0, 3),
    ),
    max_size=14,
)


@pytest.fixture
def lender(database_url):
    """One book for all cases of a property: each has owners of its own."""
    clock = Clock()
    with a_lender(database_url, clock=clock) as book:
        book.submit(setup.Set("loans", {"at_once": 3}))
        yield book, clock
        assert book.query(debts.unexplained) == []
        assert discrepancies(book) == []


class Case:
    """One owner with a wallet, of whom nobody knew before."""

    def __init__(self, book, clock):
        self.book, self.clock = book, clock
        self.name = f"o{len(book.query(wallets.wallets, limit=1000).items)}"
        self.path = f"{self.name}/personal/BDT"
        book.submit(wallets.OpenWallet(self.name, "BDT"))

    def attempt(self, command):
        (outcome,) = self.book.submit_many([command])
        if not isinstance(outcome, KhataError):
            return outcome.result
        assert outcome.code in {"loan_refused", "repayment_exceeded", "insufficient_funds"}
        return None

    def open(self):
        """The debts that are open, in the order of netting."""
        page = self.book.query(debts.debts, owner=self.name, status="open", limit=1000)
        order = list(debts.KINDS)
        return sorted(page.items, key=lambda d: (order.index(d.kind), d.opened_at, d.id))

    def check(self):
        """What the house's accounts say is what is outstanding, and the wallet has its floor."""
        left = dict.fromkeys(debts.KINDS, 0)
        for debt in self.open():
            left[debt.kind] += cents(debt.outstanding)
        for kind, minor in left.items():
            code = debts.account_code(kind, self.name)
            assert cents(owed(self.book, code)) == minor
        assert cents(balance(self.book, self.path)) >= 0


def cents(text):
    return to_minor(text, 2)


def play(case, what, which, minor, days):
    """One step; what an earning took is looked at closely."""
    book, amount = case.book, bdt(to_text(minor, 2))
    case.clock.pass_by(days * DAYS + 1)
    if what == "grant":
        terms = {"instalments": 1 + which, "every_days": 2, "first_due_in_days": 1}
        made = case.attempt(GrantLoan(case.path, bdt("50.00"), fee=amount, **terms))
        if made:
            parts = book.query(loans.loan, made.id).instalments
            assert sum(cents(part.principal) for part in parts) == 5000
            assert sum(cents(part.fee) for part in parts) == minor
    elif what == "float":
        case.attempt(AdvanceFloat(case.path, amount))
    elif what == "refund":
        case.attempt(Owe(case.path, "refund", amount))
    elif what == "spend":
        case.attempt(wallets.Debit(case.path, amount))
    elif what == "earn":
        earn(case, minor)
    elif owing := case.open():
        debt = owing[which % len(owing)]
        if what == "repay":
            case.attempt(RepayDebt(debt.id, case.path, amount))
        else:
            case.attempt(debts.WriteOffDebt(debt.id, "gone", amount))


def earn(case, minor):
    """Netting takes in its order, at most the shares, and as much as they allow."""
    before = case.open()
    moved = case.attempt(Earn(case.path, bdt(to_text(minor, 2))))
    took = [-cents(entry.legs[1].amount) for entry in moved]
    left, wanted = minor, []
    for kind in debts.KINDS:
        share = minor // 2 if kind == "dhaar_loan" else minor
        for debt in (debt for debt in before if debt.kind == kind):
            part = min(cents(debt.outstanding), share, left)
            share, left = share - part, left - part
            wanted += [part] if part else []
    assert took == wanted


@given(steps=STEPS)
@examples(8)
def test_every_debt_is_explained_whatever_the_order(lender, steps):
    """Grants, floats, refunds, earnings, repayments, write-offs and spending, with days between."""
    case = Case(*lender)
    for step in steps:
        play(case, *step)
        case.check()


def test_the_policy_of_netting_holds_for_loans_too(database_url):
    """A book that nets no dhaar leaves earnings alone."""
    with a_lender(database_url, alice="0") as book:
        book.submit(SetNetting(["refund", "mover_float"]))
        made = granted(book, "10.00", fee=None)
        assert book.submit(Earn(ALICE, bdt("10.00"))).result == []
        assert seen(book, made.id)[1] == "10.00"
