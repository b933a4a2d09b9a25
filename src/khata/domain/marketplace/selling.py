"""The way of a sale, one move at a time: what its commands and its saga both call."""

from __future__ import annotations

from khata.base.money import to_text
from khata.domain import benefits, commissions, escrow, payments, trust
from khata.domain.escrow import Back, Escrow, Leg
from khata.domain.ledger import Moved, account_of, enter, house_account
from khata.domain.marketplace import rules
from khata.domain.marketplace.model import DELIVERY, Mission, Sale, subject_of
from khata.domain.payments import Payable
from khata.domain.setup import source_of
from khata.engine.book import Book
from khata.engine.sagas import ENDED, SagaRun, start, wake
from khata.errors import InvalidTransition, NotYours
from khata.errors.market import SaleNotFound


def sale_of(book: Book, ref: str) -> Sale:
    """A sale by its reference. Errors: `SaleNotFound`, `NotYours`."""
    sale, owner = book.peek(Sale, ref), book.actor.owner
    if owner is not None and (sale is None or owner not in {sale.customer, sale.partner}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if sale is None:
        raise SaleNotFound(f"No sale {ref[:100]!r}.", got=ref[:100])
    return sale


def expect(sale: Sale, *allowed: str) -> None:
    """Errors: `InvalidTransition` unless the sale is in one of these states."""
    if sale.status not in allowed:
        raise InvalidTransition(
            f"{sale.ref} is {sale.status}.", expected=list(allowed), got=sale.status
        )


def escrow_of(book: Book, sale: Sale) -> Escrow | None:
    """The sale's escrow, once it is paid."""
    return book.peek(Escrow, subject_of(sale.ref))


def payable_of(book: Book, sale: Sale) -> Payable:
    """What the customer pays."""
    return book.get(Payable, subject_of(sale.ref))


def topic(ref: str) -> str:
    """What runs wait for that have to do with a sale."""
    return f"sale:{ref}"


def legs_of(book: Book, sale: Sale) -> list[Leg]:
    """Who is to receive what of a sale, by the rule that was in force when it was placed.

    Errors: `SplitImpossible`.
    """
    rule = commissions.rule_at(book, sale.rule, sale.version)
    parties = {"partner": sale.partner_wallet}
    if sale.creator_wallet is not None:
        parties["creator"] = sale.creator_wallet
    parts = commissions.shares(rule, sale.price, sale.unit, sale.exponent, parties)
    paid = rules.partner_pays(sale.granted)
    return rules.legs_of(parts, sale.partner_wallet, paid, sale.delivery_fee)


def check_legs(book: Book, sale: Sale) -> None:
    """Whether all who are to receive something can, when a sale is placed.

    Errors: `SplitImpossible`, `WalletNotFound`, `CurrencyMismatch`, `AccountClosed`.
    """
    home = account_of(book, sale.partner_wallet, sale.unit)
    escrow.checked_legs(book, legs_of(book, sale), home)


def hold(book: Book, sale: Sale) -> Sale:
    """The customer has paid: what the house adds joins it in escrow, and the legs are set.

    Does nothing when that was done before, or it is not paid. A wallet that was closed in the
    meantime stands in the way of its release only, so that what was paid can still go back.
    """
    payable = payable_of(book, sale)
    if payable.paid_by is None or escrow_of(book, sale) is not None:
        return sale
    payment = book.get(payments.Payment, payable.paid_by)
    account = house_account(book, payable.escrow, sale.unit)
    givers = rules.house_pays(sale.granted)
    entries = list(payment.entries)
    if givers:
        entries.append(_support(book, sale, givers).id)
    terms = escrow.Terms(
        owner=sale.customer,
        payer=payment.wallet,
        payment=payment.id,
        source=sale.source,
        on=sale.on,
        days=sale.days,
        rule=sale.rule,
        version=sale.version,
        keeper=f"sale {sale.ref}",
    )
    legs = legs_of(book, sale)
    escrow.begin(book, account, terms, legs, entries, givers)
    escrow.follow(book, payment)  # some of it may have gone back since it came
    sale = book.change(sale, status="paid", payment=payment.id, paid_at=book.now)
    follow(book, payment)
    announce(book, sale, "paid")
    return sale


def _support(book: Book, sale: Sale, givers: list[escrow.Giver]) -> Moved:
    """What the house pays towards the sale is an expense of its campaigns."""
    total = sum(giver.amount for giver in givers)
    home = house_account(book, payable_of(book, sale).escrow, sale.unit)
    given = [(house_account(book, giver.account, sale.unit).id, giver.amount) for giver in givers]
    return enter(
        book,
        [*given, (home.id, -total)],
        type="benefit",
        source=source_of(book, sale.source),
        reference=subject_of(sale.ref),
        metered=False,
    )


def open_mission(book: Book, sale: Sale) -> Sale:
    """Somebody is needed to bring it. Nothing to do when nothing is to be brought."""
    if not sale.delivery_fee or sale.mission is not None or sale.status != "paid":
        return sale
    mission = book.add(
        Mission(
            book.new_id("mis"),
            sale.ref,
            None,
            None,
            sale.delivery_fee,
            sale.unit,
            sale.exponent,
            "open",
            book.now,
            None,
            None,
        )
    )
    book.announce("mission.opened", mission.id, None, sale=sale.ref)
    return book.change(sale, mission=mission.id)


def deliver(book: Book, sale: Sale, reason: str) -> Sale:
    """It has arrived. Its rider is paid and its escrow released by the sagas that wait for it."""
    if sale.mission is not None:
        mission = book.get(Mission, sale.mission)
        if mission.rider is None:
            raise InvalidTransition(
                f"Nobody was assigned to bring {sale.ref}.", expected="a rider", got=mission.status
            )
        book.change(mission, status="delivered", delivered_at=book.now)
    kept = escrow_of(book, sale)
    if kept is not None and kept.status != "refunded":
        escrow.delivered(book, kept, reason)
    sale = book.change(sale, status="delivered", delivered_at=book.now)
    announce(book, sale, "delivered")
    wake(book, topic(sale.ref))
    return sale


def pay_rider(book: Book, sale: Sale) -> int:
    """The rider's fee, on delivery, whenever the rest is released; what it came to, minor units.

    Only now is the rider the receiver of this leg: nothing else that releases the escrow can pay
    what was not brought yet, or under another name, or has to wait for a rider who is frozen.

    Errors: `AccountFrozen`, `AccountClosed`, `EscrowDisputed`.
    """
    kept = escrow_of(book, sale)
    due = [leg for leg in (kept.legs if kept else []) if leg.name == DELIVERY and leg.held]
    if kept is None or not due or sale.status == "cancelled":
        return 0
    wallet = book.get(Mission, sale.mission).wallet
    kept = escrow.assign(book, kept, DELIVERY, wallet or "")
    escrow.release(book, kept, "It was delivered.", names=[DELIVERY], called=DELIVERY)
    return due[0].held


def unpaid_mission(book: Book, sale: Sale) -> Mission | None:
    """The errand that was done and whose fee is still in escrow, if that is how it stands."""
    kept = escrow_of(book, sale) if sale.status == "delivered" and sale.mission else None
    due = kept is not None and any(leg.name == DELIVERY and leg.held for leg in kept.legs)
    return book.get(Mission, sale.mission) if due else None


def cancel(book: Book, sale: Sale, reason: str) -> Sale:
    """Call a sale off. What was paid goes back; what benefits it had can be had again."""
    subject = subject_of(sale.ref)
    sale = hold(book, sale)
    if payable_of(book, sale).status == "open":
        payments.cancel(book, subject)
    if sale.mission is not None:
        book.change(book.get(Mission, sale.mission), status="cancelled")
    sale = book.change(sale, status="cancelled", reason=reason, cancelled_at=book.now)
    kept = escrow_of(book, sale)
    if kept is None:
        if sale.granted:
            benefits.take_back(book, subject)
    elif kept.refunded < kept.paid:
        refund(book, sale, Back(reason))
    announce(book, sale, "cancelled")
    wake(book, topic(sale.ref))
    return sale


def refund(book: Book, sale: Sale, back: Back) -> Escrow:
    """Give money of a sale back. Errors: those of `escrow.refund`; `InvalidTransition` unless
    it was paid.
    """
    kept = escrow_of(book, sale)
    if kept is None:
        raise InvalidTransition(f"{sale.ref} is not paid.", expected="paid", got=sale.status)
    after = escrow.refund(book, kept, back)
    if sale.granted:
        _give_campaigns(book, sale, after)
    part = to_text(after.refunded - kept.refunded, sale.exponent)
    announce(book, sale, "refunded", amount=part)
    return after


@payments.followed_by
def follow(book: Book, payment: payments.Payment) -> None:
    """Let a sale know what became of its payment's refunds, whoever made them.

    Campaigns have their part of what went back for good. What could not be given back is in
    escrow again, disputed: once that is settled it is released as before, anew if that had ended
    with nothing to release. A sale that was called off is for a person to end.
    """
    word, _, ref = (payment.subject or "").partition("/")
    sale = book.peek(Sale, ref) if word == "order" else None
    kept = None if sale is None else escrow_of(book, sale)
    if sale is None or kept is None or sale.payment != payment.id:
        return
    if sale.granted:
        _give_campaigns(book, sale, kept)
    if kept.status in {"held", "partly_released"} and sale.status != "cancelled":
        _go_on(book, sale, kept)
    wake(book, topic(sale.ref))
    wake(book, escrow.topic(kept.ref))


def _give_campaigns(book: Book, sale: Sale, kept: Escrow) -> None:
    made = book.find(payments.Refund, payment=sale.payment)
    gone = sum(refund.amount for refund in made if refund.status == "succeeded")
    uses = book.find(benefits.Use, subject=kept.ref)
    gone = min(gone + escrow.charged_back(kept), kept.refunded)  # its legs have given no more
    part = gone - max((use.refunded for use in uses), default=0)
    if part > 0:
        benefits.take_back(book, kept.ref, part=part, of=kept.paid)


def _go_on(book: Book, sale: Sale, kept: Escrow) -> None:
    if sale.delivered_at is not None:
        kept = escrow.delivered(book, kept, "It was delivered.")
    if sale.delivered_at is not None and _has_ended(book, sale.saga):
        saga = start(book, "sale", {"sale": sale.ref}, reference=kept.ref)
        book.change(sale, saga=saga)
    if not _has_ended(book, kept.saga):
        return
    waiting = book.find(SagaRun, topic=escrow.topic(kept.ref))
    has_more = any(leg.held for leg in kept.legs if leg.to is not None)
    if has_more and all(run.name != "escrow_release" for run in waiting):
        start(book, "escrow_release", {"escrow": kept.ref}, reference=kept.ref)


def _has_ended(book: Book, saga: str | None) -> bool:
    return saga is not None and book.get(SagaRun, saga).status in ENDED


def is_over(book: Book, sale: Sale) -> bool:
    """Whether nothing is in escrow any more but perhaps the rider's fee, and, where all of it was
    given back, nothing can come back into it.
    """
    kept = escrow_of(book, sale)
    if kept is None or any(leg.held for leg in kept.legs if leg.name != DELIVERY):
        return kept is None
    return kept.status != "refunded" or not _is_refunding(book, sale)


def is_payable_to_rider(book: Book, sale: Sale) -> bool:
    """Whether it is known what the rider gets: not while a refund of the fee may yet fail."""
    kept = escrow_of(book, sale)
    taken = [leg for leg in (kept.legs if kept else []) if leg.name == DELIVERY and leg.waived]
    return not taken or not _is_refunding(book, sale)


def _is_refunding(book: Book, sale: Sale) -> bool:
    made = book.find(payments.Refund, payment=sale.payment)
    return any(refund.status == "pending" for refund in made)


def reward(book: Book, sale: Sale) -> Sale:
    """A sale that went well: experience and trust for all who had a part in it."""
    subject = subject_of(sale.ref)
    deserving = [(sale.customer, "order_bought"), (sale.partner, "order_sold")]
    if sale.creator is not None:
        deserving.append((sale.creator, "order_promoted"))
    if sale.mission is not None:
        rider = book.get(Mission, sale.mission).rider
        deserving += [] if rider is None else [(rider, "delivered")]
    for owner, event in deserving:
        trust.award(book, owner, event, reference=subject)
    benefits.qualify(book, sale.customer, subject, sale.unit)
    sale = book.change(sale, status="completed", completed_at=book.now)
    announce(book, sale, "completed")
    return sale


def announce(book: Book, sale: Sale, what: str, **more: str) -> None:
    """Tell the world outside what became of a sale: an event for each who has a part in it."""
    parties = (sale.customer, sale.partner, sale.creator)
    book.announce_to(
        dict.fromkeys(party for party in parties if party is not None),
        f"sale.{what}",
        sale.ref,
        customer=sale.customer,
        partner=sale.partner,
        price=to_text(sale.price, sale.exponent),
        due=to_text(sale.due, sale.exponent),
        currency=sale.unit,
        status=sale.status,
        payment=sale.payment,
        **more,
    )
