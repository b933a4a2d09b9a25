"""Stock: pieces come in lots, go out of the oldest, come back into the very lots they left."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from khata import Khata, KhataError, Money, actor
from khata.domain import inventory, ledger, setup
from khata.domain.inventory import (
    AdjustStock,
    AllocateStock,
    ChangeItem,
    DefineItem,
    GiveBackStock,
    ReceiveStock,
    stocking,
)
from khata.errors import NotYours
from khata.errors.market import InsufficientStock
from tests.builders import ALICE, FINANCE, a_book, balance, bdt, owner, refused
from tests.stockers import (
    ON_HAND,
    TEA,
    a_warehouse,
    allocate,
    amounts,
    give_back,
    is_sound,
    lots,
    receive,
    tea,
)

COST, LOST = "expense/cost_of_goods", "expense/shrinkage"
WAREHOUSE = actor("warehouse:jamal")


# ── coming ───────────────────────────────────────────────────────────────────────────


def test_a_lot_is_paid_for_and_in_stock(database_url):
    """From cash, or owed to a supplier: the item's account holds what its pieces had cost."""
    with a_warehouse(database_url, lots=[(3, "10.00")]) as book:
        lot = receive(book, 5, "20.00", paid_from="payable/suppliers", supplier="Finlay")
        assert (lot.number, lot.remaining, lot.cost_left) == (2, 5, "20.00")
        assert tea(book) == (8, 8, 0, 0, "30.00")
        codes = (ON_HAND, "cash/main", "payable/suppliers")
        assert amounts(book, *codes) == ["30.00", "-10.00", "20.00"]
        entry = book.query(ledger.entry, lot.entry)
        assert (entry.type, entry.source) == ("receipt", "stock")
        is_sound(book)


def test_an_item_is_changed_and_retired(database_url):
    """What is retired is neither received nor allocated; what went out comes back."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 2)
        changed = book.submit(ChangeItem(TEA, "Green tea", bdt("6.00"), "retired")).result
        assert (changed.title, changed.price, changed.status) == ("Green tea", "6.00", "retired")
        for command in (ReceiveStock(TEA, 1, bdt("1.00")), AllocateStock(TEA, 1, "order/M2")):
            assert refused(book, command).code == "invalid_transition"
        give_back(book, made)
        assert tea(book)[:2] == (8, 8)
        book.submit(ChangeItem(TEA, status="active"))
        assert book.query(inventory.items, status="active").items[0].title == "Green tea"


# ── going and coming back ────────────────────────────────────────────────────────────


def test_the_oldest_lots_go_first(database_url):
    """Five pieces of lots of three and five: all of the first, two of the second."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 5)
        assert [(line.lot, line.quantity, line.cost) for line in made.lines] == [
            (1, 3, "10.00"),
            (2, 2, "8.00"),
        ]
        assert (lots(book), tea(book)) == ([(0, "0.00"), (3, "12.00")], (8, 3, 5, 0, "12.00"))
        assert amounts(book, ON_HAND, COST) == ["12.00", "18.00"]
        is_sound(book)


