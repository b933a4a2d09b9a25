"""What a provider's answers mean: conversations fed with answers, without any network."""

import json

import pytest

from khata.edge.providers import ProviderConfig, Response, provider
from khata.engine.sagas.outcome import Intent, Outcome
from khata.engine.vault import Vault
from khata.errors import Invalid

VAULT = Vault([Vault.new_key()])
CONFIG = ProviderConfig(name="sandbox", base_url="http://sandbox.test", api_key="sk_secret")
ASKED = {
    "charge": {"method": "card", "token": "tok_ok"},
    "refund": {"charge": "ch_1"},
    "payout": {"account": VAULT.seal("0123456789"), "holder": VAULT.seal("Alice A."), "bank": "B"},
}
OPS = list(ASKED)
WELL = {"charge": "paid", "refund": "succeeded", "payout": "processing"}


def an_intent(op="charge", **more):
    request = {
        "provider": "sandbox",
        "op": op,
        "amount": "1000.00",
        "currency": "BDT",
        "reference": "pay_1",
        **ASKED.get(op, {}),
        **more,
    }
    return Intent("step", "key-1", "providers", request)


def a_thing(op="charge", **changes):
    thing = {"id": "x_1", "status": WELL[op], "amount": "1000.00", "currency": "BDT"}
    return thing | {"reference": "pay_1"} | changes


def fed(flow, *answers):
    """What a conversation comes to, and the requests that it made."""
    requests = [next(flow)]
    for status, told in answers:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        try:
            requests.append(flow.send(Response(status, {}, body)))
        except StopIteration as end:
            return end.value, requests
    raise AssertionError("it asks for more")


def called(op, status, told):
    """The outcome of a call that was answered like this."""
    return fed(getattr(provider(CONFIG, VAULT), op)(an_intent(op)), (status, told))[0]


def asked(op, status, told):
    """What a question comes to."""
    return fed(provider(CONFIG, VAULT).find(an_intent(op)), (status, told))[0]


@pytest.mark.parametrize("op", OPS)
def test_a_call_carries_its_key_and_what_is_asked(op):
    """One request, with the intent's key and our reference."""
    outcome, (request,) = fed(
        getattr(provider(CONFIG, VAULT), op)(an_intent(op)), (200, a_thing(op))
    )
    assert outcome == Outcome(
        "done", {"id": "x_1", "status": WELL[op], "amount": "1000.00", "currency": "BDT"}
    )
    assert (request.method, request.url) == ("POST", f"http://sandbox.test/v1/{op}s")
    assert request.headers["Idempotency-Key"] == "key-1"
    assert json.loads(request.body)["reference"] == "pay_1"


def test_an_account_is_opened_for_the_call_alone():
    """The bank hears the number; nothing that is shown of the request has it."""
    flow = provider(CONFIG, VAULT).payout(an_intent("payout"))
    request = next(flow)
    assert json.loads(request.body)["account"] == "0123456789"
    assert "0123456789" not in repr(request)
    assert "sk_secret" not in repr(request) + repr(CONFIG)


@pytest.mark.parametrize("vault", [None, Vault([Vault.new_key()])], ids=["none", "another"])
def test_a_payout_that_cannot_be_opened_is_not_sent(vault):
    """It may be tried again when the keys are there."""
    with pytest.raises(StopIteration) as end:
        next(provider(CONFIG, vault).payout(an_intent("payout")))
    assert (end.value.value.status, end.value.value.code) == ("busy", "provider_account_sealed")


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (402, {"error": {"code": "card_declined", "message": "No."}}, ("failed", "card_declined")),
        (422, {"error": {"code": "refund_exceeds"}}, ("failed", "refund_exceeds")),
        (404, {"error": {"code": "charge_not_found"}}, ("failed", "charge_not_found")),
        (402, {"error": {"code": "Not a code!"}}, ("failed", "declined")),
        (404, b"<html>", ("unknown", "provider_garbage")),
        (400, b"", ("unknown", "provider_garbage")),
        (301, b"", ("unknown", "provider_garbage")),
        (408, {"error": {"code": "timeout"}}, ("unknown", "provider_garbage")),
        (401, {"error": {"code": "unauthenticated"}}, ("busy", "provider_credentials")),
        (403, b"", ("busy", "provider_credentials")),
        (409, {"error": {"code": "key_reused"}}, ("unknown", "provider_key_reused")),
        (429, b"", ("busy", "provider_busy")),
        (503, {"error": {"code": "busy", "processed": False}}, ("busy", "provider_busy")),
        (503, {"error": {"code": "busy"}}, ("unknown", "provider_error")),
        (503, b"", ("unknown", "provider_error")),
        (500, {"error": {"code": "x", "processed": False}}, ("unknown", "provider_error")),
        (504, b"", ("unknown", "provider_error")),
        (200, b"", ("unknown", "provider_garbage")),
        (200, b"<html>", ("unknown", "provider_garbage")),
        (200, b"[" * 100_000, ("unknown", "provider_garbage")),
        (200, b"\xff", ("unknown", "provider_garbage")),
        (200, {}, ("unknown", "provider_garbage")),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_answers_of_a_call(op, status, told, expected):
    """A decline is final only when the provider says so; what is not clear is unknown."""
    outcome = called(op, status, told)
    assert (outcome.status, outcome.code) == expected


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "10000.00"}, "provider_mismatch"),
        ({"amount": "1000.01"}, "provider_mismatch"),
        ({"amount": "1e3"}, "provider_mismatch"),
        ({"currency": "USD"}, "provider_mismatch"),
        ({"reference": "pay_2"}, "provider_mismatch"),
        ({"status": "sung"}, "provider_garbage"),
        ({"id": ""}, "provider_garbage"),
        ({"id": 7}, "provider_garbage"),
        ({"amount": 1000}, "provider_garbage"),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_an_answer_about_something_else_is_unknown(op, change, code):
    """Another amount, currency or reference is not what was asked for; a person looks."""
    for outcome in (
        called(op, 200, a_thing(op, **change)),
        asked(op, 200, {"items": [a_thing(op, **change)]}),
    ):
        assert (outcome.status, outcome.code) == ("unknown", code)


