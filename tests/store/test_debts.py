"""Debts: owed, netted from earnings, repaid by hand, written off; every debt is explained."""

import pytest

from khata import Khata, Money
from khata.domain import debts, khata, ledger, setup, wallets
from khata.domain.debts import RepayDebt, SetNetting, WriteOffDebt
from khata.engine.accounts import VelocityLimit
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    SERVICE,
    SUPPORT,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.lenders import Earn, Owe, a_lender, approved, owed
from tests.store.test_queries_plans import plans_of


def given(book, kind="refund", amount="100.00", fee=0, wallet=ALICE):
    """The id of a new debt."""
    return book.submit(Owe(wallet, kind, bdt(amount), fee)).result


def earned(book, amount, wallet=ALICE):
    """What an earning paid back, as decimal strings."""
    moved = book.submit(Earn(wallet, bdt(amount))).result
    return [entry.legs[1].amount.removeprefix("-") for entry in moved]


def left(book, name):
    """(status, fee, principal) that are outstanding."""
    found = book.query(debts.debt, name)
    return found.status, found.fee_outstanding, found.principal_outstanding


def events(book, kind):
    """(owner, subject, data) of the events of a kind, oldest first."""
    with book.database.reading() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT owner, subject, data FROM events WHERE type = '{kind}' ORDER BY seq, n"
        )
        return [tuple(row) for row in rows]


# ── netting ──────────────────────────────────────────────────────────────────────────


def test_an_earning_pays_debts_in_their_order(database_url):
    """Refunds, then floats, then dhaar up to half of the earning; the owner's khata shows each."""
    with a_lender(database_url, alice="0") as book:
        dhaar, mover, refund = (
            given(book, kind, "30.00") for kind in ("dhaar_loan", "mover_float", "refund")
        )
        assert earned(book, "40.00") == ["30.00", "10.00"]
        assert earned(book, "60.00") == ["20.00", "30.00"]
        assert [left(book, name)[0] for name in (dhaar, mover, refund)] == ["settled"] * 3
        assert balance(book) == "10.00"
        lines = book.query(khata.khata_book, "alice").items
        assert [(line.kind, line.amount) for line in lines if line.amount.startswith("-")] == [
            ("loan_taken", "-30.00"),
            ("loan_taken", "-20.00"),
            ("loan_taken", "-10.00"),
            ("expense", "-30.00"),
        ]
        assert book.query(debts.unexplained) == []
        assert discrepancies(book) == []


def test_half_of_each_earning_is_the_most_for_dhaar(database_url):
    """Rounded down; what was there before the earning stays there."""
    with a_lender(database_url, alice="70.00") as book:
        name = given(book, "dhaar_loan", "30.00", fee=200)
        assert earned(book, "0.05") == ["0.02"]
        assert earned(book, "0.01") == []
        assert left(book, name) == ("open", "1.98", "30.00")
        assert earned(book, "10.00") == ["5.00"]
        assert left(book, name) == ("open", "0.00", "26.98")
        assert balance(book) == "75.04"


def test_who_owes_nothing_keeps_all(database_url):
    """No debts, no entries; other owners' debts and other currencies are not theirs."""
    with a_lender(database_url, alice="0", bob="0") as book:
        book.submit(wallets.OpenWallet("alice", "USD"))
        given(book, wallet=BOB)
        given(book, amount="5.00")
        moved = book.submit(Earn("alice/personal/USD", Money("9.00", "USD"))).result
        assert moved == []
        assert earned(book, "5.00") == ["5.00"]
        assert earned(book, "5.00") == []


def test_what_is_held_or_below_the_floor_is_left(database_url):
    """Netting takes what is available, without the overdraft, and waits for the rest."""
    with a_lender(database_url, alice="0") as book:
        given(book)
        book.submit(ledger.SetLimits(ALICE, "keep", "30.00", "0"))
        assert earned(book, "40.00") == ["10.00"]
        book.submit(ledger.SetLimits(ALICE, "may overdraw", "0", "500.00"))
        assert earned(book, "20.00") == ["20.00"]
        book.submit(wallets.Debit(ALICE, bdt("60.00")))
        assert balance(book) == "-30.00"
        assert earned(book, "20.00") == []
        assert earned(book, "25.00") == ["15.00"]
        assert balance(book) == "0.00"


