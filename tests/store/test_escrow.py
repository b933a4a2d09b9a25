"""Escrows in a book: funded, released, delivered, disputed; who did it and why."""

import pytest

from khata import Money
from khata.domain import escrow, holds, ledger, payments, sagas, setup, wallets
from khata.domain.escrow import (
    ConfirmDelivery,
    DisputeEscrow,
    FundEscrow,
    ReleaseEscrow,
    SettleDispute,
)
from khata.domain.ledger import FreezeAccount, UnfreezeAccount
from khata.engine import reading
from khata.engine.events import Event
from khata.errors import Invalid, InvalidCursor, NotYours
from khata.errors.market import EscrowNotFound
from khata.testing import VirtualClock
from tests.builders import (
    ADMIN,
    ALICE,
    FINANCE,
    SERVICE,
    SUPPORT,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.escrows import (
    CREATOR,
    DAY,
    HOUSE,
    PARTIES,
    PARTNER,
    THREE,
    a_market,
    amounts,
    fund,
    kept,
    parts,
    refund,
    release,
    to,
    work,
)
from tests.servers import fresh_database, sqlite_at
from tests.store.test_queries_plans import plans_of

ESCROW = "escrow/M1"
WHOLE = [to("partner", PARTNER, "1000.00")]


def history(state):
    return [(step.kind, step.by, step.amount, step.reason) for step in state.history]


def events(book, type_):
    """(whom, about what) of the events of a type."""
    with book.view() as view:
        told = reading.records(view, Event, reading.select(view, Event))
    return [(event.owner, event.subject) for event in told if event.type == type_]


# ── funding ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parties", "shares"),
    [
        (PARTIES, {"platform": "50.00", "creator": "150.00", "partner": "800.00"}),
        ({"partner": PARTNER}, {"platform": "50.00", "partner": "950.00"}),
    ],
)
def test_a_rule_says_who_receives_what(database_url, parties, shares):
    """1000.00 by the built-in rule, with a creator and without."""
    with a_market(database_url) as book:
        made = fund(book, parties=parties)
        assert (made.status, made.rule, made.rule_version) == ("held", "standard", 0)
        assert parts(made) == parts(made, "held") == shares
        assert amounts(book, ALICE, ESCROW) == ["4000.00", "1000.00"]
        assert (made.owner, made.payer, made.payment) == ("alice", ALICE, None)
        assert kept(book) == made
        assert discrepancies(book) == []


def test_a_hold_pays(database_url):
    """What it has left, or a part of it; the rest stays held."""
    with a_market(database_url) as book:
        held = book.submit(holds.PlaceHold(ALICE, bdt("700.00"), reference="R1")).result.id
        made = fund(book, amount="500.00", hold=held)
        assert (made.amount, made.payer) == ("500.00", ALICE)
        assert book.query(holds.hold, held).remaining == "200.00"
        rest = fund(book, "order/M2", amount=None, hold=held)
        assert parts(rest) == {"platform": "10.00", "creator": "30.00", "partner": "160.00"}
        assert book.query(holds.hold, held).status == "captured"
        assert amounts(book, ALICE, ESCROW, "escrow/order/M2") == ["4300.00", "500.00", "200.00"]
        assert refused(book, FundEscrow("M3", hold=held, parties=PARTIES)).code == "hold_not_active"


def test_receivers_can_be_listed(database_url):
    """Wallets by their id or path, house accounts by their code; kept by their path."""
    with a_market(database_url) as book:
        name = book.query(wallets.wallet, PARTNER).id
        receivers = [
            to("tax", "payable/vat", "0.01"),
            to("partner", name, "9.98"),
            to("creator", f"wallet/{CREATOR}", "0.01"),
        ]
        made = fund(book, amount="10.00", receivers=receivers)
        assert [(leg.name, leg.to) for leg in made.legs] == [
            ("tax", "payable/vat"),
            ("partner", PARTNER),
            ("creator", CREATOR),
        ]
        assert (made.rule, made.rule_version) == (None, 0)


