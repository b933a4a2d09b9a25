"""`khata trust …`: scores, experience, and what events are worth."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from khata.domain import trust
from khata.domain.trust import Award, RecordEvent, SetRules, TrustRules, TrustState, Worth
from khata.edge.cli.screen import dump, more, out, pairs, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Where,
    carry_out,
    command,
    family,
    looking,
)
from khata.errors import Invalid

app: Final = family("trust", "Trust scores and experience: see them, and what events are worth.")
_Owner = Annotated[str, Parameter(help="Whose.")]


@command(app, "show", "khata trust show rafi", "khata trust show rafi --json")
def show(owner: _Owner, *, json: Json = False, where: Where = HERE) -> int:
    """An owner's score and experience."""
    with looking(where) as view:
        known = trust.score(view, owner)
    if json:
        dump(known)
    else:
        _show(known)
    return 0


def _show(known: TrustState) -> None:
    rows = [
        ("owner", known.owner),
        ("score", f"{known.score} of 1000"),
        ("weights", f"{known.good} good, {known.bad} bad, of {known.events} events"),
        ("experience", f"{known.xp} XP"),
    ]
    if known.changed_at is not None:
        rows.append(("changed", f"{short(known.changed_at)} UTC"))
    out().print(pairs(rows))


@command(app, "history", "khata trust history rafi", "khata trust history rafi --limit 5 --json")
def history(
    owner: _Owner,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """The events that led to it, newest first."""
    with looking(where) as view:
        page = trust.history(view, owner, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("event", "reference", "xp>", "good>", "bad>", "score>", "at")
        for item in page.items:
            numbers = (item.xp, str(item.good), str(item.bad), str(item.score))
            row(made, item.event, item.reference, *numbers, short(item.at))
        out().print(made if page.items else "No events.")
    more(page.next)
    return 0


@command(app, "record", "khata trust record rafi dispute_lost M1001")
def record(
    owner: _Owner,
    event: Annotated[str, Parameter(help="What happened: see khata trust rules.")],
    reference: Annotated[str, Parameter(help="What it is about.")],
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Tell of something that nothing else tells of."""
    return carry_out(where, how, RecordEvent(owner, event, reference), _show_award)


def _show_award(award: Award) -> None:
    out().print(f"{award.owner} has {award.xp} XP more and a score of {award.score}.")


@command(
    app,
    "rules",
    "khata trust rules",
    "khata trust rules --set delivered=20,2,0 --set sang=5,1,0",
    "khata trust rules --reset",
)
def rules(
    *,
    set_: Annotated[
        list[str] | None,
        Parameter(
            name="--set",
            negative="",
            help="EVENT=XP,GOOD,BAD; may be given several times. Events that are not named are"
            " worth what is built in.",
        ),
    ] = None,
    reset: Annotated[bool, Parameter(negative="", help="All as built in.")] = False,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show what events are worth, or say it."""
    if set_ or reset:
        events = dict(_worth_in(text) for text in set_ or [])
        return carry_out(where, how, SetRules(events), _show_rules)
    with looking(where) as view:
        known = trust.rules(view)
    if how.json:
        dump(known)
    else:
        _show_rules(known)
    return 0


def _worth_in(text: str) -> tuple[str, Worth]:
    """An event with its worth. Errors: `Invalid`."""
    name, _, numbers = text.partition("=")
    try:
        xp, good, bad = msgspec.json.decode(f"[{numbers}]", type=tuple[int, int, int])
    except msgspec.MsgspecError:
        raise Invalid(
            f"{text[:60]!r} is not the worth of an event.", expected="EVENT=XP,GOOD,BAD"
        ) from None
    return name, Worth(xp, good, bad)


def _show_rules(known: TrustRules) -> None:
    made = table("event", "xp>", "good>", "bad>")
    for name, worth in sorted(known.events.items()):
        row(made, name, str(worth.xp), str(worth.good), str(worth.bad))
    out().print(made)
