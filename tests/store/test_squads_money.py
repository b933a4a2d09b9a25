"""A squad's money: what each member has of the wallet, whatever they buy and get back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.money import MAX_MINOR, to_text
from khata.domain import commissions, ledger, marketplace, squads, trust, wallets
from khata.domain.khata import khata_book
from khata.domain.squads import Sharing, buying
from khata.errors import KhataError
from tests.builders import ADMIN, FINANCE, balance, bdt, owner, refused
from tests.conftest import examples
from tests.payers import Teller, work
from tests.servers import sqlite_at
from tests.store.test_squads import (
    EID,
    KARIM,
    LINA,
    MITU,
    SHOP,
    a_squad,
    a_town,
    balances,
    do,
    reason,
    show,
    sound,
    wallet,
)


def buy(book, amount, *, who=LINA, to=SHOP, reference="goat", **given_):
    return do(book, squads.Purchase("eid", reference, to, bdt(amount), **given_), who)


def parts(made):
    return {part.owner: part.amount for part in made.parts}


# ── in and out ───────────────────────────────────────────────────────────────────────


def test_members_put_in_and_take_out(database_url):
    """The money moves between their own wallet and the squad's, and their line says so."""
    with a_town(database_url) as book:
        a_squad(book, "karim")
        put = do(book, squads.Contribute("eid", bdt("300.00")), KARIM)
        assert (put.balance, put.free, put.contributed) == ("300.00", "300.00", "300.00")
        took = do(book, squads.WithdrawShare("eid", bdt("100.50")), KARIM)
        assert (took.balance, took.withdrawn) == ("199.50", "100.50")
        assert (balance(book, EID), balance(book, wallet("karim"))) == ("199.50", "800.50")
        lines = book.query(squads.squad_lines, "eid", owner="karim").items
        assert [(line.kind, line.entry) for line in lines] == [
            ("withdrawal", took.entry),
            ("contribution", put.entry),
        ]
        mine = book.query(khata_book, "karim").items
        assert {(line.kind, line.category) for line in mine[:2]} == {("transfer", "Squads")}
        sound(book)


def test_staff_act_for_members(database_url):
    """By the wallet's name or the owner's."""
    with a_town(database_url) as book:
        a_squad(book, "karim")
        do(book, squads.Contribute("eid", bdt("5.00"), wallet=wallet("karim")), FINANCE)
        do(book, squads.Contribute("eid", bdt("5.00"), owner="karim"), FINANCE)
        both = squads.Contribute("eid", bdt("5.00"), wallet("karim"), "karim")
        assert do(book, both, FINANCE).balance == "15.00"
        out = squads.WithdrawShare("eid", bdt("15.00"), "karim")
        assert do(book, out, FINANCE).balance == "0.00"
        sound(book)


