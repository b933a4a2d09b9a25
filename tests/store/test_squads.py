"""Squads: who is in them, who may do what, and how they end."""

from contextlib import contextmanager

import pytest

from khata import Khata
from khata.domain import ledger, setup, squads, wallets
from khata.domain.squads import Sharing
from khata.engine import reading
from khata.engine.replay import replay
from khata.errors import NotYours
from tests.builders import (
    ADMIN,
    FINANCE,
    OTHER_ADMIN,
    SUPPORT,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.servers import sqlite_at

EID = "squad-eid/squad/BDT"
LINA, KARIM, MITU, ZAYED = owner("lina"), owner("karim"), owner("mitu"), owner("zayed")
SHOP = "shop/personal/BDT"


def wallet(name):
    return f"{name}/personal/BDT"


@contextmanager
def a_town(url, **more):
    """A book with people who have money, and a shop."""
    people = {"lina": "1000.00", "karim": "1000.00", "mitu": "1000.00", "zayed": "10.00"}
    with a_book(url, **{**people, "shop": "0", **more}) as book:
        yield book


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A town in which only refusals happen: an owner is called as a squad would be."""
    with a_town(sqlite_at(tmp_path_factory.mktemp("town") / "khata.db")) as book:
        do(book, wallets.OpenWallet("squad-taken", "BDT"))
        yield book


@pytest.fixture(scope="module")
def led(tmp_path_factory):
    """A town with a squad, in which only refusals happen."""
    with a_town(sqlite_at(tmp_path_factory.mktemp("led") / "khata.db")) as book:
        a_squad(book, lina="50.00", karim="50.00")
        yield book


def do(book, command, who=ADMIN):
    return book.submit(command, actor=who).result


def a_squad(book, *members, sharing=None, **given):
    """The squad `eid` of lina and these, each with what they put in: `karim="300.00"`."""
    do(book, squads.CreateSquad("eid", "A goat for Eid", "lina", "BDT"), LINA)
    for name in dict.fromkeys([*members, *(name for name in given if name != "lina")]):
        do(book, squads.AddMember("eid", name))
    for name, amount in given.items():
        do(book, squads.Contribute("eid", bdt(amount)), owner(name))
    if sharing is not None:
        do(book, squads.SetSharing("eid", sharing), LINA)


def show(book, who=ADMIN):
    with book.view(who) as view:
        return squads.squad(view, "eid")


def balances(book):
    return {member.owner: member.balance for member in show(book).members}


def sound(book):
    """Nothing differs, in the squad nor in the book."""
    assert book.query(squads.check, unassigned=True) == []
    assert discrepancies(book) == []


def reason(error):
    return error.code, error.details.get("reason")


# ── coming together ──────────────────────────────────────────────────────────────────


def test_a_squad_begins_with_its_leader(database_url):
    """Its wallet is its own, empty, of the kind squad."""
    with a_town(database_url) as book:
        made = do(book, squads.CreateSquad("eid", "A goat for Eid", "lina", "BDT"), LINA)
        assert (made.ref, made.leader, made.status, made.wallet) == ("eid", "lina", "open", EID)
        assert [(m.owner, m.role, m.status) for m in made.members] == [("lina", "leader", "active")]
        kept = book.query(wallets.wallet, EID)
        assert (kept.owner, kept.kind, kept.balance) == ("squad-eid", "squad", "0.00")
        assert book.query(wallets.wallets, owner="lina").items[0].path == wallet("lina")
        sound(book)


@pytest.mark.parametrize(
    ("command", "who", "code"),
    [
        (squads.CreateSquad("eid", "t", "karim", "BDT"), LINA, "not_yours"),
        (squads.CreateSquad("a b", "t", "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("", "t", "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("eid\x00", "t", "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("e" * 101, "t", "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("eid", " ", "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("eid", "t" * 201, "lina", "BDT"), LINA, "invalid_input"),
        (squads.CreateSquad("eid", "t", "", "BDT"), ADMIN, "invalid_input"),
        (squads.CreateSquad("eid", "t", "lina", "BXX"), LINA, "unknown_currency"),
        (squads.CreateSquad("eid", "t", "lina", "USD"), LINA, "wallet_not_found"),
        (squads.CreateSquad("eid", "t", "nobody", "BDT"), ADMIN, "wallet_not_found"),
        (squads.CreateSquad("eid", "t", "lina", "BDT", wallet=wallet("karim")), LINA, "not_yours"),
        (
            squads.CreateSquad("eid", "t", "lina", "BDT", wallet=wallet("karim")),
            ADMIN,
            "invalid_input",
        ),
        (
            squads.CreateSquad("eid", "t", "lina", "BDT", Sharing("weights", {"karim": 1})),
            LINA,
            "squad_refused",
        ),
        (squads.CreateSquad("eid", "t", "lina", "BDT"), SUPPORT, "role_required"),
        (squads.CreateSquad("taken", "t", "lina", "BDT"), LINA, "already_exists"),
    ],
)
def test_what_makes_no_sense_is_no_squad(town, command, who, code):
    """One clear error; neither a squad nor a wallet is left behind."""
    before = len(town.query(wallets.wallets).items)
    assert refused(town, command, actor=who).code == code
    assert town.query(squads.squads).items == []
    assert len(town.query(wallets.wallets).items) == before


def test_a_name_is_taken_once(database_url):
    """Another squad of that name would share its wallet."""
    with a_town(database_url) as book:
        a_squad(book)
        again = squads.CreateSquad("eid", "Mine", "karim", "BDT")
        assert refused(book, again, actor=KARIM).code == "already_exists"
        assert show(book).leader == "lina"


def test_who_is_invited_joins(database_url):
    """The leader invites; nobody is a member before they say so."""
    with a_town(database_url) as book:
        a_squad(book)
        assert do(book, squads.AddMember("eid", "karim", "buyer"), LINA).status == "invited"
        put = squads.Contribute("eid", bdt("1.00"))
        assert reason(refused(book, put, actor=KARIM)) == ("squad_refused", "not_a_member")
        joined = do(book, squads.JoinSquad("eid"), KARIM)
        assert (joined.status, joined.role, joined.wallet) == ("active", "buyer", wallet("karim"))
        twice = squads.JoinSquad("eid")
        assert reason(refused(book, twice, actor=KARIM)) == ("squad_refused", "member")
        again = squads.AddMember("eid", "karim")
        assert reason(refused(book, again, actor=LINA)) == ("squad_refused", "member")
        do(book, squads.AddMember("eid", "mitu"), LINA)
        assert do(book, squads.LeaveSquad("eid"), MITU).status == "left"
        assert refused(book, squads.JoinSquad("eid"), actor=MITU).code == "not_yours"


def test_a_squad_that_is_open_takes_anyone(database_url):
    """Who knows its name may join it; staff make members too."""
    with a_town(database_url) as book:
        made = squads.CreateSquad("eid", "All of us", "lina", "BDT", joining="anyone")
        do(book, made, LINA)
        assert do(book, squads.JoinSquad("eid", wallet=wallet("karim")), KARIM).status == "active"
        assert do(book, squads.AddMember("eid", "mitu")).status == "active"
        assert do(book, squads.JoinSquad("eid", owner="zayed")).status == "active"
        assert [m.owner for m in show(book).members] == ["lina", "karim", "mitu", "zayed"]
        other = squads.JoinSquad("eid", wallet=wallet("lina"))
        do(book, squads.LeaveSquad("eid"), KARIM)
        assert refused(book, other, actor=KARIM).code == "not_yours"
        assert do(book, squads.JoinSquad("eid"), KARIM).status == "active"


def test_no_squad_is_a_member(database_url):
    """Not of itself, where it would put in what is there already; and not of another."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00")
        do(book, squads.CreateSquad("own", "Mine", "karim", "BDT"), KARIM)
        for name, path in (("eid", EID), ("own", "squad-own/squad/BDT"), ("none", None)):
            command = squads.AddMember("eid", f"squad-{name}", wallet=path)
            assert reason(refused(book, command)) == ("squad_refused", "squad")
            assert reason(refused(book, command, actor=LINA)) == ("squad_refused", "squad")
        led = squads.CreateSquad("new", "t", "squad-own", "BDT", wallet="squad-own/squad/BDT")
        assert reason(refused(book, led)) == ("squad_refused", "squad")
        assert balances(book) == {"lina": "100.00"}
        sound(book)


