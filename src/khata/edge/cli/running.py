"""`khata migrate` and `khata serve`."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from khata.edge.cli.screen import dump, err, out
from khata.edge.cli.session import HERE, Json, Where, alone
from khata.engine import migrations
from khata.engine.database import Database
from khata.settings import settings_from


@alone("migrate", "khata migrate", "khata migrate --database postgresql://khata@localhost/khata")
def migrate(*, json: Json = False, where: Where = HERE) -> int:
    """Bring the database's tables to this version; does nothing when they are there already."""
    database = Database(where.database)
    try:
        before = migrations.current_revision(database)
        migrations.migrate(database)
        after = migrations.current_revision(database)
        books = database.books()
    finally:
        database.close()
    if json:
        dump({"before": before, "after": after, "books": books})
    elif before == after:
        out().print(f"The tables are at revision {after} already.")
    else:
        out().print(f"The tables went from revision {before or 'none'} to {after}.")
    return 0


@alone(
    "serve",
    "khata serve",
    "khata serve --database postgresql://khata@localhost/khata --port 8080 --workers 2",
    "khata serve --book shop --book games",
)
def serve(
    *,
    database: Annotated[
        str | None,
        Parameter(help="sqlite:///book.db or postgresql://… [env: KHATA_DATABASE_URL]"),
    ] = None,
    book: Annotated[
        list[str] | None,
        Parameter(negative="", help="A book to serve, several times. [env: KHATA_BOOK]"),
    ] = None,
    host: Annotated[str | None, Parameter(help="Address to listen at. [env: KHATA_HOST]")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen at. [env: KHATA_PORT]")] = None,
    workers: Annotated[int | None, Parameter(help="Processes. [env: KHATA_WORKERS]")] = None,
    worker: Annotated[
        bool | None,
        Parameter(
            negative="--no-worker",
            show_default=False,
            help="Whether they work sagas off as well; so they do if not told. [env: KHATA_WORKER]",
        ),
    ] = None,
    messaging: Annotated[
        bool | None,
        Parameter(
            negative="--no-messaging",
            show_default=False,
            help="Whether the first book's messages are served too. [env: KHATA_MESSAGING]",
        ),
    ] = None,
) -> int:
    """Serve the HTTP API until it is told to stop, then finish what was accepted.

    Its processes work sagas off too, unless `khata worker` does that elsewhere: --no-worker. With
    --messaging one more process does what `khata messaging serve` does.

    Everything else is set in the environment: see docs/http.md. Keys come from khata keys create.
    """
    # imported here: the server's libraries take a while, and --help needs none of them
    from khata.edge.http import serve as run  # noqa: PLC0415

    given = {
        "KHATA_DATABASE_URL": database,
        "KHATA_BOOK": ",".join(book) if book else None,
        "KHATA_HOST": host,
        "KHATA_PORT": None if port is None else str(port),
        "KHATA_WORKERS": None if workers is None else str(workers),
        "KHATA_WORKER": None if worker is None else str(int(worker)),
        "KHATA_MESSAGING": None if messaging is None else str(int(messaging)),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = settings_from({**os.environ, **chosen})
    address = f"http://{settings.host}:{settings.port}"
    err().print(f"Serving {', '.join(settings.books)} at {address}/v1; {address}/docs explains it.")
    run(settings)
    return 0
