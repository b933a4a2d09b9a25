"""The second half of the day: what is refused, what is repeated, and what can be read."""

from __future__ import annotations

from decimal import Decimal

from khata.base.actor import actor
from khata.base.clock import DAY
from khata.domain import khata, ledger, wallets
from khata.domain.ledger import FreezeAccount, SetLimits
from khata.domain.wallets import Credit, Debit, Transfer
from khata.edge.cli.demo.morning import AS_NADIA, DESK, KARIM, MAMUN, NADIA, RAFI, SHOP, taka
from khata.edge.cli.demo.stage import BDT, Stage
from khata.edge.cli.screen import money
from khata.engine.accounts import SIDE, VelocityLimit


def play_evening(stage: Stage) -> None:
    """From noon on."""
    overdraft(stage)
    again(stage)
    velocity(stage)
    freeze(stage)
    statement(stage)
    own_book(stage)
    earlier(stage)
    trial_balance(stage)


def overdraft(stage: Stage) -> None:
    """Too much, and not theirs."""
    stage.chapter(
        "12:30",
        "What is refused",
        "Nadia tries to send ৳5,000. The limit belongs to the account, so no caller can forget it.",
    )
    stage.refused(Transfer(NADIA, KARIM, taka("5000.00")), "insufficient_funds", actor=AS_NADIA)
    stage.say("Mamun tries to send Nadia's money to himself.")
    stage.refused(Transfer(NADIA, MAMUN, taka("10.00")), "not_yours", actor=actor("owner:mamun"))
    stage.balances()


def again(stage: Stage) -> None:
    """The same key, twice and thrice."""
    stage.chapter(
        "13:10",
        "The same key again",
        "Nadia wins a mission. The network drops, so the app sends the bonus again, same key.",
    )
    bonus = Credit(NADIA, taka("100.00"), source="mission", reference="mission-7")
    first = stage.do(bonus, actor=SHOP, key="mission-7")
    second = stage.do(bonus, actor=SHOP, key="mission-7")
    stage.expect(
        second.replayed and (first.seq, first.result) == (second.seq, second.result),
        "The same receipt, and nothing happened twice.",
    )
    stage.balances()
    stage.say("Another amount under the same key is a mistake, and is called one.")
    more = Credit(NADIA, taka("900.00"), source="mission", reference="mission-7")
    stage.refused(more, "idempotency_key_reused", actor=SHOP, key="mission-7")


def velocity(stage: Stage) -> None:
    """So much a day."""
    stage.chapter(
        "14:00",
        "Not so fast",
        "New creators may take out ৳100 in any 24 hours. Rafi has ৳150 and takes ৳60, twice.",
    )
    limit = VelocityLimit(DAY // 1_000_000, amount=10_000)
    stage.do(SetLimits(RAFI, "New creator", limits=(limit,)), actor=DESK)
    stage.do(Debit(RAFI, taka("60.00")), actor=SHOP)
    stage.refused(Debit(RAFI, taka("60.00")), "limit_exceeded", actor=SHOP)
    stage.balances()


def freeze(stage: Stage) -> None:
    """A stolen telephone."""
    stage.chapter("15:30", "Frozen", "Mamun's telephone is stolen. His wallet is frozen.")
    stage.do(FreezeAccount(MAMUN, "Telephone stolen"), actor=DESK)
    stage.refused(Debit(MAMUN, taka("50.00")), "account_frozen", actor=SHOP)


def statement(stage: Stage) -> None:
    """What a bank would print."""
    stage.chapter("18:00", "Nadia's statement", "Every movement, with the balance after it.")
    found = stage.ask(
        wallets.statement, NADIA, since=stage.clock.at("00:00"), until=stage.clock.now
    )
    stage.rows(
        ("time", "what", "why", "other side", "amount>", "balance>"),
        [
            (
                item.at[11:16],
                item.type if item.status == "posted" else f"{item.type}, part reversed",
                item.source,
                ", ".join(item.counterparty).removeprefix("wallet/"),
                money(item.amount, BDT),
                money(item.balance_after, BDT),
            )
            for item in found.items
        ],
    )
    stage.say(
        f"Opening {money(found.opening, BDT)}, in {money(found.credits, BDT)},"
        f" out {money(found.debits, BDT)}, closing {money(found.closing, BDT)}."
    )
    stage.expect(
        Decimal(found.opening) + Decimal(found.credits) - Decimal(found.debits)
        == Decimal(found.closing),
        "Opening, what came and what went make the closing balance.",
    )


def own_book(stage: Stage) -> None:
    """The same money, as its owner thinks of it."""
    stage.chapter(
        "18:05",
        "Nadia's own khata",
        "The same movements are lines of her own account book: what for, rather than how.",
        "A line is the posting itself, so the two cannot differ.",
    )
    lines = stage.ask(khata.khata_book, "nadia", limit=1000).items
    stage.rows(
        ("time", "kind", "category", "amount>"),
        [(item.at[11:16], item.kind, item.category, money(item.amount, BDT)) for item in lines],
    )
    totals = stage.ask(khata.khata_totals, "nadia")
    stage.rows(
        ("kind", "category", "total>"),
        [(item.kind, item.category, money(item.total, BDT)) for item in totals],
    )
    balance = stage.ask(wallets.balance, NADIA).balance
    stage.expect(
        sum(Decimal(item.total) for item in totals) == Decimal(balance),
        "Her khata adds up to what is in her wallet.",
    )


def earlier(stage: Stage) -> None:
    """As of any instant."""
    stage.chapter("18:10", "As of any instant", "What did Nadia have, when?")
    hours = ("08:45", "10:00", "10:30", "11:55", "18:10")
    found = [stage.ask(wallets.balance, NADIA, stage.clock.at(hour)).balance for hour in hours]
    shown = [(hour, money(amount, BDT)) for hour, amount in zip(hours, found, strict=True)]
    stage.rows(("at", "balance>"), shown)
    stage.expect(
        found == ["0.00", "2500.00", "1500.00", "1080.00", "1180.00"], "As it was, every time."
    )


def trial_balance(stage: Stage) -> None:
    """Everything, on its two sides."""
    stage.chapter("18:15", "The trial balance", "Every account of the book, on its normal side.")
    lines = stage.ask(ledger.trial_balance)
    sides = {1: Decimal(0), -1: Decimal(0)}
    rows = []
    for line in lines:
        side, amount = SIDE[line.kind], money(line.balance, line.currency)
        sides[side] += Decimal(line.balance)
        code = line.code.removeprefix("wallet/")
        rows.append((code, line.kind, amount if side > 0 else "", amount if side < 0 else ""))
    rows.append(("", "", money(str(sides[1]), BDT), money(str(sides[-1]), BDT)))
    stage.rows(("account", "kind", "debit>", "credit>"), rows)
    stage.expect(sides[1] == sides[-1], "Both sides are equal.")
