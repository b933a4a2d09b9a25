"""What tests of webhooks are made of: a provider's signed words, and somebody who is told."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from khata.base.clock import SECOND
from khata.domain import webhooks
from khata.edge.providers import ProviderConfig, Providers
from khata.edge.providers.signatures import sign_standard
from khata.edge.webhooks import Inbox, Receiver
from khata.engine.vault import Vault
from tests.builders import ADMIN

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SANDBOX = ProviderConfig(name="sandbox", base_url="http://127.0.0.1:1", webhook_secrets=(SECRET,))
PROVIDERS = Providers([SANDBOX])


class Alerts:
    """Remembers what it was told."""

    def __init__(self):
        self.names = []
        self.told = {}

    def sound(self, name, **details):
        self.names.append(name)
        self.told = details


def a_body(kind="charge.paid", event="evt_1", *, about="ch_1", at=1_769_850_000, **data):
    """An event in the sandbox's words."""
    data = {"id": about, "amount": "1000.00", "currency": "BDT", **data}
    return json.dumps({"id": event, "type": kind, "created": at, "data": data}).encode()


def headers_of(body, now, *, event="evt_1", secret=SECRET):
    return sign_standard(secret, event, body, now)


def a_receiver(alerts=None, rate=1000):
    return Receiver(PROVIDERS, alerts or Alerts(), rate)


def deliver(book, body, receiver=None, *, secret=SECRET, source="203.0.113.7", now=None):
    """Have the provider send it; the item that came of it."""
    headers = headers_of(body, now or book.clock(), secret=secret)
    receiver = receiver or a_receiver()
    return asyncio.run(receiver.receive(book, "sandbox", headers, body, source))


def work(book, alerts=None):
    """Act on everything that is due; how many that were."""
    count, inbox = 0, Inbox(book, PROVIDERS, book.clock, alerts or Alerts())
    while done := inbox.work():
        count += done
    return count


def inbox(book, **asked):
    return book.query(webhooks.inbox, **asked).items


def statuses(book):
    """Event → status, of the first item of each."""
    return {item.event: item.status for item in inbox(book)}


# ── who is told ──────────────────────────────────────────────────────────────────────


class Listener:
    """A server that is sent webhooks: `got` has (headers, body), `answers` what it says next."""

    def __init__(self, status=200):
        self.got = []
        self.answers = []
        self.status = status
        self.headers = {}
        self.body = b"ok"
        self.reached = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.busy = 0
        self.most_busy = 0
        lock = threading.Lock()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    listener.busy += 1
                    listener.most_busy = max(listener.most_busy, listener.busy)
                    listener.got.append((dict(self.headers), body))
                    status = listener.answers.pop(0) if listener.answers else listener.status
                listener.reached.set()
                listener.gate.wait(30)
                with lock:
                    listener.busy -= 1
                self.send_response(status)
                for name, value in listener.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(listener.body)))
                self.end_headers()
                self.wfile.write(listener.body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?a=1"

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]

    @property
    def told(self):
        return [json.loads(body) for _, body in self.got]


@contextmanager
def listening(status=200):
    """A listener on a port of its own."""
    listener = Listener(status)
    thread = threading.Thread(target=listener.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.gate.set()
        listener.server.shutdown()
        listener.server.server_close()
        thread.join()


def a_vault():
    return Vault([Vault.new_key()])


def an_endpoint(book, url, *events, secret=OTHER_SECRET):
    """An endpoint of this book; its id."""
    command = webhooks.AddEndpoint(url, list(events) or ["*"], book.vault.seal(secret))
    return book.submit(command, actor=ADMIN).result.id


def seconds(instant):
    return instant // SECOND
