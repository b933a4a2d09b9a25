"""Before Khata answers for the tills: beside them until it agrees, and back at once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from khata.app import Khata
from khata.base.actor import SYSTEM
from khata.base.clock import to_iso
from khata.base.money import Money, to_text
from khata.domain import shadow
from khata.domain.shadow import DefineFlow, Event, FlowReport, SwitchFlow
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.cli.demo.stage import Stage
from khata.edge.shadowing import feed

_FLOW: Final = "tills"
_TILL: Final = "till/personal/BDT"
_PRICE: Final = 1050
_FIRST: Final = 10_000_00
_EVENTS: Final = 100


def play_beside(stage: Stage) -> None:
    """Fed, compared, switched over, and back."""
    stage.chapter(
        "18:59",
        "Beside the old tills",
        "The bazaar's tills still run on their own program. Khata does what they did again, in a",
        "book of its own, and compares field by field. Once 99 of 100 agree it may answer itself.",
    )
    with tempfile.TemporaryDirectory(prefix="khata-demo-") as folder:
        where = f"sqlite:///{Path(folder) / 'beside.db'}"
        with Khata.open(where, "shadow", clock=stage.clock) as beside:
            beside.submit(OpenWallet("till", "BDT"))
            beside.submit(Credit(_TILL, Money(to_text(_FIRST, 2), "BDT")))
            _compare(stage, beside)


def _compare(stage: Stage, beside: Khata) -> None:
    fields = {"left": "legs.0.balance_after"}
    stage.do(DefineFlow(_FLOW, fields=fields, least=_EVENTS))
    stage.do(SwitchFlow(_FLOW, "shadow", "A trial."))
    _feed(stage, beside, [_event(stage, seq, odd=seq in {40, 71}) for seq in range(1, 101)])
    report: FlowReport = stage.ask(shadow.report, _FLOW)
    stage.rows(
        ("how they differ", "how often>", "for example"),
        [(item.signature, str(item.count), item.last.reference) for item in report.signatures],
    )
    stage.refused(SwitchFlow(_FLOW, "primary", "It agrees."), "gate_closed")
    stage.say("The tills rounded twice. That is mended; a hundred more sales agree.")
    _feed(stage, beside, [_event(stage, seq) for seq in range(101, 201)])
    report = stage.ask(shadow.report, _FLOW)
    stage.expect(
        (report.window.matched, report.window.compared) == (198, 200),
        "198 of 200: 99 % to the unit, and the gate is open.",
    )
    stage.do(SwitchFlow(_FLOW, "primary", "It agrees."))
    stage.do(SwitchFlow(_FLOW, "shadow", "Not on a Friday evening."))
    report = stage.ask(shadow.report, _FLOW)
    stage.expect(report.flow.mode == "shadow", "Back at once; the switches are kept, with who.")


def _feed(stage: Stage, beside: Khata, events: Sequence[Event]) -> None:
    stage.clock.tick()
    feed(stage.book, lambda _: beside, events, actor=SYSTEM)


def _event(stage: Stage, seq: int, *, odd: bool = False) -> Event:
    """A sale at a till, and what the till said was left; an odd one is a paisa out."""
    price = {"amount": to_text(_PRICE, 2), "currency": "BDT"}
    command: dict[str, Any] = {"kind": "wallets.debit", "wallet": _TILL, "amount": price}
    left = to_text(_FIRST - seq * _PRICE + odd, 2)
    at = to_iso(stage.clock.now)
    return Event(_FLOW, seq, f"sale/{seq}", at, command, {"ok": True, "left": left})
