"""Flows: defined, fed, compared, switched; what differs is counted by its signature."""

import json

import pytest

from khata import Khata
from khata.base.actor import SYSTEM, WORKER
from khata.domain import shadow, wallets
from khata.domain.access import Approve, RequestApproval
from khata.domain.shadow import Compare, DefineFlow, Difference, SwitchFlow
from khata.edge.shadowing import feed, read_event
from khata.edge.working.silence import Silence
from khata.engine import reading
from khata.engine.replay import replay
from khata.errors import BookNotFound, Invalid, KhataError
from tests.builders import (
    ADMIN,
    FINANCE,
    OTHER_ADMIN,
    START,
    SUPPORT,
    Clock,
    balance,
    discrepancies,
    owner,
    refused,
)
from tests.shadows import FLOW, beside, compared, counts, event, fed, report
from tests.store.test_debts import events
from tests.store.test_queries_plans import plans_of

MINUTE = 60


# ── a stream ─────────────────────────────────────────────────────────────────────────


def test_each_way_to_differ_is_counted_by_itself(database_url):
    """One unit, missing, late, reordered and refused differently: each is its own signature."""
    clock = Clock()
    terms = {
        "late_seconds": MINUTE,
        "fields": {"left": "legs.0.balance_after", "state": "status"},
        "codes": {"NO_MONEY": "insufficient_funds"},
    }
    with beside(database_url, clock=clock, **terms) as (book, other):
        found = fed(
            book,
            other,
            event(1, ok=True, left="99.0"),
            event(2, ok=True, left="98.01"),
            event(3, ok=True, left="96.00"),
            event(4, ok=True, left="96.00", receipt="r4"),
            event(5, None, ok=True),
            event(6),
            event(7, "500.00", ok=False, code="NO_MONEY"),
            event(8, "500.00", ok=True),
            event(9, "500.00", ok=False, code="SUSPENDED"),
            event(10, ok=False, code="NO_MONEY"),
            event(12, ok=True, left="93.00"),
            event(11, ok=True, left="92.00"),
            event(14, at=START - 61_000_000, ok=True, left="91.00"),
            event(15, at=START - 60_000_000, ok=True, left="90.00"),
        )
        pay = "wallets.debit"
        assert found == [
            ("match", None),
            ("mismatch", f"{pay} left:one_unit"),
            ("mismatch", f"{pay} left:value"),
            ("mismatch", f"{pay} receipt:missing"),
            ("mismatch", "missing"),
            ("mismatch", f"{pay} extra"),
            ("match", None),
            ("mismatch", f"{pay} refused:insufficient_funds≠ok"),
            ("mismatch", f"{pay} refused:insufficient_funds≠refused:SUSPENDED"),
            ("mismatch", f"{pay} ok≠refused:insufficient_funds"),
            ("match", None),
            ("mismatch", f"{pay} reordered"),
            ("mismatch", f"{pay} late"),
            ("match", None),
        ]
        told = report(book)
        assert counts(book) == {name: 1 for _, name in found if name}
        assert (told.total.compared, told.total.matched, told.total.basis_points) == (14, 4, 2857)
        assert (told.status, told.gaps, told.errors) == ("comparing", 1, 0)
        page = book.query(shadow.comparisons, FLOW, signature=f"{pay} left:one_unit")
        (one,) = page.items
        assert one.differences == [Difference("left", "one_unit", "98.01", "98.00")]
        assert (one.reference, one.number, one.theirs, one.ours) == ("order/2", 2, "ok", "ok")
        assert other.query(reading.journal, after=one.carried_as - 1)[0].key == "shadow/checkout/2"
        matches = book.query(shadow.comparisons, FLOW, outcome="match", limit=2)
        assert [item.number for item in matches.items] == [15, 12]
        rest = book.query(shadow.comparisons, FLOW, outcome="match", cursor=matches.next)
        assert [item.number for item in rest.items] == [7, 1]
        assert balance(other) == "90.00"
        assert len(events(book, "shadow.differs")) == len(counts(book))
        assert discrepancies(book) == discrepancies(other) == []


def test_an_event_counts_once(database_url):
    """Fed again, by another, or twice in one go, it is known; the commands happen once."""
    with beside(database_url) as (book, other):
        first = [event(1, ok=True), event(2, "500.00", ok=True)]
        answered = fed(book, other, *first)
        known = [("known", signature) for _, signature in answered]
        assert fed(book, other, *first) == known
        assert fed(book, other, event(3, ok=True), event(3, ok=True))[1][0] == "known"
        assert fed(book, other, event(3, "2.00", ok=True)) == [("known", None)]
        assert (report(book).total.compared, balance(other)) == (3, "98.00")


