"""Whatever becomes of sales, in whatever order and whatever fails: all of it adds up."""

import random
from collections import Counter
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.money import to_text
from khata.domain import (
    benefits,
    debts,
    escrow,
    ledger,
    payments,
    proofs,
    sagas,
    wallets,
)
from khata.domain.commissions import DefineRule, Part, Tax
from khata.domain.escrow import Escrow
from khata.domain.marketplace import (
    AssignRider,
    CancelSale,
    DeliverSale,
    PaySale,
    PlaceSale,
    RefundSale,
    Sale,
)
from khata.domain.payments import Payment
from khata.engine.accounts import Account
from khata.engine.reading import records, select
from khata.engine.replay import replay
from khata.errors import Conflict, NotFound, Refused
from tests.builders import ADMIN, bdt
from tests.conftest import examples
from tests.payers import said
from tests.sellers import (
    CREATOR,
    CUSTOMER,
    DAY,
    HOUSE,
    PARTNER,
    RIDER,
    a_market,
    database_of_markets,  # noqa: F401 - a fixture
)

WALLETS = (PARTNER, CREATOR, RIDER)
CODES = ("TEN", "FLAT", "SHOP")
POLICIES = ("pro_rata", "platform_first", "keep_fee", "named")
WAYS = ("wallet", "provider", "mixed")
WHEN = (("delivery", 0), ("delivery", 0), ("delivery", 2), ("funding", 1), ("request", 0))
PARTS = (0, 1, 7, 33, 50, 99, 100)
ASSETS, OTHERS = {"asset", "expense"}, {"liability", "equity", "revenue"}

