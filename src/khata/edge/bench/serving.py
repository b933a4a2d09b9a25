"""`khata bench http`: the real server in one process, the load on it in another.

The server runs as anyone would start it, with `khata serve` and its defaults, and answers to an API
key. First come single transfers, then bulk requests.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO, Final

import msgspec

from khata.app import Khata
from khata.domain.access import CreateKey
from khata.edge.bench.book_side import check, fill
from khata.edge.bench.figures import CURRENCY
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import versions
from khata.edge.bench.load import Order, Told
from khata.edge.security import hash_key, new_key
from khata.errors import Invalid, Unavailable

_ACCOUNTS: Final = 1000
_WARM_UP_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60.0
_BULK_LINES: Final = 500
_BULK_CONNECTIONS: Final = 4
_HOST: Final = "127.0.0.1"


class HttpReport(msgspec.Struct, frozen=True):
    """`rate`: single transfers per second. `bulk_rate`: transfers per second in bulk requests."""

    rate: float
    p50_ms: float
    p99_ms: float
    bulk_rate: float
    bulk_p50_ms: float
    bulk_p99_ms: float
    bulk_lines: int
    database: str
    connections: int
    seconds: float
    versions: dict[str, str]
    verified: bool


def bench_http(place: Ground, connections: int, seconds: float) -> HttpReport:
    """Measure; `seconds` for each of both. Errors: `Invalid`; `Unavailable` when the server does
    not start or answers anything but 200; `BookCorrupted` when the book does not verify.
    """
    if connections < 1 or seconds <= 0:
        raise Invalid("That is no load.", expected="at least one connection and some time")
    with place.fresh() as url:
        with Khata.open(url, migrate=True) as book:
            wallets = fill(book, _ACCOUNTS)
            key = new_key(book.book)
            book.submit(CreateKey("bench", hash_key(key), ["service"], ["read", "write"]))
        with served(url) as port:
            order = Order(port, key, wallets, CURRENCY, connections, seconds, prefix="single")
            _told(order, seconds=min(_WARM_UP_SECONDS, seconds), prefix="warm-up")
            single = _told(order).figures
            bulk = _told(
                order, connections=_BULK_CONNECTIONS, lines=_BULK_LINES, prefix="bulk"
            ).figures
        with Khata.open(url, create=False) as book:
            check(book)
    return HttpReport(
        rate=single.rate,
        p50_ms=single.p50_ms,
        p99_ms=single.p99_ms,
        bulk_rate=round(bulk.rate * _BULK_LINES, 1),
        bulk_p50_ms=bulk.p50_ms,
        bulk_p99_ms=bulk.p99_ms,
        bulk_lines=_BULK_LINES,
        database=place.dialect,
        connections=connections,
        seconds=seconds,
        versions=versions(place),
        verified=True,
    )


def _told(order: Order, **changes: object) -> Told:
    """What a process of its own measured. Errors: `Unavailable`."""
    wanted = msgspec.structs.replace(order, **changes)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "khata.edge.bench.load"],
            input=msgspec.json.encode(wanted),
            stdout=subprocess.PIPE,
            timeout=wanted.seconds + _PATIENCE_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise Unavailable("The load broke off.", got=str(error)) from error
    told = msgspec.json.decode(ran.stdout, type=Told)
    if told.failure is not None:
        raise Unavailable("The server did not take the load.", got=told.failure)
    return told


# ── the server ───────────────────────────────────────────────────────────────────────


@contextmanager
def served(url: str) -> Iterator[int]:
    """The port of a server of this database, as a process of its own. Errors: `Unavailable`."""
    port = free_port()
    words = ["serve", "--database", url, "--book", "main", "--host", _HOST, "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if "KHATA_" not in name}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - it starts this very program
            [sys.executable, "-m", "khata", *words], stdout=said, stderr=said, env=environment
        ) as process,
    ):
        try:
            _await(port, process, said)
            yield port
        finally:
            process.terminate()
            process.wait(_PATIENCE_SECONDS)


def _await(port: int, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(port):
            return
        time.sleep(0.05)
    said.seek(0)
    raise Unavailable("The server did not start.", got=said.read()[-2000:].decode(errors="replace"))


def _is_ready(port: int) -> bool:
    with closing(http.client.HTTPConnection(_HOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def free_port() -> int:
    """A port that nobody listens at."""
    with closing(socket.socket()) as found:
        found.bind((_HOST, 0))
        port: int = found.getsockname()[1]
        return port
