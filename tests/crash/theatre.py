"""A theatre in which every story is interrupted: `kill -9` at every commit of built-in sagas.

Each story is played once in peace, in a process of its own, which counts its commits. Then, for
each of them (or a seeded share; for all in the long run), a process is killed just after it, and
another one just before it if anything was asked of the world since the last (if not, that is the
same death); then a process begins the story again. Books, histories and what the provider did must
be what they were in peace, and no intent may ever have had a second key.
"""

import multiprocessing
from functools import cache
from multiprocessing import forkserver

import pytest

from khata import Khata
from khata.testing import VirtualClock
from tests.crash import mortal, stories

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "khata.app",
        "tests.crash.mortal",
        "tests.crash.stories",
        # what the first call of a provider loads, which would take a third of a performance
        "anyio._backends._asyncio",
        "httpcore",
    ]
)
_MEASURED = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
AWAY_SECONDS = 120
"""For how long nobody is there after a death: longer than a lease."""


@cache
def _open_the_house():
    """Start the process that all others are forked from. They are killed, so nothing that measures
    them would ever tell: it is left outside.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in _MEASURED:
            patch.delenv(name, raising=False)
        forkserver.ensure_running()


class Theatre:
    """Plays one story again and again, each time in a book of its own."""

    def __init__(self, url, story, sandbox):
        self._url = url
        self._story = story
        self._sandbox = sandbox
        self._config = sandbox.config(timeout_seconds=5.0)

    def play(self, name, at=None, *, after=False):
        """One performance; what is to be seen afterwards, and the counts of `mortal.play`."""
        clock = VirtualClock()
        with Khata.open(self._url, name, migrate=True, clock=clock, vault=stories.VAULT) as book:
            stories.prepare(book)
        commits, code = self._perform(name, clock, at, after=after)
        if at is not None and code == 0:
            # commands that were waiting together are one commit: it may have needed fewer this time
            at = None
        if at is not None:
            assert code == -9
            clock.advance(AWAY_SECONDS)
            _, code = self._perform(name, clock, None)
        assert code == 0, name
        with Khata.open(self._url, name, clock=clock, vault=stories.VAULT) as book:
            report = book.verify()
            assert report.ok, report.discrepancies
            seen = stories.seen(book)
        return commits, seen | {"provider": self._provider(name)}

    def _perform(self, name, clock, at, *, after=False):
        _open_the_house()
        ours, theirs = _processes.Pipe(duplex=False)
        words = (self._url, name, self._story, clock, stories.VAULT, self._config, at, after)
        process = _processes.Process(target=mortal.run, args=(*words, theirs))
        process.start()
        theirs.close()
        try:
            commits = ours.recv()
        except EOFError:
            commits = None
        process.join()
        return commits, process.exitcode

    def _provider(self, name):
        """What the provider did for this book: each thing once, each intent under one key."""
        told = self._sandbox.ledger()
        mine = [thing for thing in told["objects"] if thing["key"].startswith(f"{name}.")]
        keys = {call["key"] for call in told["calls"] if call["key"].startswith(f"{name}.")}
        intents = {key.partition(".")[2] for key in keys}
        assert len(keys) == len(intents)
        assert len({thing["key"] for thing in mine}) == len(mine)
        assert len({(thing["object"], thing["reference"]) for thing in mine}) == len(mine)
        return sorted((thing["object"], thing["status"], thing["amount"]) for thing in mine)


def play_everywhere(url, story, sandbox, chance, most):
    """The story with a death at every one of its commits, or at `most` that `chance` picks; how
    many those are.
    """
    theatre = Theatre(url, story, sandbox)
    label = story.__name__.replace("_", "-")
    (commits, asked), peace = theatre.play(f"{label}-peace")
    deaths = [(at, True) for at in range(commits)] + [(at, False) for at in {0, *asked}]
    deaths = deaths if most is None else chance.sample(deaths, min(most, len(deaths)))
    for at, after in deaths:
        name = f"{label}-{at}-{'after' if after else 'before'}"
        _, seen = theatre.play(name, at, after=after)
        other = {part: (peace[part], seen[part]) for part in peace if seen[part] != peace[part]}
        assert not other, f"{name}: {other}"
    return len(deaths)
