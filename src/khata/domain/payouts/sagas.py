"""The way of a payout: its money is locked, the provider called, the bank's word waited for.

Each step tells `settling.learn` what it found out; the money moves there. So a webhook, a person
and these steps may come in any order: whoever is late finds it done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from khata.base.money import to_text
from khata.domain.payouts import rules
from khata.domain.payouts.commands import check_going, check_usable, lock
from khata.domain.payouts.model import MANUAL, BankAccount, Payout
from khata.domain.payouts.settling import EVENTS, give_back, learn, same_amount
from khata.engine.book import Book
from khata.engine.sagas import (
    IMPOSSIBLE,
    NOTHING,
    Call,
    Local,
    Outcome,
    Retry,
    Run,
    Saga,
    SagaRun,
    Wait,
    patient,
)
from khata.errors import AmountMismatch, InvalidTransition, PayoutFailed

_FOR_EVER: Final = 1_000_000
_HOUR: Final = 3600.0
PAUSED: Final = Retry(
    attempts=_FOR_EVER,
    first_seconds=30,
    cap_seconds=_HOUR,
    codes=("payouts_paused", "payouts_braked"),
)
"""A pause ends some time, and a brake is lifted."""
THAWING: Final = patient("account_frozen")
"""A wallet is unfrozen some time; one that was closed needs a person (`payouts.give_back`)."""

BANKING: Final = Retry(
    attempts=_FOR_EVER, first_seconds=30, cap_seconds=_HOUR, codes=("invalid_transition",)
)
"""A bank says some time what it has done."""


def _payout(book: Book, run: Run) -> Payout:
    return book.get(Payout, run.data["payout"])


def _accept(book: Book, run: Run) -> None:
    """Nothing yet; what undoes it undoes the whole payout."""


def _let_go(book: Book, run: Run) -> None:
    """The way ended early: a payout that is still open came to nothing, for the saga's reason."""
    payout = _payout(book, run)
    if payout.status not in rules.OPEN:
        return
    known = book.get(SagaRun, run.id)
    learn(book, payout, "failed", code=known.code or known.cause, message=known.message)


def _lock(book: Book, run: Run) -> None:
    """Errors: those of `lock`; `PayoutFailed` when it was called off meanwhile."""
    payout = _payout(book, run)
    _check_not_failed(payout)
    if payout.provider != MANUAL:
        check_going(book, payout.unit)
    if payout.status == "requested":
        lock(book, payout)


def _request(book: Book, run: Run) -> Mapping[str, Any]:
    """What the provider is asked for. From here on the bank may pay, whatever we hear.

    Errors: `InvalidTransition` unless it is locked; `PayoutsPaused`, `PayoutsBraked` for one that
    was locked a moment before, and it is tried again; `BankAccountUnusable`.
    """
    payout = _payout(book, run)
    if payout.status != "locked":
        raise InvalidTransition(
            f"{payout.id} is {payout.status}.", expected="locked", got=payout.status
        )
    check_going(book, payout.unit)
    account = book.get(BankAccount, payout.bank_account)
    check_usable(account)
    book.change(payout, sent_at=book.now)
    return {
        "provider": payout.provider,
        "op": "payout",
        "amount": to_text(payout.amount, payout.exponent),
        "currency": payout.unit,
        "account": account.number,
        "holder": account.holder,
        "bank": account.bank,
        "country": account.country,
        "reference": payout.id,
    }


def _sent(book: Book, run: Run, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Errors: `AmountMismatch` for an answer about another amount: a person looks at it."""
    payout = _payout(book, run)
    amount, currency = data.get("amount"), data.get("currency")
    if not same_amount(str(amount or to_text(payout.amount, payout.exponent)), payout) or (
        currency not in (None, payout.unit)
    ):
        raise AmountMismatch(
            f"{payout.provider} answered about another amount than that of {payout.id}.",
            expected=f"{to_text(payout.amount, payout.exponent)} {payout.unit}",
            got=f"{amount} {currency}"[:60],
        )
    status = EVENTS.get(f"payout.{data.get('status')}", "processing")
    found = str(data["id"]) if data.get("id") else None
    code = data.get("code")
    payout = learn(book, payout, status, provider_id=found, code=str(code) if code else None)
    return {"status": payout.status}


def _declined(book: Book, run: Run, outcome: Outcome) -> None:
    learn(book, _payout(book, run), "failed", code=outcome.code, message=outcome.message)


def _unsure(book: Book, run: Run) -> None:
    """Nobody can say whether the bank pays: say so, and leave the money where it is."""
    payout = _payout(book, run)
    if payout.status == "locked":
        book.change(payout, code="unknown_outcome", message="The provider did not answer.")


def _await_bank(book: Book, run: Run) -> None:
    """What was sent cannot be called back; whether it was paid is waited for.

    Errors: `InvalidTransition` until that is known, and it is tried again.
    """
    payout = _payout(book, run)
    if payout.sent_at is not None and payout.status in rules.OPEN:
        raise InvalidTransition(
            f"{payout.provider} may still pay {payout.id}.",
            expected="completed, failed or returned",
            got=payout.status,
        )


def _settled(book: Book, run: Run) -> Mapping[str, Any] | None:
    payout = _payout(book, run)
    return None if payout.status in rules.OPEN else {"status": payout.status}


def _booked(book: Book, run: Run) -> Mapping[str, Any]:
    """Errors: `PayoutFailed`, so that a run whose payout failed counts as undone."""
    payout = _payout(book, run)
    _check_not_failed(payout)
    return {"status": payout.status, "entries": payout.entries}


def _check_not_failed(payout: Payout) -> None:
    if payout.status == "failed":
        raise PayoutFailed(
            f"{payout.id}: {payout.message or payout.code or 'no reason given'}",
            reason=payout.code,
        )


def _return(book: Book, run: Run) -> None:
    """Errors: `AccountFrozen`, and it is tried again; `AccountClosed`."""
    payout = _payout(book, run)
    give_back(book, payout, book.account(payout.account_id))


def _topic(run: Run) -> str:
    return str(run.data["payout"])


_ACCEPT: Final = Local(name="accept", do=_accept, undo=_let_go)
_LOCK: Final = Local(name="lock", do=_lock, undo=_await_bank, retry=PAUSED, undo_retry=BANKING)
_SETTLED: Final = Wait(name="settled", ready=_settled, topic=_topic)
_BOOK: Final = Local(name="book", do=_booked, undo=IMPOSSIBLE)

SAGAS: Final = (
    Saga(
        "payout",
        1,
        (
            _ACCEPT,
            _LOCK,
            Call(
                name="send",
                to="providers",
                request=_request,
                done=_sent,
                failed=_declined,
                unknown=_unsure,
                refused=PAUSED,
            ),
            _SETTLED,
            _BOOK,
        ),
        open_to_all=False,
    ),
    Saga("payout_manual", 1, (_ACCEPT, _LOCK, _SETTLED, _BOOK), open_to_all=False),
    Saga(
        "payout_return",
        1,
        (Local(name="give_back", do=_return, undo=NOTHING, retry=THAWING),),
        open_to_all=False,
    ),
)
