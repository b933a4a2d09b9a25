"""What webhooks say: documented bodies of each provider, in our words."""

import json

import pytest

from khata.base.clock import SECOND
from khata.edge.providers.minor import from_minor
from khata.edge.providers.razorpay import RazorpayHooks
from khata.edge.providers.standard import EVENTS, StandardHooks
from khata.edge.providers.stripe import StripeHooks
from khata.edge.sandbox.objects import Event
from khata.edge.sandbox.shapes import body
from khata.errors import Invalid

AT = 1_760_000_000
HOOKS = {
    "standard": StandardHooks("p", []),
    "stripe": StripeHooks("p", []),
    "razorpay": RazorpayHooks("p", []),
}


def stripe_said(kind, thing, **data):
    told = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2025-01-01",
        "type": kind,
        "created": AT,
        "data": {"object": thing, **data},
    }
    return HOOKS["stripe"].event(json.dumps(told).encode())


def razorpay_said(kind, part, entity, **more):
    told = {
        "entity": "event",
        "account_id": "acc_1",
        "event": kind,
        "contains": [part],
        "payload": {part: {"entity": {"id": "x_1", "amount": 100050, "currency": "INR"} | entity}},
        "created_at": AT,
    }
    return HOOKS["razorpay"].event(json.dumps(told | more).encode())


def short(event):
    return (event.type, event.object, event.amount, event.currency, event.reference, event.charge)


PI = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 100050,
    "amount_received": 0,
    "currency": "bdt",
    "metadata": {"reference": "pay_1"},
}
RE = {
    "id": "re_1",
    "object": "refund",
    "amount": 5000,
    "currency": "bdt",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "status": "succeeded",
    "metadata": {"reference": "rfd_1"},
}
DP = {
    "id": "dp_1",
    "amount": 100050,
    "currency": "bdt",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "status": "needs_response",
    "reason": "fraudulent",
    "metadata": {},
}
PO = {"id": "po_1", "amount": 700, "currency": "bdt", "metadata": {"reference": "pyo_1"}}


@pytest.mark.parametrize(
    ("kind", "thing", "expected"),
    [
        ("payment_intent.processing", PI, ("charge.pending", "pi_1", "1000.50", "pay_1", None)),
        (
            "payment_intent.succeeded",
            PI | {"amount_received": 100000},
            ("charge.paid", "pi_1", "1000.00", "pay_1", None),
        ),
        (
            "payment_intent.payment_failed",
            PI | {"last_payment_error": {"code": "card_declined", "decline_code": "lost_card"}},
            ("charge.failed", "pi_1", "1000.50", "pay_1", None),
        ),
        (
            "payment_intent.canceled",
            PI | {"cancellation_reason": "automatic"},
            ("charge.expired", "pi_1", "1000.50", "pay_1", None),
        ),
        (
            "payment_intent.canceled",
            PI | {"cancellation_reason": "requested_by_customer"},
            ("charge.failed", "pi_1", "1000.50", "pay_1", None),
        ),
        ("refund.updated", RE, ("refund.succeeded", "re_1", "50.00", "rfd_1", "pi_1")),
        (
            "refund.failed",
            RE | {"status": "failed"},
            ("refund.failed", "re_1", "50.00", "rfd_1", "pi_1"),
        ),
        ("charge.dispute.created", DP, ("dispute.opened", "dp_1", "1000.50", None, "pi_1")),
        (
            "charge.dispute.closed",
            DP | {"status": "won"},
            ("dispute.won", "dp_1", "1000.50", None, "pi_1"),
        ),
        (
            "charge.dispute.closed",
            DP | {"status": "lost"},
            ("dispute.lost", "dp_1", "1000.50", None, "pi_1"),
        ),
        ("payout.paid", PO, ("payout.completed", "po_1", "7.00", "pyo_1", None)),
        ("payout.failed", PO, ("payout.failed", "po_1", "7.00", "pyo_1", None)),
    ],
)
def test_stripes_events(kind, thing, expected):
    """Each in our word, with the amount as a decimal string and our own id."""
    said = stripe_said(kind, thing)
    assert (said.type, said.object, said.amount, said.reference, said.charge) == expected
    assert (said.id, said.provider, said.currency, said.at) == ("evt_1", "p", "BDT", AT * SECOND)


