"""`kill -9` at every commit of every built-in saga, on PostgreSQL."""

import random

import pytest

from khata.edge.sandbox import local_sandbox
from tests.crash import stories
from tests.crash.theatre import play_everywhere
from tests.servers import fresh_database

MOST = 2


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: story.__name__)
def test_death_at_any_commit_changes_nothing(postgres_url, postgres_template, story, seed, soak):
    """Before and after commits of the story: a seeded share, in the long run every one."""
    chance, most = random.Random(seed), None if soak else MOST
    with (
        fresh_database(postgres_url, postgres_template) as url,
        local_sandbox(seed=1, instant=True) as provider,
    ):
        assert play_everywhere(url, story, provider, chance, most) > 0
