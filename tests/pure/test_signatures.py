"""Who signed a webhook: against the providers' own libraries, in both directions."""

import base64
import time
from datetime import UTC, datetime

import pytest
import razorpay
import standardwebhooks
import stripe
from hypothesis import given
from hypothesis import strategies as st

from khata.base.clock import SECOND
from khata.edge.providers.signatures import SCHEMES, TOLERANCE
from khata.errors import InvalidSignature, StaleWebhook

BODY = '{"id": "evt_1", "note": "আলো ¥"}'.encode()
SECRETS = {
    "standard": f"whsec_{base64.b64encode(b'k' * 32).decode()}",
    "stripe": "whsec_made_up",
    "razorpay": "made up too",
}
OTHERS = {
    "standard": f"whsec_{base64.b64encode(b'o' * 32).decode()}",
    "stripe": "whsec_another",
    "razorpay": "another",
}
TIMED = ["standard", "stripe"]
NAMES = {
    "standard": "webhook-signature",
    "stripe": "Stripe-Signature",
    "razorpay": "X-Razorpay-Signature",
}
NOW = 1_760_000_000 * SECOND


def signed(scheme, body=BODY, now=NOW, secret=None):
    sign, _ = SCHEMES[scheme]
    return sign(secret or SECRETS[scheme], "evt_1", body, now)


def check(scheme, headers, body=BODY, now=NOW, secrets=None):
    _, verify = SCHEMES[scheme]
    verify([SECRETS[scheme]] if secrets is None else secrets, headers, body, now)


