"""The command line on real books: every command does what it says, for people and for pipes."""

import csv
import hashlib
import io
import sqlite3
from contextlib import closing

import pytest

from khata import Khata, Money
from khata.domain import access
from khata.domain.holds import PlaceHold
from tests.edge.command_line import ALICE, BOB, a_book, balance, khata
from tests.servers import sqlite_at


@pytest.fixture
def url(tmp_path):
    """A book with Alice's 1,000 taka, on SQLite."""
    return a_book(sqlite_at(tmp_path / "khata.db"))


# ── the same on both databases ───────────────────────────────────────────────────────


def test_from_an_empty_database_to_a_verified_book(database_url):
    """Migrate, open, credit, verify: each is one line, on either database."""
    lines = [
        ("migrate",),
        ("wallets", "open", "alice", "BDT"),
        ("wallets", "credit", ALICE, "1000.00", "--key", "top-up-1"),
        ("verify",),
        ("replay",),
    ]
    assert [khata(*line, url=database_url).code for line in lines] == [0] * 5


def test_migrating_twice_changes_nothing(database_url):
    """The second time finds the tables made."""
    khata("migrate", url=database_url)
    done = khata("migrate", "--json", url=database_url).json()
    assert done["before"] == done["after"] is not None


def test_a_transfer_moves_money(database_url):
    """What one wallet loses the other gets."""
    a_book(database_url)
    khata("wallets", "transfer", ALICE, BOB, "20.00", url=database_url)
    assert (balance(database_url, ALICE), balance(database_url, BOB)) == ("980.00", "20.00")


def test_a_statement_on_both_databases(database_url):
    """Opening and closing balance of all that happened."""
    a_book(database_url)
    found = khata("statement", ALICE, "--json", url=database_url).json()
    assert (found["opening"], found["closing"], len(found["items"])) == ("0.00", "1000.00", 1)


# ── wallets ──────────────────────────────────────────────────────────────────────────


def test_opening_the_first_wallet_makes_the_book(tmp_path):
    """One needs nothing before the first wallet."""
    fresh = f"sqlite:///{tmp_path / 'new.db'}"
    khata("wallets", "open", "alice", "BDT", url=fresh)
    (found,) = khata("wallets", "list", "--json", url=fresh).lines()
    assert found["path"] == ALICE


def test_the_list_says_what_each_has(url):
    """A line for each wallet, with its amounts."""
    done = khata("wallets", "list", url=url)
    (line,) = [line for line in done.out.splitlines() if ALICE in line]
    assert line.split()[2:] == ["active", "৳1,000.00", "৳0.00", "৳1,000.00"]


def test_amounts_stand_to_the_right(url):
    """Amounts of one column end below one another."""
    lines = [line for line in khata("wallets", "list", url=url).out.splitlines() if "BDT" in line]
    assert len({line.rindex("0") for line in lines}) == 1


def test_a_list_goes_on_at_its_cursor(url):
    """What does not fit on a page is on the next."""
    first = khata("wallets", "list", "--limit", "1", "--json", url=url)
    cursor = first.err.split("--cursor ")[1].split()[0]
    (second,) = khata("wallets", "list", "--cursor", cursor, "--json", url=url).lines()
    assert (first.json()["path"], second["path"]) == (ALICE, BOB)


def test_a_receipt_as_json(url):
    """Pipes get the whole receipt."""
    done = khata("wallets", "debit", ALICE, "1.50", "--key", "w-1", "--json", url=url).json()
    leg = done["result"]["legs"][0]
    assert (done["key"], leg["balance_before"], leg["balance_after"]) == (
        "w-1",
        "1000.00",
        "998.50",
    )


def test_the_same_key_happens_once(url):
    """Saying it again with the same key tells the first answer."""
    khata("wallets", "debit", ALICE, "10.00", "--key", "w-1", url=url)
    again = khata("wallets", "debit", ALICE, "10.00", "--key", "w-1", "--json", url=url).json()
    assert (again["replayed"], balance(url, ALICE)) == (True, "990.00")


def test_a_dry_run_writes_nothing(url):
    """It answers, and the balance stays."""
    done = khata("wallets", "debit", ALICE, "10.00", "--dry-run", url=url)
    assert (done.code, balance(url, ALICE)) == (0, "1000.00")


def test_a_balance_of_an_earlier_instant(url):
    """Before anything happened there was nothing."""
    done = khata("wallets", "show", ALICE, "--at", "2001-01-01", "--json", url=url)
    assert done.json()["balance"] == "0.00"


