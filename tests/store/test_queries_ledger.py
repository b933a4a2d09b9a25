"""What can be read of the ledger, holds, khata books, keys, approvals and the journal."""

import itertools

import pytest

from khata import Khata
from khata.base.actor import actor
from khata.base.clock import SECOND, from_iso, to_iso
from khata.base.money import Money
from khata.base.paging import to_cursor
from khata.domain import access, holds, khata, ledger, wallets
from khata.engine import reading
from khata.engine.accounts import VelocityLimit
from khata.errors import (
    AccountNotFound,
    EntryNotFound,
    HoldNotFound,
    InsufficientFunds,
    Invalid,
    InvalidCursor,
    KhataError,
    NotFound,
    NotYours,
)

START = from_iso("2026-01-01")
ALICE, BOB = "alice/personal/BDT", "bob/personal/BDT"
OWNER = actor("owner:alice")


class Hands:
    """A clock that stands where it was put."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


def bdt(amount):
    return Money(amount, "BDT")


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def book(database_url, clock):
    with Khata.open(database_url, clock=clock, migrate=True) as opened:
        for owner in ("alice", "bob"):
            opened.submit(wallets.OpenWallet(owner, "BDT"))
        opened.submit(wallets.Credit(ALICE, bdt("100.00"), reference="first"))
        yield opened


def walked(book, ask, **options):
    """All items of all pages of a query."""
    items, cursor = [], None
    while True:
        page = book.query(ask, cursor=cursor, **options)
        items += page.items
        cursor = page.next
        if cursor is None:
            return items


# ── accounts and the trial balance ───────────────────────────────────────────────────


def test_accounts_are_listed_by_code_a_page_at_a_time(book):
    """Every account is on one page; a prefix keeps those that begin with it."""
    for code in ("escrow/M1", "escrow/M10", "escrow/m2", "revenue/fee"):
        book.submit(ledger.OpenAccount(code, "BDT"))
    codes = [item.code for item in walked(book, ledger.accounts, limit=2)]
    begun = [item.code for item in walked(book, ledger.accounts, limit=1, prefix="escrow/M")]
    assert len(codes) == len(set(codes)) == 7
    assert sorted(begun) == ["escrow/M1", "escrow/M10"]


def test_an_owner_lists_only_their_accounts(book):
    """House accounts and other owners' are not in an owner's list."""
    with book.view(OWNER) as view:
        assert [item.code for item in ledger.accounts(view).items] == [f"wallet/{ALICE}"]


def test_an_account_shows_its_limits_as_decimals(book):
    """Minor units stay inside: a velocity limit reads like any amount."""
    limit = VelocityLimit(60, amount=12345, count=3)
    book.submit(ledger.SetLimits(ALICE, "asked", "5.00", "2.50", [limit]))
    shown = book.query(ledger.account, ALICE)
    assert (shown.floor, shown.overdraft) == ("5.00", "2.50")
    assert shown.limits == [ledger.LimitView(60, "123.45", 3)]


def test_the_trial_balance_of_any_instant_sums_to_zero(book, clock):
    """Debit balances equal credit balances, then and now, and the past stays what it was."""
    before = book.query(ledger.trial_balance)
    clock.now += SECOND
    book.submit(wallets.Transfer(ALICE, BOB, bdt("30.00")))
    book.submit(wallets.Debit(BOB, bdt("10.00"), source="fee"))
    assert book.query(ledger.trial_balance, START) == before
    lines = book.query(ledger.trial_balance, clock.now)
    assert lines == book.query(ledger.trial_balance)
    plain = {line.code: line.balance for line in lines}
    assert plain == {
        "cash/main": "100.00",
        f"wallet/{ALICE}": "70.00",
        f"wallet/{BOB}": "20.00",
        "revenue/fee": "10.00",
    }


# ── entries ──────────────────────────────────────────────────────────────────────────


def test_an_entry_shows_its_legs(book):
    """Each leg names its account and stands on one side."""
    receipt = book.submit(wallets.Transfer(ALICE, BOB, bdt("30.00"), note="Rent"))
    shown = book.query(ledger.entry, receipt.result.id)
    assert (shown.seq, shown.at, shown.type, shown.note) == (
        receipt.seq,
        to_iso(START),
        "transfer",
        "Rent",
    )
    assert shown.legs == [
        ledger.LegView(f"wallet/{ALICE}", "liability", "BDT", "30.00", None),
        ledger.LegView(f"wallet/{BOB}", "liability", "BDT", None, "30.00"),
    ]
    assert [leg.signed for leg in shown.legs] == ["30.00", "-30.00"]


def test_entries_are_walked_newest_first_and_streamed_in_order(book, monkeypatch):
    """Pages, batches and one long list hold the same entries."""
    for _ in range(5):
        book.submit(wallets.Transfer(ALICE, BOB, bdt("1.00")))
    monkeypatch.setattr(ledger.queries, "_BATCH", 2)
    with book.view() as view:
        streamed = list(ledger.stream_entries(view))
    assert len(streamed) == 6
    assert walked(book, ledger.entries, limit=4) == streamed[::-1]


def test_entries_are_filtered_by_period_and_reference(book, clock):
    """Since is included, until is not; a reference is an equality."""
    clock.now += SECOND
    later = book.submit(wallets.Transfer(ALICE, BOB, bdt("1.00"))).result.id
    late = book.query(ledger.entries, since=START + SECOND).items
    early = book.query(ledger.entries, until=START + SECOND).items
    named = book.query(ledger.entries, reference="first").items
    assert [item.id for item in late] == [later]
    assert [item.reference for item in early] == ["first"]
    assert named == early


@pytest.mark.parametrize("name", ["ent_zzzz", "ent_", "wal_0400", "", "ent_é\0"])
def test_an_entry_that_does_not_exist_is_told(book, name):
    """Whatever is no entry's id gets the same answer."""
    with pytest.raises(EntryNotFound):
        book.query(ledger.entry, name)


