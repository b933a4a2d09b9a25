"""A key stands for one command for ever."""

from concurrent.futures import ThreadPoolExecutor

import msgspec

from khata import Khata, Receipt, actor
from khata.base.actor import WORKER
from khata.domain.access import Approve, CreateKey, Reject, RequestApproval, RevokeKey
from khata.domain.holds import (
    CaptureGroup,
    CaptureHold,
    PlaceHold,
    RaiseHold,
    VoidGroup,
    VoidHold,
)
from khata.domain.khata import AddKhataEntry
from khata.domain.ledger import (
    CloseAccount,
    FreezeAccount,
    LegIn,
    OpenAccount,
    PostEntry,
    Reverse,
    SetLimits,
    UnfreezeAccount,
)
from khata.domain.setup import (
    DefineSource,
    DefineUnit,
    DefineWalletKind,
    FinishSlot,
    Set,
    SetSchedule,
)
from khata.domain.wallets import (
    Credit,
    Debit,
    History,
    OpenWallet,
    RenameWallet,
    SetOpeningBalance,
    Transfer,
)
from khata.engine import reading
from khata.engine.accounts import VelocityLimit
from khata.engine.committer import Limits
from khata.errors import Invalid, InvalidKey, KeyReused
from khata.testing import VirtualClock
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    OTHER_ADMIN,
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    last_refusal,
    owner,
    refused,
)
from tests.everything import OWN, VAULT, everything

LONG_WAYS = {
    "legacy",
    "inventory",
    "investments",
    "sagas",
    "payments",
    "payouts",
    "bookings",
    "webhooks",
    "commissions",
    "debts",
    "loans",
    "earnings",
    "trust",
    "benefits",
    "squads",
    "escrow",
    "marketplace",
    "solvency",
    "orders",
    "mismatches",
    "shadow",
    "reconciliation",
}
PAY = Transfer(ALICE, BOB, bdt("1.00"))
CREDIT = {"kind": "wallets.credit", "wallet": ALICE, "amount": {"amount": "3", "currency": "BDT"}}


def test_the_same_key_and_body_give_the_same_receipt(database_url):
    """The first answer comes back, marked as replayed, and money moved once."""
    with a_book(database_url, alice="9.00", bob="0") as book:
        first = book.submit(PAY, key="k")
        again = [book.submit(PAY, key="k") for _ in range(3)]
        assert again == [msgspec.structs.replace(first, replayed=True)] * 3
        assert balance(book, BOB) == "1.00"


def test_another_body_is_refused(database_url):
    """The key was used for something else: the refusal says for which command."""
    with a_book(database_url, alice="9.00", bob="0") as book:
        first = book.submit(PAY, key="k")
        for other in (Transfer(ALICE, BOB, bdt("1.0")), Credit(ALICE, bdt("1.00"))):
            error = refused(book, other, key="k")
            assert (type(error), error.details["seq"]) == (KeyReused, first.seq)
        assert balance(book, BOB) == "1.00"


