"""Whatever is paid, released, given back, frozen and spent in whatever order: the sums agree."""

import random
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.money import to_text
from khata.domain import debts, payments
from khata.domain.commissions import DefineRule, Part, Tax
from khata.domain.escrow import (
    ConfirmDelivery,
    DisputeEscrow,
    Escrow,
    FundEscrow,
    RefundEscrow,
    ReleaseEscrow,
    SettleDispute,
)
from khata.domain.holds import PlaceHold
from khata.domain.ledger import FreezeAccount, UnfreezeAccount
from khata.domain.wallets import Debit
from khata.engine.accounts import Account
from khata.engine.reading import records, select
from khata.engine.replay import replay
from khata.errors import Conflict, NotFound, Refused
from khata.testing import VirtualClock
from tests.builders import ALICE, bdt, discrepancies
from tests.conftest import examples
from tests.escrows import (
    CREATOR,
    DAY,
    HOUSE,
    PARTNER,
    RIDER,
    BeginPaid,
    a_market,
    a_provider,
    to,
    work,
)

RECEIVERS = (HOUSE, "payable/vat", PARTNER, CREATOR, RIDER, PARTNER)
WALLETS = (PARTNER, CREATOR, RIDER)
WHEN = (("request", 0), ("funding", 0), ("funding", 2), ("delivery", 1))
HOW = ("wallet", "hold", "rule", "paid", "paid", "provider", "provider")
PARTS = (0, 1, 7, 33, 50, 99, 100, 101)
LEAST = 1000  # the provider takes no less
POLICIES = ("pro_rata", "platform_first", "keep_fee", "named")

SHARES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 90_000), st.booleans()), min_size=1, max_size=5
)
TERMS = st.tuples(
    st.sampled_from(WHEN),
    st.sampled_from(HOW),
    st.integers(0, 40),
)
AT, CHOSEN = st.integers(0, 3), st.integers(0, 63)
PART = st.sampled_from(PARTS)
RELEASE = st.tuples(st.just("release"), AT, PART, CHOSEN)
REFUND = st.tuples(
    st.just("refund"),
    AT,
    st.sampled_from(POLICIES),
    PART,
    CHOSEN,
    st.sampled_from(("refuse", "owe")),
    st.sampled_from((None, None, "succeeded", "failed")),
)
OTHERS = st.one_of(
    st.tuples(st.just("fund"), SHARES, TERMS),
    st.tuples(st.just("freeze"), st.sampled_from(WALLETS)),
    st.tuples(st.just("dispute"), AT),
    st.tuples(st.just("deliver"), AT),
)
SPEND = st.tuples(st.just("spend"), PART)
WAIT = st.tuples(st.just("wait"), st.integers(0, 3))
MOVE = st.one_of(RELEASE, REFUND, SPEND, OTHERS, WAIT)
HISTORIES = st.tuples(SHARES, TERMS, st.lists(MOVE, min_size=3, max_size=16))
"""What is paid first, and what then happens. A `PART` is in percent of what there is; 0: all."""


