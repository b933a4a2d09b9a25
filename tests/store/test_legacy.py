"""Customers taken over from another system: orders as they stand, wallets, repairs, no more."""

from pathlib import Path

import msgspec
import pytest

from khata import KhataError, Money
from khata.base.clock import DAY, to_iso
from khata.domain import access, inventory, ledger, legacy, mismatches, orders, setup, wallets
from khata.domain.legacy import TakeOver
from khata.domain.orders import AdoptOrder, Order, OrderChange, Piece, RefundOrder
from khata.edge.files.legacy import read_snapshot
from khata.edge.files.legacy_taking import command_for, settled, take_over
from khata.engine.reading import record, records, select
from khata.errors import ApprovalRequired, InsufficientFunds
from khata.errors.operations import SnapshotRefused
from tests.builders import (
    ADMIN,
    FINANCE,
    OTHER_ADMIN,
    START,
    SUPPORT,
    Clock,
    a_book,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

CASE = Path(__file__).parents[2] / "examples" / "legacy" / "customer-94"
WALLET = "94/customer/IQD"
RIGHT, SHOWN, PARTLY, OUT, STUCK = (f"M25111{number}" for number in (28, 30, 33, 35, 38))
WHY = "Orders of the old shop, ticket 4711"


def exported(book):
    return read_snapshot(CASE, CASE / "mapping.toml", book.clock())


def work(book):
    book.worker({}).work()


def rows(book, cls):
    with book.view() as view:
        return records(view, cls, select(view, cls))


def stands(book, ref):
    found = book.query(orders.order, ref)
    return found.finance, found.warehouse, found.logistics, found.status


# ── the reference case ───────────────────────────────────────────────────────────────


def test_customer_94(database_url):
    """Four repairs and no other, the dry run told them all; the wallet paid the two parts that it
    owed; the fifth order is untouched; a second run finds nothing.
    """
    with a_book(database_url, clock=Clock()) as book:
        found = exported(book)
        tried = take_over(book, found, WHY, ADMIN, dry_run=True)
        assert tried.report == legacy.audit(found)
        assert rows(book, Order) == []
        taken = take_over(book, found, WHY, ADMIN, dry_run=False)
        (right,) = [order for order in rows(book, Order) if order.ref == RIGHT]
        history = [change for change in rows(book, OrderChange) if change.order == RIGHT]
        waiting = settled(book, found, taken)
        assert waiting.waiting == [SHOWN, PARTLY, OUT, STUCK]
        work(book)
        done = settled(book, found, taken)
        assert (done.waiting, done.failed, done.adopted) == ([], {}, 5)
        assert done.report == tried.report
        assert {ref: stands(book, ref) for ref in (RIGHT, SHOWN, PARTLY, OUT, STUCK)} == {
            RIGHT: ("paid", "ready", "waiting", "preparing"),
            SHOWN: ("paid", "picked", "delivered", "delivered"),
            PARTLY: ("paid", "ready", "waiting", "preparing"),
            OUT: ("paid", "picked", "delivered", "delivered"),
            STUCK: ("paid", "ready", "waiting", "preparing"),
        }
        with book.view() as view:
            assert record(view, Order, RIGHT) == right
        assert [item for item in rows(book, OrderChange) if item.order == RIGHT] == history
        assert book.query(wallets.balance, WALLET).balance == "13062207.265"
        accounts = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        assert accounts[f"escrow/order/{PARTLY}"] == "3999999.995"
        assert accounts[f"escrow/order/{STUCK}"] == "675125.125"
        assert accounts["bank/main"] == "675125.125"
        assert accounts[f"escrow/order/{SHOWN}"] == "0.000"
        assert discrepancies(book) == []
        _check_trail(book)
        again = take_over(book, found, "Another reason", FINANCE, dry_run=False)
        assert (again.report.repairs, again.adopted, again.sagas) == ([], 0, [])
        assert again.report.correct == [RIGHT, SHOWN, PARTLY, OUT, STUCK]
        assert book.query(mismatches.mismatches, status="open").items == []


def _check_trail(book):
    """Who, when and why for each repair, with the entries that it made; and who took over."""
    done = book.query(mismatches.repairs).items
    told = {item.order: (item.asked_by, item.reason, item.status, len(item.entries))
            for item in done}  # fmt: skip
    assert told == {
        SHOWN: (str(ADMIN), WHY, "applied", 0),
        PARTLY: (str(ADMIN), WHY, "applied", 1),
        OUT: (str(ADMIN), WHY, "applied", 1),
        STUCK: (str(ADMIN), WHY, "applied", 1),
    }
    assert all(item.asked_at == to_iso(START) for item in done)
    (kept,) = book.query(legacy.takeovers).items
    assert (kept.customer, kept.by, kept.reason, kept.balance) == (
        "94",
        str(ADMIN),
        WHY,
        "15296775.160",
    )
    assert [item.plan.order for item in kept.repairs] == [SHOWN, PARTLY, OUT, STUCK]
    assert book.query(legacy.takeover, "old-shop", "95") is None
    for item in done:
        changes = book.query(orders.history, item.order).items
        assert {change.reason for change in changes} == {WHY}


def test_what_no_longer_fits_is_refused_whole(database_url):
    """An export that was changed, a wallet with another balance, a person of another role."""
    with a_book(database_url, clock=Clock()) as book:
        found = exported(book)
        ((wallet, theirs),) = legacy.customers(found)
        book.submit(wallets.OpenWallet("94", "IQD", "customer"))
        error = refused(book, command_for(found, wallet, theirs, WHY))
        assert (type(error), error.details["reason"]) == (SnapshotRefused, "wallet_differs")
        credit = wallets.Credit(WALLET, Money("15296775.160", "IQD"))
        book.submit(credit)
        assert refused(book, command_for(found, wallet, theirs, WHY), actor=FINANCE).code == (
            "role_required"
        )
        wanted = command_for(found, wallet, theirs, WHY)
        state = book.submit(wanted, actor=ADMIN).result
        assert (state.balance, state.adopted[0]) == ("15296775.160", RIGHT)
        assert book.submit(wanted, actor=ADMIN).result == state
        changed = msgspec.structs.replace(found, orders=theirs[:4])
        with pytest.raises(SnapshotRefused) as caught:
            take_over(book, changed, WHY, ADMIN, dry_run=True)
        assert caught.value.details["reason"] == "changed"
        fewer = command_for(changed, wallet, theirs[:4], WHY)
        assert refused(book, fewer).code == "already_exists"
        for wrong in (
            {"snapshot": "a/b"},
            {"customer": " "},
            {"digest": "x"},
            {"reason": ""},
            {"orders": wanted.orders * 101},
            {"customer": "95"},
            {"balance": Money("-1", "IQD"), "snapshot": "other"},
            {"balance": bdt("1"), "snapshot": "other"},
        ):
            error = refused(book, msgspec.structs.replace(wanted, **wrong))
            assert error.code in {"invalid_input", "currency_mismatch"}, wrong
        assert book.query(legacy.takeovers, limit=1).next is None
        with pytest.raises(KhataError), book.view(owner("94")) as view:
            legacy.takeovers(view)


def test_a_wallet_that_has_not_enough(database_url):
    """The repairs that it can pay are begun; the others are told, and wait for money."""
    with a_book(database_url, clock=Clock()) as book:
        found = exported(book)
        poor = [legacy.LegacyWallet("94", 1_600_000_000)]
        found = msgspec.structs.replace(found, wallets=poor)
        tried = take_over(book, found, WHY, ADMIN, dry_run=True).report
        assert {item.plan.order: item.refused for item in tried.repairs} == {
            SHOWN: None,
            PARTLY: None,
            OUT: InsufficientFunds.code,
            STUCK: None,
        }
        assert (tried.balances[0].after, tried.moved) == ("99999.995", "2175125.130")
        taken = take_over(book, found, WHY, ADMIN, dry_run=False)
        work(book)
        done = settled(book, found, taken)
        assert (list(done.failed), done.report) == ([OUT], tried)
        again = take_over(book, found, WHY, ADMIN, dry_run=False)
        assert [(item.plan.order, item.refused) for item in again.report.repairs] == [
            (OUT, InsufficientFunds.code)
        ]
        book.submit(wallets.Credit(WALLET, Money("700000", "IQD")))
        last = take_over(book, found, "Paid in", ADMIN, dry_run=False)
        assert [(item.plan.order, item.refused) for item in last.report.repairs] == [(OUT, None)]
        assert take_over(book, found, WHY, ADMIN, dry_run=True).report.repairs == (
            last.report.repairs
        )
        work(book)
        assert stands(book, OUT) == ("paid", "picked", "delivered", "delivered")
        assert discrepancies(book) == []


def test_four_eyes_look_at_what_is_taken_over(database_url):
    """Above the limit a second person; what they approved is repaired without asking again."""
    with a_book(database_url, clock=Clock()) as book:
        book.submit(setup.Set("four_eyes", {"IQD": "1000000"}))
        found = exported(book)
        ((wallet, theirs),) = legacy.customers(found)
        wanted = command_for(found, wallet, theirs, WHY)
        assert isinstance(refused(book, wanted, actor=ADMIN), ApprovalRequired)
        asked = access.RequestApproval(msgspec.to_builtins(wanted), WHY)
        request = book.submit(asked, actor=ADMIN).result.request
        book.submit(access.Approve(request), actor=OTHER_ADMIN)
        work(book)
        assert book.query(wallets.balance, WALLET).balance == "13062207.265"
        assert stands(book, STUCK)[0] == "paid"


# ── adopting ─────────────────────────────────────────────────────────────────────────


def an_order(ref="A1", **given):
    """An order of alice's that is paid and on its way."""
    usual = {
        "ref": ref,
        "customer": "alice",
        "total": bdt("100.00"),
        "finance": "paid",
        "warehouse": "picked",
        "logistics": "dispatched",
        "shown": "dispatched",
        "placed_at": to_iso(START - 9 * DAY),
        "reason": "From the old shop",
        "wallet": "alice/personal/BDT",
        "received": bdt("100.00"),
    }
    return AdoptOrder(**(usual | given))


def test_an_order_is_adopted_as_it_stands(database_url):
    """Money, goods and times; whatever is wrong with it is found at once, nothing is one-sided."""
    with a_book(database_url, clock=Clock(), alice="50.00", sara="0", karim="0") as book:
        book.submit(wallets.OpenWallet("karim", "BDT", "partner"))
        book.submit(inventory.DefineItem("TEA", "Tea", bdt("10.00")))
        book.submit(inventory.ReceiveStock("TEA", 10, bdt("50.00")))
        sold = {"seller": "karim", "seller_wallet": "karim/partner/BDT"}
        book.submit(an_order("A1", pieces=[Piece("TEA", 3)], **sold))
        book.submit(
            an_order("A2", logistics="delivered", shown="delivered", held=bdt("40.00"), **sold)
        )
        book.submit(an_order("A3", logistics="delivered", shown="delivered", scheduled=False))
        book.submit(
            an_order(
                "A4",
                finance="cancelled",
                warehouse="cancelled",
                logistics="cancelled",
                shown="cancelled",
                received=None,
                pieces=[Piece("TEA", 2)],
            )
        )
        book.submit(an_order("A5", finance="partially_refunded", refunded=bdt("130.00")))
        book.submit(
            an_order(
                "A6",
                finance="wallet_partial",
                warehouse="waiting",
                logistics="waiting",
                shown="pending",
                received=None,
                wallet_part=bdt("30.00"),
                wallet_paid=bdt("30.00"),
                grace_ends_at=to_iso(START + 2 * DAY),
            )
        )
        wrong = book.query(mismatches.mismatches, status="open").items
        assert sorted((item.order, item.kind) for item in wrong) == [
            ("A3", "release_missing"),
            ("A4", "stock_kept"),
            ("A5", "refund_exceeds"),
        ]
        accounts = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        there = {ref: accounts.get(f"escrow/order/{ref}") for ref in ("A1", "A2", "A3", "A6")}
        assert there == {"A1": "100.00", "A2": "40.00", "A3": "100.00", "A6": "30.00"}
        assert accounts["equity/opening/orders"] == "-270.00"
        assert book.query(inventory.item, "TEA").remaining == 5
        kept = book.query(orders.order, "A2")
        assert (kept.adopted, kept.placed_at, kept.status) == (
            True,
            to_iso(START - 9 * DAY),
            "delivered",
        )
        assert discrepancies(book) == []
        # what was given to the seller elsewhere can be asked back of them
        book.submit(wallets.Credit("karim/partner/BDT", bdt("60.00")))
        book.submit(RefundOrder("A2", "broken"), actor=ADMIN)
        assert stands(book, "A2")[0] == "refunded"
        assert discrepancies(book) == []


def test_an_adopted_order_lapses_like_any_other(database_url):
    """Its grace goes on here; one that was over before is left to a person."""
    clock = Clock()
    waits = {
        "finance": "bank_transfer_grace",
        "warehouse": "waiting",
        "logistics": "waiting",
        "shown": "pending",
        "received": None,
    }
    with a_book(database_url, clock=clock, alice="0") as book:
        book.submit(an_order("A1", **waits, grace_ends_at=to_iso(START + DAY)))
        book.submit(an_order("A2", **waits, grace_ends_at=to_iso(START - DAY)))
        clock.pass_by(2 * 86_400)
        work(book)
        assert stands(book, "A1")[0] == "cancelled"
        assert stands(book, "A2")[0] == "bank_transfer_grace"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"ref": "a/b"}, "invalid_input"),
        ({"ref": "A\x00"}, "invalid_input"),
        ({"customer": "equity"}, "invalid_input"),
        ({"reason": " "}, "invalid_input"),
        ({"reason": "a\x00"}, "invalid_input"),
        ({"title": "\ud800"}, "invalid_input"),
        ({"total": Money("0", "BDT")}, "invalid_amount"),
        ({"total": Money("1", "BDX")}, "unknown_currency"),
        ({"received": Money("1", "IQD")}, "currency_mismatch"),
        ({"received": Money("-1", "BDT")}, "invalid_input"),
        ({"held": Money("100.01", "BDT")}, "invalid_input"),
        ({"wallet_part": Money("100.01", "BDT")}, "invalid_input"),
        ({"finance": "wallet_partial", "held": Money("1", "BDT")}, "invalid_input"),
        ({"placed_at": "2099-01-01"}, "invalid_input"),
        ({"receipt_at": "soon"}, "invalid_input"),
        ({"grace_ends_at": "2099-01-01"}, "invalid_input"),
        ({"release_days": 401}, "invalid_input"),
        ({"wallet": "bob/personal/BDT"}, "invalid_input"),
        ({"wallet": "nobody/personal/BDT"}, "wallet_not_found"),
        ({"seller": "bob"}, "invalid_input"),
        ({"seller": "bob", "seller_wallet": "alice/personal/BDT"}, "invalid_input"),
        ({"pieces": [Piece("TEA", 1)]}, "stock_not_found"),
        ({"pieces": [Piece("TEA", 1)] * 101}, "invalid_input"),
        ({"source": "nothing"}, "unknown_source"),
        ({"ref": "A0"}, "already_exists"),
    ],
)
def test_what_cannot_be_adopted(refusing, given, code):
    """Refused with one clear error, and nothing is written."""
    assert refused(refusing, an_order(**given)).code == code
    assert refusing.query(orders.orders, limit=2).items[0].ref == "A0"


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """A book with one order, in which nothing of what is asked for comes to pass."""
    url = sqlite_at(tmp_path_factory.mktemp("adopting") / "khata.db")
    with a_book(url, clock=Clock(), alice="10.00", bob="0") as book:
        book.submit(an_order("A0"))
        yield book
        assert len(book.query(orders.orders).items) == 1
        assert discrepancies(book) == []


def test_adopting_has_its_roles_and_limits(refusing):
    """Administrators and programs; above the limit two people."""
    for who in (FINANCE, SUPPORT, owner("alice")):
        assert refused(refusing, an_order(), actor=who).code == "role_required"
    refusing.submit(setup.Set("four_eyes", {"BDT": "99.99"}))
    assert isinstance(refused(refusing, an_order(), actor=ADMIN), ApprovalRequired)


def test_takeovers_are_listed_by_an_index(database_url):
    """The latest first, without reading them all."""
    with a_book(database_url, clock=Clock()) as book:
        for name in ("a", "b", "c"):
            book.submit(TakeOver(f"shop-{name}", "mitu", "BDT", [], "0" * 64, "empty"), actor=ADMIN)
        page = book.query(legacy.takeovers, limit=2)
        assert [item.snapshot for item in page.items] == ["shop-c", "shop-b"]
        rest = book.query(legacy.takeovers, limit=2, cursor=page.next)
        assert [item.snapshot for item in rest.items] == ["shop-a"]
        plans = plans_of(book, legacy.takeovers)
        assert all("legacy_takeovers_by_at" in plan or "pkey" in plan for plan in plans), plans
