"""The writer: many tickets in one transaction, and nobody harmed by a neighbour."""

import asyncio
import threading

import msgspec
import pytest

from khata import Khata, Receipt
from khata.app import VERBS
from khata.base.actor import SYSTEM
from khata.domain.holds import CaptureGroup, PlaceHold
from khata.domain.ledger import FreezeAccount
from khata.domain.wallets import Credit, OpenWallet, Transfer
from khata.engine import reading
from khata.engine.accounts import Account
from khata.engine.command import Command, Verbs
from khata.engine.committer import Limits
from khata.engine.holds import Hold
from khata.engine.job import Job, Ticket
from khata.engine.writer import Writer
from khata.errors import (
    Broken,
    Closing,
    InsufficientFunds,
    Invalid,
    Overloaded,
    Timeout,
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
)

PAY = Transfer(ALICE, BOB, bdt("1.00"))


def send(book, clock, lines):
    """Hand in lines one by one while the writer waits for its clock, then let it go."""

    async def all_of_them():
        clock.shut()
        waiting = [asyncio.ensure_future(book.asubmit(*line)) for line in lines]
        await asyncio.sleep(0)
        clock.open()
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_who_waits_together_is_committed_together(database_url):
    """Three hundred callers need a handful of transactions."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="500.00", bob="0") as book:
        before = book.writer.tally.batches
        answers = send(book, clock, [(PAY,)] * 300)
        assert all(isinstance(answer, Receipt) for answer in answers)
        # each takes half of those who wait, and of few all
        assert book.writer.tally.batches - before <= 10
        assert (balance(book), balance(book, BOB)) == ("200.00", "300.00")


def test_commands_are_carried_out_in_order_of_arrival(database_url):
    """Receipts are numbered as their commands came."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="500.00", bob="0") as book:
        seqs = [receipt.seq for receipt in send(book, clock, [(PAY,)] * 100)]
    assert seqs == list(range(seqs[0], seqs[0] + 100))


def test_a_refused_command_does_not_disturb_its_neighbours(database_url):
    """In one batch, every second command is refused and the others count."""
    clock, too_much = Clock(), Transfer(ALICE, BOB, bdt("10000.00"))
    with a_book(database_url, clock=clock, alice="50.00", bob="0") as book:
        answers = send(book, clock, [(PAY,), (too_much,)] * 20)
        assert [type(answer) for answer in answers] == [Receipt, InsufficientFunds] * 20
        assert (balance(book), balance(book, BOB)) == ("30.00", "20.00")
        assert discrepancies(book) == []


def test_earlier_commands_of_a_batch_are_visible(database_url):
    """A wallet is opened, filled, held, captured and frozen in one transaction."""
    held = PlaceHold("neu/personal/BDT", bdt("4.00"), group="g")
    lines = [
        OpenWallet("neu", "BDT"),
        Credit("neu/personal/BDT", bdt("10.00")),
        held,
        held,
        CaptureGroup("g", to="revenue/fee"),
        FreezeAccount("neu/personal/BDT", "odd"),
        Credit("neu/personal/BDT", bdt("1.00")),
    ]
    with a_book(database_url) as book:
        answers = book.submit_many(lines)
        codes = [getattr(answer, "code", "fine") for answer in answers]
        assert codes == ["fine"] * 6 + ["account_frozen"]
        assert balance(book, "neu/personal/BDT") == "2.00"


def test_rows_that_are_not_in_memory_are_loaded(database_url):
    """A fresh process carries on where the last one ended, for many wallets at once."""
    names = {f"u{n}": "5.00" for n in range(40)}
    with a_book(database_url, **names):
        pass
    lines = [Transfer(f"u{n}/personal/BDT", f"u{n + 1}/personal/BDT", bdt("5")) for n in range(39)]
    with Khata.open(database_url) as book:
        assert [answer.seq for answer in book.submit_many(lines)] == list(range(81, 120))
        assert balance(book, "u39/personal/BDT") == "10.00"
        assert discrepancies(book) == []


def test_memory_is_bounded(database_url):
    """With room for a few rows only, the book forgets and reloads, and stays right."""
    tiny = Limits(rows=5, keys=3)
    names = {f"u{n}": "5.00" for n in range(12)}
    with a_book(database_url, limits=tiny, **names) as book:
        for n in range(36):
            book.submit(
                Transfer(f"u{n % 12}/personal/BDT", f"u{(n + 1) % 12}/personal/BDT", bdt("1"))
            )
        assert {balance(book, f"u{n}/personal/BDT") for n in range(12)} == {"5.00"}
        assert discrepancies(book) == []


