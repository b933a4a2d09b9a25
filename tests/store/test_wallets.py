"""Wallets: opened with proper defaults; credit, debit, transfer; opening balances; khata lines."""

from khata import Money
from khata.domain import khata, ledger, wallets
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.khata import AddKhataEntry
from khata.domain.setup import DefineWalletKind
from khata.domain.wallets import (
    Credit,
    Debit,
    History,
    OpenWallet,
    RenameWallet,
    SetOpeningBalance,
    Transfer,
)
from khata.errors import (
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    InsufficientFunds,
    Invalid,
    InvalidAmount,
    SameAccount,
    TooManyDecimals,
    UnknownCurrency,
    UnknownKind,
    UnknownSource,
    WalletNotFound,
)
from tests.builders import (
    ALICE,
    BOB,
    START,
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
    state,
)


def test_a_wallet_is_opened_with_proper_defaults(database_url):
    """Empty, active, floor zero, no overdraft, the title of its kind."""
    with a_book(database_url) as book:
        made = book.submit(OpenWallet("alice", "BDT")).result
        wallet = state(book, made.id)
        assert (wallet.path, wallet.status, wallet.title) == (ALICE, "active", "Personal")
        assert (wallet.balance, wallet.available, wallet.floor, wallet.overdraft) == (
            "0.00",
            "0.00",
            "0.00",
            "0.00",
        )
        assert wallet.limits == []


def test_one_owner_may_have_several_wallets(database_url):
    """One for each kind and currency; kinds are data."""
    with a_book(database_url, alice="0") as book:
        book.submit(DefineWalletKind("guild", "Guild"))
        for kind in ("partner", "creator", "rider", "squad", "host", "customer", "guild"):
            book.submit(OpenWallet("alice", "BDT", kind))
        book.submit(OpenWallet("alice", "IQD"))
        assert len(book.query(wallets.wallets, owner="alice").items) == 9
        assert isinstance(refused(book, OpenWallet("alice", "BDT")), AlreadyExists)


def test_bad_wallets(database_url):
    """An owner's id is one printable word, and no word with which house accounts begin."""
    with a_book(database_url) as book:
        for name in ("", " ", "a b", "a/b", "a\tb", "x" * 129, "cash", "wallet", "a\u200eb"):
            assert isinstance(refused(book, OpenWallet(name, "BDT")), Invalid)
        assert isinstance(refused(book, OpenWallet("a", "BDT", "purse")), UnknownKind)
        for currency in ("TAKA", "bdt"):
            assert isinstance(refused(book, OpenWallet("a", currency)), UnknownCurrency)
        for currency in ("", "B" * 5000, "B D T"):
            assert isinstance(refused(book, OpenWallet("a", currency)), Invalid)
        for title in (" ", "x" * 201):
            assert isinstance(refused(book, OpenWallet("a", "BDT", title=title)), Invalid)
        book.submit(OpenWallet("চাঁদনী", "BDT"))
        assert isinstance(refused(book, RenameWallet("চাঁদনী/personal/BDT", "")), Invalid)


def test_credit_debit_transfer(database_url):
    """Each says what it did to each account, before and after."""
    with a_book(database_url, alice="0", bob="0") as book:
        done = [
            book.submit(Credit(ALICE, bdt("100.00"), reference="T1")).result,
            book.submit(Debit(ALICE, bdt("30.00"))).result,
            book.submit(Transfer(ALICE, BOB, bdt("20.00"))).result,
        ]
        legs = [
            (m.type, leg.account, leg.amount, leg.balance_before, leg.balance_after)
            for m in done
            for leg in m.legs
        ]
        assert legs == [
            ("credit", f"wallet/{ALICE}", "100.00", "0.00", "100.00"),
            ("credit", "cash/main", "100.00", "0.00", "100.00"),
            ("debit", f"wallet/{ALICE}", "-30.00", "100.00", "70.00"),
            ("debit", "cash/main", "-30.00", "100.00", "70.00"),
            ("transfer", f"wallet/{ALICE}", "-20.00", "70.00", "50.00"),
            ("transfer", f"wallet/{BOB}", "20.00", "0.00", "20.00"),
        ]


