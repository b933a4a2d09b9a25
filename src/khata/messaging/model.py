"""What clients say: frames of JSON, each an object with its kind in `t`, or an array of them.

What the server says, and what is kept, is in `wire.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta, field

from khata.errors import Forbidden, Invalid

Priority = Literal["high", "normal", "low"]

KHATA: Final = "khata"
"""In whose name Khata itself writes: no owner has it."""
KEYS: Final = "key_"
"""What the names of API keys begin with: an owner so called would read what is theirs."""

LONGEST_NAME: Final = 128
LONGEST_BODY: Final = 32_768
"""Bytes of a body, as the JSON that it came in."""
DEEPEST_BODY: Final = 64
"""Objects and arrays inside of each other: what any client can read."""
LARGEST_FRAME: Final = 262_144
MOST_RECEIVERS: Final = 1_000
"""Named in one broadcast, or members of one conversation."""

_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
"""A user's id, a message's id, a conversation's: no control characters, which `named` checks."""
Names = Annotated[list[Name], Meta(max_length=MOST_RECEIVERS)]


class Asked(
    msgspec.Struct, frozen=True, gc=False, tag_field="t", tag=str.lower, forbid_unknown_fields=True
):
    """Something that a client says."""


class Send(Asked, frozen=True, gc=False, omit_defaults=True):
    """A message to one user (`to`), or to all other members of a conversation (`c`).

    `id`: the sender's own; a message that is sent again has the same. `body`: any JSON.
    `sender` (`from`): on whose behalf a service sends.
    """

    id: Name
    body: msgspec.Raw
    to: Name | None = None
    c: Name | None = None
    p: Priority = "normal"
    sender: Name | None = field(name="from", default=None)


class Broadcast(Asked, frozen=True, gc=False, omit_defaults=True):
    """The same message to many users; without `to`, to everybody who is connected. For services."""

    id: Name
    body: msgspec.Raw
    to: Names | None = None
    p: Priority = "normal"
    sender: Name | None = field(name="from", default=None)


class Conversation(Asked, frozen=True, gc=False, omit_defaults=True):
    """Make a conversation, or change who is in it: whoever names it first owns it.

    The owner adds and removes; anybody may remove themselves. Two users need none to talk.
    """

    id: Name
    c: Name
    add: Names = []
    remove: Names = []


class Got(Asked, frozen=True, gc=False):
    """The first `n` messages that came over this connection have arrived."""

    n: Annotated[int, Meta(ge=1)]


class Read(Asked, frozen=True, gc=False, omit_defaults=True):
    """All messages of a conversation (`c`), or from a user (`user`), were read up to `seq`."""

    seq: Annotated[int, Meta(ge=1)]
    c: Name | None = None
    user: Name | None = None


class Resume(Asked, frozen=True, gc=False):
    """Send again what came after `after`, a number that `at` told."""

    after: Annotated[int, Meta(ge=0)]


class Watch(Asked, frozen=True, gc=False):
    """Tell whether these users are connected, now and whenever it changes; none ends it."""

    users: Names


Said = Send | Broadcast | Conversation | Got | Read | Resume | Watch
Kept = Send | Broadcast | Conversation
"""What is numbered, kept, and acknowledged."""


_CHOICES: Final = {
    "`$.p`": list(get_args(Priority)),
    "`$.t`": [kind.__name__.lower() for kind in get_args(Said)],
}


def senseless(error: msgspec.ValidationError) -> Invalid:
    """What is told of something that fits no form; where there is a choice, with what it is of."""
    text = str(error)
    choice = _CHOICES.get(text.rpartition(" - at ")[2])
    return Invalid(text) if choice is None else Invalid(text, expected=choice)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message under way. `seq`: its number in the log, higher is later. `line`: the JSON by which
    it is delivered.
    """

    seq: int
    id: str
    sender: str
    p: Priority
    line: bytes


class Identity(msgspec.Struct, frozen=True):
    """Who is connected. `until`: when to ask again (monotonic seconds), None for never."""

    user: str
    roles: frozenset[str] = frozenset({"owner"})
    until: float | None = None

    def __post_init__(self) -> None:
        """Errors: `Forbidden` for an owner who has Khata's own name, or an API key's."""
        if self.user == KHATA and not self.service:
            raise Forbidden("That name is Khata's own.", got=self.user)
        if self.user.startswith(KEYS) and "owner" in self.roles:
            raise Forbidden("That is the name of an API key.", got=self.user)

    @property
    def service(self) -> bool:
        """Whether it may broadcast, and send on behalf of others."""
        return "service" in self.roles


def direct(one: str, other: str) -> str:
    """The conversation of two users, whoever begins. No other two users have the same."""
    first, second = sorted((one, other))
    return f"{len(first)}:{first}|{second}"


def named(*names: str | None) -> bool:
    """Whether these may be names: databases keep no NUL, and nobody can see the others."""
    return all(name is None or name.isprintable() or min(name) >= " " for name in names)


def depth(body: bytes) -> int:
    """How many objects and arrays of a valid JSON text are inside of each other, at most."""
    deepest = now = 0
    for char in _TEXTS.sub(b"", body):
        if char in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif char in b"]}":
            now -= 1
    return deepest
