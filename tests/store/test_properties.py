"""Whatever is asked in whatever order, refusals included: the book agrees with a simple model."""

from contextlib import contextmanager
from itertools import count

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, KhataError
from khata.base.money import to_minor, to_text
from khata.domain.holds import CaptureHold, PlaceHold, RaiseHold, VoidHold
from khata.domain.ledger import Reverse, SetLimits
from khata.domain.wallets import Credit, Debit, Transfer, wallet
from khata.engine.accounts import Account, Posting
from khata.engine.tables import table_of
from tests.builders import Clock, a_book, bdt, discrepancies
from tests.conftest import examples
from tests.servers import fresh_database, sqlite_at

NAMES = ("alice", "bob", "carol")
ACCOUNTS, POSTINGS = table_of(Account), table_of(Posting)

MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["credit", "debit", "transfer", "hold", "raise", "capture", "void", "reverse", "limits"]
        ),
        st.integers(0, 2),
        st.integers(1, 2),
        st.integers(-1, 6000),
        st.sampled_from([0, 0, 1, 5, 20]),
    ),
    max_size=25,
)


class Model:
    """Wallets as a few numbers: what a reader of the rules would write on paper."""

    def __init__(self):
        self.balance = dict.fromkeys(NAMES, 5000)
        self.overdraft = dict.fromkeys(NAMES, 0)
        self.holds = {}
        self.entries = []
        self.now = 0

    def available(self, name):
        held = sum(hold["left"] for hold in self.active() if hold["name"] == name)
        return self.balance[name] + self.overdraft[name] - held

    def active(self):
        return [h for h in self.holds.values() if h["left"] and h["until"] > self.now]

    def shown(self, name):
        held = sum(hold["left"] for hold in self.active() if hold["name"] == name)
        return tuple(to_text(minor, 2) for minor in (self.balance[name], held))

    def move(self, moves, ids):
        """Wallets' balances by so much, unless one would have too little; whether it is done."""
        if any(self.available(name) + amount < 0 for name, amount in moves if amount < 0):
            return None
        for name, amount in moves:
            self.balance[name] += amount
        self.entries.append({"moves": moves, "done": False, "at": next(ids)})
        return True


def wallet_of(name):
    return f"{name}/personal/BDT"


def attempt(book, command):
    try:
        return book.submit(command).result
    except KhataError:
        return None


def play(book, model, what, who, step, minor, ids):
    """Ask the book and the model for the same thing; both do it, or neither."""
    name, other = NAMES[who], NAMES[(who + step) % 3]
    amount, path = bdt(to_text(minor, 2)), wallet_of(name)
    fine = minor > 0
    if what == "limits":
        done = attempt(book, SetLimits(path, "r", "0", amount.amount))
        if minor >= 0:
            model.overdraft[name] = minor
        return (done is not None), minor >= 0
    if what in ("credit", "debit", "transfer"):
        command, moves = {
            "credit": (Credit(path, amount), [(name, minor)]),
            "debit": (Debit(path, amount), [(name, -minor)]),
            "transfer": (
                Transfer(path, wallet_of(other), amount),
                [(name, -minor), (other, minor)],
            ),
        }[what]
        done = attempt(book, command)
        expected = bool(fine and model.move(moves, ids))
        if done is not None and expected:
            model.entries[-1]["id"] = done.id
        return (done is not None), expected
    if what == "hold":
        done = attempt(book, PlaceHold(path, amount, expires_in_seconds=10))
        expected = fine and model.available(name) >= minor
        if done is not None and expected:
            until = model.now + 10
            model.holds[done.id] = {"name": name, "left": minor, "until": until}
        return (done is not None), expected
    if what == "reverse":
        return reverse(book, model, who, ids)
    return on_hold(book, model, what, step, minor)


def reverse(book, model, who, ids):
    if not model.entries:
        return True, True
    entry = model.entries[-1 - who % len(model.entries)]
    back = [(name, -amount) for name, amount in entry["moves"]]
    known = "id" in entry
    done = attempt(book, Reverse(entry["id"], "mistake")) if known else None
    expected = bool(known and not entry["done"] and model.move(back, ids))
    if expected:
        model.entries.pop()
        entry["done"] = True
    return (done is not None), expected


def on_hold(book, model, what, step, minor):
    if not model.holds:
        return True, True
    name, hold = list(model.holds.items())[-min(step, len(model.holds))]
    live = hold["left"] > 0 and hold["until"] > model.now
    amount = bdt(to_text(minor, 2))
    if what == "raise":
        done = attempt(book, RaiseHold(name, amount))
        expected = live and 0 < minor <= model.available(hold["name"])
        hold["left"] += minor if expected else 0
    elif what == "capture":
        done = attempt(book, CaptureHold(name, amount))
        expected = live and 0 < minor <= hold["left"]
        if expected:
            hold["left"] -= minor
            model.balance[hold["name"]] -= minor
    else:
        done = attempt(book, VoidHold(name, "over"))
        expected = live
        hold["left"] = 0 if live else hold["left"]
    return (done is not None), expected


def check(book, model):
    """The invariants, read from the tables themselves."""
    with book.view() as view:
        for name in NAMES:
            shown = wallet(view, wallet_of(name))
            assert (shown.balance, shown.held) == model.shown(name)
            assert to_minor(shown.available, 2) >= -model.overdraft_ever[name]
        sums = sa.select(POSTINGS.c.account_id, sa.func.sum(POSTINGS.c.amount)).group_by(
            POSTINGS.c.account_id
        )
        posted = {row[0]: int(row[1]) for row in view.rows(sums)}
        stored = {
            row.id: row.balance for row in view.rows(sa.select(ACCOUNTS.c.id, ACCOUNTS.c.balance))
        }
    assert {key: value for key, value in stored.items() if value} == {
        key: value for key, value in posted.items() if value
    }
    assert sum(posted.values()) == 0


@contextmanager
def fresh(database_url, tmp_path, numbers):
    """A database for each example: PostgreSQL copies one, SQLite makes a new file."""
    if database_url.startswith("sqlite"):
        yield sqlite_at(tmp_path / f"{next(numbers)}.db")
    else:
        with fresh_database(database_url, template=database_url) as url:
            yield url


def test_the_book_agrees_with_the_model(database_url, tmp_path):
    """Every command is done or refused as the model says, and every balance is the model's."""
    numbers = count()
    with Khata.open(database_url, migrate=True):
        pass

    @examples(40 if database_url.startswith("sqlite") else 15)
    @given(MOVES)
    def agree(history):
        clock, model, ids = Clock(), Model(), count()
        model.overdraft_ever = dict.fromkeys(NAMES, 0)
        with (
            fresh(database_url, tmp_path, numbers) as url,
            a_book(url, clock=clock, **dict.fromkeys(NAMES, "50.00")) as book,
        ):
            for what, who, step, minor, seconds in history:
                clock.pass_by(seconds)
                model.now += seconds
                done, expected = play(book, model, what, who, step, minor, ids)
                assert (what, done) == (what, expected)
                for name in NAMES:
                    most = max(model.overdraft_ever[name], model.overdraft[name])
                    model.overdraft_ever[name] = most
            check(book, model)
            assert discrepancies(book) == []

    agree()
