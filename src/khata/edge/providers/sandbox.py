"""The sandbox provider's side of the port: its API in, our outcomes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from khata.base.clock import Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.asked import ChargeAsked, PayoutAsked, RefundAsked, asked
from khata.edge.providers.minor import same_amount
from khata.edge.providers.port import Flow, Hooks, Opens, Request, Response
from khata.edge.providers.verdicts import (
    MISMATCH,
    SEALED,
    busy,
    declined,
    garbage,
    unknown,
    verdict,
)
from khata.engine.sagas.outcome import Intent, Outcome
from khata.errors import KhataError
from khata.settings import ProviderConfig

PATHS: Final = {"charge": "/v1/charges", "refund": "/v1/refunds", "payout": "/v1/payouts"}
STATUSES: Final[dict[str, dict[str, str]]] = {
    "charge": {
        "pending": "pending",
        "authorised": "authorised",
        "paid": "paid",
        "failed": "failed",
        "expired": "failed",
    },
    "refund": {"pending": "pending", "succeeded": "succeeded", "failed": "failed"},
    "payout": {
        "processing": "processing",
        "completed": "completed",
        "failed": "failed",
        "returned": "returned",
    },
}
"""What was asked → the sandbox's status → ours. `failed` is a decline, however it is told."""


class Thing(msgspec.Struct, frozen=True):
    """A charge, refund or payout as the sandbox shows it."""

    id: str
    status: str
    amount: str
    currency: str
    reference: str
    action_url: str | None = None
    code: str | None = None


class _Page(msgspec.Struct, frozen=True):
    items: list[Thing]


class Sandbox:
    """See `Provider`. `hooks`: its webhooks, in whichever shape it was told to send them.
    `vault`: opens account numbers; without it no payout leaves.
    """

    def __init__(self, config: ProviderConfig, hooks: Hooks, vault: Opens | None) -> None:
        self._config = config
        self._hooks = hooks
        self._vault = vault

    def charge(self, intent: Intent) -> Flow:
        """See `Provider`."""
        wanted = asked(intent)
        assert isinstance(wanted, ChargeAsked)
        more = {"method": wanted.method, "token": wanted.token, "about": wanted.about}
        return self._post(intent, wanted, more)

    def refund(self, intent: Intent) -> Flow:
        """See `Provider`."""
        wanted = asked(intent)
        assert isinstance(wanted, RefundAsked)
        return self._post(intent, wanted, {"charge": wanted.charge})

    def payout(self, intent: Intent) -> Flow:
        """See `Provider`. The account is opened here, sent, and kept nowhere."""
        wanted = asked(intent)
        assert isinstance(wanted, PayoutAsked)
        try:
            account, holder = self._open(wanted.account), self._open(wanted.holder)
        except KhataError:
            return _decided(busy(SEALED, "The account cannot be opened with the keys at hand."))
        more = {"account": account, "holder": holder}
        return self._post(intent, wanted, {**more, "bank": wanted.bank, "country": wanted.country})

    def find(self, intent: Intent) -> Flow:
        """See `Provider`."""
        wanted = asked(intent)
        path = f"{PATHS[wanted.op]}?key={quote(intent.key, safe='')}"
        response = yield self._request("GET", path, {})
        bad = verdict(response)
        if bad is not None:
            # whatever it declined was the question; of the call it says nothing
            return bad if bad.status != "failed" else garbage("a question was declined")
        page = _decode(response, _Page)
        if page is None or len(page.items) > 1:
            return garbage("not a list of at most one")
        if not page.items:
            return Outcome("absent")
        return _outcome(page.items[0], wanted)

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """See `Hooks`."""
        self._hooks.verify(headers, body, now)

    def event(self, body: bytes) -> ProviderEvent | None:
        """See `Hooks`."""
        return self._hooks.event(body)

    def _open(self, sealed: str) -> str:
        if self._vault is None:
            raise KhataError("There is no vault.")
        return self._vault.open(sealed)

    def _post(
        self, intent: Intent, wanted: ChargeAsked | RefundAsked | PayoutAsked, more: dict[str, Any]
    ) -> Flow:
        told = {
            "amount": wanted.amount,
            "currency": wanted.currency,
            "reference": wanted.reference,
            **{name: value for name, value in more.items() if value is not None},
        }
        headers = {"Idempotency-Key": intent.key, "Content-Type": "application/json"}
        body = msgspec.json.encode(told, order="deterministic")
        response = yield self._request("POST", PATHS[wanted.op], headers, body)
        bad = verdict(response)
        if bad is not None:
            return bad
        thing = _decode(response, Thing)
        return garbage("not the object asked for") if thing is None else _outcome(thing, wanted)

    def _request(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> Request:
        config = self._config
        if config.api_key:
            headers = {"Authorization": f"Bearer {config.api_key}", **headers}
        url = config.base_url.rstrip("/") + path
        return Request(method, url, headers, body, config.timeout_seconds)


def _decided(outcome: Outcome) -> Flow:
    """A conversation that is over before anything is said."""
    yield from ()
    return outcome


def _decode(response: Response, shape: Any) -> Any:
    try:
        return msgspec.json.decode(response.body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _outcome(thing: Thing, wanted: ChargeAsked | RefundAsked | PayoutAsked) -> Outcome:
    """What an object says of the call that made it."""
    status = STATUSES[wanted.op].get(thing.status)
    if status is None or not thing.id:
        return garbage("a status that is not documented")
    if (
        not same_amount(thing.amount, wanted.amount)
        or thing.currency != wanted.currency
        or thing.reference != wanted.reference
    ):
        return unknown(MISMATCH, "The provider answered for another amount, currency or reference.")
    if status == "failed":
        # an expired one has no code of its own
        return declined(thing.code or (thing.status if thing.status != "failed" else None))
    data = {
        "id": thing.id,
        "status": status,
        "amount": wanted.amount,
        "currency": wanted.currency,
    }
    if thing.action_url is not None:
        data["action_url"] = thing.action_url
    return Outcome("done", data)
