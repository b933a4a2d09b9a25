"""Mismatches: found inline and by the sweep, repaired by one plan, equal to what never broke."""

import re
import threading
from contextlib import contextmanager

import msgspec
import pytest

from khata import Khata, KhataError
from khata.base.clock import DAY, to_iso
from khata.domain import (
    access,
    debts,
    escrow,
    holds,
    inventory,
    ledger,
    mismatches,
    orders,
    sagas,
    setup,
    wallets,
)
from khata.domain.mismatches import RULES, DismissMismatch, RepairMismatch, Sweep
from khata.domain.orders import AdoptOrder, Line, Piece, PlaceOrder, ReceiptFile, UploadReceipt
from khata.edge.working import sweeping
from khata.edge.working.at_once import work_off
from khata.edge.working.sweeping import Sweeping, sweep_all
from khata.engine.accounts import Account
from khata.engine.reading import records, select
from khata.testing import VirtualClock, finish
from tests.builders import (
    ADMIN,
    ALICE,
    FINANCE,
    OTHER_ADMIN,
    SUPPORT,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
    state,
)
from tests.store.test_debts import events
from tests.store.test_queries_plans import plans_of

TEA = "TEA"
WHY = "Ticket 4711."
KINDS = [rule.kind for rule in RULES]


@contextmanager
def a_shop(url, *, alice="1000.00", name="main"):
    """A book with tea in stock, alice with money, and a clock that stands."""
    clock = VirtualClock()
    with Khata.open(url, name, migrate=True, clock=clock) as book:
        book.submit(wallets.OpenWallet("alice", "BDT"))
        book.submit(wallets.Credit(ALICE, bdt(alice)))
        book.submit(inventory.DefineItem(TEA, "Tea, 500 g", bdt("5.00")))
        book.submit(inventory.ReceiveStock(TEA, 10, bdt("20.00")))
        yield book, clock


def adopt(book, ref, finance="paid", warehouse="waiting", logistics="waiting", **facts):
    """An order of 100.00 as it stands elsewhere; what is shown follows unless it is given."""
    shown = facts.pop("shown", None) or orders.status_of(finance, warehouse, logistics)
    usual = {
        "wallet": ALICE,
        "placed_at": to_iso(book.clock() - 3 * DAY),
        "wallet_part": bdt("40.00"),
        "wallet_paid": bdt("40.00"),
        "received": bdt("60.00"),
        "reason": "Taken over.",
    }
    command = AdoptOrder(
        ref=ref,
        customer="alice",
        total=bdt("100.00"),
        finance=finance,
        warehouse=warehouse,
        logistics=logistics,
        shown=shown,
        **(usual | facts),
    )
    return book.submit(command).result


BROKEN = {
    "wallet_part_missing": {"finance": "wallet_partial", "wallet_paid": None},
    "receipt_stuck": {
        "finance": "receipt_uploaded",
        "received": None,
        "wallet_part": None,
        "wallet_paid": None,
        "receipt_back": 2,
    },
    "refund_exceeds": {
        "finance": "refunded",
        "warehouse": "restocked",
        "logistics": "returned",
        "refunded": bdt("130.00"),
    },
    "stock_kept": {
        "finance": "cancelled",
        "warehouse": "cancelled",
        "logistics": "cancelled",
        "wallet_part": None,
        "wallet_paid": None,
        "received": None,
        "pieces": [Piece(TEA, 3)],
    },
    "release_missing": {"warehouse": "picked", "logistics": "delivered", "scheduled": False},
    "status_differs": {"warehouse": "picked", "logistics": "dispatched", "shown": "pending"},
}


def broken(book, kind, ref="M1"):
    """An order of which this, and nothing else, is wrong."""
    facts = dict(BROKEN[kind])
    back = facts.pop("receipt_back", None)
    if back:
        facts["receipt_at"] = to_iso(book.clock() - back * DAY)
        facts["grace_ends_at"] = to_iso(book.clock() + DAY)
    return adopt(book, ref, **facts)


def open_ones(book):
    """(order, kind) of all that is open."""
    found = book.query(mismatches.mismatches, status="open").items
    return sorted((item.order, item.kind) for item in found)