def test_a_wallet_is_shown_with_its_latest_movements(url):
    """For people: the balance, and what made it."""
    done = khata("wallets", "show", ALICE, url=url)
    assert "৳1,000.00" in done.out
    assert "cash/main" in done.out


def test_what_is_in_a_book_cannot_command_the_terminal(url):
    """A title with an escape sequence is shown without its power."""
    khata("wallets", "open", "eve", "BDT", "--title", "\x1b[2Jgone", url=url)
    assert "\x1b" not in khata("wallets", "show", "eve/personal/BDT", url=url).out


@pytest.mark.parametrize(
    ("verb", "status"), [("freeze", "frozen"), ("unfreeze", "active"), ("close", "closed")]
)
def test_status_verbs(url, verb, status):
    """Each verb leaves the wallet in its state."""
    if verb == "unfreeze":
        khata("wallets", "freeze", BOB, "--reason", "lost", url=url)
    done = khata("wallets", verb, BOB, "--reason", "because", "--json", url=url)
    assert done.json()["result"]["status"] == status


def test_limits_that_are_not_named_stay(url):
    """Changing the overdraft keeps the velocity limit."""
    words = ("wallets", "limits", ALICE, "--reason", "new")
    khata(*words, "--velocity", "24h:5000.00:3", url=url)
    khata(*words, "--overdraft", "50.00", url=url)
    found = khata("wallets", "limits", ALICE, "--json", url=url).json()
    assert (found["overdraft"], found["limits"]) == (
        "50.00",
        [{"window_seconds": 86_400, "amount": "5000.00", "count": 3}],
    )


def test_limits_are_told_in_words(url):
    """People read an amount, a count and a window."""
    words = ("wallets", "limits", ALICE, "--velocity", "1h::3", "--reason", "new")
    assert "3 times in any 1h" in khata(*words, url=url).out


# ── statements ───────────────────────────────────────────────────────────────────────


def test_a_statement_as_csv(url):
    """One line for each movement, with the balance before and after."""
    khata("wallets", "debit", ALICE, "250.00", "--reference", "W-1", url=url)
    rows = list(csv.DictReader(io.StringIO(khata("statement", ALICE, "--csv", url=url).out)))
    assert [(row["amount"], row["balance_after"], row["reference"]) for row in rows] == [
        ("1000.00", "1000.00", ""),
        ("-250.00", "750.00", "W-1"),
    ]


def test_a_statement_of_another_time_is_empty(url):
    """What happened later is not in it."""
    done = khata("statement", ALICE, "--until", "2001-01-01", "--json", url=url).json()
    assert (done["items"], done["closing"]) == ([], "0.00")


def test_a_statement_of_a_house_account(url):
    """Cash has a statement as well as a wallet."""
    done = khata("statement", "cash/main", url=url)
    assert ALICE in done.out


# ── holds, reversals, approvals ──────────────────────────────────────────────────────


def a_hold(url):
    """A hold of 300 taka on Alice's wallet; its id."""
    with Khata.open(url) as book:
        return book.submit(PlaceHold(ALICE, Money("300.00", "BDT"), group="M1")).result.id


@pytest.mark.parametrize("by_group", [False, True])
def test_a_hold_is_given_back(url, by_group):
    """By its id or by its group."""
    named = ("--group", "M1") if by_group else (a_hold(url),)
    if by_group:
        a_hold(url)
    khata("holds", "void", *named, "--reason", "cancelled", url=url)
    (found,) = khata("holds", "list", "--wallet", ALICE, "--json", url=url).lines()
    assert found["status"] == "voided"


def test_a_reversal_in_part(url):
    """Half of it comes back."""
    moved = khata("wallets", "debit", ALICE, "100.00", "--json", url=url).json()["result"]["id"]
    khata("reverse", moved, "--amount", "50.00", "--reason", "half", url=url)
    assert balance(url, ALICE) == "950.00"


def ask(url):
    """Admin Rafiq asks that Alice be debited; the request's id."""
    words = ("wallets", "debit", ALICE, "100.00", "--ask", "fraud", "--actor", "admin:rafiq")
    return khata(*words, "--json", url=url).json()["result"]["request"]


def test_what_is_asked_for_is_not_done(url):
    """Asking moves nothing, and is on the list."""
    request = ask(url)
    (found,) = khata("approvals", "list", "--status", "asked", "--json", url=url).lines()
    assert (found["id"], balance(url, ALICE)) == (request, "1000.00")