def test_a_flow_that_is_not_in_shadow_is_left_alone(database_url):
    """Neither carried out nor compared; what is no event is refused, its neighbours live."""
    with beside(database_url, mode="off") as (book, other):
        assert fed(book, other, event(1, ok=True)) == [("off", None)]
        book.submit(SwitchFlow(FLOW, "shadow", "go"))
        bad = [
            event(-1, ok=True),
            event(2, None),
            event(3, ok="yes"),
            event(4, ok=True, code=7),
            read_event(json.dumps({"flow": "x", "seq": 1, "reference": "r", "at": "2026-01-31"})),
            read_event(json.dumps({"flow": FLOW, "seq": 5, "reference": " ", "at": "2026-01-31",
                                   "outcome": {"ok": True}})),
            read_event(json.dumps({"flow": FLOW, "seq": 6, "reference": "r", "at": "soon",
                                   "outcome": {"ok": True}})),
        ]  # fmt: skip
        answered = fed(book, other, *bad, event(7, ok=True))
        codes = ["invalid_input"] * 4 + ["flow_not_found"] + ["invalid_input"] * 2
        assert answered == [*(("refused", code) for code in codes), ("match", None)]
        for line in ("", "[]", "{", '{"flow":1}', json.dumps({"flow": FLOW, "seq": 1, "x": 1})):
            with pytest.raises(Invalid):
                read_event(line)
        assert balance(other) == "99.00"


def test_commands_that_are_none_differ(database_url):
    """What Khata does not know is its refusal; Persian, Arabic and Bengali texts stay as they are;
    what no database can hold is replaced.
    """
    with beside(database_url) as (book, other):
        said = {"flow": FLOW, "reference": "سفارش ۷", "at": "2026-01-31T09:00:00Z"}
        lines = [
            said | {"seq": 1, "command": {"kind": "no.such"}, "outcome": {"ok": True}},
            said | {"seq": 2, "command": {}, "outcome": {"ok": False}},
            said | {"seq": 3,
                    "command": {"kind": "wallets.open", "owner": "رضا", "currency": "BDT"},
                    "outcome": {"ok": True, "owner": "رضا", "নাম": "আলী", "z\x00": "\x00"}},
        ]  # fmt: skip
        answered = fed(book, other, *(read_event(json.dumps(line)) for line in lines))
        assert answered[:2] == [
            ("mismatch", "no.such refused:unknown_command≠ok"),
            ("match", None),
        ]
        assert answered[2][0] == "mismatch"
        (item,) = book.query(shadow.comparisons, FLOW, outcome="mismatch", limit=1).items
        assert [(pair.field, pair.theirs) for pair in item.differences] == [
            ("z\ufffd", "\ufffd"),
            ("নাম", "আলী"),
        ]
        assert item.reference == "سفارش ۷"


def test_a_book_that_is_away_is_asked_again(database_url):
    """Nothing is kept of events whose commands could not be carried out."""

    def nowhere(name):
        raise BookNotFound(f"No book {name}.", got=name)

    with beside(database_url) as (book, other):
        with pytest.raises(BookNotFound):
            feed(book, nowhere, [event(1, ok=True)], actor=SYSTEM)
        assert report(book).total.compared == 0
        assert fed(book, other, event(1, ok=True)) == [("match", None)]


# ── the gate ─────────────────────────────────────────────────────────────────────────


def test_the_gate_opens_at_exactly_its_rate(database_url):
    """989 of 1000 is not 99 %, and one match and one old mismatch later it is."""
    clock = Clock()
    with beside(database_url, clock=clock, window_seconds=3600) as (book, _):
        compared(book, 0, 1)
        clock.pass_by(MINUTE * 30)
        compared(book, 989, 10)
        error = refused(book, SwitchFlow(FLOW, "primary", "go"))
        assert (error.code, error.details["reason"]) == ("gate_closed", "below_gate")
        assert error.details["got"] == {"basis_points": 9890, "compared": 1000}
        told = report(book)
        assert (told.gate_open, told.why) == (False, "989 of 1000 match, 99.00 % must.")
        clock.pass_by(MINUTE * 31)
        error = refused(book, SwitchFlow(FLOW, "primary", "go"))
        assert error.details["reason"] == "too_few"
        compared(book, 1)
        assert report(book).window.basis_points == 9900
        done = book.submit(SwitchFlow(FLOW, "primary", "go"), actor=FINANCE).result
        assert (done.mode, report(book).status) == ("primary", "primary")
        (newest, oldest) = report(book).history
        assert (newest.before, newest.after, newest.by) == ("shadow", "primary", "finance:sumi")
        assert (newest.rate.compared, newest.rate.matched, newest.forced) == (1000, 990, False)
        assert oldest.reason == "a trial"
        ((_, subject, data), *_) = reversed(events(book, "shadow.switched"))
        assert (subject, json.loads(data)["after"]) == (f"flow/{FLOW}", "primary")


