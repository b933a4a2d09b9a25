"""The usual way to pass messages on: each is a row, inserted and committed by a thread of a pool,
then sent to whoever it is for, then acknowledged. `python -m … URL PORT`; the protocol is the same.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import psycopg
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

_TEXT: Final = WSMsgType.TEXT
_THREADS: Final = 16
_TABLE: Final = (
    "CREATE TABLE usual_messages"
    " (id TEXT PRIMARY KEY, sender TEXT, receiver TEXT, body TEXT, at TIMESTAMP DEFAULT now())"
)
_INSERT: Final = "INSERT INTO usual_messages (id, sender, receiver, body) VALUES (%s, %s, %s, %s)"


class _Rows:
    """Inserts of one row, each committed. SQLite has one writer, PostgreSQL one for each thread."""

    def __init__(self, url: str) -> None:
        self._lite = url.startswith("sqlite")
        self._url = url.removeprefix("sqlite:///")
        self._own = threading.local()
        self.threads = ThreadPoolExecutor(1 if self._lite else _THREADS)
        self.threads.submit(self._make).result()

    def insert(self, *row: str) -> None:
        """One row, on one of the threads."""
        sql = _INSERT.replace("%s", "?") if self._lite else _INSERT
        self._connection().execute(sql, row)

    def _make(self) -> None:
        table = _TABLE.replace("now()", "CURRENT_TIMESTAMP") if self._lite else _TABLE
        self._connection().execute(table)

    def _connection(self) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._open()
        return self._own.connection

    def _open(self) -> Any:
        if not self._lite:
            return psycopg.connect(self._url, autocommit=True)
        found = sqlite3.connect(self._url, isolation_level=None)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = FULL")
        return found


class _Usual(WSListener):
    """One connection; who it is, is in the order in which they come."""

    def __init__(self, name: str, rows: _Rows, users: dict[str, _Usual]) -> None:
        self.name, self.rows, self.users = name, rows, users
        self.n = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.users[self.name] = self

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 - picows' own
        if frame.msg_type is not _TEXT:
            return
        said = msgspec.json.decode(frame.get_payload_as_bytes())
        for one in said if type(said) is list else [said]:
            if one["t"] == "send":
                task = asyncio.ensure_future(self._keep(one))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _keep(self, said: dict[str, Any]) -> None:
        row = said["id"], self.name, said["to"], msgspec.json.encode(said["body"]).decode()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.rows.threads, self.rows.insert, *row)
        to = self.users.get(said["to"])
        if to is not None:
            line = {"t": "msg", "id": said["id"], "from": self.name, "body": said["body"]}
            to.transport.send(_TEXT, msgspec.json.encode(line))
        self.n += 1
        self.transport.send(_TEXT, b'{"t":"ok","n":%d}' % self.n)


async def _serve(url: str, port: int) -> None:
    rows = _Rows(url)
    users: dict[str, _Usual] = {}

    def come(_: WSUpgradeRequest) -> WSListener:
        return _Usual(f"u{len(users)}", rows, users)

    server = await ws_create_server(come, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main(words: list[str]) -> None:
    """Serve until the process is ended. `words`: the database's URL, and the port."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(words[0], int(words[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