def test_what_comes_back_is_in_its_lots_again(database_url):
    """In parts and wholly, the last taken first; the cost is no expense any more."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 5)
        part = give_back(book, made, 3)
        assert (part.status, part.returned, part.cost) == ("allocated", 3, "6.67")
        assert lots(book) == [(1, "3.33"), (5, "20.00")]
        whole = give_back(book, made)
        assert (whole.status, whole.cost, len(whole.entries)) == ("returned", "0.00", 3)
        assert lots(book) == [(3, "10.00"), (5, "20.00")]
        assert (amounts(book, ON_HAND, COST), tea(book)) == (
            ["30.00", "0.00"],
            (8, 8, 0, 0, "30.00"),
        )
        assert refused(book, GiveBackStock(made.id, "Again.")).code == "invalid_transition"
        is_sound(book)


def test_what_came_from_many_lots_goes_back_at_once(database_url, monkeypatch):
    """They are loaded together, not one after the other."""
    many = [(1, "1.00")] * 40
    with a_warehouse(database_url, lots=many) as book:
        made = allocate(book, len(many))
    runs, last = [], stocking.last_taken_first
    monkeypatch.setattr(stocking, "last_taken_first", lambda *of: runs.append(1) or last(*of))
    with Khata.open(database_url) as book:
        assert give_back(book, made).status == "returned"
        assert len(runs) < len(many)
        assert lots(book) == many
        is_sound(book)


def test_an_emptied_lot_is_open_again_when_pieces_come_back(database_url):
    """The next allocation takes from it first."""
    with a_warehouse(database_url) as book:
        first = allocate(book, 3)
        second = allocate(book, 2, "order/M2")
        give_back(book, first, 1)
        third = allocate(book, 2, "order/M3")
        assert [(line.lot, line.quantity) for line in third.lines] == [(1, 1), (2, 1)]
        for made in (third, second):
            give_back(book, made)
        assert lots(book) == [(1, "3.33"), (5, "20.00")]
        is_sound(book)


def test_pieces_that_cost_nothing_move_without_an_entry(database_url):
    """One paisa for a thousand: the last piece takes it with it."""
    with a_warehouse(database_url, lots=[(1000, "0.01")]) as book:
        made = allocate(book, 999)
        assert (made.cost, made.entries) == ("0.00", [])
        assert allocate(book, 1).cost == "0.01"
        give_back(book, made)
        is_sound(book)


def test_more_than_there_is_is_not_sold(database_url):
    """The refusal says how many there are, and nothing is written."""
    with a_warehouse(database_url) as book:
        error = refused(book, AllocateStock(TEA, 9, "order/M1"))
        assert (error.code, error.details) == ("insufficient_stock", {"expected": 8, "got": 9})
        made = allocate(book, 8)
        assert refused(book, AllocateStock(TEA, 1, "order/M2")).details["expected"] == 0
        error = refused(book, GiveBackStock(made.id, "Too many.", 9))
        assert (error.code, error.details["expected"]) == ("insufficient_stock", 8)
        is_sound(book)


def test_nothing_is_sold_twice_at_once(database_url):
    """Of thirty who want a piece of twenty, through two writers, twenty get one."""
    with (
        a_warehouse(database_url, lots=[(7, "1.00"), (13, "9.99")]) as one,
        Khata.open(database_url) as two,
    ):

        def take(at):
            try:
                return (one, two)[at % 2].submit(AllocateStock(TEA, 1, f"order/M{at}")).result
            except InsufficientStock as error:
                return error

        with ThreadPoolExecutor(15) as callers:
            answers = list(callers.map(take, range(30)))
        got = [answer for answer in answers if not isinstance(answer, KhataError)]
        assert (len(got), tea(one)) == (20, (20, 0, 20, 0, "0.00"))
        lines = [line.lot for answer in got for line in answer.lines]
        assert (lines.count(1), lines.count(2)) == (7, 13)
        is_sound(one)


def test_nothing_comes_back_twice_at_once(database_url):
    """Of eight who give the same back, one does."""
    with a_warehouse(database_url) as book, Khata.open(database_url) as two:
        made = allocate(book, 5)

        def back(at):
            try:
                return (book, two)[at % 2].submit(GiveBackStock(made.id, "Not wanted.")).seq
            except KhataError:
                return None

        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(back, range(8)))
        assert (sum(seq is not None for seq in answers), tea(book)[1]) == (1, 8)
        is_sound(book)


# ── lost and found ───────────────────────────────────────────────────────────────────


def test_what_is_lost_is_an_expense_until_it_is_found(database_url):
    """Two of five are missing; one turns up again, with its cost."""
    with a_warehouse(database_url) as book:
        lost = book.submit(AdjustStock(TEA, 2, -2, "Counted."), actor=WAREHOUSE).result
        assert (lost.remaining, lost.lost, lost.cost_left) == (3, 2, "12.00")
        assert (amounts(book, ON_HAND, LOST), tea(book)) == (
            ["22.00", "8.00"],
            (8, 6, 0, 2, "22.00"),
        )
        found = book.submit(AdjustStock(TEA, 2, 1, "Behind the shelf.")).result
        assert (found.remaining, found.lost, found.cost_left) == (4, 1, "16.00")
        assert amounts(book, LOST) == ["4.00"]
        is_sound(book)


@pytest.mark.parametrize(
    ("by", "code"),
    [(0, "invalid_input"), (1, "invalid_input"), (-6, "insufficient_stock")],
)
def test_nothing_is_found_that_was_not_lost(database_url, by, code):
    """And no more is lost than is there."""
    with a_warehouse(database_url) as book:
        assert refused(book, AdjustStock(TEA, 2, by, "Counted.")).code == code
        assert tea(book) == (8, 8, 0, 0, "30.00")


# ── what is refused ──────────────────────────────────────────────────────────────────

NUL, HALF, LONG = "a\x00b", "a\ud800b", "x" * 201
USD = Money("1.00", "USD")

WRONG = [
    (DefineItem("", "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem("A B", "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem("A/B", "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem(LONG, "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem(NUL, "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem(HALF, "Tea", bdt("1.00")), "invalid_input"),
    (DefineItem("A", " ", bdt("1.00")), "invalid_input"),
    (DefineItem("A", LONG, bdt("1.00")), "invalid_input"),
    (DefineItem("A", "Tea", bdt("0")), "invalid_amount"),
    (DefineItem("A", "Tea", bdt("1.001")), "too_many_decimals"),
    (DefineItem("A", "Tea", Money("1.00", "XXY")), "unknown_currency"),
    (DefineItem("A", "Tea", bdt("1.00"), "bond"), "invalid_input"),
    (DefineItem(TEA, "Tea", bdt("1.00")), "already_exists"),
    (ChangeItem("COFFEE", "Coffee"), "stock_not_found"),
    (ChangeItem(TEA), "invalid_input"),
    (ChangeItem(TEA, ""), "invalid_input"),
    (ChangeItem(TEA, price=USD), "currency_mismatch"),
    (ChangeItem(TEA, price=bdt("-1.00")), "invalid_amount"),
    (ChangeItem(TEA, status="gone"), "invalid_input"),
    (ReceiveStock("COFFEE", 1, bdt("1.00")), "stock_not_found"),
    (ReceiveStock(TEA, 0, bdt("1.00")), "invalid_input"),
    (ReceiveStock(TEA, -1, bdt("1.00")), "invalid_input"),
    (ReceiveStock(TEA, 10**12 + 1, bdt("1.00")), "invalid_input"),
    (ReceiveStock(TEA, 10**30, bdt("1.00")), "invalid_input"),
    (ReceiveStock(TEA, 1.5, bdt("1.00")), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("0.00")), "invalid_amount"),
    (ReceiveStock(TEA, 1, bdt("1e3")), "invalid_amount"),
    (ReceiveStock(TEA, 1, bdt("9" * 19)), "amount_too_large"),
    (ReceiveStock(TEA, 1, USD), "currency_mismatch"),
    (ReceiveStock(TEA, 1, Money("1.00", "XXY")), "unknown_currency"),
    (ReceiveStock(TEA, 1, bdt("1.00"), ALICE), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("1.00"), f"wallet/{ALICE}"), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("1.00"), "inventory/TEA"), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("1.00"), "cash"), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("1.00"), supplier=""), "invalid_input"),
    (ReceiveStock(TEA, 1, bdt("1.00"), reference=LONG), "invalid_input"),
    (AllocateStock("COFFEE", 1, "order/M1"), "stock_not_found"),
    (AllocateStock(TEA, 0, "order/M1"), "invalid_input"),
    (AllocateStock(TEA, -1, "order/M1"), "invalid_input"),
    (AllocateStock(TEA, 10**12 + 1, "order/M1"), "invalid_input"),
    (AllocateStock(TEA, 9, "order/M1"), "insufficient_stock"),
    (AllocateStock(TEA, 1, "M1"), "invalid_input"),
    (AllocateStock(TEA, 1, "investment/inv_0400"), "invalid_transition"),
    (AllocateStock(TEA, 1, "order/" + LONG), "invalid_input"),
    (AllocateStock(TEA, 1, "order/M1", ""), "invalid_input"),
    (AllocateStock(TEA, 1, "order/M1", "a/b"), "invalid_input"),
    (GiveBackStock("alc_0400", "Why."), "stock_not_found"),
    (GiveBackStock(NUL, "Why."), "invalid_input"),
    (AdjustStock("COFFEE", 1, -1, "Why."), "stock_not_found"),
    (AdjustStock(TEA, 3, -1, "Why."), "stock_not_found"),
    (AdjustStock(TEA, 0, -1, "Why."), "stock_not_found"),
    (AdjustStock(TEA, -(2**63), -1, "Why."), "stock_not_found"),
    (AdjustStock(TEA, 1, -(10**18), "Why."), "insufficient_stock"),
    (AdjustStock(TEA, 1, -1, " "), "invalid_input"),
    (AdjustStock(TEA, 1, -1, "x" * 501), "invalid_input"),
]


def test_what_makes_no_sense_is_refused(database_url):
    """One clear error each, and not a row of the book is different."""
    with a_warehouse(database_url, alice="0") as book:
        before = book.verify().head, tea(book)
        for command, code in WRONG:
            assert (refused(book, command).code, command) == (code, command)
        assert (book.verify().head, tea(book)) == before
        is_sound(book)


def test_a_return_needs_sense_too(database_url):
    """How many, and why."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 2)
        for quantity, why in ((0, "Why."), (-1, "Why."), (1, ""), (1, "x" * 501)):
            assert refused(book, GiveBackStock(made.id, why, quantity)).code == "invalid_input"
        is_sound(book)


