"""`khata trace`: where the money of an order went, leg by leg."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from khata.domain.proofs import Trace
from khata.domain.proofs import trace as traced
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import dump, money, out, row, short, table
from khata.edge.cli.session import HERE, Json, Where, alone, looking


@alone("trace", "khata trace M1001", "khata trace order/M1001 --json | jq .adds_up")
def trace(
    name: Annotated[
        str,
        Parameter(
            help="An order, such as M1001; a booking or an escrow; or the id of a payment, a"
            " payout, a loan, an investment or a squad's purchase."
        ),
    ],
    *,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show every leg from who paid to everyone who received, and that all of it adds up.

    The exit code is 1 when it does not.
    """
    with looking(where) as view:
        found = traced(view, name)
    if json:
        dump(found)
    else:
        show_trace(found)
    return DONE if found.adds_up else FAILED


def show_trace(found: Trace) -> None:
    """The entries in order, then what they did to each account."""
    screen = out()
    screen.print(legs_table(found))
    screen.print(trace_table(found))
    if found.adds_up:
        screen.print("It adds up: what was given is what was received.", style="bold green")
    else:
        screen.print("It does not add up.", style="bold red")


def legs_table(found: Trace) -> Table:
    """Each entry with its legs: who gave, and who got."""
    made = table("when", "entry", "what", "account", "gave>", "got>", "why", title=found.subject)
    for entry in found.entries:
        heading = [short(entry.at), entry.id, f"{entry.type}, {entry.source}"]
        why = entry.note or ""
        for leg in entry.legs:
            gave = money(leg.debit, leg.currency) if leg.debit else ""
            got = money(leg.credit, leg.currency) if leg.credit else ""
            row(made, *heading, leg.account, gave, got, why)
            heading, why = ["", "", ""], ""
    return made


def trace_table(found: Trace) -> Table:
    """What all of it did to each account; the last line is the sum."""
    made = table("account", "gave>", "got>", "net>")
    for effect in found.effects:
        amounts = (effect.gave, effect.got, effect.net)
        row(made, effect.account, *(money(amount, effect.currency) for amount in amounts))
    return made
