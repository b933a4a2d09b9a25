"""`khata bench messaging`: the real gateway in one process, its persister in another, the load on
it in a third; then the usual way under the same load.

Every connection is a user with a token of their own. First all of them send as fast as they are
acknowledged, which gives the rates; then one of an empty book gets half of that, which gives how
long a message takes inside of it.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.jwk import OKPKey

from khata.app import Khata
from khata.domain.access import CreateKey
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import versions
from khata.edge.bench.messaging_load import HOST, Flow, Flown
from khata.edge.bench.serving import free_port
from khata.edge.security import hash_key, new_key
from khata.errors import Invalid, Unavailable

_ISSUER: Final = "khata-bench"
_PATIENCE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_IN_FLIGHT: Final = 100_000
"""Messages that are not acknowledged, in all: what a disk that is waited for takes to be busy."""
_BUNDLE: Final = 16
"""Messages that a user says in one frame, at most."""
_MOST: Final = 15_000
_BASELINE: Final = "khata.edge.bench.baseline_messaging"
_BASELINE_SECONDS: Final = 2.0
_BASELINE_CONNECTIONS: Final = 200


class MessagingReport(msgspec.Struct, frozen=True):
    """`rate`: messages per second that were accepted, made durable and delivered.
    `persisted_rate`: messages per second that went into the database, from the first message until
    all were there. `p50_us`, `p99_us`: microseconds inside the gateway, at `half_rate`.
    `rss_mb`: the gateway's memory at the end of the load. `kb_per_connection`: what one that does
    nothing adds to it. `lost`: acknowledged messages that were not stored or not delivered.
    """

    rate: float
    persisted_rate: float
    p50_us: float
    p99_us: float
    rss_mb: float
    kb_per_connection: float
    messages: int
    lost: int
    half_rate: float
    baseline_rate: float
    ratio: float
    connections: int
    seconds: float
    database: str
    versions: dict[str, str]


class _Place(NamedTuple):
    """A database with a book, the folder beside it, and the keys of those who come."""

    url: str
    folder: Path
    key: str
    tokens: list[str]


class _Served(NamedTuple):
    port: int
    stats: Callable[[], dict[str, Any]]


def bench_messaging(
    place: Ground, connections: int, seconds: float, *, at: float = 0.0
) -> MessagingReport:
    """Measure; `seconds` for each load. `at`: messages per second at which it is measured how long
    one takes, 0 for half of as many as there can be. Errors: `Invalid`; `Unavailable` when
    something does not start, or does not take the load.
    """
    if not 2 <= connections <= _MOST or seconds <= 0 or at < 0:  # noqa: PLR2004 - to one another
        raise Invalid("That is no load.", expected=f"2 to {_MOST} connections and some time")
    window = max(_IN_FLIGHT // connections, 4)
    with _prepared(place, connections) as found:
        flow = Flow(0, found.tokens, window, seconds, bundle=_BUNDLE)
        full, figures, stored, memory = _full(found, flow)
        usual = _usual(
            found, msgspec.structs.replace(flow, seconds=min(seconds, _BASELINE_SECONDS))
        )
    rate = full.delivered / full.seconds
    # whoever comes back to a book with messages is sent the last of them again first
    with _prepared(place, connections) as found:
        flow = msgspec.structs.replace(flow, tokens=found.tokens, rate=at or rate / 2)
        half, inside = _half(found, flow)
    usual_rate = usual.acknowledged / usual.seconds
    return MessagingReport(
        rate=round(rate, 1),
        persisted_rate=round(stored, 1),
        p50_us=inside["p50_us"],
        p99_us=inside["p99_us"],
        rss_mb=figures["rss_mb"],
        kb_per_connection=round(memory, 1),
        messages=full.all_sent,
        lost=max(full.all_acknowledged - full.all_stored, 0)
        + max(full.all_acknowledged - full.all_delivered, 0),
        half_rate=round(half.delivered / half.seconds, 1),
        baseline_rate=round(usual_rate, 1),
        ratio=round(rate / usual_rate, 1) if usual_rate else 0.0,
        connections=connections,
        seconds=seconds,
        database=place.dialect,
        versions=versions(place),
    )


def _full(found: _Place, flow: Flow) -> tuple[Flown, dict[str, Any], float, float]:
    """As fast as it goes: what was done, the gateway's figures, rows per second, kB each."""
    with _gateway(found, "full") as served:
        before = served.stats()["gateway"]["rss_mb"]
        with _load(msgspec.structs.replace(flow, port=served.port)) as load:
            load.connected()
            idle = served.stats()["gateway"]["rss_mb"]
            began = time.monotonic()
            flown = load.done()
            at = served.stats()["gateway"]
            _until(lambda: served.stats()["persister"].get("records", 0) >= at["accepted"])
        took = time.monotonic() - began
    with Khata.open(found.url, create=False) as book, book.database.reading() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM messages").scalar()
    flown = msgspec.structs.replace(flown, all_stored=int(count or 0))
    each = (idle - before) * 1024 / len(flow.tokens)
    return flown, at, flown.all_stored / took, each


