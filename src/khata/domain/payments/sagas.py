"""The long ways: a charge at a provider, a bank transfer, a refund at a provider.

The calls' answers are taken as if the provider had told them by an event; whichever comes first
does it, the other changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from khata.base.money import to_text
from khata.domain.payments import rules
from khata.domain.payments.model import Facts, Payment, ProviderEvent, Refund
from khata.domain.payments.paying import CHARGE_SECONDS, TRANSFER_SECONDS
from khata.domain.payments.refunding import open_refund, refundable, turn
from khata.domain.payments.telling import apply_event, learn
from khata.engine.book import Book
from khata.engine.sagas import NOTHING, Call, Local, Outcome, Run, Saga, Wait
from khata.engine.sagas.steps import Remembered
from khata.errors import PaymentFailed

_MOST_TEXT: Final = 300


def _payment(book: Book, run: Run) -> Payment:
    return book.get(Payment, run.data["payment"])


def _topic(run: Run) -> str:
    return str(run.data["payment"])


# ── a charge ─────────────────────────────────────────────────────────────────────────


def _charge(book: Book, run: Run) -> Mapping[str, Any]:
    payment = _payment(book, run)
    asked = {
        "provider": payment.provider,
        "op": "charge",
        "amount": to_text(payment.amount, payment.exponent),
        "currency": payment.unit,
        "method": payment.way,
        "reference": payment.id,
        "about": payment.subject or f"wallet/{payment.wallet}",
    }
    token = run.data.get("token")
    return {**asked, "token": token} if token is not None else asked


def _charged(book: Book, run: Run, answer: Mapping[str, Any]) -> Remembered:
    payment = _payment(book, run)
    url = answer.get("action_url")
    if url is not None:
        payment = book.change(payment, action_url=str(url))
    applied = apply_event(book, _told("charge", payment.provider, payment.id, answer))
    if applied.status in {"mismatch", "unknown"}:
        book.change(book.get(Payment, payment.id), message=applied.message[:_MOST_TEXT])
    return {"charge": str(answer.get("id"))}


def _told(
    about: str, provider: str | None, reference: str, answer: Mapping[str, Any]
) -> ProviderEvent:
    """A provider's answer to a call, as the event that it would have sent."""
    return ProviderEvent(
        id=reference,
        provider=provider or "",
        type=f"{about}.{answer.get('status')}",
        object=str(answer.get("id")),
        reference=reference,
        amount=answer.get("amount"),
        currency=answer.get("currency"),
        code=answer.get("code"),
    )


def _declined(book: Book, run: Run, outcome: Outcome) -> Remembered:
    told = Facts(failed=outcome.code or "declined")
    learn(book, _payment(book, run), told, message=outcome.message[:_MOST_TEXT] or None)
    return None


def _unanswered(book: Book, run: Run) -> Remembered:
    learn(book, _payment(book, run), Facts(asked=True))
    return None


def _settled(book: Book, run: Run) -> Remembered:
    payment = _payment(book, run)
    return {"status": payment.status} if payment.status in rules.SETTLED else None


def _confirm(book: Book, run: Run) -> Remembered:
    payment = _payment(book, run)
    if not payment.facts.paid:
        raise PaymentFailed(
            f"{payment.id} is {payment.status}.", reason=payment.code or payment.status
        )
    return {"status": payment.status}


def _give_up(book: Book, run: Run) -> Remembered:
    """The payment is not wanted any more: it expires, and what has come goes back."""
    payment = _payment(book, run)
    if payment.status not in rules.SETTLED:
        learn(book, payment, Facts(expired=True))
    elif payment.facts.paid and payment.status != "disputed" and refundable(book, payment):
        open_refund(book, payment, refundable(book, payment), "The payment was taken back.")
    return None


def _never_begun(book: Book, run: Run, status: str) -> None:
    """Taken back before anything was done: there was no step whose undo could have told."""
    if status != "completed" and _payment(book, run).status not in rules.SETTLED:
        learn(book, _payment(book, run), Facts(expired=True))


# ── a refund ─────────────────────────────────────────────────────────────────────────


def _refund(book: Book, run: Run) -> Refund:
    return book.get(Refund, run.data["refund"])


def _refund_topic(run: Run) -> str:
    return str(run.data["refund"])


def _reserved(book: Book, run: Run) -> Remembered:
    """The command that asked for the refund set its money aside; what is merged needs none."""
    return {"payment": _refund(book, run).payment}


def _give_back(book: Book, run: Run) -> Remembered:
    refund = _refund(book, run)
    if refund.status == "pending":
        turn(book, book.get(Payment, refund.payment), refund, "cancelled")
    return None


def _ask_back(book: Book, run: Run) -> Mapping[str, Any]:
    refund = _refund(book, run)
    payment = book.get(Payment, refund.payment)
    return {
        "provider": payment.provider,
        "op": "refund",
        "charge": payment.charge,
        "amount": to_text(refund.amount, refund.exponent),
        "currency": refund.unit,
        "reference": refund.id,
    }


def _refunded(book: Book, run: Run, answer: Mapping[str, Any]) -> Remembered:
    refund = _refund(book, run)
    payment = book.get(Payment, refund.payment)
    applied = apply_event(book, _told("refund", payment.provider, refund.id, answer))
    return {"refund_id": str(answer.get("id")), "told": applied.status}


def _not_refunded(book: Book, run: Run, outcome: Outcome) -> Remembered:
    refund = _refund(book, run)
    code = outcome.code or "declined"
    turn(book, book.get(Payment, refund.payment), refund, "failed", code=code)
    return None


def _refund_settled(book: Book, run: Run) -> Remembered:
    refund = _refund(book, run)
    return None if refund.status == "pending" else {"status": refund.status}


def _confirm_refund(book: Book, run: Run) -> Remembered:
    refund = _refund(book, run)
    if refund.status in {"failed", "cancelled"}:
        raise PaymentFailed(f"{refund.id} failed.", reason=refund.code or "failed")
    return None


def _refund_never_begun(book: Book, run: Run, status: str) -> None:
    if status == "compensated":
        _give_back(book, run)


SAGAS: Final = (
    Saga(
        "payment",
        1,
        (
            Call(
                name="charge",
                to="providers",
                request=_charge,
                done=_charged,
                failed=_declined,
                unknown=_unanswered,
                undo=_give_up,
            ),
            Wait(name="settled", ready=_settled, topic=_topic, timeout_seconds=CHARGE_SECONDS),
            Local(name="confirm", do=_confirm, undo=NOTHING),
        ),
        open_to_all=False,
        on_end=_never_begun,
    ),
    Saga(
        "bank_transfer",
        1,
        (
            Wait(name="settled", ready=_settled, topic=_topic, timeout_seconds=TRANSFER_SECONDS),
            Local(name="confirm", do=_confirm, undo=NOTHING),
        ),
        open_to_all=False,
        on_end=_never_begun,
    ),
    Saga(
        "refund",
        1,
        (
            Local(name="reserve", do=_reserved, undo=_give_back),
            Call(
                name="refund",
                to="providers",
                request=_ask_back,
                done=_refunded,
                failed=_not_refunded,
            ),
            # banks may take weeks: it is not ours to say that it failed
            Wait(name="settled", ready=_refund_settled, topic=_refund_topic),
            Local(name="confirm", do=_confirm_refund, undo=NOTHING),
        ),
        open_to_all=False,
        on_end=_refund_never_begun,
    ),
)
"""The sagas of this room."""