def test_a_squad_has_a_largest_size(tmp_path, monkeypatch):
    """Everyone is told of everything, so there is an end to it."""
    monkeypatch.setattr("khata.domain.squads.commands.MOST_MEMBERS", 2)
    with a_town(sqlite_at(tmp_path / "khata.db")) as book:
        a_squad(book, "karim")
        error = refused(book, squads.AddMember("eid", "mitu"), actor=LINA)
        assert reason(error) == ("squad_refused", "full")


# ── who may do what ──────────────────────────────────────────────────────────────────

OTHERS = [
    squads.AddMember("eid", "zayed"),
    squads.JoinSquad("eid"),
    squads.LeaveSquad("eid"),
    squads.LeaveSquad("eid", "karim"),
    squads.SetRole("eid", "karim", "buyer"),
    squads.SetSharing("eid", Sharing()),
    squads.CloseSquad("eid", "mine"),
    squads.Contribute("eid", bdt("1.00")),
    squads.WithdrawShare("eid", bdt("1.00")),
    squads.WithdrawShare("eid", bdt("1.00"), "karim"),
    squads.Forgive("eid", "karim", "kind"),
    squads.Purchase("eid", "goat", SHOP, bdt("1.00")),
]


@pytest.mark.parametrize("there", [True, False])
def test_a_stranger_learns_nothing(there, town, led):
    """Whether the squad exists or not, the answer is the same word for word."""
    book = led if there else town
    told = [refused(book, command, actor=ZAYED) for command in OTHERS]
    assert {(error.code, error.message) for error in told} == {
        ("not_yours", "This is not yours, or does not exist.")
    }
    with book.view(ZAYED) as view:
        assert squads.squads(view).items == []
        for ask in (squads.squad, squads.squad_lines, squads.squad_purchases):
            with pytest.raises(NotYours):
                ask(view, "eid")


