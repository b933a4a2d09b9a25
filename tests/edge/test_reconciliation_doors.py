"""Reconciliation at the doors: HTTP, the client, the command line."""

import hashlib

import pytest

from khata import Khata
from khata.base.clock import system_clock, to_iso
from khata.domain import wallets
from khata.domain.reconciliation import LineIn
from khata.edge.client import Client
from khata.edge.files.statements.generating import make_sample
from khata.edge.files.statements.writing import sample_mapping, write_statement
from khata.errors import InvalidTransition
from khata.errors.operations import (
    LineMatched,
    MatchRefused,
    StatementNotFound,
    StatementRefused,
)
from tests.builders import bdt, discrepancies
from tests.edge.command_line import ALICE, a_book, khata
from tests.edge.serving import Asks, a_key, serving_sqlite
from tests.servers import sqlite_at

CASH = "cash/main"
WHY = "Slip 12."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("reconciliation"), KHATA_WORKER="0") as running:
        with running.http() as http:
            asks = Asks(http)
            asks.wallet("alice", "100.00")
        with Khata.open(running.database_url) as book:
            for number in range(4):
                book.submit(wallets.Credit(ALICE, bdt("10.00"), reference=f"ORD-{number}"))
        yield running


def spoiled(url):
    """The account's statement: a line is missing, one is too much, one has another amount."""
    with Khata.open(url) as book, book.view() as view:
        kinds = ["missing_in_statement", "missing_in_book", "amount_differs"]
        return make_sample(view, CASH, defects=kinds).statement


def test_a_statement_goes_its_way_through_the_client(server):
    """A file in, a run, exceptions settled by hand each way; every word reaches its operation."""
    statement = spoiled(server.database_url)
    raw, mapping = write_statement(statement, "csv"), sample_mapping(statement)
    with Client(server.url, server.key) as client:
        tried = client.import_statement_file(CASH, raw, mapping=mapping, dry_run=True)
        assert tried.lines == len(statement.lines)
        assert client.bank_statements().items == []
        made = client.import_statement_file(CASH, raw, mapping=mapping, format="csv").statements[0]
        again = client.import_statement_file(CASH, raw, mapping=mapping)
        assert (again.lines, again.statements) == (0, [made])
        assert client.bank_statement(made.id) == made
        assert [x.id for x in client.each_bank_statements(account=CASH)] == [made.id]
        ran = client.run_reconciliation(account=CASH)
        assert (ran.matched, ran.opened) == (len(statement.lines) - 2, 3)
        assert client.run_reconciliation().opened == 0
        assert next(client.each_reconciliation_runs()).opened == 0
        found = {item.cls: item for item in client.each_statement_exceptions(account=CASH)}
        assert len(found) == 3
        missing, extra = found["missing_in_statement"], found["missing_in_book"]
        differs = found["amount_differs"]
        assert client.statement_exception(extra.id) == extra
        standing = client.reconciliation().items[0]
        assert (standing.exceptions, len(standing.buckets)) == (3, 3)
        assert [x.id for x in client.each_statement_lines(made.id, open_only=True)] == sorted(
            [extra.line, differs.line]
        )
        # booked, matched with the difference, waved through; and one of them taken apart again
        booked = client.adjust_line(extra.line, WHY, against="revenue/interest").result
        with pytest.raises(MatchRefused):
            client.match_lines([differs.line], differs.entries, WHY)
        by_hand = client.match_lines(
            [differs.line], differs.entries, WHY, against="expense/bank_fees", key="by-hand"
        ).result
        with pytest.raises(LineMatched):
            client.match_lines([differs.line], differs.entries, WHY)
        assert client.resolve_exception(missing.id, WHY).result.status == "resolved"
        assert client.undo_match(booked.id, WHY, dry_run=True).result.undone_at is not None
        assert client.match(booked.id).undone_at is None
        assert client.match(by_hand.id) == by_hand
        assert [x.id for x in client.each_matches(kind="adjusted")] == [booked.id]
        assert client.check_matches().items == []
        assert client.book_discrepancies(area="matches").items == []
        assert client.undo_match(booked.id, WHY).result.reason == WHY
        today = to_iso(system_clock())[:10]
        with pytest.raises(InvalidTransition):
            client.close_period(CASH, "BDT", today, WHY, carry=True)
        assert client.closed_periods(account=CASH).items == []
        with pytest.raises(StatementNotFound):
            client.reopen_period("per_0400", WHY)