def test_an_owner_sees_entries_of_theirs_only(book):
    """Another's entry and none at all are answered alike."""
    theirs = book.submit(wallets.Credit(BOB, bdt("1.00"))).result.id
    mine = book.submit(wallets.Transfer(ALICE, BOB, bdt("1.00"))).result.id
    with book.view(OWNER) as view:
        assert ledger.entry(view, mine).id == mine
        told = set()
        for name in (theirs, "ent_zzzz", "x"):
            with pytest.raises(NotYours) as refused:
                ledger.entry(view, name)
            told.add(str(refused.value))
    assert len(told) == 1


@pytest.mark.parametrize(
    "ask",
    [
        ledger.entries,
        ledger.trial_balance,
        lambda view: list(ledger.stream_entries(view)),
        access.keys,
        access.approvals,
        lambda view: access.key_by_hash(view, "0" * 64),
        lambda view: access.approval(view, "apr_0400"),
        reading.journal,
        reading.refusals,
        lambda view: khata.khata_book(view, "bob"),
        lambda view: khata.khata_totals(view, "bob"),
    ],
)
def test_what_concerns_the_whole_book_is_not_for_owners(book, ask):
    """Journal, keys, approvals, all entries and other khatas are closed to an owner."""
    with book.view(OWNER) as view, pytest.raises(NotYours):
        ask(view)


# ── holds ────────────────────────────────────────────────────────────────────────────


def test_holds_are_listed_as_the_clock_sees_them(book, clock):
    """An expired hold is under `expired` and no longer under `active`; newest come first."""
    short = book.submit(holds.PlaceHold(ALICE, bdt("1.00"), expires_in_seconds=5)).result.id
    clock.now += SECOND
    long = book.submit(holds.PlaceHold(ALICE, bdt("2.00"), group="g")).result.id
    voided = book.submit(holds.PlaceHold(ALICE, bdt("3.00"), group="g")).result.id
    book.submit(holds.VoidHold(voided, "asked"))
    active = [item.id for item in book.query(holds.holds, status="active").items]
    clock.now += 4 * SECOND
    assert active == [long, short]
    for options, expected in (
        ({}, {voided, long, short}),
        ({"status": "active"}, {long}),
        ({"status": "expired"}, {short}),
        ({"status": "voided"}, {voided}),
        ({"group": "g"}, {voided, long}),
        ({"wallet": BOB}, set()),
    ):
        assert {item.id for item in walked(book, holds.holds, limit=1, **options)} == expected