def some(minor, part):
    """So many percent of an amount; None is all of it."""
    return bdt(to_text(max(minor * part // 100, 1), 2)) if part else None


class Player:
    """Carries moves out; what is refused is refused, whatever the reason, but for a fault."""

    def __init__(self, book, clock):
        self.book = book
        self.clock = clock
        self.paid = {}
        self.refs = (f"order/M{n}" for n in count())
        self.frozen = set()

    def ask(self, command):
        """The answer, or None when it is refused. A fault is no refusal."""
        try:
            return self.book.submit(command).result
        except (Refused, NotFound, Conflict):
            return None

    def ref(self, at):
        names = list(self.paid)
        return names[at % len(names)] if names else "none"

    # ── moves ────────────────────────────────────────────────────────────────────────

    def fund(self, shares, terms):
        (on, days), by, support = terms
        if by == "rule":
            return self.fund_by_rule(sum(minor for _, minor, _ in shares), on, days)
        legs = [
            to(f"l{n}", RECEIVERS[at], to_text(minor, 2)) for n, (at, minor, _) in enumerate(shares)
        ]
        total = sum(minor for _, minor, _ in shares)
        ref = next(self.refs)
        if by in {"paid", "provider"}:
            extra = [leg.name for leg, (_, _, more) in zip(legs, shares, strict=True) if more]
            given_ = total * support // 100
            if total - given_ < LEAST:
                by = "paid"
            return self.begin(ref, legs, extra, total - given_, given_, by, on, days)
        amount = bdt(to_text(total, 2))
        options = {"receivers": legs, "release_on": on, "release_days": days}
        if by == "hold":
            held = self.ask(PlaceHold(ALICE, amount))
            made = held and self.ask(FundEscrow(ref, hold=held.id, **options))
        else:
            made = self.ask(FundEscrow(ref, amount, ALICE, **options))
        return self.note(ref, made, total)

    def fund_by_rule(self, total, on, days):
        ref = next(self.refs)
        command = FundEscrow(
            ref,
            bdt(to_text(total, 2)),
            ALICE,
            parties={"partner": PARTNER, "creator": CREATOR},
            category="food",
            release_on=on,
            release_days=days,
        )
        return self.note(ref, self.ask(command), total)

    def begin(self, ref, legs, extra, due, given_, by, on, days):
        amount = bdt(to_text(due, 2))
        self.ask(payments.RegisterPayable(ref, "alice", amount, country="BD"))
        if by == "provider":
            self.ask(payments.Initiate(ref, way="card", token="tok_ok"))
            work(self.book, self.clock)
        else:
            self.ask(payments.Initiate(ref, ALICE, "wallet"))
        campaign = bdt(to_text(given_, 2)) if given_ else None
        self.note(ref, self.ask(BeginPaid(ref, legs, extra, campaign, on, days)), due)

    def note(self, ref, made, total):
        if made:
            self.paid[ref] = total

    def release(self, at, part, chosen):
        escrow = self.escrow(self.ref(at))
        if escrow is None:
            return
        names = self.chosen(escrow, chosen) or None
        there = sum(leg.held for leg in escrow.legs if names is None or leg.name in names)
        self.ask(ReleaseEscrow(escrow.ref, "Fine.", some(there, part), names))

    def refund(self, at, policy, part, chosen, frozen, ends):
        escrow = self.escrow(self.ref(at))
        if escrow is None:
            return
        amount, named = some(escrow.paid - escrow.refunded, part), None
        if policy == "named":
            names = self.chosen(escrow, chosen)
            amounts = {leg.name: some(leg.left, part or 100) for leg in escrow.legs}
            amount, named = None, {name: amounts[name] for name in names if amounts[name]}
        self.ask(RefundEscrow(escrow.ref, "Broken.", amount, policy, named, frozen))
        if ends is not None:
            work(self.book, self.clock, provider=a_provider(refund=ends))

    def chosen(self, escrow, bits):
        return [leg.name for n, leg in enumerate(escrow.legs) if bits >> n & 1]

    def spend(self, part):
        """Whoever has received something spends some of it."""
        for wallet in WALLETS:
            minor = -self.accounts()[f"wallet/{wallet}"].balance
            if minor:
                self.ask(Debit(wallet, some(minor, part or 100)))

    def freeze(self, wallet):
        if wallet in self.frozen:
            self.ask(UnfreezeAccount(wallet, "Fine."))
        else:
            self.ask(FreezeAccount(wallet, "Checks."))
        self.frozen ^= {wallet}

    def dispute(self, at):
        if self.ask(DisputeEscrow(self.ref(at), "Broken.")) is None:
            self.ask(SettleDispute(self.ref(at), "They agreed."))

    def deliver(self, at):
        self.ask(ConfirmDelivery(self.ref(at), "Seen."))

    def wait(self, days):
        work(self.book, self.clock, days * DAY)

    # ── what must hold ───────────────────────────────────────────────────────────────

    def escrow(self, ref):
        with self.book.view() as view:
            found = {item.ref: item for item in records(view, Escrow, select(view, Escrow))}
        return found.get(ref)

    def accounts(self):
        with self.book.view() as view:
            return {item.code: item for item in records(view, Account, select(view, Account))}

    def check(self, *, settled):
        """`settled`: no refund is on its way, so nothing is between an escrow and its payment."""
        accounts = self.accounts()
        for ref, paid in self.paid.items():
            escrow = self.escrow(ref)
            caps(escrow, paid)
            if settled:
                held = sum(leg.held for leg in escrow.legs)
                assert -accounts[escrow.account].balance == held
        assert self.book.query(debts.unexplained) == []


def caps(escrow, paid):
    """Nobody gives more than they had, the payer gets no more than was paid."""
    assert (escrow.paid, sum(leg.share for leg in escrow.legs)) == (paid, escrow.amount)
    for leg in escrow.legs:
        assert 0 <= leg.returned <= leg.received
        assert leg.waived >= 0
        assert leg.received + leg.waived <= leg.share
    assert 0 <= escrow.refunded <= escrow.paid
    for giver in escrow.givers:
        assert 0 <= giver.returned <= giver.amount
    gave = sum(leg.waived + leg.returned for leg in escrow.legs)
    assert gave == escrow.refunded + sum(giver.returned for giver in escrow.givers)
    if escrow.refunded == escrow.paid:
        assert [giver.returned for giver in escrow.givers] == [
            giver.amount for giver in escrow.givers
        ]


FOOD = DefineRule(
    "food",
    [
        Part("house", HOUSE, points=733, tax=Tax(1500)),
        Part("creator", "creator", points=1250),
        Part("partner", "partner", rest=True),
    ],
    category="food",
)


def test_the_sums_agree_whatever_happens(database_url):
    """After every history: caps, balances, debts and hashes; and the journal runs again."""
    numbers = count()

    @examples(25 if database_url.startswith("sqlite") else 10)
    @given(HISTORIES)
    def agree(history):
        agrees(database_url, next(numbers), *history)

    agree()


def test_a_long_history_agrees(database_url, seed):
    """Many escrows side by side: debts that are netted, refunds that fail, receivers who froze."""
    chance = random.Random(seed)
    seen = agrees(database_url, 0, a_few(chance), some_terms(chance), long_history(chance, 250))
    assert {"netted", "refunded", "released", "disputed", "settled", "delivered"} <= seen


def agrees(url, number, shares, terms, moves):
    """The kinds of what happened, if all agrees."""
    clock = VirtualClock()
    with a_market(url, f"b{number}", clock=clock, alice="90000.00") as book:
        book.submit(FOOD)
        player = Player(book, clock)
        player.fund(shares, terms)
        for move in moves:
            getattr(player, move[0])(*move[1:])
        player.check(settled=False)
        work(book, clock)
        player.check(settled=True)
        assert discrepancies(book) == []
        if number % 5 == 0:
            with Khata.open(url, f"copy-{number}", clock=clock) as copy:
                replay(book, copy)
        return {step.kind for ref in player.paid for step in player.escrow(ref).steps}


def a_few(chance):
    """As `SHARES` draws them."""
    return [
        (chance.randrange(6), chance.randint(1, 90_000), chance.random() < 0.3)
        for _ in range(chance.randint(1, 5))
    ]


def some_terms(chance):
    """As `TERMS` draws them."""
    return chance.choice(WHEN), chance.choice(HOW), chance.randrange(40)


def long_history(chance, length):
    """As `MOVE` draws them, with more of what goes deep."""
    at, chosen = lambda: chance.randrange(12), lambda: chance.choice((0, chance.randrange(1, 64)))
    draw = {
        "fund": lambda: (a_few(chance), some_terms(chance)),
        "release": lambda: (at(), chance.choice(PARTS), chosen()),
        "refund": lambda: (
            at(),
            chance.choice(POLICIES),
            chance.choice(PARTS),
            chosen(),
            chance.choice(("refuse", "owe")),
            chance.choice((None, "succeeded", "failed")),
        ),
        "spend": lambda: (chance.choice(PARTS),),
        "freeze": lambda: (chance.choice(WALLETS),),
        "dispute": lambda: (at(),),
        "deliver": lambda: (at(),),
        "wait": lambda: (chance.randrange(2),),
    }
    weights = (3, 6, 8, 4, 1, 2, 1, 1)
    for name in chance.choices(list(draw), weights, k=length):
        yield (name, *draw[name]())
