"""Who asks for receipts, here and at other gateways, and what is to be carried to those."""

from __future__ import annotations

from collections.abc import Callable, KeysView
from typing import Final

from khata.messaging import wire

_PIECE: Final = 1_000
"""Receipts in one line, at most."""


class Askers:
    """Who asks for receipts: users here, by how many connections of theirs do, and elsewhere."""

    def __init__(self) -> None:
        self.announce: Callable[[str, bool], None] = lambda _user, _online: None
        self.elsewhere: set[str] = set()
        self.count = 0
        """Of all of them: 0 when nobody does."""
        self._here: dict[str, int] = {}

    @property
    def here(self) -> KeysView[str]:
        """Who asks at this gateway."""
        return self._here.keys()

    def came(self, user: str) -> None:
        """A connection that asks began."""
        self._here[user] = self._here.get(user, 0) + 1
        self._counted()
        if self._here[user] == 1:
            self.announce(user, True)

    def went(self, user: str) -> None:
        """One ended."""
        self._here[user] -= 1
        if not self._here[user]:
            del self._here[user]
            self.announce(user, False)
        self._counted()

    def set_elsewhere(self, user: str, *, online: bool) -> None:
        """A user asks at another gateway, or does not any more."""
        (self.elsewhere.add if online else self.elsewhere.discard)(user)
        self._counted()

    def _counted(self) -> None:
        self.count = len(self._here) + len(self.elsewhere)


class Away:
    """Receipts for users elsewhere, since they were carried last."""

    def __init__(self) -> None:
        self._delivered: dict[str, dict[str, list[list[object]]]] = {}
        self._read: dict[str, list[bytes]] = {}

    def delivered(self, asker: str, by: str, receipt: list[object]) -> None:
        """Something that `asker` sent was delivered to `by`."""
        self._delivered.setdefault(asker, {}).setdefault(by, []).append(receipt)

    def read(self, asker: str, line: bytes) -> None:
        """Something was read."""
        self._read.setdefault(asker, []).append(line)

    def taken(self) -> dict[str, list[bytes]]:
        """All of it, as lines by who asked for them; from now on there is none."""
        lines, self._read = self._read, {}
        delivered, self._delivered = self._delivered, {}
        for asker, by in delivered.items():
            for user, found in by.items():
                for start in range(0, len(found), _PIECE):
                    part = found[start : start + _PIECE]
                    line = wire.said("receipt", user=user, delivered=part)
                    lines.setdefault(asker, []).append(line)
        return lines
