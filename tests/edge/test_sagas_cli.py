"""`khata sagas` on real books: watching, deciding, and what a decision would do."""

import pytest

from khata import Khata, Money
from khata.domain.sagas import StartSaga
from khata.domain.setup import Set
from khata.domain.wallets import Credit, OpenWallet
from tests.edge.command_line import balance
from tests.edge.command_line import khata as run
from tests.edge.ways import ALICE, CALLERS, FOLDER, SAGAS
from tests.servers import sqlite_at

MITU, SUMI = ("--actor", "finance:mitu"), ("--actor", "support:sumi")
WHY = ("--reason", "It was looked at.")


@pytest.fixture(autouse=True)
def own_sagas(monkeypatch, tmp_path):
    """The command line knows the sagas of these tests."""
    monkeypatch.setenv("KHATA_SAGAS", "tests.edge.ways")
    monkeypatch.setenv(FOLDER, str(tmp_path))


@pytest.fixture
def url(tmp_path):
    """A book in which Alice has 100 taka."""
    return made(sqlite_at(tmp_path / "khata.db"))


def made(url):
    """The same on any database."""
    with Khata.open(url, migrate=True) as book:
        book.submit(OpenWallet("alice", "BDT"))
        book.submit(OpenWallet("shop", "BDT", wallet_kind="partner"))
        book.submit(Credit(ALICE, Money("100.00", "BDT")))
    return url


def started(url, name, **data):
    """The id of a saga that a worker has moved as far as it goes."""
    with Khata.open(url, sagas=SAGAS) as book:
        stake = Money(data.get("amount", "10.00"), "BDT")
        saga = book.submit(StartSaga(name, data, reference="M1", amount=stake)).result.id
        book.worker(CALLERS).work()
    return saga


def worked(url):
    """Let a worker do what is due."""
    with Khata.open(url, sagas=SAGAS) as book:
        book.worker(CALLERS).work()


def status(url, saga):
    """Where a saga stands."""
    found = run("sagas", "show", saga, "--json", url=url).json()
    return found["status"], found["step"]


# ── watching ─────────────────────────────────────────────────────────────────────────


def test_a_saga_from_its_start_to_its_end(database_url):
    """Started on the command line, worked off, seen as completed: on either database."""
    made(database_url)
    done = run("sagas", "start", "checkout", "--data", '{"amount": "30.00"}', url=database_url)
    assert done.code == 0, done.err
    worked(database_url)
    (found,) = run("sagas", "list", "--json", url=database_url).lines()
    assert (found["status"], balance(database_url, ALICE)) == ("completed", "70.00")


def test_a_timeline_tells_who_did_what(url):
    """Each line of the history has its time, its actor, its step and what it posted."""
    saga = started(url, "checkout")
    done = run("sagas", "show", saga, url=url)
    line = next(line for line in done.out.splitlines() if "service:worker" in line)
    *words, entry = line.split()[3:]
    assert (words, entry[:4]) == (["service:worker", "done", "pay"], "ent_")


def test_columns_of_a_timeline_align(url):
    """What one reads down stands below one another."""
    lines = run("sagas", "show", started(url, "checkout"), url=url).out.splitlines()
    (head,) = [line for line in lines if line.strip().startswith("time")]
    at = head.index("what")
    assert {line[at - 1 : at] for line in lines if "service:worker" in line} == {" "}
    assert [line[at] for line in lines if "service:worker" in line and "done" in line] == ["d"] * 3


def test_the_queue_of_failures(url):
    """`list --failed` shows what waits for a person, with the reason, and nothing else."""
    started(url, "checkout")
    stuck = started(url, "final", amount="999.00")
    (line,) = [x for x in run("sagas", "list", "--failed", url=url).out.splitlines() if "sag_" in x]
    assert (stuck in line, "insufficient_funds" in line, "৳999.00" in line) == (True, True, True)


def test_a_list_goes_on_at_its_cursor(url):
    """What does not fit on a page is on the next."""
    wanted = {started(url, "checkout", amount="1.00") for _ in range(3)}
    first = run("sagas", "list", "--limit", "2", "--json", url=url)
    cursor = first.err.split("--cursor ")[1].split()[0]
    rest = run("sagas", "list", "--cursor", cursor, "--json", url=url)
    assert {found["id"] for found in first.lines() + rest.lines()} == wanted


