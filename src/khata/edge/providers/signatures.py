"""How providers sign webhooks: three schemes, each to sign and to check, over the raw bytes.

`standard`: Standard Webhooks, `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`.
`stripe`: `Stripe-Signature: t=…,v1=…`.
`razorpay`: `X-Razorpay-Signature`, an HMAC of the body without a time: that an old one is not taken
twice rests on the id of its event, which is therefore made from what is signed.

Several secrets hold at once, so that one can replace another. All are tried, whichever fits, and
compared in constant time. No error tells more than which rule was broken.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from khata.base.clock import SECOND, Instant
from khata.errors import Invalid, InvalidSignature, StaleWebhook

TOLERANCE: Final[Instant] = 300 * SECOND
"""How far a signature's time may be from ours, before or after."""

Secrets = Sequence[str]
Verify = Callable[[Secrets, Mapping[str, str], bytes, Instant], None]
Sign = Callable[[str, str, bytes, Instant], dict[str, str]]

_MOST_SIGNATURES: Final = 10
_LONGEST: Final = 4096
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = re.compile(r"[\x21-\x7e]{1,255}")


# ── Standard Webhooks ────────────────────────────────────────────────────────────────


def sign_standard(secret: str, event: str, body: bytes, now: Instant) -> dict[str, str]:
    """The headers of a webhook. `secret`: `whsec_` and base64. `event`: the id of the event."""
    seconds = now // SECOND
    return {
        "webhook-id": event,
        "webhook-timestamp": str(seconds),
        "webhook-signature": _standard(secret, event, seconds, body),
    }


def verify_standard(
    secrets: Secrets, headers: Mapping[str, str], body: bytes, now: Instant
) -> None:
    """Errors: `InvalidSignature`, `StaleWebhook`."""
    given = _lower(headers)
    event = _header(given, "webhook-id")
    seconds = _time(_header(given, "webhook-timestamp"))
    if not _ID.fullmatch(event):
        raise _wrong("an id that cannot be one")
    signatures = _several(_header(given, "webhook-signature").split(" "))
    _match([_standard(secret, event, seconds, body) for secret in secrets], signatures)
    _check_age(seconds, now)


def _standard(secret: str, event: str, seconds: int, body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _wrong("a body that is not UTF-8") from None
    return str(standard(secret).sign(event, datetime.fromtimestamp(seconds, UTC), text))


def standard(secret: str) -> Webhook:
    """The library's signer. Errors: `Invalid` for a secret that is not base64."""
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        raise Invalid("A webhook secret is not one.", expected="whsec_ and base64") from None


# ── Stripe's ─────────────────────────────────────────────────────────────────────────


def sign_stripe(secret: str, event: str, body: bytes, now: Instant) -> dict[str, str]:
    """The header of a webhook; the id of the event is in its body."""
    del event
    seconds = str(now // SECOND)
    return {"Stripe-Signature": f"t={seconds},v1={_stripe(secret, seconds, body)}"}


def verify_stripe(secrets: Secrets, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
    """Errors: `InvalidSignature`, `StaleWebhook`."""
    parts = [
        part.partition("=")[::2] for part in _header(_lower(headers), "stripe-signature").split(",")
    ]
    times = [value for name, value in parts if name == "t"]
    if len(times) != 1:
        raise _wrong("no single time")
    seconds = _time(times[0])
    signatures = _several([value for name, value in parts if name == "v1"])
    _match([_stripe(secret, times[0], body) for secret in secrets], signatures)
    _check_age(seconds, now)


def _stripe(secret: str, seconds: str, body: bytes) -> str:
    return _mac(secret, seconds.encode() + b"." + body)


# ── Razorpay's ───────────────────────────────────────────────────────────────────────


def sign_razorpay(secret: str, event: str, body: bytes, now: Instant) -> dict[str, str]:
    """The headers of a webhook; nothing in them tells when."""
    del now
    return {"X-Razorpay-Signature": _mac(secret, body), "X-Razorpay-Event-Id": event}


def verify_razorpay(
    secrets: Secrets, headers: Mapping[str, str], body: bytes, now: Instant
) -> None:
    """Errors: `InvalidSignature`."""
    del now
    given = _header(_lower(headers), "x-razorpay-signature")
    if not _HEX.fullmatch(given):
        raise _wrong("not 64 hexadecimal digits")
    _match([_mac(secret, body) for secret in secrets], [given])


SCHEMES: Final[dict[str, tuple[Sign, Verify]]] = {
    "standard": (sign_standard, verify_standard),
    "stripe": (sign_stripe, verify_stripe),
    "razorpay": (sign_razorpay, verify_razorpay),
}
"""Scheme → how to sign, how to check."""


# ── What they share ──────────────────────────────────────────────────────────────────


def _mac(secret: str, data: bytes) -> str:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def _match(expected: list[str], given: list[str]) -> None:
    if not expected:
        raise _wrong("no secret is set")
    # every pair is compared, so that the time taken does not tell which one fitted
    fits = [
        hmac.compare_digest(mine.encode(), theirs.encode()) for mine in expected for theirs in given
    ]
    if not any(fits):
        raise _wrong("no secret fits")


def _several(signatures: list[str]) -> list[str]:
    """Several are honest while a secret is replaced; the same twice, or a heap, are not."""
    if not 1 <= len(signatures) <= _MOST_SIGNATURES or len(set(signatures)) < len(signatures):
        raise _wrong("signatures that repeat, or too many")
    return signatures


def _time(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise _wrong("a time that is none")
    return int(text)


def _check_age(seconds: int, now: Instant) -> None:
    if abs(now - seconds * SECOND) > TOLERANCE:
        raise StaleWebhook(
            "The webhook was not signed lately.",
            expected=f"within {TOLERANCE // SECOND} seconds of now",
            got=f"{(now // SECOND) - seconds} seconds ago",
        )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _header(headers: Mapping[str, str], name: str) -> str:
    text = headers.get(name, "")
    if not text or len(text) > _LONGEST or not text.isascii():
        raise _wrong(f"no header {name}")
    return text


def _wrong(what: str) -> InvalidSignature:
    return InvalidSignature(f"The webhook is not signed as it must be: {what}.")
