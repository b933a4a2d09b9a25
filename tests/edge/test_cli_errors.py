"""What the command line says when it does not work: one line, a hint, an exit code; no traces."""

import os
import subprocess
from pathlib import Path

import pytest

from khata import errors
from khata.edge.cli.exits import EXITS, HINTS, exit_code
from khata.edge.cli.program import COMMANDS
from tests.edge.command_line import ALICE, BOB, a_book, khata, shell
from tests.servers import fresh_database, sqlite_at

SUBCOMMANDS = [
    *((name,) for name in COMMANDS),
    *(("wallets", verb) for verb in ("list", "show", "open", "credit", "debit", "transfer")),
    *(("wallets", verb) for verb in ("freeze", "unfreeze", "close", "limits")),
    *(("holds", verb) for verb in ("list", "void")),
    *(("approvals", verb) for verb in ("list", "approve", "reject")),
    *(("keys", verb) for verb in ("create", "list", "revoke")),
    ("sandbox", "serve"),
    *(("sagas", verb) for verb in ("list", "show", "retry", "skip", "resolve", "compensate")),
    *(("sagas", verb) for verb in ("cancel", "pause", "resume", "signal", "approve", "start")),
    *(("sagas", verb) for verb in ("health", "why", "schedules", "schedule", "unschedule")),
    *(("shadow", verb) for verb in ("flows", "define", "switch", "feed", "report", "mismatches")),
    *(("import", verb) for verb in ("csv", "beancount")),
    *(("export", verb) for verb in ("beancount", "csv", "journal")),
]


@pytest.fixture
def url(tmp_path):
    """A book with Alice's 1,000 taka, on SQLite."""
    return a_book(sqlite_at(tmp_path / "khata.db"))


@pytest.mark.parametrize("words", SUBCOMMANDS, ids=" ".join)
def test_every_command_teaches(words):
    """Its help has a sentence and examples."""
    done = khata(*words, "--help")
    assert done.code == 0
    assert f"$ khata {' '.join(words)}".rstrip() in done.out or "COMMAND" in done.out


def test_the_program_lists_its_commands():
    """`khata --help` names every one."""
    shown = khata("--help").out
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("wallets", "debit", ALICE, "5000.00"), "insufficient_funds", 3),
        (("wallets", "debit", ALICE, "1.001"), "too_many_decimals", 3),
        (("wallets", "debit", ALICE, "-5"), "invalid_amount", 3),
        (("wallets", "debit", ALICE, "ten"), "invalid_amount", 3),
        (("wallets", "debit", ALICE, "1.00", "--currency", "USD"), "currency_mismatch", 3),
        (("wallets", "debit", ALICE, "1.00", "--actor", "alice"), "invalid_input", 3),
        (("wallets", "transfer", ALICE, ALICE, "1.00"), "same_account", 3),
        (("wallets", "limits", ALICE, "--velocity", "daily"), "invalid_input", 3),
        (("wallets", "show", ALICE, "--at", "noon"), "invalid_input", 3),
        (("holds", "void", "--reason", "none named"), "invalid_input", 3),
        (("verify", "--anchor", "now"), "invalid_input", 3),
        (("wallets", "show", "carol/personal/BDT"), "wallet_not_found", 4),
        (("reverse", "ent_zzzz", "--reason", "gone"), "entry_not_found", 4),
        (("wallets", "list", "--book", "other"), "book_not_found", 4),
        (("wallets", "credit", ALICE, "7.00", "--key", "top-up-1"), "idempotency_key_reused", 5),
        (("wallets", "open", "alice", "BDT"), "already_exists", 5),
        (("wallets", "credit", ALICE, "1.00", "--actor", "owner:alice"), "role_required", 6),
        (("wallets", "show", BOB, "--actor", "owner:alice"), "not_yours", 6),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_errors_have_a_code_and_an_exit_code(url, words, code, exit_code):
    """Programs read the exit code, people the line on standard error."""
    done = khata(*words, url=url)
    assert (done.code, done.err.partition(":")[0], done.out) == (exit_code, f"error[{code}]", "")


def test_an_unreachable_server_is_worth_another_try():
    """Nobody listens on port 1."""
    done = khata("wallets", "list", url="postgresql://khata@127.0.0.1:1/khata")
    assert (done.code, "error[database_unavailable]" in done.err) == (7, True)


def test_tables_of_another_version_are_told_to_migrate(postgres_url, tmp_path):
    """A database without tables names the command that makes them."""
    with fresh_database(postgres_url) as empty:
        done = khata("wallets", "list", url=empty)
    assert (done.code, "khata migrate" in done.err) == (7, True)


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    """A typing mistake in --database leaves no empty book behind."""
    path = tmp_path / "typo.db"
    done = khata("wallets", "list", url=f"sqlite:///{path}")
    assert (done.code, path.exists()) == (4, False)


def test_a_refusal_says_what_to_do_next(url):
    """The hint names a command."""
    done = khata("wallets", "debit", ALICE, "5000.00", url=url)
    assert "hint: `khata wallets show`" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("walets",),
        ("wallets", "lend"),
        ("wallets", "credit", ALICE),
        ("wallets", "list", "--colour"),
        ("wallets", "list", "--limit", "many"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_usage(words):
    """It is told where help is, and nothing is done."""
    done = khata(*words)
    assert done.code == 2
    assert done.err.startswith("error[usage]: ")
    assert "--help` shows how" in done.err


def test_options_may_stand_before_the_command(url):
    """`khata --book main wallets list` is what it looks like."""
    done = khata("--database", url, "--book=main", "wallets", "list", "--json")
    assert len(done.lines()) == 2


def test_every_family_has_its_own_exit_code():
    """No two families are told apart by nothing; none collides with the shell's own."""
    assert len(set(EXITS.values())) == len(EXITS)
    assert set(EXITS.values()).isdisjoint({0, 1, 2})


def test_every_error_has_an_exit_code():
    """Each class but the root belongs to a family."""
    known = [cls for cls in errors.every_error() if cls is not errors.KhataError]
    assert [cls for cls in known if exit_code(cls("")) == 1] == []


def test_hints_are_for_errors_that_exist():
    """A hint for a code that nobody raises would never be read."""
    assert set(HINTS) - {cls.code for cls in errors.every_error()} == set()


def test_the_page_has_every_command_and_exit_code():
    """docs/cli.md is complete."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    codes = {*EXITS.values(), 0, 1, 2, 130, 141}
    assert [name for name in COMMANDS if f"`khata {name}" not in page] == []
    assert [code for code in codes if f"| {code} |" not in page] == []


# ── as a process ─────────────────────────────────────────────────────────────────────


def test_without_a_terminal_it_is_plain(url):
    """No colours and no bars in a pipe."""
    done = shell("verify", "--database", url)
    assert (done.returncode, "\x1b" in done.stdout + done.stderr) == (0, False)


def test_a_process_ends_with_the_exit_code(url):
    """The shell sees it, and no trace."""
    done = shell("wallets", "debit", ALICE, "5000.00", "--database", url)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)


def test_a_closed_pipe_is_not_a_fault(url):
    """`khata journal | head -0` says nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    done = shell("journal", "--json", "--database", url, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_version():
    """Which Khata this is."""
    assert shell("--version").stdout.startswith("khata ")