def test_health_counts_what_happened(url):
    """Success rate, reasons and compensations of three windows."""
    started(url, "checkout")
    started(url, "checkout", amount="999.00")
    started(url, "final", amount="999.00")
    found = run("sagas", "health", "--json", url=url).json()
    shown = run("sagas", "health", url=url).out
    assert [window["success_rate"] for window in found["windows"]] == ["0.5000"] * 3
    assert ("50.00 %" in shown, "Waiting for a person: 1," in shown) == (True, True)
    assert "insufficient_funds" in shown


def test_why_money_moved(url):
    """From an entry to the saga, its step and who started it."""
    saga = started(url, "checkout")
    history = run("sagas", "show", saga, "--json", url=url).json()["history"]
    ((seq, entry),) = [(line["seq"], *line["entries"]) for line in history if line["entries"]]
    by_entry = run("sagas", "why", entry, "--json", url=url).json()
    assert (by_entry["saga"], by_entry["step"]) == (saga, "pay")
    assert run("sagas", "why", str(seq), "--json", url=url).json() == by_entry
    assert saga in run("sagas", "why", entry, url=url).out


def test_nothing_to_see(url):
    """Empty lists say so."""
    shown = [run("sagas", *words, url=url).out for words in (("list",), ("schedules",))]
    assert shown == ["No sagas.\n", "No schedules.\n"]


def test_a_journal_with_sagas_runs_again(url):
    """With the same definitions every step comes out as it was."""
    started(url, "checkout")
    started(url, "final", amount="999.00")
    assert [run(words, url=url).code for words in ("verify", "replay")] == [0, 0]


# ── deciding ─────────────────────────────────────────────────────────────────────────


def test_a_preview_tells_the_plan_and_changes_nothing(url):
    """With --dry-run one sees what would be done next; nothing is written."""
    stuck = started(url, "final", amount="999.00")
    done = run("sagas", "retry", stuck, *WHY, "--dry-run", url=url)
    assert ("nothing was written" in done.out, "pay → last" in done.out) == (True, True)
    assert status(url, stuck) == ("stuck", "pay")


def test_a_preview_of_the_way_back(url):
    """A cancelled saga tells what it would undo, the last thing first."""
    saga = started(url, "asked")
    with Khata.open(url, sagas=SAGAS) as book:
        waiting = book.submit(StartSaga("checkout", {"amount": "5.00"})).result.id
    paused = run("sagas", "pause", waiting, *WHY, url=url)
    done = run("sagas", "cancel", saga, *WHY, "--dry-run", url=url)
    assert ("paused" in paused.out, "compensated" in done.out) == (True, True)


def test_a_retry_with_other_input(url):
    """What was too much is less the second time, and the saga goes on."""
    stuck = started(url, "final", amount="999.00")
    done = run("sagas", "retry", stuck, *WHY, "--data", '{"amount": "9.00"}', url=url)
    worked(url)
    assert (done.code, status(url, stuck), balance(url, ALICE)) == (0, ("completed", ""), "91.00")


def test_a_skipped_step(url):
    """The saga goes on without it."""
    stuck = started(url, "final", amount="999.00")
    run("sagas", "skip", stuck, *WHY, *MITU, url=url)
    worked(url)
    assert status(url, stuck) == ("completed", "")


def test_a_discarded_saga_leaves_the_queue(url):
    """Resolved as closed, with evidence, it waits for nobody any more."""
    stuck = started(url, "final", amount="999.00")
    words = ("--outcome", "closed", "--evidence", "Ticket 12", *WHY)
    assert run("sagas", "resolve", stuck, *words, url=url).code == 0
    assert status(url, stuck) == ("resolved", "")
    assert run("sagas", "list", "--failed", url=url).out == "No sagas.\n"


def test_above_the_limit_it_takes_two(url):
    """--ask makes a request of it, which another person approves."""
    with Khata.open(url) as book:
        book.submit(Set("four_eyes", {"BDT": "500.00"}))
    stuck = started(url, "final", amount="999.00")
    alone = run("sagas", "skip", stuck, *WHY, *MITU, url=url)
    asked = run("sagas", "skip", stuck, *WHY, *MITU, "--ask", "Please.", "--json", url=url).json()
    request = asked["result"]["request"]
    approved = run("approvals", "approve", request, "--actor", "admin:rafiq", url=url)
    assert (alone.code, "--ask" in alone.err, approved.code) == (3, True, 0)
    assert status(url, stuck) == ("running", "last")


