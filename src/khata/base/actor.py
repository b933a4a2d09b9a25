"""Who acts: a name and the roles under which it acts.

An actor travels with every command and is written in the journal as text, `admin:rafiq` or
`finance+support:key_0a1b`, from which a replay rebuilds it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from khata.errors import Invalid

ROLES: Final = ("admin", "finance", "warehouse", "logistics", "support", "service", "owner")
STAFF: Final = frozenset({"admin", "finance", "warehouse", "logistics", "support"})
"""Roles of people, whom four-eyes limits concern; `service` is a machine."""


class Actor(msgspec.Struct, frozen=True):
    """`name` is unique among actors with the same roles; an owner's name is the owner's id."""

    name: str
    roles: frozenset[str]

    @property
    def owner(self) -> str | None:
        """The owner's id when this is an owner acting for themselves."""
        return self.name if "owner" in self.roles else None

    def has(self, *roles: str) -> bool:
        """Whether the actor has one of these roles."""
        return not self.roles.isdisjoint(roles)

    def __str__(self) -> str:
        return _text(self)


@lru_cache(maxsize=4096)
def _text(who: Actor) -> str:
    return f"{'+'.join(sorted(who.roles))}:{who.name}"


def actor(text: str) -> Actor:
    """The actor of a text such as `admin:rafiq`.

    Errors: `Invalid` for an empty name or a role that does not exist.
    """
    roles, _, name = text.partition(":")
    named = frozenset(roles.split("+"))
    if not name or not named.issubset(ROLES) or len(name) > 200:  # noqa: PLR2004
        raise Invalid(
            f"{text[:80]!r} is not an actor.",
            expected=f"ROLE:NAME, with a role of {', '.join(ROLES)}",
            got=text[:80],
        )
    if "owner" in named and len(named) > 1:
        raise Invalid("An owner has no other role.", expected="owner:NAME", got=text[:80])
    return Actor(name, named)


SYSTEM: Final = Actor("system", frozenset({"admin", "service"}))
"""Khata itself and code that runs in the same process and names no one."""

WORKER: Final = Actor("worker", frozenset({"service"}))
"""Who moves sagas on, and does what the clock and the world outside call for."""