def test_a_refunded_charge_names_its_latest_refund():
    """The charge has the sum; what happened now is the first of its refunds."""
    charge = {
        "id": "ch_1",
        "payment_intent": "pi_1",
        "currency": "bdt",
        "amount_refunded": 9000,
        "refunds": {"data": [RE, RE | {"id": "re_0", "amount": 4000}]},
    }
    said = stripe_said("charge.refunded", charge)
    assert short(said) == ("refund.succeeded", "re_1", "50.00", "BDT", "rfd_1", "pi_1")


def test_a_refunded_charge_without_a_list_tells_what_was_added():
    """Newer versions leave the list out: then it is the difference to before."""
    charge = {"id": "ch_1", "payment_intent": "pi_1", "currency": "bdt", "amount_refunded": 9000}
    said = stripe_said("charge.refunded", charge, previous_attributes={"amount_refunded": 4000})
    assert short(said) == ("refund.succeeded", "ch_1", "50.00", "BDT", None, "pi_1")


def test_stripes_codes_are_kept():
    """Why a charge failed."""
    said = stripe_said(
        "payment_intent.payment_failed",
        PI | {"last_payment_error": {"code": "card_declined", "decline_code": "lost_card"}},
    )
    assert said.code == "lost_card"


@pytest.mark.parametrize(
    ("kind", "part", "entity", "expected"),
    [
        ("payment.authorized", "payment", {}, "charge.authorised"),
        ("payment.captured", "payment", {}, "charge.paid"),
        ("payment.failed", "payment", {"error_code": "BAD_REQUEST_ERROR"}, "charge.failed"),
        ("refund.processed", "refund", {"payment_id": "pay_x"}, "refund.succeeded"),
        ("refund.failed", "refund", {"payment_id": "pay_x"}, "refund.failed"),
        ("payment.dispute.created", "dispute", {"payment_id": "pay_x"}, "dispute.opened"),
        ("payment.dispute.won", "dispute", {"payment_id": "pay_x"}, "dispute.won"),
        ("payment.dispute.lost", "dispute", {"payment_id": "pay_x"}, "dispute.lost"),
        ("payout.processed", "payout", {"reference_id": "pyo_1"}, "payout.completed"),
        ("payout.failed", "payout", {"reference_id": "pyo_1"}, "payout.failed"),
        ("payout.reversed", "payout", {"reference_id": "pyo_1"}, "payout.returned"),
    ],
)
def test_razorpays_events(kind, part, entity, expected):
    """Each in our word; notes may be an empty list, which is how they write an empty object."""
    said = razorpay_said(kind, part, {"notes": []} | entity)
    assert (said.type, said.object, said.amount) == (expected, "x_1", "1000.50")
    assert said.charge == entity.get("payment_id")
    assert said.reference == entity.get("reference_id")
    noted = razorpay_said(kind, part, entity | {"notes": {"reference": "pay_1"}})
    assert noted.reference == "pay_1"


def test_razorpays_ids_come_from_what_is_signed():
    """The same body is the same event, however it is delivered; another body is another."""
    one, again = (razorpay_said("payment.captured", "payment", {}) for _ in range(2))
    later = razorpay_said("payment.captured", "payment", {}, created_at=AT + 1)
    assert one.id == again.id != later.id