@pytest.mark.parametrize("command", OTHERS)
def test_what_is_not_there_is_not_found(town, command):
    """Staff are told so."""
    assert refused(town, command).code == "squad_not_found"


@pytest.mark.parametrize(
    "command",
    [
        squads.AddMember("eid", "zayed"),
        squads.SetRole("eid", "karim", "leader"),
        squads.SetSharing("eid", Sharing()),
        squads.CloseSquad("eid", "mine"),
        squads.Forgive("eid", "karim", "kind"),
        squads.Purchase("eid", "goat", SHOP, bdt("1.00")),
        squads.Allot("eid", "mine"),
    ],
)
def test_a_plain_member_does_not_lead(led, command):
    """What is for the leader is not for others."""
    assert refused(led, command, actor=KARIM).code == "role_required"
    assert balances(led) == {"lina": "50.00", "karim": "50.00"}


def test_members_act_for_themselves_alone(database_url):
    """Nobody moves another's money, nor names another's wallet."""
    with a_town(database_url) as book:
        a_squad(book, karim="100.00", mitu="100.00")
        for command in (
            squads.WithdrawShare("eid", bdt("1.00"), "mitu"),
            squads.WithdrawShare("eid", bdt("1.00"), wallet=wallet("mitu")),
            squads.WithdrawShare("eid", bdt("1.00"), wallet="nobody/personal/BDT"),
            squads.WithdrawShare("eid", bdt("1.00"), wallet="cash/main"),
            squads.WithdrawShare("eid", bdt("1.00"), wallet="cash/none"),
            squads.Contribute("eid", bdt("1.00"), wallet=wallet("mitu")),
            squads.Contribute("eid", bdt("1.00"), owner="mitu"),
            squads.LeaveSquad("eid", "mitu"),
            squads.LeaveSquad("eid", wallet=wallet("mitu")),
        ):
            assert refused(book, command, actor=KARIM).code == "not_yours"
        past = wallets.Transfer(EID, wallet("lina"), bdt("1.00"))
        assert refused(book, past, actor=LINA).code == "not_yours"
        sound(book)


