"""Whatever is received, sold, given back, lost and found: the stock agrees with a simple model."""

from contextlib import contextmanager
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, KhataError
from khata.base.money import to_minor, to_text
from khata.domain import inventory, ledger
from tests.builders import bdt
from tests.conftest import examples
from tests.servers import fresh_database, sqlite_at
from tests.stockers import is_sound

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["receive", "allocate", "allocate", "back", "back", "adjust"]),
        st.integers(0, 6),
        st.integers(-3, 12),
        st.integers(1, 5000),
    ),
    max_size=18,
)


class Model:
    """Stock as single pieces on shelves: each knows its lot, and who has it."""

    def __init__(self):
        self.lots = []
        self.taken = []

    def receive(self, quantity):
        """Pieces in a lot: None is here, "lost" is lost, else who has it."""
        if quantity < 1:
            return False
        self.lots.append([None] * quantity)
        return True

    def allocate(self, quantity):
        here = [(lot, at) for lot, all_ in enumerate(self.lots) for at, who in enumerate(all_)
                if who is None]  # fmt: skip
        if not 1 <= quantity <= len(here):
            return False
        for lot, at in here[:quantity]:
            self.lots[lot][at] = len(self.taken)
        self.taken.append([lot for lot, _ in here[:quantity]])
        return True

    def back(self, number, quantity):
        if number >= len(self.taken) or not 1 <= quantity <= len(self.taken[number]):
            return False
        for _ in range(quantity):
            lot = self.taken[number].pop()
            self.lots[lot][self.lots[lot].index(number)] = None
        return True

    def adjust(self, number, by):
        if number >= len(self.lots) or not by:
            return False
        lot = self.lots[number]
        before, after = (None, "lost") if by < 0 else ("lost", None)
        if lot.count(before) < abs(by):
            return False
        for _ in range(abs(by)):
            lot[lot.index(before)] = after
        return True

    def counts(self):
        """Received, remaining, allocated, lost, of each lot."""
        return [
            (len(lot), lot.count(None), len(lot) - lot.count(None) - lot.count("lost"),
             lot.count("lost"))
            for lot in self.lots
        ]  # fmt: skip


def attempt(book, command):
    try:
        return book.submit(command).result
    except KhataError:
        return None


def play(book, model, sku, made, move):
    """One command to both; whether both did the same."""
    what, which, quantity, cost = move
    if what == "receive":
        done = attempt(book, inventory.ReceiveStock(sku, quantity, bdt(to_text(cost, 2))))
        return (done is not None) == model.receive(quantity)
    if what == "allocate":
        done = attempt(book, inventory.AllocateStock(sku, quantity, f"order/{sku}"))
        if done is not None:
            made.append(done.id)
        return (done is not None) == model.allocate(quantity)
    if what == "back":
        name = made[which] if which < len(made) else "alc_none"
        done = attempt(book, inventory.GiveBackStock(name, "Not wanted.", quantity))
        return (done is not None) == model.back(which, quantity)
    done = attempt(book, inventory.AdjustStock(sku, which + 1, quantity, "Counted."))
    return (done is not None) == model.adjust(which, quantity)


_names = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def book(request, tmp_path_factory):
    """One book for all the cases: each has an item of its own."""
    with _url(request, tmp_path_factory) as url, Khata.open(url, migrate=True) as opened:
        yield opened
        is_sound(opened)


@contextmanager
def _url(request, tmp_path_factory):
    if request.param == "sqlite":
        yield sqlite_at(tmp_path_factory.mktemp("stock") / "khata.db")
    else:
        template = request.getfixturevalue("postgres_template")
        with fresh_database(request.getfixturevalue("postgres_url"), template) as url:
            yield url


def seen(book, sku):
    """Of each lot: received, remaining, allocated, lost; and what the remaining had cost."""
    found = book.query(inventory.lots, sku).items
    counts = [(lot.received, lot.remaining, lot.allocated, lot.lost) for lot in found]
    return counts, sum(to_minor(lot.cost_left, 2) for lot in found)


@given(moves=MOVES)
@examples(16)
def test_stock_is_what_a_model_says(book, moves):
    """Piece by piece and lot by lot; the account holds what the remaining pieces had cost, the
    books balance after every command, and when all is back, everything is as it was bought.
    """
    sku, model, made = f"S{next(_names)}", Model(), []
    book.submit(inventory.DefineItem(sku, sku, bdt("1.00")))
    for move in moves:
        assert play(book, model, sku, made, move), move
        assert all(books.balanced for books in book.query(ledger.books))
    counts, cost = seen(book, sku)
    assert counts == model.counts()
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    assert to_minor(lines.get(f"inventory/{sku}", "0.00"), 2) == cost
    for name in made:
        attempt(book, inventory.GiveBackStock(name, "All of it."))
    for number, (*_, lost) in enumerate(counts, 1):
        if lost:
            book.submit(inventory.AdjustStock(sku, number, lost, "All of it."))
    for lot in book.query(inventory.lots, sku).items:
        assert (lot.remaining, lot.cost_left) == (lot.received, lot.cost)
    assert book.query(inventory.check) == []


@given(takes=st.lists(st.integers(1, 9), min_size=1, max_size=6), cost=st.integers(1, 9999))
@examples(10)
def test_each_piece_costs_its_even_part(book, takes, cost):
    """Sold out one after the other, no sale differs by a paisa from what is fair."""
    sku = f"S{next(_names)}"
    book.submit(inventory.DefineItem(sku, sku, bdt("1.00")))
    book.submit(inventory.ReceiveStock(sku, sum(takes), bdt(to_text(cost, 2))))
    lines = [inventory.AllocateStock(sku, some, "order/M1") for some in takes]
    parts = [to_minor(done.result.cost, 2) for done in book.submit_many(lines)]
    assert sum(parts) == cost
    for part, some in zip(parts, takes, strict=True):
        assert abs(part - Fraction(cost * some, sum(takes))) < 1
