"""The sandbox's own book: what was asked, what it led to, what is still to be told.

It knows nothing of HTTP. Time comes in from outside, ids and faults from the seed and the key, so
the same calls in any order give the same objects. One lock holds it together.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from khata.edge.sandbox.diary import Diary
from khata.edge.sandbox.faults import FATES, FAULTS, Rule, Script
from khata.edge.sandbox.objects import (
    ACCOUNTS,
    BODIES,
    FAULT_TOKENS,
    PREFIXES,
    TOKENS,
    Body,
    Called,
    ChargeBody,
    Event,
    Object,
    PayoutBody,
    RefundBody,
    Refusal,
)
from khata.errors import InvalidFile

_OPEN: Final = frozenset({"pending", "authorised"})
_MAY_BECOME: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "charge": {
        "pending": ("authorised", "paid", "failed", "expired"),
        "authorised": ("paid", "failed", "expired"),
    },
    "refund": {"pending": ("succeeded", "failed")},
    "payout": {"processing": ("completed", "failed"), "completed": ("returned",)},
    "dispute": {"opened": ("won", "lost")},
}
"""Object → status → what may follow."""
_SILENT: Final = {"refund.pending"}


class World:
    """`seed`: of ids and chance. `rate`: share of calls that meet a fault, 0 to 1. `instant`:
    payouts are completed at once. `state`: a file to remember in. `clock`: seconds since 1970.
    `tell`: called with each event that is ready to leave, under the lock.
    """

    def __init__(
        self,
        seed: str,
        *,
        clock: Callable[[], int],
        tell: Callable[[Event], None],
        rate: float = 0.0,
        instant: bool = False,
        state: Path | None = None,
    ) -> None:
        self.script = Script(seed, rate)
        self.objects: dict[str, Object] = {}
        self.events: dict[str, Event] = {}
        self.lock = threading.RLock()
        self._calls: dict[tuple[str, str, str], Called] = {}
        self._keys: dict[str, str] = {}
        self._swapped: list[Event] = []
        self._seed = seed
        self._clock = clock
        self._tell = tell
        self._instant = instant
        self._diary = Diary(state)
        self._remember()

    # ── asking ───────────────────────────────────────────────────────────────────────

    def met(self, op: str, key: str, raw: dict[str, Any]) -> Rule | None:
        """Count a call, and say which fault it meets."""
        with self.lock:
            digest = _digest(raw)
            called = self._calls.setdefault((op, key, digest), Called(op, key, digest))
            called.count += 1
            self._diary.note("call", called)
            token = raw.get("token")
            if called.count == 1 and isinstance(token, str) and token in FAULT_TOKENS:
                return Rule(op="any", fault=FAULT_TOKENS[token])
            return self.script.next(op, {**raw, "key": key}, f"{key}/{called.count}")

    def make(self, op: str, key: str, raw: dict[str, Any], rule: Rule | None) -> Object:
        """The object that was asked for; the same one for the same key and body.

        Errors: `Refusal`: 409 for another body, 400 for one that makes no sense, 404, 422.
        """
        with self.lock:
            digest = _digest(raw)
            known = self.objects.get(self._keys.get(key, ""))
            if known is not None:
                if (known.object, known.digest) != (op, digest):
                    raise Refusal(409, "key_reused", "This key was used with another body.")
                return known
            try:
                body = msgspec.convert(raw, BODIES[op])
            except msgspec.ValidationError as error:
                raise Refusal(400, "invalid_request", str(error)[:200]) from None
            if Decimal(body.amount) <= 0:
                raise Refusal(400, "invalid_amount", "The amount must be above zero.")
            made = self._made(op, key, digest, body, rule)
            self._keys[key] = made.id
            self._changed(made)
            return made

    def found(self, op: str, key: str) -> list[Object]:
        """The object of a key, if there is one."""
        with self.lock:
            known = self.objects.get(self._keys.get(key, ""))
            return [known] if known is not None and known.object == op else []

    def get(self, op: str, name: str) -> Object:
        """The object with an id. Errors: `Refusal` 404."""
        with self.lock:
            known = self.objects.get(name)
            if known is None or known.object != op:
                raise Refusal(404, f"{op}_not_found", f"There is no {op} {name[:60]}.")
            return known

    # ── what a test lets happen ──────────────────────────────────────────────────────

    def advance(self, name: str | None = None) -> list[Object]:
        """Let what is pending come to its end, and what is held be told. `name`: of one object."""
        with self.lock:
            waiting = [
                thing
                for thing in self.objects.values()
                if name in {None, thing.id, thing.reference} and thing.then
            ]
            for thing in waiting:
                self._settle(thing)
            for event in self.events.values():
                if event.state in {"held", "undelivered"}:
                    self.send_again(event.id)
            return waiting

    def become(self, op: str, name: str, status: str, code: str | None) -> Object:
        """Bring one object into a status. Errors: `Refusal` 404, 422."""
        with self.lock:
            thing = self.get(op, name)
            allowed = _MAY_BECOME[op].get(thing.status, ())
            if status not in allowed:
                raise Refusal(
                    422, "invalid_transition", f"{thing.status} becomes {' or '.join(allowed)}."
                )
            thing.status, thing.code, thing.then = status, code, ""
            self._changed(thing)
            return thing

    def dispute(self, charge: str, outcome: str, reason: str) -> Object:
        """Open a dispute about a charge, or let it be won or lost. Errors: `Refusal`."""
        with self.lock:
            about = self.get("charge", charge)
            name = self._id("dispute", about.key)
            if outcome != "opened":
                return self.become("dispute", name, outcome, reason)
            if about.status != "paid" or name in self.objects:
                raise Refusal(422, "invalid_transition", "Only a paid charge is disputed, once.")
            opened = Object(
                name, "dispute", "opened", about.amount, about.currency, about.reference,
                key="", digest="", code=reason, charge=charge,
            )  # fmt: skip
            self._changed(opened)
            return opened

    def send_again(self, name: str) -> Event:
        """Tell an event, whether it was told before or not. Errors: `Refusal` 404."""
        with self.lock:
            event = self.events.get(name)
            if event is None:
                raise Refusal(404, "event_not_found", "There is no such event.")
            event.state = "queued"
            self._tell(event)
            return event

    def delivered(self, event: Event, *, well: bool) -> None:
        """Note what became of an event's delivery."""
        with self.lock:
            event.state = "sent" if well else "undelivered"
            event.times += well
            self._diary.note("event", event)

    def ledger(self) -> dict[str, Any]:
        """Everything: objects, calls under each key, events, and the money that moved."""
        with self.lock:
            everything = {
                "objects": list(self.objects.values()),
                "calls": list(self._calls.values()),
                "events": list(self.events.values()),
                "moved": self._moved(),
            }
            return {name: msgspec.to_builtins(told) for name, told in everything.items()}

    # ── inside ───────────────────────────────────────────────────────────────────────

    def _made(self, op: str, key: str, digest: str, body: Body, rule: Rule | None) -> Object:
        thing = Object(
            self._id(op, key), op, "", body.amount, body.currency, body.reference, key, digest
        )
        if isinstance(body, ChargeBody):
            self._as_charge(thing, body)
        elif isinstance(body, RefundBody):
            self._as_refund(thing, body)
        else:
            self._as_payout(thing, body)
        fault = FAULTS[rule.fault].answer if rule else "normal"
        if rule is not None and fault == "decline":
            thing.status, thing.code, thing.then = "failed", rule.code, ""
            thing.action_url = None
        elif fault == "pending" and op != "payout":
            thing.then, thing.then_code = thing.then or thing.status, thing.code
            thing.status, thing.code = "pending", None
        if op == "refund" and thing.status != "failed":
            charge = self.objects[str(thing.charge)]
            charge.refunded = str(Decimal(charge.refunded) + Decimal(body.amount))
            self._diary.note("object", charge)
        return thing

    def _as_charge(self, thing: Object, body: ChargeBody) -> None:
        thing.method = body.method
        by_default = "tok_ok" if body.method == "card" else "tok_pending"
        thing.status, thing.code, then = TOKENS.get(body.token or "", TOKENS[by_default])
        if thing.status in _OPEN:
            thing.then = then
            thing.then_code = "card_declined" if then == "failed" else None
        if thing.status == "pending":
            thing.action_url = f"https://pay.sandbox.invalid/{thing.id}"

    def _as_refund(self, thing: Object, body: RefundBody) -> None:
        charge = self.get("charge", body.charge)
        thing.charge, thing.status = charge.id, "succeeded"
        left = Decimal(charge.amount) - Decimal(charge.refunded)
        if charge.status != "paid" or charge.currency != body.currency:
            raise Refusal(422, "charge_not_refundable", "The charge cannot be refunded.")
        if Decimal(body.amount) > left:
            raise Refusal(422, "refund_exceeds_charge", f"Of the charge {left} is left.")

    def _as_payout(self, thing: Object, body: PayoutBody) -> None:
        thing.account = f"••••{body.account[-4:]}"
        end, code = ACCOUNTS.get(body.account[-4:], ("completed", None))
        thing.status, thing.then, thing.then_code = "processing", end, code
        if self._instant and end != "failed":
            thing.status = "completed"
            thing.then = "" if end == "completed" else end

    def _settle(self, thing: Object) -> None:
        if thing.status == "processing" and thing.then == "returned":
            # it arrives first; a bank sends it back later
            thing.status = "completed"
        else:
            thing.status, thing.code, thing.then = thing.then, thing.then_code, ""
        self._changed(thing)

    def _changed(self, thing: Object) -> None:
        if thing.object == "refund" and thing.status == "failed" and thing.charge:
            self._give_back(thing)
        self.objects[thing.id] = thing
        self._diary.note("object", thing)
        kind = f"{thing.object}.{thing.status}"
        if kind not in _SILENT:
            self._announce(kind, thing)

    def _give_back(self, refund: Object) -> None:
        charge = self.objects[str(refund.charge)]
        if refund.id in self.objects:
            charge.refunded = str(Decimal(charge.refunded) - Decimal(refund.amount))
            self._diary.note("object", charge)

    def _announce(self, kind: str, thing: Object) -> None:
        name = self._id("event", f"{thing.id}/{kind}")
        event = Event(name, kind, self._clock(), shown(thing))
        about = {"type": kind, "reference": thing.reference, "id": thing.id}
        rule = self.script.next("webhook", about, name)
        event.fate = rule.fault if rule and rule.fault in FATES else ""
        self.events[name] = event
        if event.fate == "lost":
            event.state = "lost"
        elif event.fate == "late":
            event.state = "held"
        elif event.fate == "reordered":
            event.state = "held"
            self._swapped.append(event)
        else:
            self._tell(event)
            for earlier in self._swapped:
                if earlier.state == "held":
                    self.send_again(earlier.id)
            self._swapped.clear()
        self._diary.note("event", event)

    def _moved(self) -> dict[str, dict[str, str]]:
        """Currency → what came `in` and went `out`, refunds and payouts that did not fail."""
        sums: dict[str, dict[str, Decimal]] = {}
        for thing in self.objects.values():
            gone = thing.status in {"failed", "expired", "returned", "pending", "authorised"}
            if thing.object == "dispute" or gone:
                continue
            side = "in" if thing.object == "charge" else "out"
            of = sums.setdefault(thing.currency, {"in": Decimal(0), "out": Decimal(0)})
            of[side] += Decimal(thing.amount)
        return {unit: {side: str(sum_) for side, sum_ in of.items()} for unit, of in sums.items()}

    def _id(self, sort: str, name: str) -> str:
        mark = hashlib.sha256(f"{self._seed}/{sort}/{name}".encode()).hexdigest()[:20]
        return f"{PREFIXES[sort]}_{mark}"

    def _remember(self) -> None:
        for number, (sort, thing) in enumerate(self._diary.lines(), 1):
            try:
                self._take_back(sort, thing)
            except (msgspec.ValidationError, KeyError):
                raise InvalidFile("The sandbox's state cannot be read.", line=number) from None

    def _take_back(self, sort: str, thing: Any) -> None:
        if sort == "object":
            known = msgspec.convert(thing, Object)
            self.objects[known.id] = known
            if known.key:
                self._keys[known.key] = known.id
        elif sort == "call":
            called = msgspec.convert(thing, Called)
            self._calls[called.op, called.key, called.digest] = called
        else:
            event = msgspec.convert(thing, Event)
            # what was on its way when it stopped is told by the next advance
            event.state = "undelivered" if event.state == "queued" else event.state
            self.events[event.id] = event


def shown(thing: Object) -> dict[str, Any]:
    """An object as its caller sees it."""
    told = msgspec.to_builtins(thing)
    hidden = {"digest", "then", "then_code", "key"}
    return {name: value for name, value in told.items() if name not in hidden}


def _digest(raw: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(raw, order="deterministic")).hexdigest()
