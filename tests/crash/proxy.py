"""A proxy between Khata and PostgreSQL that loses connections at the worst moment."""

import contextlib
import selectors
import socket
import threading
from urllib.parse import quote

import psycopg
from sqlalchemy.engine import make_url

COMMITTED = b"COMMIT\x00"
"""How the server says that a transaction is durable."""


class Proxy:
    """Passes bytes between clients and a server, until it is told to lose something.

    `lose("reply")`: the next time that the server reports a commit, the report is swallowed and
    both sides are cut off. `lose("request")`: the next request is swallowed instead.
    """

    def __init__(self, url, folder):
        with psycopg.connect(url) as connection:
            host, port = connection.info.host, connection.info.port
        self._target = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self.url = (
            make_url(url).set(query={}, host=None, port=None).render_as_string(hide_password=False)
        )
        self.url += f"?host={quote(str(folder), safe='')}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._losing = None
        self.lost = 0
        self._threads = []
        self._accepting = threading.Thread(target=self._accept)

    def __enter__(self):
        self._accepting.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def lose(self, what):
        """Lose a connection at the next occasion."""
        self._losing = what

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
            server = socket.socket(family)
            server.connect(self._target)
            thread = threading.Thread(target=self._pass, args=(client, server))
            thread.start()
            self._threads.append(thread)

    def _pass(self, client, server):
        with client, server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    # a side that is gone takes the other one with it
                    with contextlib.suppress(ConnectionError):
                        data = key.fileobj.recv(1 << 16)
                        if data and not self._lose(data, from_server=key.fileobj is server):
                            key.data.sendall(data)
                            continue
                    return

    def _lose(self, data, *, from_server):
        wanted = self._losing
        if wanted is None or from_server is not (wanted == "reply"):
            return False
        if from_server and COMMITTED not in data:
            return False
        self._losing = None
        self.lost += 1
        return True