def repaired(book, clock, ref="M1", **options):
    """The repair of an order, worked off as far as it goes now."""
    made = book.submit(RepairMismatch(ref, WHY), **options).result
    finish(book, {}, clock, until_seconds=0)
    return book.query(mismatches.repair, made.id)


def stands(book, ref="M1"):
    """How an order stands, without the instants since when."""
    (found,) = [one for one in book.query(orders.standings).items if one.ref == ref]
    return {
        name: getattr(found, name)
        for name in found.__struct_fields__
        if not name.endswith(("_at", "_since"))
    }


def accounts(book):
    """Every account that is not empty: what it has, and what of it is held."""
    with book.view() as view:
        found = records(view, Account, select(view, Account))
    return {item.code: (item.balance, item.held) for item in found if item.balance or item.held}


def tea(book):
    """(pieces that remain, that are allocated, what those that remain had cost)."""
    item = book.query(inventory.item, TEA)
    return item.remaining, item.allocated, item.cost


def place(book, pay, **fields):
    """An order of alice's: something for 100.00 and two packets of tea at 5.00."""
    lines = [Line(title="A kettle", price=bdt("100.00")), Line(2, TEA)]
    return book.submit(PlaceOrder("M1", "alice", lines, pay, ALICE, **fields)).result


def upload(book, mark="7"):
    """A receipt for it."""
    file = ReceiptFile(mark * 64, "image/png", 1000, "receipt.png")
    return book.submit(UploadReceipt("M1", file)).result


# ── finding ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_found_and_repaired(database_url, kind):
    """It is told of, seen once however often one looks, repaired as planned, and gone."""
    with a_shop(database_url) as (book, clock):
        broken(book, kind)
        sweep_all(book)
        assert open_ones(book) == [("M1", kind)]
        assert sweep_all(book).opened == []
        ((who, subject, data),) = events(book, "mismatch.found")
        assert (who, f'"mismatch":"{kind}"' in data) == (None, True)
        before = accounts(book)
        dry = book.submit(RepairMismatch("M1", WHY), actor=FINANCE, dry_run=True).result
        assert accounts(book) == before
        done = repaired(book, clock, actor=FINANCE)
        assert (done.status, done.plan) == ("applied", dry.plan), done.message
        assert (done.asked_by, done.reason) == ("finance:sumi", WHY)
        seen = stands(book)
        wanted = done.plan.after
        for name in ("finance", "warehouse", "logistics", "shown", "reserved"):
            assert seen[name] == getattr(wanted, name)
        assert state(book).available == done.plan.wallet_after
        item = book.query(mismatches.mismatch, subject)
        assert (item.status, item.repair, item.ended_by) == ("repaired", done.id, "finance:sumi")
        assert sweep_all(book) == mismatches.Swept(1, [], [])
        assert refused(book, RepairMismatch("M1", WHY)).details["reason"] == "nothing_found"
        assert discrepancies(book) == []


def hold_given_back(book):
    """Somebody voids the hold of a mixed order behind its back."""
    made = place(book, "mixed", wallet_part=bdt("40.00"))
    book.submit(holds.VoidHold(made.hold, "A slip of the hand."))


def receipt_forgotten(book):
    """A receipt that nobody looks at for two days."""
    place(book, "bank")
    upload(book)
    book.clock.advance(2 * 86_400)


def stock_taken(book):
    """Tea is set aside for an order that is called off already."""
    place(book, "wallet")
    book.submit(orders.CancelOrder("M1", "Not wanted."))
    book.submit(inventory.AllocateStock(TEA, 2, "order/M1", "alice"))


def brought(book):
    """An order that was paid, picked and brought."""
    place(book, "wallet")
    ways = ("warehouse ready", "warehouse picked", "logistics dispatched", "logistics delivered")
    for way in ways:
        book.submit(orders.MoveOrder("M1", *way.split()))


def release_called_off(book):
    """Somebody cancels the saga that would release its escrow."""
    brought(book)
    saga = book.query(escrow.escrow, "order/M1").saga
    book.submit(sagas.CancelSaga(saga, "A slip of the hand."))


