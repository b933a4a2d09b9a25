"""Squads are read through keys, however many there are."""

import re
from contextlib import contextmanager

import pytest

from khata.domain import squads
from tests.builders import bdt
from tests.servers import fresh_database, sqlite_at
from tests.store.test_queries_plans import plans_of
from tests.store.test_squads import LINA, SHOP, a_squad, a_town, do

TABLES = ("squads", "squad_members", "squad_purchases", "squad_lines")


def second(ask, *args, **given):
    """The question for the second page."""
    return lambda view: ask(view, *args, cursor=ask(view, *args, limit=1, **given).next, **given)


ASKS = {
    "one": lambda view: squads.squad(view, "eid"),
    "all": second(squads.squads),
    "open": second(squads.squads, status="open"),
    "an owner's": lambda view: squads.squads(view, owner="karim"),
    "purchases": second(squads.squad_purchases, "eid"),
    "lines": second(squads.squad_lines, "eid"),
    "a member's lines": second(squads.squad_lines, "eid", owner="karim"),
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def book(request, tmp_path_factory):
    """A town with several squads, one of which buys."""
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_url")
        template = request.getfixturevalue("postgres_template")
        with fresh_database(server, template) as url, full(url) as made:
            yield made
    else:
        with full(sqlite_at(tmp_path_factory.mktemp("plans") / "khata.db")) as made:
            yield made


@contextmanager
def full(url):
    """It, with the planner told of it."""
    with a_town(url) as book:
        a_squad(book, lina="90.00", karim="90.00")
        for n in range(3):
            do(book, squads.CreateSquad(f"s{n}", "Another", "lina", "BDT"), LINA)
            do(book, squads.Purchase("eid", f"tea {n}", SHOP, bdt("2.00")), LINA)
        if book.database.dialect == "postgres":
            with book.database.changing() as connection:
                connection.exec_driver_sql("ANALYZE")
        yield book


@pytest.mark.parametrize("name", ASKS)
def test_no_table_of_squads_is_walked(book, name):
    """Each is entered by book and key, and nothing is sorted that an index has in order."""
    for plan in plans_of(book, ASKS[name]):
        walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
        assert not set(walked) & set(TABLES), plan
        whole_book = r"(?:squad_members|squad_purchases|squad_lines)\S* \(book_id=\?\)"
        assert not re.search(whole_book, plan), plan


@pytest.mark.parametrize("name", ASKS)
def test_few_statements_answer(book, name):
    """However long the page."""
    assert len(plans_of(book, ASKS[name])) <= 6