R = (THREE[0],)
BAD_FUNDS = [
    ({"ref": "a b"}, "invalid_input"),
    ({"ref": "a/b/c"}, "invalid_input"),
    ({"ref": "x" * 101}, "invalid_input"),
    ({"ref": ""}, "invalid_input"),
    ({"ref": "a\x00"}, "invalid_input"),
    ({"ref": "a\ud800"}, "invalid_input"),
    ({"ref": "M0"}, "already_exists"),
    ({"ref": "order/M9"}, "already_exists"),
    ({"amount": bdt("1000.001")}, "too_many_decimals"),
    ({"amount": bdt("0")}, "invalid_amount"),
    ({"amount": bdt("6000.01"), "receivers": None, "parties": PARTIES}, "insufficient_funds"),
    ({"amount": None}, "invalid_input"),
    ({"amount": bdt("999.99")}, "invalid_input"),
    ({"wallet": None}, "invalid_input"),
    ({"hold": "hld_0400"}, "invalid_input"),
    ({"hold": "hld_0400", "wallet": None}, "hold_not_found"),
    ({"wallet": "nobody/personal/BDT"}, "wallet_not_found"),
    ({"wallet": HOUSE}, "wallet_not_found"),
    ({"source": "nonsense"}, "unknown_source"),
    ({"release_days": 1}, "invalid_input"),
    ({"release_on": "funding", "release_days": -1}, "invalid_input"),
    ({"release_on": "delivery", "release_days": 401}, "invalid_input"),
    ({"receivers": None, "parties": None}, "invalid_input"),
    ({"receivers": None, "parties": {"partner": "nobody/partner/BDT"}}, "wallet_not_found"),
    ({"receivers": [*THREE[:2], to("creator", PARTNER, "800.00")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("", PARTNER, "800.00")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("x" * 61, PARTNER, "800.00")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("rest", "escrow/M1", "800.00")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("rest", "escrow/M0", "800.00")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("rest", "receivable/refunds/lina", "800")]}, "invalid_input"),
    ({"receivers": [*THREE[:2], to("rest", "no code", "800.00")]}, "wallet_not_found"),
    ({"receivers": [*THREE[:2], to("rest", "gone/partner/BDT", "800")]}, "account_closed"),
    ({"receivers": [to(f"l{n}", HOUSE, "1.00") for n in range(1000)]}, "invalid_input"),
]


@pytest.mark.parametrize(("fields", "code"), BAD_FUNDS)
def test_what_makes_no_escrow(markets, fields, code):
    """One clear error, nothing written."""
    wanted = {"ref": "M1", "amount": bdt("1000.00"), "wallet": ALICE, "receivers": THREE, **fields}
    nothing_written(markets, FundEscrow(**wanted), code)


def test_another_currency_makes_no_escrow(markets):
    """Neither a payer's, a receiver's, nor one that does not exist."""
    for currency, code in (("USD", "currency_mismatch"), ("XYZ", "unknown_currency")):
        other = Money("1000.00", currency)
        paid = FundEscrow("M1", other, wallet=ALICE, receivers=THREE)
        nothing_written(markets, paid, code)
        received = [escrow.Receiver("partner", PARTNER, other)]
        nothing_written(markets, FundEscrow("M1", bdt("1000"), ALICE, receivers=received), code)
    dollars = [to("partner", "dora/partner/USD", "1000.00")]
    command = FundEscrow("M1", bdt("1000.00"), ALICE, receivers=dollars)
    nothing_written(markets, command, "currency_mismatch")


