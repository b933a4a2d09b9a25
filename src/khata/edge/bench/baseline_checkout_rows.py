"""What the usual way decides and stores for each request of a checkout.

The same rows and texts as Khata's, made the same way: the request as JSON with its digest, the
answer as JSON, the hold, the escrow with its legs and its history as JSON, the entry, postings with
running balances and the owners' lines. Shares, releases and refunds are computed by the very
functions that Khata uses. What is locked is read through `Rows`; what is to be written comes back
as `Changes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from khata.base.clock import Instant, system_clock
from khata.base.money import to_text
from khata.domain.commissions import STANDARD, shares
from khata.domain.escrow import Escrow, EscrowState, Leg, state_of
from khata.domain.escrow import rules as sharing
from khata.domain.escrow.model import Step
from khata.domain.holds import HoldState
from khata.edge.bench.baseline_rows import Found
from khata.edge.bench.book_side import SERVICE
from khata.edge.bench.checkouts import (
    PLATFORM,
    REFUNDED,
    RELEASED,
    SOURCE,
    Checkout,
    fund_of,
    hold_of,
    ref_of,
    refund_of,
    release_of,
)
from khata.edge.bench.figures import CURRENCY, EXPONENT, path_of
from khata.engine.command import Command
from khata.engine.holds import Hold
from khata.engine.records import Row, spec
from khata.errors import HoldNotActive, InsufficientFunds, KeyReused
from khata.errors.market import EscrowClosed

_ACTOR: Final = str(SERVICE)
_CATEGORIES: Final = {SOURCE: "Video orders", "refund": "Refunds"}
_encode: Final = msgspec.json.Encoder().encode
_replace: Final = msgspec.structs.replace
_hold_row: Final = spec(Hold).encode
_escrow_row: Final = spec(Escrow).encode


class Request(NamedTuple):
    """The request number `step`, counted from 0, of the checkout with this number."""

    step: int
    key: str
    number: int
    checkout: Checkout

    @property
    def ref(self) -> str:
        """The order, and the escrow of it."""
        return ref_of(self.number)

    @property
    def hold(self) -> str:
        """The id of its hold, which the service gives."""
        return f"hld_{self.number:010d}"

    @property
    def entry(self) -> str:
        """The id of its entry, which the service gives."""
        return f"ent_{self.key.rpartition('-')[2]}"

    @property
    def command(self) -> Command:
        """The same command as Khata is given."""
        match self.step:
            case 0:
                return hold_of(self.checkout, self.ref)
            case 1:
                return fund_of(self.checkout, self.ref, self.hold)
            case 2:
                return release_of(self.ref)
            case _:
                return refund_of(self.checkout, self.ref)


class Rows(Protocol):
    """Rows read under a lock."""

    def accounts(self, *numbers: int) -> Found:
        """Accounts, locked in order of id."""

    def hold(self, name: str) -> Hold:
        """Errors: `HoldNotFound`."""

    def escrow(self, ref: str) -> Escrow:
        """Errors: `EscrowNotFound`."""


class Changes(NamedTuple):
    """What a request writes beside its line in the journal, each in the order of the columns.

    `balances`: (balance, held, account). `opened`: the escrow's account. `placed`, `begun`: a new
    hold, a new escrow. `taken`, `moved`: what changes of one, its key last. `entry`: without its
    seq. `postings`: (account, leg, amount, balance after, line, category).
    """

    result: HoldState | EscrowState
    balances: Sequence[Row]
    opened: Row | None = None
    placed: Row | None = None
    taken: Row | None = None
    begun: Row | None = None
    moved: Row | None = None
    entry: Row | None = None
    postings: Sequence[Row] = ()


def journal_row(request: Request, changes: Changes) -> Row:
    """(key, digest, at, command, result, kind, actor) of a request that was decided."""
    command = request.command
    raw, answer = _encode(command), _encode(changes.result)
    kind = str(command.__struct_config__.tag)
    digest = hashlib.sha256(raw).digest()
    return request.key, digest, system_clock(), raw.decode(), answer.decode(), kind, _ACTOR


def answered(row: Any, request: Request) -> str:
    """The stored (digest, result) of a key that is known. Errors: `KeyReused`."""
    digest, result = row
    if bytes(digest) != hashlib.sha256(_encode(request.command)).digest():
        raise KeyReused("This key belongs to another request.")
    return str(result)


def decide(request: Request, rows: Rows, platform: int) -> Changes:
    """Decide a request. `platform`: the number of the account that gets the house's part.

    Errors: `InsufficientFunds`, `HoldNotActive`, `EscrowClosed`, `RefundExceeded`, those of `Rows`.
    """
    return _DECIDE[request.step](request, rows, platform)


def escrow_account(request: Request, platform: int) -> int:
    """The number of the account of a checkout's escrow: they come after all others."""
    return platform + 1 + request.number


# ── each request ─────────────────────────────────────────────────────────────────────


def _hold(request: Request, rows: Rows, _platform: int) -> Changes:
    payer, amount = request.checkout.customer, request.checkout.amount
    balance, held, floor = rows.accounts(payer)[payer]
    _check_floor(payer, balance - held - amount, floor)
    now = system_clock()
    hold = Hold(
        request.hold,
        payer,
        payer,
        None,
        amount,
        amount,
        0,
        "active",
        now,
        None,
        SOURCE,
        request.ref,
    )
    told = to_text(amount, EXPONENT)
    result = HoldState(
        hold.id, path_of(payer), "active", told, told, "0.00", CURRENCY, None, request.ref, None
    )
    return Changes(result, [(balance, held + amount, payer)], placed=_hold_row(hold))