def every_command(book):
    """One success of each command there is, as (key, command, actor)."""
    answers = []

    def done(command, who=ADMIN):
        key = f"{command.__struct_config__.tag}-{len(answers)}"
        receipt = book.submit(command, key=key, actor=who)
        answers.append((key, command, who, receipt))
        return receipt.result

    done(DefineUnit("XP", 0, "Points"))
    done(DefineSource("tips", "Tips", "income", "expense", "clearing/tips"))
    done(DefineWalletKind("guild", "Guild", 0, 500))
    done(Set("theme", {"a": [1, None]}))
    done(SetSchedule(reconciliation="03:30"))
    done(FinishSlot("solvency", 1), WORKER)
    for name in ("alice", "bob"):
        done(OpenWallet(name, "BDT"))
    done(RenameWallet(ALICE, "আমার টাকা"), owner("alice"))
    done(Credit(ALICE, bdt("100.00"), note="n", metadata={"a": {"b": 1}}))
    done(Debit(ALICE, bdt("1.00")))
    moved = done(Transfer(ALICE, BOB, bdt("10.00")), owner("alice"))
    past = History(payments_in=bdt("5"), withdrawals=bdt("2"))
    done(SetOpeningBalance(BOB, past))
    done(Reverse(moved.id, "mistake", "4.00"))
    held = done(PlaceHold(ALICE, bdt("5.00"), expires_in_seconds=60))
    done(RaiseHold(held.id, bdt("1.00")))
    done(CaptureHold(held.id, bdt("2.00"), to="revenue/fee"))
    done(VoidHold(held.id, "enough"))
    for end in (CaptureGroup("g"), VoidGroup("g", "no")):
        done(PlaceHold(ALICE, bdt("1.00"), group="g"))
        done(end)
    legs = [LegIn(ALICE, debit=bdt("1")), LegIn("revenue/fee", credit=bdt("1"))]
    done(PostEntry(legs, "fee"))
    done(OpenAccount("escrow/M1", "BDT"))
    done(SetLimits(ALICE, "careful", "0", "5", (VelocityLimit(60, 10_000, 9),)))
    done(FreezeAccount(ALICE, "odd"))
    done(UnfreezeAccount(ALICE, "fine"))
    done(CloseAccount("escrow/M1", "over"))
    done(AddKhataEntry("expense", "Tea", bdt("20"), incoming=False, note="চা"), owner("alice"))
    key = done(CreateKey("till", "0" * 64, ["service"], ["write", "read"]))
    done(RevokeKey(key.id))
    done(Approve(done(RequestApproval(CREDIT, "please")).request), OTHER_ADMIN)
    done(Reject(done(RequestApproval(CREDIT, "please")).request, "no"), OTHER_ADMIN)
    return answers


def test_every_command_is_answered_alike_for_ever(database_url):
    """After a restart each key gives its first answer, to the last field, and writes nothing."""
    with a_book(database_url, clock=Clock()) as book:
        answers = every_command(book)
        verbs = {verb.kind for verb in book.verbs}
        given = {command.__struct_config__.tag for _, command, *_ in answers}
        assert given == {kind for kind in verbs if kind.partition(".")[0] not in LONG_WAYS}
        head = book.query(reading.head)
    with Khata.open(database_url) as book:
        for key, command, who, receipt in answers:
            again = book.submit(command, key=key, actor=who)
            assert again == msgspec.structs.replace(receipt, replayed=True)
        assert book.query(reading.head) == head
        assert discrepancies(book) == []


def test_a_whole_journal_is_answered_alike_for_ever(database_url):
    """Every command of sagas, payments, payouts, bookings and webhooks, worker's ones included."""
    clock = VirtualClock()
    options = {"clock": clock, "vault": VAULT, "sagas": [OWN]}
    with Khata.open(database_url, migrate=True, **options) as book:
        everything(book, clock)
        verbs = {verb.kind for verb in book.verbs if verb.kind.partition(".")[0] in LONG_WAYS}
        head = book.query(reading.head)
        rows = [row for start in range(0, head.seq, 1000) for row in page(book, start)]
        # what only two people can do happens within the approval
        asked = [book.verbs.read(row.command) for row in rows if row.kind == "access.request"]
        assert verbs <= {row.kind for row in rows} | {one.command["kind"] for one in asked}
    with Khata.open(database_url, **options) as book:
        for row in rows:
            command, who = book.verbs.read(row.command), actor(row.actor)
            again = book.submit(command, key=row.key, actor=who)
            assert (again.seq, again.at, again.replayed) == (row.seq, row.at, True)
            assert msgspec.json.encode(again.result).decode() == row.result
        assert book.query(reading.head) == head
        assert discrepancies(book) == []


def page(book, start):
    """A thousand rows of the journal."""
    return book.query(reading.journal, after=start, limit=1000)