def nothing_written(book, command, code, **options):
    """The command is refused with this code, and the book is what it was."""
    before = book.query(reading.head).seq, book.query(ledger.trial_balance)
    assert refused(book, command, **options).code == code
    assert (book.query(reading.head).seq, book.query(ledger.trial_balance)) == before


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def markets(request, tmp_path_factory):
    """One market for all refusals of this file, for they change nothing: `M0` is held there,
    `D0` disputed, `R0` released, `B0` given back, `order/M9` to be paid.
    """
    if request.param == "sqlite":
        url = sqlite_at(tmp_path_factory.mktemp("escrow") / "khata.db")
        with a_market(url, alice="9000.00") as book:
            yield refusing(book)
    else:
        template = request.getfixturevalue("postgres_template")
        with (
            fresh_database(request.getfixturevalue("postgres_url"), template) as url,
            a_market(url, alice="9000.00") as book,
        ):
            yield refusing(book)


def refusing(book):
    book.submit(wallets.OpenWallet("gone", "BDT", "partner"))
    book.submit(ledger.CloseAccount("gone/partner/BDT", "Moved away."))
    book.submit(wallets.OpenWallet("dora", "USD", "partner"))
    book.submit(payments.RegisterPayable("order/M9", "alice", bdt("10.00")))
    for ref in ("M0", "D0", "R0", "B0"):
        fund(book, ref)
    book.submit(DisputeEscrow("D0", "It is broken."), actor=owner("alice"))
    release(book, "R0")
    refund(book, "B0")
    book.submit(setup.Set("four_eyes", {"BDT": "900.00"}))
    return book


# ── releasing ────────────────────────────────────────────────────────────────────────


def test_all_is_released(database_url):
    """Everyone has theirs, nothing is left; who did it and why is kept."""
    with a_market(database_url) as book:
        fund(book)
        done = book.submit(ReleaseEscrow("M1", "Fine."), actor=FINANCE).result
        assert (done.status, done.held) == ("released", "0.00")
        assert parts(done, "received") == parts(done)
        assert amounts(book, HOUSE, CREATOR, PARTNER, ESCROW) == [
            "50.00",
            "150.00",
            "800.00",
            "0.00",
        ]
        assert history(done) == [("released", str(FINANCE), "1000.00", "Fine.")]
        assert history(kept(book)) == [("funded", *history(kept(book))[0][1:]), *history(done)]
        line = book.query(ledger.entry, done.history[0].entries[0])
        assert (line.type, line.reference, line.note) == ("release", "M1", "Fine.")
        assert discrepancies(book) == []


def test_a_part_is_released(database_url):
    """Shared by what each has; then named legs; then the rest."""
    with a_market(database_url) as book:
        fund(book)
        some = release(book, amount="100.00")
        assert some.status == "partly_released"
        assert parts(some, "received") == {
            "platform": "5.00",
            "creator": "15.00",
            "partner": "80.00",
        }
        named = release(book, amount="100.00", legs=["partner"])
        assert parts(named, "held") == {
            "platform": "45.00",
            "creator": "135.00",
            "partner": "620.00",
        }
        release(book, legs=["creator", "platform"])
        assert amounts(book, HOUSE, CREATOR, PARTNER, ESCROW) == [
            "50.00",
            "150.00",
            "180.00",
            "620.00",
        ]
        assert release(book).status == "released"
        assert amounts(book, PARTNER, ESCROW) == ["800.00", "0.00"]
        assert [step.amount for step in kept(book).history] == [
            "1000.00",
            "100.00",
            "100.00",
            "180.00",
            "620.00",
        ]
        assert discrepancies(book) == []