def the_librarys_view(scheme, headers, body, secret):
    """Whether the provider's own library takes it."""
    try:
        if scheme == "stripe":
            name = headers.get("Stripe-Signature")
            return stripe.WebhookSignature.verify_header(body.decode(), name, secret, 300)
        if scheme == "razorpay":
            name = headers["X-Razorpay-Signature"]
            return razorpay.Utility().verify_webhook_signature(body.decode(), name, secret)
        standardwebhooks.Webhook(secret).verify(body, headers, json_parse=False)
    except (
        stripe.SignatureVerificationError,
        razorpay.errors.SignatureVerificationError,
        standardwebhooks.WebhookVerificationError,
    ):
        return False
    return True


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_we_sign_the_library_takes(scheme):
    """A receiver written with the provider's library believes our sandbox."""
    headers = signed(scheme, now=time.time_ns() // 1000)
    assert the_librarys_view(scheme, headers, BODY, SECRETS[scheme])
    assert not the_librarys_view(scheme, headers, BODY + b" ", SECRETS[scheme])
    assert not the_librarys_view(scheme, headers, BODY, OTHERS[scheme])


def test_what_stripes_library_signs_we_take():
    """The header that it generates."""
    made = stripe.WebhookSignature.generate_signature_header(
        BODY.decode(), SECRETS["stripe"], timestamp=NOW // SECOND
    )
    check("stripe", {"Stripe-Signature": made})


def test_what_the_standard_library_signs_we_take():
    """The signature that it makes."""
    made = standardwebhooks.Webhook(SECRETS["standard"]).sign(
        "evt_1", datetime.fromtimestamp(NOW // SECOND, UTC), BODY.decode()
    )
    stamp = str(NOW // SECOND)
    check(
        "standard",
        {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": made},
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@given(body=st.binary(max_size=80).map(lambda noise: b'{"x": "' + noise.hex().encode() + b'"}'))
def test_the_very_bytes_count(scheme, body):
    """A signature holds for its own body, and for no other, not even one that means the same."""
    headers = signed(scheme, body)
    check(scheme, headers, body)
    for other in (body + b"\n", body.replace(b": ", b":"), body[:-1], b""):
        with pytest.raises(InvalidSignature):
            check(scheme, headers, other)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_of_headers_have_no_case(scheme):
    """Proxies write them as they like."""
    headers = signed(scheme)
    for change in (str.lower, str.upper, str.title):
        check(scheme, {change(name): value for name, value in headers.items()})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_secret_can_be_replaced(scheme):
    """While two are set, what either signs is taken; afterwards only the new one."""
    old, new = SECRETS[scheme], OTHERS[scheme]
    for secret in (old, new):
        check(scheme, signed(scheme, secret=secret), secrets=[new, old])
    with pytest.raises(InvalidSignature):
        check(scheme, signed(scheme, secret=old), secrets=[new])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_a_secret_nobody_is_believed(scheme):
    """No secret is not an empty one."""
    with pytest.raises(InvalidSignature):
        check(scheme, signed(scheme), secrets=[])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "=", "t=,v1=", "v1,", "v1,é", "v1=abc", "t=1", "t=x,v1=abc",
        "t=-1,v1=ab", "t=1,t=2,v1=ab", "0" * 64, "g" * 64, "\x00", "a" * 5000,
        "v1," + "A" * 43 + "=", "t=99999999999999999999,v1=00",
    ],
)  # fmt: skip
def test_malformed_signatures_are_refused(scheme, text):
    """Whatever stands in the header: one clear error, and no other."""
    with pytest.raises(InvalidSignature):
        check(scheme, signed(scheme) | {NAMES[scheme]: text})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_missing_header_is_refused(scheme):
    """Every header that the scheme checks must be there; no body makes up for it."""
    with pytest.raises(InvalidSignature):
        check(scheme, {})
    for name in signed(scheme):
        if name != "X-Razorpay-Event-Id":
            with pytest.raises(InvalidSignature):
                check(scheme, {key: v for key, v in signed(scheme).items() if key != name})


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("way", [-1, 1], ids=["old", "future"])
def test_a_signature_is_good_for_five_minutes(scheme, way):
    """Neither an old webhook nor one from the future is taken, though its signature fits."""
    headers = signed(scheme)
    check(scheme, headers, now=NOW - way * TOLERANCE)
    with pytest.raises(StaleWebhook):
        check(scheme, headers, now=NOW - way * (TOLERANCE + SECOND))


@pytest.mark.parametrize("scheme", TIMED)
def test_the_time_is_signed_too(scheme):
    """A recorded webhook cannot be made young again."""
    late = NOW + 2 * TOLERANCE
    fresh, old = signed(scheme, now=late), signed(scheme)
    if scheme == "stripe":
        stamp = fresh["Stripe-Signature"].split(",")[0]
        forged = {"Stripe-Signature": f"{stamp},{old['Stripe-Signature'].split(',')[1]}"}
    else:
        forged = {**old, "webhook-timestamp": fresh["webhook-timestamp"]}
    with pytest.raises(InvalidSignature):
        check(scheme, forged, now=late)


def test_several_signatures_are_taken_as_the_library_does():
    """While a provider replaces its secret it signs with both; the other one may come first."""
    now = time.time_ns() // 1000
    stamp, mine = signed("stripe", now=now)["Stripe-Signature"].split(",")
    other = signed("stripe", now=now, secret="whsec_next")["Stripe-Signature"].split(",")[1]
    header = {"Stripe-Signature": f"{stamp},{other},{mine},v0=abc"}
    check("stripe", header, now=now)
    assert the_librarys_view("stripe", header, BODY, SECRETS["stripe"])


@pytest.mark.parametrize("scheme", TIMED)
def test_repeated_signatures_are_refused(scheme):
    """Nobody signs twice with one secret; a heap of guesses is not looked through."""
    headers = signed(scheme)
    name, join = NAMES[scheme], {"stripe": ",", "standard": " "}[scheme]
    mine = headers[name].split(",")[1] if scheme == "stripe" else headers[name]
    guesses = [f"v1={n:064x}" if scheme == "stripe" else f"v1,{n:043d}=" for n in range(10)]
    for more in ([mine], guesses):
        with pytest.raises(InvalidSignature):
            check(scheme, headers | {name: join.join([headers[name], *more])})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_errors_tell_no_secret(scheme):
    """Nor the signature that would have fitted."""
    headers = signed(scheme)
    with pytest.raises(InvalidSignature) as caught:
        check(scheme, headers, b"{}")
    told = f"{caught.value} {caught.value.details}"
    assert SECRETS[scheme] not in told
    assert headers[NAMES[scheme]] not in told