def test_fifty_callers_with_one_key_move_money_once(database_url):
    """All get the same receipt; one of them carried it out."""
    with a_book(database_url, alice="99.00", bob="0") as book, ThreadPoolExecutor(50) as callers:
        receipts = list(callers.map(lambda _: book.submit(PAY, key="k"), range(50)))
        assert len({receipt.seq for receipt in receipts}) == 1
        assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * 49
        assert balance(book, BOB) == "1.00"


def test_two_processes_with_one_key_move_money_once(database_url):
    """The database decides which of two writers was first; the other finds its answer."""
    with a_book(database_url, alice="99.00", bob="0") as one, Khata.open(database_url) as two:
        with ThreadPoolExecutor(16) as callers:
            books = [one, two] * 40
            keys = [f"k{n // 4}" for n in range(80)]
            receipts = list(callers.map(lambda at: books[at].submit(PAY, key=keys[at]), range(80)))
        assert sum(not receipt.replayed for receipt in receipts) == 20
        assert len({receipt.seq for receipt in receipts}) == 20
        assert balance(one, BOB) == "20.00"
        assert discrepancies(one) == []


def test_a_key_is_known_after_it_has_left_memory(database_url):
    """Whatever is kept in memory, the journal remembers every key."""
    with a_book(database_url, limits=Limits(keys=2), alice="99.00", bob="0") as book:
        first = book.submit(PAY, key="k0")
        for number in range(1, 8):
            book.submit(PAY, key=f"k{number}")
        assert book.submit(PAY, key="k0") == msgspec.structs.replace(first, replayed=True)
        assert not book.submit(PAY, key="k8").replayed


def test_a_known_key_among_new_ones(database_url):
    """In one call, what was done before is answered and the rest is carried out."""
    with a_book(database_url, alice="99.00", bob="0") as book:
        book.submit(PAY, key="k1")
    with Khata.open(database_url) as book:
        answers = book.submit_many([(f"k{n}", PAY) for n in (0, 1, 1, 2)])
        assert [answer.replayed for answer in answers] == [False, True, True, False]
        assert balance(book, BOB) == "3.00"


def test_a_refusal_does_not_use_its_key_up(database_url):
    """What was refused is decided afresh when the key comes again."""
    with a_book(database_url, alice="0.50", bob="0") as book:
        refused(book, PAY, key="k")
        book.submit(Credit(ALICE, bdt("1.00")))
        assert not book.submit(PAY, key="k").replayed


BAD_KEYS = [" ", "a b", "k\n", "k\x00", "ключ", "x" * 256, 7, b"k", "owner:alice/k"]


def test_a_bad_key(database_url):
    """1 to 255 visible ASCII characters, and not those that stand for an owner's keys."""
    with a_book(database_url, alice="9.00", bob="0") as book:
        assert {type(refused(book, PAY, key=key)) for key in BAD_KEYS} == {InvalidKey}
        assert balance(book, BOB) == "0.00"


def test_without_a_key_each_call_is_a_new_command(database_url):
    """A key is made, and it is in the receipt."""
    with a_book(database_url, alice="9.00", bob="0") as book:
        one, two = book.submit(PAY), book.submit(PAY)
        assert one.key != two.key
        assert book.submit(PAY, key=one.key).replayed


def test_owners_keys_are_their_own(database_url):
    """The same key from two owners and from staff is three commands."""
    rename = RenameWallet(ALICE, "mine")
    with a_book(database_url, alice="9.00", bob="0") as book:
        receipts = [
            book.submit(rename, key="k", actor=owner("alice")),
            book.submit(RenameWallet(BOB, "mine"), key="k", actor=owner("bob")),
            book.submit(rename, key="k"),
        ]
        assert len({receipt.seq for receipt in receipts}) == 3
        assert book.submit(rename, key="k", actor=owner("alice")).seq == receipts[0].seq


def test_an_owners_name_cannot_reach_into_anothers_keys(database_url):
    """No name and key together read like another name and key."""
    tea = AddKhataEntry("expense", "Tea", bdt("20"), incoming=False)
    with a_book(database_url) as book:
        book.submit(tea, key="b/k", actor=owner("a"))
        assert isinstance(refused(book, tea, key="k", actor=owner("a/b")), Invalid)


