"""Addresses of databases, and connections for reading.

Reads have their own connections, each view one consistent snapshot; they never touch the
writer's. A URL is `sqlite:///path/to/book.db` or `postgresql://user@host/name`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from khata.base.actor import Actor
from khata.base.clock import Clock, Instant
from khata.engine import postgres, sqlite
from khata.engine.journal import GENESIS
from khata.engine.store import Store
from khata.engine.tables import BOOKS
from khata.errors import BookNotFound, DatabaseUnavailable, Invalid, NotYours

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://", "postgresql+psycopg://")
_READERS: Final = 16


class View:
    """One snapshot of one book, to read from.

    `now` decides what has expired, `actor` what may be seen.
    """

    def __init__(self, connection: sa.Connection, book_id: int, now: Instant, actor: Actor) -> None:
        self._connection = connection
        self.book_id = book_id
        self.now = now
        self.actor = actor

    def check_owner(self, owner: str | None) -> None:
        """An owner sees what is theirs. Errors: `NotYours`."""
        mine = self.actor.owner
        if mine is not None and owner != mine:
            raise NotYours("This is not yours to see.", expected=mine)

    def rows(self, query: sa.Executable, **values: Any) -> Sequence[sa.Row[Any]]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def row(self, query: sa.Executable, **values: Any) -> sa.Row[Any] | None:
        """The first row of a query, or None."""
        return self._connection.execute(query, values).first()

    def stream(self, query: sa.Executable, size: int = 2000) -> Iterator[sa.Row[Any]]:
        """The rows of a query that may be long, fetched `size` at a time."""
        options = {"stream_results": True, "yield_per": size}
        yield from self._connection.execute(query, execution_options=options)


class Database:
    """A database by its URL: opens stores for writers and views for readers."""

    def __init__(self, url: str) -> None:
        self.url = url
        if url.startswith(SQLITE) and len(url) > len(SQLITE):
            self.dialect = "sqlite"
            self._target = url[len(SQLITE) :].partition("?")[0]
            engine_url = sa.URL.create("sqlite+pysqlite", database=self._target)
        elif url.startswith(POSTGRES):
            self.dialect = "postgres"
            self._target = "postgresql://" + url.partition("://")[2]
            engine_url = sa.make_url("postgresql+psycopg://" + url.partition("://")[2])
        else:
            raise Invalid(
                "That is not the URL of a database.",
                expected="sqlite:///path/to/book.db or postgresql://user@host/name",
                got=url.partition("://")[0][:40],
            )
        self.engine = _engine(self.dialect, engine_url)

    def store(self, book_id: int) -> Store:
        """A connection for a writer. Errors: `DatabaseUnavailable`."""
        if self.dialect == "sqlite":
            return sqlite.SqliteStore(self._target, book_id)
        return postgres.PostgresStore(self._target, book_id)

    @contextlib.contextmanager
    def view(self, book_id: int, now: Instant, actor: Actor) -> Iterator[View]:
        """A snapshot to read from. Errors: `DatabaseUnavailable`."""
        with self.reading() as connection:
            yield View(connection, book_id, now, actor)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection inside one read-only transaction."""
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "postgres":
                connection.execute(
                    sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                )
            else:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """A connection inside one transaction that is committed at the end."""
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def close(self) -> None:
        """Give all reading connections up."""
        self.engine.dispose()

    def open_book(self, name: str, clock: Clock, *, create: bool) -> int:
        """The number of the book with this name, made when it does not exist and may be.

        Errors: `BookNotFound`, `Invalid`, `DatabaseUnavailable`.
        """
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise Invalid(
                "A book's name has ASCII letters, digits, - and _.", expected="main", got=name[:60]
            )
        wanted = sa.select(BOOKS.c.id).where(BOOKS.c.name == name)
        with self.reading() as connection:
            number = connection.scalar(wanted)
        if number is not None:
            return int(number)
        if not create:
            raise BookNotFound(f"This database has no book called {name!r}.", got=name)
        with contextlib.suppress(sa.exc.IntegrityError), self.changing() as connection:
            last = connection.scalar(sa.select(sa.func.max(BOOKS.c.id))) or 0
            connection.execute(
                BOOKS.insert().values(
                    id=last + 1,
                    name=name,
                    seq=0,
                    hash=GENESIS,
                    at=0,
                    refusals=0,
                    refusals_hash=GENESIS,
                    created_at=clock(),
                    mark=secrets.token_hex(5),
                )
            )
        return self.open_book(name, clock, create=False)

    def mark(self, book_id: int) -> str:
        """What tells a book from every other one, in whatever database: drawn when it was made."""
        with self.reading() as connection:
            return str(connection.scalar(sa.select(BOOKS.c.mark).where(BOOKS.c.id == book_id)))

    def books(self) -> list[str]:
        """The names of all books."""
        with self.reading() as connection:
            return list(connection.scalars(sa.select(BOOKS.c.name).order_by(BOOKS.c.id)))


def _engine(dialect: str, url: sa.URL) -> sa.Engine:
    if dialect == "postgres":
        return sa.create_engine(
            url,
            pool_size=_READERS,
            pool_pre_ping=True,
            hide_parameters=True,
            # a plan that is kept was made for the tables of its day: reads are planned afresh
            connect_args={
                "connect_timeout": postgres.CONNECT_SECONDS,
                "prepare_threshold": None,
            },
        )
    engine = sa.create_engine(url, poolclass=sa.QueuePool, pool_size=_READERS, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={int(sqlite.BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        raise DatabaseUnavailable("The database cannot be read.") from error
