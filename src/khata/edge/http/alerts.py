"""Alerts: what a person must look at now. A critical line in the log, and a webhook if set.

Sounding one never fails and never waits; the same alert about the same book goes out at most once
a minute.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import structlog

log = structlog.get_logger("khata.alerts")
_QUIET_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 5.0


class Alerts:
    """`webhook`: where each alert is posted as JSON `{"alert", "at", …}`; None for nowhere."""

    def __init__(self, webhook: str | None = None) -> None:
        self._webhook = webhook
        self._lock = threading.Lock()
        self._sounded: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(1, "khata-alerts")

    def sound(self, name: str, **details: Any) -> None:
        """Tell people. Thread-safe."""
        with self._lock:
            now = time.monotonic()
            same = f"{name} {details.get('book')} {details.get('part')}"
            if now - self._sounded.get(same, -_QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._sounded[same] = now
        log.critical(name, **details)
        if self._webhook:
            self._pool.submit(self._post, self._webhook, {"alert": name, **details})

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown()

    def _post(self, webhook: str, alert: dict[str, Any]) -> None:
        try:
            httpx.post(
                webhook, json={**alert, "at": time.time()}, timeout=_PATIENCE_SECONDS
            ).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.error("alert_not_delivered", alert=alert["alert"], reason=type(error).__name__)  # noqa: TRY400 - the reason says it all
