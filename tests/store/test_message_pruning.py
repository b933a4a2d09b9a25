"""Old messages are taken out of the database: those that have come to everybody, and no others."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.edge.cli import main
from khata.engine.database import Database
from khata.errors import Invalid
from khata.messaging import pruning, tables
from khata.messaging.batch import Batch
from khata.messaging.history import History
from khata.messaging.pruning import DAY, Pruned, prune
from khata.messaging.records import read
from khata.messaging.store import MessageStore
from tests.conftest import examples
from tests.spools import a_mark, a_message, to_many

NOW = 1_000 * DAY
OLD, NEW = NOW - 31 * DAY, NOW - 29 * DAY


@pytest.fixture
def database(database_url):
    """A database with one book, whose number is 1."""
    with Khata.open(database_url, migrate=True):
        found = Database(database_url)
        yield found
        found.close()


def keep(database, *records):
    """Records, as a persister writes them."""
    batch = Batch()
    batch.add(read(b"[" + b",".join(records) + b"]"))
    MessageStore(database, 1).write(batch)


def pruned(database, **how):
    """What came of it: after thirty days."""
    return prune(database, 1, 30, clock=lambda: NOW, **how)


def seqs(database, table=tables.MESSAGES):
    """The numbers that are in a table."""
    with database.reading() as connection:
        return sorted(connection.scalars(sa.select(table.c.seq)))


def test_what_came_to_everybody_long_ago_goes(database):
    """Nothing else does; a dry run says the same and touches nothing."""
    keep(
        database,
        a_message(1, "bob", "eve", at=OLD),
        to_many(2, "bob", ["eve", "tom"], "team", at=OLD),
        to_many(3, "bob", ["eve", "ann"], at=OLD),
        a_message(4, "bob", "tom", at=OLD),
        a_message(5, "bob", "eve", at=NEW),
        a_message(6, "bob", "zoe", at=OLD),
        a_mark("eve", delivered=5),
        a_mark("tom", delivered=3),
        a_mark("eve", read=1, other="bob"),
    )
    before = (seqs(database), seqs(database, tables.RECEIVERS))
    assert pruned(database, dry_run=True) == Pruned(messages=2, kept=3)
    assert (seqs(database), seqs(database, tables.RECEIVERS)) == before
    assert pruned(database) == Pruned(messages=2, kept=3)
    assert seqs(database) == [3, 4, 5, 6]
    assert seqs(database, tables.RECEIVERS) == [3, 3]
    history = History(database, 1)
    assert [m.seq for m in history.after("ann", 0).messages] == [3]
    assert [m.seq for m in history.after("tom", history.floor("tom")).messages] == [4]
    history.close()


def test_mailboxes_go_with_what_they_are_about(database):
    """Who has messages left keeps how far they are with them."""
    keep(
        database,
        a_message(1, "bob", "eve", at=OLD),
        a_message(2, "tom", "ann", at=OLD),
        a_message(3, "zoe", "ann", at=NEW),
        to_many(4, "bob", ["tom"], "team", at=OLD),
        *(a_mark(user, delivered=9) for user in ("eve", "ann", "tom")),
        a_mark("eve", read=1, other="bob"),
        a_mark("ann", read=2, other="tom"),
        a_mark("ann", read=3, other="zoe"),
        a_mark("tom", read=4, c="team"),
    )
    assert pruned(database) == Pruned(messages=3, mailboxes=5)
    box = tables.MAILBOXES.c
    with database.reading() as connection:
        left = connection.execute(sa.select(box.owner, box.conversation, box.other)).all()
    assert sorted(map(tuple, left)) == [("ann", "", ""), ("ann", "", "zoe")]


@given(
    old=st.lists(st.booleans(), min_size=1, max_size=12),
    floor=st.integers(0, 12),
    page=st.integers(1, 5),
)
@examples(15)
def test_page_by_page_nothing_goes_too_soon_and_all_goes_in_the_end(
    sqlite_template, tmp_path_factory, old, floor, page
):
    """However large a page is: what has not come stays, what has goes when all before it is old."""
    path = tmp_path_factory.mktemp("pruned") / "khata.db"
    path.write_bytes(sqlite_template.read_bytes())
    Khata.open(f"sqlite:///{path}").close()
    database = Database(f"sqlite:///{path}")
    # a clock may have stood elsewhere for a while: numbers grow, times need not
    keep(
        database,
        *(a_message(n, "bob", "eve", at=OLD if past else NEW) for n, past in enumerate(old, 1)),
        *([a_mark("eve", delivered=floor)] if floor else []),
    )
    stay = {n for n, past in enumerate(old, 1) if not past or n > floor}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "_PAGE", page)
        pruned(database)
        assert stay <= set(seqs(database))
        if old == sorted(old, reverse=True):
            assert stay == set(seqs(database))
        prune(database, 1, 30, clock=lambda: NOW + 30 * DAY)
    assert seqs(database) == list(range(floor + 1, len(old) + 1))
    database.close()


def test_nothing_of_today_goes(database):
    """A day at least is kept."""
    with pytest.raises(Invalid):
        prune(database, 1, 0)


def test_the_command_line_prunes(database, capsys):
    """It says what it did, and what it would do."""
    keep(database, a_message(1, "bob", "eve"), a_mark("eve", delivered=1))
    words = ["messaging", "prune", "--before", "30", "--database", database.url]
    assert main([*words, "--dry-run"]) == 0
    assert "1 messages would be taken out; 0 wait" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert '"messages":1' in capsys.readouterr().out
    assert seqs(database) == []
