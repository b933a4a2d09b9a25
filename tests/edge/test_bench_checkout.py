"""The usual way of a checkout does what Khata does, and either is found out if it is wrong."""

import asyncio
import json

import msgspec
import pytest

from khata.base.money import Money
from khata.domain.wallets import Debit
from khata.edge.bench.baseline_checkout import checkout_baseline
from khata.edge.bench.baseline_checkout_rows import Request
from khata.edge.bench.checkout_book import checkout_book
from khata.edge.bench.checkouts import CheckoutLoad, checkouts, ref_of
from khata.edge.bench.figures import path_of
from khata.edge.bench.ground import ground
from khata.errors import BookCorrupted, HoldNotActive, HoldNotFound, InsufficientFunds, KeyReused

LOAD = CheckoutLoad(callers=1, seconds=0.1, customers=3, partners=2, creators=2)
CHECKOUT = checkouts(LOAD, count=1)[0]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A ground for benches, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        where = f"sqlite:///{tmp_path / 'khata.db'}"
    else:
        where = request.getfixturevalue("postgres_url")
    with ground(where) as found:
        yield found


@pytest.fixture
def baseline(place):
    """The usual way, before anybody has checked out."""
    with checkout_baseline(place, LOAD) as side:
        yield side


def by_khata(place, drawn):
    """What Khata answers to checkouts, one after the other."""
    with place.fresh() as url, checkout_book(url, LOAD) as side:
        return [
            json.loads(msgspec.json.encode(asyncio.run(side.check_out(draw, [])))) for draw in drawn
        ]


def without_names(answer):
    """An answer without ids and times, which each side gives its own way."""
    if isinstance(answer, list):
        return [without_names(part) for part in answer]
    if isinstance(answer, dict):
        own = {"id", "at", "funded_at", "entries"}
        return {name: without_names(part) for name, part in answer.items() if name not in own}
    return answer


def postings(side, table, number):
    """What happened on an account: amounts, balances and lines as they were posted."""
    rows = side._ask(
        f"SELECT amount, balance_after, line, category FROM {table}postings"
        f" WHERE account_id = {number} ORDER BY seq, leg"
    )
    return [tuple(row) for row in rows.fetchall()]


def a_request(step, number=0, key="key"):
    return Request(step, f"{key}-{number}{step}", number, CHECKOUT)


def test_the_usual_way_answers_what_khata_answers(place, baseline):
    """Shares, releases and refunds to the last paisa, in the same words."""
    drawn = checkouts(LOAD, count=20)
    told = [[json.loads(answer) for answer in baseline.check_out(draw)] for draw in drawn]
    assert without_names(told) == without_names(by_khata(place, drawn))


def test_the_usual_way_posts_three_entries_with_their_lines(baseline):
    """The customer pays and gets a part back; the platform's account gets and gives no line."""
    baseline.check_out(CHECKOUT)
    paid, back = CHECKOUT.amount, CHECKOUT.back
    customer = postings(baseline, "baseline_", CHECKOUT.customer)
    assert [(row[0], *row[2:]) for row in customer] == [
        (-paid, "expense", "Video orders"),
        (back, "income", "Refunds"),
    ]
    assert {row[2:] for row in postings(baseline, "baseline_", LOAD.platform)} == {(None, None)}
    baseline.check()


@pytest.mark.parametrize("step", range(4))
def test_a_key_that_comes_again_is_answered_the_same(baseline, step):
    """Nothing is done twice, whether or not it could be decided again."""
    desk = baseline.desks[0]
    first = [desk.carry_out(a_request(at)) for at in range(4)]
    assert desk.carry_out(a_request(step)) == first[step]
    baseline.check()


def test_a_key_of_another_request_is_refused(baseline):
    """A key is for one request."""
    desk = baseline.desks[0]
    desk.carry_out(a_request(0))
    with pytest.raises(KeyReused):
        desk.carry_out(a_request(0)._replace(checkout=CHECKOUT._replace(amount=101)))


def test_what_cannot_be_done_is_refused_and_leaves_nothing(baseline):
    """No hold, a hold that was captured, too little money; the connection goes on."""
    desk = baseline.desks[0]
    with pytest.raises(HoldNotFound):
        desk.carry_out(a_request(1))
    with pytest.raises(InsufficientFunds):
        desk.carry_out(a_request(0)._replace(checkout=CHECKOUT._replace(amount=10**12)))
    for step in range(4):
        desk.carry_out(a_request(step))
    with pytest.raises(HoldNotActive):
        desk.carry_out(a_request(1, key="another"))
    assert baseline._ask("SELECT count(*) FROM baseline_journal").fetchone()[0] == 4
    baseline.check()


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE baseline_accounts SET balance = balance + 1 WHERE id = 1",
        "UPDATE baseline_postings SET amount = amount + 1 WHERE account_id = 1",
        "UPDATE baseline_accounts SET held = 1 WHERE id = 1",
        "UPDATE baseline_accounts SET balance = balance + 2 * id - 3 WHERE id IN (1, 2)",
        "UPDATE baseline_escrows SET refunded = 0",
    ],
)
def test_tables_that_do_not_add_up_are_found(baseline, wrong):
    """A bench proves nothing if its baseline is wrong."""
    for draw in checkouts(LOAD, count=30):
        baseline.check_out(draw)
    baseline.check()
    baseline._ask(wrong)
    with pytest.raises(BookCorrupted):
        baseline.check()


def test_an_escrow_that_does_not_add_up_is_found(place):
    """What lies in escrow is what its legs hold; one taka more, and the bench fails."""
    with place.fresh() as url, checkout_book(url, LOAD) as side:
        asyncio.run(side.check_out(CHECKOUT, []))
        side.check()
        more = Debit(path_of(1), Money("1.00", "BDT"), against=f"escrow/{ref_of(0)}")
        side.book.submit(more)
        with pytest.raises(BookCorrupted, match="escrow"):
            side.check()
