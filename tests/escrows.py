"""What tests of escrows are made of: a market with its wallets, an escrow, what it shows.

`BeginPaid` is a command more, as rooms have that keep in escrow what a payment brought.
"""

from contextlib import contextmanager

import pytest

from khata import Khata, Money, app
from khata.domain import debts, escrow, ledger, payments, setup, wallets
from khata.domain.escrow import (
    EscrowState,
    FundEscrow,
    Giver,
    Leg,
    On,
    Receiver,
    RefundEscrow,
    ReleaseEscrow,
    Terms,
)
from khata.domain.ledger import enter, house_account
from khata.domain.setup import source_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.builders import ALICE, bdt
from tests.payers import SANDBOX

PARTNER, CREATOR, RIDER = "karim/partner/BDT", "lina/creator/BDT", "rafi/rider/BDT"
HOUSE = "revenue/commission"
PARTIES = {"partner": PARTNER, "creator": CREATOR}
DAY = 86_400
CAMPAIGN = "expense/surprise_coupon"
MORE = Verbs()


class BeginPaid(Command, frozen=True, tag="tests.begin_paid"):
    """What was paid for `subject` is kept in escrow, with what a campaign adds.

    `extra`: names of legs that come on top. A receiver `?` is not known yet.
    """

    subject: str
    receivers: list[Receiver]
    extra: list[str]
    campaign: Money | None
    release_on: On
    release_days: int


@MORE.handles(BeginPaid, roles=("service",))
def begin_paid(book: Book, command: BeginPaid) -> EscrowState:
    """As the marketplace does for its sales."""
    payable = book.get(payments.Payable, command.subject)
    payment = book.get(payments.Payment, payable.paid_by)
    account = house_account(book, payable.escrow, payable.unit)
    givers, entries = [], list(payment.entries)
    if command.campaign is not None:
        house = house_account(book, CAMPAIGN, payable.unit)
        minor = ledger.minor_of(book, house, command.campaign)
        legs = ((house.id, minor), (account.id, -minor))
        source = source_of(book, "order")
        entries.append(enter(book, legs, type="benefit", source=source, metered=False).id)
        givers = [Giver(CAMPAIGN, minor)]
    terms = Terms(
        payable.owner,
        payment.wallet,
        payment.id,
        "order",
        command.release_on,
        command.release_days,
    )
    legs = [
        Leg(
            one.name,
            None if one.to == "?" else one.to,
            ledger.minor_of(book, account, one.amount),
            extra=one.name in command.extra,
        )
        for one in command.receivers
    ]
    legs = escrow.checked_legs(book, legs, account)
    return escrow.state_of(escrow.begin(book, account, terms, legs, entries, givers))


@contextmanager
def a_market(url, name="main", *, clock=None, alice="5000.00"):
    """A book in which alice has money, and a partner, a creator and a rider have wallets. It
    knows `BeginPaid`, and a provider called sandbox.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "VERBS", Verbs(*app._ROOMS, MORE, sagas=app.SAGAS))
        with Khata.open(url, name, migrate=True, clock=clock or VirtualClock()) as book:
            people = (("alice", "personal"), ("karim", "partner"))
            for owner, kind in (*people, ("lina", "creator"), ("rafi", "rider")):
                book.submit(wallets.OpenWallet(owner, "BDT", kind))
            book.submit(wallets.Credit(ALICE, bdt(alice)))
            book.submit(setup.Set("providers", SANDBOX))
            yield book


def to(name, account, amount):
    """Who receives how much."""
    return Receiver(name, account, bdt(amount))


THREE = [to("platform", HOUSE, "50.00"), to("creator", CREATOR, "150.00")]
THREE.append(to("partner", PARTNER, "800.00"))


def fund(book, ref="M1", amount="1000.00", **fields):
    """An escrow that alice pays into, by the rule in force unless told otherwise."""
    if "hold" not in fields:
        fields.setdefault("wallet", ALICE)
    if "receivers" not in fields:
        fields.setdefault("parties", PARTIES)
    money = None if amount is None else bdt(amount)
    return book.submit(FundEscrow(ref, money, **fields)).result


def release(book, ref="M1", amount=None, *, reason="It arrived.", **fields):
    """What is released."""
    money = None if amount is None else bdt(amount)
    return book.submit(ReleaseEscrow(ref, reason, money, **fields)).result


def refund(book, ref="M1", amount=None, policy="pro_rata", *, reason="Broken.", **fields):
    """What is given back."""
    return book.submit(refunding(ref, amount, policy, reason=reason, **fields)).result


def refunding(ref="M1", amount=None, policy="pro_rata", *, reason="Broken.", named=None, **fields):
    """The command that gives back; `named` in decimal strings."""
    money = None if amount is None else bdt(amount)
    sums = None if named is None else {name: bdt(part) for name, part in named.items()}
    return RefundEscrow(ref, reason, money, policy, sums, **fields)


def kept(book, ref="M1"):
    """The escrow as it is now."""
    return book.query(escrow.escrow, ref)


def parts(state, what="share"):
    """One amount of each leg, by name: `held`, `received`, `returned`, `owed`."""
    return {leg.name: getattr(leg, what) for leg in state.legs}


def amounts(book, *codes):
    """Balances of accounts, wallets by their path."""
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return [lines.get(code, lines.get(f"wallet/{code}", "0.00")) for code in codes]


def work(book, clock, seconds=0, provider=None):
    """Let the clock go on, and what is due be done."""
    clock.advance(seconds)
    finish(book, {"providers": provider or a_provider()}, clock, until_seconds=0)


def a_provider(**ends):
    """One that does what it is asked; `refund="failed"`: but this."""
    ends = {"charge": "paid", "refund": "succeeded", **ends}

    def answer(intent):
        known = {name: intent.request[name] for name in ("amount", "currency")}
        return {"id": f"at-{intent.key}", "status": ends[intent.request["op"]], **known}

    return ScriptedCaller(answer)


def paid(book, clock, subject="order/P1", amount="1000.00", *, by="provider", **fields):
    """An escrow of what alice paid for something; the provider was asked, or her wallet."""
    book.submit(payments.RegisterPayable(subject, "alice", bdt(amount), country="BD"))
    if by == "provider":
        book.submit(payments.Initiate(subject, way="card", token="tok_ok"))
        work(book, clock)
    else:
        book.submit(payments.Initiate(subject, ALICE, "wallet"))
    values = {
        "receivers": THREE,
        "extra": [],
        "campaign": None,
        "release_on": "request",
        "release_days": 0,
        **fields,
    }
    return book.submit(BeginPaid(subject, **values)).result


def owed(book, owner):
    """What an owner's debts of refunds have outstanding, and whether the accounts agree."""
    assert book.query(debts.unexplained) == []
    found = book.query(debts.debts, owner=owner).items
    return [(debt.status, debt.outstanding) for debt in found]


def sound(book, *refs):
    """Nothing to complain of, and each escrow's account has what its legs have in it."""
    assert book.verify().discrepancies == []
    assert book.query(debts.unexplained) == []
    for ref in refs:
        state = kept(book, ref)
        assert amounts(book, f"escrow/{ref}") == [state.held]
    return True
