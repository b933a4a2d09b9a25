"""What a test or a demo does with the sandbox: script it, let time pass, look behind it."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from khata.edge.sandbox.asking import OP
from khata.edge.sandbox.faults import FATES, FAULTS, Rule
from khata.edge.sandbox.handling import Handler, Route
from khata.edge.sandbox.objects import PLURALS, Refusal
from khata.edge.sandbox.world import shown


class _Become(msgspec.Struct, forbid_unknown_fields=True):
    status: str
    code: str | None = None


class _Dispute(msgspec.Struct, forbid_unknown_fields=True):
    outcome: Literal["opened", "won", "lost"] = "opened"
    reason: str = "fraudulent"


class _Returned(msgspec.Struct, forbid_unknown_fields=True):
    code: str = "account_closed"


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None


class _Webhook(msgspec.Struct, forbid_unknown_fields=True):
    url: str | None = None


def _ledger(handler: Handler, _: tuple[str, ...]) -> Any:
    handler.site.teller.wait()
    return handler.site.world.ledger()


def _script(handler: Handler, _: tuple[str, ...]) -> Any:
    rule: Rule = handler.read(Rule)
    known = FATES if rule.op == "webhook" else tuple(FAULTS)
    if rule.fault not in known:
        raise Refusal(400, "unknown_fault", f"Faults of {rule.op}: {', '.join(known)}.")
    with handler.site.world.lock:
        handler.site.world.script.add(rule)
    return {"queued": True}


def _clear(handler: Handler, _: tuple[str, ...]) -> Any:
    with handler.site.world.lock:
        handler.site.world.script.clear()
    return {"queued": False}


def _advance(handler: Handler, _: tuple[str, ...]) -> Any:
    wanted: _Advance = handler.read(_Advance)
    settled = [shown(thing) for thing in handler.site.world.advance(wanted.id)]
    handler.site.teller.wait()
    return {"settled": settled}


def _become(handler: Handler, words: tuple[str, ...]) -> Any:
    wanted: _Become = handler.read(_Become)
    thing = handler.site.world.become(PLURALS[words[0]], words[1], wanted.status, wanted.code)
    return _then(handler, shown(thing))


def _dispute(handler: Handler, words: tuple[str, ...]) -> Any:
    wanted: _Dispute = handler.read(_Dispute)
    thing = handler.site.world.dispute(words[0], wanted.outcome, wanted.reason)
    return _then(handler, shown(thing))


def _returned(handler: Handler, words: tuple[str, ...]) -> Any:
    wanted: _Returned = handler.read(_Returned)
    thing = handler.site.world.become("payout", words[0], "returned", wanted.code)
    return _then(handler, shown(thing))


def _webhook(handler: Handler, _: tuple[str, ...]) -> Any:
    wanted: _Webhook = handler.read(_Webhook)
    handler.site.teller.url = wanted.url
    return {"url": wanted.url}


def _resend(handler: Handler, words: tuple[str, ...]) -> Any:
    event = handler.site.world.send_again(words[0])
    return _then(handler, {"id": event.id, "type": event.type})


def _then(handler: Handler, told: Any) -> Any:
    """Answer when the webhooks have arrived: what comes next may rely on them."""
    handler.site.teller.wait()
    return told


ROUTES: Final[tuple[Route, ...]] = (
    ("POST", f"/v1/{OP}/([^/]+)/settle", _become),
    ("POST", "/v1/charges/([^/]+)/dispute", _dispute),
    ("POST", "/v1/payouts/([^/]+)/return", _returned),
    ("POST", "/v1/events/([^/]+)/send", _resend),
    ("GET", "/v1/ledger", _ledger),
    ("POST", "/v1/script", _script),
    ("DELETE", "/v1/script", _clear),
    ("POST", "/v1/advance", _advance),
    ("PUT", "/v1/webhook", _webhook),
)