def test_a_hold_reads_alike_before_and_after_it_is_swept(book, clock):
    """What the clock says about a hold is what the next command writes down."""
    hold = book.submit(holds.PlaceHold(ALICE, bdt("1.00"), expires_in_seconds=5)).result.id
    clock.now += 5 * SECOND
    seen = book.query(holds.hold, hold)
    book.submit(wallets.Debit(ALICE, bdt("100.00")))
    assert book.query(holds.hold, hold) == seen


def test_an_owner_sees_their_holds_only(book):
    """Another's hold and none at all are answered alike."""
    book.submit(wallets.Credit(BOB, bdt("5.00")))
    theirs = book.submit(holds.PlaceHold(BOB, bdt("1.00"))).result.id
    mine = book.submit(holds.PlaceHold(ALICE, bdt("1.00"))).result.id
    with book.view(OWNER) as view:
        assert [item.id for item in holds.holds(view).items] == [mine]
        assert holds.hold(view, mine).remaining == "1.00"
        for name in (theirs, "hld_zzzz", "a\0"):
            with pytest.raises(NotYours):
                holds.hold(view, name)
    with pytest.raises(HoldNotFound):
        book.query(holds.hold, "hld_zzzz")


# ── khata ────────────────────────────────────────────────────────────────────────────


def test_a_khata_shows_movements_and_manual_lines(book, clock):
    """A movement's line names its wallet and entry; a manual line stands at its own time."""
    spent = book.submit(wallets.Debit(ALICE, bdt("20.00"), source="order", note="Tea")).result
    line = khata.AddKhataEntry(
        "expense", "Bus", bdt("0.50"), incoming=False, note="No. 7", happened_at="2025-12-31"
    )
    book.submit(line, actor=OWNER)
    manual, order, top_up = book.query(khata.khata_book, "alice").items
    assert (order.amount, order.kind, order.category) == ("-20.00", "expense", "Orders")
    assert (order.wallet, order.entry, order.note) == (ALICE, spent.id, "Tea")
    assert (order.at, order.manual) == (to_iso(START), False)
    assert (manual.at, manual.amount) == ("2025-12-31T00:00:00.000000Z", "-0.50")
    assert (manual.wallet, manual.entry, manual.note, manual.manual) == (
        None,
        None,
        "No. 7",
        True,
    )
    assert (top_up.kind, top_up.category) == ("transfer", "Top-up")


def test_a_khata_is_filtered_paged_and_summed_alike(book, clock):
    """The totals of a period are those of its lines."""
    with book.view() as view:
        assert khata.khata_book(view, "nobody").items == []
    clock.now += SECOND
    book.submit(wallets.Debit(ALICE, bdt("20.00"), source="order"))
    book.submit(wallets.Debit(ALICE, bdt("5.00"), source="order"))
    expense = khata.AddKhataEntry("expense", "Orders", bdt("1.00"), incoming=False)
    early = khata.AddKhataEntry(
        "expense", "Orders", bdt("9.00"), incoming=False, happened_at="2025-01-01"
    )
    for line in (expense, early):
        book.submit(line, actor=OWNER)
    period = {"since": START + SECOND, "until": START + 2 * SECOND}
    ask = lambda view, **page: khata.khata_book(view, "alice", **page)  # noqa: E731
    lines = walked(book, ask, limit=1, **period)
    totals = book.query(khata.khata_totals, "alice", START + SECOND, START + 2 * SECOND)
    assert [line.amount for line in lines] == ["-1.00", "-5.00", "-20.00"]
    assert totals == [khata.KhataTotal("BDT", "expense", "Orders", "-26.00")]
    assert len(walked(book, ask, line="expense", category="Orders")) == 4
    assert walked(book, ask, line="income") == []


# ── keys, approvals, the journal ─────────────────────────────────────────────────────


