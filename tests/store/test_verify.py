"""The verifier: a sound book is found sound, and whatever is touched is named."""

import itertools
import sqlite3
import threading

import pytest

from khata import Khata, KhataError, Money
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.khata import AddKhataEntry
from khata.domain.ledger import Reverse, SetLimits
from khata.domain.wallets import Credit, OpenWallet, Transfer
from khata.engine.accounts import VelocityLimit
from khata.engine.database import Database
from khata.engine.tables import METADATA
from khata.engine.verify import findings, verify
from khata.errors import BookCorrupted
from tests.servers import fresh_database, sqlite_at

ALICE, BOB = 4097, 2 * 4096 + 1
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request, tmp_path_factory):
    """One database for all books of this file, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield sqlite_at(tmp_path_factory.mktemp("verify") / "khata.db")
    else:
        template = request.getfixturevalue("postgres_template")
        with fresh_database(request.getfixturevalue("postgres_url"), template) as found:
            yield found


def bdt(amount):
    return Money(amount, "BDT")


def a_book(url):
    """Ten commands and two refusals; their numbers are what the tests below name."""
    book = Khata.open(url, f"book-{next(_numbers)}", migrate=True)
    alice, bob = "alice/personal/BDT", "bob/personal/BDT"
    book.submit(OpenWallet("alice", "BDT"))
    book.submit(OpenWallet("bob", "BDT"))
    book.submit(Credit(alice, bdt("1000")))
    moved = book.submit(Transfer(alice, bob, bdt("100"), note="rent"))
    hold = book.submit(PlaceHold(alice, bdt("50"), expires_in_seconds=9999))
    book.submit(CaptureHold(hold.result.id, bdt("20")))
    book.submit(Reverse(moved.result.id, "mistake", "30"))
    book.submit(AddKhataEntry("expense", "Tea", bdt("1"), incoming=False, owner="alice"))
    book.submit(Transfer(bob, alice, bdt("10")))
    book.submit(SetLimits(bob, "careful", limits=[VelocityLimit(60, 100_000)]))
    for amount in ("5000", "6000"):
        with pytest.raises(KhataError):
            book.submit(Transfer(alice, bob, bdt(amount)))
    return book


def table(name):
    return METADATA.tables[name]


def tamper(book, name, where, **values):
    """Change rows behind the book's back; without values, delete them."""
    target = table(name)
    mine = [target.c[key] == value for key, value in where.items()]
    mine.append(target.c["id" if name == "books" else "book_id"] == book.book_id)
    statement = target.update().values(**values) if values else target.delete()
    with book.database.changing() as connection:
        assert connection.execute(statement.where(*mine)).rowcount == 1


def insert(book, name, **values):
    with book.database.changing() as connection:
        connection.execute(table(name).insert().values(book_id=book.book_id, **values))


def said(book, **options):
    """What the verifier says: (check, where) of each discrepancy."""
    report = verify(book.database, book.book_id, **options)
    return [(one.check, one.where) for one in report.discrepancies]


def values_said(book):
    report = verify(book.database, book.book_id)
    return [(one.expected, one.got) for one in report.discrepancies]


def test_a_sound_book_has_no_discrepancies(url):
    """And the report says what was read."""
    with a_book(url) as book:
        report = verify(book.database, book.book_id)
        assert (report.ok, report.seq, report.journal, report.postings) == (True, 10, 10, 10)


def test_an_empty_book_is_sound(url):
    """Nothing has happened yet, and that is in order."""
    with Khata.open(url, f"book-{next(_numbers)}", migrate=True) as book:
        assert said(book) == []