BAD_RELEASES = [
    (ReleaseEscrow("none", "Fine."), "escrow_not_found"),
    (ReleaseEscrow("M0", " "), "invalid_input"),
    (ReleaseEscrow("M0", "x" * 501), "invalid_input"),
    (ReleaseEscrow("M0", "Fine.", bdt("1000.01")), "release_exceeded"),
    (ReleaseEscrow("M0", "Fine.", bdt("50.01"), ["platform"]), "release_exceeded"),
    (ReleaseEscrow("M0", "Fine.", bdt("0.00")), "invalid_amount"),
    (ReleaseEscrow("M0", "Fine.", bdt("0.001")), "too_many_decimals"),
    (ReleaseEscrow("M0", "Fine.", legs=["rider"]), "invalid_input"),
    (ReleaseEscrow("M0", "Fine.", legs=[]), "release_exceeded"),
    (ReleaseEscrow("R0", "Fine."), "release_exceeded"),
    (ReleaseEscrow("B0", "Fine."), "escrow_closed"),
    (ReleaseEscrow("D0", "Fine."), "escrow_disputed"),
    (ConfirmDelivery("none", "Seen."), "escrow_not_found"),
    (ConfirmDelivery("M0", ""), "invalid_input"),
    (ConfirmDelivery("B0", "Seen."), "escrow_closed"),
    (DisputeEscrow("none", "Broken."), "escrow_not_found"),
    (DisputeEscrow("M0", ""), "invalid_input"),
    (DisputeEscrow("D0", "Broken."), "invalid_transition"),
    (DisputeEscrow("R0", "Broken."), "invalid_transition"),
    (DisputeEscrow("B0", "Broken."), "invalid_transition"),
    (SettleDispute("none", "Fine."), "escrow_not_found"),
    (SettleDispute("M0", "Fine."), "invalid_transition"),
    (SettleDispute("D0", "\n"), "invalid_input"),
]


@pytest.mark.parametrize(("command", "code"), BAD_RELEASES)
def test_what_is_not_released(markets, command, code):
    """One clear error, nothing written."""
    nothing_written(markets, command, code)


def test_a_second_person_above_the_limit(markets):
    """Staff need one for more than 900.00, whole or by default; a service and a part do not."""
    for command in (ReleaseEscrow("M0", "Fine."), ReleaseEscrow("M0", "Fine.", bdt("900.01"))):
        nothing_written(markets, command, "approval_required", actor=FINANCE)
    big = FundEscrow("M1", bdt("900.01"), ALICE, parties=PARTIES)
    nothing_written(markets, big, "approval_required", actor=ADMIN)
    for command, who in (
        (ReleaseEscrow("M0", "Fine.", legs=["partner"]), FINANCE),
        (ReleaseEscrow("M0", "Fine.", bdt("900.00")), FINANCE),
        (ReleaseEscrow("M0", "Fine."), SERVICE),
    ):
        markets.submit(command, actor=who, dry_run=True)


@pytest.mark.parametrize(
    ("command", "who", "code"),
    [
        (FundEscrow("M1", bdt("1"), ALICE, parties=PARTIES), owner("alice"), "role_required"),
        (ReleaseEscrow("M0", "Fine."), owner("karim"), "role_required"),
        (ReleaseEscrow("M0", "Fine."), SUPPORT, "role_required"),
        (ConfirmDelivery("M0", "Seen."), owner("karim"), "role_required"),
        (DisputeEscrow("M0", "Broken."), owner("karim"), "not_yours"),
        (DisputeEscrow("none", "Broken."), owner("alice"), "not_yours"),
        (SettleDispute("D0", "Fine."), owner("alice"), "role_required"),
    ],
)
def test_who_may_not(markets, command, who, code):
    """Nobody releases to themselves; nobody learns of what is not theirs."""
    nothing_written(markets, command, code, actor=who)


def test_a_frozen_receiver_keeps_the_others_from_nothing(database_url):
    """A release of all is refused and moves nothing; the others can be named."""
    with a_market(database_url) as book:
        fund(book)
        book.submit(FreezeAccount(PARTNER, "Checks."))
        assert refused(book, ReleaseEscrow("M1", "Fine.")).code == "account_frozen"
        assert amounts(book, ESCROW, HOUSE) == ["1000.00", "0.00"]
        release(book, legs=["platform", "creator"])
        assert amounts(book, ESCROW, CREATOR) == ["800.00", "150.00"]


# ── by the clock ─────────────────────────────────────────────────────────────────────


def runs(book):
    found = book.query(sagas.sagas, name="escrow_release").items
    return [run.status for run in found]


