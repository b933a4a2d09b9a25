"""What is wrong with an order, and what puts it right: functions of values.

`found` judges a `Standing`, be it of an order here or in an export of another system; `plan_of`
makes one repair of all that was found. The table `RULES` is what docs/mismatches.md shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from khata.base.clock import SECOND, Instant
from khata.domain.mismatches.model import Action, ActionKind, Found, Kind, Plan
from khata.domain.orders import Standing, status_of

ORDER: Final[tuple[ActionKind, ...]] = (
    "reclaim_refund",
    "take_wallet_part",
    "approve_receipt",
    "release_stock",
    "move",
    "schedule_release",
    "sync_shown",
)
"""The order in which a repair goes: money, goods, axes, and last what the customer sees. What is
owed comes before what is taken, which would hide it.
"""
RECEIPT_SECONDS: Final = 86_400
"""How long an uploaded receipt may wait for finance unless the caller says otherwise."""
_PAYING: Final = frozenset({"wallet_partial", "receipt_uploaded", "paid"})
_AWAITING: Final = frozenset({"bank_transfer_grace", "wallet_partial", "receipt_uploaded"})
_HELD: Final = frozenset({"paid", "partially_refunded"})
_CANCELLED: Final = frozenset({"cancelled", "restocked"})
_PAYS: Final = frozenset({"take_wallet_part", "approve_receipt"})


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one kind of mismatch is recognised. `says`: in words. `at_risk`, `since`: of a standing
    that it holds for. `actions`: what puts it right.
    """

    kind: Kind
    says: str
    holds: Callable[[Standing, Instant, int], bool]
    at_risk: Callable[[Standing], int]
    since: Callable[[Standing, int], Instant]
    actions: tuple[ActionKind, ...]


def found(
    standing: Standing, now: Instant, *, receipt_seconds: int = RECEIPT_SECONDS
) -> list[Found]:
    """All that is wrong with an order at an instant, in the order of `RULES`.

    `receipt_seconds`: how long a receipt may wait before it is stuck.
    """
    return [
        Found(
            rule.kind,
            rule.since(standing, receipt_seconds),
            rule.at_risk(standing),
            [_action(standing, kind) for kind in rule.actions],
        )
        for rule in RULES
        if rule.holds(standing, now, receipt_seconds)
    ]


def plan_of(standing: Standing, founds: Iterable[Found]) -> Plan:
    """The one repair of an order for all that was found wrong with it.

    Each action is there once, money first. Where the money that the repair moves makes the order
    paid, it goes on to the warehouse; what the customer is shown follows the axes in the end.
    """
    known = list(founds)
    wanted = {action.kind for item in known for action in item.actions}
    actions: list[Action] = []
    stands = standing
    for kind in ORDER:
        for action in _due(stands, kind, wanted, actions):
            actions.append(action)
            stands = after(stands, action)
    return Plan(
        order=standing.ref,
        kinds=[item.kind for item in known],
        actions=actions,
        before=standing,
        after=stands,
        from_wallet=stands.wallet_moved - standing.wallet_moved,
        moved=_sum_moved(standing, stands),
    )


def _sum_moved(before: Standing, stands: Standing) -> int:
    """All that was captured, set aside or turned into a debt on the way, in minor units."""
    captured = stands.captured - before.captured
    return captured + max(0, stands.held - before.held) + before.refunded - stands.refunded


def _due(
    stands: Standing, kind: ActionKind, wanted: set[ActionKind], planned: Sequence[Action]
) -> Sequence[Action]:
    """The actions of a kind for an order as it stands after those that are planned before."""
    paid = any(action.kind in _PAYS for action in planned)
    if kind == "move":
        return _moves(stands) if paid else ()
    called_for = kind in wanted
    if kind == "approve_receipt":
        called_for &= stands.finance == "receipt_uploaded"
    elif kind == "schedule_release":
        called_for |= paid and is_unscheduled(stands)
    elif kind == "sync_shown":
        called_for |= bool(planned)
        called_for &= stands.shown != derived(stands)
    return [_action(stands, kind)] if called_for else ()


def _moves(stands: Standing) -> list[Action]:
    """Where the goods have to follow the money: what is paid goes to the warehouse."""
    if (stands.finance, stands.warehouse, stands.logistics) == ("paid", "waiting", "waiting"):
        return [Action("move", axis="warehouse", to="ready")]
    return []


def after(standing: Standing, action: Action) -> Standing:
    """How the order stands once an action is done."""
    return _AFTER[action.kind](standing, action)


def derived(standing: Standing) -> str:
    """The status that follows from the axes, which the customer should be shown."""
    return status_of(standing.finance, standing.warehouse, standing.logistics)


# ── what each kind of action is, and does ────────────────────────────────────────────


def missing(standing: Standing) -> int:
    """What the wallet was to pay and did not; what came by another way it has not to pay."""
    part = standing.wallet_part - standing.wallet_moved
    if standing.finance in _AWAITING:
        part = min(part, lacking(standing) - standing.held)
    return max(0, part)


def lacking(standing: Standing) -> int:
    """What has still to come for an order by whatever way: what went back has to come again."""
    return max(0, standing.total - max(0, standing.captured - standing.refunded))