POSTING = {"account_id": ALICE, "seq": 4, "leg": 0}
ENTRY = {"seq": 4, "entry": 0}
LAST_ENTRY = {"seq": 9, "entry": 0}
CASES = {
    "amount of a posting": (
        ("postings", POSTING, {"amount": 12345}),
        [("altered", f"postings account_id={ALICE} seq=4 leg=0 amount")],
    ),
    "balance after a posting": (
        ("postings", POSTING, {"balance_after": 7}),
        [("altered", f"postings account_id={ALICE} seq=4 leg=0 balance_after")],
    ),
    "a posting gone": (
        ("postings", POSTING, {}),
        [("altered", f"postings account_id={ALICE} seq=4 leg=0")],
    ),
    "legs of an entry": (
        ("entries", LAST_ENTRY, {"legs": f"[[{BOB},70],[{ALICE},-70]]"}),
        [("altered", "entries seq=9 entry=0 legs")],
    ),
    "a letter in an entry": (
        ("entries", ENTRY, {"note": "runt"}),
        [("altered", "entries seq=4 entry=0 note")],
    ),
    "the whole note of an entry": (
        ("entries", ENTRY, {"note": "a gift"}),
        [("hash", "journal seq=4, its entries, its postings")],
    ),
    "an entry gone": (
        ("entries", LAST_ENTRY, {}),
        [("missing", "entries seq=9 entry=0"), ("hash", "journal seq=9, its postings")],
    ),
    "an owner's line": (
        ("postings", POSTING, {"line": None}),
        [
            ("line", f"postings account_id={ALICE} seq=4 leg=0 line"),
            ("hash", "journal seq=4, its entries, its postings"),
        ],
    ),
    "a letter of a manual line": (
        ("khata_entries", {"owner": "alice", "seq": 8}, {"category": "Tee"}),
        [("altered", "khata_entries owner=alice seq=8 category")],
    ),
    "a manual line gone": (
        ("khata_entries", {"owner": "alice", "seq": 8}, {}),
        [("hash", "journal seq=8")],
    ),
    "key digest": (
        ("journal", {"seq": 4}, {"digest": bytes(16)}),
        [("altered", "journal seq=4 digest")],
    ),
    "kind": (
        ("journal", {"seq": 4}, {"kind": "wallets.credit"}),
        [("altered", "journal seq=4 kind")],
    ),
    "a letter of the actor": (
        ("journal", {"seq": 4}, {"actor": "admin+service:sysTem"}),
        [("altered", "journal seq=4 actor")],
    ),
    "hash of a row": (
        ("journal", {"seq": 4}, {"hash": bytes(32)}),
        [("altered", "journal seq=4 hash")],
    ),
    "hash of the last row": (
        ("journal", {"seq": 10}, {"hash": bytes(32)}),
        [("altered", "journal seq=10 hash")],
    ),
    "announced digests": (
        ("journal", {"seq": 8}, {"changes": "[]"}),
        [("hash", "journal seq=8, its khata_entries")],
    ),
    "a journal row gone": (
        ("journal", {"seq": 9}, {}),
        [
            ("sequence", "journal seq=9"),
            ("orphan", "entries seq=9"),
            ("orphan", "postings seq=9"),
        ],
    ),
    "the last journal row gone": (
        ("journal", {"seq": 10}, {}),
        [
            ("head", "books seq"),
            ("head", "books hash"),
            ("head", "books at"),
            ("state", f"accounts id={BOB}"),
        ],
    ),
    "the head's seq": (("books", {}, {"seq": 11}), [("head", "books seq")]),
    "the head's hash": (("books", {}, {"hash": bytes(32)}), [("head", "books hash")]),
    "the head's time": (("books", {}, {"at": 1}), [("head", "books at")]),
    "a balance": (
        ("accounts", {"id": ALICE}, {"balance": -1}),
        [("balance", f"accounts id={ALICE} balance")],
    ),
    "what is held": (
        ("accounts", {"id": ALICE}, {"held": 1}),
        [("held", f"accounts id={ALICE} held")],
    ),
    "the next expiry": (
        ("accounts", {"id": ALICE}, {"next_expiry": None}),
        [("held", f"accounts id={ALICE} next_expiry")],
    ),
    "a status": (
        ("accounts", {"id": ALICE}, {"status": "frozen"}),
        [("state", f"accounts id={ALICE}")],
    ),
    "a digit of an overdraft": (
        ("accounts", {"id": ALICE}, {"overdraft": 9}),
        [("altered", f"accounts id={ALICE} overdraft")],
    ),
    "a wallet gone": (
        ("wallets", {"account_id": BOB}, {}),
        [("missing", f"wallets account_id={BOB}")],
    ),
    "a refusal's code": (
        ("refusals", {"n": 1}, {"code": "forbidden"}),
        [("refusals", "refusals n=1")],
    ),
    "a refusal's hash": (
        ("refusals", {"n": 1}, {"hash": bytes(32)}),
        [("altered", "refusals n=1 hash")],
    ),
    "the last refusal's hash": (
        ("refusals", {"n": 2}, {"hash": bytes(32)}),
        [("altered", "refusals n=2 hash")],
    ),
    "a refusal gone": (("refusals", {"n": 1}, {}), [("sequence", "refusals n=1")]),
    "the count of refusals": (
        ("books", {}, {"refusals": 3}),
        [("head", "books refusals")],
    ),
    "the head of the refusals": (
        ("books", {}, {"refusals_hash": bytes(32)}),
        [("head", "books refusals_hash")],
    ),
}
"""What is touched: (table, row, new values), and exactly what must be said about it."""


@pytest.mark.parametrize("case", CASES)
def test_what_was_touched_is_named(url, case):
    """One change, its very place, and nothing about places that were left alone."""
    (name, where, values), expected = CASES[case]
    with a_book(url) as book:
        tamper(book, name, where, **values)
        assert said(book) == expected


def test_what_was_there_before_is_told(url):
    """For a change that its hash proves, the report has the right value and the wrong one."""
    with a_book(url) as book:
        tamper(book, "postings", POSTING, amount=12345)
        assert values_said(book) == [(10000, 12345)]


def test_a_row_too_many_is_named(url):
    """A posting that no entry has."""
    with a_book(url) as book:
        insert(book, "postings", **{**POSTING, "leg": 2}, entry=0, amount=5, balance_after=5)
        assert said(book) == [("altered", f"postings account_id={ALICE} seq=4 leg=2")]