def test_roles_and_handing_over(database_url):
    """A buyer buys by the squad's rule; a new leader leads, and the old one may leave."""
    with a_town(database_url) as book:
        a_squad(book, lina="100.00", karim="100.00")
        do(book, squads.SetRole("eid", "karim", "buyer"), LINA)
        bought = do(book, squads.Purchase("eid", "tea", SHOP, bdt("10.00")), KARIM)
        assert [part.amount for part in bought.parts] == ["5.00", "5.00"]
        own = squads.Purchase("eid", "tea", SHOP, bdt("1.00"), Sharing("weights", {"lina": 1}))
        assert refused(book, own, actor=KARIM).code == "role_required"
        down = squads.SetRole("eid", "lina", "member")
        assert reason(refused(book, down, actor=LINA)) == ("squad_refused", "leader")
        assert reason(refused(book, squads.LeaveSquad("eid"), actor=LINA))[1] == "leader"
        assert do(book, squads.SetRole("eid", "karim", "leader"), LINA).leader == "karim"
        assert do(book, squads.LeaveSquad("eid"), LINA).balance == "0.00"
        assert balance(book, wallet("lina")) == "995.00"
        assert balances(book) == {"karim": "95.00"}
        sound(book)


# ── leaving and closing ──────────────────────────────────────────────────────────────


def test_who_leaves_takes_what_is_theirs(database_url):
    """Exactly; the leader may send somebody away, who gets it as well."""
    with a_town(database_url) as book:
        a_squad(book, lina="30.00", karim="20.00", mitu="10.01")
        left = do(book, squads.LeaveSquad("eid"), KARIM)
        assert (left.status, left.balance, left.withdrawn) == ("left", "0.00", "20.00")
        assert balance(book, wallet("karim")) == "1000.00"
        do(book, squads.LeaveSquad("eid", "mitu"), LINA)
        assert balance(book, wallet("mitu")) == "1000.00"
        assert balances(book) == {"lina": "30.00"}
        gone = refused(book, squads.LeaveSquad("eid"), actor=KARIM)
        assert reason(gone) == ("squad_refused", "not_a_member")
        last = refused(book, squads.LeaveSquad("eid"), actor=LINA)
        assert reason(last) == ("squad_refused", "empty")
        sound(book)


def test_who_takes_the_rest_and_leaves_takes_it_no_more(database_url):
    """What is left is then shared alike."""
    with a_town(database_url) as book:
        sharing = Sharing("fixed", fixed={"karim": "1.00"}, rest="mitu")
        a_squad(book, lina="9.00", karim="9.00", mitu="9.00", sharing=sharing)
        assert (show(book).sharing, show(book).rest) == ("fixed", "mitu")
        do(book, squads.LeaveSquad("eid"), MITU)
        assert show(book).rest is None
        bought = do(book, squads.Purchase("eid", "tea", SHOP, bdt("3.00")), LINA)
        assert {p.owner: p.amount for p in bought.parts} == {"lina": "2.00", "karim": "1.00"}


@pytest.mark.parametrize("how", ["leave", "withdraw", "close"])
def test_nothing_is_paid_to_a_frozen_wallet(database_url, how):
    """Refused, and nothing moved; by another wallet of theirs it goes."""
    with a_town(database_url) as book:
        a_squad(book, lina="10.00", karim="10.00")
        do(book, ledger.FreezeAccount(wallet("karim"), "odd"))
        command, who = {
            "leave": (squads.LeaveSquad("eid"), KARIM),
            "withdraw": (squads.WithdrawShare("eid", bdt("10.00")), KARIM),
            "close": (squads.CloseSquad("eid", "done"), LINA),
        }[how]
        assert refused(book, command, actor=who).code == "account_frozen"
        assert balances(book) == {"lina": "10.00", "karim": "10.00"}
        do(book, wallets.OpenWallet("karim", "BDT", "creator"))
        other = squads.WithdrawShare("eid", bdt("10.00"), wallet="karim/creator/BDT")
        assert do(book, other, KARIM).balance == "0.00"
        if how == "close":
            assert do(book, command, who).status == "closed"
        sound(book)


