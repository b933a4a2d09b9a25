"""Riders who cannot be paid where they were to be paid."""

from khata.domain import ledger, wallets
from khata.domain.marketplace import AssignRider, DeliverSale
from tests.builders import discrepancies, refused
from tests.sellers import (
    BROUGHT,
    DAY,
    ESCROW,
    PAID_AT_ONCE,
    RIDER,
    a_market,
    database_of_markets,  # noqa: F401 - a fixture
)

OTHER = "rahim/personal/BDT"


def test_who_closed_their_wallet_is_paid_into_another(market_url):
    """The fee waits in escrow until they have one; then the sale comes to its end."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        market.do(AssignRider("M1", "rahim"))
        market.do(ledger.CloseAccount(RIDER, "Has moved."))
        market.do(DeliverSale("M1"))
        market.work(DAY)
        assert (market.balances(ESCROW), market.runs()) == (["60.00"], ["running"])
        market.do(wallets.OpenWallet("rahim", "BDT"))
        other = refused(market.book, AssignRider("M1", "mitu", "mitu/creator/BDT"))
        assert other.code == "invalid_transition"
        told = market.do(AssignRider("M1", "rahim", OTHER))
        assert (told.status, told.wallet) == ("delivered", OTHER)
        market.work(DAY)
        assert market.balances(ESCROW, OTHER) == ["0.00", "60.00"]
        assert market.sale().status == "completed"
        again = refused(market.book, AssignRider("M1", "rahim", OTHER))
        assert again.code == "invalid_transition"
        assert discrepancies(market.book) == []
