"""What the rooms say and what the ledger has: verify names where they differ."""

import itertools

import pytest

from khata.domain import debts, escrow, inventory, ledger, loans, proofs, squads, wallets
from khata.domain.ledger import LegIn
from tests.builders import ALICE, a_book, bdt, discrepancies
from tests.payers import ORDER, a_shop, paid, pay, tell, to_pay

BOBS = "bob/partner/BDT"


def by_hand(book, debit, credit, amount="1.00"):
    """An entry past the room whose account it is."""
    legs = [LegIn(debit, debit=bdt(amount)), LegIn(credit, credit=bdt(amount))]
    book.submit(ledger.PostEntry(legs, "adjustment"))


def escrowed(book):
    receivers = [escrow.Receiver("partner", BOBS, bdt("90.00"))]
    book.submit(escrow.FundEscrow("M1", bdt("90.00"), ALICE, receivers=receivers))
    return "escrow/M1"


def owed(book):
    book.submit(loans.GrantLoan(ALICE, bdt("90.00"), 3, 30, reference="L1"))
    return debts.account_code("dhaar_loan", "alice")


def stocked(book):
    book.submit(inventory.DefineItem("tea", "Tea", bdt("12.00")))
    book.submit(inventory.ReceiveStock("tea", 9, bdt("90.00")))
    return "inventory/tea"


def grouped(book):
    book.submit(squads.CreateSquad("tea", "Tea", "alice", "BDT"))
    book.submit(squads.Contribute("tea", bdt("90.00"), ALICE))
    return "wallet/squad-tea/squad/BDT"


@pytest.mark.parametrize(
    ("prepare", "more"),
    [
        *itertools.product([escrowed, owed, stocked], [True, False]),
        (grouped, True),  # whatever anybody gives a squad is in its wallet until it is allotted
    ],
)
def test_what_is_posted_past_a_room_is_named(database_url, prepare, more):
    """The chain is whole, the legs sum to zero, and yet the books do not say the same."""
    with a_book(database_url, alice="1000.00") as book:
        book.submit(wallets.OpenWallet("bob", "BDT", "partner"))
        code = prepare(book)
        assert discrepancies(book) == []
        sides = (code, "equity/adjustment")
        by_hand(book, *(sides if more else sides[::-1]))
        found = discrepancies(book)
        assert found, f"nobody noticed that {code} is wrong"
        assert all(item.expected != item.got for item in found)
        by_hand(book, *(sides[::-1] if more else sides))
        assert discrepancies(book) == []


def test_a_loan_that_was_repaid_in_many_parts_is_traced_wholly(database_url):
    """However many they are: what the house has again is what it gave."""
    with a_book(database_url, alice="1000.00") as book:
        code = owed(book)
        (loan,) = book.query(loans.loans).items
        book.submit_many([loans.RepayLoan(loan.id, bdt("0.50")) for _ in range(180)])
        traced = book.query(proofs.trace, loan.id)
        nets = {effect.account: effect.net for effect in traced.effects}
        assert (len(traced.entries), nets) == (181, {f"wallet/{ALICE}": "0.00", code: "0.00"})


def test_what_a_payers_bank_took_back_is_traced(database_url):
    """The house bears a dispute that it lost: the trace says so, by the order and the payment."""
    with a_shop(database_url) as book:
        to_pay(book)
        made = pay(book)
        paid(book, made.id)
        for what in ("opened", "lost"):
            tell(book, f"dispute.{what}", object="dp_1", amount="1000.00")
        for name in (ORDER, made.id):
            traced = book.query(proofs.trace, name)
            nets = {effect.account: effect.net for effect in traced.effects}
            assert nets == {
                "cash/sandbox": "0.00",
                f"escrow/{ORDER}": "1000.00",
                "receivable/disputes": "0.00",
                "expense/chargebacks": "-1000.00",
            }
