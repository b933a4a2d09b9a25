"""Random histories of a book: Hypothesis draws plain moves, `play` makes commands of them.

A move names wallets, holds and entries by number, so that any list of moves can be played and
shrunk; what a number points at is known only while playing.
"""

import random
from dataclasses import dataclass, field

from hypothesis import strategies as st

from khata import Khata, KhataError, Money, Receipt, actor
from khata.base.clock import SECOND
from khata.domain.access import Approve, CreateKey, RequestApproval
from khata.domain.holds import (
    CaptureGroup,
    CaptureHold,
    PlaceHold,
    RaiseHold,
    VoidGroup,
    VoidHold,
)
from khata.domain.khata import AddKhataEntry
from khata.domain.ledger import FreezeAccount, LegIn, PostEntry, Reverse, SetLimits, UnfreezeAccount
from khata.domain.setup import DefineSource, DefineUnit, DefineWalletKind, Set
from khata.domain.wallets import Credit, Debit, OpenWallet, RenameWallet, Transfer
from khata.engine.accounts import VelocityLimit

OWNERS = ("alice", "bob", "চাঁদনী", "dave-4")
UNITS = (("BDT", "10.{:02}"), ("IQD", "1.{:03}"), ("XP", "{}"))
START = 1_700_000_000 * SECOND
SOURCES = ("order", "mission", "dhaar_loan", "tips")


@dataclass(frozen=True)
class Move:
    """One thing to do; `a`, `b`, `n` choose among what there is."""

    what: str
    a: int
    b: int
    n: int
    how: str = "one"
    seconds: int = 0


@dataclass
class Story:
    """A book while a history is played on it."""

    book: Khata
    holds: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    answers: list = field(default_factory=list)


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now=START):
        self.now = now

    def __call__(self):
        return self.now


def moves(most=30):
    """Lists of moves."""
    number = st.integers(0, 11)
    how = st.sampled_from(["one"] * 12 + ["dry", "again", "reused", "owner", "bulk", "atomic"])
    # the clock may stand still and go back, which a book must bear
    seconds = st.sampled_from([0, 0, 0, 1, 7, 70, -5])
    what = st.sampled_from(tuple(COMMANDS))
    return st.lists(st.builds(Move, what, number, number, number, how, seconds), max_size=most)


def seeded_moves(seed, count):
    """As many moves, drawn from a seed."""
    draw = random.Random(seed)
    hows = ["one"] * 12 + ["dry", "again", "reused", "owner", "bulk", "atomic"]
    kinds = list(COMMANDS)
    return [
        Move(
            draw.choice(kinds),
            draw.randrange(12),
            draw.randrange(12),
            draw.randrange(12),
            draw.choice(hows),
            draw.choice([0, 0, 1, 7, 70]),
        )
        for _ in range(count)
    ]


def play(book, clock, history):
    """Set a book up and play a history on it; refusals are part of it."""
    story = Story(book)
    for command in _opening():
        book.submit(command)
    for number, move in enumerate(history):
        clock.now += move.seconds * SECOND
        for answer in _do(story, move, f"move-{number}"):
            if isinstance(answer, Receipt):
                _remember(story, answer.result)
            story.answers.append(answer)
    return story


def _opening():
    yield DefineUnit("XP", 0, "Points")
    yield DefineSource("tips", "Tips", "income", "expense", "clearing/tips")
    yield DefineWalletKind("guild", "Guild", 0, 500)
    yield Set("four_eyes", {"IQD": "900.000"})
    for owner in OWNERS:
        for unit, _ in UNITS:
            yield OpenWallet(owner, unit)
            yield Credit(f"{owner}/personal/{unit}", Money("50", unit))


def _do(story, move, key):
    command = COMMANDS[move.what](story, move)
    if command is None:
        return []
    if move.how in ("bulk", "atomic"):
        lines = [(f"{key}-{n}", _transfer(story, move)) for n in range(move.n % 4)]
        lines.append((key, command))
        try:
            return story.book.submit_many(lines, atomic=move.how == "atomic")
        except KhataError as error:
            return [error]
    who = actor("owner:alice") if move.how == "owner" else actor("admin+finance:rafiq")
    answers = [_submit(story, command, key, who, dry_run=move.how == "dry")]
    if move.how == "again":
        answers.append(_submit(story, command, key, who))
    if move.how == "reused":
        answers.append(_submit(story, Set("theme", {"n": move.n}), key, who))
    return answers


def _submit(story, command, key, who, *, dry_run=False):
    try:
        return story.book.submit(command, key=key, actor=who, dry_run=dry_run)
    except KhataError as error:
        return error


