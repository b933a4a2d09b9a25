"""Owners are told of their money: everything once, whatever happens to who tells them."""

import json
import threading

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.domain import squads
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.engine.vault import Vault
from khata.errors import Forbidden, Overloaded
from khata.messaging import money, outbox
from khata.messaging.model import KHATA, Identity
from khata.messaging.money import Telling, told
from khata.messaging.outbox import Outbox
from khata.testing import VirtualClock
from tests.builders import ALICE, BOB, a_book, bdt
from tests.everything import OWN, VAULT, everything
from tests.orderers import a_house
from tests.store.test_squads import KARIM, a_squad, a_town, do


def an_outbox(book, vault=None):
    return Outbox(book.database, book.book_id, vault)


def a_telling(book, box=None):
    return Telling(book.database, book.book_id, book.book, box or an_outbox(book))


def work(telling):
    """All that there is to tell."""
    while telling.work():
        pass


def waiting(box):
    """(to, id, body) of all that waits, in its order."""
    found, behind = [], None
    while page := box.waiting(behind=behind):
        found += page
        behind = (page[-1].at, page[-1].sender, page[-1].id)
    assert {one.who.user for one in found} <= {KHATA}
    return [(one.asked.to, one.id, json.loads(bytes(one.asked.body))) for one in found]


@pytest.fixture
def book(database_url):
    """Alice and Bob with wallets; what came before is told to nobody."""
    with a_book(database_url, alice="1000.00", bob="0") as opened:
        a_telling(opened).work()
        yield opened


def test_everybody_is_told_of_what_came_and_went(book):
    """A transfer is two messages, each to one of the two, about their own account alone."""
    made = book.submit(Transfer(ALICE, BOB, bdt("30.00"), reference="lunch")).result
    work(a_telling(book))
    found = waiting(an_outbox(book))
    assert [(to, body["type"]) for to, _, body in found] == [
        ("alice", "money.debited"),
        ("bob", "money.credited"),
    ]
    assert found[1][2]["subject"] == made.id
    assert found[1][2]["data"] == {
        "account": f"wallet/{BOB}",
        "amount": "30.00",
        "balance": "30.00",
        "currency": "BDT",
        "type": "transfer",
        "source": made.source,
        "reference": "lunch",
        "line": found[1][2]["data"]["line"],
    }
    assert "alice" not in json.dumps(found[1][2])


def test_ids_say_where_a_message_comes_from(book):
    """So the same event has the same id, however often it is told."""
    book.submit(Credit(BOB, bdt("1.00")))
    with book.view() as view:
        first = told(view, "main", 1, 100)
        assert first == told(view, "main", 1, 100)
    assert all(one.id.startswith("main/") for one in first)
    assert len({one.id for one in first}) == len(first)


def test_the_past_is_told_to_nobody(database_url):
    """A consumer that begins late does not flood people with years of it."""
    with a_book(database_url, alice="1000.00", bob="5.00") as book:
        telling = a_telling(book)
        assert telling.work() == 0
        assert waiting(an_outbox(book)) == []
        book.submit(Debit(BOB, bdt("1.00")))
        work(telling)
        assert [to for to, _, _ in waiting(an_outbox(book))] == ["bob"]


def test_what_was_told_is_not_told_again(book):
    """The place moves with what was put."""
    book.submit(Credit(BOB, bdt("1.00")))
    work(a_telling(book))
    box = an_outbox(book)
    box.remove(box.waiting())
    work(a_telling(book))
    assert waiting(box) == []


def test_of_many_at_once_one_writes(book):
    """Everything once, though four read the same."""
    book.submit_many([Credit(BOB, bdt("1.00")) for _ in range(1_500)])
    telling = [a_telling(book) for _ in range(4)]
    threads = [threading.Thread(target=work, args=(one,)) for one in telling]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(a_telling(book))
    names = [name for _, name, _ in waiting(an_outbox(book))]
    assert len(names) == len(set(names)) == 1_500
    assert names == sorted(names, key=lambda name: int(name.split("/")[1]))


def test_a_full_outbox_is_waited_for(book, monkeypatch):
    """What does not fit is put when there is room, and nothing is passed over."""
    monkeypatch.setattr(outbox, "MOST_WAITING", 10)
    monkeypatch.setattr(money, "_SPAN", 8)
    book.submit_many([Credit(BOB, bdt("1.00")) for _ in range(20)])
    telling, box = a_telling(book), an_outbox(book)
    seen = []
    while len(seen) < 20:
        with pytest.raises(Overloaded):
            work(telling)
        found = box.waiting()
        seen += [one.id for one in found]
        box.remove(found)
        if len(seen) == 16:
            work(telling)
            seen += [one.id for one in box.waiting()]
    assert len(seen) == len(set(seen)) == 20