def test_a_second_person_may_pass_a_closed_gate(database_url):
    """And it is written down; back is always allowed, at once."""
    with beside(database_url) as (book, _):
        switch = {"kind": "shadow.switch", "flow": FLOW, "mode": "primary", "reason": "we know why"}
        assert refused(book, SwitchFlow(FLOW, "primary", "x"), actor=ADMIN).code == "gate_closed"
        asked = book.submit(RequestApproval(switch, "please"), actor=ADMIN).result.request
        book.submit(Approve(asked), actor=OTHER_ADMIN)
        assert report(book).history[0].forced
        back = book.submit(SwitchFlow(FLOW, "shadow", "slow"), actor=ADMIN).result
        again = book.submit(SwitchFlow(FLOW, "shadow", "slow"), actor=ADMIN).result
        assert back == again
        assert [change.after for change in report(book).history] == ["shadow", "primary", "shadow"]
        assert book.submit(SwitchFlow(FLOW, "off", "over")).result.mode == "off"


def test_other_rules_begin_to_count_anew(database_url):
    """What was compared otherwise opens no gate; nobody lowers a gate alone."""
    with beside(database_url, least=2) as (book, _):
        compared(book, 3)
        assert report(book).gate_open
        book.submit(DefineFlow(FLOW, least=2, late_seconds=0, masked=["card"]), actor=ADMIN)
        assert report(book).window.compared == 3
        book.submit(DefineFlow(FLOW, least=2, ignored=["total"]), actor=ADMIN)
        told = report(book)
        assert (told.window.compared, told.total.compared, told.flow.mode) == (0, 3, "shadow")
        for lower in ({"least": 1}, {"least": 2, "gate": 9899}):
            wanted = DefineFlow(FLOW, ignored=["total"], **lower)
            assert refused(book, wanted, actor=ADMIN).code == "approval_required"
        book.submit(DefineFlow(FLOW, least=5, gate=10_000, ignored=["total"]), actor=ADMIN)


def test_a_switch_holds_everywhere_at_once(database_url):
    """Another process that has the book open hears of it with its next question."""
    with beside(database_url) as (book, _), Khata.open(database_url) as elsewhere:
        for mode in ("off", "shadow", "off"):
            book.submit(SwitchFlow(FLOW, mode, "try"))
            assert elsewhere.query(shadow.mode_of, FLOW) == mode


# ── what is refused ──────────────────────────────────────────────────────────────────

NOT_FLOWS = [
    {"name": ""},
    {"name": "Checkout"},
    {"name": "a" * 41},
    {"into": "no such/book"},
    {"gate": 0},
    {"gate": 10_001},
    {"least": 0},
    {"window_seconds": 59},
    {"late_seconds": -1},
    {"quiet_seconds": 0},
    {"fields": {"a": ""}},
    {"fields": {"a" * 201: "b"}},
    {"codes": {f"c{n}": "x" for n in range(101)}},
    {"ignored": [" "]},
    {"masked": ["\x00"]},
    {"masked": ["\ud800"]},
    {"tolerances": {"total": "much"}},
    {"tolerances": {"total": "-0.01"}},
]


def test_what_is_refused(database_url):
    """Flows and comparisons that make no sense, flows that are none, people who may not."""
    with beside(database_url, mode="off") as (book, _):
        head = book.query(reading.head)
        for wrong in NOT_FLOWS:
            assert refused(book, DefineFlow(**({"name": "x"} | wrong))).code == "invalid_input"
        for command, code in (
            (SwitchFlow("x", "off", "y"), "flow_not_found"),
            (SwitchFlow(FLOW, "on", "y"), "invalid_input"),
            (SwitchFlow(FLOW, "shadow", " "), "invalid_input"),
            (Compare("x", "r", "ok", "ok"), "flow_not_found"),
            (Compare(FLOW, "", "ok", "ok"), "invalid_input"),
            (Compare(FLOW, "r", None, None), "invalid_input"),
            (Compare(FLOW, "r", "ok", "ok", number=-1), "invalid_input"),
            (Compare(FLOW, "r", "ok", "x" * 201), "invalid_input"),
        ):
            assert refused(book, command, actor=SYSTEM).code == code, command
        for command, who in (
            (DefineFlow("x"), FINANCE),
            (DefineFlow("x"), owner("alice")),
            (SwitchFlow(FLOW, "off", "y"), SUPPORT),
            (SwitchFlow(FLOW, "off", "y"), owner("alice")),
            (Compare(FLOW, "r", "ok", "ok"), ADMIN),
        ):
            assert refused(book, command, actor=who).code == "role_required"
        assert book.query(reading.head).seq == head.seq
        for ask, code in (
            (lambda view: shadow.report(view, "x"), "flow_not_found"),
            (lambda view: shadow.report(view, "\x00"), "flow_not_found"),
            (lambda view: shadow.comparisons(view, FLOW, outcome="odd"), "invalid_input"),
            (lambda view: shadow.comparisons(view, FLOW, signature="\x00"), "invalid_input"),
            (lambda view: shadow.flows(view, cursor="x"), "invalid_cursor"),
        ):
            with book.view() as view, pytest.raises(KhataError) as caught:
                ask(view)
            assert caught.value.code == code
        for ask in (shadow.flows, lambda view: shadow.report(view, FLOW)):
            with book.view(owner("alice")) as view, pytest.raises(KhataError) as caught:
                ask(view)
            assert caught.value.code == "not_yours"


