"""What tests of payouts are made of: bank accounts, books that pay out, a bank's words."""

from contextlib import contextmanager
from itertools import count

from khata import Khata
from khata.base.actor import WORKER
from khata.domain import ledger, payouts, setup, wallets
from khata.domain.payments import ProviderEvent
from khata.domain.payouts import (
    CreatePayoutBatch,
    InitiatePayout,
    TellPayout,
    VerifyBankAccount,
)
from khata.edge.sealing import sealed_bank_account
from khata.engine.vault import Vault
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.builders import ALICE, FINANCE, bdt

VAULT = Vault([Vault.new_key()])
NUMBER = "1234 5678 9012"
POLICY = {"minimum": {"BDT": "10.00"}, "provider": "sandbox"}
_ids = count(1)


def an_account(owner="alice", number=NUMBER, *, vault=VAULT, currency="BDT", **more):
    """The command that adds a bank account."""
    known = {"holder": "Alice Rahman", "bank": "Dutch-Bangla Bank", "country": "BD"} | more
    return sealed_bank_account(vault, owner=owner, number=number, currency=currency, **known)


def add(book, owner="alice", number=NUMBER, *, verified=True, **more):
    """The id of a new bank account."""
    made = book.submit(an_account(owner, number, **more)).result
    if verified:
        book.submit(VerifyBankAccount(made.id, "Statement seen."), actor=FINANCE)
    return made.id


class Bank(ScriptedCaller):
    """A provider that answers payouts with `status`; see `ScriptedCaller`."""

    def __init__(self, status="processing"):
        super().__init__(self.said)
        self.status = status

    def said(self, intent):
        asked = intent.request
        known = {"amount": asked["amount"], "currency": asked["currency"]}
        return {"id": f"po-{asked['reference']}", "status": self.status, **known}


@contextmanager
def a_house(url, *, policy=POLICY, clock=None, **balances):
    """A book that pays out; Alice and whoever else is named have money and a bank account."""
    clock = clock or VirtualClock()
    with Khata.open(url, migrate=True, clock=clock, vault=VAULT) as book:
        book.submit(setup.Set("payouts", policy))
        for number, (name, amount) in enumerate((balances or {"alice": "1000.00"}).items()):
            book.submit(wallets.OpenWallet(name, "BDT"))
            if amount != "0":
                book.submit(wallets.Credit(f"{name}/personal/BDT", bdt(amount)))
            add(book, name, f"{NUMBER}{number}")
        book.bank = Bank()
        yield book


def pay_out(book, amount="100.00", wallet=ALICE, **more):
    """A payout that was asked for."""
    reference = more.pop("reference", None) or f"out-{next(_ids)}"
    actor = {"actor": more.pop("actor")} if "actor" in more else {}
    return book.submit(InitiatePayout(wallet, bdt(amount), reference, **more), **actor).result


def a_batch(book, *lines, reference="march"):
    """A batch that was asked for."""
    return book.submit(CreatePayoutBatch(reference, list(lines))).result


def work(book, seconds=0):
    """Let the workers do what is due within so long."""
    return finish(book, {"providers": book.bank}, book.clock, until_seconds=seconds)


def said(payout, what, **more):
    """What the provider says of a payout."""
    known = {"object": f"po-{payout}", "reference": payout} | more
    known.setdefault("amount", None)
    return ProviderEvent(f"evt_{next(_ids)}", "sandbox", f"payout.{what}", **known)


def tell(book, payout, what, **more):
    """Have the provider say it; what became of it."""
    return book.submit(TellPayout(said(payout, what, **more)), actor=WORKER).result


def show(book, payout):
    return book.query(payouts.payout, payout)


def the_account(book, owner="alice"):
    """The owner's only bank account."""
    (account,) = book.query(payouts.bank_accounts, owner=owner).items
    return account


def money_of(book):
    """Every account that is not empty, but for where the wallets' money came from."""
    lines = book.query(ledger.trial_balance)
    return {line.code: line.balance for line in lines if line.balance.strip("0.") and
            line.code != "cash/main"}  # fmt: skip
