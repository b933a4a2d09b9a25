"""What the HTTP door answers, as structs: the server encodes them, the client decodes them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Receipt(msgspec.Struct, Generic[T], frozen=True):
    """The answer to a command. `seq`: its place in the journal; `at`: ISO 8601, UTC.

    `key`: the idempotency key it was carried out under. `replayed`: it had been carried out
    before, and this is the first answer again.
    """

    seq: int
    at: str
    key: str
    replayed: bool
    result: T


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, in the shape of RFC 9457. Programs decide by `code`.

    `details`: such as `expected`, `got`, `available`. `request_id`: what to ask an operator for.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    request_id: str | None = None


class BulkOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one line: a receipt's members, or `error`."""

    index: int
    key: str | None = None
    seq: int | None = None
    at: str | None = None
    replayed: bool | None = None
    result: Any = None
    error: Problem | None = None


class BulkAnswer(msgspec.Struct, frozen=True):
    """What became of all lines, in their order."""

    committed: int
    refused: int
    replayed: int
    outcomes: list[BulkOutcome]


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made. `secret`: shown this once, None when the caller made it."""

    id: str
    label: str
    roles: list[str]
    scopes: list[str]
    revoked: bool
    secret: str | None


class WebhookTaken(msgspec.Struct, frozen=True):
    """A provider's webhook was kept. `status` is `received`."""

    status: str


class NewEndpoint(msgspec.Struct, frozen=True):
    """An endpoint with its new secret (`whsec_…`), shown this once."""

    id: str
    url: str
    events: list[str]
    status: str
    secret: str


class JournalView(msgspec.Struct, frozen=True):
    """A command that was carried out. `hash`: hex, the end of the chain so far."""

    seq: int
    key: str
    kind: str
    actor: str
    at: str
    command: dict[str, Any]
    result: Any
    hash: str


class RefusalView(msgspec.Struct, frozen=True):
    """A command that was refused, kept for the audit."""

    n: int
    key: str
    kind: str
    actor: str
    at: str
    code: str
    detail: str


class DiscrepancyView(msgspec.Struct, frozen=True):
    """One thing that is not as it must be."""

    check: str
    where: str
    expected: str | int | None
    got: str | int | None


class VerifyView(msgspec.Struct, frozen=True):
    """What a verification found. `head`: the last hash in hex; `omitted`: not listed."""

    ok: bool
    book: str
    seq: int
    head: str
    journal: int
    postings: int
    accounts: int
    seconds: float
    discrepancies: list[DiscrepancyView]
    omitted: int


class Health(msgspec.Struct, frozen=True):
    """`status` is `ok`."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """`books`: each book that is served, with the seq of its last command."""

    status: str
    books: dict[str, int]
