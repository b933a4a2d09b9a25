"""What tests of payments are made of: a shop with a provider, things to pay, a provider's words."""

from contextlib import contextmanager
from itertools import count

from khata.base.money import Money
from khata.domain import payments, setup
from khata.engine.sagas import Outcome
from tests.builders import a_book, bdt

SANDBOX = {
    "sandbox": {
        "countries": ["BD"],
        "currencies": ["BDT"],
        "methods": ["card", "mobile_money"],
        "least": {"BDT": "10.00"},
        "most": {"BDT": "50000.00"},
    }
}
ORDER = "order/M1001"


@contextmanager
def a_shop(url, **balances):
    """A book whose payers can pay through a provider called sandbox."""
    options = {name: balances.pop(name) for name in ("clock", "limits") if name in balances}
    with a_book(url, **options, **balances) as book:
        book.submit(setup.Set("providers", SANDBOX))
        yield book


def to_pay(book, subject=ORDER, *, amount="1000.00", owner="alice", country="BD"):
    """Something that has to be paid."""
    command = payments.RegisterPayable(subject, owner, bdt(amount), country=country)
    return book.submit(command).result


def pay(book, subject=ORDER, **how):
    """The payment that is begun."""
    return book.submit(payments.Initiate(subject, **how)).result


def from_wallet(book, subject=ORDER, wallet="alice/personal/BDT"):
    """Pay out of a wallet."""
    return pay(book, subject, wallet=wallet, method="wallet")


_ids = count(1)


def said(type_, payment=None, **fields):
    """What the provider says of a payment's charge `ch_1`."""
    about = {} if payment is None or type_[:6] != "charge" else {"reference": payment}
    fields = {"object": "ch_1", **about, **fields}
    if type_[:6] != "charge":
        fields.setdefault("charge", "ch_1")
    return payments.ProviderEvent(f"evt_{next(_ids)}", "sandbox", type_, **fields)


def tell(book, type_, payment=None, **fields):
    """Have the provider say it; what became of it."""
    return book.submit(payments.Tell(said(type_, payment, **fields))).result


def paid(book, payment, amount="1000.00", **fields):
    return tell(book, "charge.paid", payment, amount=amount, currency="BDT", **fields)


def payment(book, name):
    return book.query(payments.payment, name)


def payable(book, subject=ORDER):
    return book.query(payments.payable, subject)


class Teller:
    """A provider that answers as it was told to, in turn; it keeps what it was asked."""

    def __init__(self, *answers, asked=()):
        self.answers = list(answers)
        self.asked_answers = list(asked)
        self.calls = []
        self.questions = []

    def call(self, intent):
        self.calls.append(intent)
        return self._answer(self.answers.pop(0), intent)

    def ask(self, intent):
        self.questions.append(intent)
        return self._answer(self.asked_answers.pop(0), intent)

    def _answer(self, answer, intent):
        if isinstance(answer, Outcome):
            return answer
        known = {"amount": intent.request["amount"], "currency": intent.request["currency"]}
        prefix = "ch" if intent.request["op"] == "charge" else "re"
        return Outcome("done", {"id": f"{prefix}_1", **known, **answer})


def work(book, teller):
    """Do what is due now; the provider answers as `teller` says."""
    return book.worker({"providers": teller}).work()


def money(amount, currency="BDT"):
    return Money(amount, currency)
