"""What can be read of wallets: balances at any instant, transactions, statements."""

import random

import pytest

from khata import Khata
from khata.base.actor import actor
from khata.base.clock import SECOND, from_iso, to_iso
from khata.base.money import Money, to_minor, to_text
from khata.base.paging import to_cursor
from khata.domain import holds, ledger, wallets
from khata.errors import (
    AccountNotFound,
    CurrencyMismatch,
    Invalid,
    InvalidCursor,
    KhataError,
    NotYours,
    WalletNotFound,
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
        yield opened


def a_busy_day(book, clock, seed, count=60):
    """Random movements of Alice's and Bob's, several of them at one instant."""
    dice = random.Random(seed)
    book.submit(wallets.Credit(ALICE, bdt("500.00")))
    for step in range(count):
        clock.now += dice.choice((0, 0, 1, SECOND))
        amount = bdt(to_text(dice.randrange(1, 5000), 2))
        command = dice.choice(
            (
                wallets.Credit(ALICE, amount, reference=f"R{step % 3}"),
                wallets.Debit(ALICE, amount),
                wallets.Transfer(ALICE, BOB, amount),
                wallets.Transfer(BOB, ALICE, amount),
            )
        )
        book.submit_many([(f"day-{step}", command)])


def walked(ask, **options):
    """All items of all pages."""
    items, cursor = [], None
    while True:
        page = ask(cursor=cursor, **options)
        items += page.items
        cursor = page.next
        if cursor is None:
            return items


def moved(book, ref=ALICE, **options):
    return walked(lambda **page: book.query(wallets.transactions, ref, **page), **options)


# ── balances ─────────────────────────────────────────────────────────────────────────


def test_the_balance_at_any_instant_is_the_sum_of_what_came_before(book, clock, seed):
    """Bisection and one look-up give what adding up all movements gives."""
    a_busy_day(book, clock, seed)
    moves = [(from_iso(item.at), to_minor(item.amount, 2)) for item in moved(book)]
    with book.view() as view:
        for at in range(START - 2, clock.now + 2 * SECOND, SECOND // 3):
            expected = to_text(sum(amount for when, amount in moves if when <= at), 2)
            assert wallets.balance(view, ALICE, at).balance == expected
        for at, _ in moves:
            expected = to_text(sum(amount for when, amount in moves if when <= at), 2)
            assert wallets.balance(view, ALICE, at).balance == expected


def test_the_balance_of_an_empty_book_is_zero_at_any_instant(book):
    """Before the first command and after the last there is nothing, and nothing breaks."""
    for at in (0, START, 1 << 62):
        with book.view() as view:
            assert ledger.balance_after(view, ledger.account_ref(view, ALICE), at) == 0
    assert book.query(wallets.balance, ALICE, 0).balance == "0.00"


def test_a_past_balance_says_nothing_about_holds(book):
    """What was held in the past is not kept, so it is not made up."""
    found = book.query(wallets.balance, ALICE, START)
    assert (found.held, found.available, found.at) == (None, None, to_iso(START))


def test_an_expired_hold_is_released_though_nothing_swept_it(book, clock):
    """The clock decides what is available, not a sweeper."""
    book.submit(wallets.Credit(ALICE, bdt("100.00")))
    placed = book.submit(holds.PlaceHold(ALICE, bdt("30.00"), expires_in_seconds=60)).result
    book.submit(holds.PlaceHold(ALICE, bdt("5.00")))
    before = book.query(wallets.wallet, ALICE)
    clock.now += 60 * SECOND
    after = book.query(wallets.wallet, ALICE)
    listed = book.query(wallets.wallets, owner="alice").items[0]
    shown = book.query(wallets.balance, ALICE)
    state = book.query(holds.hold, placed.id)
    assert (before.held, before.available) == ("35.00", "65.00")
    assert (after.held, after.available) == ("5.00", "95.00")
    assert (shown.held, shown.available) == ("5.00", "95.00")
    assert listed == after
    assert (state.status, state.remaining) == ("expired", "0.00")


def test_a_house_account_is_read_like_a_wallet(book):
    """A refund account has a balance and a statement too."""
    book.submit(wallets.Credit(ALICE, bdt("100.00")))
    shown = book.query(wallets.statement, "cash/main", since=START, until=START + 1)
    assert book.query(wallets.balance, "cash/main").balance == "100.00"
    assert (shown.opening, shown.closing) == ("0.00", "100.00")
    assert (shown.credits, shown.debits) == ("0.00", "100.00")


def test_one_code_in_two_currencies_has_to_be_told_apart(book):
    """The reader is asked which one is meant, and gets that one."""
    book.submit(ledger.OpenAccount("cash/till", "BDT"))
    book.submit(ledger.OpenAccount("cash/till", "IQD"))
    assert book.query(wallets.balance, "cash/till", currency="IQD").balance == "0.000"
    for currency, error in ((None, Invalid), ("USD", CurrencyMismatch)):
        with pytest.raises(error):
            book.query(wallets.balance, "cash/till", currency=currency)


# ── transactions ─────────────────────────────────────────────────────────────────────


def test_a_transaction_tells_everything_about_a_movement(book, clock):
    """Amount, both balances, type, status, source, counterparty and the caller's own words."""
    book.submit(wallets.Credit(ALICE, bdt("100.00")))
    clock.now += SECOND
    receipt = book.submit(
        wallets.Transfer(
            ALICE, BOB, bdt("40.00"), reference="R7", note="Rent", metadata={"month": 1}
        )
    )
    (item,) = book.query(wallets.transactions, ALICE, limit=1).items
    assert item == wallets.Transaction(
        id=receipt.result.id,
        seq=receipt.seq,
        leg=0,
        at=to_iso(clock.now),
        type="transfer",
        status="posted",
        source="transfer",
        amount="-40.00",
        currency="BDT",
        balance_before="100.00",
        balance_after="60.00",
        counterparty=["wallet/bob/personal/BDT"],
        reference="R7",
        note="Rent",
        metadata={"month": 1},
        reverses=None,
        reversed_by=[],
    )


def test_a_split_names_all_on_the_other_side_and_none_on_the_same(book):
    """Who shares the other side with a movement is not its counterparty."""
    book.submit(wallets.Credit(ALICE, bdt("100.00")))
    legs = [
        ledger.LegIn(ALICE, debit=bdt("100.00")),
        ledger.LegIn(BOB, credit=bdt("90.00")),
        ledger.LegIn("revenue/fee", credit=bdt("10.00")),
    ]
    book.submit(ledger.PostEntry(legs, "order"))
    payer = book.query(wallets.transactions, ALICE).items[0]
    payee = book.query(wallets.transactions, BOB).items[0]
    assert payer.counterparty == ["wallet/bob/personal/BDT", "revenue/fee"]
    assert payee.counterparty == ["wallet/alice/personal/BDT"]


def test_a_reversal_is_linked_both_ways(book):
    """The status follows how much of the entry was taken back, and each names the other."""
    credited = book.submit(wallets.Credit(ALICE, bdt("100.00"))).result
    first = book.submit(ledger.Reverse(credited.id, "wrong", "40.00")).result
    part = book.query(wallets.transactions, ALICE, oldest_first=True).items[0]
    second = book.submit(ledger.Reverse(credited.id, "wrong")).result
    items = book.query(wallets.transactions, ALICE, oldest_first=True).items
    assert (part.status, part.reversed_by) == ("partially_reversed", [first.id])
    assert (items[0].status, items[0].reversed_by) == ("reversed", [first.id, second.id])
    assert [item.reverses for item in items] == [None, credited.id, credited.id]


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_chain_without_gaps_or_doubles(book, clock, seed, limit, oldest_first):
    """Each movement is on one page, and each balance goes on from the one before."""
    a_busy_day(book, clock, seed, count=30)
    items = moved(book, limit=limit, oldest_first=oldest_first)
    ordered = items if oldest_first else items[::-1]
    places = [(item.seq, item.leg) for item in ordered]
    assert places == sorted(set(places))
    assert ordered[0].balance_before == "0.00"
    assert [item.balance_before for item in ordered[1:]] == [
        item.balance_after for item in ordered[:-1]
    ]
    assert ordered[-1].balance_after == book.query(wallets.balance, ALICE).balance


def test_filters_keep_what_is_equal(book, clock, seed):
    """A filtered list is the whole list without the rest, page by page."""
    a_busy_day(book, clock, seed)
    everything = moved(book, limit=1000)
    for name, value in (("type", "transfer"), ("source", "top_up"), ("reference", "R1")):
        expected = [item for item in everything if getattr(item, name) == value]
        assert moved(book, limit=3, **{name: value}) == expected


def test_a_period_includes_its_beginning_and_not_its_end(book, clock):
    """Two periods that touch share no movement."""
    for _ in range(3):
        book.submit(wallets.Credit(ALICE, bdt("1.00")))
        clock.now += SECOND
    middle = moved(book, since=START + SECOND, until=START + 2 * SECOND)
    assert [item.at for item in middle] == [to_iso(START + SECOND)]


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "WzEsImEiXQ", "W10", "é", "W" * 5000])
def test_a_made_up_cursor_is_refused(book, cursor):
    """What this list did not give out is told to be so."""
    with pytest.raises(InvalidCursor):
        book.query(wallets.transactions, ALICE, cursor=cursor)