def test_the_same_amount_may_be_written_otherwise():
    """1000 is 1000.00."""
    assert called("charge", 200, a_thing(amount="1000")).status == "done"


@pytest.mark.parametrize(
    ("op", "status", "expected"),
    [
        ("charge", "pending", ("done", "pending")),
        ("charge", "authorised", ("done", "authorised")),
        ("charge", "failed", ("failed", "why_not")),
        ("charge", "expired", ("failed", "why_not")),
        ("refund", "pending", ("done", "pending")),
        ("refund", "failed", ("failed", "why_not")),
        ("payout", "completed", ("done", "completed")),
        ("payout", "returned", ("done", "returned")),
        ("payout", "failed", ("failed", "why_not")),
    ],
)
def test_each_status_has_its_outcome(op, status, expected):
    """In an answer and in a look-up alike."""
    thing = a_thing(op, status=status, code="why_not")
    for outcome in (called(op, 200, thing), asked(op, 200, {"items": [thing]})):
        assert (outcome.status, outcome.data.get("status") or outcome.code) == expected


def test_where_the_payer_goes_is_passed_on():
    """A pending charge has an address."""
    outcome = called("charge", 200, a_thing(status="pending", action_url="https://pay.test/1"))
    assert outcome.data["action_url"] == "https://pay.test/1"


@pytest.mark.parametrize("op", OPS)
def test_a_question_names_the_key(op):
    """It is looked up under the key of the call, whatever is in it."""
    intent = Intent("step", "a key/with&more", "providers", an_intent(op).request)
    request = next(provider(CONFIG, VAULT).find(intent))
    assert request.method == "GET"
    assert request.url == f"http://sandbox.test/v1/{op}s?key=a%20key%2Fwith%26more"


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (200, {"items": []}, "absent"),
        (200, {}, "unknown"),
        (200, [], "unknown"),
        (200, {"items": [a_thing(), a_thing()]}, "unknown"),
        (404, {"error": {"code": "route_not_found"}}, "unknown"),
        (404, b"", "unknown"),
        (402, {"error": {"code": "card_declined"}}, "unknown"),
        (500, b"", "unknown"),
    ],
)
def test_only_an_empty_list_means_absent(status, told, expected):
    """A wrong address or a broken provider must not look as if nothing had happened."""
    assert asked("charge", status, told).status == expected


@pytest.mark.parametrize(
    "change",
    [
        {"op": "steal"},
        {"amount": 1000},
        {"amount": "-1.00"},
        {"currency": "taka"},
        {"reference": ""},
    ],
)
def test_what_is_incomplete_is_never_sent(change):
    """An intent that cannot be read is refused before any request."""
    with pytest.raises(Invalid):
        next(provider(CONFIG, VAULT).charge(an_intent(**change)))


def test_long_numbers_are_masked_in_messages():
    """A provider that repeats an account number in its reason does not put it into the journal."""
    told = {
        "error": {"code": "no_account", "message": "Account 0123 4567-89 is closed." + "x" * 999}
    }
    outcome = called("payout", 422, told)
    assert "0123" not in outcome.message
    assert len(outcome.message) <= 200


@pytest.mark.parametrize("kind", ["stripe", "razorpay"])
def test_providers_that_are_only_listened_to_refuse(kind):
    """They take webhooks; whoever asks them for money hears that nothing was done."""
    listening = provider(ProviderConfig(name=kind, kind=kind))
    for op in OPS:
        with pytest.raises(StopIteration) as end:
            next(getattr(listening, op)(an_intent(op)))
        assert (end.value.value.status, end.value.value.code) == ("failed", "provider_not_offered")
    with pytest.raises(StopIteration) as end:
        next(listening.find(an_intent()))
    assert end.value.value.status == "absent"