def test_a_squad_that_closes_pays_everyone(database_url):
    """The wallet is empty exactly; the squad takes nothing any more."""
    with a_town(database_url) as book:
        a_squad(book, lina="30.00", karim="20.00", mitu="0.01")
        do(book, squads.AddMember("eid", "zayed"), LINA)
        closed = do(book, squads.CloseSquad("eid", "Eid is over."), LINA)
        assert (closed.status, closed.balance, closed.members) == ("closed", "0.00", [])
        assert [balance(book, wallet(n)) for n in ("lina", "karim", "mitu")] == ["1000.00"] * 3
        for command in (
            squads.Contribute("eid", bdt("1.00")),
            squads.LeaveSquad("eid"),
            squads.SetSharing("eid", Sharing()),
            squads.CloseSquad("eid", "Again."),
            squads.Purchase("eid", "goat", SHOP, bdt("1.00")),
            squads.SetRole("eid", "lina", "buyer"),
            squads.AddMember("eid", "zayed"),
            squads.JoinSquad("eid"),
            squads.Forgive("eid", "karim", "kind"),
        ):
            assert reason(refused(book, command, actor=LINA)) == ("squad_refused", "closed")
        assert reason(refused(book, squads.Allot("eid", "x"))) == ("squad_refused", "closed")
        sound(book)


def test_what_came_past_the_squad_is_shared_when_it_closes(database_url):
    """A stray transfer keeps nobody from closing."""
    with a_town(database_url) as book:
        a_squad(book, "karim")
        do(book, wallets.Transfer(wallet("mitu"), EID, bdt("0.03")), MITU)
        do(book, squads.CloseSquad("eid", "done"), LINA)
        assert [balance(book, wallet(n)) for n in ("lina", "karim")] == ["1000.02", "1000.01"]
        sound(book)


def test_a_squad_with_less_than_its_members_does_not_close(database_url):
    """Somebody took money out past it: a person says from whom."""
    with a_town(database_url) as book:
        a_squad(book, lina="30.00", karim="20.00")
        do(book, wallets.Debit(EID, bdt("5.00")))
        (found,) = book.query(squads.check)
        assert (found.what, found.expected, found.got) == ("wallet", "45.00", "50.00")
        error = refused(book, squads.CloseSquad("eid", "done"), actor=LINA)
        assert reason(error) == ("squad_refused", "unassigned")
        over = refused(book, squads.Allot("eid", "fee", "nobody"))
        assert reason(over) == ("squad_refused", "not_a_member")
        do(book, squads.Allot("eid", "A fee of the house.", "karim"))
        assert balances(book) == {"lina": "30.00", "karim": "15.00"}
        nothing = refused(book, squads.Allot("eid", "again"))
        assert reason(nothing) == ("squad_refused", "nothing_unassigned")
        do(book, squads.CloseSquad("eid", "done"), LINA)
        sound(book)


@pytest.mark.parametrize("text", ["", " ", "x" * 501])
def test_reasons_are_asked_for(led, text):
    """For what takes from people or gives to them."""
    for command in (
        squads.CloseSquad("eid", text),
        squads.Forgive("eid", "karim", text),
        squads.Allot("eid", text),
        squads.ReturnPurchase("sqp_1", text),
    ):
        assert refused(led, command).code == "invalid_input"


# ── four eyes, telling, reading ──────────────────────────────────────────────────────


def test_staff_need_a_second_person(database_url):
    """Above the limit, for what they move; owners and what is below are not concerned."""
    with a_town(database_url) as book:
        a_squad(book, lina="200.00", karim="200.00")
        do(book, setup.Set("four_eyes", {"BDT": "100.00"}))
        for command in (
            squads.Contribute("eid", bdt("100.01"), owner="karim"),
            squads.WithdrawShare("eid", bdt("100.01"), "karim"),
            squads.Purchase("eid", "goat", SHOP, bdt("100.01")),
        ):
            assert refused(book, command, actor=FINANCE).code == "approval_required"
        for command in (squads.CloseSquad("eid", "done"), squads.LeaveSquad("eid", "karim")):
            assert refused(book, command, actor=OTHER_ADMIN).code == "approval_required"
        bought = do(book, squads.Purchase("eid", "goat", SHOP, bdt("200.00")), LINA)
        back = squads.ReturnPurchase(bought.id, "broken")
        assert refused(book, back, actor=FINANCE).code == "approval_required"
        sound(book)