def test_a_cursor_beyond_any_number_is_refused(book):
    """A position that no column can hold never reaches the database."""
    with pytest.raises(InvalidCursor):
        book.query(wallets.transactions, ALICE, cursor=to_cursor(1 << 70, 0))


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1001}, {"reference": "a\0"}])
def test_what_cannot_be_asked_is_refused(book, options):
    """A page size or a text out of bounds is the caller's mistake, not a fault."""
    with pytest.raises(Invalid):
        book.query(wallets.transactions, ALICE, **options)


# ── statements ───────────────────────────────────────────────────────────────────────


def test_a_statement_adds_up_on_every_page(book, clock, seed):
    """Opening, closing and totals are the period's, whichever page one looks at."""
    a_busy_day(book, clock, seed)
    since, until = START + 5 * SECOND, START + 15 * SECOND
    everything = moved(book, limit=1000, oldest_first=True)
    inside = [item for item in everything if since <= from_iso(item.at) < until]
    amounts = [to_minor(item.amount, 2) for item in inside]
    pages, cursor = [], None
    while not pages or cursor:
        pages.append(
            book.query(wallets.statement, ALICE, since=since, until=until, limit=4, cursor=cursor)
        )
        cursor = pages[-1].next
    assert [item for page in pages for item in page.items] == inside
    for page in pages:
        assert page.opening == book.query(wallets.balance, ALICE, since - 1).balance
        assert page.closing == book.query(wallets.balance, ALICE, until - 1).balance
        assert page.credits == to_text(sum(part for part in amounts if part > 0), 2)
        assert page.debits == to_text(-sum(part for part in amounts if part < 0), 2)