def _half(found: _Place, flow: Flow) -> tuple[Flown, dict[str, Any]]:
    """At a rate that is given, on a gateway that has measured nothing else."""
    with _gateway(found, "half") as served:
        flown = _flown(msgspec.structs.replace(flow, port=served.port))
        return flown, served.stats()["gateway"]


def _usual(found: _Place, flow: Flow) -> Flown:
    """The usual way: a row and a commit for each message, before it is acknowledged."""
    port = free_port()
    words = [sys.executable, "-m", _BASELINE, found.url, str(port)]
    with _process(words, dict(os.environ), lambda: _answers(port, None)):
        # so many that it is always busy, and no more: with thousands it would only have a queue
        few = flow.tokens[:_BASELINE_CONNECTIONS]
        return _flown(msgspec.structs.replace(flow, port=port, window=4, tokens=few))


# ── processes ────────────────────────────────────────────────────────────────────────


@contextmanager
def _prepared(place: Ground, connections: int) -> Iterator[_Place]:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "bench"})
    claims = {"iss": _ISSUER, "aud": _ISSUER, "exp": int(time.time()) + 3600}
    with place.fresh() as url, _folder(place, url) as folder:
        with Khata.open(url, migrate=True) as book:
            secret = new_key(book.book)
            book.submit(CreateKey("bench", hash_key(secret), ["service"], ["read", "write"]))
        keys = {"keys": [key.as_dict(private=False)]}
        (folder / "jwks.json").write_bytes(msgspec.json.encode(keys))
        head = {"alg": "Ed25519", "kid": "bench"}
        tokens = [
            jwt.encode(head, {**claims, "sub": f"u{n}"}, key, algorithms=["Ed25519"])
            for n in range(connections)
        ]
        yield _Place(url, folder, secret, tokens)


@contextmanager
def _folder(place: Ground, url: str) -> Iterator[Path]:
    """A folder for spools, on the disk that has the database if that is a file."""
    beside = Path(url.removeprefix("sqlite:///")).parent if place.dialect == "sqlite" else None
    with tempfile.TemporaryDirectory(prefix="khata-spool-", dir=beside) as name:
        yield Path(name)


@contextmanager
def _gateway(found: _Place, name: str) -> Iterator[_Served]:
    """`khata messaging serve`, as anyone would start it."""
    port, http_port = free_port(), free_port()
    environ = {key: value for key, value in os.environ.items() if "KHATA_" not in key} | {
        "KHATA_DATABASE_URL": found.url,
        "KHATA_JWKS": str(found.folder / "jwks.json"),
        "KHATA_JWT_ISSUER": _ISSUER,
        "KHATA_JWT_AUDIENCE": _ISSUER,
        "KHATA_MESSAGING_PORT": str(port),
        "KHATA_MESSAGING_HTTP_PORT": str(http_port),
        "KHATA_MESSAGING_SPOOL": str(found.folder / name),
        # the load is what is measured, not what stops it
        "KHATA_MESSAGING_RATE": "1000000",
        "KHATA_LOG_LEVEL": "warning",
    }
    words = [sys.executable, "-m", "khata", "messaging", "serve"]
    with _process(words, environ, lambda: _answers(http_port, found.key)):
        yield _Served(port, lambda: _asked(http_port, found.key))


@contextmanager
def _process(
    words: list[str], environ: dict[str, str], is_ready: Callable[[], bool]
) -> Iterator[None]:
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - it starts this very program
            words, stdout=said, stderr=said, env=environ
        ) as process,
    ):
        try:
            _until(lambda: process.poll() is not None or is_ready())
            if process.poll() is not None:
                raise Unavailable("It did not start.", got=_end_of(said))
            yield
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


class _Load:
    """A load under way in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def connected(self) -> None:
        """Wait until all connections are there; they begin to send when this returns."""
        self._line()

    def done(self) -> Flown:
        """Let it run, and wait for what was done."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Flown)

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable("The load broke off.")
        return line


@contextmanager
def _load(flow: Flow) -> Iterator[_Load]:
    with subprocess.Popen(
        [sys.executable, "-m", "khata.edge.bench.messaging_load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(flow) + b"\n")
        process.stdin.flush()
        try:
            yield _Load(process)
        finally:
            process.kill()


def _flown(flow: Flow) -> Flown:
    with _load(flow) as load:
        load.connected()
        return load.done()


# ── small things ─────────────────────────────────────────────────────────────────────


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable("It took too long.", expected=f"{_PATIENCE_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _asked(port: int, key: str) -> dict[str, Any]:
    with closing(http.client.HTTPConnection(HOST, port, timeout=_PATIENCE_SECONDS)) as connection:
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("GET", "/v1/messaging/stats", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise Unavailable("The gateway tells no figures.", got=answer.status)
        return msgspec.json.decode(body, type=dict[str, Any])


def _answers(port: int, key: str | None) -> bool:
    try:
        if key is not None:
            _asked(port, key)
        else:
            with closing(http.client.HTTPConnection(HOST, port, timeout=5)) as connection:
                connection.connect()
    except (OSError, http.client.HTTPException, Unavailable):
        return False
    return True


def _end_of(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read()[-2000:].decode(errors="replace")
