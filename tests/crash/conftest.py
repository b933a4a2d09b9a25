"""A server of the crash tests' own, as durable as in production; started when one of them runs."""

from collections.abc import Iterator

import pytest

from tests.servers import migrated_database, postgres_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """In place of the suite's server, which does not wait for the disk."""
    with postgres_server(durable=True) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """A database of that server with all the tables, to be copied."""
    with migrated_database(postgres_url) as url:
        yield url