def test_a_statement_comes_in_by_pieces_or_is_given_up(server):
    """What has no file is taken in as JSON; a bad file is refused with its line."""
    lines = [LineIn("1.00", "2026-01-02", end_to_end=f"ORD {n}") for n in range(2)]
    digest = hashlib.sha256(b"x").hexdigest()
    days, balances = ("2026-01-02", "2026-01-02"), ("0.00", "2.00")
    with Client(server.url, server.key) as client:
        with Khata.open(server.database_url) as book:
            book.submit(wallets.Credit(ALICE, bdt("2.00"), against="bank/other"))
        made = client.import_statement(
            "bank/other", "BDT", "7", days, balances, digest, lines[:1], count=2
        ).result
        assert made.status == "importing"
        assert client.discard_statement(made.id, WHY).result.status == "discarded"
        made = client.import_statement(
            "bank/other", "BDT", "7", days, balances, digest, lines[:1], count=2
        ).result
        assert client.import_statement_lines(made.id, 2, lines[1:]).result.status == "imported"
        with pytest.raises(StatementRefused) as caught:
            client.import_statement_file("bank/other", b":20:x\n:60F:oops\n")
        assert caught.value.details["reason"] in {"truncated", "format"}
        with pytest.raises(StatementRefused, match="mapping"):
            client.import_statement_file("bank/other", b"a,b\n1,2\n")
    with server.http() as http:
        wrong = http.post("/v1/statement-files", params={"account": CASH, "mapping": "{"})
        assert wrong.status_code == 400
        owners = {"Authorization": f"Bearer {a_key(server.database_url, roles=('support',))}"}
        refused = http.post("/v1/reconciliation/runs", headers=owners)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_required")


# ── the command line ─────────────────────────────────────────────────────────────────


def test_a_statement_goes_its_way_on_the_command_line(tmp_path):
    """Sample, import, run, look, settle, close: the words that docs/reconciliation.md has."""
    url = a_book(sqlite_at(tmp_path / "khata.db"))
    file = tmp_path / "day.csv"
    assert "No account" in khata("reconcile", "status", url=url).out
    done = khata("reconcile", "sample", CASH, "-o", str(file), "--format", "csv", "--defects", "1",
                 "--kind", "missing_in_book", url=url)  # fmt: skip
    assert (done.code, "missing in book" in done.out) == (0, True)
    mapping = str(file.with_suffix(".mapping.json"))
    words = ["reconcile", "import", str(file), "--account", CASH, "--mapping", mapping]
    assert "nothing was written" in khata(*words, "--dry-run", url=url).out
    assert khata("reconcile", "statements", url=url).out.strip() == "No statements."
    assert "2 lines came in" in khata(*words, url=url).out
    assert khata(*words, "--json", url=url).json()["lines"] == 0
    assert "1 new exceptions" in khata("reconcile", "run", url=url).out
    assert khata("reconcile", "run", "--json", url=url).json()["opened"] == 0
    (exception,) = khata("reconcile", "exceptions", "--json", url=url).lines()
    assert "missing in book" in khata("reconcile", "exceptions", url=url).out
    assert "1" in khata("reconcile", "status", url=url).out
    (statement,) = khata("reconcile", "statements", "--json", url=url).lines()
    assert len(khata("reconcile", "lines", statement["id"], "--json", url=url).lines()) == 2
    done = khata("reconcile", "adjust", exception["line"], "--reason", WHY, "--json", url=url)
    match = done.json()["result"]["id"]
    assert khata("reconcile", "unmatch", match, "--reason", WHY, url=url).code == 0
    assert khata("reconcile", "run", url=url).code == 0
    (again,) = khata("reconcile", "exceptions", "--json", url=url).lines()
    done = khata("reconcile", "resolve", again["id"], "--reason", WHY, url=url)
    assert (done.code, "resolved" in done.out) == (0, True)
    one = khata("reconcile", "match", exception["line"], "--entry", "ent_0400", "--reason", WHY,
                url=url)  # fmt: skip
    assert one.code in {4, 5}
    for words in (["matches"], ["runs"], ["discrepancies"], ["periods"], ["check"],
                  ["lines", statement["id"]]):  # fmt: skip
        assert khata("reconcile", *words, url=url).code == 0, words
        assert khata("reconcile", *words, "--json", url=url).code == 0, words
    assert khata("reconcile", "close", CASH, "BDT", statement["to_on"], "--reason", WHY,
                 url=url).code == 3  # fmt: skip
    assert khata("reconcile", "reopen", "per_0400", "--reason", WHY, url=url).code == 4
    assert khata("reconcile", "discard", statement["id"], "--reason", WHY, url=url).code == 3
    with Khata.open(url) as book:
        assert discrepancies(book) == []


def test_a_bad_file_says_where_it_is_bad(tmp_path):
    """The line at which a file breaks off is told, and refused has its exit code."""
    url = a_book(sqlite_at(tmp_path / "khata.db"))
    file = tmp_path / "bad.xml"
    file.write_bytes(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">\n<')
    done = khata("reconcile", "import", str(file), "--account", CASH, url=url)
    assert (done.code, "breaks off" in done.err, "line: 2" in done.err) == (3, True, True)