@pytest.mark.parametrize(
    ("command", "who", "told"),
    [
        (squads.Contribute("eid", bdt("0.00")), KARIM, "invalid_amount"),
        (squads.Contribute("eid", bdt("-1.00")), KARIM, "invalid_amount"),
        (squads.Contribute("eid", bdt("1.001")), KARIM, "too_many_decimals"),
        (squads.Contribute("eid", bdt("1e3")), KARIM, "invalid_amount"),
        (squads.Contribute("eid", bdt("9999999.00")), KARIM, "insufficient_funds"),
        (squads.Contribute("eid", bdt("1.00"), wallet("zayed")), ADMIN, "not_a_member"),
        (squads.Contribute("eid", bdt("1.00"), wallet("karim"), "mitu"), ADMIN, "invalid_input"),
        (squads.Contribute("eid", bdt("1.00"), EID), ADMIN, "not_a_member"),
        (squads.Contribute("eid", bdt("1.00"), "cash/main"), ADMIN, "wallet_not_found"),
        (squads.Contribute("eid", bdt("1.00"), "karim/personal/USD"), KARIM, "currency_mismatch"),
        (squads.Contribute("eid", bdt("1.00")), ADMIN, "invalid_input"),
        (squads.WithdrawShare("eid", bdt("50.01")), KARIM, "short"),
        (squads.WithdrawShare("eid", bdt("0.00")), KARIM, "invalid_amount"),
        (squads.WithdrawShare("eid", bdt("1.00"), "zayed"), ADMIN, "not_a_member"),
        (squads.WithdrawShare("eid", bdt("1.00"), "karim", wallet("mitu")), ADMIN, "invalid_input"),
        (squads.Purchase("eid", "goat", SHOP, bdt("0.00")), LINA, "invalid_amount"),
        (squads.Purchase("eid", " ", SHOP, bdt("1.00")), LINA, "invalid_input"),
        (squads.Purchase("eid", "x" * 201, SHOP, bdt("1.00")), LINA, "invalid_input"),
        (squads.Purchase("eid", "goat", "nobody/x/BDT", bdt("1.00")), LINA, "wallet_not_found"),
        (squads.Purchase("eid", "goat", "cash/main", bdt("1.00")), LINA, "wallet_not_found"),
        (squads.Purchase("eid", "goat", wallet("karim"), bdt("1.00")), LINA, "payee_is_member"),
        (squads.Purchase("eid", "goat", EID, bdt("1.00")), LINA, "same_account"),
        (
            squads.Purchase("eid", "g", "karim/personal/USD", bdt("1.00")),
            ADMIN,
            "currency_mismatch",
        ),
        (squads.Purchase("eid", "goat", SHOP, bdt("100.01")), LINA, "short"),
        (squads.Purchase("eid", "goat", SHOP, bdt("1.00"), source="x"), LINA, "unknown_source"),
        (
            squads.Purchase("eid", "g", SHOP, bdt("1.00"), Sharing("weights", {"zayed": 1})),
            LINA,
            "not_a_member",
        ),
        (
            squads.Purchase("eid", "g", SHOP, bdt("1.00"), Sharing("fixed", fixed={"lina": "2"})),
            LINA,
            "fixed_above_amount",
        ),
        (
            squads.Purchase("eid", "g", SHOP, bdt("1.00"), Sharing("weights", {"lina": 0})),
            LINA,
            "no_weights",
        ),
        (squads.ReturnPurchase("sqp_none", "broken"), ADMIN, "squad_not_found"),
        (squads.ReturnPurchase("sqp_none", "broken"), LINA, "not_yours"),
        (squads.Forgive("eid", "karim", "kind"), LINA, "owes_nothing"),
        (squads.Forgive("eid", "zayed", "kind"), LINA, "not_a_member"),
        (squads.PaySquadSale("eid", "M1", "karim"), ADMIN, "role_required"),
        (squads.PaySquadSale("eid", "M1", "lina"), ADMIN, "sale_not_found"),
        (squads.PaySquadSale("eid", "M1", "lina"), LINA, "role_required"),
    ],
)
def test_what_cannot_be_is_refused(shop, command, who, told):
    """One clear error, and nothing moved."""
    error = refused(shop, command, actor=who)
    assert told in reason(error)
    assert balances(shop) == {"lina": "50.00", "karim": "50.00"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A squad in which only refusals happen."""
    with a_town(sqlite_at(tmp_path_factory.mktemp("shop") / "khata.db")) as book:
        a_squad(book, lina="50.00", karim="50.00")
        do(book, wallets.OpenWallet("karim", "USD"))
        yield book
        sound(book)


# ── buying ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sharing", "shares"),
    [
        (None, {"lina": "33.34", "karim": "33.33", "mitu": "33.33"}),
        (Sharing("weights", {"lina": 1, "mitu": 3}), {"lina": "25.00", "mitu": "75.00"}),
        (
            Sharing("fixed", fixed={"mitu": "50.00"}, rest="karim"),
            {"karim": "50.00", "mitu": "50.00"},
        ),
        (
            Sharing("mixed", {"lina": 2, "karim": 1}, {"mitu": "40.00"}),
            {"lina": "40.00", "karim": "20.00", "mitu": "40.00"},
        ),
    ],
)
def test_everyone_pays_their_part(database_url, sharing, shares):
    """By the squad's own rule, and by another that the leader says for once."""
    with a_town(database_url) as book:
        a_squad(book, lina="200.00", karim="200.00", mitu="200.00")
        made = buy(book, "100.00", sharing=sharing)
        assert parts(made) == shares
        assert (made.status, made.paid_to, balance(book, SHOP)) == ("made", SHOP, "100.00")
        assert show(book).sharing == "equal"
        if sharing is not None:
            do(book, squads.SetSharing("eid", sharing), LINA)
            assert parts(buy(book, "100.00")) == shares
        told = book.query(khata_book, "squad-eid").items[0]
        assert (told.kind, told.category, told.amount) == ("expense", "Orders", "-100.00")
        sound(book)


def test_who_has_too_little_stops_the_purchase(database_url):
    """The refusal says who lacks what; nothing was paid."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00", karim="10.00", mitu="33.33")
        error = refused(book, squads.Purchase("eid", "goat", SHOP, bdt("100.00")), actor=LINA)
        assert reason(error) == ("squad_refused", "short")
        assert error.details["lacks"] == {"karim": "23.33"}
        assert balance(book, EID) == "143.33"
        sound(book)


def test_the_leader_stands_in_for_who_lacks(database_url):
    """They owe the squad then; what stands in is not the leader's to take until they pay."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00", karim="10.00", mitu="40.00")
        buy(book, "90.00", cover="leader")
        leader, debtor, _ = show(book).members
        assert (debtor.balance, debtor.owes, debtor.free) == ("-20.00", "20.00", "0.00")
        assert (leader.balance, leader.covers, leader.free) == ("70.00", "20.00", "50.00")
        for command, who, told in (
            (squads.LeaveSquad("eid"), KARIM, "owing"),
            (squads.LeaveSquad("eid", "karim"), LINA, "owing"),
            (squads.CloseSquad("eid", "done"), LINA, "owing"),
            (squads.WithdrawShare("eid", bdt("50.01")), LINA, "short"),
            (squads.WithdrawShare("eid", bdt("0.01")), KARIM, "short"),
            (squads.SetRole("eid", "mitu", "leader"), LINA, "covering"),
        ):
            assert reason(refused(book, command, actor=who)) == ("squad_refused", told)
        do(book, squads.WithdrawShare("eid", bdt("50.00")), LINA)
        do(book, squads.WithdrawShare("eid", bdt("10.00")), MITU)
        assert balance(book, EID) == "0.00"
        do(book, squads.Contribute("eid", bdt("15.00")), KARIM)
        assert show(book).members[0].covers == "5.00"
        do(book, squads.Contribute("eid", bdt("6.00")), KARIM)
        assert [m.free for m in show(book).members] == ["20.00", "1.00", "0.00"]
        sound(book)


def test_a_leader_stands_in_only_with_what_they_have(database_url):
    """Their own part comes first; who owes already lacks the whole of the next part."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="0.01")
        buy(book, "50.00", cover="leader")
        for amount, lacks in (
            ("0.03", {"lina": "0.01", "karim": "0.01"}),
            ("0.02", {"lina": "0.01"}),
        ):
            command = squads.Purchase("eid", "g", SHOP, bdt(amount), cover="leader")
            assert refused(book, command, actor=LINA).details["lacks"] == lacks
        buy(book, "0.01")
        assert balances(book) == {"lina": "24.99", "karim": "-24.99"}
        sound(book)


def test_only_the_leader_has_the_leader_stand_in(database_url):
    """A buyer buys with what everyone has; the leader's balance is not theirs to lend."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00", karim="10.00")
        do(book, squads.SetRole("eid", "karim", "buyer"), LINA)
        lent = squads.Purchase("eid", "goat", SHOP, bdt("40.00"), cover="leader")
        assert refused(book, lent, actor=KARIM).code == "role_required"
        do(book, squads.Purchase("eid", "hen", SHOP, bdt("20.00")), KARIM)
        do(book, lent, FINANCE)
        assert balances(book) == {"lina": "70.00", "karim": "-20.00"}
        sound(book)


def test_what_is_owed_can_be_forgiven(database_url):
    """The leader gives it, and the member may leave."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="5.00")
        buy(book, "20.00", cover="leader")
        assert do(book, squads.Forgive("eid", "karim", "Family."), LINA).balance == "0.00"
        assert balances(book) == {"lina": "35.00", "karim": "0.00"}
        assert show(book).members[0].covers == "0.00"
        do(book, squads.LeaveSquad("eid"), KARIM)
        sound(book)


def test_staff_pay_a_house_account_too(database_url):
    """And a wallet of a member, where a leader may not."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        made = buy(book, "20.00", who=FINANCE, to="escrow/goat")
        assert made.paid_to == "escrow/goat"
        buy(book, "20.00", who=FINANCE, to=wallet("karim"))
        do(book, squads.ReturnPurchase(made.id, "broken"))
        assert balances(book) == {"lina": "40.00", "karim": "40.00"}
        sound(book)


def test_totals_end_where_a_column_does(database_url):
    """Whoever moves a fortune in and out can still leave, and the squad still close."""
    most = to_text(MAX_MINOR - 100_000, 2)
    with a_town(database_url) as book:
        a_squad(book, "karim")
        do(book, wallets.Credit(wallet("karim"), bdt(most), against="equity/capital"))
        for _ in range(10):
            do(book, squads.Contribute("eid", bdt(most)), KARIM)
            do(book, squads.WithdrawShare("eid", bdt(most)), KARIM)
        do(book, squads.Contribute("eid", bdt("1.00")), KARIM)
        do(book, squads.CloseSquad("eid", "done"), LINA)
        assert balance(book, wallet("karim")) == to_text(MAX_MINOR, 2)
        sound(book)


# ── coming back ──────────────────────────────────────────────────────────────────────


def test_what_comes_back_is_shared_by_what_was_paid(database_url):
    """Pro rata, to the last paisa, and never more than was paid."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00", karim="100.00", mitu="100.00")
        made = buy(book, "100.00", sharing=Sharing("weights", {"lina": 1, "karim": 2, "mitu": 4}))
        back = do(book, squads.ReturnPurchase(made.id, "A leg.", bdt("10.00")), owner("shop"))
        assert (back.status, back.returned) == ("partly_returned", "10.00")
        assert [part.returned for part in back.parts] == ["1.43", "2.86", "5.71"]
        over = squads.ReturnPurchase(made.id, "More.", bdt("90.01"))
        assert refused(book, over).code == "refund_exceeded"
        whole = do(book, squads.ReturnPurchase(made.id, "The rest."))
        assert (whole.status, len(whole.entries)) == ("returned", 3)
        assert set(balances(book).values()) == {"100.00"}
        assert refused(book, squads.ReturnPurchase(made.id, "x")).code == "refund_exceeded"
        assert [m.refunded for m in show(book).members] == ["14.29", "28.57", "57.14"]
        sound(book)


def test_a_purchase_comes_back_in_so_many_parts(database_url, monkeypatch):
    """Who was paid cannot send a coin at a time for ever: the last part is all that is left."""
    monkeypatch.setattr(buying, "_MOST_RETURNS", 3)
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        coin = squads.ReturnPurchase(buy(book, "100.00").id, "A coin.", bdt("0.01"))
        for _ in range(2):
            do(book, coin, owner("shop"))
        error = refused(book, coin, actor=owner("shop"))
        assert reason(error) == ("squad_refused", "too_many_parts")
        rest = squads.ReturnPurchase(coin.purchase, "The rest.", bdt("99.98"))
        assert do(book, rest, owner("shop")).status == "returned"
        sound(book)


def test_only_who_was_paid_gives_back(database_url):
    """A member cannot, nor can the shop say that it arrived by itself."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00")
        made = buy(book, "100.00")
        for who, arrived in ((LINA, False), (MITU, False), (owner("shop"), True)):
            command = squads.ReturnPurchase(made.id, "x", arrived=arrived)
            assert refused(book, command, actor=who).code == "not_yours"
        with book.view(owner("shop")) as view:
            assert squads.squad_purchase(view, made.id).id == made.id
        for who in (MITU, KARIM):
            with book.view(who) as view, pytest.raises(KhataError):
                squads.squad_purchase(view, made.id)
        do(book, wallets.Transfer(SHOP, wallet("mitu"), bdt("60.00")), owner("shop"))
        command = squads.ReturnPurchase(made.id, "x")
        assert refused(book, command, actor=owner("shop")).code == "insufficient_funds"
        sound(book)