def _remember(story, result):
    name = getattr(result, "id", "")
    if name.startswith("hld_"):
        story.holds.append(name)
    if name.startswith("ent_"):
        story.entries.append(name)


def _wallet(number, unit):
    return f"{OWNERS[number % 4]}/personal/{UNITS[unit % 3][0]}"


def _money(move):
    unit, text = UNITS[move.b % 3]
    return Money(text.format(move.n * 7 % 100), unit)


def _source(move):
    return SOURCES[move.n % 4]


def _transfer(_, move):
    return Transfer(_wallet(move.a, move.b), _wallet(move.a + 1 + move.n % 3, move.b), _money(move))


def _one_of(names, number):
    return names[number % len(names)] if names else None


def _on_hold(make):
    def command(story, move):
        hold = _one_of(story.holds, move.a)
        return make(hold, move) if hold else None

    return command


def _on_entry(make):
    def command(story, move):
        entry = _one_of(story.entries, -1 - move.a)
        return make(entry, move) if entry else None

    return command


def _post(_, move):
    unit, text = UNITS[move.b % 3]
    return PostEntry(
        [
            LegIn(f"wallet/{_wallet(move.a, move.b)}", debit=Money(text.format(13), unit)),
            LegIn("revenue/fee", credit=Money(text.format(13), unit)),
            LegIn("cash/main", debit=Money("2", "BDT")),
            LegIn("escrow/M1", credit=Money("2", "BDT")),
        ],
        "fee",
        reference="ref-১",
        metadata={"b": 1, "a": ["x", None]},
    )


def _limits(_, move):
    window = VelocityLimit(60 * (move.n % 3 + 1), 3000, move.n % 3 + 1)
    return SetLimits(_wallet(move.a, move.b), "careful", "0", "5", [window] if move.n % 2 else [])


COMMANDS = {
    "credit": lambda _, m: Credit(_wallet(m.a, m.b), _money(m), _source(m), note="for 'you'"),
    "debit": lambda _, m: Debit(_wallet(m.a, m.b), _money(m), _source(m), metadata={"n": m.n}),
    "transfer": _transfer,
    "transfer 2": _transfer,
    "hold": lambda _, m: PlaceHold(
        _wallet(m.a, m.b),
        _money(m),
        "order",
        f"group-{m.n % 2}" if m.n % 3 else None,
        expires_in_seconds=m.n if m.n % 4 else None,
    ),
    "hold 2": lambda _, m: PlaceHold(_wallet(m.a, m.b), _money(m), expires_in_seconds=5 + m.n),
    "raise": _on_hold(lambda hold, m: RaiseHold(hold, _money(m))),
    "capture": _on_hold(
        lambda hold, m: CaptureHold(hold, _money(m) if m.n % 2 else None, final=m.n % 3 == 0)
    ),
    "void": _on_hold(lambda hold, _: VoidHold(hold, "not wanted")),
    "capture group": lambda _, m: CaptureGroup(f"group-{m.n % 2}"),
    "void group": lambda _, m: VoidGroup(f"group-{m.n % 2}", "not wanted"),
    "reverse": _on_entry(lambda entry, _: Reverse(entry, "mistake")),
    "reverse part": _on_entry(lambda entry, m: Reverse(entry, "part", f"{m.n % 4 + 1}")),
    "post": _post,
    "limits": _limits,
    "freeze": lambda _, m: FreezeAccount(_wallet(m.a, m.b), "odd"),
    "unfreeze": lambda _, m: UnfreezeAccount(_wallet(m.a, m.b), "fine"),
    "open": lambda _, m: OpenWallet(f"guest-{m.a % 3}", "BDT", "guild" if m.b % 2 else "rider"),
    "rename": lambda _, m: RenameWallet(_wallet(m.a, m.b), f"Title {m.n}"),
    "khata": lambda _, m: AddKhataEntry(
        "expense", "Tea", _money(m), incoming=False, owner="alice", note="চা"
    ),
    "key": lambda _, m: CreateKey(f"till {m.n}", f"{m.a:064x}", ["service"], ["read", "write"]),
    "ask": lambda _, m: RequestApproval(
        {
            "kind": "wallets.credit",
            "wallet": _wallet(m.a, m.b),
            "amount": {"amount": "3", "currency": UNITS[m.b % 3][0]},
        },
        "please",
    ),
    "approve": lambda _, m: Approve(f"apr_{m.n:04}"),
}
"""What can be done: (story, move) -> command, or None when there is nothing to do it on."""
