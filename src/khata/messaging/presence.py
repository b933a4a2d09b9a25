"""Presence: who is connected, here or at another gateway, and who wants to know of whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView

from khata.messaging import wire
from khata.messaging.people import Peer


class Presence:
    """`tell`: says a line to a peer. `announce`: told of each who comes or goes here, for other
    gateways.
    """

    def __init__(self, tell: Callable[[Peer, bytes], None]) -> None:
        self.announce: Callable[[str, bool], None] = lambda _user, _online: None
        self._tell = tell
        self._here: dict[str, None] = {}
        self._elsewhere: dict[str, None] = {}
        self._watchers: dict[str, dict[Peer, None]] = {}

    def online(self, user: str) -> bool:
        """Whether a user is connected anywhere."""
        return user in self._here or user in self._elsewhere

    def elsewhere(self, user: str) -> bool:
        """Whether a user is connected to another gateway."""
        return user in self._elsewhere

    @property
    def here(self) -> KeysView[str]:
        """Who is connected to this gateway."""
        return self._here.keys()

    def everybody(self) -> list[str]:
        """Who is connected anywhere."""
        return [*self._here, *(user for user in self._elsewhere if user not in self._here)]

    def set_here(self, user: str, *, online: bool) -> None:
        """A user's first connection here began, or their last one ended."""
        before = self.online(user)
        _set(self._here, user, online=online)
        self.announce(user, online)
        self._changed(user, before=before)

    def set_elsewhere(self, user: str, *, online: bool) -> None:
        """The same at any other gateway."""
        before = self.online(user)
        _set(self._elsewhere, user, online=online)
        self._changed(user, before=before)

    def watch(self, peer: Peer, users: Iterable[str]) -> None:
        """From now on a peer is told of these users, and of no others."""
        for user in peer.watching:
            watchers = self._watchers[user]
            del watchers[peer]
            if not watchers:
                del self._watchers[user]
        peer.watching = frozenset(users)
        for user in peer.watching:
            self._watchers.setdefault(user, {})[peer] = None
            self._tell(peer, wire.said("presence", user=user, online=self.online(user)))

    def _changed(self, user: str, *, before: bool) -> None:
        now = self.online(user)
        watchers = self._watchers.get(user)
        if now == before or not watchers:
            return
        line = wire.said("presence", user=user, online=now)
        for peer in watchers:
            self._tell(peer, line)


def _set(of: dict[str, None], user: str, *, online: bool) -> None:
    if online:
        of[user] = None
    else:
        of.pop(user, None)