@pytest.mark.parametrize("end", ["left", "closed"])
def test_what_comes_back_waits_for_who_has_gone(database_url, end):
    """In their balance, from which they take it themselves; or the squad's end pays it."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        made = buy(book, "100.00")
        if end == "left":
            do(book, squads.LeaveSquad("eid"), KARIM)
        else:
            do(book, squads.CloseSquad("eid", "done"), LINA)
        do(book, squads.ReturnPurchase(made.id, "broken", bdt("50.00")))
        sound(book)
        assert balances(book) == {"lina": "25.00", "karim": "25.00"}
        do(book, squads.WithdrawShare("eid", bdt("25.00")), KARIM)
        assert balances(book) == {"lina": "25.00"}
        assert balance(book, wallet("karim")) == "975.00"
        do(book, squads.ReturnPurchase(made.id, "more"))
        if end == "left":
            do(book, squads.CloseSquad("eid", "done"), LINA)
            assert balance(book, wallet("karim")) == "1000.00"
        sound(book)


def test_who_comes_again_brings_what_waited(database_url):
    """A member who left, got money back and is invited anew has it."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        made = buy(book, "100.00")
        do(book, squads.LeaveSquad("eid"), KARIM)
        do(book, squads.ReturnPurchase(made.id, "broken"))
        do(book, squads.AddMember("eid", "karim"), LINA)
        sound(book)
        assert do(book, squads.JoinSquad("eid"), KARIM).balance == "50.00"
        assert do(book, squads.LeaveSquad("eid"), KARIM).balance == "0.00"
        sound(book)


