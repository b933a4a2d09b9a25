"""What a payout learns, and what follows: status, money, news. The one place where either changes.

Whoever comes first — the saga with its call's answer, the provider's webhook, a person — tells it
here, and the money moves in the same command. A status only goes up (`rules.RANK`), and where the
money belongs follows from it, so that order and repetition of what a bank tells do not matter.

A wallet that is frozen or closed takes nothing. What it is owed then waits in
`payable/unreturned`; a saga `payout_return` gives it back as soon as the wallet is active again.
"""

from __future__ import annotations

from typing import Any, Final

from khata.base.money import to_minor, to_text
from khata.domain.ledger import Moved, account_of, enter, other_side
from khata.domain.payments import Applied, ProviderEvent
from khata.domain.payouts import rules
from khata.domain.payouts.accounts import block
from khata.domain.payouts.model import OWED, UNRETURNED, BankAccount, Payout, PayoutStatus
from khata.domain.setup import source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.limits import headroom
from khata.engine.sagas import start, wake
from khata.errors import Invalid

_TYPES: Final = {"locked": "withdrawal", "completed": "payout"}
_TOLD: Final = frozenset({"processing", "completed", "failed", "returned"})
_MOST_TEXT: Final = 500
EVENTS: Final[dict[str, PayoutStatus]] = {
    "payout.processing": "processing",
    "payout.completed": "completed",
    "payout.failed": "failed",
    "payout.returned": "returned",
}


def learn(book: Book, payout: Payout, told: PayoutStatus, **fields: Any) -> Payout:
    """The payout after it was told that it is `told`; the same when that is nothing new.

    `fields`: other columns that were learned along with it.

    Errors: those of `enter`, when money is taken from a wallet or a house account is frozen.
    """
    provider_id = fields.pop("provider_id", None)
    if provider_id is not None and payout.provider_id is None:
        key = f"{payout.provider}/{provider_id}"
        payout = book.change(payout, provider_id=provider_id, provider_key=key)
    if not rules.is_news(payout.status, told):
        return payout
    fields = {"code": None, "message": None} | fields | {f"{told}_at": book.now, "status": told}
    if fields["message"]:
        fields["message"] = fields["message"][:_MOST_TEXT]
    payout = _place(book, book.change(payout, **fields))
    if told == "returned":
        _doubt(book, payout)
    if told in _TOLD:
        _announce(book, payout)
    if told not in rules.OPEN:
        wake(book, payout.id)
    return payout


def _doubt(book: Book, payout: Payout) -> None:
    """Money came back from a bank account: nothing more goes there before somebody has looked."""
    account = book.get(BankAccount, payout.bank_account)
    if account.status in {"pending", "verified"}:
        block(book, account, f"{payout.id} was returned: {payout.code or 'no reason given'}")


# ── money ────────────────────────────────────────────────────────────────────────────


def _place(book: Book, payout: Payout) -> Payout:
    """Post what is missing between where the payout's money is and where it belongs."""
    parts = rules.moves(payout.position, rules.wanted_position(payout))
    if payout.status != "locked":
        parts = _possible(book, payout, parts)
    if not parts:
        return payout
    waited = rules.unreturned(payout)
    payout = move(book, payout, parts)
    if rules.unreturned(payout) > waited:
        start(book, "payout_return", {"payout": payout.id}, reference=payout.id)
    return payout