def test_all_lots_together_have_a_bound(database_url):
    """A count that no column could hold is never reached."""
    with a_book(database_url) as book:
        book.submit(DefineItem(TEA, "Tea", bdt("1.00")))
        outcomes = book.submit_many([ReceiveStock(TEA, 10**12, bdt("1.00"))] * 11)
        codes = [getattr(outcome, "code", None) for outcome in outcomes]
        assert codes == [None] * 10 + ["invalid_input"]
        assert tea(book)[0] == 10**13
        is_sound(book)


# ── who may ──────────────────────────────────────────────────────────────────────────


def test_owners_see_what_went_to_them(database_url):
    """Without what it had cost; nothing of others, and nothing of the stock."""
    with a_warehouse(database_url, alice="0") as book:
        mine, theirs = allocate(book, 1), allocate(book, 1, owner="bob")
        with book.view(owner("alice")) as view:
            (seen,) = inventory.allocations(view).items
            assert (seen.id, seen.cost, seen.lines[0].cost) == (mine.id, None, None)
            assert inventory.allocation(view, mine.id) == seen
            for ask in (
                lambda: inventory.allocation(view, theirs.id),
                lambda: inventory.allocation(view, "alc_none"),
                lambda: inventory.allocations(view, owner="bob"),
                lambda: inventory.item(view, TEA),
                lambda: inventory.items(view),
                lambda: inventory.lots(view, TEA),
                lambda: inventory.check(view),
                lambda: ledger.books(view),
            ):
                with pytest.raises(NotYours):
                    ask()


