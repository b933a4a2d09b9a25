"""What an answer over HTTP says of a call, whatever the provider.

    2xx, and it reads as documented      look at the object
    4xx with a reason                    `failed`: a decline, with the provider's code
    401, 403                             `busy`: our credentials are wrong, nobody's payment is
    409                                  `unknown`: the key is known for something else
    429, 503 "not processed"             `busy`
    any other, or anything unreadable    `unknown`: it may have happened

`unknown` is asked about under the same key; nothing here ever leads to a second key.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.edge.providers.port import Response
from khata.engine.sagas.outcome import Outcome

TIMEOUT: Final = "provider_timeout"
DROPPED: Final = "provider_dropped"
UNREACHABLE: Final = "provider_unreachable"
BUSY: Final = "provider_busy"
REJECTED: Final = "provider_credentials"
ERROR: Final = "provider_error"
GARBAGE: Final = "provider_garbage"
MISMATCH: Final = "provider_mismatch"
KEY_REUSED: Final = "provider_key_reused"
NOT_CONFIGURED: Final = "provider_not_configured"
NOT_OFFERED: Final = "provider_not_offered"
BAD_REQUEST: Final = "provider_request_invalid"
SEALED: Final = "provider_account_sealed"
FAULT: Final = "provider_fault"

_CODE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_NUMBER: Final = re.compile(r"\d(?=[\d -]{4,}\d)")
_LONGEST: Final = 200
_OK: Final = range(200, 300)
_REFUSED: Final = range(400, 500)


class _Reason(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    processed: bool | None = None


class _Failure(msgspec.Struct, frozen=True):
    error: _Reason


def unknown(code: str, message: str) -> Outcome:
    """Nobody can say."""
    return Outcome("unknown", code=code, message=message)


def busy(code: str, message: str) -> Outcome:
    """It did not happen, and may be tried again."""
    return Outcome("busy", code=code, message=message)


def declined(code: str | None, message: str = "") -> Outcome:
    """It did not happen and will not. Both are the provider's; long numbers are masked."""
    plain = code if code and _CODE.fullmatch(code) else "declined"
    return Outcome("failed", code=plain, message=_NUMBER.sub("•", message)[:_LONGEST])


def garbage(what: str) -> Outcome:
    """An answer that nobody can read, after a call that may have happened."""
    return unknown(GARBAGE, f"The provider's answer cannot be read: {what}.")


def verdict(response: Response) -> Outcome | None:
    """What its status says; None: it went well, and the body has the rest."""
    status = response.status
    if status in _OK:
        return None
    reason = _reason(response.body)
    if status == 429:  # noqa: PLR2004 - HTTP's own numbers, as in the table above
        return busy(BUSY, "The provider has too much to do.")
    if status == 503 and reason is not None and reason.processed is False:  # noqa: PLR2004
        return busy(BUSY, "The provider is busy, and did nothing.")
    if status >= 500:  # noqa: PLR2004
        return unknown(ERROR, f"The provider failed with {status}.")
    if status in {401, 403}:
        return busy(REJECTED, "The provider does not accept our credentials.")
    if status == 409:  # noqa: PLR2004
        return unknown(KEY_REUSED, "The provider knows this key for something else.")
    if status in _REFUSED and status != 408 and reason is not None:  # noqa: PLR2004
        return declined(reason.code, reason.message)
    return garbage(f"status {status}")


def _reason(body: bytes) -> _Reason | None:
    try:
        return msgspec.json.decode(body, type=_Failure).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
