"""Reversals: an entry is undone wholly or in part, never beyond what it was."""

from khata import Money
from khata.domain import khata, ledger, wallets
from khata.domain.access import Approve, RequestApproval
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.ledger import FreezeAccount, LegIn, PostEntry, Reverse, SetLimits
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.engine.accounts import VelocityLimit
from khata.errors import (
    AccountFrozen,
    ApprovalRequired,
    EntryNotFound,
    InsufficientFunds,
    Invalid,
    NotReversible,
    ReversalExceeded,
    RoleRequired,
)
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    START,
    SUPPORT,
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)


def paid(book, amount="10.00"):
    return book.submit(Transfer(ALICE, BOB, bdt(amount), reference="M1")).result.id


def test_a_reversal_undoes_an_entry_wholly(database_url):
    """The money is back, and both entries name each other."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        original = paid(book)
        undone = book.submit(Reverse(original, "mistake"), actor=ADMIN).result
        assert (balance(book), balance(book, BOB)) == ("50.00", "0.00")
        first, second = book.query(ledger.entry, original), book.query(ledger.entry, undone.id)
        assert (first.status, first.reversed_by) == ("reversed", [second.id])
        assert (second.type, second.reverses) == ("reversal", first.id)
        assert (second.note, second.reference) == ("mistake", "M1")
        assert discrepancies(book) == []


def test_partial_reversals_never_pass_the_original(database_url):
    """Part after part, to the last paisa; then no more."""
    with a_book(database_url, alice="50.00", bob="90.00") as book:
        original = paid(book)
        names = [
            book.submit(Reverse(original, "part", part)).result.id for part in ("2.50", "7.49")
        ]
        assert book.query(ledger.entry, original).status == "partially_reversed"
        assert isinstance(refused(book, Reverse(original, "part", "0.02")), ReversalExceeded)
        names.append(book.submit(Reverse(original, "rest")).result.id)
        assert (balance(book), balance(book, BOB)) == ("50.00", "90.00")
        entry = book.query(ledger.entry, original)
        assert (entry.status, entry.reversed_by) == ("reversed", names)
        for amount in (None, "0.01"):
            assert isinstance(refused(book, Reverse(original, "more", amount)), NotReversible)


def test_a_split_is_reversed_by_what_each_leg_has_left(database_url):
    """Shares of each part add up, no leg gives back more than it got, the whole undoes it all."""
    legs = [
        LegIn(ALICE, debit=bdt("10.00")),
        LegIn("revenue/commission", credit=bdt("0.51")),
        LegIn("carol/personal/BDT", credit=bdt("1.49")),
        LegIn(BOB, credit=bdt("8.00")),
    ]
    with a_book(database_url, alice="50.00", bob="0", carol="0") as book:
        split = book.submit(PostEntry(legs, "order")).result.id
        for amount in ("0.01", "3.33", "3.33", "3.33"):
            back = book.submit(Reverse(split, "part", amount)).result
            assert back.legs[0].amount == amount
        assert [balance(book, f"{name}/personal/BDT") for name in ("alice", "bob", "carol")] == [
            "50.00",
            "0.00",
            "0.00",
        ]
        assert book.query(ledger.account, "revenue/commission").balance == "0.00"
        assert discrepancies(book) == []


def test_a_reversal_is_not_itself_reversed(database_url):
    """What was undone by mistake is posted anew."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        undone = book.submit(Reverse(paid(book), "mistake")).result.id
        error = refused(book, Reverse(undone, "mistake"))
        assert (type(error), error.details["reason"]) == (NotReversible, "is_a_reversal")


def test_only_an_admin_reverses_and_with_a_reason(database_url):
    """Other roles are refused, and so are an empty reason and a very long one."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        original = paid(book)
        for who in (FINANCE, SUPPORT, SERVICE, owner("alice")):
            assert isinstance(refused(book, Reverse(original, "r"), actor=who), RoleRequired)
        for reason in ("", "  ", "x" * 501):
            assert isinstance(refused(book, Reverse(original, reason)), Invalid)
        assert balance(book, BOB) == "10.00"


def test_money_that_is_gone_is_not_taken(database_url):
    """A reversal leaves nobody below their floor."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        original = paid(book)
        book.submit(Debit(BOB, bdt("9.00")))
        assert isinstance(refused(book, Reverse(original, "mistake")), InsufficientFunds)
        assert book.submit(Reverse(original, "what is left", "1.00")).result.type == "reversal"
        assert balance(book, BOB) == "0.00"