def test_netting_is_not_metered_nor_stopped_by_a_frozen_account(database_url):
    """An earning comes in whatever limits the wallet has, and whatever became of the house's."""
    with a_lender(database_url, alice="0") as book:
        name = given(book, amount="50.00")
        book.submit(ledger.SetLimits(ALICE, "little", limits=(VelocityLimit(60, 100),)))
        assert earned(book, "20.00") == ["20.00"]
        book.submit(ledger.FreezeAccount("receivable/refunds/alice", "looking"), actor=ADMIN)
        assert earned(book, "20.00") == []
        assert refused(book, RepayDebt(name, ALICE, bdt("1.00"))).code == "account_frozen"
        given(book, "mover_float", amount="5.00")
        assert earned(book, "20.00") == ["5.00"]  # what waits takes nothing from the others
        book.submit(ledger.UnfreezeAccount("receivable/refunds/alice", "fine"), actor=ADMIN)
        over = RepayDebt(name, ALICE, bdt("1.01"))
        assert refused(book, over).code == "limit_exceeded"
        assert earned(book, "30.00") == ["30.00"]


def test_netting_follows_the_books_own_policy(database_url):
    """Dhaar before refunds, floats never. It is set by the command that checks it, not past it."""
    with a_lender(database_url, alice="0") as book:
        command = SetNetting(["dhaar_loan", "refund"], {"dhaar_loan": 2500})
        assert book.submit(command, actor=ADMIN).result.most == {
            "refund": 10_000,
            "mover_float": 10_000,
            "dhaar_loan": 2500,
        }
        assert book.query(debts.netting).order == ["dhaar_loan", "refund"]
        for kind in ("refund", "mover_float", "dhaar_loan"):
            given(book, kind)
        assert earned(book, "100.00") == ["25.00", "75.00"]
        past = refused(book, setup.Set("netting", {"order": "mine"}))
        assert (past.code, past.details["expected"]) == ("invalid_input", "debts.set_netting")


def test_a_policy_that_makes_no_sense_is_refused(database_url):
    """Nothing is written, and netting goes on as it was."""
    with a_lender(database_url) as book:
        for order, most in (
            (["loan"], {}),
            (["refund", "refund"], {}),
            ([], {"refund": 10_001}),
            ([], {"x": 1}),
        ):
            assert refused(book, SetNetting(order, most), actor=ADMIN).code == "invalid_input"
        assert refused(book, SetNetting(["refund"]), actor=FINANCE).code == "role_required"
        assert book.query(debts.netting).order == ["refund", "mover_float", "dhaar_loan"]


# ── by hand ──────────────────────────────────────────────────────────────────────────


def test_a_debt_is_repaid_by_hand(database_url):
    """The owner or staff; the fee first; settled when nothing is outstanding."""
    with a_lender(database_url, alice="200.00") as book:
        name = given(book, "dhaar_loan", "100.00", fee=1000)
        assert left(book, name) == ("open", "10.00", "100.00")
        book.submit(RepayDebt(name, ALICE, bdt("4.00")), actor=owner("alice"))
        assert left(book, name) == ("open", "6.00", "100.00")
        book.submit(RepayDebt(name, ALICE, bdt("26.00")), actor=FINANCE)
        done = book.submit(RepayDebt(name, ALICE, bdt("80.00")), actor=SERVICE).result
        assert (done.status, done.outstanding, done.repaid) == ("settled", "0.00", "110.00")
        assert balance(book) == "90.00"
        ways = book.query(debts.repayments, name).items
        assert [(item.way, item.amount, item.fee) for item in ways] == [
            ("by_hand", "80.00", "0.00"),
            ("by_hand", "26.00", "6.00"),
            ("by_hand", "4.00", "4.00"),
        ]
        entry = book.query(ledger.entry, ways[0].entry)
        assert (entry.type, entry.source, entry.reference) == (
            "repayment",
            "dhaar_repayment",
            "order/M1",
        )
        assert owed(book, "receivable/dhaar/alice") == "0.00"
        assert refused(book, RepayDebt(name, ALICE, bdt("0.01"))).code == "repayment_exceeded"


def test_what_cannot_be_repaid(database_url):
    """Too much, from another's wallet, in another currency, of a debt that is none."""
    with a_lender(database_url, alice="50.00", bob="500.00") as book:
        name = given(book)
        book.submit(wallets.OpenWallet("alice", "USD"))
        for command, code in (
            (RepayDebt(name, ALICE, bdt("100.01")), "repayment_exceeded"),
            (RepayDebt(name, ALICE, bdt("60.00")), "insufficient_funds"),
            (RepayDebt(name, ALICE, bdt("0")), "invalid_amount"),
            (RepayDebt(name, ALICE, bdt("-1.00")), "invalid_amount"),
            (RepayDebt(name, ALICE, bdt("1.001")), "too_many_decimals"),
            (RepayDebt(name, BOB, bdt("1.00")), "invalid_input"),
            (RepayDebt(name, "carol/personal/BDT", bdt("1.00")), "wallet_not_found"),
            (RepayDebt(name, "clearing/refund", bdt("1.00")), "wallet_not_found"),
            (RepayDebt(name, ALICE, Money("1.00", "USD")), "currency_mismatch"),
            (RepayDebt(name, "alice/personal/USD", bdt("1.00")), "currency_mismatch"),
            (RepayDebt("dbt_0000", ALICE, bdt("1.00")), "debt_not_found"),
        ):
            assert refused(book, command).code == code, command
        over = refused(book, RepayDebt(name, ALICE, bdt("100.01")))
        assert over.details == {"expected": "100.00", "got": "100.01", "currency": "BDT"}
        assert book.query(debts.repayments, name).items == []
        assert left(book, name) == ("open", "0.00", "100.00")


