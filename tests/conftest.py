"""What every test shares: seeds, Hypothesis profiles, a PostgreSQL server, empty databases.

`make test` draws the same cases each time, from a fixed seed; `make soak` (KHATA_SOAK=1) draws
many more, from a new one. Either says which seed it used when something fails, and
KHATA_SEED=<number> draws the same again.
"""

import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.sharing import Shared, asked

SOAK = os.environ.get("KHATA_SOAK") == "1"
SEED = int(os.environ.get("KHATA_SEED") or (random.SystemRandom().getrandbits(32) if SOAK else 1))
# The suite runs in several processes, of which each would draw its own.
os.environ["KHATA_SEED"] = str(SEED)
_LONGER = 240 if SOAK else 1
"""How many times as many cases the long run draws."""
_SHARED = pytest.StashKey[Shared]()

# No deadline: on a busy machine it would measure the neighbours. No database of examples: what a
# run finds must depend on its seed alone.
_ALIKE = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
}
settings.register_profile("khata", max_examples=20 * _LONGER, **_ALIKE)
settings.load_profile("khata")


def examples(count: int) -> settings:
    """For a property whose cases are slow: so many in `make test`, as many more in `make soak`."""
    return settings(max_examples=count * _LONGER)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give Hypothesis the suite's seed, unless the command line has one."""
    if config.getoption("--hypothesis-seed", None) is None:
        config.option.hypothesis_seed = str(SEED)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.stash[_SHARED] = Shared()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the processes of the suite shared."""
    if (shared := config.stash.get(_SHARED, None)) is not None:
        shared.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of the suite where to ask for what they share."""
    node.workerinput["shared"] = str(node.config.stash[_SHARED].folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL; leave the long forms to `make soak`."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        asked = getattr(item, "fixturenames", ())
        if "postgres_url" in asked or (callspec and "postgres" in callspec.params.values()):
            item.add_marker("postgres")
        if item.get_closest_marker("soak") and not SOAK:
            item.add_marker(pytest.mark.skip(reason="a long form: make soak"))


def pytest_collection_finish() -> None:
    """Let Python's collector pass over all that was imported: walking through it again and again
    would take a quarter of the suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_report_header() -> str:
    """Which seed, before the first test."""
    return f"khata: seed {SEED}{', soak' if SOAK else ''}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which seed, beside what failed."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"Same cases again: KHATA_SEED={SEED}", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def plain_screen() -> Iterator[None]:
    """What is printed must not depend on the screen of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """A fault is told as the command line tells it: to draw every frame with its variables takes
    seconds when there are a thousand.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test's own, drawn from the suite's: for `random.Random(seed)`."""
    return random.Random(f"{SEED} {request.node.nodeid}").getrandbits(32)


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is the long run; a test multiplies its rounds by it."""
    return SOAK


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The server's maintenance database, and one with all the tables and nothing in them."""
    folder = getattr(request.config, "workerinput", {}).get("shared")
    if folder is not None:
        yield asked(Path(folder))
        return
    # imported here, so that a package that does not load still gets its shape tested
    from tests.servers import migrated_database, postgres_server  # noqa: PLC0415

    with postgres_server() as url, migrated_database(url) as template:
        yield url, template


@pytest.fixture(scope="session")
def postgres_url(postgres: tuple[str, str]) -> str:
    """The server's maintenance database; use `database_url` for a database to write into."""
    return postgres[0]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all the tables and nothing in them, to be copied."""
    from tests.servers import sqlite_at  # noqa: PLC0415 - as in `postgres_url`

    path = tmp_path_factory.mktemp("template") / "khata.db"
    sqlite_at(path)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: tuple[str, str]) -> str:
    """A database on the suite's server with all the tables and nothing in them, to be copied;
    nobody is connected to it.
    """
    return postgres[1]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own with all the tables, once on SQLite and once on PostgreSQL."""
    # imported here for the reason given in `postgres_url`
    from tests.servers import fresh_database, sqlite_at  # noqa: PLC0415

    if request.param == "sqlite":
        yield sqlite_at(tmp_path / "khata.db")
    else:
        template = request.getfixturevalue("postgres_template")
        with fresh_database(request.getfixturevalue("postgres_url"), template) as url:
            yield url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `database_url`, with nothing in it at all."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'khata.db'}"
    else:
        # imported here for the reason given in `postgres_url`
        from tests.servers import fresh_database  # noqa: PLC0415

        with fresh_database(request.getfixturevalue("postgres_url")) as url:
            yield url
