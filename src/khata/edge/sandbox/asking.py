"""What is asked of the sandbox as a provider: to make things and to find them, faults and all."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from khata.edge.sandbox.faults import FAULTS, Rule
from khata.edge.sandbox.handling import Handler, Route
from khata.edge.sandbox.objects import PLURALS, Refusal
from khata.edge.sandbox.world import shown

_HUGE: Final = 1024 * 1024
_TICK: Final = 0.05
OP: Final = "(charges|refunds|payouts)"


def _create(handler: Handler, words: tuple[str, ...]) -> None:
    op = PLURALS[words[0]]
    key = handler.headers.get("idempotency-key", "")
    if not key:
        raise Refusal(400, "key_missing", "An Idempotency-Key is needed.")
    raw = handler.read(dict[str, Any])
    world = handler.site.world
    rule = world.met(op, key, raw)
    fault = FAULTS[rule.fault] if rule else None
    if fault is not None and not fault.does:
        _spoil(handler, rule, None)
        return
    thing = world.make(op, key, raw, rule)
    if rule is not None:
        _spoil(handler, rule, shown(thing))
    else:
        _tell(handler, shown(thing))


def _find(handler: Handler, words: tuple[str, ...]) -> None:
    op = PLURALS[words[0]]
    key = handler.query.get("key", [""])[0]
    world = handler.site.world
    rule = world.met("find", key, {"op": op})
    told = {"items": [shown(thing) for thing in world.found(op, key)]}
    if rule is not None:
        _spoil(handler, rule, told)
    else:
        handler.answer(200, told)


def _tell(handler: Handler, told: dict[str, Any]) -> None:
    """A declined charge is told as a decline, however often it is asked for."""
    if told.get("status") == "failed":
        code = told.get("code") or "declined"
        handler.answer(402, {"error": {"code": code, "message": f"Declined: {code}."}})
    else:
        handler.answer(200, told)


def _spoil(handler: Handler, rule: Rule | None, told: dict[str, Any] | None) -> None:
    """Answer as the fault wants it. `told`: what an honest answer would say."""
    assert rule is not None
    kind = FAULTS[rule.fault].answer
    if kind == "hang":
        handler.until_gone(handler.site.plan.hang_seconds)
        handler.hang_up()
    elif kind == "drop":
        handler.hang_up()
    elif kind == "garbage":
        handler.send(200, b'<html>{"id": 17, "status": </html>')
    elif kind == "huge":
        handler.send(200, b" " * _HUGE + msgspec.json.encode(told))
    elif kind == "error":
        handler.answer(500, {"error": {"code": "internal", "message": "Something went wrong."}})
    elif kind == "busy":
        refused = {"code": "busy", "message": "Too much to do.", "processed": False}
        handler.answer(503, {"error": refused})
    elif kind == "trickle":
        _trickle(handler)
    else:
        if kind == "slow":
            handler.site.stopped.wait(rule.delay_ms / 1000)
        _tell(handler, _altered(kind, told or {}))


def _altered(kind: str, told: dict[str, Any]) -> dict[str, Any]:
    if kind == "wrong_amount" and "amount" in told:
        return {**told, "amount": f"9{told['amount']}"}
    if kind == "wrong_currency" and "currency" in told:
        return {**told, "currency": "XAF" if told["currency"] != "XAF" else "XOF"}
    return told


def _trickle(handler: Handler) -> None:
    """A byte now and then, of an answer that never ends."""
    end = time.monotonic() + handler.site.plan.hang_seconds
    handler.close_connection = True
    handler.send(200, b"", 10**6)
    try:
        while time.monotonic() < end and not handler.site.stopped.wait(_TICK):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    except OSError:
        handler.hang_up()


def _show(handler: Handler, words: tuple[str, ...]) -> Any:
    return shown(handler.site.world.get(PLURALS[words[0]], words[1]))


ROUTES: Final[tuple[Route, ...]] = (
    ("POST", f"/v1/{OP}", _create),
    ("GET", f"/v1/{OP}", _find),
    ("GET", f"/v1/{OP}/([^/]+)", _show),
)
