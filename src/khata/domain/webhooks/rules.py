"""What is allowed, and how things are called: addresses, patterns, identifiers, movements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from khata.base import ids
from khata.base.clock import Instant
from khata.domain.webhooks.model import PAUSES, SCHEDULE
from khata.errors import Invalid

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
    r"(:(?P<port>[0-9]{1,5}))?(?P<rest>[/?][\x21-\x22\x24-\x7e]*)?"
)
_PATTERN: Final = re.compile(r"\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?")
_LONGEST_URL: Final = 2000
_MOST_PATTERNS: Final = 50
_JITTER: Final = 0.1
_DERIVED: Final = 2048
"""Numbers from here on are events that were read off a command's result, not announced."""

MOVEMENTS: Final[Mapping[str, str]] = {
    "wallets.credit": "wallet.credited",
    "wallets.debit": "wallet.debited",
    "wallets.transfer": "wallet.transferred",
    "holds.place": "hold.placed",
    "holds.capture": "hold.captured",
    "holds.capture_group": "hold.captured",
    "holds.void": "hold.voided",
    "holds.void_group": "hold.voided",
}
"""Kind of command → the type of event that its result is, so that moving money costs no more."""

APPROVED: Final = "access.approve"
_ENTRIES: Final = {
    "credit": "wallet.credited",
    "debit": "wallet.debited",
    "transfer": "wallet.transferred",
}


# ── endpoints ────────────────────────────────────────────────────────────────────────


def check_url(url: str) -> None:
    """An address may be sent to, as far as its text tells. Errors: `Invalid`, not repeating it."""
    found = _URL.fullmatch(url) if len(url) <= _LONGEST_URL else None
    port = int(found["port"]) if found and found["port"] else 443
    if found is None or not (port in {80, 443} or 1024 <= port <= 65_535):  # noqa: PLR2004 - as the message says
        raise Invalid(
            "This is not an address that events can be sent to.",
            expected="https://host/path without user, password or #; port 80, 443 or from 1024",
        )


def check_patterns(patterns: list[str]) -> None:
    """Errors: `Invalid`."""
    good = all(_PATTERN.fullmatch(one) for one in patterns)
    if not good or not 1 <= len(patterns) <= _MOST_PATTERNS:
        raise Invalid(
            "Name the types of events.",
            expected=f"1 to {_MOST_PATTERNS} of: payment.paid, payment.*, *",
            got=[one[:60] for one in patterns[:5]],
        )


def wants(patterns: Iterable[str], kind: str) -> bool:
    """Whether one of the patterns means this type of event."""
    return any(
        one in ("*", kind) or (one.endswith(".*") and kind.startswith(one[:-1])) for one in patterns
    )


# ── deliveries ───────────────────────────────────────────────────────────────────────


def delivery_id(seq: int, n: int, endpoint: str) -> str:
    """The id of an event for one endpoint, the same however often it is sent."""
    return f"{ids.to_text('evt', ids.number(seq, n))}_{endpoint.removeprefix('whe_')}"


def delivery_key(name: str) -> tuple[int, int, str] | None:
    """The event (seq, n) and the endpoint in the id of a delivery; None when it is none."""
    head, _, endpoint = name.rpartition("_")
    number = ids.from_text("evt", head)
    if number is None or not 0 < len(endpoint) <= 16:  # noqa: PLR2004 - as ids are long
        return None
    seq, n = divmod(number, ids.PER_COMMAND)
    return seq, n, f"whe_{endpoint}"


def next_attempt(done: int, name: str) -> Instant | None:
    """How long to wait after so many failed attempts; None: no more.

    A tenth at most is added, so that what failed together does not come back together.
    """
    if done >= len(SCHEDULE):
        return None
    chance = int.from_bytes(hashlib.sha256(f"{name}/{done}".encode()).digest()[:4], "big")
    return int(SCHEDULE[done] * (1 + _JITTER * chance / 2**32))


def next_try(attempts: int) -> Instant | None:
    """How long a parked item waits after so many tries; None: until a person looks."""
    return PAUSES[attempts - 1] if 1 <= attempts <= len(PAUSES) else None


# ── movements ────────────────────────────────────────────────────────────────────────


def movements(kind: str, result: Any) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(n, type, subject, data) of what a plain movement of money did, out of its result.

    What a second person approved counts as if it had been asked for directly.
    """
    told = MOVEMENTS.get(kind)
    if kind == APPROVED and result:
        result = result.get("result")
        told = _approved(result)
    if told is None or not result:
        return
    read = _hold if told.startswith("hold.") else _entry
    for at, part in enumerate(result if isinstance(result, list) else [result]):
        yield _DERIVED + at, told, str(part["id"]), read(part)


def _approved(result: Any) -> str | None:
    """What an approved command did, told by what it answered."""
    if not isinstance(result, dict):
        return None
    if "legs" in result:
        return _ENTRIES.get(str(result.get("type")))
    return "hold.captured" if "captured" in result and result.get("entry") else None


def _entry(moved: dict[str, Any]) -> dict[str, Any]:
    legs = moved["legs"]
    return {
        "entry": moved["id"],
        "source": moved["source"],
        "reference": moved["reference"],
        "amount": str(legs[0]["amount"]).lstrip("-"),
        "currency": moved["currency"],
        "legs": [{"account": leg["account"], "amount": leg["amount"]} for leg in legs],
    }


def _hold(hold: dict[str, Any]) -> dict[str, Any]:
    names = (
        "wallet", "status", "amount", "remaining", "captured", "currency", "group", "reference",
        "entry",
    )  # fmt: skip
    return {name: hold.get(name) for name in names}