# ── refusals are kept ────────────────────────────────────────────────────────────────


def test_a_refused_attempt_is_kept(database_url):
    """Who, what, when, under which key and why; it moved nothing."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="0.50", bob="0") as book:
        refused(book, PAY, key="k", actor=owner("alice"))
        kept = last_refusal(book)
        assert (kept.key, kept.kind, kept.actor, kept.at, kept.code) == (
            "owner:alice/k",
            "wallets.transfer",
            "owner:alice",
            clock.now,
            "insufficient_funds",
        )
        assert msgspec.json.decode(kept.detail)["available"] == "0.50"


def test_an_attempt_without_the_role_is_kept(database_url):
    """Who tries what is not theirs to do is found in the audit."""
    with a_book(database_url, alice="0.50") as book:
        refused(book, Credit(ALICE, bdt("100")), key="k", actor=owner("alice"))
        kept = last_refusal(book)
        assert (kept.code, kept.actor) == ("role_required", "owner:alice")


def test_refusals_form_a_chain(database_url):
    """They are numbered without a gap, and an altered one is found."""
    with a_book(database_url, alice="0.50", bob="0") as book:
        for number in range(5):
            refused(book, PAY, key=f"k{number}")
        page = book.query(reading.refusals)
        assert [row.n for row in page.items] == [5, 4, 3, 2, 1]
        assert book.query(reading.head).refusals_hash == page.items[0].hash
        assert discrepancies(book) == []
        with book.database.changing() as connection:
            connection.exec_driver_sql("UPDATE refusals SET actor = 'admin:eve' WHERE n = 3")
        assert discrepancies(book) != []


# ── dry runs ─────────────────────────────────────────────────────────────────────────


def test_a_dry_run_answers_and_writes_nothing(database_url):
    """The answer is the real one; head, balances and key are untouched."""
    with a_book(database_url, clock=Clock(), alice="9.00", bob="0") as book:
        head = book.query(reading.head)
        preview = book.submit(PAY, key="k", dry_run=True)
        assert book.query(reading.head) == head
        real = book.submit(PAY, key="k")
        assert (real.replayed, real.result) == (False, preview.result)


def test_a_dry_run_is_refused_for_the_same_reasons(database_url):
    """And leaves no trace among the refusals."""
    with a_book(database_url, alice="0.50", bob="0") as book:
        assert refused(book, PAY, dry_run=True).code == "insufficient_funds"
        assert book.query(reading.refusals).items == []


def test_a_dry_run_of_a_known_key_gives_its_receipt(database_url):
    """Also when the key has left memory."""
    with a_book(database_url, alice="9.00", bob="0") as book:
        first = book.submit(PAY, key="k")
    with Khata.open(database_url) as book:
        again = book.submit(PAY, key="k", dry_run=True)
        assert isinstance(again, Receipt)
        assert (again.seq, again.replayed) == (first.seq, True)


def test_a_dry_run_of_a_batch_sees_its_own_earlier_lines(database_url):
    """An all-or-nothing batch is previewed as a whole, and then taken back as a whole."""
    lines = [OpenWallet("neu", "BDT"), Credit("neu/personal/BDT", bdt("5")), PAY]
    with a_book(database_url, clock=Clock(), alice="9.00", bob="0") as book:
        head = book.query(reading.head)
        preview = book.submit_many(lines, atomic=True, dry_run=True)
        assert book.query(reading.head) == head
        real = book.submit_many(lines, atomic=True)
        assert [line.result for line in real] == [line.result for line in preview]
        assert discrepancies(book) == []


def test_actors_with_several_roles_keep_them_in_the_journal(database_url):
    """The journal names the actor as it was given."""
    with a_book(database_url) as book:
        book.submit(OpenWallet("x", "BDT"), actor=actor("support+finance:sumi"))
        assert book.query(reading.journal)[-1].actor == "finance+support:sumi"
