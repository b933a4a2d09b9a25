"""Sending one webhook: signed, to a checked address, with one deadline for everything.

Redirects are not followed, proxies of the environment not used, connections not kept: the next
one may be for somebody else at the same address. Of an answer only its status counts.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, NamedTuple

import httpx
from standardwebhooks import Webhook

from khata.base.clock import SECOND, Instant
from khata.edge.webhooks.guard import AddressRefused, Guard, Target

DEADLINE_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0
_MOST_BYTES: Final = 16 * 1024
GONE: Final = "http_410"
"""The receiver wants no more, ever."""


class Letter(NamedTuple):
    """What is sent. `secrets`: each signs, in clear, `whsec_…`."""

    id: str
    url: str
    secrets: Sequence[str]
    body: bytes

    def __repr__(self) -> str:
        return f"Letter({self.id!r})"


class Sent(NamedTuple):
    """How it went. `status`: of the answer, if there was one. `error`: a code, or None."""

    status: int | None
    error: str | None


class Sender:
    """Sends letters. `deadline_seconds`: for one letter, from its name to the last byte."""

    def __init__(self, guard: Guard, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._guard = guard
        self._deadline = deadline_seconds
        self._tls: Final = ssl.create_default_context()
        # names are resolved here, so that one which does not answer holds up no more than itself
        self._names = ThreadPoolExecutor(8, "khata-names")

    def close(self) -> None:
        """Let its threads go."""
        self._names.shutdown(wait=False, cancel_futures=True)

    async def send(self, letter: Letter, now: Instant) -> Sent:
        """Send it; never raises for what the other side does. `now`: the time of the signature."""
        try:
            async with asyncio.timeout(self._deadline):
                loop = asyncio.get_running_loop()
                target = await loop.run_in_executor(self._names, self._guard.target, letter.url)
                return await self._post(letter, target, now)
        except AddressRefused:
            return Sent(None, "address_refused")
        except (TimeoutError, httpx.TimeoutException):
            return Sent(None, "timeout")
        except httpx.ConnectError as error:
            return Sent(None, "tls" if "SSL" in str(error) else "unreachable")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Sent(None, "broken_connection")

    async def _post(self, letter: Letter, target: Target, now: Instant) -> Sent:
        headers = {
            "host": target.host,
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"Khata/{version('khata')}",
            **signed(letter, now),
        }
        async with (
            httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(self._deadline, connect=_CONNECT_SECONDS),
            ) as client,
            client.stream(
                "POST",
                target.url,
                content=letter.body,
                headers=headers,
                extensions={"sni_hostname": _name_of(target)},
            ) as answer,
        ):
            size = 0
            async for part in answer.aiter_raw():
                size += len(part)
                if size > _MOST_BYTES:  # its status is known, and nobody reads on
                    break
            good = answer.is_success
            return Sent(answer.status_code, None if good else f"http_{answer.status_code}")


def _name_of(target: Target) -> str:
    """The name that the receiver's certificate must have."""
    host = target.host.rpartition("@")[2]
    return httpx.URL(f"{target.scheme}://{host}").host


def signed(letter: Letter, now: Instant) -> dict[str, str]:
    """The headers of Standard Webhooks, with a signature for each secret."""
    seconds = now // SECOND
    at, text = datetime.fromtimestamp(seconds, UTC), letter.body.decode()
    signatures = [Webhook(secret).sign(letter.id, at, text) for secret in letter.secrets]
    return {
        "webhook-id": letter.id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }
