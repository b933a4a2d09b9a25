"""The hour in which money leaves the book: a card, two withdrawals, and what goes wrong with them.

The provider is the sandbox, asked over real HTTP. Time jumps from one due moment to the next.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from khata.base.actor import actor
from khata.domain import payments, payouts, sagas
from khata.domain.payouts import InitiatePayout, VerifyBankAccount
from khata.domain.setup import Set
from khata.domain.webhooks import ItemState
from khata.edge.cli.demo.morning import DESK, KARIM, SHOP, taka
from khata.edge.cli.demo.stage import BDT, Stage
from khata.edge.cli.screen import table
from khata.edge.http.alerts import Alerts
from khata.edge.providers import Providers
from khata.edge.providers.signatures import sign_standard
from khata.edge.sandbox import Remote, local_sandbox
from khata.edge.sandbox.objects import Event
from khata.edge.sandbox.shapes import body
from khata.edge.sealing import sealed_bank_account, vault_of
from khata.edge.webhooks.inbox import Inbox
from khata.edge.webhooks.receiving import Receiver
from khata.engine.sagas.due import next_due
from khata.errors import InvalidSignature

_ORDER: Final = "order/M2001"
_AS_KARIM: Final = actor("owner:karim")
_TIMEOUT_SECONDS: Final = 0.5
_OFFER: Final = {"countries": ["BD"], "currencies": [BDT], "methods": ["card"]}
_POLICY: Final = {"minimum": {BDT: "100.00"}, "provider": "sandbox"}


def play_outside(stage: Stage) -> None:
    """Three stories with the world outside."""
    with local_sandbox(seed=1) as sandbox:
        config = sandbox.config(timeout_seconds=_TIMEOUT_SECONDS)
        with Providers([config], vault_of(stage.book)) as providers:
            world = World(stage, sandbox, providers)
            silent_card(stage, world)
            failed_payout(stage, world)
            bounced_payout(stage, world)


class World:
    """The provider, and the worker that speaks with it."""

    def __init__(self, stage: Stage, sandbox: Remote, providers: Providers) -> None:
        self.sandbox = sandbox
        self._stage = stage
        self._worker = stage.book.worker({"providers": providers})
        self._alerts = Alerts()
        self._receiver = Receiver(providers, self._alerts)
        self._inbox = Inbox(stage.book, providers, stage.clock, self._alerts)
        self._providers = providers

    def work(self, seconds: int = 600) -> None:
        """Let the worker do all that is due within so long; the clock jumps along."""
        stage = self._stage
        end = stage.clock.now + seconds * 1_000_000
        while True:
            self._worker.work()
            due_at = stage.ask(next_due)
            if due_at is None or due_at > end:
                return
            stage.clock.now = max(stage.clock.now, due_at)

    def hear(self, *, forged: bool = False) -> ItemState:
        """Take the provider's latest webhook in, as the HTTP door does. Errors: the door's."""
        event = msgspec.convert(self.sandbox.ledger()["events"][-1], Event)
        raw = body(event, "standard") or b""
        secret = self.sandbox.secret if not forged else "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE="
        headers = sign_standard(secret, event.id, raw, self._stage.clock.now)
        kept = asyncio.run(
            self._receiver.receive(self._stage.book, "sandbox", headers, raw, "203.0.113.7")
        )
        self._inbox.work()
        return kept

    def tell(self, saga: str) -> None:
        """Show the way of a saga."""
        view = self._stage.ask(sagas.saga, saga)
        made = table("what", "step", "detail")
        for line in view.history:
            made.add_row(line.what, line.step, _short(line.detail))
        self._stage.say(f"The saga `{view.name}`, {view.status}:")
        self._stage.show(made)


def _short(detail: dict[str, Any] | None) -> str:
    wanted = ("key", "code", "cause", "status", "plan")
    found = {name: value for name, value in (detail or {}).items() if name in wanted}
    return "  ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in found.items()
    )


def silent_card(stage: Stage, world: World) -> None:
    """Charged, and nobody says so."""
    stage.chapter(
        "18:20",
        "A card, and silence",
        "Nadia pays ৳500 by card. The provider charges it, and then does not answer.",
        "Whoever tries again under a new key charges her twice. Khata asks, under the same key.",
    )
    stage.do(Set("providers", {"sandbox": _OFFER}), actor=DESK)
    to_pay = payments.RegisterPayable(_ORDER, "nadia", taka("500.00"), country="BD")
    stage.do(to_pay, actor=SHOP)
    begun = stage.do(payments.Initiate(_ORDER, way="card", token="tok_timeout_done"), actor=SHOP)  # noqa: S106 - a magic word of the sandbox
    world.work()
    payment = stage.ask(payments.payment, begun.result.id)
    world.tell(payment.saga)
    told = world.sandbox.ledger()
    keys = {call["key"] for call in told["calls"]}
    stage.expect(payment.status == "paid", f"{payment.id} is paid; the order is confirmed.")
    stage.expect(
        (len(keys), told["moved"][BDT]["in"]) == (1, "500.00"),
        "One key was ever used, and the provider moved ৳500.00 once.",
    )
    stage.balances()


def failed_payout(stage: Stage, world: World) -> None:
    """Locked, sent, declined, given back."""
    stage.chapter(
        "18:30",
        "A step fails, and is undone",
        "Karim withdraws ৳200. The money is locked first, so that it cannot be spent twice; the",
        "bank declines, and what was done is undone, in reverse.",
    )
    stage.do(Set("payouts", _POLICY), actor=DESK)
    sealed = sealed_bank_account(
        vault_of(stage.book),
        owner="karim",
        number="1781 4300 0420 6789",
        holder="Karim Uddin",
        bank="Dutch-Bangla Bank",
        country="BD",
        currency=BDT,
    )
    account = stage.do(sealed, actor=_AS_KARIM).result
    stage.say(f"The number is sealed before the book hears of it; all see `{account.number}`.")
    stage.do(VerifyBankAccount(account.id, "Bank statement seen."), actor=DESK)
    world.sandbox.script("payout", "decline", code="account_refused")
    asked = InitiatePayout(KARIM, taka("200.00"), "W-1")
    payout = stage.do(asked, actor=_AS_KARIM, key="W-1").result
    world.work()
    payout = stage.ask(payouts.payout, payout.id)
    world.tell(payout.saga)
    stage.expect(payout.status == "failed" and payout.money == "wallet", "Karim has his ৳200 back.")


def bounced_payout(stage: Stage, world: World) -> None:
    """Completed, and yet it comes back."""
    stage.chapter(
        "18:40",
        "A withdrawal that bounces",
        "He tries again, and the bank pays. Two days later it sends the money back: the account",
        "is closed. First somebody forges that webhook, then the provider itself sends it.",
    )
    asked = InitiatePayout(KARIM, taka("200.00"), "W-2")
    payout = stage.do(asked, actor=_AS_KARIM, key="W-2").result
    world.work()
    world.sandbox.advance()
    world.hear()
    world.work()
    payout = stage.ask(payouts.payout, payout.id)
    stage.expect(payout.status == "completed", f"{payout.id} is completed.")
    world.sandbox.return_payout(payout.provider_id)
    try:
        world.hear(forged=True)
    except InvalidSignature as error:
        stage.expect(True, f"The forged one is turned away: {error}")
    else:
        stage.expect(False, "A forged webhook was believed.")
    kept = world.hear()
    world.work()
    payout = stage.ask(payouts.payout, payout.id)
    account = stage.ask(payouts.bank_accounts, owner="karim").items[0]
    stage.say(f"The real one is kept as `{kept.id}`, and acted on by the worker.")
    stage.expect(payout.status == "returned" and payout.money == "wallet", "The wallet is whole.")
    stage.expect(account.status == "blocked", "The bank account is blocked until verified anew.")
    stage.balances()
