"""One request to the sandbox: reading it, and every way of answering it, decent or not."""

from __future__ import annotations

import hmac
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from khata.edge.sandbox.objects import Refusal
from khata.edge.sandbox.telling import Teller
from khata.edge.sandbox.world import World

MOST_BYTES: Final = 64 * 1024
_HUGE: Final = 1024 * 1024
_TICK: Final = 0.05
_IDLE_SECONDS: Final = 120


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox is run. `port`: 0 for a free one. `secret`: of its webhooks, in the form of
    `scheme`. `fault_rate`: 0 to 1. `state`: a file to remember in. `hang_seconds`: how long a call
    hangs that hangs, unless its caller gives up before.
    """

    seed: str
    secret: str
    api_key: str
    host: str = "127.0.0.1"
    port: int = 0
    webhook_url: str | None = None
    scheme: Literal["standard", "stripe", "razorpay"] = "standard"
    fault_rate: float = 0.0
    instant: bool = False
    state: Path | None = None
    hang_seconds: float = 60.0


@dataclass(frozen=True)
class Site:
    """What a server serves. `stopped`: set when it ends, so that nothing hangs longer."""

    plan: Plan
    world: World
    teller: Teller
    stopped: threading.Event


Route: TypeAlias = tuple[str, str, Callable[["Handler", tuple[str, ...]], Any]]
"""Method, pattern of the path, and what answers: JSON, or None when it has answered itself."""


class Handler(BaseHTTPRequestHandler):
    """A connection's requests, one after the other. `routes`: what there is, first match wins."""

    server: Any
    routes: ClassVar[Sequence[Route]] = ()
    protocol_version = "HTTP/1.1"
    server_version = "KhataSandbox"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    @property
    def site(self) -> Site:
        """What this server serves."""
        found: Site = self.server.site
        return found

    def do_GET(self) -> None:
        """GET, by its route."""
        self._serve()

    def do_POST(self) -> None:
        """POST, by its route."""
        self._serve()

    def do_PUT(self) -> None:
        """PUT, by its route."""
        self._serve()

    def do_DELETE(self) -> None:
        """DELETE, by its route."""
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
        """Say nothing: what was asked is in the ledger."""

    def _serve(self) -> None:
        try:
            self.raw = self._body()
            path = urlsplit(self.path)
            self.query = parse_qs(path.query)
            self._route(path.path)
        except Refusal as refused:
            told = {"code": refused.code, "message": refused.message, "processed": False}
            self.answer(refused.status, {"error": told})

    def _route(self, path: str) -> None:
        if path == "/health":
            self.answer(200, {"status": "ok"})
            return
        expected = f"Bearer {self.site.plan.api_key}".encode()
        given = self.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(expected, given):
            raise Refusal(401, "unauthenticated", "The API key is not this sandbox's.")
        for method, pattern, route in self.routes:
            found = re.fullmatch(pattern, path) if method == self.command else None
            if found:
                told = route(self, tuple(unquote(part) for part in found.groups()))
                if told is not None:
                    self.answer(200, told)
                return
        raise Refusal(404, "route_not_found", "There is nothing at this path.")

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            # unread bytes would end the connection before the caller has read why
            self.rfile.read(min(int(length), _HUGE) if length.isdigit() else 0)
            raise Refusal(413, "too_large", f"A body has at most {MOST_BYTES} bytes.")
        return self.rfile.read(int(length))

    def read(self, shape: Any) -> Any:
        """The body as a struct. Errors: `Refusal`."""
        try:
            return msgspec.json.decode(self.raw or b"{}", type=shape)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Refusal(400, "invalid_request", str(error)[:200]) from None

    def answer(self, status: int, told: Any) -> None:
        """Answer in JSON."""
        self.send(status, msgspec.json.encode(told))

    def send(self, status: int, body: bytes, length: int | None = None) -> None:
        """Answer. `length`: what is said of the body, if not the truth."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def until_gone(self, seconds: float) -> None:
        """Wait until the caller gives up, the sandbox is stopped, or the time is over."""
        self.close_connection = True
        end = time.monotonic() + seconds
        self.connection.settimeout(_TICK)
        while time.monotonic() < end and not self.site.stopped.is_set():
            try:
                self.connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            except OSError:
                return
            # closed, or a caller that talks on without an answer: either is the end of it
            return

    def hang_up(self) -> None:
        """End the connection without a word."""
        self.close_connection = True
        hang_up(self.connection)


def hang_up(connection: socket.socket) -> None:
    """End a connection for both sides."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # the other side was faster
        return
