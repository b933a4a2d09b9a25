"""`khata webhooks …`: what providers told us, and who is told of what happens here."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from khata.domain import webhooks
from khata.edge.cli.screen import dump, err, more, out, pairs, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
    opened,
)
from khata.edge.webhooks.bodies import opened as opened_body
from khata.edge.webhooks.ranges import Range, commands_in
from khata.edge.webhooks.secrets import new_secret, sealed
from khata.engine.command import Command
from khata.engine.database import View
from khata.errors import RoleRequired

app: Final = family("webhooks", "What providers told us, and who is told of what happens.")
Endpoint = Annotated[str, Parameter(help="The endpoint's id, whe_….")]
Item = Annotated[str, Parameter(help="The id of what came in, whi_….")]
_KEEP: Final = "Keep it now: it is stored sealed and cannot be shown again."


# ── what goes out ────────────────────────────────────────────────────────────────────


@command(app, "endpoints", "khata webhooks endpoints", "khata webhooks endpoints --json | jq .url")
def endpoints(*, json: Json = False, where: Where = HERE) -> int:
    """List where events are sent; never a secret."""
    with looking(where) as view:
        known = webhooks.endpoints(view)
    if json:
        for one in known:
            dump(one)
        return 0
    made = table("endpoint", "status", "events", "address", "why")
    for one in known:
        row(made, one.id, one.status, ", ".join(one.events), one.url, one.reason)
    out().print(made if known else "No endpoints.")
    return 0


@command(
    app,
    "add",
    "khata webhooks add https://shop.example/khata --event 'payment.*' --event 'payout.*'",
    "khata webhooks add https://shop.example/khata",
)
def add(
    url: Annotated[str, Parameter(help="https://host/path.")],
    *,
    event: Annotated[
        list[str] | None,
        Parameter(negative="", help="payment.paid, payment.*, … (several times); else all."),
    ] = None,
    description: Annotated[str | None, Parameter(help="For whom it is.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Send events to an address from now on. Its secret is shown once."""
    return _with_secret(
        where,
        lambda secret: webhooks.AddEndpoint(url, event or ["*"], secret, description),
        json=json,
    )


