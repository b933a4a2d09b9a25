"""Sales: what makes no sense, who may not, what cannot be; nothing of it is written."""

import pytest

from khata import Money, actor
from khata.domain import escrow, setup, wallets
from khata.domain.marketplace import AssignRider, CancelSale, DeliverSale, PaySale, PlaceSale
from tests.builders import ADMIN, bdt, owner, refused
from tests.sellers import (
    BROUGHT,
    CREATOR,
    CUSTOMER,
    HOUSE,
    PAID_AT_ONCE,
    PARTNER,
    a_market,
    database_of_markets,  # noqa: F401 - a fixture
    standing,
)
from tests.servers import sqlite_at

GIVEN = {"ref": "M2", "customer": "alice", "partner": "karim", "price": bdt("10.00")}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"price": bdt("0")}, "invalid_amount"),
        ({"price": bdt("-1")}, "invalid_amount"),
        ({"price": bdt("1.001")}, "too_many_decimals"),
        ({"price": bdt("99999999999999999999")}, "amount_too_large"),
        ({"price": Money("1", "ZZZ")}, "unknown_currency"),
        ({"price": Money("1", "EUR")}, "wallet_not_found"),
        ({"delivery_fee": bdt("0")}, "invalid_amount"),
        ({"delivery_fee": Money("1", "USD")}, "currency_mismatch"),
        ({"ref": "M1"}, "already_exists"),
        ({"ref": "E1"}, "already_exists"),
        ({"ref": ""}, "invalid_input"),
        ({"ref": "a/b"}, "invalid_input"),
        ({"ref": "x" * 101}, "invalid_input"),
        ({"ref": "a\x00"}, "invalid_input"),
        ({"customer": "karim"}, "invalid_input"),
        ({"customer": ""}, "invalid_input"),
        ({"customer": "a/b"}, "invalid_input"),
        ({"customer": "cash"}, "invalid_input"),
        ({"partner": "nobody"}, "wallet_not_found"),
        ({"partner_wallet": CREATOR}, "invalid_input"),
        ({"partner_wallet": HOUSE}, "wallet_not_found"),
        ({"partner_wallet": "karim/partner/USD"}, "currency_mismatch"),
        ({"creator": "nobody"}, "wallet_not_found"),
        ({"creator": "mitu", "creator_wallet": PARTNER}, "invalid_input"),
        ({"creator_wallet": CREATOR}, "invalid_input"),
        ({"video": "v1"}, "invalid_input"),
        ({"title": "\ud800"}, "invalid_input"),
        ({"title": " "}, "invalid_input"),
        ({"title": "x" * 201}, "invalid_input"),
        ({"category": ""}, "invalid_input"),
        ({"country": "bd"}, "invalid_input"),
        ({"source": "nonsense"}, "unknown_source"),
        ({"codes": ["EID", "EID"]}, "invalid_input"),
        ({"codes": [f"C{n}" for n in range(11)]}, "invalid_input"),
        ({"codes": ["NONE"]}, "campaign_not_found"),
        ({"release_days": 401}, "invalid_input"),
        ({"release_days": -1}, "invalid_input"),
        ({"release_on": "request", "release_days": 1}, "invalid_input"),
        ({"wallet": "nobody/personal/BDT"}, "wallet_not_found"),
        ({"wallet": PARTNER}, "not_yours"),
        ({"wallet": CUSTOMER, "price": bdt("9000.00")}, "insufficient_funds"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else value,
)
def test_what_makes_no_sense_is_not_placed(market, fields, code):
    """One clear error, nothing written."""
    before = standing(market.book)
    assert refused(market.book, PlaceSale(**{**GIVEN, **fields})).code == code
    assert standing(market.book) == before


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """One market for everything that is refused, with a sale that is not paid, and an escrow."""
    with a_market(sqlite_at(tmp_path_factory.mktemp("market") / "khata.db")) as made:
        made.book.submit(wallets.OpenWallet("karim", "USD", "partner"))
        made.place()
        for ref, fields in (("P1", BROUGHT), ("P2", BROUGHT), ("P3", {})):
            made.place(ref, price="10.00", **PAID_AT_ONCE, **fields)
        made.do(AssignRider("P2", "rahim"))
        made.sold("D1", price="10.00")
        made.place("C1")
        made.do(CancelSale("C1", "No more."))
        made.do(escrow.FundEscrow("order/E1", bdt("5.00"), CUSTOMER, parties={"partner": PARTNER}))
        made.work()
        yield made


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (PaySale("X1", "wallet", CUSTOMER), "sale_not_found"),
        (PaySale("P1", "wallet", CUSTOMER), "payable_closed"),
        (PaySale("C1", "wallet", CUSTOMER), "payable_closed"),
        (PaySale("M1", "wallet", PARTNER), "not_yours"),
        (PaySale("M1", "wallet"), "invalid_input"),
        (PaySale("M1", provider="unknown"), "provider_not_offered"),
        (AssignRider("X1", "rahim"), "sale_not_found"),
        (AssignRider("M1", "rahim"), "invalid_transition"),
        (AssignRider("P3", "rahim"), "invalid_transition"),
        (AssignRider("D1", "rahim"), "invalid_transition"),
        (AssignRider("P1", "nobody"), "wallet_not_found"),
        (AssignRider("P1", "rahim", PARTNER), "invalid_input"),
        (DeliverSale("X1"), "sale_not_found"),
        (DeliverSale("M1"), "invalid_transition"),
        (DeliverSale("P1"), "invalid_transition"),
        (DeliverSale("D1"), "invalid_transition"),
        (DeliverSale("C1"), "invalid_transition"),
        (DeliverSale("P3", late=True), "invalid_input"),
        (CancelSale("X1", "Rain."), "sale_not_found"),
        (CancelSale("D1", "Rain."), "invalid_transition"),
        (CancelSale("C1", "Rain."), "invalid_transition"),
        (CancelSale("P1", " "), "invalid_input"),
        (CancelSale("P3", "Rain.", "rider"), "invalid_input"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_what_cannot_be_is_refused(market, command, code):
    """Whatever is not there, not paid, not on its way, or over: nothing is written."""
    before = standing(market.book)
    assert refused(market.book, command).code == code
    assert standing(market.book) == before


@pytest.mark.parametrize(
    ("command", "roles"),
    [
        (PlaceSale(**GIVEN), {"admin", "service"}),
        (AssignRider("P1", "rahim"), {"admin", "logistics", "service"}),
        (DeliverSale("P3"), {"admin", "logistics", "service"}),
        (CancelSale("M1", "Rain."), {"admin", "support", "service"}),
        (PaySale("M1", "wallet", CUSTOMER), {"admin", "finance", "service"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_command_has_its_roles(market, command, roles):
    """Nobody else may ask; a dry run tells."""
    for role in ("admin", "finance", "warehouse", "logistics", "support", "service"):
        who = actor(f"{role}:x")
        if role in roles:
            market.book.submit(command, actor=who, dry_run=True)
        else:
            assert refused(market.book, command, actor=who, dry_run=True).code == "role_required"


def test_an_owner_pays_only_what_is_theirs(market):
    """Not another's sale, not a sale that is not there: the same answer."""
    for who, ref in (("karim", "M1"), ("bob", "M1"), ("alice", "X1")):
        command = PaySale(ref, "wallet", CUSTOMER)
        assert refused(market.book, command, actor=owner(who)).code == "not_yours"


def test_above_the_limit_staff_needs_a_second_person(market_url):
    """Placing out of a wallet, and cancelling."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE)
        market.do(setup.Set("four_eyes", {"BDT": "100.00"}), actor=ADMIN)
        for command in (
            PlaceSale("M2", "alice", "karim", bdt("100.01"), wallet=CUSTOMER),
            CancelSale("M1", "Rain."),
        ):
            assert refused(market.book, command, actor=ADMIN).code == "approval_required"