def test_money_that_came_past_the_squad_is_shared_by_hand(database_url):
    """As the return of a purchase, alike to all, or to one."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        made = buy(book, "10.00", sharing=Sharing("weights", {"karim": 1}))
        command = squads.ReturnPurchase(made.id, "came by itself", bdt("3.00"), arrived=True)
        assert reason(refused(book, command)) == ("squad_refused", "not_arrived")
        do(book, wallets.Transfer(SHOP, EID, bdt("3.00")))
        assert show(book).unassigned == "3.00"
        assert book.query(squads.check) == []
        (more,) = book.query(squads.check, unassigned=True)
        assert (more.what, more.expected, more.got) == ("wallet", "93.00", "90.00")
        do(book, command)
        assert balances(book) == {"lina": "50.00", "karim": "43.00"}
        do(book, wallets.Credit(EID, bdt("1.01")))
        do(book, squads.Allot("eid", "A prize."))
        do(book, wallets.Credit(EID, bdt("1.00")))
        do(book, squads.Allot("eid", "For the singer.", "karim"))
        assert balances(book) == {"lina": "50.51", "karim": "44.50"}
        sound(book)


def test_money_that_left_past_the_squad_is_taken_from_who_has_it(database_url):
    """By what each has free, never below nothing."""
    with a_town(database_url) as book:
        a_squad(book, lina="90.00", karim="10.00")
        do(book, wallets.Debit(EID, bdt("20.00")))
        too_much = refused(book, squads.Allot("eid", "A fee.", "karim"))
        assert too_much.details["lacks"] == {"karim": "10.00"}
        do(book, squads.Allot("eid", "A fee."))
        assert balances(book) == {"lina": "72.00", "karim": "8.00"}
        sound(book)


def test_a_reversed_contribution_is_missing_until_it_is_allotted(database_url):
    """What staff undo past the squad is seen at once."""
    with a_town(database_url) as book:
        a_squad(book, lina="90.00", karim="10.00")
        put = book.query(squads.squad_lines, "eid", owner="karim").items[0]
        do(book, ledger.Reverse(put.entry, "A mistake."))
        assert show(book).unassigned == "-10.00"
        do(book, squads.Allot("eid", "A mistake.", "karim"))
        assert balances(book) == {"lina": "90.00", "karim": "0.00"}
        sound(book)


# ── sales ────────────────────────────────────────────────────────────────────────────


def a_sale(book, ref="M1", customer="squad-eid", price="90.00"):
    """A sale of the shop's, placed and not paid."""
    if not book.query(commissions.rules).items:
        rule = [
            commissions.Part("house", "revenue/commission", points=1000),
            commissions.Part("partner", "partner", rest=True),
        ]
        do(book, commissions.DefineRule("all", rule))
        do(book, wallets.OpenWallet("shop", "BDT", "partner"))
    return do(book, marketplace.PlaceSale(ref, customer, "shop", bdt(price)))


