"""What tests of shadow mode are made of: a book with a flow, and the book beside it."""

import json
from contextlib import contextmanager

from khata import Khata
from khata.base.actor import SYSTEM, WORKER
from khata.base.clock import to_iso
from khata.domain import shadow, wallets
from khata.domain.shadow import Compare, DefineFlow, SwitchFlow
from khata.edge.shadowing import feed, read_event
from tests.builders import START, bdt

FLOW = "checkout"


@contextmanager
def beside(url, *, clock=None, mode="shadow", **terms):
    """A book with the flow `checkout`, and the book `shadow` with a wallet of 100.00 of alice's."""
    options = {"clock": clock} if clock else {}
    with (
        Khata.open(url, migrate=True, **options) as book,
        Khata.open(url, "shadow", **options) as other,
    ):
        other.submit(wallets.OpenWallet("alice", "BDT"))
        other.submit(wallets.Credit("alice/personal/BDT", bdt("100.00")))
        book.submit(DefineFlow(FLOW, **({"late_seconds": 0} | terms)))
        if mode != "off":
            book.submit(SwitchFlow(FLOW, mode, "a trial"))
        yield book, other


def event(seq, amount="1.00", *, at=START, **outcome):
    """An event: a debit of alice's wallet, and what came of it over there."""
    command = {
        "kind": "wallets.debit",
        "wallet": "alice/personal/BDT",
        "amount": {"amount": amount, "currency": "BDT"},
    }
    said = {
        "flow": FLOW,
        "seq": seq,
        "reference": f"order/{seq}",
        "at": to_iso(at),
        "command": None if amount is None else command,
        "outcome": outcome or None,
    }
    return read_event(json.dumps(said))


def fed(book, other, *events):
    """(status, signature) of each."""
    found = feed(book, lambda _: other, events, actor=SYSTEM)
    return [(item.status, item.signature or item.code) for item in found]


def compared(book, matched, missed=0, flow=FLOW):
    """Comparisons that matched, and others that did not."""
    matches = [Compare(flow, "r", "ok", "ok")] * matched
    misses = [Compare(flow, "r", "ok", "refused:no")] * missed
    for outcome in book.submit_many(matches + misses, actor=WORKER):
        assert outcome.result.flow == flow


def report(book, flow=FLOW):
    return book.query(shadow.report, flow)


def counts(book):
    """Signature → how often."""
    return {item.signature: item.count for item in report(book).signatures}