def test_every_member_is_told(database_url):
    """One event for each, with what concerns only them."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        made = do(book, squads.Purchase("eid", "goat", SHOP, bdt("9.99")), LINA)
        do(book, squads.ReturnPurchase(made.id, "broken"))
        do(book, squads.AddMember("eid", "mitu"), LINA)
        do(book, squads.JoinSquad("eid"), MITU)
        do(book, squads.LeaveSquad("eid"), KARIM)
        do(book, squads.CloseSquad("eid", "done"), LINA)
        told = events(book)
        assert told["squad.contributed"] == ["lina", "karim"] * 2
        assert told["squad.purchased"] == told["squad.returned"] == ["lina", "karim"]
        assert told["squad.invited"] == ["lina", "karim", "mitu"]
        assert told["squad.joined"][-3:] == ["lina", "karim", "mitu"]
        assert told["squad.left"] == ["lina", "mitu", "karim"]
        assert told["squad.closed"] == ["lina", "mitu"]


def events(book):
    """Type → whom it was told to, in order."""
    with book.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT type, owner FROM events ORDER BY seq, n")
        told = {}
        for type_, name in rows:
            told.setdefault(type_, []).append(name)
        return told


def test_members_see_the_squad_and_not_each_others_wallets(database_url):
    """What each has in it is for all of them; where it came from is not."""
    with a_town(database_url) as book:
        a_squad(book, lina="5.00", karim="5.00")
        seen = show(book, KARIM)
        assert {m.owner: (m.balance, m.wallet) for m in seen.members} == {
            "lina": ("5.00", None),
            "karim": ("5.00", wallet("karim")),
        }
        do(book, squads.LeaveSquad("eid"), KARIM)
        with book.view(KARIM) as view:
            assert [item.ref for item in squads.squads(view).items] == ["eid"]
            lines = squads.squad_lines(view, "eid", owner="karim").items
            assert [(line.kind, line.amount, line.balance_after) for line in lines] == [
                ("settlement", "-5.00", "0.00"),
                ("contribution", "5.00", "5.00"),
            ]


def test_lists_go_page_by_page(database_url):
    """Squads, purchases and lines, newest first, each once."""
    with a_town(database_url) as book:
        a_squad(book, lina="50.00", karim="50.00")
        for ref in ("b", "c"):
            do(book, squads.CreateSquad(ref, "Another", "lina", "BDT"), LINA)
        for n in range(3):
            do(book, squads.Purchase("eid", f"tea {n}", SHOP, bdt("1.00")), LINA)
        assert walk(book, squads.squads, "ref") == ["c", "b", "eid"]
        assert walk(book, squads.squad_purchases, "reference", "eid") == ["tea 2", "tea 1", "tea 0"]
        assert len(set(walk(book, squads.squad_lines, "seq", "eid"))) == 5
        assert len(walk(book, squads.squad_lines, "seq", "eid", owner="karim")) == 4
        do(book, squads.CloseSquad("c", "done"), LINA)
        assert walk(book, squads.squads, "ref", status="open", owner="lina") == ["b", "eid"]
        with book.view(KARIM) as view:
            assert [item.ref for item in squads.squads(view).items] == ["eid"]
            with pytest.raises(NotYours):
                squads.squads(view, owner="lina")


def walk(book, ask, field, *args, **given):
    """A field of all items, two on a page."""
    found, cursor = [], None
    while True:
        page = book.query(ask, *args, limit=2, cursor=cursor, **given)
        found += [getattr(item, field) for item in page.items]
        cursor = page.next
        if cursor is None:
            return found


def test_a_squads_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Shared, bought, owed, forgiven, returned, left, closed: replayed, the book is the same."""
    with a_town(database_url) as book:
        a_squad(book, lina="90.00", karim="10.00", sharing=Sharing("weights", {"karim": 1}))
        made = do(book, squads.Purchase("eid", "goat", SHOP, bdt("30.00"), cover="leader"), LINA)
        do(book, squads.ReturnPurchase(made.id, "half", bdt("5.00")))
        do(book, squads.Forgive("eid", "karim", "kind"), LINA)
        do(book, squads.LeaveSquad("eid"), KARIM)
        do(book, squads.CloseSquad("eid", "done"), LINA)
        sound(book)
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(book, copy)
            assert head.hash.hex() == book.verify().head
            assert copy.query(reading.head).seq == book.query(reading.head).seq
