"""A sandbox for tests and demos: it lives as long as a `with` block, in threads of this process."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx

from khata.edge.sandbox.handling import Plan
from khata.edge.sandbox.server import SandboxServer
from khata.edge.sandbox.telling import tls
from khata.settings import ProviderConfig

_PATIENCE = 60.0
"""Seconds: it answers when its webhooks have arrived."""
Scheme = Literal["standard", "stripe", "razorpay"]


class Remote:
    """A sandbox that runs, wherever: short words for what its control routes do.

    Errors: `httpx.HTTPStatusError` when it turns something down, with its reason.
    """

    def __init__(self, url: str, api_key: str, secret: str, scheme: Scheme = "standard") -> None:
        self.url = url
        self.api_key = api_key
        self.secret = secret
        self.scheme: Scheme = scheme

    def config(self, name: str = "sandbox", **changes: Any) -> ProviderConfig:
        """How Khata is told of it."""
        known: dict[str, Any] = {
            "base_url": self.url,
            "api_key": self.api_key,
            "webhook_secrets": (self.secret,),
            "scheme": self.scheme,
        }
        return ProviderConfig(name=name, **(known | changes))

    def script(self, op: str, fault: str, **more: Any) -> None:
        """Let the next calls of `op` meet a fault; `more` as in `Rule`: times, after, match, …"""
        self._ask("POST", "/v1/script", {"op": op, "fault": fault, **more})

    def clear(self) -> None:
        """Forget what was scripted."""
        self._ask("DELETE", "/v1/script", {})

    def advance(self, id: str | None = None) -> list[dict[str, Any]]:  # noqa: A002 - the field's name
        """Settle what is pending (or one thing, by its id or our reference), tell what is held."""
        settled: list[dict[str, Any]] = self._ask("POST", "/v1/advance", {"id": id})["settled"]
        return settled

    def settle(self, plural: str, id: str, status: str, code: str | None = None) -> Any:  # noqa: A002 - the field's name
        """Bring a thing of `charges`, `refunds` or `payouts` into a status."""
        return self._ask("POST", f"/v1/{plural}/{id}/settle", {"status": status, "code": code})

    def dispute(self, charge: str, outcome: str = "opened", reason: str = "fraudulent") -> Any:
        """Open a chargeback of a charge, or let it be `won` or `lost`."""
        told = {"outcome": outcome, "reason": reason}
        return self._ask("POST", f"/v1/charges/{charge}/dispute", told)

    def return_payout(self, payout: str, code: str = "account_closed") -> Any:
        """Let the bank send a completed payout back."""
        return self._ask("POST", f"/v1/payouts/{payout}/return", {"code": code})

    def resend(self, event: str) -> None:
        """Send the webhook of an event again."""
        self._ask("POST", f"/v1/events/{event}/send", {})

    def send_webhooks_to(self, url: str | None) -> None:
        """Say where webhooks go from now on."""
        self._ask("PUT", "/v1/webhook", {"url": url})

    def ledger(self) -> dict[str, Any]:
        """Objects, calls, events and moved money, when every webhook so far was sent."""
        told: dict[str, Any] = self._ask("GET", "/v1/ledger", None)
        return told

    def _ask(self, method: str, path: str, told: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        url = self.url + path
        answer = httpx.request(
            method, url, json=told, headers=headers, timeout=_PATIENCE, verify=tls()
        )
        answer.raise_for_status()
        return answer.json()


def plan(
    seed: int | str | None = None,
    secret: str | None = None,
    api_key: str | None = None,
    **more: Any,
) -> Plan:
    """A plan in which everything secret is made from the seed, unless it is given.

    Without a seed it is drawn by chance, so that two sandboxes never give out the same ids.
    """
    of = secrets.token_hex(16) if seed is None else str(seed)
    made = hashlib.sha256(f"{of}/secret".encode()).digest()
    return Plan(
        seed=of,
        secret=secret or f"whsec_{base64.b64encode(made).decode()}",
        api_key=api_key or f"sk_sandbox_{hashlib.sha256(f'{of}/key'.encode()).hexdigest()[:24]}",
        **more,
    )


@contextmanager
def local_sandbox(
    port: int = 0,
    seed: int | str | None = None,
    webhook_url: str | None = None,
    *,
    scheme: Scheme = "standard",
    fault_rate: float = 0.0,
    instant: bool = False,
    state: Path | None = None,
    hang_seconds: float = 30.0,
) -> Iterator[Remote]:
    """A sandbox provider on this machine, until the end of the `with` block.

    `port`: 0 for a free one. See `Plan` for the rest.
    """
    made = plan(
        seed,
        port=port,
        webhook_url=webhook_url,
        scheme=scheme,
        fault_rate=fault_rate,
        instant=instant,
        state=state,
        hang_seconds=hang_seconds,
    )
    server = SandboxServer(made)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox", daemon=True
    )
    thread.start()
    try:
        yield Remote(server.url, made.api_key, made.secret, scheme)
    finally:
        server.close()
        thread.join()
