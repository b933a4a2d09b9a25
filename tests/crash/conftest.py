"""A server of the crash tests' own, as durable as in production; started when one of them runs."""

from collections.abc import Iterator

import pytest

from tests.servers import postgres_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """In place of the suite's server, which does not wait for the disk."""
    with postgres_server(durable=True) as url:
        yield url