def test_owners_repay_what_is_theirs(database_url):
    """Neither another's debt nor from another's wallet, and they learn nothing of either."""
    with a_lender(database_url, alice="50.00", bob="50.00") as book:
        name = given(book)
        for who, debt, wallet in (
            ("bob", name, BOB),
            ("bob", "dbt_0000", BOB),
            ("alice", name, BOB),
            ("alice", name, "clearing/refund"),
        ):
            error = refused(book, RepayDebt(debt, wallet, bdt("1.00")), actor=owner(who))
            assert error.code == "not_yours"
        assert (
            refused(book, RepayDebt(name, ALICE, bdt("1")), actor=SUPPORT).code == "role_required"
        )


def test_staff_need_a_second_person_above_the_limit(database_url):
    """As for whatever else they move."""
    with a_lender(database_url, alice="90.00") as book:
        name = given(book)
        book.submit(setup.Set("four_eyes", {"BDT": "50.00"}))
        command = RepayDebt(name, ALICE, bdt("50.01"))
        assert refused(book, command, actor=FINANCE).code == "approval_required"
        approved(book, command)
        assert left(book, name) == ("open", "0.00", "49.99")


# ── writing off ──────────────────────────────────────────────────────────────────────


def test_writing_off_takes_two_people_always(database_url):
    """Whatever the amount; a part first, then the rest, which the house bears."""
    with a_lender(database_url, alice="0") as book:
        name = given(book, "dhaar_loan", "100.00", fee=500)
        command = WriteOffDebt(name, "moved away", bdt("5.01"))
        assert refused(book, command, actor=ADMIN).code == "approval_required"
        assert refused(book, command, actor=SERVICE).code == "role_required"
        assert refused(book, command, actor=owner("alice")).code == "role_required"
        approved(book, command)
        assert left(book, name) == ("open", "0.00", "99.99")
        earned(book, "20.00")
        done = approved(book, WriteOffDebt(name, "moved away"))
        assert (done["status"], done["written_off"]) == ("written_off", "95.00")
        assert owed(book, "expense/bad_debt") == "95.00"
        assert owed(book, "receivable/dhaar/alice") == "0.00"
        assert [item.way for item in book.query(debts.repayments, name).items] == [
            "written_off",
            "netted",
            "written_off",
        ]
        assert earned(book, "20.00") == []
        again = WriteOffDebt(name, "moved away")
        assert refused(book, again, actor=ADMIN).code == "invalid_transition"
        assert discrepancies(book) == []


def test_what_cannot_be_written_off(database_url):
    """Too much, nothing, without a reason, what is not there."""
    with a_lender(database_url, alice="0") as book:
        name = given(book)
        for command, code in (
            (WriteOffDebt(name, "r", bdt("100.01")), "repayment_exceeded"),
            (WriteOffDebt(name, "r", bdt("0.00")), "invalid_amount"),
            (WriteOffDebt(name, "r", Money("1", "USD")), "currency_mismatch"),
            (WriteOffDebt(name, " "), "invalid_input"),
            (WriteOffDebt(name, "r" * 501), "invalid_input"),
            (WriteOffDebt("dbt_0000", "r"), "debt_not_found"),
        ):
            assert refused(book, command).code == code