def test_keys_are_found_by_hash_and_listed_without_it(book):
    """A revoked key is still found, so that its holder can be told."""
    made = book.submit(access.CreateKey("Shop", "ab" * 32, ["service"], ["read"])).result
    book.submit(access.RevokeKey(made.id))
    (shown,) = book.query(access.keys)
    found = book.query(access.key_by_hash, "ab" * 32)
    assert (shown.id, shown.label, shown.revoked_at) == (made.id, "Shop", to_iso(START))
    assert (found.id, found.roles, found.revoked_at) == (made.id, ["service"], START)
    assert book.query(access.key_by_hash, "cd" * 32) is None
    assert book.query(access.key_by_hash, "\0") is None


def test_approvals_are_listed_by_status(book):
    """Who decides sees what was asked, by whom and why."""
    command = {"kind": "wallets.credit", "wallet": ALICE, "amount": {"amount": "1.00",
               "currency": "BDT"}}  # fmt: skip
    ids = [
        book.submit(access.RequestApproval(command, f"r{at}"), actor=actor("finance:a")).result
        for at in range(2)
    ]
    book.submit(access.Reject(ids[0].request, "no"), actor=actor("finance:b"))
    listed = walked(book, access.approvals, limit=1)
    (asked,) = book.query(access.approvals, status="asked").items
    rejected = book.query(access.approval, ids[0].request)
    assert {item.id for item in listed} == {item.request for item in ids}
    assert (asked.reason, asked.asked_by, asked.command["wallet"]) == ("r1", "finance:a", ALICE)
    assert (rejected.status, rejected.decided_by) == ("rejected", "finance:b")
    with pytest.raises(NotFound):
        book.query(access.approval, "apr_zzzz")


def test_the_journal_is_read_on_from_any_command(book):
    """Rows follow each other without gaps and end at the head."""
    rows = book.query(reading.journal, after=1, limit=1)
    rows += book.query(reading.journal, after=2)
    head = book.query(reading.head)
    assert [row.seq for row in rows] == [2, 3]
    assert (head.seq, head.hash, head.at) == (3, rows[-1].hash, START)


def test_refusals_are_kept_newest_first(book):
    """Each refused command is one item, with its code."""
    for key in ("a", "b"):
        with pytest.raises(InsufficientFunds):
            book.submit(wallets.Debit(BOB, bdt("1.00")), key=key)
    found = walked(book, reading.refusals, limit=1)
    assert [(item.key, item.code) for item in found] == [
        ("b", "insufficient_funds"),
        ("a", "insufficient_funds"),
    ]


def test_the_last_command_at_any_instant_is_found(book, clock):
    """Bisection gives what counting gives, whatever the gaps between the instants."""
    for step in (0, 1, 7, 7, 100):
        clock.now = START + step
        book.submit(wallets.Credit(ALICE, bdt("1.00")))
    with book.view() as view:
        times = [row.at for row in reading.journal(view)]
        for at in itertools.chain(range(START - 2, START + 103), (-(1 << 80), 1 << 80)):
            assert reading.seq_at(view, at) == sum(time <= at for time in times)


@pytest.mark.parametrize(
    ("ask", "cursor"),
    [
        (ledger.accounts, to_cursor("a\0", "BDT")),
        (ledger.entries, to_cursor(1)),
        (holds.holds, to_cursor("x", "y")),
        (access.approvals, to_cursor(1, 2)),
        (reading.refusals, to_cursor(-(1 << 64))),
        (wallets.wallets, "%%"),
    ],
)
def test_every_list_checks_its_cursor(book, ask, cursor):
    """A cursor of another list, or of no list, is refused before the database sees it."""
    with pytest.raises(InvalidCursor):
        book.query(ask, cursor=cursor)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda view: ledger.account(view, "escrow/none"), AccountNotFound),
        (lambda view: ledger.accounts(view, prefix="\0"), Invalid),
        (lambda view: ledger.entries(view, since=2, until=1), Invalid),
        (lambda view: ledger.wallet_ref(view, "cash/main"), NotFound),
        (lambda view: holds.holds(view, status="\ud800"), Invalid),
        (lambda view: khata.khata_book(view, "a\0"), Invalid),
    ],
)
def test_bad_questions_are_told_what_is_wrong(book, ask, error):
    """What cannot be looked for is the reader's mistake, never a fault of the database."""
    with pytest.raises(KhataError) as told:
        book.query(ask)
    assert isinstance(told.value, error)