TWINS = {
    "wallet_part_missing": (
        hold_given_back,
        lambda book: place(book, "mixed", wallet_part=bdt("40.00")),
    ),
    "receipt_stuck": (
        receipt_forgotten,
        lambda book: (
            place(book, "bank"),
            upload(book),
            book.submit(orders.ApprovePayment("M1", "Seen.")),
            book.submit(orders.MoveOrder("M1", "warehouse", "ready")),
        ),
    ),
    "stock_kept": (
        stock_taken,
        lambda book: (place(book, "wallet"), book.submit(orders.CancelOrder("M1", "Not wanted."))),
    ),
    "release_missing": (release_called_off, brought),
    "status_differs": (
        lambda book: broken(book, "status_differs"),
        lambda book: adopt(book, "M1", warehouse="picked", logistics="dispatched"),
    ),
}


@pytest.mark.parametrize("kind", TWINS)
def test_what_is_repaired_equals_what_never_broke(database_url, kind):
    """Every account, the order and the stock stand as in a twin; and so to the end of its days."""
    shatter, behave = TWINS[kind]
    with (
        a_shop(database_url) as (book, clock),
        a_shop(database_url, name="twin") as (twin, other),
    ):
        shatter(book)
        behave(twin)
        assert accounts(book) != accounts(twin) or stands(book) != stands(twin)
        found = sweep_all(book)
        assert [item.kind for item in found.opened] in ([], [kind])
        assert open_ones(book) == [("M1", kind)]
        assert repaired(book, clock).status == "applied"
        for _ in range(2):
            assert accounts(book) == accounts(twin)
            assert stands(book) == stands(twin)
            assert tea(book) == tea(twin)
            finish(book, {}, clock, until_seconds=30 * 86_400)
            finish(twin, {}, other, until_seconds=30 * 86_400)
        assert sweep_all(book).opened == []
        assert discrepancies(book) == discrepancies(twin) == []


def test_a_mismatch_that_is_gone_is_ended(database_url):
    """In the very command that puts it right; nothing is opened twice meanwhile."""
    with a_shop(database_url) as (book, clock):
        receipt_forgotten(book)
        swept = sweep_all(book)
        assert [(one.kind, one.found_by, one.at_risk) for one in swept.opened] == [
            ("receipt_stuck", "sweep", "110.00")
        ]
        assert book.submit(Sweep(["M1", "M1"])).result == mismatches.Swept(1, [], [])
        clock.advance(3600)
        book.submit(orders.ApprovePayment("M1", "Seen."), actor=FINANCE)
        (ended,) = book.query(mismatches.mismatches, order="M1").items
        assert (ended.status, ended.ended_by, ended.repair) == ("gone", "finance:sumi", None)
        assert ended.age_seconds == 86_400 + 3600
        assert [subject for _, subject, _ in events(book, "mismatch.gone")] == [ended.id]


def test_an_order_has_one_repair_for_all(database_url):
    """Delivered, the wallet's part never taken, and shown as pending: one plan, one command."""
    with a_shop(database_url) as (book, clock):
        adopt(
            book,
            "M1",
            "wallet_partial",
            "picked",
            "delivered",
            wallet_paid=None,
            shown="pending",
        )
        kinds = ["status_differs", "wallet_part_missing"]
        assert [kind for _, kind in open_ones(book)] == kinds
        done = repaired(book, clock)
        assert [action.kind for action in done.plan.actions] == [
            "take_wallet_part",
            "schedule_release",
        ]
        assert (done.plan.wallet_before, done.plan.wallet_after) == ("1000.00", "960.00")
        assert balance(book) == "960.00"
        (entry,) = [book.query(ledger.entry, name) for name in done.entries]
        assert entry.reference == "order/M1"
        told = [line for line in book.query(orders.history, "M1").items if line.reason == WHY]
        assert {line.axis for line in told} >= {"money", "finance"}
        seen = stands(book)
        assert (seen["finance"], seen["shown"]) == ("paid", "delivered")
        ended = book.query(mismatches.mismatches, status="repaired").items
        assert {item.repair for item in ended} == {done.id}
        ((_, subject, _),) = events(book, "order.repaired")
        assert subject == "order/M1"
        finish(book, {}, clock, until_seconds=8 * 86_400)
        assert accounts(book)["revenue/sales"] == (-10_000, 0)
        assert discrepancies(book) == []


