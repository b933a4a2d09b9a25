"""`kill -9` at every commit of every built-in saga, on SQLite."""

import random

import pytest

from khata.app import SAGAS
from khata.edge.sandbox import local_sandbox
from khata.engine.sagas import Call
from tests.crash import stories
from tests.crash.theatre import Theatre, play_everywhere
from tests.servers import sqlite_at

MOST = 3


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: story.__name__)
def test_death_at_any_commit_changes_nothing(tmp_path, story, seed, soak):
    """Before and after commits of the story: a seeded share, in the long run every one."""
    url, chance = sqlite_at(tmp_path / "khata.db"), random.Random(seed)
    with local_sandbox(seed=1, instant=True) as provider:
        assert play_everywhere(url, story, provider, chance, None if soak else MOST) > 0


def test_the_stories_go_through_every_saga(tmp_path):
    """No built-in saga, and no call of one, is left out."""
    gone, called = set(), set()
    url = sqlite_at(tmp_path / "all.db")
    with local_sandbox(seed=1, instant=True) as provider:
        for story in stories.STORIES:
            _, seen = Theatre(url, story, provider).play(story.__name__.replace("_", "-"))
            gone |= {name for name, _, _ in seen["runs"]}
            called |= {line for lines in seen["history"] for line in lines if "intended" in line}
    calls = {step.name for saga in SAGAS for step in saga.steps if isinstance(step, Call)}
    assert gone == {saga.name for saga in SAGAS}
    assert {line.partition(" ")[2] for line in called} == calls