@pytest.mark.parametrize("scheme", HOOKS)
@pytest.mark.parametrize("kind", EVENTS)
def test_the_sandbox_speaks_every_dialect(scheme, kind):
    """What it sends in a provider's shape reads as what it meant, where there is such an event."""
    thing = {
        "id": "x_1",
        "status": "paid",
        "amount": "1000.500",
        "currency": "IQD",
        "reference": "pay_1",
        "charge": "ch_1",
        "code": "some_reason",
    }
    sent = body(Event("evt_1", kind, AT, thing), scheme)
    if sent is None:
        assert (scheme, kind) in {("razorpay", "charge.pending"), ("razorpay", "charge.expired")}
        return
    said = HOOKS[scheme].event(sent)
    # Stripe has no word of its own for a payout that comes back
    returned = (scheme, kind) == ("stripe", "payout.returned")
    assert said.type == ("payout.failed" if returned else kind)
    assert (said.object, said.amount, said.currency) == ("x_1", "1000.500", "IQD")
    assert said.reference == "pay_1"


@pytest.mark.parametrize("scheme", HOOKS)
def test_unknown_types_mean_nothing(scheme):
    """A provider may invent events; they are not errors."""
    told = {
        "standard": {"id": "e", "type": "charge.sung", "created": AT, "data": {}},
        "stripe": {"id": "e", "type": "customer.created", "created": AT, "data": {"object": {}}},
        "razorpay": {"event": "order.paid", "payload": {}, "created_at": AT},
    }
    assert HOOKS[scheme].event(json.dumps(told[scheme]).encode()) is None


NO_JSON = [b"", b"null", b"[]", b"{", b"\xff\xfe", b'"secret"', b"[" * 100_000, b"{}"]
_PAYOUT = b'{"id": "e", "type": "payout.paid", "created": 1, "data": {"object": %s}}'
_CAPTURED = b'{"event": "payment.captured", "payload": {"payment": {"entity": %s}}}'
WRONG = {
    "standard": [
        b'{"id": 7, "type": "charge.paid", "created": 1, "data": {}}',
        b'{"id": "e", "type": "charge.paid", "created": 1e400, "data": {}}',
        b'{"id": "e", "type": "charge.paid", "created": -1, "data": {}}',
        b'{"id": "e", "type": "charge.paid", "created": 1, "data": {"id": "secret"}}',
    ],
    "stripe": [
        _PAYOUT % b'"secret"',
        _PAYOUT % b'{"id": "secret", "amount": -5, "currency": "bdt"}',
        _PAYOUT % b'{"id": "secret", "amount": true, "currency": "bdt"}',
    ],
    "razorpay": [
        b'{"event": "payment.captured", "payload": {"refund": {"entity": {"id": "secret"}}}}',
        _CAPTURED % b'{"id": "secret", "amount": 1.5, "currency": "INR"}',
        _CAPTURED % b'{"id": "secret", "amount": 1, "currency": "???"}',
    ],
}


@pytest.mark.parametrize(
    ("scheme", "text"), [(scheme, text) for scheme in HOOKS for text in NO_JSON + WRONG[scheme]]
)
def test_malformed_bodies_are_invalid(scheme, text):
    """One clear error that repeats nothing of the body."""
    with pytest.raises(Invalid) as caught:
        HOOKS[scheme].event(text)
    assert "secret" not in f"{caught.value} {caught.value.details}"


@pytest.mark.parametrize(
    ("amount", "currency", "others", "expected"),
    [
        (100050, "bdt", {}, "1000.50"),
        (1500, "JPY", {}, "1500"),
        (1500000, "IQD", {}, "1500.000"),
        (500, "isk", {"ISK": 2}, "5"),
        (5, "MGA", {"MGA": 0}, "5.00"),
    ],
)
def test_minor_units_become_decimal_strings(amount, currency, others, expected):
    """By ISO 4217, and by the provider's own table where it differs."""
    assert from_minor(amount, currency, others)[0] == expected


@pytest.mark.parametrize(
    ("amount", "currency", "others"),
    [(-1, "BDT", {}), (10**18, "BDT", {}), (1, "ZZZ", {}), (550, "ISK", {"ISK": 2})],
)
def test_amounts_that_cannot_be_are_invalid(amount, currency, others):
    """Negative, too large, in no currency, or with a part of the smallest coin."""
    with pytest.raises(Invalid):
        from_minor(amount, currency, others)
