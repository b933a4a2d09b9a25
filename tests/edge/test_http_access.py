"""Who is let in: keys, scopes, roles, owners' tokens good and forged."""

import base64
import hmac
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from khata.edge.http.tokens import tokens_of
from khata.errors import Invalid
from khata.settings import settings_from
from tests.edge.serving import Asks, a_key, money, serving_sqlite

ISSUER, AUDIENCE = "https://id.example", "khata"
KEYS = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "okp"}),
}
JWKS = json.dumps({"keys": [key.as_dict(private=False) for key in KEYS.values()]})


def a_token(algorithm="ES256", signer=None, **claims):
    """A token for alice that is good but for what is given."""
    now = int(time.time())
    body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 60, "nbf": now - 5}
    kept = {name: value for name, value in (body | claims).items() if value is not None}
    signer = signer or KEYS[algorithm]
    return jwt.encode({"alg": algorithm, "kid": signer.kid}, kept, signer, algorithms=[algorithm])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(
        tmp_path_factory.mktemp("access"),
        KHATA_JWKS=JWKS,
        KHATA_JWT_ISSUER=ISSUER,
        KHATA_JWT_AUDIENCE=AUDIENCE,
    ) as found:
        with found.http() as http:
            asks = Asks(http)
            found.alice, found.bob = asks.wallet("alice", "50.00"), asks.wallet("bob")
        yield found


def text64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def status_and_code(response):
    return response.status_code, response.json().get("code")


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_owner_sees_their_wallets(server, algorithm):
    """A token signed with any of the allowed algorithms lets its owner in."""
    with server.http(a_token(algorithm)) as http:
        found = http.get("/v1/me/wallets").json()["items"]
    assert [wallet["owner"] for wallet in found] == ["alice"]


def test_an_owner_pays_from_their_own(server):
    """An owner moves their own money."""
    with server.http(a_token()) as http:
        body = {"to": server.bob, "amount": money("1.00")}
        answer = Asks(http).post(f"/v1/wallets/{server.alice}/transfer", body)
    assert answer.status_code == 200


def test_an_owner_gets_back_the_key_they_sent(server):
    """Also when it is answered again, and in a bulk; how the journal keeps it is its own affair."""
    body = {"to": server.bob, "amount": money("1.00")}
    line = {"key": "rent", "command": {"kind": "wallets.transfer", "wallet": server.alice, **body}}
    with server.http(a_token()) as http:
        asks = Asks(http)
        path = f"/v1/wallets/{server.alice}/transfer"
        told = [asks.post(path, body, key="rent").json() for _ in range(2)]
        told += asks.post("/v1/bulk", {"lines": [line]}).json()["outcomes"]
    assert [(one["key"], one["replayed"]) for one in told] == [
        ("rent", False),
        ("rent", True),
        ("rent", True),
    ]


@pytest.mark.parametrize("path", ["", "/balance", "/transactions", "/statement"])
def test_an_owner_sees_nothing_of_others(server, path):
    """Another's wallet is not theirs to see."""
    with server.http(a_token()) as http:
        answer = http.get(f"/v1/wallets/{server.bob}{path}")
    assert status_and_code(answer) == (403, "not_yours")


def test_an_owner_takes_nothing_from_others(server):
    """Another's money is not theirs to move."""
    with server.http(a_token()) as http:
        body = {"to": server.alice, "amount": money("1.00")}
        answer = Asks(http).post(f"/v1/wallets/{server.bob}/transfer", body)
    assert status_and_code(answer) == (403, "not_yours")


@pytest.mark.parametrize("path", ["/v1/journal", "/v1/verify", "/v1/trial-balance"])
def test_an_owner_sees_nothing_of_the_book(server, path):
    """What is about everybody is for the book's own people."""
    with server.http(a_token()) as http:
        assert status_and_code(http.get(path)) == (403, "not_yours")


def test_an_owner_credits_nobody(server):
    """Money comes in by those whose role it is."""
    with server.http(a_token()) as http:
        body = {"amount": money("1.00")}
        answer = Asks(http).post(f"/v1/wallets/{server.alice}/credit", body)
    assert status_and_code(answer) == (403, "role_required")


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("expired", {"exp": 1}),
        ("endless", {"exp": None}),
        ("early", {"nbf": 4_000_000_000}),
        ("for another", {"aud": "shop"}),
        ("for nobody", {"aud": None}),
        ("of another issuer", {"iss": "https://evil.example"}),
        ("of no one", {"sub": None}),
        ("of a number", {"sub": 7}),
        ("for another book", {"book": "other"}),
    ],
)
def test_a_token_that_does_not_hold(server, name, claims):
    """Each claim is checked."""
    with server.http(a_token(**claims)) as http:
        answer = http.get("/v1/me/wallets")
    assert status_and_code(answer) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_signed_by_someone_else(server):
    """A signature with another key of the same name is a forgery."""
    forger = ECKey.generate_key("P-256", {"kid": "ec"})
    with server.http(a_token(signer=forger)) as http:
        assert http.get("/v1/me/wallets").status_code == 401