def test_two_writers_take_turns_on_one_book(database_url):
    """Each notices that the other moved the book, and forgets what is no longer true."""
    with a_book(database_url, alice="100.00", bob="0") as one, Khata.open(database_url) as two:
        for number in range(12):
            (one, two)[number % 2].submit(PAY, key=f"turn-{number}")
            (two, one)[number % 2].submit(Transfer(BOB, ALICE, bdt("0.50")))
        assert (balance(one), balance(two, BOB)) == ("94.00", "6.00")
        assert isinstance(refused(two, Transfer(ALICE, BOB, bdt("94.01"))), InsufficientFunds)
        assert one.submit(PAY, key="turn-1").replayed
        assert discrepancies(one) == []


def test_a_full_queue_refuses_and_says_when_to_come_back(database_url):
    """Nothing of what is refused is carried out; what was accepted is."""
    clock = Clock()
    with a_book(database_url, clock=clock, limits=Limits(queue=3), alice="9.00", bob="0") as book:
        clock.shut()
        for number in range(3):
            assert isinstance(refused(book, PAY, key=f"in-{number}", timeout=0), Timeout)
        error = refused(book, PAY, key="out")
        clock.open()
        assert isinstance(error, Overloaded)
        assert (error.retryable, error.details["retry_after_seconds"] > 0) == (True, True)
    with Khata.open(database_url) as book:
        assert [book.submit(PAY, key=f"in-{n}").replayed for n in range(3)] == [True] * 3
        assert not book.submit(PAY, key="out").replayed


def test_closing_finishes_what_was_accepted(database_url):
    """Who was let in before the door closed finds their command done afterwards."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="9.00", bob="0") as book:
        clock.shut()
        for number in range(5):
            assert isinstance(refused(book, PAY, key=f"in-{number}", timeout=0), Timeout)
        closing = threading.Thread(target=book.close)
        closing.start()
        clock.open()
        closing.join(60)
        assert isinstance(refused(book, PAY, key="late"), Closing)
    with Khata.open(database_url) as book:
        assert [book.submit(PAY, key=f"in-{n}").replayed for n in range(5)] == [True] * 5


def test_closing_twice_is_harmless(database_url):
    """The second time there is nothing to do."""
    with a_book(database_url) as book:
        book.close()
        book.close()
    assert not book.writer.waiting


def test_a_timeout_names_the_keys_that_will_tell(database_url):
    """No answer in time: the same key gives it later."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="9.00", bob="0") as book:
        clock.shut()
        error = refused(book, PAY, key="slow", timeout=0.01)
        clock.open()
        assert (error.retryable, error.details["keys"]) == (True, ["slow"])
        assert book.submit(PAY, key="slow").replayed


