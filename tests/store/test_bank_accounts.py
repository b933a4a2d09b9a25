"""Bank accounts: sealed and masked everywhere, verified by staff, exactly one of them primary."""

import contextlib
import sqlite3
from contextlib import closing

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.actor import SYSTEM, WORKER
from khata.domain import payouts
from khata.domain.payouts import (
    AddBankAccount,
    BlockBankAccount,
    RemoveBankAccount,
    Reseal,
    SetPrimary,
    VerifyBankAccount,
)
from khata.edge.sealing import rotate, sealed_bank_account, sealed_before, vault_of
from khata.engine.replay import replay
from khata.engine.vault import Vault
from khata.errors import (
    AlreadyExists,
    BankAccountNotFound,
    Invalid,
    InvalidTransition,
    KeyReused,
    NotYours,
    RoleRequired,
    VaultKeyUnknown,
    VaultMissing,
)
from tests.builders import ADMIN, FINANCE, SUPPORT, discrepancies, owner, refused
from tests.conftest import examples
from tests.payees import NUMBER, VAULT, a_house, add, an_account, pay_out, the_account, work
from tests.servers import sqlite_at

DIGITS = NUMBER.replace(" ", "")


@pytest.fixture
def book(database_url):
    with Khata.open(database_url, migrate=True, vault=VAULT) as opened:
        yield opened


def accounts(book, **wanted):
    return {account.id: account for account in book.query(payouts.bank_accounts, **wanted).items}


def primaries(book, name="alice"):
    return [account.id for account in accounts(book, owner=name).values() if account.primary]