def test_a_token_that_is_signed_by_nobody(server):
    """`none` is no signature."""
    header, body, _ = a_token().split(".")
    nobody = "eyJhbGciOiJub25lIn0"
    for token in (f"{nobody}.{body}.", f"{header}.{body}."):
        with server.http(token) as http:
            assert http.get("/v1/me/wallets").status_code == 401


def test_a_public_key_is_no_shared_secret(server):
    """HS256 with the text of a public key as its secret lets nobody in."""
    _, body, _ = a_token("RS256").split(".")
    header = text64(b'{"alg":"HS256","kid":"rsa"}')
    signed = f"{header}.{body}"
    secret = KEYS["RS256"].as_pem(private=False)
    forged = text64(hmac.digest(secret, signed.encode(), "sha256"))
    with server.http(f"{signed}.{forged}") as http:
        assert http.get("/v1/me/wallets").status_code == 401


@pytest.mark.parametrize("credential", ["none", "x", "kh_main_" + "0" * 64, "kh_other_" + "0" * 64])
def test_a_stranger(server, credential):
    """No key, or one that was never given out, lets nobody in and tells nothing."""
    with server.http(credential) as http:
        answer = http.get("/v1/wallets")
    assert status_and_code(answer) == (401, "unauthenticated")
    assert "0000" not in answer.text


def test_a_scope_is_needed(server):
    """A key that may only read moves no money, one that may write changes no set-up."""
    reader = a_key(server.database_url, scopes=["read"])
    writer = a_key(server.database_url, scopes=["write"])
    with server.http(reader) as http:
        body = {"amount": money("1.00")}
        read = Asks(http).post(f"/v1/wallets/{server.alice}/credit", body)
    with server.http(writer) as http:
        wrote = Asks(http).post("/v1/units", {"code": "XP", "exponent": 0, "name": "XP"})
    assert status_and_code(read) == status_and_code(wrote) == (403, "scope_required")


def test_a_request_for_approval_goes_round_no_scope(server):
    """What a key may not do by itself it may neither ask for nor approve."""
    writer = a_key(server.database_url, scopes=["read", "write"])
    unit = {"kind": "setup.define_unit", "code": "PTS", "exponent": 0, "name": "Points"}
    wanted = {"reason": "For the spring.", "command": unit}
    with server.http(writer) as http:
        asked = Asks(http).post("/v1/approvals", wanted)
    with server.http() as http:
        made = Asks(http).post("/v1/approvals", wanted).json()["result"]
    path = f"/v1/approvals/{made['request']}/approve"
    with server.http(writer) as http:
        approved = Asks(http).post(path, {})
    assert status_and_code(asked) == status_and_code(approved) == (403, "scope_required")
    with server.http(a_key(server.database_url)) as http:
        assert Asks(http).post(path, {}).json()["result"]["status"] == "approved"


def test_a_role_is_needed(server):
    """A key of support does not reverse."""
    support = a_key(server.database_url, roles=["support"])
    with server.http(support) as http:
        answer = Asks(http).post("/v1/entries/ent_0400/reversals", {"reason": "Wrong"})
    assert status_and_code(answer) == (403, "role_required")


def test_a_key_from_first_to_last(server):
    """A key made here is shown once, works, and is shut out at once when it is revoked."""
    with server.http() as http:
        asks = Asks(http)
        body = {"label": "shop", "roles": ["service"], "scopes": ["read"]}
        made = asks.post("/v1/keys", body).json()["result"]
        with server.http(made["secret"]) as shop:
            before = shop.get("/v1/wallets").status_code
            revoked = http.delete(f"/v1/keys/{made['id']}", headers={"idempotency-key": "r1"})
            after = shop.get("/v1/wallets").status_code
        listed = asks.get("/v1/keys").text + asks.get("/v1/journal").text
    assert (before, revoked.status_code, after) == (200, 200, 401)
    assert made["secret"] not in listed


def test_no_secret_is_logged(server):
    """Neither keys nor tokens are in the server's log."""
    token = a_token()
    with server.http(token) as http:
        http.get("/v1/me/wallets", headers={"x-request-id": "look-for-me"})
    log = "".join(server.lines)
    assert server.key not in log
    assert token not in log


@pytest.mark.parametrize(
    ("name", "value"),
    [("KHATA_JWT_ISSUER", ""), ("KHATA_PORT", "abc"), ("KHATA_LOG_LEVEL", "loud")],
)
def test_a_setting_that_makes_no_sense(name, value):
    """It is named, with what was expected."""
    good = {"KHATA_JWKS": JWKS, "KHATA_JWT_ISSUER": ISSUER, "KHATA_JWT_AUDIENCE": AUDIENCE}
    with pytest.raises(Invalid, match=f"expected {name} to be"):
        settings_from(good | {name: value})


def test_a_key_set_with_a_secret_is_not_taken():
    """A private or shared key in the key set stops the start."""
    for key in (KEYS["ES256"].as_dict(private=True), OctKey.generate_key(256).as_dict()):
        settings = settings_from(
            {
                "KHATA_JWKS": json.dumps({"keys": [key]}),
                "KHATA_JWT_ISSUER": ISSUER,
                "KHATA_JWT_AUDIENCE": AUDIENCE,
            }
        )
        with pytest.raises(Invalid, match="KHATA_JWKS"):
            tokens_of(settings)
