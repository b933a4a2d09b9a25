"""A process that plays a story with sagas in a book, and is killed at one of its commits."""

import os
import signal

from khata import Khata
from khata.edge.providers import Providers
from khata.testing import finish


class Mortal:
    """A store whose process is killed at its `at`-th commit: before it, or after it."""

    def __init__(self, inner, counter, at, *, after):
        self._inner = inner
        self._counter = counter
        self._at = at
        self._after = after

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def commit(self):
        """The end of a transaction that was decided under the lock."""
        return self._die_about(self._inner.commit)

    def write_after(self, head, packed):
        """A transaction that was decided ahead."""
        return self._die_about(lambda: self._inner.write_after(head, packed))

    def _die_about(self, commit):
        dies = self._counter[0] == self._at
        self._counter[0] += 1
        if dies and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = commit()
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class Counted:
    """Providers that note before which commits they were asked for something."""

    def __init__(self, providers, counter):
        self._providers = providers
        self._counter = counter
        self.asked = set()

    def call(self, intent):
        """Make the call."""
        self.asked.add(self._counter[0])
        return self._providers.call(intent)

    def ask(self, intent):
        """Ask what became of it."""
        self.asked.add(self._counter[0])
        return self._providers.ask(intent)


def play(url, name, story, clock, vault, config, at=None, after=False):
    """Play a story to its end, or until death.

    How many commits that took, and before which of them the world outside was asked.
    """
    counter = [0]
    with Khata.open(url, name, clock=clock, vault=vault) as book:
        plain = book.database.store
        book.database.store = lambda book_id: Mortal(plain(book_id), counter, at, after=after)
        with Providers([config], vault) as providers:
            counted = Counted(providers, counter)
            callers = {"providers": counted}
            story(book, lambda seconds=3600: finish(book, callers, clock, until_seconds=seconds))
    return counter[0], sorted(counted.asked)


def run(url, name, story, clock, vault, config, at, after, pipe):
    """The same in a process of its own; the counts go through the pipe, if it lives."""
    pipe.send(play(url, name, story, clock, vault, config, at, after))
    pipe.close()