def test_stock_is_for_the_warehouse(database_url):
    """Others may not touch it."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 1)
        for command in (
            DefineItem("A", "A", bdt("1.00")),
            ChangeItem(TEA, "A"),
            ReceiveStock(TEA, 1, bdt("1.00")),
            AllocateStock(TEA, 1, "order/M1"),
            GiveBackStock(made.id, "Why."),
            AdjustStock(TEA, 1, -1, "Why."),
        ):
            for who in ("owner:alice", "support:kamal", "logistics:rita"):
                assert refused(book, command, actor=actor(who)).code == "role_required"


def test_above_a_limit_a_second_person_is_asked(database_url):
    """Receiving, taking out, giving back and writing off are movements of money."""
    with a_warehouse(database_url) as book:
        made = allocate(book, 3)
        book.submit(setup.Set("four_eyes", {"BDT": "9.99"}))
        for command in (
            ReceiveStock(TEA, 1, bdt("10.00")),
            AllocateStock(TEA, 3, "order/M2"),
            GiveBackStock(made.id, "Why."),
            AdjustStock(TEA, 2, -3, "Why."),
        ):
            assert refused(book, command, actor=WAREHOUSE).code == "approval_required"
        book.submit(AllocateStock(TEA, 2, "order/M2"), actor=WAREHOUSE)
        assert refused(book, ReceiveStock(TEA, 1, bdt("10.00")), actor=FINANCE).code == (
            "approval_required"
        )
        is_sound(book)


# ── looking ──────────────────────────────────────────────────────────────────────────


def test_a_check_names_what_differs(database_url):
    """An entry by hand on the item's account, and a lot that somebody touched."""
    with a_warehouse(database_url) as book:
        legs = [
            ledger.LegIn(ON_HAND, debit=bdt("1.00")),
            ledger.LegIn("cash/main", credit=bdt("1.00")),
        ]
        book.submit(ledger.PostEntry(legs, "adjustment"))
        assert [
            (d.sku, d.lot, d.what, d.expected, d.found) for d in book.query(inventory.check)
        ] == [(TEA, None, "balance", "30.00", "31.00")]
        with book.database.changing() as connection:
            connection.exec_driver_sql("UPDATE stock_lots SET remaining = 4 WHERE number = 2")
        found = {(d.lot, d.what) for d in book.query(inventory.check)}
        assert found == {(2, "received"), (None, "remaining"), (None, "balance")}