@command(app, "rotate", "khata webhooks rotate whe_0401 --overlap-seconds 3600")
def rotate(
    endpoint: Endpoint,
    *,
    overlap_seconds: Annotated[
        int, Parameter(help="For how long the old secret signs too.")
    ] = webhooks.OVERLAP,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Sign with a new secret, which is shown once."""
    return _with_secret(
        where,
        lambda secret: webhooks.RotateSecret(endpoint, secret, overlap_seconds),
        json=json,
    )


def _with_secret(where: Where, wanted: Any, *, json: bool) -> int:
    secret = new_secret()
    with opened(where) as book:
        receipt = book.submit(wanted(sealed(secret, book.vault)), actor=where.who())
    made = receipt.result
    if json:
        dump(msgspec.structs.asdict(made) | {"secret": secret})
        return 0
    out().print(f"{made.id} is told of {', '.join(made.events)} at {made.url}.", soft_wrap=True)
    out().print(secret, style="bold", soft_wrap=True)
    err().print(_KEEP, style="yellow")
    return 0


@command(app, "disable", "khata webhooks disable whe_0401 --reason 'The shop has closed'")
def disable(endpoint: Endpoint, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Send nothing there any more."""
    return carry_out(where, how, webhooks.DisableEndpoint(endpoint, reason), _show_endpoint)


@command(app, "enable", "khata webhooks enable whe_0401 --reason 'Repaired'")
def enable(endpoint: Endpoint, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Send there again, from now on; `replay` sends what happened meanwhile."""
    return carry_out(where, how, webhooks.EnableEndpoint(endpoint, reason), _show_endpoint)


def _show_endpoint(made: Any) -> None:
    out().print(f"{made.id} ({made.url}) is {made.status}.", soft_wrap=True)


@command(
    app,
    "deliveries",
    "khata webhooks deliveries --status dead",
    "khata webhooks deliveries --endpoint whe_0401 --json",
)
def deliveries(
    *,
    endpoint: Annotated[str | None, Parameter(help="Only to this endpoint.")] = None,
    status: Annotated[str | None, Parameter(help="pending, delivered or dead.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what was sent, or is to be, newest first."""
    with looking(where) as view:
        page = webhooks.deliveries(
            view, endpoint=endpoint, status=status, cursor=cursor, limit=limit
        )
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("delivery", "endpoint", "type", "status", "attempts>", "last", "next")
        for item in page.items:
            due = short(item.next_at) if item.next_at else None
            last = item.last_error or (str(item.last_status) if item.last_status else None)
            tried = str(item.attempts)
            row(made, item.id, item.endpoint, item.type, item.status, tried, last, due)
        out().print(made if page.items else "No deliveries.")
    more(page.next)
    return 0


@command(app, "resend", "khata webhooks resend evt_0800_0401 --reason 'It works again'")
def resend(
    delivery: Annotated[str, Parameter(help="The delivery's id, evt_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Send one delivery again, from the first attempt."""

    def wanted(view: View) -> Command:
        return webhooks.Resend(webhooks.delivery(view, delivery).id, reason)

    return carry_out(where, how, wanted, _show_wanted)


@command(
    app,
    "replay",
    "khata webhooks replay whe_0401 --since 2026-01-30 --until 2026-01-31 --reason 'A lost day'",
    "khata webhooks replay whe_0401 --since-seq 100 --until-seq 250 --reason 'Lost'",
)
def replay(
    endpoint: Endpoint,
    *,
    reason: Reason,
    since: Annotated[str | None, Parameter(help="From this time (ISO 8601) on.")] = None,
    until: Annotated[str | None, Parameter(help="Before this time; left out, now.")] = None,
    since_seq: Annotated[int | None, Parameter(help="From this command on.")] = None,
    until_seq: Annotated[int | None, Parameter(help="Up to this command.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Send an endpoint again what happened in a part of the journal, under the same ids."""

    def wanted(view: View) -> Command:
        first, last = commands_in(view, Range(since_seq, until_seq, since, until))
        return webhooks.Replay(endpoint, first, last, reason)

    return carry_out(where, how, wanted, _show_wanted)


def _show_wanted(made: Any) -> None:
    what = made.delivery or f"what happened in commands {made.since_seq} to {made.until_seq}"
    out().print(f"{made.endpoint} is told again: {what}.", soft_wrap=True)


# ── what comes in ────────────────────────────────────────────────────────────────────


@command(
    app,
    "inbox",
    "khata webhooks inbox --status parked",
    "khata webhooks inbox --provider sandbox --json",
)
def inbox(
    *,
    provider: Annotated[str | None, Parameter(help="Only this provider's.")] = None,
    status: Annotated[
        str | None,
        Parameter(
            help="received, applied, stale, parked, mismatch, malformed or discarded; else all."
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what providers told us, newest first."""
    with looking(where) as view:
        page = webhooks.inbox(view, provider=provider, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("item", "received", "provider", "event", "type", "status", "copies>", "why")
        for item in page.items:
            came, copies = short(item.received_at), str(item.copies)
            row(made, item.id, came, item.provider, item.event, item.type, item.status, copies,
                item.message)  # fmt: skip
        out().print(made if page.items else "Nothing came in.")
    more(page.next)
    return 0


@command(app, "rejected", "khata webhooks rejected --limit 10")
def rejected(
    *, cursor: Cursor = None, limit: Limit = 50, json: Json = False, where: Where = HERE
) -> int:
    """List webhooks that were turned away, newest first."""
    with looking(where) as view:
        page = webhooks.rejections(view, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("seq>", "at", "provider", "why", "from", "missed before>")
        for item in page.items:
            at, missed = short(item.at), str(item.missed or "")
            row(made, str(item.seq), at, item.provider, item.code, item.source, missed)
        out().print(made if page.items else "Nothing was turned away.")
    more(page.next)
    return 0


@command(app, "show", "khata webhooks show whi_0801", "khata webhooks show whi_0801 --body")
def show(
    item: Item,
    *,
    body: Annotated[
        bool, Parameter(negative="", show_default=False, help="Write out its raw body.")
    ] = False,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show one event that came in."""
    with opened(where) as book, book.view(where.who()) as view:
        found = webhooks.inbox_item(view, item)
        raw = _body(view, item, book.vault) if body else None
    if json:
        dump(found)
    else:
        shown = msgspec.to_builtins(found)
        out().print(pairs([(name, _cell(value)) for name, value in shown.items()]))
    if raw is not None:
        out().print(raw.decode("utf-8", "replace"), soft_wrap=True)
    return 0


def _body(view: View, item: str, vault: Any) -> bytes:
    """The raw body, for who may see everything. Errors: `RoleRequired` for others."""
    if not view.actor.has("admin"):
        raise RoleRequired("An administrator may read bodies.", expected=["admin"])
    return opened_body(webhooks.raw_item(view, item), vault)


def _cell(value: Any) -> str | None:
    return None if value is None else str(value)


@command(app, "retry", "khata webhooks retry whi_0801 --reason 'The order is there now'")
def retry(item: Item, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Try an event again that waits for a person."""
    return carry_out(where, how, webhooks.RetryItem(item, reason), _show_item)


@command(app, "discard", "khata webhooks discard whi_0801 --reason 'A test of theirs'")
def discard(item: Item, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let an event go that waits for a person; it stays in the inbox."""
    return carry_out(where, how, webhooks.DiscardItem(item, reason), _show_item)


def _show_item(made: Any) -> None:
    out().print(f"{made.id} ({made.type} of {made.provider}) is {made.status}.", soft_wrap=True)
