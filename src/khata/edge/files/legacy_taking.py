"""Taking an export over into a book: each customer in one command, then the repairs.

A customer is taken over once; a second run, or one after an interruption, goes on where the first
one was. Everything is decided as a dry run before the first customer is written, so that an
export that does not fit this book is refused whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.actor import Actor
from khata.base.money import Money, to_minor, to_text
from khata.domain import legacy, mismatches, wallets
from khata.domain.legacy import (
    AuditedOrder,
    LegacyOrder,
    LegacyWallet,
    Snapshot,
    Taken,
    TakeOver,
    TakeoverState,
)
from khata.domain.mismatches import MismatchState, PlanState, RepairMismatch
from khata.errors import InsufficientFunds, KhataError, NotFound
from khata.errors.operations import RepairRefused, SnapshotRefused

_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,100}")
_MANY: Final = 1000
_AT_ONCE: Final = 200


def command_for(
    snapshot: Snapshot, wallet: LegacyWallet | None, orders: Sequence[LegacyOrder], reason: str
) -> TakeOver:
    """The command that takes one customer over."""
    customer = wallet.customer if wallet is not None else orders[0].customer
    path = None if wallet is None else legacy.wallet_path(snapshot, customer)
    balance = None
    if wallet is not None:
        balance = Money(to_text(wallet.balance, snapshot.exponent), snapshot.unit)
    return TakeOver(
        snapshot=snapshot.name,
        customer=customer,
        currency=snapshot.unit,
        orders=[legacy.adoption(snapshot, order, reason, path) for order in orders],
        digest=legacy.digest_of(wallet, orders),
        reason=reason,
        balance=balance,
        wallet_kind=snapshot.wallet_kind,
    )


def key_of(command: TakeOver) -> str:
    """The command's idempotency key: the customer's, and the text's that it was made of."""
    who = command.customer
    name = f"{command.snapshot}:{who}"
    safe = name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:32]
    said = hashlib.sha256(msgspec.json.encode([command.digest, command.reason])).hexdigest()
    return f"legacy:{safe}:{said[:16]}"


def take_over(
    book: Khata, snapshot: Snapshot, reason: str, actor: Actor, *, dry_run: bool
) -> Taken:
    """Take over all customers who are not there yet, and ask for the repair of what is wrong.

    `dry_run`: decide all of it and write nothing; the report is the same.

    Errors: those of `legacy.take_over` and of `mismatches.repair`, before anything is written.
    """
    commands = [
        command_for(snapshot, wallet, orders, reason)
        for wallet, orders in legacy.customers(snapshot)
    ]
    fresh = [command for command in commands if not _is_there(book, command)]
    states = _submitted(book, fresh, actor, dry_run=True)
    if not dry_run:
        states = _submitted(book, fresh, actor, dry_run=False)
    found = {state.customer: state.repairs for state in states}
    balances = {}
    for command in commands:
        if command.customer not in found:
            found[command.customer] = _again(book, command, reason, actor, dry_run=dry_run)
            now = _balance(book, snapshot, command.customer)
            balances[command.customer] = (now, now)
    repairs = [item for command in commands for item in found[command.customer]]
    sagas = (
        [] if dry_run else _sagas(book, [item.plan.order for item in repairs if not item.refused])
    )
    adopted = sum(len(state.adopted) for state in states)
    return Taken(legacy.report(snapshot, repairs, balances), adopted, sagas)


def settled(book: Khata, snapshot: Snapshot, taken: Taken) -> Taken:
    """The same once the repairs were worked off: what stands in the wallets now, and which repairs
    did not come to their end.
    """
    before = {
        item.customer: to_minor(item.before, snapshot.exponent) for item in taken.report.balances
    }
    balances = {who: (first, _balance(book, snapshot, who)) for who, first in before.items()}
    waiting, failed = [], {}
    for item in taken.report.repairs:
        if item.refused is not None:
            failed[item.plan.order] = f"The repair was not begun: {item.refused}."
            continue
        page = book.query(mismatches.repairs, order=item.plan.order, limit=1)
        for repair in page.items:
            if repair.status == "failed":
                failed[repair.order] = repair.message or repair.code or "failed"
            elif repair.status != "applied":
                waiting.append(repair.order)
    report = legacy.report(snapshot, taken.report.repairs, balances)
    return Taken(report, taken.adopted, taken.sagas, waiting, failed)


def _submitted(
    book: Khata, commands: Sequence[TakeOver], actor: Actor, *, dry_run: bool
) -> list[TakeoverState]:
    """What becomes of each command. Errors: that of the first which is refused."""
    states: list[TakeoverState] = []
    for start in range(0, len(commands), _AT_ONCE):
        lines = [(key_of(command), command) for command in commands[start : start + _AT_ONCE]]
        for outcome in book.submit_many(lines, actor=actor, dry_run=dry_run):
            if isinstance(outcome, KhataError):
                raise outcome
            states.append(outcome.result)
    return states


def _is_there(book: Khata, command: TakeOver) -> bool:
    """Whether the customer was taken over, as they stand in the export. Errors: `SnapshotRefused`
    when they stood otherwise.
    """
    known = book.query(legacy.takeover, command.snapshot, command.customer)
    if known is not None and known.digest != command.digest:
        raise SnapshotRefused(
            f"{command.customer} was taken over from {command.snapshot} on {known.at[:10]}, and"
            " stands otherwise in this export. Here their orders go on by themselves.",
            reason="changed",
            expected=known.digest,
            got=command.digest,
        )
    return known is not None


def _balance(book: Khata, snapshot: Snapshot, customer: str) -> int:
    try:
        state = book.query(wallets.wallet, legacy.wallet_path(snapshot, customer))
    except NotFound:
        return 0
    return to_minor(state.balance, snapshot.exponent)


def _sagas(book: Khata, refs: Sequence[str]) -> list[str]:
    pages = [book.query(mismatches.repairs, order=ref, limit=1) for ref in refs]
    return [item.saga for page in pages for item in page.items]


def _again(
    book: Khata, command: TakeOver, reason: str, actor: Actor, *, dry_run: bool
) -> list[AuditedOrder]:
    """What is wrong by now with orders that were taken over before; its repair is asked for."""
    told = []
    for order in command.orders:
        page = book.query(mismatches.mismatches, order=order.ref, status="open", limit=_MANY)
        if not page.items:
            continue
        code = None
        try:
            asked = RepairMismatch(order.ref, reason)
            plan = book.submit(asked, actor=actor, dry_run=dry_run).result.plan
        except RepairRefused as error:
            if error.details.get("reason") == "nothing_found":
                continue  # a worker repaired it since it was looked up
            if error.details.get("reason") != "under_way":
                raise
            plan = book.query(mismatches.repair, error.details["got"]).plan
        except InsufficientFunds as error:
            known = book.query(legacy.takeover, command.snapshot, command.customer)
            judged = [] if known is None else known.repairs
            plans = [item.plan for item in judged if item.plan.order == order.ref]
            if not plans:
                raise
            code, plan = error.code, plans[0]
        told.append(_told(command.customer, page.items, plan, code))
    return told


def _told(
    customer: str, open_: Sequence[MismatchState], plan: PlanState, refused: str | None
) -> AuditedOrder:
    most = max(open_, key=lambda item: to_minor(item.at_risk, _places(item.at_risk)))
    since = min(item.since for item in open_)
    return AuditedOrder(customer, since, most.at_risk, plan, refused)


def _places(text: str) -> int:
    return len(text.partition(".")[2])
