"""Many commands in one call: each with its own outcome, or all of them or none."""

import asyncio

import pytest

from khata import Khata, Money, Receipt
from khata.domain.holds import CaptureGroup, PlaceHold, VoidHold, holds
from khata.domain.ledger import FreezeAccount
from khata.domain.wallets import Credit, OpenWallet, RenameWallet, Transfer
from khata.engine import reading
from khata.engine.committer import Limits
from khata.errors import BatchRefused, Invalid
from tests.builders import ALICE, BOB, a_book, balance, bdt, discrepancies, owner, state

PAY = Transfer(ALICE, BOB, bdt("1.00"))
TOO_MUCH = Transfer(ALICE, BOB, bdt("9999.00"))


def test_five_thousand_lines_with_bad_ones_among_them(database_url):
    """Each bad line has its own error at its own place; every other line is carried out."""
    lines = [(f"line-{n}", PAY) for n in range(5000)]
    bad = {
        7: ("line-7", TOO_MUCH),
        1999: ("line-1999", Transfer(ALICE, "nobody/personal/BDT", bdt("1"))),
        2000: ("bad key", PAY),
        2001: ("line-2001", Transfer(ALICE, BOB, bdt("1.001"))),
        3000: ("line-3000", Transfer(ALICE, BOB, Money("1", "IQD"))),
        3001: ("line-3001", Transfer(ALICE, BOB, "1.00")),
        4999: ("line-1", TOO_MUCH),
    }
    for at, line in bad.items():
        lines[at] = line
    with a_book(database_url, alice="5000.00", bob="0") as book:
        answers = book.submit_many(lines)
        codes = {n: a.code for n, a in enumerate(answers) if not isinstance(a, Receipt)}
        assert codes == {
            7: "insufficient_funds",
            1999: "wallet_not_found",
            2000: "invalid_key",
            2001: "too_many_decimals",
            3000: "currency_mismatch",
            3001: "invalid_input",
            4999: "idempotency_key_reused",
        }
        assert balance(book, BOB) == "4993.00"
        again = book.submit_many(lines[:3000])
        assert {a.replayed for a in again if isinstance(a, Receipt)} == {True}
        assert balance(book, BOB) == "4993.00"
        assert discrepancies(book) == []


def test_an_atomic_batch_is_carried_out_wholly(database_url):
    """Every line has its receipt, numbered in order."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        seqs = [receipt.seq for receipt in book.submit_many([PAY] * 50, atomic=True)]
        assert (seqs, balance(book, BOB)) == (list(range(seqs[0], seqs[0] + 50)), "50.00")


@pytest.mark.parametrize("at", [0, 3, 6])
def test_an_atomic_batch_is_refused_wholly(database_url, at):
    """The first bad line is named, wherever it stands, and nothing at all has changed."""
    lines = [
        OpenWallet("carol", "BDT"),
        Credit("carol/personal/BDT", bdt("5.00")),
        PlaceHold(ALICE, bdt("5.00"), group="g"),
        CaptureGroup("g"),
        FreezeAccount("carol/personal/BDT", "odd"),
        RenameWallet(ALICE, "other"),
    ]
    lines.insert(at, TOO_MUCH)
    with a_book(database_url, alice="50.00", bob="0") as book:
        before = (book.query(reading.head).seq, state(book), state(book, BOB))
        with pytest.raises(BatchRefused) as caught:
            book.submit_many(lines, atomic=True)
        assert caught.value.details["index"] == at
        assert caught.value.details["reason"] == "insufficient_funds"
        assert (book.query(reading.head).seq, state(book), state(book, BOB)) == before
        assert book.query(reading.refusals).items[0].code == "insufficient_funds"
        assert len(book.query(reading.refusals).items) == 1


def test_what_is_found_by_index_is_undone_too(database_url):
    """After a refused batch, holds and wallets are found as if it had never been."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        kept = book.submit(PlaceHold(ALICE, bdt("5.00"), group="g")).result.id
        lines = [
            PlaceHold(ALICE, bdt("1.00"), group="g"),
            VoidHold(kept, "over"),
            OpenWallet("carol", "BDT"),
            TOO_MUCH,
        ]
        for _ in range(2):
            with pytest.raises(BatchRefused):
                book.submit_many(lines, atomic=True)
        book.submit(OpenWallet("carol", "BDT"))
        assert [one.id for one in book.query(holds, status="active").items] == [kept]
        (captured,) = book.submit(CaptureGroup("g")).result
        assert (captured.id, balance(book)) == (kept, "45.00")
        assert discrepancies(book) == []


def test_an_atomic_batch_is_replayed_as_a_whole(database_url):
    """Sent again after a restart it gives the same receipts, although it could not be done anew."""
    lines = [("a", PlaceHold(ALICE, bdt("50.00"), group="g")), ("b", CaptureGroup("g", to=BOB))]
    with a_book(database_url, alice="50.00", bob="0") as book:
        first = [receipt.seq for receipt in book.submit_many(lines, atomic=True)]
    with Khata.open(database_url) as book:
        again = book.submit_many(lines, atomic=True)
        assert [receipt.seq for receipt in again] == first
        assert {receipt.replayed for receipt in again} == {True}
        assert balance(book, BOB) == "50.00"


def test_neighbours_of_a_refused_batch_go_on(database_url):
    """Single commands that wait beside an all-or-nothing batch are not touched by its end."""

    async def together(book):
        return await asyncio.gather(
            book.asubmit(PAY),
            book.asubmit_many([PAY, TOO_MUCH, PAY], atomic=True),
            book.asubmit(PAY),
            return_exceptions=True,
        )

    with a_book(database_url, alice="50.00", bob="0") as book:
        first, middle, last = asyncio.run(together(book))
        assert (type(first), type(middle), type(last)) == (Receipt, BatchRefused, Receipt)
        assert balance(book, BOB) == "2.00"


def test_an_atomic_batch_has_a_bound(database_url):
    """More lines than one transaction takes are refused at once; without `atomic` they are not."""
    with a_book(database_url, limits=Limits(batch=10), alice="50.00", bob="0") as book:
        with pytest.raises(Invalid) as caught:
            book.submit_many([PAY] * 11, atomic=True)
        assert caught.value.details["got"] == 11
        assert len(book.submit_many([PAY] * 25)) == 25
        assert balance(book, BOB) == "25.00"


def test_a_batch_line_that_is_no_command_names_itself(database_url):
    """A line that cannot even be read refuses an all-or-nothing batch by its number."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        with pytest.raises(BatchRefused) as caught:
            book.submit_many([PAY, PAY, ("bad key", PAY)], atomic=True)
        assert (caught.value.details["index"], caught.value.details["reason"]) == (2, "invalid_key")
        assert balance(book, BOB) == "0.00"


def test_an_owners_lines_are_checked_one_by_one(database_url):
    """In a batch, too, an owner acts only on what is theirs."""
    lines = [PAY, Transfer(BOB, ALICE, bdt("1.00")), Credit(ALICE, bdt("1.00"))]
    with a_book(database_url, alice="50.00", bob="50.00") as book:
        answers = book.submit_many(lines, actor=owner("alice"))
        assert [getattr(a, "code", "fine") for a in answers] == [
            "fine",
            "not_yours",
            "role_required",
        ]


def test_no_lines_at_all(database_url):
    """Nothing asked, nothing answered."""
    with a_book(database_url) as book:
        assert book.submit_many([]) == book.submit_many([], atomic=True) == []