def test_what_waits_is_sealed(book):
    """With a vault, nobody reads of anybody's money in the outbox's rows."""
    vault = Vault([Vault.new_key()])
    book.submit(Credit(BOB, bdt("31.41")))
    work(a_telling(book, an_outbox(book, vault)))
    with book.database.reading() as connection:
        rows = connection.execute(sa.text("SELECT asked FROM message_outbox")).fetchall()
    assert len(rows) == 1
    assert b"31.41" not in bytes(rows[0][0])
    assert waiting(an_outbox(book, vault))[0][2]["data"]["amount"] == "31.41"


def test_customers_are_told_of_their_orders(database_url):
    """An order that moves on is told to whoever placed it, with where it stands."""
    with a_house(database_url) as house:
        telling = a_telling(house.book)
        telling.work()
        house.place()
        work(telling)
        found = [body for to, _, body in waiting(an_outbox(house.book)) if to == "alice"]
        placed = next(body for body in found if body["type"].startswith("order."))
        assert placed["subject"] == "M1"
        assert placed["data"]["status"] == house.order().status


def test_members_are_told_of_what_their_squad_does(database_url):
    """Each of them, under an id of their own."""
    with a_town(database_url) as book:
        a_squad(book, "karim")
        telling = a_telling(book)
        telling.work()
        do(book, squads.Contribute("eid", bdt("300.00")), KARIM)
        work(telling)
        found = waiting(an_outbox(book))
        told_of = {to for to, _, body in found if body["type"].startswith("squad.")}
        assert {"karim", "lina"} <= told_of
        assert len({name for _, name, _ in found}) == len(found)


def test_everything_is_told_to_those_whom_it_concerns_and_to_nobody_else(tmp_path, sqlite_template):
    """Of all that a book can do: each event with an owner and each leg on an owner's account, once,
    with nothing of the house's own.
    """
    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    url, clock = f"sqlite:///{tmp_path / 'khata.db'}", VirtualClock()
    with Khata.open(url, vault=VAULT, sagas=[OWN], clock=clock) as book:
        everything(book, clock)
        with book.view() as view:
            found = told(view, "main", 1, 1_000_000)
        with book.database.reading() as connection:
            events = connection.exec_driver_sql(
                "SELECT owner, 'main/' || seq || '/' || n FROM events WHERE owner IS NOT NULL"
            ).fetchall()
            legs = connection.exec_driver_sql(
                "SELECT a.owner, 'main/' || p.seq || '/leg' || p.leg FROM postings p"
                " JOIN accounts a ON a.book_id = p.book_id AND a.id = p.account_id"
                " WHERE a.owner IS NOT NULL"
            ).fetchall()
            house = connection.exec_driver_sql("SELECT code FROM accounts WHERE owner IS NULL")
            # a squad knows into which escrow its money went
            codes = {row[0] for row in house if not row[0].startswith("escrow/")}
    assert len(events) > 100 > len(legs) > 50
    assert len({one.id for one in found}) == len(found)
    assert sorted((one.to, one.id) for one in found) == sorted(map(tuple, [*events, *legs]))
    bodies = [json.loads(bytes(one.body)) for one in found]
    kinds = {body["type"].partition(".")[0] for body in bodies}
    assert kinds >= {
        *("money", "payment", "refund", "payout", "order", "sale", "escrow", "squad", "loan"),
        *("earning", "investment", "trust"),
    }
    for body in bodies:
        text = json.dumps(body)
        assert "admin:" not in text
        assert "finance:" not in text
        assert [code for code in codes if json.dumps(code) in text] == [], text


def test_the_name_of_a_key_is_nobodys_mailbox(book):
    """An owner who is called like an API key is told nothing: that key would read it."""
    book.submit(OpenWallet("key_0401", "BDT"))
    book.submit(Credit("key_0401/personal/BDT", bdt("1.00")))
    book.submit(Credit(BOB, bdt("1.00")))
    work(a_telling(book))
    assert [to for to, _, _ in waiting(an_outbox(book))] == ["bob"]


def test_nobody_else_writes_in_that_name():
    """An owner who calls themselves so is not let in; who is a service may be called anything."""
    with pytest.raises(Forbidden):
        Identity(KHATA)
    assert Identity(KHATA, frozenset({"service"})).service