def test_the_totals_pass_what_a_column_can_hold(book):
    """Eleven of the largest amounts, in and out, add up exactly."""
    book.submit(ledger.SetLimits(BOB, "big", overdraft="0.00"))
    most = bdt("9999999999999999.99")
    for _ in range(11):
        book.submit(wallets.Credit(ALICE, most))
        book.submit(wallets.Debit(ALICE, most))
    shown = book.query(wallets.statement, ALICE, since=START, until=START + 1, limit=1)
    assert shown.credits == shown.debits == "109999999999999999.89"


def test_a_period_that_ends_before_it_begins_is_refused(book):
    """Exchanged times are told, not answered with an empty statement."""
    with pytest.raises(Invalid):
        book.query(wallets.statement, ALICE, since=START + 1, until=START)


def test_a_statement_of_nothing_carries_the_balance_on(book, clock):
    """Without movements opening and closing are the same."""
    book.submit(wallets.Credit(ALICE, bdt("12.00")))
    clock.now += SECOND
    shown = book.query(wallets.statement, ALICE, since=START + 1, until=START + SECOND)
    assert (shown.opening, shown.closing, shown.items) == ("12.00", "12.00", [])
    assert (shown.credits, shown.debits) == ("0.00", "0.00")


# ── who may see ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ref", [BOB, "nobody/personal/BDT", "wal_zzzz", "cash/main", "a\0b"])
def test_an_owner_cannot_tell_anothers_wallet_from_none(book, ref):
    """Whatever is not theirs gets one answer, to the letter."""
    book.submit(wallets.Credit(BOB, bdt("1.00")))
    told = set()
    with book.view(OWNER) as view:
        asks = (
            lambda: wallets.wallet(view, ref),
            lambda: wallets.balance(view, ref, START),
            lambda: wallets.transactions(view, ref),
            lambda: wallets.statement(view, ref, since=START, until=START),
            lambda: holds.holds(view, wallet=ref),
            lambda: ledger.account(view, ref),
        )
        for ask in asks:
            with pytest.raises(NotYours) as refused:
                ask()
            told.add((refused.value.message, str(refused.value.details)))
    assert len(told) == 1
    assert ref not in str(told)


