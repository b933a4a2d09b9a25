"""Conversations of several: who is in them. A change is a record in the log, like a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from khata.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from khata.messaging.model import MOST_RECEIVERS, Conversation, Identity
from khata.messaging.wire import Change

MOST_OWNED: Final = 1_000
"""Conversations that one user may have made."""


class Group:
    """Who owns a conversation, and who is in it, in the order in which they came."""

    __slots__ = ("members", "owner")

    def __init__(self, owner: str, members: Iterable[str]) -> None:
        self.owner = owner
        self.members = dict.fromkeys(members)


class Conversations:
    """All conversations of this gateway's space. `known`: whether they have been loaded; until then
    nothing can be said of any.
    """

    def __init__(self) -> None:
        self.known = True
        self._groups: dict[str, Group] = {}
        self._owned: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def load(self, c: str, owner: str, members: Iterable[str]) -> None:
        """Take one in from the database."""
        if c not in self._groups:
            self._owned[owner] = self._owned.get(owner, 0) + 1
        self._groups[c] = Group(owner, members)

    def of(self, user: str) -> dict[str, tuple[str, ...]]:
        """The conversations that a user is in, with their members. Errors: `Unavailable` while none
        is known.
        """
        self._check_known()
        return {
            c: tuple(group.members) for c, group in self._groups.items() if user in group.members
        }

    def owner(self, c: str) -> str:
        """Who made a conversation; "" of one that there is not."""
        group = self._groups.get(c)
        return group.owner if group is not None else ""

    def members(self, c: str, user: str, *, service: bool = False) -> Iterable[str]:
        """The members of a conversation that a user is in. Errors: `NotFound`, which does not
        tell a conversation of others from none; `Unavailable` while none is known.
        """
        self._check_known()
        group = self._groups.get(c)
        if group is None or not (service or user in group.members):
            raise none(c)
        return group.members

    def check(self, who: Identity, asked: Conversation) -> tuple[list[str], list[str]]:
        """Who comes in and who leaves if this is done, without those of whom nothing changes.

        Errors: `NotFound`, `Forbidden`, `LimitExceeded`; `Unavailable` while none is known.
        """
        self._check_known()
        group = self._groups.get(asked.c)
        if group is None:
            return self._first(who, asked)
        if not (who.service or who.user in group.members or who.user == group.owner):
            raise none(asked.c)
        leaves = not asked.add and set(asked.remove) == {who.user}
        if not (who.service or who.user == group.owner or leaves):
            raise Forbidden("Only who made a conversation changes it.", expected="its owner")
        add = [name for name in dict.fromkeys(asked.add) if name not in group.members]
        remove = [name for name in dict.fromkeys(asked.remove) if name in group.members]
        _check_size(len(group.members) + len(add) - len(remove))
        return add, remove

    def _check_known(self) -> None:
        if not self.known:
            raise Unavailable("Conversations are not known yet.", retry_after_seconds=1)

    def _first(self, who: Identity, asked: Conversation) -> tuple[list[str], list[str]]:
        if self._owned.get(who.user, 0) >= MOST_OWNED and not who.service:
            raise LimitExceeded("That is one conversation too many.", expected=MOST_OWNED)
        add = list(dict.fromkeys([who.user, *asked.add]))
        _check_size(len(add))
        return add, []

    def change(self, change: Change) -> list[str] | None:
        """Do what a record says; who is to be told of it: all who are or were in it. None when it
        was to make a conversation that somebody else had made before, at another gateway: records
        are checked where they are asked for, and count in the order of the log.
        """
        group = self._groups.get(change.c)
        if group is None:
            self.load(change.c, change.owner, change.add)
            return list(change.add)
        if group.owner != change.owner:
            return None
        told = [*group.members, *(name for name in change.add if name not in group.members)]
        group.members.update(dict.fromkeys(change.add))
        for name in change.remove:
            group.members.pop(name, None)
        return told


def _check_size(members: int) -> None:
    if members > MOST_RECEIVERS:
        raise LimitExceeded("Too many for one conversation.", expected=MOST_RECEIVERS, got=members)


def none(c: str) -> NotFound:
    """What who is not in a conversation is told, whether there is one or not."""
    return NotFound("You are in no such conversation.", got=c)
