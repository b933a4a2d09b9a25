"""The sandbox as an HTTP server: its routes, its connections, its end.

It is made of the standard library's own server, one thread a connection, because it must be able
to do what a decent server never does: hang, hang up, answer half.
"""

from __future__ import annotations

import socket
import threading
import time
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from khata.edge.sandbox import asking, control
from khata.edge.sandbox.handling import Handler, Plan, Site, hang_up
from khata.edge.sandbox.telling import Teller
from khata.edge.sandbox.world import World


class _Here(Handler):
    routes = (*asking.ROUTES, *control.ROUTES)


class SandboxServer(ThreadingMixIn, TCPServer):
    """A sandbox at a port. `close()` ends it with every connection that it has."""

    allow_reuse_address = True
    request_queue_size = 256
    daemon_threads = False
    block_on_close = True

    def __init__(self, plan: Plan) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((plan.host, plan.port), _Here)
        try:
            self.site = self._site(plan)
        except BaseException:
            self.server_close()
            raise

    def _site(self, plan: Plan) -> Site:
        teller = Teller(plan.webhook_url, plan.secret, plan.scheme, self._delivered)
        try:
            world = World(
                plan.seed,
                clock=lambda: int(time.time()),
                tell=teller.tell,
                rate=plan.fault_rate,
                instant=plan.instant,
                state=plan.state,
            )
        except BaseException:
            teller.close()
            raise
        return Site(plan, world, teller, threading.Event())

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def _delivered(self, event: Any, *, well: bool) -> None:
        self.site.world.delivered(event, well=well)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that it can be ended."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is nothing to tell of."""

    def close(self) -> None:
        """Stop serving, hang up on everybody, and wait for the threads."""
        self.site.stopped.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                hang_up(connection)
        self.server_close()
        self.site.teller.close()
