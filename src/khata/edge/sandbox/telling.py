"""Sending webhooks: one thread, in order, signed; tried a few times each."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from functools import cache
from typing import Final, Protocol

import httpx
import structlog

from khata.edge.providers.signatures import SCHEMES
from khata.edge.sandbox.objects import Event
from khata.edge.sandbox.shapes import body

log = structlog.get_logger("khata.sandbox")
PAUSES: Final = (0.0, 0.2, 1.0)
"""Seconds before each try."""
_PATIENCE: Final = 10.0


@cache
def tls() -> ssl.SSLContext:
    """Made once: it takes longer than a whole conversation."""
    return ssl.create_default_context()


class Listener(Protocol):
    """Who hears what became of an event."""

    def __call__(self, event: Event, *, well: bool) -> None:
        """`well`: whether it arrived."""
        ...


class Teller:
    """`url`: where to, None for nowhere; it may be set later. `heard`: called after each event."""

    def __init__(self, url: str | None, secret: str, scheme: str, heard: Listener) -> None:
        self.url = url
        self._secret = secret
        self._scheme = scheme
        self._heard = heard
        self._stopped = threading.Event()
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Send it after those before it; twice if that is its fate."""
        for _ in range(2 if event.fate == "duplicate" else 1):
            self._queue.put(event)

    def wait(self) -> None:
        """Until everything so far was sent, or given up."""
        self._queue.join()

    def close(self) -> None:
        """Stop; what was not sent stays so."""
        self._stopped.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=_PATIENCE, verify=tls()) as client:
            while (event := self._queue.get()) is not None:
                if not self._stopped.is_set():
                    self._heard(event, well=self._send(client, event))
                self._queue.task_done()

    def _send(self, client: httpx.Client, event: Event) -> bool:
        told = body(event, self._scheme)
        if told is None:
            return True
        for pause in PAUSES:
            if self.url is None or self._stopped.wait(pause):
                return False
            sign, _ = SCHEMES[self._scheme]
            headers = sign(self._secret, event.id, told, time.time_ns() // 1000)
            try:
                answer = client.post(
                    self.url, content=told, headers={"Content-Type": "application/json", **headers}
                )
            except httpx.HTTPError as error:
                log.info("webhook_not_sent", event_id=event.id, reason=type(error).__name__)
                continue
            if answer.is_success:
                return True
            log.info("webhook_refused", event_id=event.id, status=answer.status_code)
        return False