def _possible(book: Book, payout: Payout, parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The same, where wallets stand in the way: what a wallet cannot take waits, and what it
    cannot give any more its owner owes. What a bank has done is recorded in any case.
    """
    found: dict[str, int] = {}
    for code, amount in parts:
        rest = amount
        if code.startswith("wallet/"):
            account = account_of(book, code, payout.unit)
            rest -= _through(account, amount)
            found[code] = amount - rest
            code = UNRETURNED if amount < 0 else OWED  # noqa: PLW2901 - where the rest goes
        found[code] = found.get(code, 0) + rest
    return [(code, amount) for code, amount in sorted(found.items()) if amount]


def _through(account: Account, amount: int) -> int:
    """How much of `amount` (debit positive) a wallet can take, or give, as it stands."""
    if account.status != "active":
        return 0
    if amount < 0:
        return amount
    room = headroom(account)
    return amount if room is None else min(amount, max(room, 0))


def move(book: Book, payout: Payout, parts: list[tuple[str, int]]) -> Payout:
    """The payout after one entry with these legs (code, minor units). Errors: those of `enter`."""
    moved: Moved = enter(
        book,
        [(other_side(book, code, payout.unit).id, amount) for code, amount in parts],
        type=_TYPES.get(payout.status, "payout_return"),
        source=source_of(book, "withdrawal"),
        reference=payout.id,
        metadata={"payout": payout.reference},
        metered=payout.status == "locked",
    )
    position = dict(payout.position)
    for code, amount in parts:
        position[code] = position.get(code, 0) + amount
    position = {code: amount for code, amount in position.items() if amount}
    return book.change(payout, position=position, entries=[*payout.entries, moved.id])


def give_back(book: Book, payout: Payout, wallet: Account) -> Payout:
    """Give what waits in `payable/unreturned` to a wallet of the owner.

    Errors: `AccountFrozen`, `AccountClosed` while the wallet cannot take it.
    """
    amount = rules.unreturned(payout)
    if not amount:
        return payout
    return move(book, payout, [(UNRETURNED, amount), (wallet.code, -amount)])


# ── what the world is told, and tells ────────────────────────────────────────────────


def _announce(book: Book, payout: Payout) -> None:
    book.announce(
        f"payout.{payout.status}",
        payout.id,
        payout.owner,
        reference=payout.reference,
        wallet=payout.wallet,
        bank_account=payout.bank_account,
        mask=payout.mask,
        amount=to_text(payout.amount, payout.exponent),
        fee=to_text(payout.fee, payout.exponent),
        currency=payout.unit,
        provider=payout.provider,
        batch=payout.batch,
        code=payout.code,
        unreturned=bool(rules.unreturned(payout)),
    )


def apply_event(book: Book, event: ProviderEvent) -> Applied:
    """Tell a payout what its provider says has happened. A contradiction changes nothing.

    Errors: those of `enter` for a frozen house account: the event can be applied again later.
    """
    told = EVENTS.get(event.type)
    payout = _meant(book, event)
    if told is None or payout is None:
        return Applied("unknown", f"No payout is known as {event.object[:60]}.")
    contradiction = _contradiction(payout, event)
    if contradiction is not None:
        return Applied("mismatch", f"{payout.id}: {contradiction}")
    after = learn(book, payout, told, provider_id=event.object, code=event.code)
    if after.status == payout.status:
        return Applied("stale", f"{payout.id} is {payout.status} already.")
    return Applied("applied", f"{payout.id} is {after.status}.")


def _meant(book: Book, event: ProviderEvent) -> Payout | None:
    """The payout that an event is about: by the provider's id, or by ours."""
    payout = book.find_one(Payout, provider_key=f"{event.provider}/{event.object}")
    if payout is None and event.reference is not None:
        payout = book.peek(Payout, event.reference)
    return payout


def _contradiction(payout: Payout, event: ProviderEvent) -> str | None:
    """What of an event cannot be true of the payout; None when all of it can."""
    if event.provider != payout.provider:
        return "it is not this provider's."
    if payout.provider_id not in (None, event.object) or event.reference not in (None, payout.id):
        return "another payout has this id."
    if payout.locked_at is None:
        return "it was never sent."
    if event.currency not in (None, payout.unit):
        return f"it is in {payout.unit}."
    if event.amount is not None and not same_amount(event.amount, payout):
        return f"its amount is {to_text(payout.amount, payout.exponent)} {payout.unit}."
    return None


def same_amount(amount: str, payout: Payout) -> bool:
    """Whether a decimal string is the payout's amount."""
    try:
        return to_minor(amount, payout.exponent) == payout.amount
    except Invalid:
        return False