def test_a_squad_buys_on_the_marketplace(database_url):
    """A sale placed for it is paid out of its wallet, by the parts; its refund is shared too."""
    with a_town(database_url) as book:
        a_squad(book, lina="70.00", karim="70.00", mitu="70.00")
        a_sale(book)
        a_sale(book, "M2", "mitu")
        other = squads.PaySquadSale("eid", "M2", "lina")
        assert refused(book, other).code == "invalid_input"
        made = do(book, squads.PaySquadSale("eid", "M1", "lina"))
        assert (made.sale, made.reference, made.amount) == ("M1", "order/M1", "90.00")
        assert set(parts(made).values()) == {"30.00"}
        assert [book.query(trust.score, name).xp for name in ("lina", "mitu")] == ["25", "25"]
        work(book, Teller())
        assert book.query(marketplace.sale, "M1").status == "paid"
        sound(book)
        by_hand = squads.ReturnPurchase(made.id, "broken")
        assert reason(refused(book, by_hand)) == ("squad_refused", "sale")
        do(book, marketplace.RefundSale("M1", "One was broken.", bdt("9.00")))
        work(book, Teller())
        assert show(book).unassigned == "9.00"
        back = squads.ReturnPurchase(made.id, "One was broken.", bdt("9.00"), arrived=True)
        do(book, back)
        assert set(balances(book).values()) == {"43.00"}
        twice = squads.PaySquadSale("eid", "M1", "lina")
        assert refused(book, twice).code == "payable_closed"
        sound(book)


