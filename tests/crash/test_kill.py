"""`kill -9` at any moment: nothing that was acknowledged is lost, nothing is applied twice.

`make soak` kills each database two hundred times and more; `make test` a seeded share of that.
"""

import multiprocessing
import os
import random
import select
import time

from tests.conftest import SOAK
from tests.crash import load
from tests.crash.proof import complaints

KILLS = 200 if SOAK else 15
KILLS_OF_TWO = 60 if SOAK else 6
LONGEST = 0.35
"""Seconds that a victim may live: from before it has opened the book to amid its load."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["khata.app", "tests.crash.load"])


class Victim:
    """A process under load, and what it has acknowledged so far."""

    def __init__(self, url, lane, folder):
        self._url = url
        self._lane = lane
        self._pipe = str(folder / f"{lane}.pipe")
        os.mkfifo(self._pipe)
        self.acknowledged = {}
        self.done = set()
        self.faults = []
        self.hit = 0
        self._answered = False
        self._rest = b""

    def start(self):
        """Begin again, with the first number that was not answered."""
        first = next(n for n in range(len(self.done) + 1) if n not in self.done)
        # by name, so that no end of it stays open in anyone but the two
        self._read = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._process = _processes.Process(
            target=load.run, args=(self._url, self._lane, first, self._pipe)
        )
        self._process.start()
        self._answered = False

    def live(self, seconds):
        """Read what it says for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._read], [], [], left)[0] and not self._take():
                return

    def kill(self):
        """End it at once, and read what it had said."""
        self._process.kill()
        self._process.join()
        self.hit += self._answered
        while self._take():
            pass
        self._rest = b""
        os.close(self._read)
        self._process.close()

    def _take(self):
        data = os.read(self._read, 1 << 16)
        self._answered = self._answered or bool(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            number, key, value = line.decode().split()
            self.done.add(int(number))
            if key == "fault":
                self.faults.append(value)
            elif key != "refused":
                told = self.acknowledged.setdefault(key, int(value))
                assert told == int(value), f"{key} was {told} and is {value} now"
        return data


def test_no_kill_loses_or_doubles_a_command(database_url, tmp_path, seed, record_property):
    """One process under load, killed again and again; the same keys come again each time."""
    draw = random.Random(seed)
    load.open_book(database_url)
    victim = Victim(database_url, "a", tmp_path)
    for _ in range(KILLS):
        victim.start()
        victim.live(draw.uniform(0, LONGEST))
        victim.kill()
    record_property("kills, in mid-load", (KILLS, victim.hit))
    record_property("acknowledged", len(victim.acknowledged))
    assert len(victim.acknowledged) > KILLS
    assert (complaints(database_url, victim.acknowledged), victim.faults) == ([], [])


def test_two_processes_write_one_book_while_either_is_killed(
    database_url, tmp_path, seed, record_property
):
    """The head row orders them; each goes on where the other left the book."""
    draw = random.Random(seed)
    load.open_book(database_url)
    victims = [Victim(database_url, lane, tmp_path) for lane in "ab"]
    for victim in victims:
        victim.start()
    for _ in range(KILLS_OF_TWO):
        for victim in victims:
            victim.live(draw.uniform(0, LONGEST))
        unlucky = draw.choice(victims)
        unlucky.kill()
        unlucky.start()
    for victim in victims:
        victim.kill()
    record_property("acknowledged", [len(victim.acknowledged) for victim in victims])
    told = {**victims[0].acknowledged, **victims[1].acknowledged}
    assert all(len(victim.acknowledged) > KILLS_OF_TWO for victim in victims)
    assert (complaints(database_url, told), [victim.faults for victim in victims]) == ([], [[], []])