def test_a_transaction_carries_all_that_was_said(database_url):
    """Type, status, source, reference, note, metadata, counterparty, before and after."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        pay = Transfer(ALICE, BOB, bdt("5"), "bid", "B1", "চা", {"item": [1, {"x": None}]})
        moved = book.submit(pay).result
        (found,) = book.query(wallets.transactions, BOB).items
        assert (found.id, found.type, found.status, found.source) == (
            moved.id,
            "transfer",
            "posted",
            "bid",
        )
        assert (found.amount, found.balance_before, found.balance_after) == ("5.00", "0.00", "5.00")
        assert found.counterparty == [f"wallet/{ALICE}"]
        assert (found.reference, found.note, found.metadata) == ("B1", "চা", pay.metadata)


def test_a_wallet_has_three_names(database_url):
    """Its id, its path and its account's code mean the same."""
    with a_book(database_url, alice="9.00") as book:
        for name in (state(book).id, ALICE, f"wallet/{ALICE}"):
            book.submit(Debit(name, bdt("1.00")))
        assert balance(book) == "6.00"


def test_bad_movements(database_url):
    """Each is refused for what is wrong with it, and nothing moves."""
    with a_book(database_url, alice="50.00", bob="50.00") as book:
        book.submit(OpenWallet("bob", "IQD"))
        bad = [
            (Credit(ALICE, bdt("0")), InvalidAmount),
            (Credit(ALICE, bdt("-5")), InvalidAmount),
            (Credit(ALICE, bdt("1e3")), InvalidAmount),
            (Credit(ALICE, bdt("١٠")), InvalidAmount),
            (Credit(ALICE, bdt("1.001")), TooManyDecimals),
            (Credit(ALICE, bdt("9" * 40)), AmountTooLarge),
            (Credit(ALICE, Money("1", "IQD")), CurrencyMismatch),
            (Credit(ALICE, Money("1", "TAKA")), UnknownCurrency),
            (Credit("carol/personal/BDT", bdt("1")), WalletNotFound),
            (Credit("", bdt("1")), WalletNotFound),
            (Credit("cash/main", bdt("1")), WalletNotFound),
            (Credit(ALICE, bdt("1"), "gift"), UnknownSource),
            (Credit(ALICE, bdt("1"), against=f"wallet/{BOB}"), Invalid),
            (Debit(ALICE, bdt("1"), against=f"wallet/{ALICE}"), Invalid),
            (Debit(ALICE, bdt("1"), against="pot"), Invalid),
            (Debit(ALICE, bdt("50.01")), InsufficientFunds),
            (Transfer(ALICE, ALICE, bdt("1")), SameAccount),
            (Transfer(ALICE, "bob/personal/IQD", bdt("1")), CurrencyMismatch),
            (Transfer(ALICE, "cash/main", bdt("1")), WalletNotFound),
            (Credit(ALICE, bdt("1"), reference="x" * 501), Invalid),
            (Credit(ALICE, bdt("1"), note="x" * 501), Invalid),
            (Credit(ALICE, bdt("1"), metadata={"x": "y" * 4000}), Invalid),
        ]
        got = [(command, type(refused(book, command))) for command, _ in bad]
        assert got == bad
        assert (balance(book), balance(book, BOB)) == ("50.00", "50.00")
        assert discrepancies(book) == []


# ── opening balances ─────────────────────────────────────────────────────────────────


def test_an_opening_balance_is_a_balanced_entry(database_url):
    """The past's totals stand against opening equity, one account for each, and sum to zero."""
    past = History(
        payments_in=bdt("1000.00"),
        bonuses=bdt("50.00"),
        refunds_in=bdt("5"),
        purchases=bdt("600.00"),
        withdrawals=bdt("154.99"),
        fees=bdt("0"),
    )
    with a_book(database_url, alice="0") as book:
        moved = book.submit(SetOpeningBalance(ALICE, past, "legacy-94")).result
        assert (moved.type, balance(book)) == ("opening", "300.01")
        lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        assert lines == {
            f"wallet/{ALICE}": "300.01",
            "equity/opening/payments_in": "-1000.00",
            "equity/opening/bonuses": "-50.00",
            "equity/opening/refunds_in": "-5.00",
            "equity/opening/purchases": "600.00",
            "equity/opening/withdrawals": "154.99",
        }
        assert discrepancies(book) == []