def test_money_that_is_gone_is_taken_with_approval(database_url):
    """One asks for it, another approves: the wallet then owes it."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        original = paid(book)
        book.submit(Debit(BOB, bdt("9.00")))
        overdraw = Reverse(original, "fraud", overdraw=True)
        assert isinstance(refused(book, overdraw, actor=ADMIN), ApprovalRequired)
        asked = {"kind": "ledger.reverse", "entry": original, "reason": "fraud", "overdraw": True}
        request = book.submit(RequestApproval(asked, "fraud"), actor=ADMIN).result.request
        book.submit(Approve(request), actor=OTHER_ADMIN)
        assert (balance(book), balance(book, BOB)) == ("50.00", "-9.00")
        assert isinstance(refused(book, Debit(BOB, bdt("0.01"))), InsufficientFunds)
        assert discrepancies(book) == []


def test_held_money_is_not_taken_by_a_reversal(database_url):
    """What is set aside is not there to be taken back."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        original = paid(book)
        book.submit(PlaceHold(BOB, bdt("5.00")))
        assert isinstance(refused(book, Reverse(original, "mistake")), InsufficientFunds)


def test_a_capture_is_reversed_like_any_entry(database_url):
    """The money comes back as available; the hold stays captured."""
    with a_book(database_url, alice="50.00") as book:
        held = book.submit(PlaceHold(ALICE, bdt("5.00"))).result.id
        taken = book.submit(CaptureHold(held, to="escrow/M1")).result.entry
        book.submit(Reverse(taken, "cancelled"))
        wallet = book.query(wallets.wallet, ALICE)
        assert (wallet.balance, wallet.available) == ("50.00", "50.00")


def test_a_reversal_is_not_counted_by_velocity(database_url):
    """It is the house that moves the money, not the owner."""
    with a_book(database_url, clock=Clock(), alice="50.00", bob="0") as book:
        original = paid(book)
        book.submit(SetLimits(BOB, "careful", limits=(VelocityLimit(60, 1, 1),)))
        assert book.submit(Reverse(original, "mistake")).result.type == "reversal"


def test_an_entry_in_several_currencies_is_reversed_wholly(database_url):
    """A part of it would have no meaning; all of it has."""
    with a_book(database_url, alice="50.00") as book:
        book.submit(OpenWallet("alice", "IQD"))
        iqd = Money("1.000", "IQD")
        legs = [
            LegIn(ALICE, debit=bdt("9.00")),
            LegIn("clearing/fx", credit=bdt("9.00")),
            LegIn("clearing/fx", debit=iqd),
            LegIn("alice/personal/IQD", credit=iqd),
        ]
        swap = book.submit(PostEntry(legs, "adjustment")).result.id
        assert isinstance(refused(book, Reverse(swap, "part", "1.00")), NotReversible)
        book.submit(Reverse(swap, "mistake"))
        assert (balance(book), balance(book, "alice/personal/IQD")) == ("50.00", "0.000")


def test_bad_reversals(database_url):
    """An entry that is not there, and amounts that are none."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        for name in ("ent_zzzz", "ent_0400", "", "hld_0001", "ent_zzzzzzzzzzzzz"):
            assert isinstance(refused(book, Reverse(name, "r")), EntryNotFound)
        original = paid(book)
        for amount in ("0", "-1", "1.001", "all"):
            assert isinstance(refused(book, Reverse(original, "r", amount)), Invalid)
        assert isinstance(refused(book, Reverse(original, "r", "10.01")), ReversalExceeded)
        book.submit(FreezeAccount(BOB, "odd"))
        assert isinstance(refused(book, Reverse(original, "r")), AccountFrozen)


def test_an_owners_khata_shows_a_reversal_under_the_same_name(database_url):
    """What came under a category goes under it again, so the two cancel out."""
    with a_book(database_url, clock=Clock(), alice="0") as book:
        earned = book.submit(Credit(ALICE, bdt("7.00"), "mission")).result.id
        book.submit(Reverse(earned, "mistake", "3.00"))
        page = book.query(khata.khata_book, "alice", since=START, until=START + 1)
        assert [(line.kind, line.category, line.amount) for line in page.items] == [
            ("income", "Missions", "-3.00"),
            ("income", "Missions", "7.00"),
        ]