AT, PART, CHOSEN = st.integers(0, 3), st.sampled_from(PARTS), st.integers(1, 31)
FAULT = st.sampled_from((None, None, "customer", "partner", "rider"))
PLACE = st.tuples(
    st.just("place"),
    st.integers(1, 99_999),
    st.sampled_from((0, 1, 6_000, 4_321)),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(CODES), max_size=3).map(sorted),
    st.sampled_from(WHEN),
    st.sampled_from((None, *WAYS)),
)
MOVE = st.one_of(
    PLACE,
    st.tuples(st.just("pay"), AT, st.sampled_from(WAYS)),
    st.tuples(st.just("bring"), AT, st.booleans()),
    st.tuples(st.just("bring"), AT, st.booleans()),
    st.tuples(st.just("cancel"), AT, FAULT),
    st.tuples(st.just("refund"), AT, st.sampled_from(POLICIES), PART, CHOSEN, st.booleans()),
    st.tuples(st.just("refund"), AT, st.sampled_from(POLICIES), PART, CHOSEN, st.booleans()),
    st.tuples(st.just("decline"), st.sampled_from(("charge", "refund"))),
    st.tuples(st.just("beside"), AT, PART),
    st.tuples(st.just("fail"), AT),
    st.tuples(st.just("dispute"), AT),
    st.tuples(st.just("freeze"), st.sampled_from(WALLETS)),
    st.tuples(st.just("spend"), PART),
    st.tuples(st.just("wait"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.just(0)),
)
HISTORY = st.tuples(PLACE, st.lists(MOVE, min_size=3, max_size=18))

RULE = DefineRule(
    "food",
    [
        Part("house", HOUSE, points=733, least={"BDT": "0.05"}, tax=Tax(1500)),
        Part("creator", "creator", points=1250, if_present=True),
        Part("partner", "partner", rest=True),
    ],
    category="food",
)
CAMPAIGNS = (
    benefits.CreateCampaign("TEN", "Ten", "BDT", points=1033, stacks="with_others",
                            budget=bdt("500.00")),
    benefits.CreateCampaign("FLAT", "Flat", "BDT", amount=bdt("33.33"), stacks="with_others"),
    benefits.CreateCampaign("SHOP", "Shop", "BDT", points=777, payer="partner",
                            stacks="with_others"),
)  # fmt: skip


class Player:
    """Carries moves out; what is refused is refused, whatever the reason, but for a fault."""

    def __init__(self, market):
        self.market = market
        self.book = market.book
        self.refs = []
        self.frozen = set()
        self.declined = 0
        self.is_late = self.is_beside = False
        self.done = Counter()
        for command in (RULE, *CAMPAIGNS):
            self.book.submit(command, actor=ADMIN)

    def ask(self, command):
        """The answer, or None when it is refused; either way the books are in order."""
        try:
            made = self.book.submit(command).result
        except (Refused, NotFound, Conflict):
            return None
        self.done[type(command).__name__] += 1
        self.check()
        return made

    def ref(self, at):
        return self.refs[at % len(self.refs)] if self.refs else "none"

    # ── moves ────────────────────────────────────────────────────────────────────────

    def place(self, price, fee, has_creator, is_food, codes, when, way):
        ref = f"M{len(self.refs)}"
        on, days = when
        fields = {
            "creator": "mitu" if has_creator else None,
            "delivery_fee": bdt(to_text(fee, 2)) if fee else None,
            "category": "food" if is_food else None,
            "codes": list(codes) or None,
            "wallet": CUSTOMER if way == "wallet" else None,
        }
        command = PlaceSale(
            ref,
            "alice",
            "karim",
            bdt(to_text(price, 2)),
            country="BD",
            release_on=on,
            release_days=days,
            **fields,
        )
        if self.ask(command):
            self.refs.append(ref)
            if way in {"provider", "mixed"}:
                self.pay(len(self.refs) - 1, way)

    def pay(self, at, way):
        ref = self.ref(at)
        if way == "provider":
            self.ask(PaySale(ref, way="card", token="tok"))
        elif way == "wallet":
            self.ask(PaySale(ref, "wallet", CUSTOMER))
        else:
            begun = self.ask(PaySale(ref, "mixed", CUSTOMER, bdt("0.01")))
            if begun:
                rest = bdt(to_text(cents(begun.amount) - 1, 2))
                self.ask(payments.ConfirmTransfer(begun.id, rest, "Slip."))
        self.wait(0)

    def bring(self, at, late):
        self.ask(AssignRider(self.ref(at), "rahim"))
        self.ask(DeliverSale(self.ref(at), late))

    def cancel(self, at, fault):
        self.ask(CancelSale(self.ref(at), "Not wanted.", fault))

    def refund(self, at, policy, part, chosen, owe):
        kept = self.records(Escrow).get(f"order/{self.ref(at)}")
        if kept is None:
            return
        amount, named = some(kept.paid - kept.refunded, part), None
        if policy == "named":
            legs = [leg for n, leg in enumerate(kept.legs) if chosen >> n & 1 and leg.left]
            amount, named = None, {leg.name: some(leg.left, part or 100) for leg in legs}
        frozen = "owe" if owe else "refuse"
        self.ask(RefundSale(self.ref(at), "Broken.", amount, policy, named, frozen))

    def beside(self, at, part):
        """Somebody refunds the payment itself, past the sale."""
        sale = self.records(Sale).get(self.ref(at))
        if sale is not None and sale.payment is not None:
            payment = self.records(Payment)[sale.payment]
            amount = some(payment.amount - payment.refunded, part)
            self.is_beside = True
            self.ask(payments.RefundPayment(payment.id, "By mistake.", amount))

    def fail(self, at):
        """The provider tells that a refund which had succeeded came to nothing after all."""
        sale = self.records(Sale).get(self.ref(at))
        for refund in self.records(payments.Refund).values():
            if sale is not None and refund.payment == sale.payment and refund.refund_key:
                name = refund.refund_key.partition("/")[2]
                event = said("refund.failed", object=name, reference=refund.id)
                self.is_late = True
                self.ask(payments.Tell(event))

    def decline(self, what):
        self.market.provider.script(what, "declined")
        self.declined += what == "refund"

    def dispute(self, at):
        name = f"order/{self.ref(at)}"
        if self.ask(escrow.DisputeEscrow(name, "Broken.")) is None:
            self.ask(escrow.SettleDispute(name, "They agreed."))

    def freeze(self, wallet):
        verb = ledger.UnfreezeAccount if wallet in self.frozen else ledger.FreezeAccount
        self.ask(verb(wallet, "Checks."))
        self.frozen ^= {wallet}

    def spend(self, part):
        for wallet in WALLETS:
            there = -self.accounts()[f"wallet/{wallet}"].balance
            if there:
                self.ask(wallets.Debit(wallet, some(there, part or 100)))

    def wait(self, days):
        self.market.work(days * DAY)
        self.check()

    # ── what must hold ───────────────────────────────────────────────────────────────

    def records(self, cls):
        with self.book.view() as view:
            key = cls.TABLE.key[0]
            return {getattr(item, key): item for item in records(view, cls, select(view, cls))}

    def accounts(self):
        with self.book.view() as view:
            return {item.code: item for item in records(view, Account, select(view, Account))}

    def waiting(self, name):
        runs = self.book.query(sagas.sagas, name=name, limit=1000).items
        return [run for run in runs if run.status not in {"completed", "compensated"}]

    def check(self):
        """After every command."""
        accounts, sales = self.accounts(), self.records(Sale)
        left = sum(it.natural for it in accounts.values() if it.kind in ASSETS)
        assert left == sum(it.natural for it in accounts.values() if it.kind in OTHERS)
        for kept in self.records(Escrow).values():
            caps(kept, sales[kept.ref.removeprefix("order/")])
            held = sum(leg.held for leg in kept.legs)
            assert accounts[kept.account].natural == held

    def check_end(self):
        """When all that was under way has come to its end."""
        for wallet in sorted(self.frozen):
            self.freeze(wallet)
        self.wait(0)
        for kept in self.records(Escrow).values():
            if kept.dispute is not None:
                self.ask(escrow.SettleDispute(kept.ref, "Over."))
        self.market.work(30 * DAY)
        self.check()
        assert self.book.query(debts.unexplained) == []
        report = self.book.verify()
        assert report.ok, report.discrepancies
        assert self.waiting("refund") == []
        for status in ("stuck", "compensation_stuck"):
            assert self.book.query(sagas.sagas, status=status).items == []
        sales, kepts = self.records(Sale), self.records(Escrow)
        for sale in sales.values():
            self.check_sale(sale, kepts.get(f"order/{sale.ref}"))
        self.check_campaigns(sales.values(), kepts)

    def check_sale(self, sale, kept):
        """The trace has every leg: what the customer gave, by wallet and otherwise, is what is to
        be paid less what went back; what is held is on the escrow's account.
        """
        if kept is None:
            return
        traced = self.book.query(proofs.trace, sale.ref)
        nets = {effect.account: cents(effect.net) for effect in traced.effects}
        theirs = [code for code in nets if code.startswith((f"wallet/{CUSTOMER}", "cash", "bank"))]
        assert traced.adds_up
        assert nets[kept.account] == sum(leg.held for leg in kept.legs)
        refunded = self.records(Payment)[sale.payment].refunded
        assert -sum(nets[code] for code in theirs) == sale.due - refunded >= 0
        # who refunds past the sale may give back a fee that its rider keeps: the house bears that
        assert refunded == kept.refunded or (self.is_beside and refunded > kept.refunded)
        if sale.status == "completed" or (sale.status == "delivered" and sale.on != "request"):
            assert not any(leg.held for leg in kept.legs)

    def check_campaigns(self, sales, kepts):
        """What campaigns have spent is what the house has paid for them, and what partners and
        sales that are not paid yet have been promised.
        """
        accounts = self.accounts()
        for code in CODES:
            found = self.book.query(benefits.campaign, code)
            promised = sum(
                part.amount
                for sale in sales
                for part in sale.granted
                if part.campaign == code
                and f"order/{sale.ref}" not in kepts
                and sale.status != "cancelled"
            )
            if found.account is not None and not self.is_late:
                booked = accounts[found.account].natural if found.account in accounts else 0
                # refunds that fail while others are under way may leave a minor unit for the next
                assert abs(cents(found.spent) - booked - promised) <= self.declined


def caps(kept, sale):
    """Shares add up to what came in, nobody gives more than they had, nobody gets more."""
    assert kept.paid == sale.due
    assert sum(leg.share for leg in kept.legs) == kept.amount
    given_ = sum(part.amount for part in sale.granted)
    assert kept.paid + given_ == sale.price + sale.delivery_fee
    for leg in kept.legs:
        assert 0 <= leg.returned <= leg.received
        assert leg.waived >= 0
        assert leg.received + leg.waived <= leg.share
        assert not (leg.extra and leg.received and sale.delivered_at is None)
    assert 0 <= kept.refunded <= kept.paid
    gave = sum(leg.waived + leg.returned for leg in kept.legs)
    assert gave == kept.refunded + sum(giver.returned for giver in kept.givers)


def some(minor, part):
    """So many percent of an amount; None is all of it."""
    return bdt(to_text(max(minor * part // 100, 1), 2)) if part else None


def cents(text):
    return int(text.replace(".", ""))


def adds_up(url, number, history):
    """What was done, if all of it adds up."""
    with a_market(url, alice="90000.00") as market:
        player = Player(market)
        for move in history:
            getattr(player, move[0])(*move[1:])
        player.check_end()
        if number % 5 == 0:
            copied = f"{market.book.book}-copy"
            with Khata.open(url, copied, clock=market.clock) as copy:
                assert replay(market.book, copy).hash.hex() == market.book.verify().head
        return player.done


def test_sales_add_up_whatever_happens(market_url):
    """After every command of every history."""
    numbers = count()

    @examples(20 if market_url.startswith("sqlite") else 6)
    @given(HISTORY)
    def holds(history):
        first, moves = history
        adds_up(market_url, next(numbers), [first, *moves])

    holds()


def test_a_long_history_of_sales_adds_up(market_url, seed):
    """Many sales side by side, and everything that people do with them done at least once."""
    done = adds_up(market_url, 1, long_history(random.Random(seed), 120))
    wanted = ("PlaceSale", "PaySale", "AssignRider", "DeliverSale", "CancelSale", "RefundSale")
    assert [name for name in wanted if not done[name]] == []


def long_history(chance, length):
    """As `MOVE` draws them, with more of what goes deep."""
    at = lambda: chance.randrange(12)  # noqa: E731 - one line each, side by side
    draw = {
        "place": lambda: (
            chance.randint(1, 99_999),
            chance.choice((0, 1, 6_000)),
            chance.random() < 0.5,
            chance.random() < 0.3,
            chance.sample(CODES, chance.randrange(3)),
            chance.choice(WHEN),
            chance.choice(WAYS),
        ),
        "bring": lambda: (at(), chance.random() < 0.2),
        "cancel": lambda: (at(), chance.choice((None, "customer", "rider"))),
        "refund": lambda: (
            at(),
            chance.choice(POLICIES),
            chance.choice(PARTS),
            chance.randint(1, 31),
            chance.random() < 0.5,
        ),
        "decline": lambda: (chance.choice(("charge", "refund")),),
        "beside": lambda: (at(), chance.choice(PARTS)),
        "fail": lambda: (at(),),
        "dispute": lambda: (at(),),
        "freeze": lambda: (chance.choice(WALLETS),),
        "spend": lambda: (chance.choice(PARTS),),
        "wait": lambda: (chance.randrange(2),),
    }
    weights = (6, 6, 4, 8, 2, 1, 1, 2, 1, 2, 2)
    for name in chance.choices(list(draw), weights, k=length):
        yield (name, *draw[name]())
