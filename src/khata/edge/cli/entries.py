"""`khata reverse` and `khata journal`: undoing what was posted, and seeing all that happened."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from khata.base.clock import to_iso
from khata.base.paging import from_cursor, to_cursor
from khata.domain.ledger import Reverse
from khata.edge.cli.exporting import plain_command
from khata.edge.cli.moved import show_moved
from khata.edge.cli.screen import dump, more, out, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    alone,
    carry_out,
    looking,
)
from khata.engine import reading
from khata.engine.database import View
from khata.engine.journal import JournalRow, Refusal

_LONGEST: Final = 90


@alone(
    "reverse",
    "khata reverse ent_0401 --reason 'Delivered to the wrong address'",
    "khata reverse ent_0401 --amount 25.00 --reason 'Half of it was broken'",
)
def reverse(
    entry: Annotated[str, Parameter(help="The entry's id, ent_….")],
    *,
    reason: Reason,
    amount: Annotated[
        str | None, Parameter(help="How much of it; left out, all that is left.")
    ] = None,
    overdraw: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Also from who has it no longer; needs an approved request.",
        ),
    ] = False,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Undo an entry, wholly or in part; never more than it was."""
    return carry_out(where, how, Reverse(entry, reason, amount, overdraw), show_moved)


@alone(
    "journal",
    "khata journal --limit 20",
    "khata journal --refused",
    "khata journal --after 0 --limit 1000 --json",
)
def journal(
    *,
    after: Annotated[
        int | None, Parameter(help="Oldest first, behind this command; left out, the newest.")
    ] = None,
    refused: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="The commands that were refused, newest first."
        ),
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the commands that were carried out, or refused: who, when, what."""
    with looking(where) as view:
        if refused:
            page = reading.refusals(view, cursor=cursor, limit=limit)
            _show_refusals(page.items, json=json)
            more(page.next)
            return 0
        rows, following = _commands(view, after, cursor, limit)
    _show_commands(rows, json=json)
    more(following)
    return 0


def _commands(
    view: View, after: int | None, cursor: str | None, limit: int
) -> tuple[list[JournalRow], str | None]:
    last = reading.head(view).seq
    if cursor is not None:
        (after,) = from_cursor(cursor, int)  # type: ignore[assignment]  # checked by from_cursor
    start = max(last - limit, 0) if after is None else after
    rows = reading.journal(view, after=start, limit=limit)
    return rows, to_cursor(rows[-1].seq) if rows and rows[-1].seq < last else None


def _show_commands(rows: list[JournalRow], *, json: bool) -> None:
    made = table("seq>", "time", "actor", "command", "with", "hash")
    made.columns[4].no_wrap, made.columns[4].overflow = True, "ellipsis"
    for one in rows:
        if json:
            dump(plain_command(one))
        else:
            cells = (str(one.seq), short(to_iso(one.at)), one.actor, one.kind)
            row(made, *cells, _with(one.command), one.hash.hex()[:12])
    if not json:
        out().print(made if rows else "Nothing has happened yet.")


def _with(command: str) -> str:
    """A command's fields, without its kind."""
    fields = msgspec.json.decode(command, type=dict[str, Any])
    text = " ".join(f"{name}={_field(value)}" for name, value in fields.items() if name != "kind")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _field(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _show_refusals(items: list[Refusal], *, json: bool) -> None:
    made = table("n>", "time", "actor", "command", "code", "why")
    for item in items:
        if json:
            plain = msgspec.structs.asdict(item)
            dump(plain | {"at": to_iso(item.at), "hash": item.hash.hex()})
        else:
            row(
                made,
                str(item.n),
                short(to_iso(item.at)),
                item.actor,
                item.kind,
                item.code,
                _why(item.detail),
            )
    if not json:
        out().print(made if items else "Nothing was refused.")


def _why(detail: str) -> str:
    """The sentence in a refusal's details."""
    return str(msgspec.json.decode(detail, type=dict[str, Any]).get("message", detail))