def _fund(request: Request, rows: Rows, platform: int) -> Changes:
    hold = rows.hold(request.hold)
    if hold.status != "active":
        raise HoldNotActive(f"{hold.id} is {hold.status}.", expected="active", got=hold.status)
    payer, amount, now = hold.account_id, hold.remaining, system_clock()
    parts = shares(STANDARD, amount, CURRENCY, EXPONENT, request.checkout.parties)
    escrow = _escrow(request, amount, now, [Leg(part.name, part.to, part.amount) for part in parts])
    balance, held, floor = rows.accounts(payer)[payer]
    account = escrow_account(request, platform)
    found: Found = {payer: (balance, held - amount, floor), account: (0, 0, 0)}
    legs = [(payer, -amount), (account, amount)]
    balances, postings = _moved(found, legs, request.checkout, SOURCE)
    return Changes(
        state_of(escrow),
        balances[:1],
        opened=(account, escrow.account, amount, 0),
        taken=(0, hold.captured + amount, "captured", None, hold.id),
        begun=_escrow_row(escrow),
        entry=("capture", SOURCE, request.ref, None, _encode(legs).decode()),
        postings=postings,
    )


def _release(request: Request, rows: Rows, platform: int) -> Changes:
    before = rows.escrow(request.ref)
    if before.status == "refunded":
        raise EscrowClosed(f"{before.ref} is refunded.", expected="money", got=before.status)
    parts = sharing.releases(before)
    total, numbers = sum(parts), _numbers(request, platform)
    after = _replace(before, legs=sharing.released(before.legs, parts))
    account = escrow_account(request, platform)
    legs = [(account, -total), *zip(_receivers(before, numbers), parts, strict=True)]
    step = Step("released", _ACTOR, system_clock(), total, RELEASED, [request.entry])
    return _shared(request, rows, before, after, step, legs, SOURCE)


def _refund(request: Request, rows: Rows, platform: int) -> Changes:
    before, amount = rows.escrow(request.ref), request.checkout.back
    parts = sharing.refund_parts(before, amount, "pro_rata")
    given, out = sharing.given_back(before.legs, parts, [0] * len(parts))
    after = _replace(before, legs=given, refunded=before.refunded + amount)
    giving = zip(_receivers(before, _numbers(request, platform)), parts, strict=True)
    legs = [(number, -part) for number, part in giving if part]
    legs.append((request.checkout.customer, amount))
    assert out == 0  # all of it was released before
    step = Step("refunded", _ACTOR, system_clock(), amount, REFUNDED, [request.entry])
    return _shared(request, rows, before, after, step, legs, "refund")


_DECIDE: Final[tuple[Callable[[Request, Rows, int], Changes], ...]] = (
    _hold,
    _fund,
    _release,
    _refund,
)


# ── what they have in common ─────────────────────────────────────────────────────────


def _escrow(request: Request, amount: int, now: Instant, legs: list[Leg]) -> Escrow:
    payer = path_of(request.checkout.customer)
    return Escrow(
        ref=request.ref,
        owner=payer.partition("/")[0],
        payer=payer,
        payment=None,
        unit=CURRENCY,
        exponent=EXPONENT,
        source=SOURCE,
        amount=amount,
        paid=amount,
        refunded=0,
        legs=legs,
        givers=[],
        rule=STANDARD.name,
        version=STANDARD.version,
        keeper=None,
        on="request",
        days=0,
        status="held",
        dispute=None,
        steps=[Step("funded", _ACTOR, now, amount, None, [request.entry])],
        saga=None,
        funded_at=now,
        delivered_at=None,
    )


def _shared(
    request: Request,
    rows: Rows,
    before: Escrow,
    after: Escrow,
    step: Step,
    legs: list[tuple[int, int]],
    source: str,
) -> Changes:
    """A release or a refund: its legs move, the escrow and its history go on."""
    found = rows.accounts(*(number for number, _ in legs))
    balances, postings = _moved(found, legs, request.checkout, source)
    status = sharing.status_of(after.legs)
    after = _replace(after, status=status, steps=[*before.steps, step])
    kind = "refund" if step.kind == "refunded" else "release"
    texts = [_encode(part).decode() for part in (after.legs, after.steps, legs)]
    return Changes(
        state_of(after, len(before.steps)),
        balances,
        moved=(texts[0], texts[1], status, after.refunded, after.ref),
        entry=(kind, source, request.ref, step.reason, texts[2]),
        postings=postings,
    )


def _moved(
    found: Found, legs: Sequence[tuple[int, int]], checkout: Checkout, source: str
) -> tuple[list[Row], list[Row]]:
    """The balances and the postings that legs make. Errors: `InsufficientFunds`."""
    balances: list[Row] = []
    postings: list[Row] = []
    owners = {checkout.customer, checkout.partner, checkout.creator}
    for at, (number, amount) in enumerate(legs):
        balance, held, floor = found[number]
        after = balance + amount
        if amount < 0:
            _check_floor(number, after - held, floor)
        line = ("income" if amount > 0 else "expense", _CATEGORIES[source])
        balances.append((after, held, number))
        postings.append((number, at, amount, after, *(line if number in owners else (None, None))))
    return balances, postings


def _check_floor(account: int, left: int, floor: int | None) -> None:
    if floor is not None and left < floor:
        raise InsufficientFunds(f"Account {account} has too little.", account=account)


def _numbers(request: Request, platform: int) -> dict[str | None, int]:
    parties, checkout = request.checkout.parties, request.checkout
    return {
        PLATFORM: platform,
        parties["partner"]: checkout.partner,
        parties["creator"]: checkout.creator,
    }


def _receivers(escrow: Escrow, numbers: dict[str | None, int]) -> list[int]:
    return [numbers[leg.to] for leg in escrow.legs]
