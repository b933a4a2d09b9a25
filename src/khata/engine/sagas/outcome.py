"""What became of a call to the world outside, as the worker tells it to the book."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`status` says what is known of the call:

    - `done`: it happened; `data` is its answer (JSON, nothing secret).
    - `failed`: it did not happen and will not: a decline. `code` and `message` say why.
    - `busy`: it did not happen, and may be tried again under the same key.
    - `unknown`: nobody can say; it will be asked about under the same key, not done anew.
    - `absent`: the answer to a question alone: the other side knows nothing of this key.
    """

    status: Literal["done", "failed", "busy", "unknown", "absent"]
    data: dict[str, Any] = {}
    code: str = ""
    message: str = ""


class Intent(msgspec.Struct, frozen=True):
    """A call that was decided and committed before it is made.

    `key`: the idempotency key at the other side, fixed for life. `to`: who is called: the name of
    a caller such as `payments`. `request`: what is asked, JSON; anything secret in it is sealed.
    `sent`: it may have been made already, so it is asked about and not simply made. `asked`: how
    often in vain. `again`: it is known not to have happened, and will be made anew.
    """

    step: str
    key: str
    to: str
    request: dict[str, Any]
    sent: bool = False
    asked: int = 0
    again: bool = False