def test_a_books_time_never_goes_back(database_url):
    """When the machine's clock is set back, the book stands still until it has caught up."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="9.00", bob="0") as book:
        clock.pass_by(100)
        late = book.submit(PAY).at
        clock.now = START - 10**9
        assert book.submit(PAY).at == late == START + 100 * 10**6
    with Khata.open(database_url, clock=clock) as book:
        assert book.submit(PAY).at == late
        assert discrepancies(book) == []


# ── faults ───────────────────────────────────────────────────────────────────────────

FAULTY = Verbs()


class Fail(Command, frozen=True, tag="test.fail"):
    """Faulty on purpose: `how` says in what way."""

    how: str


@FAULTY.handles(Fail, roles=("admin",))
def fail(book, command: Fail) -> msgspec.Raw:
    """Change something, then go wrong."""
    (account,) = book.find(Account, code=f"wallet/{ALICE}")
    if command.how == "too big for a column":
        book.change(account, overdraft=2**70)
        return msgspec.Raw(b"null")
    book.change(account, status="closed", balance=0)
    if command.how == "raise":
        raise ZeroDivisionError
    return object()


@pytest.mark.parametrize("how", ["raise", "no JSON", "too big for a column"])
def test_a_faulty_handler_breaks_its_own_command_only(database_url, how):
    """It is answered with `broken`, nothing of it remains, and its neighbours go on."""
    verbs = Verbs(VERBS, FAULTY)
    with a_book(database_url, alice="9.00", bob="0") as book:
        writer = Writer(verbs, lambda: book.database.store(book.book_id), book.clock)
        commands = [PAY, Fail(how), PAY]
        jobs = [
            Job(verbs.of(command), command, f"{how.replace(' ', '-')}-{n}-{turn}", SYSTEM)
            for turn in range(2)
            for n, command in enumerate(commands)
        ]
        for start in (0, 3):  # the first batch under the lock, the second ahead of time
            ticket = Ticket(jobs[start : start + 3])
            writer.put(ticket)
            ticket.wait(20)
        writer.close()
        assert [type(job.outcome) for job in jobs] == [Receipt, Broken, Receipt] * 2
        assert balance(book, BOB) == "4.00"
        if how != "too big for a column":  # that shows only in the database
            assert book.query(reading.refusals).items[0].code == "broken"
        assert discrepancies(book) == []


# ── what commands read ───────────────────────────────────────────────────────────────

READING = Verbs()


class Read(Command, frozen=True, tag="test.read"):
    """Ask for a wallet and a hold."""

    wallet: str
    hold: str


def wanted(command):
    """What it asks for."""
    return [(Hold, command.hold)], [(Account, "code", f"wallet/{command.wallet}")]


@READING.handles(Read, roles=("admin",), reads=wanted)
def read(book, command: Read) -> int:
    """How many of them are there."""
    TRIED.append(command.wallet)
    found = book.find(Account, code=f"wallet/{command.wallet}")
    return len(found) + (book.peek(Hold, command.hold) is not None)


TRIED = []


class Counting:
    """A store that notes what it was asked for."""

    def __init__(self, inner, asked):
        self._inner = inner
        self._asked = asked

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def load(self, cls, keys):
        """Rows by their keys."""
        self._asked.append((cls, len(keys)))
        return self._inner.load(cls, keys)

    def find(self, cls, column, values):
        """Rows by a column."""
        self._asked.append((cls, len(values)))
        return self._inner.find(cls, column, values)


def test_what_a_batch_says_that_it_reads_is_asked_for_once(database_url):
    """One question for each table, and every command is decided at its first try."""
    verbs = Verbs(VERBS, READING)
    names = [f"user{n}/personal/BDT" for n in range(40)]
    with a_book(database_url, **{f"user{n}": "0" for n in range(0, 40, 2)}) as book:
        asked = []
        writer = Writer(
            verbs, lambda: Counting(book.database.store(book.book_id), asked), book.clock
        )
        for turn in ("first", "again"):
            TRIED.clear()
            commands = [Read(name, f"hld_{n:04d}") for n, name in enumerate(names)]
            jobs = [
                Job(verbs.of(command), command, f"{turn}-{n}", SYSTEM)
                for n, command in enumerate(commands)
            ]
            ticket = Ticket(jobs)
            writer.put(ticket)
            ticket.wait(20)
            assert [job.outcome.result for job in jobs] == [1, 0] * 20
            assert names == TRIED
            assert sorted(asked, key=str) == [(Account, 40), (Hold, 40)]
        writer.close()


BAD_LINES = {
    "a NUL": Credit("a\x00", bdt("1")),
    "half a character": OpenWallet("a\ud800", "BDT"),
    "a number for a text": Credit(7, bdt("1")),
    "a text for money": Credit(ALICE, "1.00"),
    "an amount of 10**30": Credit(ALICE, bdt(10**30)),
    "something without JSON": Credit(ALICE, bdt("1"), metadata={"a": object()}),
    "a key that is no text": Credit(ALICE, bdt("1"), metadata={"a": {(1, 2): 3}}),
    "a group too long": PlaceHold(ALICE, bdt("1"), group="x" * 20_000),
    "a NUL in a group": PlaceHold(ALICE, bdt("1"), group="g\x00"),
    "a half second": PlaceHold(ALICE, bdt("1"), expires_in_seconds=1.5),
}


def test_what_no_database_can_hold_is_bad_input(database_url):
    """It is refused by name and at once; the commands beside it are carried out."""
    with a_book(database_url, alice="99.00", bob="0") as book:
        for name, bad in BAD_LINES.items():
            answers = book.submit_many([PAY, bad, PAY])
            assert (name, [isinstance(answer, Receipt) for answer in answers]) == (
                name,
                [True, False, True],
            )
            assert (name, isinstance(answers[1], Invalid)) == (name, True)


def test_a_backslash_is_not_a_nul(database_url):
    """A text that merely spells an escape is an ordinary text."""
    with a_book(database_url, alice="9.00") as book:
        moved = book.submit(Credit(ALICE, bdt("1"), note="a \\u0000 in JSON")).result
    assert moved.type == "credit"


def test_what_runs_is_what_is_kept(database_url):
    """A tuple becomes a list before it is carried out, as it will be when it is replayed."""
    with a_book(database_url, alice="9.00") as book:
        book.submit(Credit(ALICE, bdt("1"), metadata={"b": (1, 2), "a": {3: "x"}}))
        row = book.query(reading.journal, after=2)[0]
    assert msgspec.json.decode(row.command)["metadata"] == {"b": [1, 2], "a": {"3": "x"}}


def test_a_coroutine_that_gives_up_does_not_take_its_command_back(database_url):
    """Cancelling the wait is not cancelling the command."""
    clock = Clock()

    async def impatient(book):
        clock.shut()
        task = asyncio.ensure_future(book.asubmit(PAY, key="left"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.open()
        return await book.asubmit(PAY, key="left")

    with a_book(database_url, clock=clock, alice="9.00", bob="0") as book:
        assert asyncio.run(impatient(book)).replayed
        assert balance(book, BOB) == "1.00"


def test_money_to_nobody_stays_where_it_is(database_url):
    """An owner who names a wallet that does not exist keeps their money."""
    with a_book(database_url, alice="9.00") as book:
        error = refused(
            book, Transfer(ALICE, "nobody/personal/BDT", bdt("1")), actor=owner("alice")
        )
        assert isinstance(error, WalletNotFound)
        assert balance(book) == "9.00"
