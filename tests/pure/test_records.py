"""Records as rows, commands as JSON, the journal's chain."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Money
from khata.app import VERBS
from khata.domain.access import ApiKey
from khata.domain.holds import CaptureHold
from khata.domain.setup import Setting
from khata.domain.wallets import Credit, OpenWallet
from khata.engine.accounts import Account, Velocity, VelocityLimit
from khata.engine.command import Command, Verbs, digest
from khata.engine.holds import Hold
from khata.engine.journal import GENESIS, chain, refusal_hash
from khata.engine.records import spec
from khata.errors import Invalid, UnknownCommand

RECORDS = [
    Account(7, "escrow/M1", "liability", "BDT", 2, None, "active", 0, 0, None, 5, -12, 3, 99),
    Account(
        8, "wallet/a/b/c", "liability", "BDT", 2, "a", "frozen", 0, 9, [VelocityLimit(60, 5)], 5
    ),
    ApiKey("key_0001", "টিল", "0" * 64, ["admin", "service"], ["read"], 5, None),
    Setting("four_eyes", {"BDT": "100.00", "nested": [1, None, "x"]}),
    Velocity(7, 60, [(1, 500, 2), (3, 1, 1)]),
    Hold("hld_0001", 7, 7, None, 5, 5, 0, "active", 1, None, "order", None),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_reads_back_from_its_row(record):
    """The columns of a record make the same record."""
    shape = spec(type(record))
    assert shape.decode(shape.encode(record)) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_row_has_only_plain_values(record):
    """What a database takes: integers, texts, nothing nested."""
    assert {type(value) for value in spec(type(record)).encode(record)} <= {int, str, type(None)}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_the_key_is_found_in_the_record_and_in_its_row(record):
    """Both ways name the same row."""
    shape = spec(type(record))
    assert shape.key_of(record) == shape.key_in(shape.encode(record))


def test_a_digest_leaves_out_what_is_computed_from_postings():
    """Balance and held may move without a new digest; nothing else may."""
    shape, account = spec(Account), RECORDS[0]
    known = shape.digest(shape.encode(account))
    changed = {
        name: shape.digest(shape.encode(msgspec.structs.replace(account, **{name: value})))
        for name, value in {"balance": 1, "held": 1, "next_expiry": 1, "status": "frozen"}.items()
    }
    assert [name for name, value in changed.items() if value != known] == ["status"]


# ── commands ─────────────────────────────────────────────────────────────────────────


def test_a_command_reads_back_from_its_json():
    """Every field, with its `kind`."""
    command = Credit("alice/personal/BDT", Money("1.00", "BDT"), metadata={"a": [1, "খ"]})
    assert VERBS.read(msgspec.json.encode(command)) == command


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"kind":7}',
        b'{"kind":"wallets.open"}',
        b'{"kind":"wallets.open","owner":"a","currency":"BDT","colour":"red"}',
        b'{"kind":"wallets.open","owner":1,"currency":"BDT"}',
        b'{"kind":"wallets.credit","wallet":"a","amount":{"amount":1.5,"currency":"BDT"}}',
        b'{"kind":"wallets.credit","wallet":"a","amount":"1.00"}',
        b'{"kind":"holds.capture","hold":"x","final":1}',
        b'{"kind":"holds.capture_group","group":1.5}',
        b'{"kind":"access.create_key","label":"x","hash":"0","roles":"admin","scopes":[]}',
    ],
)
def test_a_malformed_command(raw):
    """A field that is missing, unknown or of a wrong type is bad input."""
    with pytest.raises(Invalid):
        VERBS.read(raw)


def test_an_unknown_kind_lists_the_known_ones():
    """The answer says what could have been asked."""
    with pytest.raises(UnknownCommand) as caught:
        VERBS.read(b'{"kind":"wallets.give"}')
    assert "wallets.credit" in caught.value.details["expected"]


def test_a_foreign_command_is_unknown():
    """A class that no room registered is not carried out."""

    class Stray(Command, frozen=True, tag="test.stray"):
        pass

    with pytest.raises(UnknownCommand):
        VERBS.of(Stray())


def test_two_commands_cannot_share_a_tag():
    """A tag in a journal means one thing for ever."""
    twice = Verbs()

    class Other(Command, frozen=True, tag="wallets.open"):
        pass

    def other(book, command: Other) -> None:
        """Nothing."""

    twice.handles(Other, roles=("admin",))(other)
    with pytest.raises(TypeError, match=r"wallets\.open"):
        Verbs(VERBS, twice)


def test_every_kind_is_room_and_verb():
    """`room.verb`, and nobody may be asked for who has no role."""
    assert [verb.kind for verb in VERBS if verb.kind.count(".") != 1 or not verb.roles] == []


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.booleans())
def test_the_digest_is_that_of_the_body(note, final):
    """Equal commands have equal digests, different ones do not."""
    command = CaptureHold("hld_0001", final=final, note=note)
    body = msgspec.json.encode(command)
    again = msgspec.json.encode(VERBS.read(body))
    other = msgspec.json.encode(OpenWallet(note or "x", "BDT"))
    assert (digest(body) == digest(again), digest(body) == digest(other)) == (True, False)


# ── the chain ────────────────────────────────────────────────────────────────────────

ROW = (1, "key", "wallets.open", "admin:rafiq", 5, "{}", "null")


@pytest.mark.parametrize("at", range(len(ROW)))
def test_every_column_is_in_the_chain(at):
    """Whatever is altered in a journal row, its hash is another."""
    altered = (*ROW[:at], "other", *ROW[at + 1 :])
    assert chain(GENESIS, altered, b"d", None, []) != chain(GENESIS, ROW, b"d", None, [])


def test_what_came_before_changes_and_facts_are_in_the_chain():
    """Each of them makes another hash."""
    hashes = {
        chain(GENESIS, ROW, b"d", None, []),
        chain(b"x" * 32, ROW, b"d", None, []),
        chain(GENESIS, ROW, b"e", None, []),
        chain(GENESIS, ROW, b"d", "[]", []),
        chain(GENESIS, ROW, b"d", None, [("postings", [(1, 2)])]),
        refusal_hash(GENESIS, ROW),
    }
    assert len(hashes) == 6


ASKED_AT_ONCE = """
import sys, threading
from khata.domain.setup import Setting, Slot, Source, Unit, WalletKind
from khata.engine.tables import table_of
sys.setswitchinterval(1e-6)
start, found = threading.Barrier(8), []
def ask():
    start.wait()
    found.append([table_of(kind) for kind in (Setting, Slot, Source, Unit, WalletKind)])
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(found) == 8 and all(one == found[0] for one in found), found
"""


def test_a_table_is_made_once_whoever_asks_first():
    """Threads that ask at the same moment, in a process that has not asked yet, get the same."""
    subprocess.run([sys.executable, "-c", ASKED_AT_ONCE], check=True)