def test_a_signal_and_an_approval(url):
    """What a saga waits for is told by hand; who started it may not approve it."""
    saga = started(url, "asked")
    run("sagas", "signal", saga, "receipt", "--data", '{"file": "r7.pdf"}', url=url)
    worked(url)
    assert status(url, saga) == ("waiting", "check")
    run("sagas", "approve", saga, *WHY, *SUMI, url=url)
    worked(url)
    assert status(url, saga) == ("completed", "")


def test_a_rejected_saga_goes_back(url):
    """--reject turns it down."""
    saga = started(url, "asked")
    run("sagas", "signal", saga, "receipt", url=url)
    worked(url)
    run("sagas", "approve", saga, "--reject", *WHY, *SUMI, url=url)
    worked(url)
    assert status(url, saga) == ("compensated", "")


def test_roles(url):
    """Support may try again and not skip; an owner neither sees nor decides."""
    stuck = started(url, "final", amount="999.00")
    owner = ("--actor", "owner:alice")
    codes = [
        run("sagas", "retry", stuck, *WHY, *SUMI, "--dry-run", url=url).code,
        run("sagas", "skip", stuck, *WHY, *SUMI, url=url).code,
        run("sagas", "retry", stuck, *WHY, *owner, url=url).code,
        run("sagas", "show", stuck, *owner, url=url).code,
        run("sagas", "list", *owner, url=url).code,
    ]
    assert codes == [0, 6, 6, 6, 6]


@pytest.mark.parametrize("verb", ["compensate", "cancel"])
def test_what_cannot_be_undone(url, verb):
    """Beyond the point of no return one only goes forward, and is told so."""
    done = run("sagas", verb, started(url, "final", amount="999.00"), *WHY, url=url)
    assert (done.code, "error[irreversible]" in done.err) == (3, True)


def test_resuming(url):
    """A paused saga stays where it is until it is resumed."""
    with Khata.open(url, sagas=SAGAS) as book:
        saga = book.submit(StartSaga("checkout", {})).result.id
    run("sagas", "pause", saga, *WHY, url=url)
    worked(url)
    before = status(url, saga)
    run("sagas", "resume", saga, *WHY, url=url)
    worked(url)
    assert (before, status(url, saga)) == (("running", "pay"), ("completed", ""))


# ── by the clock ─────────────────────────────────────────────────────────────────────


def test_a_schedule_comes_and_goes(url):
    """It is listed with its cron, and stopped with a reason."""
    words = ("--cron", "0 2 * * *", "--zone", "Asia/Dhaka", "--saga", "checkout")
    assert run("sagas", "schedule", "nightly", *words, url=url).code == 0
    (line,) = [x for x in run("sagas", "schedules", url=url).out.splitlines() if "nightly" in x]
    run("sagas", "unschedule", "nightly", *WHY, url=url)
    (found,) = run("sagas", "schedules", "--json", url=url).lines()
    assert ("Asia/Dhaka" in line, found["enabled"]) == (True, False)


# ── what is wrong ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("start", "checkout", "--data", "{"), "invalid_input"),
        (("start", "checkout", "--data", "[]"), "invalid_input"),
        (("start", "checkout", "--amount", "1.00"), "invalid_input"),
        (("start", "nothing"), "unknown_saga"),
        (("show", "sag_zzzz"), "saga_not_found"),
        (("why", "alice"), "invalid_input"),
        (("why", "99999"), "saga_not_found"),
        (("retry", "sag_zzzz", *WHY), "saga_not_found"),
        (("schedule", "x", "--cron", "never", "--saga", "checkout"), "invalid_input"),
    ],
)
def test_one_clear_error(url, words, code):
    """What cannot be is said by code, with what was expected."""
    done = run("sagas", *words, url=url)
    assert (done.code != 0, f"error[{code}]" in done.err) == (True, True)


@pytest.mark.parametrize("named", ["no.such.module", "tests.edge.command_line", "khata"])
def test_a_module_without_sagas(url, monkeypatch, named):
    """What KHATA_SAGAS names must have sagas."""
    monkeypatch.setenv("KHATA_SAGAS", named)
    done = run("sagas", "list", url=url)
    assert (done.code, "KHATA_SAGAS" in done.err, named in done.err) == (3, True, True)