# ── who, and how not ─────────────────────────────────────────────────────────────────


def test_two_repairs_at_once(database_url):
    """However many ask, an order has one repair, and its money moves once."""
    with a_shop(database_url) as (book, clock):
        broken(book, "wallet_part_missing")
        told = []

        def ask(name):
            try:
                told.append(book.submit(RepairMismatch("M1", name)).result.id)
            except KhataError as error:
                told.append(error.details["reason"])

        threads = [threading.Thread(target=ask, args=(f"Try {n}.",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told)[-3:] == ["under_way"] * 3
        finish(book, {}, clock, until_seconds=0)
        assert [item.status for item in book.query(mismatches.repairs).items] == ["applied"]
        assert balance(book) == "960.00"


def test_a_repair_does_what_was_planned_or_nothing(database_url):
    """Somebody was quicker, or the wallet was emptied meanwhile: it failed, and says why."""
    with a_shop(database_url) as (book, clock):
        broken(book, "receipt_stuck")
        late = book.submit(RepairMismatch("M1", WHY)).result
        book.submit(orders.ApprovePayment("M1", "Seen."))
        finish(book, {}, clock, until_seconds=0)
        late = book.query(mismatches.repair, late.id)
        assert (late.status, late.code, late.entries) == ("failed", "repair_refused", [])
        assert [one.status for one in book.query(mismatches.mismatches).items] == ["gone"]
        broken(book, "wallet_part_missing", "M2")
        poor = book.submit(RepairMismatch("M2", WHY)).result
        book.submit(wallets.Debit(ALICE, bdt("970.00")))
        finish(book, {}, clock, until_seconds=0)
        poor = book.query(mismatches.repair, poor.id)
        assert (poor.status, poor.code) == ("failed", "insufficient_funds")
        assert open_ones(book) == [("M2", "wallet_part_missing")]
        assert refused(book, RepairMismatch("M2", WHY)).code == "insufficient_funds"
        assert len(events(book, "order.repair_failed")) == 2
        book.submit(wallets.Credit(ALICE, bdt("10.00")))
        assert repaired(book, clock, "M2").status == "applied"
        assert balance(book) == "0.00"
        assert discrepancies(book) == []


def test_above_the_limit_it_takes_two(database_url):
    """Who asked cannot agree; what is turned down, or waits for a week, has failed."""
    with a_shop(database_url) as (book, clock):
        book.submit(setup.Set("four_eyes", {"BDT": "39.99"}))
        broken(book, "wallet_part_missing")
        made = repaired(book, clock, actor=FINANCE)
        assert (made.status, made.needs_approval) == ("waiting", True)
        yes = sagas.ApproveSaga(made.saga, approved=True, reason="Right.")
        assert refused(book, yes, actor=FINANCE).code == "same_approver"
        assert refused(book, yes, actor=SUPPORT).code == "role_required"
        no = sagas.ApproveSaga(made.saga, approved=False, reason="Wrong customer.")
        book.submit(no, actor=ADMIN)
        finish(book, {}, clock, until_seconds=0)
        turned = book.query(mismatches.repair, made.id)
        assert (turned.status, turned.code) == ("failed", "rejected")
        made = repaired(book, clock, actor=FINANCE)
        finish(book, {}, clock, until_seconds=8 * 86_400)
        assert book.query(mismatches.repair, made.id).code == "timed_out"
        made = repaired(book, clock, actor=FINANCE)
        yes = sagas.ApproveSaga(made.saga, approved=True, reason="Right.")
        book.submit(yes, actor=ADMIN)
        finish(book, {}, clock, until_seconds=0)
        done = book.query(mismatches.repair, made.id)
        assert (done.status, done.approved_by) == ("applied", "admin:rafiq")
        broken(book, "wallet_part_missing", "M2")
        mismatch = book.query(mismatches.mismatches, order="M2").items[0].id
        asked = RepairMismatch("M2", WHY)
        raw = msgspec.to_builtins(asked)
        request = book.submit(access.RequestApproval(raw, WHY), actor=FINANCE).result.request
        book.submit(access.Approve(request), actor=OTHER_ADMIN)
        finish(book, {}, clock, until_seconds=0)
        (done, *_) = book.query(mismatches.repairs, order="M2").items
        assert (done.status, done.needs_approval) == ("applied", False)
        assert book.query(mismatches.mismatch, mismatch).status == "repaired"
        broken(book, "wallet_part_missing", "M3")
        three = book.query(mismatches.mismatches, order="M3").items[0].id
        assert refused(book, DismissMismatch(three, WHY), actor=ADMIN).code == "approval_required"


def test_a_repair_tells_the_wallet_as_it_really_was(database_url):
    """Two are planned on the same balance; what is written down is what each found and left."""
    with a_shop(database_url) as (book, clock):
        for ref in ("M1", "M2"):
            broken(book, "wallet_part_missing", ref)
            planned = book.submit(RepairMismatch(ref, WHY)).result.plan
            assert (planned.wallet_before, planned.wallet_after) == ("1000.00", "960.00")
        finish(book, {}, clock, until_seconds=0)
        plans = [item.plan for item in book.query(mismatches.repairs).items]
        assert sorted((plan.wallet_before, plan.wallet_after) for plan in plans) == [
            ("1000.00", "960.00"),
            ("960.00", "920.00"),
        ]


def test_what_is_dismissed_stays_so(database_url):
    """It is not found again, not repaired, and forgotten once it is gone."""
    with a_shop(database_url) as (book, clock):
        hold_given_back(book)
        (found,) = sweep_all(book).opened
        told = book.submit(DismissMismatch(found.id, "Settled in cash."), actor=FINANCE).result
        assert (told.status, told.ended_by, told.reason) == (
            "dismissed",
            "finance:sumi",
            "Settled in cash.",
        )
        assert sweep_all(book) == mismatches.Swept(1, [], [])
        assert refused(book, RepairMismatch("M1", WHY)).details["reason"] == "nothing_found"
        again = refused(book, DismissMismatch(found.id, WHY))
        assert (again.code, again.details["got"]) == ("invalid_transition", "dismissed")
        upload(book)
        clock.advance(2 * 86_400)
        (stuck,) = sweep_all(book).opened
        assert stuck.kind == "receipt_stuck"
        done = repaired(book, clock)
        assert (done.plan.kinds, done.status) == (["receipt_stuck"], "applied")
        assert (done.plan.wallet_after, balance(book)) == ("960.00", "960.00")
        assert book.query(mismatches.mismatch, found.id).status == "dismissed"
        assert discrepancies(book) == []


def test_what_is_refused(database_url):
    """Names that are none, blank reasons, too much at once, people who may not."""
    with a_shop(database_url) as (book, _):
        broken(book, "status_differs")
        for command, code in (
            (RepairMismatch("M2", WHY), "order_not_found"),
            (RepairMismatch("M\x001", WHY), "invalid_input"),
            (RepairMismatch("M1", " "), "invalid_input"),
            (RepairMismatch("M1", "r" * 501), "invalid_input"),
            (RepairMismatch("M1", "r\x00"), "invalid_input"),
            (DismissMismatch("msm_0", WHY), "mismatch_not_found"),
            (DismissMismatch("msm_\x00", WHY), "invalid_input"),
            (DismissMismatch("msm_0", ""), "invalid_input"),
            (DismissMismatch("msm_0", "\ud800"), "invalid_input"),
            (Sweep(["M2"]), "order_not_found"),
            (Sweep(["M1"] * 1001), "invalid_input"),
        ):
            assert refused(book, command).code == code, command
        for who in (owner("alice"), SUPPORT):
            for command in (RepairMismatch("M1", WHY), DismissMismatch("x", WHY), Sweep([])):
                assert refused(book, command, actor=who).code == "role_required"
        with book.view(owner("alice")) as view:
            for ask in (
                mismatches.mismatches,
                mismatches.repairs,
                mismatches.unlike,
                lambda view: mismatches.mismatch(view, "msm_0"),
                lambda view: mismatches.repair(view, "rep_0"),
            ):
                with pytest.raises(KhataError) as caught:
                    ask(view)
                assert caught.value.code == "not_yours"


# ── reading, and sweeping over and over ──────────────────────────────────────────────


class Alerts:
    """Writes down what people would hear."""

    def __init__(self):
        self.heard = []

    def sound(self, name, **details):
        self.heard.append((name, details["count"], details["orders"]))


def test_the_sweep_goes_over_all_orders_and_tells_once(database_url, monkeypatch):
    """Page by page; new mismatches are one alert, and a round is not begun again at once."""
    monkeypatch.setattr(sweeping, "PAGE", 2)
    with a_shop(database_url) as (book, _):
        for ref in ("M1", "M2", "M3", "M4", "M5"):
            broken(book, "receipt_stuck", ref) if ref != "M3" else adopt(book, ref)
        for item in book.query(mismatches.mismatches).items:
            assert item.found_by == "command"
        book.submit(orders.SetOrderPolicy(sla={"finance.receipt_uploaded": 20 * 86_400}))
        assert len(sweep_all(book).ended) == 4
        book.submit(orders.SetOrderPolicy(sla={"finance.receipt_uploaded": 86_400}))
        alerts = Alerts()
        sweeping_ = Sweeping(book, alerts)
        assert [sweeping_.work(100) for _ in range(5)] == [2, 2, 1, 0, 0]
        stuck = [f"M{n} receipt_stuck" for n in (1, 2, 4, 5)]
        assert alerts.heard == [("mismatches_found", 4, stuck)]
        monkeypatch.setattr(sweeping, "_ROUND_SECONDS", 0)
        assert [sweeping_.work(100) for _ in range(3)] == [2, 2, 1]
        assert len(alerts.heard) == 1
        made = [book.submit(RepairMismatch(ref, WHY)).result for ref in ("M1", "M2", "M4")]
        work_off(book, [item.saga for item in made])
        assert [item.status for item in book.query(mismatches.repairs).items] == ["applied"] * 3
        assert open_ones(book) == [("M5", "receipt_stuck")]


def test_lists_are_read_by_keys(database_url):
    """Filters and pages; no list walks a table that grows."""
    with a_shop(database_url) as (book, clock):
        for ref, kind in (("M1", "status_differs"), ("M2", "refund_exceeds"), ("M3", "stock_kept")):
            broken(book, kind, ref)
        for ref in ("M1", "M2"):
            repaired(book, clock, ref)
        lists = (mismatches.mismatches, mismatches.repairs)
        for ask, count in zip(lists, (3, 2), strict=True):
            page = book.query(ask, limit=1)
            seen = list(page.items)
            while page.next:
                page = book.query(ask, limit=1, cursor=page.next)
                seen += page.items
            assert seen == book.query(ask).items
            assert len(seen) == count
            for bad in ({"status": "odd"}, {"limit": 0}, {"cursor": "x"}, {"order": "\x00"}):
                with pytest.raises(KhataError):
                    book.query(ask, **bad)
        assert [
            one.order for one in book.query(mismatches.mismatches, kind="stock_kept").items
        ] == ["M3"]
        assert book.query(mismatches.repairs, status="failed").items == []
        (owed,) = book.query(debts.debts, owner="alice").items
        assert (owed.outstanding, owed.reference) == ("30.00", "order/M2")
        for wanted in (
            lambda view: mismatches.mismatches(view, status="open"),
            lambda view: mismatches.mismatches(view, order="M1"),
            lambda view: mismatches.mismatches(view, kind="stock_kept"),
            mismatches.mismatches,
            lambda view: mismatches.repairs(view, order="M1"),
            lambda view: mismatches.repairs(view, status="applied"),
            mismatches.repairs,
            mismatches.unlike,
        ):
            for plan in plans_of(book, wanted):
                assert not re.search(r"SCAN|Seq Scan|TEMP B-TREE|(?<!Incremental )Sort  ", plan), (
                    plan
                )