def test_facts_beyond_the_end_are_orphans(url):
    """Nothing may be there that the journal has not announced."""
    with a_book(url) as book:
        insert(book, "postings", **{**POSTING, "seq": 99}, entry=0, amount=5, balance_after=5)
        found = said(book)
        assert ("orphan", "postings seq=99") in found
        assert ("balance", f"accounts id={ALICE} balance") in found


def test_states_that_nobody_announced_are_named(url):
    """A row that no command made, and that belongs to no account."""
    with a_book(url) as book:
        values = {"owner": "eve", "kind": "personal", "unit": "BDT", "title": "", "opened_at": 0}
        insert(book, "wallets", account_id=5, **values)
        assert said(book) == [
            ("state", "wallets account_id=5"),
            ("reference", "wallets account_id=5 account_id"),
        ]


def test_an_account_gone_is_told_once(url):
    """Not again for each posting that it had."""
    with a_book(url) as book:
        tamper(book, "accounts", {"id": BOB})
        found = said(book)
        assert [where for check, where in found if check == "missing"] == [f"accounts id={BOB}"]
        assert len(found) <= 5


def test_an_anchor_that_the_book_contains_holds(url):
    """A head that was noted earlier is still there after more was done."""
    with a_book(url) as book:
        report = verify(book.database, book.book_id)
        book.submit(OpenWallet("carol", "BDT"))
        anchor = report.seq, bytes.fromhex(report.head)
        assert said(book, expect=anchor) == []


def test_an_anchor_that_the_book_does_not_contain_is_told(url):
    """A book that was written anew from some point on does not have the old head."""
    with a_book(url) as book:
        assert said(book, expect=(4, bytes(32))) == [("anchor", "journal seq=4 hash")]
        assert said(book, expect=(11, bytes(32))) == [("anchor", "journal seq=11 hash")]


def test_a_reversal_beyond_its_original_is_told(url):
    """Even with every hash in order: the entry's own columns are compared."""
    with a_book(url) as book:
        tamper(book, "entries", {"seq": 7}, legs=f"[[{ALICE},-99999],[{BOB},99999]]")
        assert ("reversal", f"entries seq=4 entry=0 account={ALICE}") in said(book)


def test_a_reversal_of_nothing_is_told(url):
    """A reversal refers to an entry that came before it."""
    with a_book(url) as book:
        tamper(book, "entries", {"seq": 7}, reverses_seq=8)
        assert ("reversal", "entries seq=8 entry=0") in said(book)


def test_time_that_goes_back_is_told(url):
    """Each command is at or after the one before it."""
    with a_book(url) as book:
        tamper(book, "journal", {"seq": 4}, at=1)
        assert ("time", "journal seq=4 at") in said(book)


def test_verifying_does_not_mind_work_going_on(url):
    """Each run sees one moment of the book, while a writer goes on."""
    stop = threading.Event()
    with a_book(url) as book:

        def work():
            while not stop.is_set():
                book.submit(Transfer("alice/personal/BDT", "bob/personal/BDT", bdt("0.01")))

        worker = threading.Thread(target=work)
        worker.start()
        found = [said(book) for _ in range(5)]
        stop.set()
        worker.join()
        assert found == [[]] * 5


def test_bytes_that_are_no_text_any_more_are_named(tmp_path):
    """A flipped bit in the file itself: the column is named, and what it said."""
    path = tmp_path / "khata.db"
    with a_book(sqlite_at(path)):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    content = path.read_bytes()
    at = content.index(b"rent", content.index(b"transfertransferrent"))
    path.write_bytes(content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
    with Khata.open(f"sqlite:///{path}", f"book-{next(_numbers) - 1}") as book:
        assert said(book) == [("altered", "entries seq=4 entry=0 note")]


def test_a_file_that_is_no_database_is_told(tmp_path):
    """What SQLite cannot read at all is not reported as a list of rows."""
    path = tmp_path / "khata.db"
    with a_book(sqlite_at(path)) as book:
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.close()
        content = path.read_bytes()
        path.write_bytes(content[:4096] + bytes(len(content) - 4096))
        with pytest.raises(BookCorrupted):
            verify(Database(f"sqlite:///{path}"), book.book_id)


def test_a_flood_is_counted_and_not_listed(url, monkeypatch):
    """Where everything is wrong, the report stays readable."""
    monkeypatch.setattr(findings, "MOST_LISTED", 3)
    with a_book(url) as book:
        target = table("entries")
        with book.database.changing() as connection:
            mine = target.c.book_id == book.book_id
            connection.execute(target.update().where(mine).values(note="everything is new"))
        report = verify(book.database, book.book_id)
        assert (len(report.discrepancies), report.omitted) == (3, 2)


def test_progress_counts_commands_up_to_all(url):
    """Whoever waits is told how far it is."""
    seen = []
    with a_book(url) as book:
        verify(book.database, book.book_id, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)
