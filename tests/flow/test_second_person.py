"""Four eyes cannot be shut by one person: neither the limit itself nor what gets around it."""

import pytest

from khata import Money
from khata.base.actor import SYSTEM
from khata.domain.access import Approve, RequestApproval
from khata.domain.holds import CaptureGroup, PlaceHold
from khata.domain.ledger import LegIn, OpenAccount, PostEntry, Reverse, SetLimits
from khata.domain.setup import Set
from khata.domain.wallets import Credit, OpenWallet
from khata.errors import ApprovalRequired
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    a_book,
    bdt,
    refused,
    state,
)

LIMITS = {"BDT": "100.00", "IQD": "5.000"}


@pytest.fixture
def book(database_url):
    """A book where staff need a second person above 100 BDT or 5 IQD."""
    with a_book(database_url, alice="900.00", bob="900.00") as opened:
        opened.submit(Set("four_eyes", LIMITS), actor=ADMIN)
        yield opened


def limits(ref=ALICE, **fields):
    return SetLimits(ref, "trusted", **fields)


# ── the setting ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "looser",
    [{}, {"BDT": "100.00"}, LIMITS | {"BDT": "100.01"}, LIMITS | {"IQD": "6"}, {"USD": "1.00"}],
)
def test_one_person_does_not_loosen_four_eyes(book, looser):
    """Neither by lifting a currency's limit nor by raising it; it stays as it was."""
    error = refused(book, Set("four_eyes", looser), actor=ADMIN)
    assert isinstance(error, ApprovalRequired)
    assert isinstance(refused(book, Credit(ALICE, bdt("100.01")), actor=ADMIN), ApprovalRequired)


@pytest.mark.parametrize(
    "tighter", [LIMITS, {"BDT": "100", "IQD": "5"}, {"BDT": "1.00", "IQD": "0", "USD": "9.00"}]
)
def test_one_person_tightens_four_eyes(book, tighter):
    """The same again, a lower limit, another currency: nothing is loosened."""
    assert book.submit(Set("four_eyes", tighter), actor=ADMIN).result.value == tighter


def test_two_people_loosen_four_eyes(book):
    """Who asks and who approves; the limit is gone then."""
    wanted = {"kind": "setup.set", "name": "four_eyes", "value": {}}
    asked = book.submit(RequestApproval(wanted, "we trust each other"), actor=ADMIN).result
    book.submit(Approve(asked.request), actor=OTHER_ADMIN)
    assert book.submit(Credit(ALICE, bdt("100.01")), actor=ADMIN).seq


def test_a_machine_sets_four_eyes(book):
    """The limit is for people; other settings are not its concern."""
    assert book.submit(Set("theme", {}), actor=ADMIN).seq
    assert book.submit(Set("four_eyes", {}), actor=SYSTEM).result.value == {}


# ── overdrafts ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wider",
    [{"overdraft": "100.01"}, {"floor": "-100.01"}, {"floor": "-50.00", "overdraft": "50.01"}],
)
def test_one_person_gives_no_more_credit_than_the_limit(book, wider):
    """An overdraft, or a lower floor, is money that may leave."""
    error = refused(book, limits(**wider), actor=FINANCE)
    assert (type(error), error.details["got"]) == (ApprovalRequired, "100.01")
    assert (state(book).floor, state(book).overdraft) == ("0.00", "0.00")


def test_what_counts_is_how_much_is_added(book):
    """Up to the limit, less than before, or more than before by little: one person is enough."""
    for overdraft in ("100.00", "200.00", "0.00"):
        answer = book.submit(limits(overdraft=overdraft), actor=FINANCE).result
        assert answer.overdraft == overdraft


def test_an_escrow_keeps_its_floor(book):
    """One person does not make it bottomless."""
    book.submit(OpenAccount("escrow/M1", "BDT"))
    lifted = limits("escrow/M1", floor=None)
    assert isinstance(refused(book, lifted, actor=ADMIN), ApprovalRequired)
    assert book.submit(lifted).result.floor is None


# ── what is cut in pieces ────────────────────────────────────────────────────────────


def test_a_group_counts_as_a_whole(book):
    """Two holds of 60 captured at once are 120, whosever they are."""
    for ref in (ALICE, BOB):
        book.submit(PlaceHold(ref, bdt("60.00"), group="g"))
    error = refused(book, CaptureGroup("g"), actor=FINANCE)
    assert (type(error), error.details["got"]) == (ApprovalRequired, "120.00")
    assert len(book.submit(CaptureGroup("g"), actor=SERVICE).result) == 2


def test_a_group_counts_by_currency(book):
    """Taka are not added to dinars."""
    book.submit(OpenWallet("alice", "IQD"))
    book.submit(Credit("alice/personal/IQD", Money("5", "IQD")))
    book.submit(PlaceHold("alice/personal/IQD", Money("5", "IQD"), group="g"))
    book.submit(PlaceHold(ALICE, bdt("100.00"), group="g"))
    assert len(book.submit(CaptureGroup("g"), actor=FINANCE).result) == 2


def test_a_reversal_counts_as_a_whole(book):
    """Undoing an entry of two times 60 moves 120."""
    legs = [LegIn(ref, debit=bdt("60.00")) for ref in (ALICE, BOB)]
    legs += [LegIn(f"revenue/{name}", credit=bdt("60.00")) for name in ("a", "b")]
    entry = book.submit(PostEntry(legs, "fee")).result.id
    error = refused(book, Reverse(entry, "mistake"), actor=ADMIN)
    assert (type(error), error.details["got"]) == (ApprovalRequired, "120.00")
    assert book.submit(Reverse(entry, "mistake", "100.00"), actor=ADMIN).seq