def test_a_large_squad_is_looked_at_at_once(database_url, monkeypatch):
    """What awards to its members need is loaded together, not once for each of them."""
    names = [f"member{number}" for number in range(20)]
    with a_town(database_url, **dict.fromkeys(names, "10.00")) as book:
        a_squad(book, lina="10.00", **dict.fromkeys(names, "10.00"))
        a_sale(book)
    runs, shared = [], buying._shared
    monkeypatch.setattr(buying, "_shared", lambda *given: runs.append(1) or shared(*given))
    with Khata.open(database_url) as book:
        do(book, squads.PaySquadSale("eid", "M1", "lina"))
        assert len(runs) < len(names)


# ── whatever happens ─────────────────────────────────────────────────────────────────

NAMES = ("lina", "karim", "mitu")
who = st.sampled_from(NAMES)
minor = st.integers(1, 6000)
weights = st.dictionaries(who, st.integers(0, 5), max_size=3)
fixed = st.dictionaries(who, st.integers(0, 2000), max_size=3)
sharings = st.one_of(
    st.just(Sharing()),
    st.builds(lambda given_: Sharing("weights", given_), weights),
    st.builds(
        lambda kind, given_, rest: Sharing(
            kind, fixed={name: to_text(part, 2) for name, part in given_.items()}, rest=rest
        ),
        st.sampled_from(["fixed", "mixed"]),
        fixed,
        st.none() | who,
    ),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("contribute"), who, minor),
        st.tuples(st.just("withdraw"), who, minor),
        st.tuples(st.just("purchase"), minor, sharings, st.sampled_from(["refuse", "leader"])),
        st.tuples(st.just("return"), st.integers(0, 5), minor),
        st.tuples(st.just("leave"), who),
        st.tuples(st.just("add"), who),
        st.tuples(st.just("forgive"), who),
        st.tuples(st.just("lead"), who),
    ),
    max_size=14,
)


