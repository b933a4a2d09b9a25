"""What tests of stock are made of: a warehouse with an item in it, and investors."""

from contextlib import contextmanager

from khata.domain import inventory, ledger
from khata.testing import VirtualClock, finish
from tests.builders import ALICE, a_book, bdt, discrepancies

TEA, SHARE = "TEA", "SHARE-A"
ON_HAND = f"inventory/{TEA}"


@contextmanager
def a_warehouse(url, **balances):
    """A book with tea in stock, in lots of any sizes and costs: `lots=[(3, "10.00")]`."""
    lots = balances.pop("lots", [(3, "10.00"), (5, "20.00")])
    with a_book(url, **balances) as book:
        book.submit(inventory.DefineItem(TEA, "Tea, 500 g", bdt("5.00")))
        for quantity, cost in lots:
            receive(book, quantity, cost)
        yield book


@contextmanager
def an_issuer(url, *, shares=10, **balances):
    """A book with shares at 50.00 that had cost 30.00 each, and a clock for its sagas."""
    clock = balances.setdefault("clock", VirtualClock())
    with a_book(url, **balances) as book:
        book.submit(inventory.DefineItem(SHARE, "Shares, class A", bdt("50.00"), "share"))
        book.submit(
            inventory.ReceiveStock(SHARE, shares, bdt(f"{30 * shares}.00"), "equity/capital")
        )
        yield book, clock


def receive(book, quantity=3, cost="10.00", **fields):
    """A lot of tea."""
    return book.submit(inventory.ReceiveStock(TEA, quantity, bdt(cost), **fields)).result


def allocate(book, quantity, subject="order/M1", owner="alice", **options):
    """Tea that goes out."""
    command = inventory.AllocateStock(TEA, quantity, subject, owner)
    return book.submit(command, **options).result


def give_back(book, allocation, quantity=None):
    """Tea that comes back."""
    return book.submit(inventory.GiveBackStock(allocation.id, "Not wanted.", quantity)).result


def invest(book, clock, quantity=4, *, reference="I1", **fields):
    """An investment of alice's, worked off."""
    command = inventory.StartInvestment(reference, ALICE, SHARE, quantity, **fields)
    made = book.submit(command).result
    finish(book, {}, clock)
    return book.query(inventory.investment, made.id)


def tea(book):
    """Received, remaining, allocated, lost, cost."""
    item = book.query(inventory.item, TEA)
    return item.received, item.remaining, item.allocated, item.lost, item.cost


def lots(book, sku=TEA):
    """Of each lot: what remains, and what that had cost."""
    return [(lot.remaining, lot.cost_left) for lot in book.query(inventory.lots, sku).items]


def amounts(book, *codes):
    """What house accounts have."""
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return [lines.get(code, "0.00") for code in codes]


def balances(book):
    """Everything that is not zero."""
    lines = book.query(ledger.trial_balance)
    return {line.code: line.balance for line in lines if line.balance.strip("0.")}


def is_sound(book):
    """Every count agrees, the books balance, and nothing is amiss."""
    assert book.query(inventory.check) == []
    assert all(books.balanced for books in book.query(ledger.books))
    assert discrepancies(book) == []
