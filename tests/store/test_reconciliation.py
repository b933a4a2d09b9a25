"""Reconciliation: statements taken in, matched, explained, closed; and what is refused."""

import threading

import msgspec
import pytest

from khata import KhataError
from khata.base.actor import WORKER
from khata.domain import ledger, reconciliation, setup, solvency
from khata.domain.reconciliation import (
    Adjust,
    ClosePeriod,
    DiscardImport,
    ImportLines,
    LineIn,
    MatchLines,
    Pair,
    RecordMatches,
    ReopenPeriod,
    ResolveException,
    Unmatch,
)
from tests.builders import (
    ADMIN,
    FINANCE,
    SERVICE,
    Clock,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.reconcilers import (
    BANK,
    a_bank,
    approved,
    left,
    moved,
    only_match,
    run,
    statement,
    today,
)
from tests.store.test_debts import events
from tests.store.test_queries_plans import plans_of

DAYS = 86_400
GROWING = (
    "statement_lines",
    "paired_postings",
    "statement_matches",
    "statement_exceptions",
    "postings",
    "entries",
    "journal",
)


def bank(book, code=BANK):
    return book.query(ledger.account, code).balance


def agrees(book):
    """Matches and what they are made of agree, and the book verifies."""
    assert book.query(reconciliation.check) == []
    assert discrepancies(book) == []


# ── taking in ────────────────────────────────────────────────────────────────────────


def test_a_statement_is_taken_in_once(database_url):
    """The same file again changes nothing; its closing balance is what solvency knows."""
    with a_bank(database_url) as book:
        first = statement(book, "1", ("10.00", "in"), ("-4.00", "پرداخت — ফেরত"), opening="2.00")
        made = book.submit(first, actor=FINANCE).result
        assert (made.status, made.count, made.closing, made.number) == ("imported", 2, "8.00", "1")
        assert book.submit(first, actor=SERVICE).result == made
        other = msgspec.structs.replace(first, digest="f" * 64)
        error = refused(book, other)
        assert (error.code, error.details["reason"]) == ("statement_refused", "other_content")
        lines = book.query(reconciliation.lines, made.id)
        assert [(each.id, each.amount, each.status) for each in lines.items] == [
            (f"{made.id}/1", "10.00", "open"),
            (f"{made.id}/2", "-4.00", "open"),
        ]
        assert lines.items[1].text == "پرداخت — ফেরত"
        (known,) = book.query(reconciliation.accounts)
        assert (known.account, known.verified, known.waiting) == (BANK, "8.00", 2)
        (told,) = events(book, "statement.imported")
        assert told[1] == made.id
        (cash,) = [
            each
            for position in book.query(solvency.position).items
            for each in position.accounts
            if each.account == BANK
        ]
        assert "8.00" in msgspec.structs.astuple(cash)
        agrees(book)


def test_a_long_statement_comes_in_portions(database_url):
    """Portions in order, each once; it adds up at the end, or is given up."""
    with a_bank(database_url) as book:
        whole = statement(book, "1", *[("1.00", "x")] * 5)
        part = [whole.lines[:2], whole.lines[2:4], whole.lines[4:]]
        begun = msgspec.structs.replace(whole, lines=part[0], count=5)
        made = book.submit(begun).result
        assert (made.status, made.received) == ("importing", 2)
        assert book.submit(begun).result == made
        assert run(book).lines == 0
        for command, reason in (
            (ImportLines(made.id, 4, part[2]), "out_of_order"),
            (ImportLines(made.id, 3, whole.lines), "too_many_lines"),
            (ImportLines(made.id, 3, []), "empty"),
            (statement(book, "2", ("1.00", "y")), "importing"),
        ):
            assert refused(book, command).details["reason"] == reason
        line = f"{made.id}/1"
        assert refused(book, Adjust(line, "fee")).details["reason"] == "importing"
        book.submit(ImportLines(made.id, 3, part[1]))
        assert book.submit(ImportLines(made.id, 3, part[1])).result.received == 4
        wrong = [msgspec.structs.replace(part[2][0], amount="2.00")]
        error = refused(book, ImportLines(made.id, 5, wrong))
        assert (error.details["reason"], error.details["got"]) == ("does_not_add_up", "6.00")
        assert book.submit(DiscardImport(made.id, "wrong file")).result.status == "discarded"
        assert refused(book, DiscardImport(made.id, "again")).code == "invalid_transition"
        assert refused(book, Adjust(line, "fee")).details["reason"] == "discarded"
        book.submit(begun)
        again = book.query(reconciliation.statements).items[0]
        for at in (3, 5):
            book.submit(ImportLines(again.id, at, whole.lines[at - 1 : at + 1]))
        assert book.query(reconciliation.statement, again.id).status == "imported"
        assert run(book).lines == 5


def test_what_is_no_statement_is_refused(database_url):
    """One clear reason each, nothing is written."""
    with a_bank(database_url, alice="0") as book:
        book.submit(statement(book, "1", ("5.00", "x")))
        day, before = today(book), today(book, -1)

        def one(**fields):
            return msgspec.structs.replace(LineIn("1.00", day), **fields)

        good = {"opening": "5.00"}
        cases = [
            (statement(book, "2", ("1.00", "x"), **good, from_on=before), "overlap"),
            (statement(book, "2", ("1.00", "x"), opening="4.00"), "gap"),
            (statement(book, "2", ("1.00", "x"), **good, to_on=before), "dates"),
            (statement(book, "2", ("1.00", "x"), **good, to_on="2099-01-01"), "future"),
            (statement(book, "2", ("1.00", "x"), **good, closing="7.00"), "does_not_add_up"),
            (statement(book, "2", ("1.00", "x"), **good, count=0), "too_many_lines"),
            (statement(book, "2", *[one()] * 1001, **good), "too_many_lines"),
            (statement(book, "2", **good, count=2), "empty"),
            (statement(book, "2", one(booked_on="31.01.2026"), **good), "dates"),
            (statement(book, "2", one(value_on="2026-02-30"), **good), "dates"),
            (statement(book, "2", one(text="x" * 2001), **good), "text"),
            (statement(book, "2", one(reference=" "), **good), "text"),
            (statement(book, "2", one(counterparty="x" * 201), **good), "text"),
            (statement(book, "2", one(currency="XX?"), **good), "unknown_currency"),
            (
                statement(book, "2", one(amount="1.001"), **good, closing="6.00"),
                "too_many_decimals",
            ),
        ]
        for command, reason in cases:
            error = refused(book, command)
            told = (error.code, error.details.get("reason"))
            assert told == ("statement_refused", reason), error
        for fields, code in (
            ({"account": "escrow/x"}, "invalid_input"),
            ({"account": "bank/none"}, "account_not_found"),
            ({"account": "alice/personal/BDT"}, "invalid_input"),
            ({"currency": "USD"}, "currency_mismatch"),
            ({"currency": "??"}, "unknown_currency"),
            ({"number": ""}, "invalid_input"),
            ({"number": "a\x00b"}, "invalid_input"),
            ({"digest": "xyz"}, "invalid_input"),
            ({"from_on": "yesterday"}, "invalid_input"),
            ({"opening": "1,00"}, "invalid_amount"),
            ({"closing": "1.001"}, "too_many_decimals"),
        ):
            command = msgspec.structs.replace(statement(book, "2", ("1.00", "x"), **good), **fields)
            assert refused(book, command).code == code, fields
        assert refused(book, statement(book, "2"), actor=owner("alice")).code == "role_required"
        assert refused(book, ImportLines("stm_none", 1, [])).code == "statement_not_found"
        assert len(book.query(reconciliation.statements).items) == 1


def test_a_statement_that_is_missing_for_good(database_url):
    """With a reason the next one comes in; the gap is an exception until somebody resolves it."""
    with a_bank(database_url) as book:
        book.submit(statement(book, "1", ("5.00", "x")))
        gap = statement(book, "3", ("1.00", "y"), opening="7.00", gap="the bank lost it")
        assert book.submit(gap).result.gap == "2.00"
        assert left(book, cls="statement_gap") == [("statement_gap", "2.00")]
        run(book)
        (found,) = book.query(reconciliation.exceptions, cls="statement_gap").items
        book.submit(ResolveException(found.id, "booked by hand"), actor=FINANCE)
        assert left(book, cls="statement_gap") == []


# ── matching ─────────────────────────────────────────────────────────────────────────


def test_a_run_matches_and_explains(database_url):
    """What agrees is matched, each thing that is wrong is one exception, again changes nothing."""
    with a_bank(database_url) as book:
        names = [moved(book, f"{n}.00", f"pay_000{n}") for n in range(1, 7)]
        day = today(book)
        book.submit(
            statement(
                book,
                "1",
                ("1.00", "pay_0001"),
                ("2.50", "pay_0002"),
                ("-3.00", "pay_0003"),
                ("44.00", "pay_0099"),
                LineIn("6.00", day, reference="B6", text="pay_0006"),
                LineIn("6.00", day, reference="B6", text="pay_0006"),
                LineIn("5.00", day, currency="USD", text="pay_0005"),
                LineIn("0.00", day, text="nothing moved"),
            )
        )
        done = run(book)
        assert (done.matched, done.opened, done.lines, done.postings) == (2, 6, 7, 6)
        assert sorted(left(book)) == [
            ("amount_differs", "0.50"),
            ("duplicate_line", "6.00"),
            ("foreign_currency", "0.00"),
            ("missing_in_book", "44.00"),
            ("missing_in_statement", "-4.00"),
            ("sign_swapped", "-6.00"),
        ]
        (first,) = book.query(reconciliation.exceptions, cls="amount_differs").items
        assert (first.entries, first.found, first.expected) == ([names[1]], "2.50", "2.00")
        assert (first.age_days, first.status) == (0, "open")
        assert first.repair
        again = run(book)
        assert (again.matched, again.opened) == (0, 0)
        assert len(left(book)) == 6
        (known,) = book.query(reconciliation.accounts)
        assert sum(bucket.count for bucket in known.buckets) == known.exceptions == 6
        assert [each.matched for each in book.query(reconciliation.runs).items] == [0, 2]
        agrees(book)


def test_an_exception_ends_when_its_partner_comes(database_url):
    """A posting that was on its way, a line that was booked late, one that is another's."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        moved(book, "9.00", "pay_0009")
        book.submit(statement(book, "1", ("4.00", "pay_0004")))
        run(book)
        assert sorted(left(book)) == [
            ("missing_in_book", "4.00"),
            ("missing_in_statement", "-9.00"),
        ]
        clock.pass_by(DAYS)
        moved(book, "4.00", "pay_0004")
        book.submit(statement(book, "2", ("9.10", "pay_0009"), opening="4.00"))
        done = run(book)
        assert (done.matched, done.opened) == (1, 1)
        assert left(book) == [("amount_differs", "0.10")]
        resolved = book.query(reconciliation.exceptions, status="resolved").items
        assert {each.reason for each in resolved} == {"matched", "found to be another one"}
        (each,) = [x for x in resolved if x.reason == "matched"]
        assert each.closed_by == only_match(book).id
        agrees(book)


def test_what_may_be_kept_is_booked(database_url):
    """A batch less its fee is matched, and the fee is posted, so that sums are equal."""
    with a_bank(database_url) as book:
        book.submit(setup.Set("reconciliation", {"fees": {BANK: {"points": 300}}}))
        for _ in range(3):
            moved(book, "100.00", "order/M7")
        book.submit(statement(book, "1", ("293.00", "Settlement order/M7 net")))
        assert (run(book).matched, left(book)) == (1, [])
        match = only_match(book)
        assert (match.kind, match.amount, match.difference) == ("1:N", "293.00", "7.00")
        assert len(match.entries) == 4
        assert (bank(book), bank(book, "expense/bank_fees")) == ("293.00", "7.00")
        book.submit(Unmatch(match.id, "not so"))
        assert (bank(book), bank(book, "expense/bank_fees")) == ("300.00", "0.00")
        assert run(book).matched == 1
        assert bank(book) == "293.00"
        agrees(book)


def test_a_reversed_entry_needs_no_line(database_url):
    """It cancels out with its reversal."""
    with a_bank(database_url) as book:
        gone = moved(book, "100.00", "pay_0001")
        book.submit(ledger.Reverse(gone, "typed wrongly"))
        book.submit(statement(book, "1"))
        assert (run(book).matched, left(book)) == (1, [])
        assert only_match(book).kind == "netted"
        agrees(book)


def test_two_at_once_match_nothing_twice(database_url):
    """Who comes second is told which pairs are gone; two whole runs do each pair once."""
    with a_bank(database_url) as book:
        for n in range(1, 30):
            moved(book, f"{n}.00", f"pay_00{n:02d}")
        book.submit(statement(book, "1", *[(f"{n}.00", f"pay_00{n:02d}") for n in range(1, 30)]))
        plan = book.query(reconciliation.plan, BANK, "BDT")
        half = RecordMatches(BANK, "BDT", plan.pairs[:10])
        assert book.submit(half, actor=WORKER).result.recorded == 10
        second = book.submit(half, key="other", actor=WORKER).result
        assert (second.recorded, len(second.skipped)) == (0, 10)
        assert {each.reason for each in second.skipped} == {"line_matched"}
        done = []
        threads = [threading.Thread(target=lambda: done.append(run(book))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(each.matched for each in done) == 19
        assert (len(book.query(reconciliation.matches, limit=99).items), left(book)) == (29, [])
        agrees(book)


def test_what_a_run_says_is_looked_at_again(database_url):
    """A pair that does not add up, or names what is not there, is left out."""
    with a_bank(database_url) as book:
        moved(book, "5.00", "pay_0001")
        made = book.submit(statement(book, "1", ("4.00", "pay_0001"), ("1.00", "fee"))).result
        first, second = (made.id, 1), (made.id, 2)
        seq = book.query(ledger.entries).items[0].seq
        here, none = (seq, 0, 0), (seq, 7, 0)
        pairs = [
            Pair([first], [here], "x", 1, []),
            Pair([first], [here], "x", 1, [], 1),
            Pair([first], [here], "x", 1, [], 100),
            Pair([first, first], [here], "x", 1, []),
            Pair([first], [none], "x", 1, []),
            Pair([(made.id, 9)], [here], "x", 1, []),
            Pair([], [here], "x", 1, []),
            Pair([], [], "x", 1, []),
            Pair([first, second], [here], "x", 1, ["fits"]),
        ]
        told = book.submit(RecordMatches(BANK, "BDT", pairs), actor=WORKER).result
        assert (told.recorded, len(told.skipped)) == (1, 8)
        assert only_match(book).kind == "N:1"
        too_many = RecordMatches(BANK, "BDT", pairs * 60)
        assert refused(book, too_many, actor=WORKER).code == "invalid_input"
        assert refused(book, too_many, actor=ADMIN).code == "role_required"
        agrees(book)


# ── by hand ──────────────────────────────────────────────────────────────────────────


def test_people_match_adjust_and_take_apart(database_url):
    """With a reason; a difference is booked, and taken back when the match is taken apart."""
    with a_bank(database_url, alice="0") as book:
        entry = moved(book, "100.00", "pay_0001")
        other = moved(book, "7.00", against="cash/main")
        elsewhere = book.submit(
            ledger.PostEntry(
                [ledger.LegIn("cash/main", debit=bdt("1.00")),
                 ledger.LegIn("equity/capital", credit=bdt("1.00"))], "opening"
            )
        ).result.id  # fmt: skip
        made = book.submit(
            statement(book, "1", ("98.00", "x"), ("-3.00", "charges"), ("5.00", "for Alice"))
        ).result
        line, fee, gift = (f"{made.id}/{n}" for n in (1, 2, 3))
        for command, code in (
            (MatchLines([line], [entry], "same"), "match_refused"),
            (MatchLines([line], [elsewhere], "same"), "match_refused"),
            (MatchLines([line], [entry, entry], "same", "expense/x"), "invalid_input"),
            (MatchLines([line], [], "same"), "invalid_input"),
            (MatchLines([], [entry, other], "same"), "invalid_input"),
            (MatchLines([line], [entry], " ", "expense/x"), "invalid_input"),
            (MatchLines(["stm_1/x"], [entry], "same"), "statement_not_found"),
            (MatchLines([f"{made.id}/9"], [entry], "same"), "statement_not_found"),
            (MatchLines([line], ["ent_9999"], "same"), "entry_not_found"),
            (MatchLines([line], [entry], "same", BANK), "invalid_input"),
            (MatchLines([line], [entry], "same", "expense/x", "nothing"), "unknown_source"),
            (Adjust("nothing", "fee"), "statement_not_found"),
            (Adjust(fee, "\x00"), "invalid_input"),
            (Adjust(fee, "fee", "nobody/personal/BDT"), "wallet_not_found"),
            (Unmatch("mat_0000", "no"), "statement_not_found"),
        ):
            assert refused(book, command, actor=FINANCE).code == code, command
        match = book.submit(
            MatchLines([line], [entry], "they kept two", "expense/fees"), actor=FINANCE
        ).result
        assert (match.kind, match.difference, match.why) == ("1:1", "2.00", ["they kept two"])
        assert bank(book, "expense/fees") == "2.00"
        assert (
            refused(book, MatchLines([line], [other], "again", "expense/x")).code == "line_matched"
        )
        free = MatchLines([gift], [entry], "again", "expense/x")
        assert refused(book, free).code == "line_matched"
        adjusted = book.submit(Adjust(fee, "monthly"), actor=FINANCE).result
        assert (adjusted.kind, bank(book, "expense/bank_fees")) == ("adjusted", "3.00")
        book.submit(Adjust(gift, "hers", "alice/personal/BDT", "top_up"), actor=FINANCE)
        assert balance(book) == "5.00"
        assert bank(book) == "107.00"
        for each in (match, adjusted):
            undone = book.submit(Unmatch(each.id, "wrong"), actor=FINANCE).result
            assert undone.undone_by == "finance:sumi"
            assert refused(book, Unmatch(each.id, "wrong")).code == "invalid_transition"
            (netted, *_) = book.query(reconciliation.matches, kind="netted").items
            assert refused(book, Unmatch(netted.id, "no")).code == "invalid_transition"
        assert (bank(book), bank(book, "expense/fees")) == ("112.00", "0.00")
        run(book)
        assert sorted(left(book)) == [
            ("missing_in_book", "-3.00"),
            ("missing_in_book", "98.00"),
            ("missing_in_statement", "-100.00"),
            ("missing_in_statement", "-7.00"),
        ]
        agrees(book)


def test_large_amounts_need_two_people(database_url):
    """What staff book, or wave through, above the limit; and a balance that one person gives."""
    with a_bank(database_url) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "10.00"}))
        made = book.submit(statement(book, "1", ("50.00", "x")), actor=FINANCE).result
        assert all(
            each.verified is None
            for position in book.query(solvency.position).items
            for each in position.accounts
        )
        line = f"{made.id}/1"
        run(book)
        (found,) = book.query(reconciliation.exceptions).items
        for command in (Adjust(line, "ours", "equity/capital"), ResolveException(found.id, "no")):
            assert refused(book, command, actor=FINANCE).code == "approval_required"
        approved(book, Adjust(line, "ours", "equity/capital"))
        assert (bank(book), left(book)) == ("50.00", [])


def test_an_exception_is_resolved_without_a_match(database_url):
    """Its line and entries are left out for good."""
    with a_bank(database_url) as book:
        moved(book, "3.00", "pay_0001")
        made = book.submit(statement(book, "1", ("8.00", "pay_0008"))).result
        run(book)
        for found in book.query(reconciliation.exceptions).items:
            solved = book.submit(ResolveException(found.id, "agreed"), actor=FINANCE).result
            assert (solved.status, solved.reason) == ("resolved", "agreed")
            again = ResolveException(found.id, "agreed")
            assert refused(book, again, actor=FINANCE).code == "invalid_transition"
        assert refused(book, ResolveException("exc_0", "x")).code == "statement_not_found"
        done = run(book)
        assert (done.lines, done.postings, left(book)) == (0, 0, [])
        assert refused(book, Adjust(f"{made.id}/1", "late")).code == "line_matched"
        agrees(book)


# ── periods ──────────────────────────────────────────────────────────────────────────


def test_a_closed_period_does_not_change(database_url):
    """Closed when all is explained or carried along; opened again by two people only."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        moved(book, "5.00", "pay_0001")
        moved(book, "6.00", "pay_0002")
        first = today(book)
        assert refused(book, ClosePeriod(BANK, "BDT", first, "x")).code == "invalid_transition"
        made = book.submit(statement(book, "1", ("5.00", "pay_0001"), ("2.00", "pay_0009"))).result
        close = ClosePeriod(BANK, "BDT", first, "month end")
        for to_on, code in ((first, "invalid_transition"), ("2026-13-01", "invalid_input")):
            command = msgspec.structs.replace(close, to_on=to_on)
            assert refused(book, command, actor=FINANCE).code == code
        run(book)
        assert refused(book, close).code == "invalid_transition"  # the day is not over
        clock.pass_by(DAYS)
        run(book)
        error = refused(book, close, actor=FINANCE)
        assert (error.code, error.details["got"]) == ("invalid_transition", 2)
        carried = msgspec.structs.replace(close, carry=True)
        period = book.submit(carried, actor=FINANCE).result
        assert (period.from_on, period.to_on, period.carried) == (first, first, 2)
        assert refused(book, carried, actor=FINANCE).code == "period_closed"
        match = only_match(book)
        assert refused(book, Unmatch(match.id, "no")).code == "period_closed"
        late = statement(book, "2", ("1.00", "x"), from_on=first, opening="7.00")
        assert refused(book, late).code == "period_closed"
        # what was carried along is still open to everybody
        book.submit(Adjust(f"{made.id}/2", "theirs", "equity/capital"), actor=FINANCE)
        book.submit(statement(book, "2", ("6.00", "pay_0002"), opening="7.00"))
        assert (run(book).matched, left(book)) == (1, [])
        reopen = ReopenPeriod(period.id, "a mistake")
        assert refused(book, reopen, actor=FINANCE).code == "approval_required"
        assert refused(book, ReopenPeriod("per_0", "x")).code == "statement_not_found"
        assert approved(book, reopen)["status"] == "reopened"
        assert refused(book, reopen).code == "invalid_transition"
        book.submit(Unmatch(match.id, "it can be"), actor=FINANCE)
        assert refused(book, close, actor=FINANCE).code == "invalid_transition"  # a line is open
        run(book)
        second = book.submit(close, actor=FINANCE).result
        assert (second.from_on, second.carried) == (first, 0)
        assert [each.status for each in book.query(reconciliation.periods).items] == [
            "closed",
            "reopened",
        ]
        agrees(book)


# ── the book itself ──────────────────────────────────────────────────────────────────


def test_the_book_is_compared_with_itself(database_url):
    """What was posted by hand where a room keeps count is there until it is reversed."""
    with a_bank(database_url) as book:
        entry = moved(book, "5.00", against="receivable/dhaar/alice")
        assert run(book).discrepancies == 1
        (found,) = book.query(reconciliation.discrepancies).items
        assert (found.area, found.cls, found.gone_at) == ("wallets", "debts", None)
        run(book)
        assert book.query(reconciliation.discrepancies).items[0].first_seen == found.first_seen
        assert len(events(book, "discrepancy.found")) == 1
        book.submit(ledger.Reverse(entry, "by mistake"))
        assert run(book).discrepancies == 0
        assert book.query(reconciliation.discrepancies).items == []
        (gone,) = book.query(reconciliation.discrepancies, gone=True, area="wallets").items
        assert gone.gone_at is not None


def test_a_payment_without_a_line_is_told_of(database_url):
    """After the days that the policy gives it."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        book.submit(setup.Set("reconciliation", {"payment_days": 3}))
        moved(book, "5.00", "pay_0001")
        book.submit(statement(book, "1"))
        assert run(book).discrepancies == 0
        clock.pass_by(5 * DAYS)
        assert run(book).discrepancies == 1
        (found,) = book.query(reconciliation.discrepancies, area="payments").items
        assert (found.subject, found.amount, found.currency) == ("pay_0001", "5.00", "BDT")


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_lists_have_pages_and_owners_see_nothing(database_url):
    """Page by page the same as at once; owners are told that it is not theirs."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        opening = 0
        for n in range(1, 6):
            book.submit(
                statement(book, str(n), (f"{n}.00", f"pay_000{n}"), opening=f"{opening}.00")
            )
            opening += n
            clock.pass_by(DAYS)
            if n % 2:
                moved(book, f"{n}.00", f"pay_000{n}")
            run(book)
        one = book.query(reconciliation.statements).items[0]
        asks = {
            "statements": reconciliation.statements,
            "matches": lambda view, **page: reconciliation.matches(view, account=BANK, **page),
            "exceptions": lambda view, **page: reconciliation.exceptions(
                view, account=BANK, **page
            ),
            "runs": reconciliation.runs,
            "lines": lambda view, **page: reconciliation.lines(view, one.id, **page),
            "periods": reconciliation.periods,
            "discrepancies": reconciliation.discrepancies,
        }
        for name, ask in asks.items():
            with book.view() as view:
                whole = ask(view).items
                found, cursor = [], None
                while True:
                    page = ask(view, limit=1, cursor=cursor)
                    found += page.items
                    if (cursor := page.next) is None:
                        break
            assert found == whole, name
            for bad in ({"limit": 0}, {"cursor": "x"}):
                with book.view() as view, pytest.raises(KhataError):
                    ask(view, **bad)
            with book.view(owner("alice")) as view, pytest.raises(KhataError) as caught:
                ask(view)
            assert caught.value.code == "not_yours"
        with book.view() as view:
            for ask in (
                reconciliation.statement,
                reconciliation.match_of,
                reconciliation.exception,
            ):
                with pytest.raises(KhataError) as caught:
                    ask(view, "x\x00")
                assert caught.value.code == "statement_not_found"
        with book.view() as view, pytest.raises(KhataError):
            reconciliation.plan(view, "bank/none", "BDT")


def test_reconciliation_is_read_through_keys(database_url):
    """No query walks a table that grows."""
    with a_bank(database_url) as book:
        moved(book, "5.00", "pay_0001")
        made = book.submit(statement(book, "1", ("5.00", "pay_0001"), ("1.00", "x"))).result
        run(book)
        for ask in (
            lambda view: reconciliation.statements(view, account=BANK),
            lambda view: reconciliation.lines(view, made.id),
            lambda view: reconciliation.matches(view, account=BANK),
            lambda view: reconciliation.exceptions(view, account=BANK),
            reconciliation.exceptions,
            lambda view: reconciliation.plan(view, BANK, "BDT"),
            reconciliation.accounts,
        ):
            for plan in plans_of(book, ask):
                for table in GROWING:
                    assert f"SCAN {table}" not in plan, plan
                    assert f"Seq Scan on {table}" not in plan, plan