# ── owing ────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_owed(database_url, monkeypatch):
    """A caller that has it wrong is told so, and nothing of its command remains."""
    real, usual = debts.owe, {"kind": "refund", "unit": "BDT", "principal": 1, "fee": 0}
    with a_lender(database_url, alice="0") as book:
        for fields, code in (
            ({"kind": "gift"}, "invalid_input"),
            ({"principal": 0}, "invalid_input"),
            ({"principal": -1}, "invalid_input"),
            ({"fee": -1}, "invalid_input"),
            ({"principal": 10**18}, "amount_too_large"),
            ({"unit": "XXX1"}, "unknown_currency"),
            ({"reference": ""}, "invalid_input"),
            ({"reference": "r" * 501}, "invalid_input"),
            ({"reason": ""}, "invalid_input"),
        ):
            known = {**usual, "reference": "M1", "reason": "gone", **fields}
            what = [known.pop(name) for name in ("kind", "unit", "principal")]

            def wrong(book, who, *_, what=what, known=known, **__):
                return real(book, who, *what, **known)

            monkeypatch.setattr(debts, "owe", wrong)
            assert refused(book, Owe(ALICE, "refund", bdt("1.00"))).code == code
        assert book.query(debts.debts).items == []


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_debts_are_listed(database_url):
    """Newest first, by owner, status and kind, page by page; an owner sees their own."""
    with a_lender(database_url, alice="0", bob="0") as book:
        names = [
            given(book, kind, "10.00", wallet=wallet)
            for wallet in (ALICE, BOB)
            for kind in ("refund", "mover_float", "dhaar_loan")
        ]
        earned(book, "10.00")
        newest = [item.id for item in book.query(debts.debts).items]
        assert newest == names[::-1]
        found, cursor = [], None
        while True:
            page = book.query(debts.debts, limit=4, cursor=cursor)
            found += [item.id for item in page.items]
            if (cursor := page.next) is None:
                break
        assert found == newest

        def ids(**wanted):
            return {item.id for item in book.query(debts.debts, **wanted).items}

        assert ids(owner="alice") == set(names[:3])
        assert ids(status="settled") == {names[0]}
        assert ids(kind="dhaar_loan", status="open") == {names[2], names[5]}
        with book.view(owner("alice")) as view:
            assert {item.id for item in debts.debts(view).items} == set(names[:3])
            assert len(debts.repayments(view, names[0]).items) == 1
        for ask in (
            lambda view: debts.debts(view, owner="bob"),
            lambda view: debts.debt(view, names[5]),
            lambda view: debts.debt(view, "dbt_0000"),
            lambda view: debts.repayments(view, names[5]),
            debts.unexplained,
        ):
            with book.view(owner("alice")) as view, pytest.raises(Exception) as caught:  # noqa: PT011
                ask(view)
            assert caught.value.code == "not_yours"
        with book.view() as view, pytest.raises(Exception) as caught:  # noqa: PT011
            debts.debt(view, "dbt_\x00")
        assert caught.value.code == "debt_not_found"


def test_debts_are_read_through_keys(database_url):
    """No list walks the table."""
    with a_lender(database_url, alice="0") as book:
        name = given(book)
        for ask in (
            lambda view: debts.debts(view, owner="alice"),
            lambda view: debts.debts(view, status="open"),
            lambda view: debts.repayments(view, name),
            lambda view: debts.debt(view, name),
        ):
            for plan in plans_of(book, ask):
                assert "SCAN" not in plan.upper().replace("INDEX SCAN", "").replace(
                    "BITMAP HEAP SCAN", ""
                ), plan


def test_what_is_posted_by_hand_is_found(database_url):
    """A debt whose account says something else, an account without a debt, a wrong currency."""
    with a_lender(database_url, alice="0", bob="0") as book:
        given(book)
        given(book, "dhaar_loan", "20.00", wallet=BOB)
        assert book.query(debts.unexplained) == []
        for code, amount in (("refunds/alice", "1.50"), ("mover_float/carol", "7.00")):
            legs = [
                ledger.LegIn(f"receivable/{code}", debit=bdt(amount)),
                ledger.LegIn("clearing/refund", credit=bdt(amount)),
            ]
            book.submit(ledger.PostEntry(legs, "refund"))
        found = book.query(debts.unexplained)
        assert [(item.account, item.outstanding, item.difference) for item in found] == [
            ("receivable/mover_float/carol", "0.00", "7.00"),
            ("receivable/refunds/alice", "100.00", "1.50"),
        ]


def test_the_world_is_told(database_url):
    """One event for each thing that happens to a debt, for its owner, amounts as texts."""
    with a_lender(database_url, alice="0") as book:
        name = given(book)
        earned(book, "60.00")
        approved(book, WriteOffDebt(name, "gone"))
        for kind, amount in (("opened", "100.00"), ("repaid", "60.00"), ("written_off", "40.00")):
            ((who, subject, data),) = events(book, f"debt.{kind}")
            assert (who, subject) == ("alice", name)
            assert f'"amount":"{amount}"' in data


def test_a_book_opened_again_knows_its_debts(database_url):
    """Nothing that netting needs lives in memory only."""
    with a_lender(database_url, alice="0") as book:
        given(book)
        earned(book, "30.00")
    with a_lender(database_url) as book:
        assert earned(book, "80.00") == ["70.00"]
        assert earned(book, "80.00") == []
    with Khata.open(database_url) as book:
        assert discrepancies(book) == []