def test_a_past_that_does_not_add_up(database_url):
    """Nothing at all, a sum of zero, less than nothing, a negative total, another currency."""
    with a_book(database_url, alice="0") as book:
        for past, error in (
            (History(), Invalid),
            (History(payments_in=bdt("5"), purchases=bdt("5")), Invalid),
            (History(payments_in=bdt("5"), purchases=bdt("5.01")), InsufficientFunds),
            (History(payments_in=bdt("-5")), InvalidAmount),
            (History(payments_in=bdt("5"), fees=Money("1", "IQD")), CurrencyMismatch),
        ):
            assert type(refused(book, SetOpeningBalance(ALICE, past))) is error
        assert balance(book) == "0.00"


# ── the owner's own book ─────────────────────────────────────────────────────────────


def lines_of(book, name, clock):
    page = book.query(khata.khata_book, name, since=START, until=clock.now + 1)
    return page.items[::-1]


def test_each_owner_gets_a_line_for_each_movement(database_url):
    """Payer and payee each under their own name for it, with the category of the source."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="0", bob="0") as book:
        book.submit(Credit(ALICE, bdt("90.00")))
        paid = book.submit(Transfer(ALICE, BOB, bdt("20.00"), "order")).result.id
        book.submit(Credit(BOB, bdt("30.00"), "dhaar_loan"))
        held = book.submit(PlaceHold(ALICE, bdt("7.00"), "delivery")).result.id
        book.submit(CaptureHold(held, bdt("5.00")))
        alice, bob = lines_of(book, "alice", clock), lines_of(book, "bob", clock)
        assert [(line.kind, line.category, line.amount) for line in alice] == [
            ("transfer", "Top-up", "90.00"),
            ("expense", "Orders", "-20.00"),
            ("expense", "Delivery", "-5.00"),
        ]
        assert [(line.kind, line.category, line.amount) for line in bob] == [
            ("income", "Orders", "20.00"),
            ("loan_taken", "Dhaar", "30.00"),
        ]
        assert (alice[1].entry, bob[0].entry, alice[1].wallet) == (paid, paid, ALICE)
        assert discrepancies(book) == []


def test_every_source_has_a_line_for_both_directions(database_url):
    """Whatever the reason, money that comes and money that goes are shown in the khata."""
    names = ["top_up", "withdrawal", "order", "delivery", "video_view", "video_order", "bid"]
    names += ["service", "c2c_sale", "squad", "mission", "dam_komao", "surprise_coupon"]
    names += ["viral_bonus", "dhaar_loan", "dhaar_repayment", "mover_float", "refund"]
    clock = Clock()
    with a_book(database_url, clock=clock, alice="0") as book:
        for name in names:
            book.submit(Credit(ALICE, bdt("2.00"), name))
            book.submit(Debit(ALICE, bdt("1.00"), name))
        page = book.query(
            khata.khata_book, "alice", since=START, until=clock.now + 1, limit=1000
        ).items
        assert [line.amount for line in page] == ["-1.00", "2.00"] * len(names)
        assert all(line.category for line in page)


def test_an_owner_writes_lines_by_hand(database_url):
    """They stand beside the others at the time that the owner gives, and move no money."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="5.00") as book:
        clock.pass_by(60)
        loan = AddKhataEntry(
            "loan_given", "Friends", bdt("200"), False, None, "রহিম", "2026-01-31T15:00:30+06:00"
        )
        book.submit(loan, actor=owner("alice"))
        last = lines_of(book, "alice", clock)[-1]
        assert (last.manual, last.kind, last.amount, last.note) == (
            True,
            "loan_given",
            "-200.00",
            "রহিম",
        )
        assert (last.at, last.wallet, last.entry) == ("2026-01-31T09:00:30.000000Z", None, None)
        assert balance(book) == "5.00"


def test_bad_lines_by_hand(database_url):
    """A category, an amount above zero, a time that can be written, an owner."""
    good = {"line": "expense", "category": "Tea", "amount": bdt("1"), "incoming": False}
    bad = [
        {"category": " "},
        {"note": "x" * 501},
        {"amount": bdt("0")},
        {"amount": Money("1", "TAKA")},
        {"happened_at": "yesterday"},
        {"happened_at": "0001-01-01T00:00:00+23:59"},
        {"owner": None},
        {"owner": ""},
        {"owner": "x" * 20_000},
        {"line": "gift"},
    ]
    with a_book(database_url) as book:
        for one in bad:
            command = AddKhataEntry(**({"owner": "alice"} | good | one))
            assert isinstance(refused(book, command), Invalid), one
        early = AddKhataEntry(**good, owner="alice", happened_at="0999-01-01")
        book.submit(early)
        assert book.query(khata.khata_book, "alice").items[0].at.startswith("0999-01-01T")
