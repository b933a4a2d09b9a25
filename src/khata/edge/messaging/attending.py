"""A gateway beside a server: a process of its own, begun again when it ends by itself.

One that ends too often is left alone, and people are told; the server goes on without it, and keeps
what is sent meanwhile in the database. When the server is killed the gateway sees that and ends, or
it would keep its ports and its spool from the next one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from khata.edge.http.alerts import Alerts
from khata.settings import Settings

log = structlog.get_logger("khata.messaging")
COMMAND: Final = (sys.executable, "-m", "khata", "messaging", "serve")
_MOST: Final = 5
_WITHIN_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 30.0


class Attendant:
    """Keeps a process running. `most`: how often it may end by itself within a minute."""

    def __init__(
        self,
        command: Sequence[str],
        environ: dict[str, str],
        alerts: Alerts,
        *,
        most: int = _MOST,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self.begun = 0
        self.fenced = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self._command = list(command)
        self._environ = environ
        self._alerts = alerts
        self._most = most
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._attend, name="khata-messaging")

    def start(self) -> None:
        """Begin the process, and look after it."""
        self._thread.start()

    def stop(self) -> None:
        """End it in order, or by force if that takes too long."""
        with self._lock:
            self._stop.set()
            process = self.process
        if process is not None:
            process.terminate()
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive() and process is not None:
            process.kill()
            self._thread.join()

    def _attend(self) -> None:
        ends: deque[float] = deque()
        while (process := self._begin()) is not None:
            code = process.wait()
            if self._stop.is_set():
                return
            now = time.monotonic()
            ends.append(now)
            while ends[0] < now - _WITHIN_SECONDS:
                ends.popleft()
            if len(ends) > self._most:
                log.error("messaging_fenced", code=code)
                self._alerts.sound("messaging_part_fenced", part="gateway")
                self.fenced.set()
                return
            log.warning("messaging_ended", code=code)
            self._stop.wait(self._pause)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stop.is_set():
                return None
            self.begun += 1
            self.process = subprocess.Popen(self._command, env=self._environ)  # noqa: S603 - ours
            return self.process


@contextmanager
def attended(settings: Settings) -> Iterator[Attendant]:
    """The gateway of the settings' first book, beside a server, while the block runs.

    It reads the environment, as the server did; what the command line said is put into that.
    """
    environ = {
        **os.environ,
        "KHATA_DATABASE_URL": settings.database_url,
        "KHATA_BOOK": settings.books[0],
    }
    alerts = Alerts(settings.alert_webhook)
    attendant = Attendant((*COMMAND, "--beside", str(os.getpid())), environ, alerts)
    attendant.start()
    try:
        yield attendant
    finally:
        attendant.stop()
        alerts.close()