@pytest.fixture
def playground(database_url):
    """One town for all the cases of a property: each has a squad of its own."""
    with a_town(database_url) as book:
        yield book
        sound(book)


def command_of(ref, made, step):
    """The command of a step."""
    what, *given_ = step
    amount = bdt(to_text(next((x for x in given_[::-1] if type(x) is int), 1), 2))
    match what:
        case "contribute":
            return squads.Contribute(ref, amount, owner=given_[0])
        case "withdraw":
            return squads.WithdrawShare(ref, amount, given_[0])
        case "purchase":
            return squads.Purchase(ref, "x", SHOP, amount, given_[1], given_[2])
        case "return":
            return squads.ReturnPurchase(made[given_[0] % len(made)] if made else "-", "x", amount)
        case "leave":
            return squads.LeaveSquad(ref, given_[0])
        case "add":
            return squads.AddMember(ref, given_[0])
        case "forgive":
            return squads.Forgive(ref, given_[0], "kind")
    return squads.SetRole(ref, given_[0], "leader")


@given(story=steps)
@examples(13)
def test_the_balances_are_the_wallet_whatever_happens(playground, story):
    """After every command, refused or not, the members' balances add up to the wallet's; what is
    owed is stood in for; parts add up; nobody gets back more than they paid; in the end all of
    it is paid out, and nobody has less or more for what the shop did not keep.
    """
    book = playground
    ref = f"s{len(book.query(squads.squads, limit=1000).items)}"
    for name in NAMES:
        do(book, wallets.Credit(wallet(name), bdt("900.00")))
    before = total(book)
    do(book, squads.CreateSquad(ref, "Us", "lina", "BDT"))
    for name in ("karim", "mitu"):
        do(book, squads.AddMember(ref, name))
    for name in NAMES:
        do(book, squads.Contribute(ref, bdt("20.00"), owner=name))
    made = []
    for step in story:
        command = command_of(ref, made, step)
        (outcome,) = book.submit_many([command], actor=ADMIN)
        if step[0] == "purchase" and not isinstance(outcome, KhataError):
            made.append(outcome.result.id)
            assert sum(cents(part.amount) for part in outcome.result.parts) == step[1]
        assert book.query(squads.check, ref, unassigned=True) == []
        now = book.query(squads.squad, ref)
        assert all(cents(m.balance) >= cents(m.covers) for m in now.members if m.owes == "0.00")
    bought = [book.query(squads.squad_purchase, name) for name in made]
    for purchase in bought:
        assert all(cents(part.returned) <= cents(part.amount) for part in purchase.parts)
        assert sum(cents(part.returned) for part in purchase.parts) == cents(purchase.returned)
    for member in book.query(squads.squad, ref).members:
        if member.owes != "0.00":
            do(book, squads.Contribute(ref, bdt(member.owes), owner=member.owner))
    do(book, squads.CloseSquad(ref, "done"))
    assert balance(book, f"squad-{ref}/squad/BDT") == "0.00"
    assert book.query(squads.check, ref, unassigned=True) == []
    kept = sum(cents(p.amount) - cents(p.returned) for p in bought)
    assert total(book) == before - kept


def total(book):
    return sum(cents(balance(book, wallet(name))) for name in NAMES)


def cents(text):
    return int(text.replace(".", ""))
