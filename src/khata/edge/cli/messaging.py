"""`khata messaging …`: the realtime service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from msgspec.structs import asdict

from khata.edge.cli.messaging_stats import stats
from khata.edge.cli.screen import dump, err, out
from khata.edge.cli.session import HERE, Json, Where, command, family, opened
from khata.edge.sealing import vault_of
from khata.settings import settings_from

app: Final = family("messaging", "Messages between people, as they happen.")


@command(
    app,
    "serve",
    "khata messaging serve",
    "khata messaging serve --database postgresql://khata@localhost/khata --port 8090",
    "KHATA_MESSAGING_NATS=nats://a:4222,nats://b:4222 khata messaging serve",
)
def serve(
    *,
    database: Annotated[
        str | None,
        Parameter(help="sqlite:///book.db or postgresql://… [env: KHATA_DATABASE_URL]"),
    ] = None,
    book: Annotated[str | None, Parameter(help="The book. [env: KHATA_BOOK]")] = None,
    host: Annotated[
        str | None, Parameter(help="Address to listen at. [env: KHATA_MESSAGING_HOST]")
    ] = None,
    port: Annotated[
        int | None, Parameter(help="Port of the sockets. [env: KHATA_MESSAGING_PORT]")
    ] = None,
    http_port: Annotated[
        int | None, Parameter(help="Port of the HTTP API. [env: KHATA_MESSAGING_HTTP_PORT]")
    ] = None,
    spool: Annotated[
        str | None,
        Parameter(help="Folder of what waits to be stored. [env: KHATA_MESSAGING_SPOOL]"),
    ] = None,
    beside: Annotated[
        int | None, Parameter(help="Stop also when this process, which began this one, is gone.")
    ] = None,
) -> int:
    """Serve messages until it is told to stop; then have everything kept, and say good-bye.

    Everything else is set in the environment: see docs/messaging.md. Keys come from khata keys
    create; owners come with tokens of the issuer in KHATA_JWKS.
    """
    # imported here: the server's libraries take a while, and --help needs none of them
    from khata.edge.messaging.serving import serve_messaging  # noqa: PLC0415
    from khata.engine import logs  # noqa: PLC0415
    from khata.messaging.gateway import Gateway  # noqa: PLC0415

    given = {
        "KHATA_DATABASE_URL": database,
        "KHATA_BOOK": book,
        "KHATA_MESSAGING_HOST": host,
        "KHATA_MESSAGING_PORT": None if port is None else str(port),
        "KHATA_MESSAGING_HTTP_PORT": None if http_port is None else str(http_port),
        "KHATA_MESSAGING_SPOOL": spool,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = settings_from({**os.environ, **chosen})
    logs.set_up(settings.log_level)

    def begun(gateway: Gateway) -> None:
        place = f"{settings.messaging_host}:{gateway.port}"
        err().print(f"Serving messages of {settings.books[0]} at ws://{place}/v1/messaging.")

    serve_messaging(settings, begun, parent=beside)
    return 0


@command(app, "rotate", "khata messaging rotate")
def rotate(*, json: Json = False, where: Where = HERE) -> int:
    """Wrap the keys that seal messages anew under the newest key of KHATA_VAULT_KEYS.

    Before: put the new key in front of the old one, and start the gateways again. After: take the
    old one away. No message is touched. Run it on each machine that has a spool.
    """
    # imported here for the reason given in `serve`
    from khata.messaging.rotating import rotate as wrap_anew  # noqa: PLC0415

    with opened(where) as book:
        folder = Path(settings_from().messaging_spool) / book.book
        spools = [folder] if folder.is_dir() else []
        changed = wrap_anew(book.database, book.book_id, vault_of(book), spools)
    if json:
        dump({"wrapped": changed})
    else:
        out().print(f"{changed} keys were wrapped anew.")
    return 0


@command(
    app,
    "prune",
    "khata messaging prune --before 365 --dry-run",
    "khata messaging prune --before 365",
)
def prune(
    *,
    before: Annotated[int, Parameter(help="Days: what is older is taken out.")],
    dry_run: Annotated[bool, Parameter(help="Only count it.", negative="")] = False,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Take old messages out of the database, with what says how far users are with them.

    What somebody has not got yet stays, however old it is. A gateway may run meanwhile; with
    KHATA_MESSAGING_KEEP_DAYS it does this by itself, once an hour.
    """
    # imported here for the reason given in `serve`
    from khata.messaging.pruning import prune as take_out  # noqa: PLC0415

    with opened(where) as book:
        done = take_out(book.database, book.book_id, before, dry_run=dry_run)
    if json:
        dump(asdict(done))
    else:
        what = "would be taken out" if dry_run else "were taken out"
        out().print(f"{done.messages} messages {what}; {done.kept} wait for somebody and stay.")
    return 0


command(
    app,
    "stats",
    "khata messaging stats",
    "khata messaging stats --url http://localhost:8091 --json",
)(stats)
