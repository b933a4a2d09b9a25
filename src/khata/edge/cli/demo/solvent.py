"""Before the day is closed: is there the cash for what is owed, and can Nadia see that herself?"""

from __future__ import annotations

import msgspec

from khata.base.actor import actor
from khata.domain import solvency
from khata.domain.access import Approve, RequestApproval
from khata.domain.ledger import LegIn, PostEntry
from khata.domain.payouts import LiftBrake
from khata.domain.solvency import Position
from khata.edge.cli.demo.morning import AS_NADIA, NADIA, taka
from khata.edge.cli.demo.stage import BDT, Stage
from khata.edge.cli.screen import money
from khata.edge.working import solvency as counting

_SUMI, _RAFIQ = actor("finance:sumi"), actor("admin:rafiq")


def play_solvent(stage: Stage) -> None:
    """Counted, braked, put right, lifted by two; a proof."""
    brake(stage)
    lift(stage)
    prove(stage)


def brake(stage: Stage) -> None:
    """Bonuses were given out of nothing."""
    stage.chapter(
        "18:59",
        "Is the cash there?",
        "Views and missions were paid into wallets, and nobody ever put money in for them. The",
        "hourly check counts cash against all that is owed.",
    )
    stage.clock.tick()
    found = counting.check(stage.book, None, str(_SUMI)).result
    _show(stage)
    stage.expect(BDT in found.braked, "It is not: payouts in taka are braked, and people are told.")


def lift(stage: Stage) -> None:
    """Capital comes in; one person is not enough to go on."""
    stage.chapter("18:59", "Two people lift a brake", "The owners of the house pay capital in.")
    capital = [
        LegIn("cash/main", debit=taka("5000.00")),
        LegIn("equity/capital", credit=taka("5000.00")),
    ]
    stage.do(PostEntry(capital, "adjustment"), actor=_RAFIQ)
    wanted = LiftBrake(BDT, "Capital came in.")
    stage.refused(wanted, "approval_required", actor=_SUMI)
    asked = stage.do(RequestApproval(msgspec.to_builtins(wanted), "It is there now."), actor=_SUMI)
    stage.do(Approve(asked.result.request), actor=_RAFIQ)
    stage.clock.tick()
    found = counting.check(stage.book, None, str(_SUMI)).result
    _show(stage)
    stage.expect(BDT not in found.braked, "Cash covers what is owed; payouts go on.")


def prove(stage: Stage) -> None:
    """An inclusion proof."""
    stage.chapter(
        "18:59",
        "Nadia looks for herself",
        "One hash is published for what all owners are owed. She asks for the proof that her",
        "balance is in it, and checks it with thirty lines of Python that need no Khata.",
    )
    stage.clock.tick()
    root = counting.publish(stage.book, BDT, str(_SUMI)).result
    proof = counting.prove(stage.book, NADIA.partition("/")[0], root.id, AS_NADIA)
    stage.say(f"`{root.hash}`")
    stage.expect(
        solvency.is_included(proof, root.hash),
        f"Her {money(proof.balance, BDT)} are in {money(root.total, BDT)} of {root.owners} owners.",
    )
    tampered = msgspec.structs.replace(proof, balance="0.00")
    stage.expect(not solvency.is_included(tampered, root.hash), "A balance of 0.00 is not.")


def _show(stage: Stage) -> None:
    found: list[Position] = stage.ask(solvency.position).items
    for item in found:
        if item.currency == BDT:
            amounts = (item.cash, item.liabilities, item.net)
            stage.rows(("cash>", "owed>", "net>"), [tuple(money(each, BDT) for each in amounts)])