def everything(url):
    """All that the database holds, as text."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return "\n".join(connection.iterdump())
    with psycopg.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        tables = [row[0] for row in connection.execute(query)]
        return "\n".join(
            str(row) for table in tables for row in connection.execute(f'SELECT * FROM "{table}"')
        )


# ── adding ───────────────────────────────────────────────────────────────────────────


def test_an_account_is_shown_masked(book):
    """Its number's last digits, its holder's first letters; it waits to be verified."""
    made = book.submit(an_account()).result
    assert (made.number, made.holder) == ("•••• 9012", "A•••• R••••")
    assert (made.status, made.primary) == ("pending", False)
    assert book.query(payouts.bank_account, made.id) == made


def test_no_number_is_anywhere_in_the_database(database_url):
    """Not in a row, not in the journal, not in what a saga asked for, not among the refusals."""
    with a_house(database_url) as book:
        book.submit(an_account(number="98765-43210"))
        refused(book, an_account(number="98765-43210"))
        pay_out(book)
        work(book)
        sent = [asked.request["account"] for asked in book.bank.asked]
        assert [VAULT.open(sealed) for sealed in sent] == [f"{DIGITS}0"]
    held = everything(database_url)
    assert "•••• 0120" in held
    for secret in (DIGITS, NUMBER, "9876543210", "98765-43210", "Alice Rahman", "Rahman"):
        assert secret not in held


def test_a_number_in_clear_does_not_enter(database_url, book):
    """Whoever forgets to seal is told so, and nothing of it is kept."""
    fine = an_account()
    for name, text in (
        ("number", DIGITS),
        ("holder", "Alice Rahman"),
        ("mask", DIGITS),
        ("holder_mask", "Alice Rahman"),
        ("fingerprint", DIGITS),
        ("former", (DIGITS,)),
    ):
        fields = {field: getattr(fine, field) for field in AddBankAccount.__struct_fields__}
        error = refused(book, AddBankAccount(**(fields | {name: text})))
        assert isinstance(error, Invalid)
        assert DIGITS not in str(error) + str(error.details)
    assert accounts(book) == {}
    assert DIGITS not in everything(database_url)


def test_an_owner_adds_a_number_once(book):
    """Written in another way it is the same; another owner, or a removed one, does not matter."""
    first = add(book)
    error = refused(book, an_account(number=DIGITS))
    assert isinstance(error, AlreadyExists)
    assert error.details["got"] == first
    add(book, "bob")
    add(book, currency="USD")
    book.submit(RemoveBankAccount(first))
    add(book)


@pytest.mark.parametrize(
    "fields",
    [{"bank": ""}, {"bank": "x" * 201}, {"country": "Bangladesh"}, {"currency": "TAKA"}],
)
def test_what_makes_no_sense_is_refused(book, fields):
    """One clear error, nothing written."""
    assert isinstance(refused(book, an_account(**fields)), Invalid)
    assert accounts(book) == {}


@pytest.mark.parametrize("holder", ["", " ", "x" * 141, "a\nb"])
def test_a_holder_has_a_name(holder):
    """Of a length that banks take."""
    with pytest.raises(Invalid):
        an_account(holder=holder)


def test_without_a_vault_nothing_is_added(database_url):
    """And whoever asks is told how to make a key."""
    with Khata.open(database_url, migrate=True) as book, pytest.raises(VaultMissing) as caught:
        vault_of(book)
    assert "KHATA_VAULT_KEYS" in caught.value.message


def test_the_same_request_again_finds_what_was_sealed_first(book):
    """Sealing differs each time; a retry under its key is answered all the same."""
    first = book.submit(an_account(), key="k")
    assert isinstance(refused(book, an_account(), key="k"), KeyReused)
    with book.view() as view:
        before = sealed_before(view, VAULT, "k", an_account(), SYSTEM)
        for other in (an_account(number="99998888"), an_account(bank="Another Bank")):
            assert sealed_before(view, VAULT, "k", other, SYSTEM) is None
        assert sealed_before(view, VAULT, "none", an_account(), SYSTEM) is None
        assert sealed_before(view, VAULT, "k", an_account(), owner("alice")) is None
    again = book.submit(before, key="k")
    assert (again.replayed, again.result) == (True, first.result)


# ── whose they are ───────────────────────────────────────────────────────────────────


def test_owners_see_and_change_their_own_alone(book):
    """Of others they do not even learn whether they exist."""
    hers, alice, bob = add(book), owner("alice"), owner("bob")
    for command in (SetPrimary(hers), RemoveBankAccount(hers), RemoveBankAccount("bnk_none")):
        assert isinstance(refused(book, command, actor=bob), NotYours)
    assert isinstance(refused(book, an_account(), actor=bob), NotYours)
    with book.view(bob) as view:
        assert payouts.bank_accounts(view).items == []
        for ask in (
            lambda: payouts.bank_account(view, hers),
            lambda: payouts.bank_account(view, "bnk_none"),
            lambda: payouts.bank_accounts(view, owner="alice"),
            lambda: payouts.sealed_accounts(view),
        ):
            with pytest.raises(NotYours):
                ask()
    with book.view(alice) as view:
        assert [account.id for account in payouts.bank_accounts(view).items] == [hers]
    book.submit(RemoveBankAccount(hers), actor=alice)


def test_owners_do_not_verify(book):
    """Whose account it is, somebody else must have seen."""
    mine = add(book, verified=False)
    for command in (VerifyBankAccount(mine, "mine"), BlockBankAccount(mine, "not mine")):
        assert isinstance(refused(book, command, actor=owner("alice")), RoleRequired)
    book.submit(VerifyBankAccount(mine, "Letter seen."), actor=SUPPORT)
    assert the_account(book).evidence == "Letter seen."


def test_what_is_not_there_is_said_to_staff(book):
    """By its own code."""
    for command in (SetPrimary("bnk_none"), VerifyBankAccount("bnk_none", "x")):
        assert isinstance(refused(book, command, actor=FINANCE), BankAccountNotFound)
    with pytest.raises(BankAccountNotFound):
        book.query(payouts.bank_account, "bnk_none")


# ── primary ──────────────────────────────────────────────────────────────────────────


def test_the_first_verified_is_primary(book):
    """Not the first added; the second stays second until it is asked for."""
    first, second = (add(book, number=number, verified=False) for number in ("11112222", "3333444"))
    assert isinstance(refused(book, SetPrimary(first)), InvalidTransition)
    book.submit(VerifyBankAccount(second, "seen"))
    book.submit(VerifyBankAccount(first, "seen"))
    assert primaries(book) == [second]
    book.submit(SetPrimary(first))
    assert primaries(book) == [first]


def test_another_takes_the_place_of_a_primary_that_goes(book):
    """The one that was verified first; with none left there is none."""
    first, second, third = (add(book, number=f"{n}{n}0000") for n in (11, 22, 33))
    book.submit(BlockBankAccount(first, "odd"))
    assert primaries(book) == [second]
    book.submit(RemoveBankAccount(second))
    assert primaries(book) == [third]
    book.submit(RemoveBankAccount(third))
    assert primaries(book) == []
    book.submit(VerifyBankAccount(first, "seen again"))
    assert primaries(book) == [first]


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["add", "verify", "verify", "primary", "block", "remove"]),
        st.integers(0, 3),
        st.sampled_from(["BDT", "USD"]),
    ),
    max_size=14,
)


def test_there_is_exactly_one_primary_whatever_happens(database_url):
    """For each owner and currency with a verified account, and it is a verified one."""
    names = iter(range(10_000))
    with Khata.open(database_url, migrate=True, vault=VAULT) as book:

        @examples(16)
        @given(MOVES)
        def holds(history):
            name, known = f"o{next(names)}", []
            for what, which, currency in history:
                if what == "add" or not known:
                    number = f"{which}0000{len(known)}"
                    known.append(add(book, name, number, verified=False, currency=currency))
                    continue
                account = known[which % len(known)]
                command = {
                    "verify": VerifyBankAccount(account, "seen"),
                    "primary": SetPrimary(account),
                    "block": BlockBankAccount(account, "odd"),
                    "remove": RemoveBankAccount(account),
                }[what]
                with contextlib.suppress(InvalidTransition):
                    book.submit(command)
                found = accounts(book, owner=name).values()
                for unit in ("BDT", "USD"):
                    mine = [item for item in found if item.currency == unit]
                    verified = [item for item in mine if item.status == "verified"]
                    primary = [item for item in mine if item.primary]
                    assert len(primary) == bool(verified)
                    assert all(item in verified for item in primary)

        holds()


def test_a_removed_account_stays_removed(book):
    """It is kept, for what was paid out to it."""
    gone = add(book)
    book.submit(RemoveBankAccount(gone))
    for command in (
        SetPrimary(gone),
        VerifyBankAccount(gone, "x"),
        BlockBankAccount(gone, "x"),
        RemoveBankAccount(gone),
    ):
        assert isinstance(refused(book, command), InvalidTransition)
    assert book.query(payouts.bank_account, gone).status == "removed"


# ── listing ──────────────────────────────────────────────────────────────────────────


def test_lists_come_in_pages(book):
    """Newest first, every account once, by status if asked."""
    made = [add(book, number=f"{n}00001", verified=n % 2 == 0) for n in range(10, 17)]
    found, cursor = [], None
    while True:
        page = book.query(payouts.bank_accounts, owner="alice", cursor=cursor, limit=3)
        found += [account.id for account in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(found) == sorted(made)
    assert found[0] == made[-1]
    assert len(accounts(book, status="pending")) == 3


# ── changing keys ────────────────────────────────────────────────────────────────────


def test_keys_change_without_anything_changing_hands(database_url):
    """All accounts are sealed under the new key; the old one can go; doubles are still noticed."""
    key = Vault.new_key()
    old = Vault([key])
    with Khata.open(database_url, migrate=True, vault=old) as book:
        names = [f"owner{n}" for n in range(5)]
        for name in names:
            book.submit(an_account(name, vault=old))
    newest = Vault.new_key()
    both, new, told = Vault([newest, key]), Vault([newest]), []
    with Khata.open(database_url, vault=both) as book:
        assert isinstance(refused(book, an_account("owner1", vault=both)), AlreadyExists)
        assert rotate(book, ADMIN, lambda done, total: told.append((done, total))) == 5
        assert told[-1] == (5, 5)
        assert rotate(book, ADMIN, lambda *_: None) == 0
        assert isinstance(refused(book, an_account("owner1", vault=both)), AlreadyExists)
        assert book.query(payouts.bank_account, next(iter(accounts(book)))).number == "•••• 9012"
        assert discrepancies(book) == []
    with Khata.open(database_url, vault=new) as book:
        assert isinstance(refused(book, an_account("owner1", vault=new)), AlreadyExists)
        with book.view() as view:
            kept = payouts.sealed_accounts(view)
        assert {new.open(account.number) for account in kept} == {DIGITS}
        assert {new.open(account.holder) for account in kept} == {"Alice Rahman"}


def test_without_the_old_key_rotation_says_so(database_url):
    """And nothing is lost: with the key back it goes on."""
    with Khata.open(database_url, migrate=True, vault=VAULT) as book:
        add(book)
    other = Vault([Vault.new_key()])
    with Khata.open(database_url, vault=other) as book, pytest.raises(VaultKeyUnknown):
        rotate(book, ADMIN, lambda *_: None)


def test_nobody_puts_another_number_in_place(book):
    """What is sealed cannot be compared, so only Khata's own rotation may replace it."""
    mine, other = add(book), an_account(number="66667777")
    swap = Reseal(mine, other.number, other.holder, other.fingerprint, "admin:x")
    for who in (ADMIN, FINANCE, owner("alice")):
        assert isinstance(refused(book, swap, actor=who), RoleRequired)
    clear = Reseal(mine, "66667777", "X", other.fingerprint, "admin:x")
    assert isinstance(refused(book, clear, actor=WORKER), Invalid)


def test_the_journal_makes_the_same_accounts_again(database_url, tmp_path):
    """Replay needs no vault."""
    with a_house(database_url) as book:
        add(book, number="77778888")
        book.submit(SetPrimary(next(iter(accounts(book, owner="alice")))))
        with Khata.open(sqlite_at(tmp_path / "again.db"), migrate=True) as copy:
            replay(book, copy)
            assert accounts(copy) == accounts(book)


def test_an_iban_is_taken_with_its_country(book):
    """As banks write it, in groups of four."""
    made = book.submit(
        sealed_bank_account(
            VAULT,
            owner="zoe",
            number="DE89 3704 0044 0532 0130 00",
            holder="Zoe",
            bank="Bank",
            country="DE",
            currency="EUR",
        )
    ).result
    assert made.number == "•••• 3000"
