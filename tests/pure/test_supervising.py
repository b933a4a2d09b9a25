"""Supervision: one that fails is begun again, one that fails too often is fenced off."""

import asyncio

import pytest
from structlog.testing import capture_logs

from khata.errors import DatabaseUnavailable, VaultMissing
from khata.messaging import supervising
from khata.messaging.supervising import Limits, Supervisor, as_it_comes

QUICK = Limits(restarts=3, seconds=60, pause=0.001, longest=0.002)


def run(story):
    """A story with a deadline."""
    asyncio.run(asyncio.wait_for(story, 20))


class Failing:
    """A part that fails so many times, and then works; `began` counts."""

    def __init__(self, times):
        self.times = times
        self.began = 0
        self.works = asyncio.Event()

    async def run(self):
        self.began += 1
        if self.began <= self.times:
            raise RuntimeError("fault")
        self.works.set()
        await asyncio.Event().wait()


def test_a_part_that_fails_is_begun_again():
    """The others do not notice."""

    async def story():
        supervisor, failing, steady = Supervisor(), Failing(3), Failing(0)
        supervisor.start("failing", failing.run, QUICK)
        supervisor.start("steady", steady.run, QUICK)
        await failing.works.wait()
        shown = supervisor.shown()
        assert shown["failing"] == {
            "state": "running", "restarts": 3, "last_error": "RuntimeError",
        }  # fmt: skip
        assert (steady.began, shown["steady"]["restarts"], supervisor.well) == (1, 0, True)
        await supervisor.stop()

    run(story())


def test_a_part_that_fails_too_often_is_fenced_off_and_told_of():
    """It is not begun again; the rest goes on."""

    async def story():
        told = asyncio.Queue()
        supervisor = Supervisor(lambda name, **details: told.put_nowait((name, details)))
        failing, steady = Failing(100), Failing(0)
        supervisor.start("failing", failing.run, QUICK)
        supervisor.start("steady", steady.run, QUICK)
        name, details = await told.get()
        assert (name, details["part"]) == ("messaging_part_fenced", "failing")
        assert (failing.began, supervisor.shown()["failing"]["state"]) == (4, "fenced")
        assert (supervisor.well, supervisor.shown()["steady"]["state"]) == (False, "running")
        # a person had a look: it may begin again
        supervisor.start("failing", steady.run, QUICK)
        assert supervisor.well
        await supervisor.stop()

    run(story())


def test_failures_that_are_long_ago_do_not_count():
    """Only what happens within the time of the limit fences a part off."""

    async def story():
        supervisor, failing = Supervisor(), Failing(20)
        seldom = Limits(restarts=1, seconds=0.0, pause=0.0005, longest=0.001)
        supervisor.start("failing", failing.run, seldom)
        await failing.works.wait()
        assert supervisor.well
        await supervisor.stop()

    run(story())


def test_a_part_that_is_done_is_not_begun_again():
    """It ended, and its name is free."""

    async def story():
        done = asyncio.Event()

        async def nothing():
            done.set()

        supervisor, steady = Supervisor(), Failing(0)
        part = supervisor.start("once", nothing)
        await done.wait()
        assert part.state == "ended"
        supervisor.start("once", steady.run)
        with pytest.raises(ValueError, match="once"):
            supervisor.start("once", steady.run)
        await supervisor.stop()

    run(story())


def test_stopping_waits_for_what_parts_finish():
    """The one that was begun last is ended first."""

    async def story():
        ended = []

        def finishing(name):
            async def run_part():
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0)
                    ended.append(name)

            return run_part

        supervisor = Supervisor()
        for name in ("first", "second", "third"):
            supervisor.start(name, finishing(name))
        await asyncio.sleep(0)
        await supervisor.end("second")
        await supervisor.stop()
        assert ended == ["second", "third", "first"]

    run(story())


def test_a_part_that_hides_being_cancelled_is_cancelled_again(monkeypatch):
    """As a wait with a time limit does, when what it waits for comes at that very moment."""
    monkeypatch.setattr(supervising, "_AGAIN_SECONDS", 0.01)

    async def story():
        heard = []

        async def deaf():
            for _ in range(2):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    heard.append("cancelled")
            await asyncio.Event().wait()

        supervisor = Supervisor()
        supervisor.start("deaf", deaf)
        await asyncio.sleep(0)
        await asyncio.wait_for(supervisor.stop(), 10)
        assert heard == ["cancelled"] * 2

    run(story())


def test_what_must_come_to_its_end_does(monkeypatch):
    """However often its part is cancelled meanwhile; the part is cancelled all the same."""
    monkeypatch.setattr(supervising, "_AGAIN_SECONDS", 0.01)

    async def story():
        ended, may_end = [], asyncio.Event()

        async def tidy():
            await may_end.wait()
            ended.append("tidied")

        async def part():
            try:
                await asyncio.Event().wait()
            finally:
                await supervising.undisturbed(tidy())
            ended.append("went on")

        supervisor = Supervisor()
        supervisor.start("part", part)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.1, may_end.set)
        await asyncio.wait_for(supervisor.stop(), 10)
        assert ended == ["tidied"]

    run(story())


def test_who_is_cancelled_while_something_ends_is_cancelled_after_it():
    """Even if that was the first time: nobody has to say it twice."""

    async def story():
        ended, may_end = [], asyncio.Event()

        async def tidy():
            await may_end.wait()
            ended.append("tidied")

        task = asyncio.create_task(supervising.undisturbed(tidy()))
        await asyncio.sleep(0)
        task.cancel()
        asyncio.get_running_loop().call_soon(may_end.set)
        await asyncio.wait([task])
        assert (ended, task.cancelled()) == (["tidied"], True)

    run(story())


def test_what_fails_at_its_end_says_so():
    """Nothing of it is hidden."""

    async def fail():
        raise RuntimeError("fault")

    with pytest.raises(RuntimeError, match="fault"):
        asyncio.run(supervising.undisturbed(fail()))


def test_what_is_away_is_waited_for_and_told_of_once():
    """Until something comes that no waiting mends."""
    away = DatabaseUnavailable("It is away.")
    turns = [3, away, away, 1, 0, away, VaultMissing("No key."), 5]
    left = iter(turns)

    async def work():
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    async def story():
        with pytest.raises(VaultMissing):
            await as_it_comes(work, "waits", 0.001)

    with capture_logs() as logs:
        run(story())
    assert [(line["event"], line["code"]) for line in logs] == [("waits", away.code)] * 2
    assert list(left) == [5]