def test_lists_come_in_pages(database_url):
    """Every item, lot and allocation once, however small the page."""
    with a_warehouse(database_url, lots=[(3, "1.00")] * 5) as book:
        for sku in ("ATTA", "RICE"):
            book.submit(DefineItem(sku, sku, bdt("1.00"), "share"))
        made = [allocate(book, 3, f"order/M{n}") for n in range(5)]
        receive(book)

        def walked(ask, *args, **fields):
            cursor = None
            while True:
                page = book.query(ask, *args, cursor=cursor, limit=2, **fields)
                yield from page.items
                cursor = page.next
                if cursor is None:
                    return

        assert [item.sku for item in walked(inventory.items)] == ["ATTA", "RICE", TEA]
        assert [item.sku for item in walked(inventory.items, kind="product")] == [TEA]
        assert [lot.number for lot in walked(inventory.lots, TEA)] == [1, 2, 3, 4, 5, 6]
        assert [lot.number for lot in walked(inventory.lots, TEA, open_only=True)] == [6]
        ids = [item.id for item in walked(inventory.allocations, sku=TEA, status="allocated")]
        assert ids == [item.id for item in reversed(made)]
        one = walked(inventory.allocations, subject="order/M3", owner="alice")
        assert [item.id for item in one] == [made[3].id]


def test_the_books_of_a_house(database_url):
    """What it has, owes and earned, now and before; each currency for itself."""
    with a_book(database_url, alice="100.00") as book:
        before = book.query(ledger.books)
        at = book.query(inventory.check) or book.clock()
        book.submit(DefineItem(TEA, "Tea", Money("5.00", "USD")))
        book.submit(ReceiveStock(TEA, 4, Money("8.00", "USD"), "payable/suppliers"))
        book.submit(AllocateStock(TEA, 1, "order/M1"))
        taka, dollars = book.query(ledger.books)
        assert [taka] == before == book.query(ledger.books, at)
        assert (taka.cash, taka.wallets, taka.liabilities) == ("100.00", "100.00", "100.00")
        assert (dollars.inventory, dollars.payables, dollars.expenses, dollars.result) == (
            "6.00",
            "8.00",
            "2.00",
            "-2.00",
        )
        assert (taka.balanced, dollars.balanced) == (True, True)
        assert balance(book) == "100.00"