def test_released_days_after_funding(database_url):
    """To the second, by the saga; its reason says so."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="funding", release_days=3)
        work(book, clock)
        work(book, clock, 3 * DAY - 1)
        assert kept(book).status == "held"
        work(book, clock, 1)
        done = kept(book)
        assert (done.status, runs(book)) == ("released", ["completed"])
        assert history(done)[-1][0:1] + history(done)[-1][2:] == (
            "released",
            "1000.00",
            "3 days after it was funded.",
        )
        assert amounts(book, PARTNER, ESCROW) == ["800.00", "0.00"]
        assert discrepancies(book) == []


@pytest.mark.parametrize(("days", "why"), [(0, "It was delivered."), (1, "1 day after it was")])
def test_released_days_after_delivery(database_url, days, why):
    """The days count from when it arrived, said once or twice."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="delivery", release_days=days)
        work(book, clock, 20 * DAY)
        assert kept(book).status == "held"
        for reason in ("Signed for.", "Signed for again."):
            book.submit(ConfirmDelivery("M1", reason), actor=SUPPORT)
        work(book, clock, max(days * DAY - 1, 0))
        assert kept(book).status == ("held" if days else "released")
        work(book, clock, 1)
        done = kept(book)
        assert done.status == "released"
        assert done.history[-1].reason.startswith(why)
        assert [step.reason for step in done.history if step.kind == "delivered"] == ["Signed for."]


def test_not_while_it_is_disputed(database_url):
    """The days pass, nothing happens; settled, it is released at once."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="funding", release_days=2)
        work(book, clock, DAY)
        book.submit(DisputeEscrow("M1", "Not what I ordered."), actor=owner("alice"))
        work(book, clock, 5 * DAY)
        assert (kept(book).status, kept(book).dispute) == ("held", "Not what I ordered.")
        assert refused(book, ReleaseEscrow("M1", "Fine.")).code == "escrow_disputed"
        book.submit(SettleDispute("M1", "They agreed."), actor=SUPPORT)
        work(book, clock)
        done = kept(book)
        assert (done.status, done.dispute, runs(book)) == ("released", None, ["completed"])
        assert [step.kind for step in done.history] == ["funded", "disputed", "settled", "released"]
        assert [step.by for step in done.history][1:3] == ["owner:alice", str(SUPPORT)]


def test_a_dispute_while_a_receiver_is_frozen(database_url):
    """The saga tries again after both are over; it never gives the money up."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="funding")
        book.submit(FreezeAccount(PARTNER, "Checks."))
        work(book, clock, DAY)
        book.submit(DisputeEscrow("M1", "Broken."))
        book.submit(UnfreezeAccount(PARTNER, "Fine."))
        work(book, clock, DAY)
        work(book, clock, DAY)
        assert kept(book).status == "held"
        book.submit(SettleDispute("M1", "They agreed."))
        work(book, clock, DAY)
        assert (kept(book).status, runs(book)) == ("released", ["completed"])


@pytest.mark.parametrize("how", ["released", "refunded"])
def test_by_hand_before_its_time(database_url, how):
    """The saga finds nothing left to do, and ends."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="delivery", release_days=2)
        (release if how == "released" else refund)(book)
        work(book, clock)
        work(book, clock, 3 * DAY)
        assert (kept(book).status, runs(book)) == (how, ["completed"])
        assert discrepancies(book) == []


def test_what_is_left_by_hand_is_released_in_time(database_url):
    """A part was released, a part refunded: the rest follows."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        fund(book, release_on="funding", release_days=1)
        release(book, amount="300.00")
        refund(book, amount="200.00")
        work(book, clock, DAY)
        done = kept(book)
        assert (done.status, done.held, done.refunded) == ("released", "0.00", "200.00")
        assert parts(done, "received") == {
            "platform": "40.00",
            "creator": "120.00",
            "partner": "640.00",
        }
        assert discrepancies(book) == []


# ── seeing ───────────────────────────────────────────────────────────────────────────


