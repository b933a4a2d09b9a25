"""What tests of escrows are made of: a market with its wallets, an escrow, what it shows."""

from contextlib import contextmanager

from khata.domain import escrow, ledger, wallets
from khata.domain.escrow import FundEscrow, Receiver, RefundEscrow, ReleaseEscrow
from khata.testing import VirtualClock, finish
from tests.builders import ALICE, a_book, bdt

PARTNER, CREATOR, RIDER = "karim/partner/BDT", "lina/creator/BDT", "rafi/rider/BDT"
HOUSE = "revenue/commission"
PARTIES = {"partner": PARTNER, "creator": CREATOR}
DAY = 86_400


@contextmanager
def a_market(url, *, clock=None, alice="5000.00"):
    """A book in which alice has money, and a partner, a creator and a rider have wallets."""
    with a_book(url, clock=clock or VirtualClock(), alice=alice) as book:
        for owner, kind in (("karim", "partner"), ("lina", "creator"), ("rafi", "rider")):
            book.submit(wallets.OpenWallet(owner, "BDT", kind))
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


def work(book, clock, seconds=0):
    """Let the clock go on, and what is due be done."""
    clock.advance(seconds)
    finish(book, {}, clock, until_seconds=0)
