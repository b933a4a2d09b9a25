"""Every reason why money moves shows in its owner's khata: under its category, coming and going."""

import pytest

from khata import Khata
from khata.domain import khata, ledger, setup, wallets
from khata.domain.setup.model import SOURCES
from tests.builders import ALICE, Clock, a_book, bdt, discrepancies
from tests.servers import sqlite_at

ASKED_FOR = {
    "order", "delivery", "video_view", "video_order", "bid", "service", "c2c_sale", "squad",
    "mission", "dam_komao", "surprise_coupon", "viral_bonus", "dhaar_loan", "dhaar_repayment",
    "mover_float", "refund", "top_up", "withdrawal",
}  # fmt: skip
"""The sixteen of a marketplace, and the two by which money comes and leaves."""

OWN = ("quiz", "Quizzes", "income", "expense", "expense/quiz")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """One book for all sources, with one of its own: each is moved in and out once."""
    url = sqlite_at(tmp_path_factory.mktemp("sources") / "khata.db")
    with a_book(url, clock=Clock(), alice="100.00") as book:
        book.submit(setup.DefineSource(*OWN))
        yield book
        assert discrepancies(book) == []


def kept(book, moved):
    """Of an entry: the khata line of alice's posting, with its amount."""
    lines = book.query(khata.khata_book, "alice", limit=1000).items
    (line,) = [line for line in lines if line.entry == moved.id]
    return line


def test_every_source_that_a_marketplace_has_is_built_in():
    """Sixteen, and top-up and withdrawal; each has a category that a person can read."""
    assert SOURCES.keys() >= ASKED_FOR
    assert [name for name, source in SOURCES.items() if not source.category.strip()] == []
    assert [name for name, source in SOURCES.items() if name != source.name] == []


@pytest.mark.parametrize("name", [*sorted(SOURCES), "quiz"])
def test_a_source_in_and_out(shop, name):
    """The line says what it was, links to its entry, and the other side is the source's own."""
    source = shop.query(setup.source_named, name)
    for command, kind, amount in (
        (wallets.Credit(ALICE, bdt("7.00"), name), source.money_in, "7.00"),
        (wallets.Debit(ALICE, bdt("3.00"), name), source.money_out, "-3.00"),
    ):
        moved = shop.submit(command).result
        line = kept(shop, moved)
        assert (line.kind, line.category, line.amount) == (kind, source.category, amount)
        assert (line.wallet, line.manual) == (ALICE, False)
        entry = shop.query(ledger.entry, line.entry)
        assert (entry.source, entry.id) == (name, moved.id)
        assert {leg.account for leg in entry.legs} == {f"wallet/{ALICE}", source.against}


def test_sources_add_up_by_category(database_url):
    """Totals of a khata are the sums of its lines, on both databases."""
    with a_book(database_url, alice="0") as book:
        for name in SOURCES:
            book.submit(wallets.Credit(ALICE, bdt("5.00"), name))
        totals = book.query(khata.khata_totals, "alice", 0, 1 << 60)
        wanted = {}
        for source in SOURCES.values():
            under = (source.money_in, source.category)
            wanted[under] = wanted.get(under, 0) + 500
        found = {(line.kind, line.category): int(line.total.replace(".", "")) for line in totals}
        assert found == wanted


def test_a_source_is_there_after_a_restart(database_url):
    """What a book defined belongs to it, beside what is built in."""
    with a_book(database_url) as book:
        book.submit(setup.DefineSource(*OWN))
    with Khata.open(database_url) as book:
        names = [source.name for source in book.query(setup.sources)]
        assert names == [*SOURCES, "quiz"]
