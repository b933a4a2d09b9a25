"""What tests of earnings are made of."""

from khata.domain import khata, ledger, wallets
from khata.domain.earnings import CountViews, EarningPolicy, PayDelivery
from tests.builders import bdt
from tests.lenders import Owe

NILA, RAFI = "nila/creator/BDT", "rafi/rider/BDT"
QUIET = EarningPolicy(viral=(), peaks=(), chains=(), haggled=None)


def counted(book, total, video="V1", creator="nila", **options):
    return book.submit(CountViews(video, creator, total), **options).result


def delivered(book, reference, fee="60.00", **fields):
    return book.submit(PayDelivery("rafi", reference, bdt(fee), **fields)).result


def kinds(result):
    return {line.kind: line.amount for line in result.earnings}


def house(book, code):
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return lines.get(code, "0.00")


def lines(book, who):
    found = book.query(khata.khata_book, who).items
    return {(line.kind, line.category, line.amount) for line in found}


def bdt_dict(amount):
    return {"amount": amount, "currency": "BDT"}


def owing(book, who, kind, amount):
    """Somebody who owes their share of a refund."""
    book.submit(wallets.OpenWallet(who, "BDT", kind))
    book.submit(Owe(f"{who}/{kind}/BDT", "refund", bdt(amount), 0))