# ── watching ─────────────────────────────────────────────────────────────────────────


class Heard:
    """Alerts that are kept."""

    def __init__(self):
        self.told = []

    def sound(self, name, **details):
        self.told.append((name, details["part"], details["quiet_for_seconds"]))


def test_a_silent_flow_is_told_of(database_url):
    """From the second that its quiet is over; one that is off, or compares, is not."""
    clock = Clock()
    with beside(database_url, clock=clock, quiet_seconds=MINUTE) as (book, _):
        book.submit(DefineFlow("returns"))
        heard = Heard()
        clock.pass_by(MINUTE - 1)
        Silence(book, heard).work(100)
        assert (heard.told, report(book).status) == ([], "comparing")
        clock.pass_by(1)
        listening = Silence(book, heard)
        assert [listening.work(100), listening.work(100)] == [0, 0]
        assert heard.told == [("shadow_silent", FLOW, MINUTE)]
        lines = book.query(shadow.flows, limit=1)
        assert [(line.name, line.status) for line in lines.items] == [(FLOW, "silent")]
        (line,) = book.query(shadow.flows, cursor=lines.next).items
        assert (line.name, line.status, line.quiet_for_seconds) == ("returns", "off", None)
        failing = Compare(FLOW, "r", "ok", "error:timeout", failed=True)
        book.submit(failing, actor=WORKER)
        found = report(book)
        assert (found.status, found.total.compared, found.errors) == ("silent", 1, 1)
        compared(book, 1)
        assert report(book).status == "comparing"


def test_ways_to_differ_are_bounded(database_url):
    """After 200 of them the rest is one, and its examples are kept all the same."""
    with beside(database_url) as (book, _):
        lines = [Compare(FLOW, f"r{n}", "ok", f"refused:c{n}") for n in range(203)]
        book.submit_many(lines, actor=WORKER)
        found = counts(book)
        assert (len(found), found["other"]) == (50, 3)
        other = report(book).signatures[0]
        assert (other.first.reference, other.last.reference) == ("r200", "r202")
        page = book.query(shadow.comparisons, FLOW, signature="other").items
        assert [item.ours for item in page] == ["refused:c202", "refused:c201", "refused:c200"]


def test_reading_walks_no_table(database_url):
    """Flows, reports and comparisons are read through keys and indexes."""
    with beside(database_url) as (book, _):
        compared(book, 60, 20)
        cursor = book.query(shadow.comparisons, FLOW, limit=5).next
        for ask in (
            lambda view: shadow.report(view, FLOW),
            lambda view: shadow.comparisons(view, FLOW, outcome="mismatch", cursor=cursor),
            lambda view: shadow.comparisons(view, FLOW, signature="refused:no≠ok"),
            lambda view: shadow.compared_numbers(view, FLOW, {1, 2}),
        ):
            for plan in plans_of(book, ask):
                assert "SCAN" not in plan, plan
                assert "Seq Scan" not in plan, plan
                assert "TEMP B-TREE" not in plan, plan


def test_the_journal_runs_again(database_url):
    """The book with its flows reaches the same head, and so does the one beside it."""
    with beside(database_url) as (book, other):
        fed(book, other, event(1, ok=True), event(3, "500.00", ok=True), event(2, ok=True))
        book.submit(SwitchFlow(FLOW, "off", "enough"))
        for one, name in ((book, "again"), (other, "again-too")):
            with Khata.open(database_url, name) as copy:
                replay(one, copy)
                assert copy.query(reading.head).hash == one.query(reading.head).hash
        assert balance(other) == "98.00"
        assert other.query(wallets.wallet, "alice/personal/BDT").status == "active"