def test_another_person_approves(url):
    """Then it is carried out."""
    done = khata("approvals", "approve", ask(url), "--actor", "finance:mitu", url=url)
    assert (done.code, balance(url, ALICE)) == (0, "900.00")


def test_who_asked_cannot_approve(url):
    """Four eyes are two people."""
    assert khata("approvals", "approve", ask(url), "--actor", "admin:rafiq", url=url).code == 6


def test_another_person_rejects(url):
    """Then it is closed and nothing moved."""
    words = ("--reason", "no", "--actor", "finance:mitu")
    done = khata("approvals", "reject", ask(url), *words, "--json", url=url).json()
    assert done["result"]["status"] == "rejected"


# ── journal, verify, replay ──────────────────────────────────────────────────────────


def test_the_journal_says_who_did_what(url):
    """The newest commands, with their actors."""
    khata("wallets", "debit", ALICE, "1.00", "--actor", "finance:mitu", url=url)
    last = khata("journal", "--json", url=url).lines()[-1]
    assert (last["kind"], last["actor"]) == ("wallets.debit", "finance:mitu")


def test_the_journal_goes_on_at_its_cursor(url):
    """Page after page, nothing is left out."""
    first = khata("journal", "--after", "0", "--limit", "2", "--json", url=url)
    cursor = first.err.split("--cursor ")[1].split()[0]
    second = khata("journal", "--cursor", cursor, "--json", url=url)
    assert [row["seq"] for row in (*first.lines(), *second.lines())] == [1, 2, 3]


def test_refusals_are_listed(url):
    """What was refused changed nothing but is remembered."""
    khata("wallets", "debit", ALICE, "9999.00", url=url)
    (found,) = khata("journal", "--refused", "--json", url=url).lines()
    assert found["code"] == "insufficient_funds"


def test_verify_gives_an_anchor_that_it_takes(url):
    """A head noted today proves the book tomorrow."""
    head = khata("verify", "--json", url=url).json()
    khata("wallets", "debit", ALICE, "1.00", url=url)
    assert khata("verify", "--anchor", f"{head['seq']}:{head['head']}", url=url).code == 0


def test_verify_misses_what_an_anchor_had(url):
    """A book that does not contain the noted head is not the book that was noted."""
    assert khata("verify", "--anchor", f"2:{'ab' * 32}", url=url).code == 1


def test_verify_names_what_was_touched(url, tmp_path):
    """A changed amount is named with its table, key and column."""
    with closing(sqlite3.connect(tmp_path / "khata.db")) as file:
        file.execute("UPDATE postings SET amount = amount + 1 WHERE leg = 0")
        file.commit()
    done = khata("verify", url=url)
    assert done.code == 1
    assert "postings account_id=4097 seq=3 leg=0 amount" in done.out


def test_a_replay_fills_an_empty_book(url, tmp_path):
    """The other book ends in the same hash."""
    other = sqlite_at(tmp_path / "other.db")
    khata("replay", "--into", other, url=url)
    heads = [khata("verify", "--json", url=one).json()["head"] for one in (url, other)]
    assert heads[0] == heads[1]


# ── keys ─────────────────────────────────────────────────────────────────────────────


def a_key(url):
    """A new key, as told once."""
    words = ("keys", "create", "checkout", "--role", "service", "--scope", "read")
    return khata(*words, "--scope", "write", "--json", url=url).json()


def test_a_key_is_kept_as_its_hash(url):
    """What was shown leads to the key, and only its hash is stored."""
    made = a_key(url)
    with Khata.open(url) as book:
        digest = hashlib.sha256(made["key"].encode()).hexdigest()
        assert book.query(access.key_by_hash, digest).id == made["id"]


def test_a_key_names_its_book(url):
    """It can be told from other secrets, and for which book it is."""
    assert a_key(url)["key"].startswith("kh_main_")


def test_keys_are_listed_without_their_secrets(url):
    """The list has neither the key nor its hash."""
    secret = a_key(url)["key"].rpartition("_")[2]
    listed = khata("keys", "list", url=url).out
    assert "checkout" in listed
    assert secret not in listed


def test_a_key_is_revoked(url):
    """From then on the list says when."""
    khata("keys", "revoke", a_key(url)["id"], url=url)
    (found,) = khata("keys", "list", "--json", url=url).lines()
    assert found["revoked_at"] is not None