def test_who_sees_it(database_url):
    """Who paid and who receives; the list is for who paid. Nobody else learns anything."""
    with a_market(database_url) as book:
        fund(book)
        for name in ("alice", "karim", "lina"):
            with book.view(owner(name)) as view:
                assert escrow.escrow(view, "M1").ref == "M1"
        for name, ref in (("rafi", "M1"), ("revenue", "M1"), ("alice", "none")):
            with book.view(owner(name)) as view, pytest.raises(NotYours):
                escrow.escrow(view, ref)
        with book.view(owner("karim")) as view:
            assert escrow.escrows(view).items == []
            with pytest.raises(NotYours):
                escrow.escrows(view, owner="alice")
        with book.view() as view, pytest.raises(EscrowNotFound):
            escrow.escrow(view, "a\x00")


def test_escrows_page_by_page(database_url):
    """Newest first, filtered by who paid and by status."""
    with a_market(database_url) as book:
        book.submit(wallets.OpenWallet("bob", "BDT"))
        book.submit(wallets.Credit("bob/personal/BDT", bdt("10.00")))
        for n in range(5):
            fund(book, f"M{n}", "10.00")
        fund(book, "B1", "10.00", wallet="bob/personal/BDT")
        release(book, "M3")
        with book.view() as view:
            first = escrow.escrows(view, owner="alice", limit=3)
            rest = escrow.escrows(view, owner="alice", limit=3, cursor=first.next)
            assert [item.ref for item in first.items + rest.items] == ["M4", "M3", "M2", "M1", "M0"]
            assert rest.next is None
            assert [item.ref for item in escrow.escrows(view, status="released").items] == ["M3"]
            assert len(escrow.escrows(view).items) == 6
            for bad in ({"limit": 0}, {"cursor": "nonsense"}, {"status": "a\x00"}):
                with pytest.raises((Invalid, InvalidCursor)):
                    escrow.escrows(view, **bad)


def test_lists_are_served_by_indexes(database_url):
    """Whatever is asked for: no list walks every escrow, or sorts them."""
    with a_market(database_url) as book:
        fund(book)
        for asked in ({}, {"owner": "alice"}, {"status": "held"}):
            plans = plans_of(book, lambda view, asked=asked: escrow.escrows(view, **asked))
            for plan in plans:
                walked = plan.upper().replace("INDEX SCAN", "").replace("BITMAP HEAP SCAN", "")
                assert ("SCAN" in walked, "TEMP B-TREE FOR ORDER BY" in plan) == (False, False), (
                    plan
                )


def test_who_has_a_part_in_it_is_told(database_url):
    """Who paid that it is in escrow, who receives that it is theirs, and all of all else."""
    with a_market(database_url) as book:
        fund(book)
        book.submit(DisputeEscrow("M1", "Broken."), actor=owner("alice"))
        book.submit(SettleDispute("M1", "They agreed."))
        book.submit(ConfirmDelivery("M1", "Seen."))
        release(book, amount="100.00")
        refund(book)
        all_of_them = ("alice", "lina", "karim")
        concerned = {"funded": all_of_them[:1], "released": all_of_them[1:]}
        for kind in ("funded", "disputed", "settled", "delivered", "released", "refunded"):
            told = [(name, "M1") for name in concerned.get(kind, all_of_them)]
            assert events(book, f"escrow.{kind}") == told


def test_a_history_has_an_end_and_the_money_has_not(tmp_path):
    """After very many partial moves no more of those; all that is left can always go."""
    with a_market(sqlite_at(tmp_path / "khata.db")) as book:
        fund(book, amount="10.00")
        book.submit_many([ReleaseEscrow("M1", "Bit by bit.", bdt("0.01"))] * 399)
        one_more = ReleaseEscrow("M1", "Bit by bit.", bdt("0.01"))
        assert refused(book, one_more).code == "invalid_input"
        assert refused(book, DisputeEscrow("M1", "Broken.")).code == "invalid_input"
        assert release(book).held == "0.00"
        assert refund(book).status == "refunded"
        assert amounts(book, ALICE, ESCROW) == ["5000.00", "0.00"]