def test_an_owner_lists_their_own(book):
    """Unasked, an owner's list holds their wallets alone; asking for another's is refused."""
    with book.view(OWNER) as view:
        assert [item.path for item in wallets.wallets(view).items] == [ALICE]
        assert wallets.balance(view, ALICE).balance == "0.00"
        with pytest.raises(NotYours):
            wallets.wallets(view, owner="bob")


@pytest.mark.parametrize(
    ("ref", "error"),
    [
        ("nobody/personal/BDT", WalletNotFound),
        ("wal_zzzz", WalletNotFound),
        ("wallet/nobody", WalletNotFound),
        ("escrow/none", AccountNotFound),
        ("a\0b", WalletNotFound),
        ("a\ud800b", WalletNotFound),
        ("", WalletNotFound),
    ],
)
def test_staff_are_told_what_does_not_exist(book, ref, error):
    """A name that leads nowhere says which sort of thing was looked for."""
    with pytest.raises(KhataError) as told:
        book.query(wallets.balance, ref)
    assert type(told.value) is error


def test_a_wallet_is_found_by_id_path_and_code(book):
    """Three names, one wallet."""
    found = book.query(wallets.wallet, ALICE)
    assert found == book.query(wallets.wallet, found.id)
    assert found == book.query(wallets.wallet, f"wallet/{ALICE}")


def test_wallets_are_filtered_and_paged(book):
    """Kind, currency and status are equalities; pages follow the order of opening."""
    for currency in ("IQD", "USD"):
        book.submit(wallets.OpenWallet("alice", currency, "rider"))
    book.submit(ledger.FreezeAccount("alice/rider/USD", "asked"))
    listed = walked(lambda **page: book.query(wallets.wallets, **page), limit=1)
    paths = [ALICE, BOB, "alice/rider/IQD", "alice/rider/USD"]
    assert [item.path for item in listed] == paths
    for options, at in (
        ({"kind": "rider"}, paths[2:]),
        ({"currency": "BDT"}, paths[:2]),
        ({"status": "frozen"}, paths[3:]),
        ({"owner": "bob"}, paths[1:2]),
    ):
        assert [item.path for item in book.query(wallets.wallets, **options).items] == at