def bank_due(standing: Standing) -> int:
    """What has still to come by bank: all that did not come by it and is not the wallet's."""
    taken = standing.wallet_moved - standing.held
    if standing.finance in _AWAITING:
        return max(0, lacking(standing) - max(0, standing.wallet_part - taken))
    return max(0, standing.total - standing.wallet_part - (standing.captured - taken))


def excess(standing: Standing) -> int:
    """What was given back beyond all that came."""
    return max(0, standing.refunded - standing.captured)


_AMOUNTS: Final[dict[ActionKind, Callable[[Standing], int]]] = {
    "take_wallet_part": missing,
    "approve_receipt": bank_due,
    "reclaim_refund": excess,
}


def _action(standing: Standing, kind: ActionKind) -> Action:
    amount = _AMOUNTS.get(kind)
    if amount is not None:
        return Action(kind, amount=amount(standing))
    return Action(kind, to=derived(standing) if kind == "sync_shown" else None)


def _taken(standing: Standing, action: Action) -> Standing:
    """What makes the order whole goes into its escrow at once, a part waits under a hold."""
    if standing.finance != "paid" and bank_due(standing):
        held = standing.held + action.amount
        return replace(standing, wallet_moved=standing.wallet_moved + action.amount, held=held)
    came = standing.captured + standing.held + action.amount
    moved = standing.wallet_moved + action.amount
    return _paid(replace(standing, captured=came, wallet_moved=moved))


def _approved(standing: Standing, _action: Action) -> Standing:
    due, taken = bank_due(standing), standing.wallet_moved - standing.held
    pays = min(max(0, standing.wallet_part - taken), lacking(standing) - due)
    came = standing.captured + due + pays
    return _paid(replace(standing, captured=came, wallet_moved=taken + pays))


def _paid(standing: Standing) -> Standing:
    return _told(replace(standing, finance="paid", held=0, release_scheduled=False))


def _moved(standing: Standing, action: Action) -> Standing:
    return _told(replace(standing, **{action.axis or "": action.to}))


def _told(standing: Standing) -> Standing:
    """The customer is told of every transition."""
    return replace(standing, shown=derived(standing))


_AFTER: Final[dict[ActionKind, Callable[[Standing, Action], Standing]]] = {
    "take_wallet_part": _taken,
    "approve_receipt": _approved,
    "reclaim_refund": lambda standing, _: replace(standing, refunded=standing.captured),
    "release_stock": lambda standing, _: replace(standing, reserved=0),
    "move": _moved,
    "schedule_release": lambda standing, _: replace(standing, release_scheduled=True),
    "sync_shown": lambda standing, action: replace(standing, shown=action.to or standing.shown),
}


# ── what is wrong ────────────────────────────────────────────────────────────────────


def is_unscheduled(standing: Standing) -> bool:
    """Whether the money of a delivered order stays in escrow, and nothing will release it."""
    return (
        standing.logistics == "delivered"
        and standing.finance in _HELD
        and not standing.release_scheduled
    )


def _stuck_from(standing: Standing, receipt_seconds: int) -> Instant:
    return (standing.receipt_at or standing.finance_since) + receipt_seconds * SECOND


def _is_cancelled(standing: Standing) -> bool:
    return "cancelled" in {standing.finance, standing.logistics} or standing.warehouse in _CANCELLED


RULES: Final = (
    Rule(
        kind="wallet_part_missing",
        says="The wallet is to pay a part, and no transaction of the wallet paid it.",
        holds=lambda one, *_: one.finance in _PAYING and missing(one) > 0,
        at_risk=missing,
        since=lambda one, _: one.finance_since,
        actions=("take_wallet_part",),
    ),
    Rule(
        kind="receipt_stuck",
        says="A receipt was uploaded, and finance has not decided within its time.",
        holds=lambda one, now, seconds: (
            one.finance == "receipt_uploaded" and _stuck_from(one, seconds) < now
        ),
        at_risk=bank_due,
        since=_stuck_from,
        actions=("approve_receipt",),
    ),
    Rule(
        kind="refund_exceeds",
        says="More was given back than ever came.",
        holds=lambda one, *_: one.refunded > one.captured,
        at_risk=excess,
        since=lambda one, _: one.finance_since,
        actions=("reclaim_refund",),
    ),
    Rule(
        kind="stock_kept",
        says="The order is cancelled, and pieces of stock are still set aside for it.",
        holds=lambda one, *_: _is_cancelled(one) and one.reserved > 0,
        at_risk=lambda one: one.total,
        since=lambda one, _: one.finance_since,
        actions=("release_stock",),
    ),
    Rule(
        kind="release_missing",
        says="The order is delivered, and nothing will release its escrow.",
        holds=lambda one, *_: is_unscheduled(one),
        at_risk=lambda one: max(0, one.captured - one.refunded),
        since=lambda one, _: one.delivered_at or one.finance_since,
        actions=("schedule_release",),
    ),
    Rule(
        kind="status_differs",
        says="The customer is shown another status than the order has.",
        holds=lambda one, *_: one.shown != derived(one),
        at_risk=lambda _: 0,
        since=lambda one, _: max(one.finance_since, one.delivered_at or one.finance_since),
        actions=("sync_shown",),
    ),
)
"""The rule table. A new kind of mismatch is a row here."""
