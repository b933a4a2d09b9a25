"""The driver: one HTTP client that carries every provider's conversations.

What the network does to a request becomes an outcome here, once for all:

    never sent (no address, no connection, no free one in the pool)    `busy`
    sent, wholly or perhaps                                            `unknown`

A call has one deadline, for connecting, sending and the whole answer, so that a server which
trickles bytes holds nobody. Answers are bounded, redirects are not followed. The client runs on an
event loop in a thread of its own, where a deadline can end anything; callers just wait.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import structlog

from khata.base.clock import Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.listening import Listening
from khata.edge.providers.port import Flow, Hooks, Opens, Provider, Request, Response
from khata.edge.providers.razorpay import RazorpayHooks
from khata.edge.providers.sandbox import Sandbox
from khata.edge.providers.signatures import Secrets
from khata.edge.providers.standard import StandardHooks
from khata.edge.providers.stripe import StripeHooks
from khata.edge.providers.verdicts import (
    BAD_REQUEST,
    DROPPED,
    FAULT,
    NOT_CONFIGURED,
    TIMEOUT,
    UNREACHABLE,
    busy,
    garbage,
    unknown,
)
from khata.engine.sagas.outcome import Intent, Outcome
from khata.errors import Invalid, NotFound
from khata.settings import ProviderConfig

log = structlog.get_logger("khata.providers")
T = TypeVar("T")

MOST_BYTES: Final = 256 * 1024
_CONNECT_SECONDS: Final = 5.0
_SCHEMES: Final[dict[str, Callable[[str, Secrets], Hooks]]] = {
    "standard": StandardHooks,
    "stripe": StripeHooks,
    "razorpay": RazorpayHooks,
}
_OF_KIND: Final = {"sandbox": "standard", "stripe": "stripe", "razorpay": "razorpay"}

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class _Ended(Exception):  # noqa: N818 - it ends a conversation, with an outcome
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Providers:
    """All providers of a process, by name. Thread-safe; `close()` it at the end.

    `vault`: opens sealed account numbers for payouts. `client`: for tests of the transport.
    Errors when made: `Invalid` for a secret that is none.
    """

    def __init__(
        self,
        configs: Iterable[ProviderConfig],
        vault: Opens | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._providers = {config.name: provider(config, vault) for config in configs}
        self._line = _Line(client)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are, as they were configured."""
        return tuple(self._providers)

    def call(self, intent: Intent) -> Outcome:
        """Carry an intent out, under its key. Never raises for what the other side does."""
        started = time.perf_counter()
        try:
            outcome = self._line.wait(self._line.drive(_flow(self._of(intent), intent)))
        except _Ended as end:
            outcome = end.outcome
        except Invalid as error:
            # nothing was sent; and it would read no better a second time
            outcome = Outcome("failed", code=BAD_REQUEST, message=error.message)
        return self._told("provider_call", intent, outcome, started)

    def ask(self, intent: Intent) -> Outcome:
        """What became of an intent: `done`, `failed`, `absent`, or `unknown` while nobody says."""
        started = time.perf_counter()
        try:
            outcome = self._line.wait(self._line.drive(self._of(intent).find(intent)))
        except _Ended as end:
            outcome = end.outcome
        except Invalid as error:
            outcome = unknown(BAD_REQUEST, error.message)
        if outcome.status == "busy":
            # only the question was not put; of the call it says nothing
            outcome = unknown(outcome.code, outcome.message)
        return self._told("provider_asked", intent, outcome, started)

    def _of(self, intent: Intent) -> Provider:
        found = self._providers.get(str(intent.request.get("provider")))
        if found is None:
            raise _Ended(busy(NOT_CONFIGURED, "No such provider is configured here."))
        return found

    def verify(self, name: str, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """Pass when this provider signed these bytes lately.

        Errors: `NotFound`, `InvalidSignature`, `StaleWebhook`.
        """
        self._hooks(name).verify(headers, body, now)

    def event(self, name: str, body: bytes) -> ProviderEvent | None:
        """What a webhook says; None for what means nothing to us. Errors: `NotFound`, `Invalid`."""
        return self._hooks(name).event(body)

    def _hooks(self, name: str) -> Hooks:
        found = self._providers.get(name)
        if found is None:
            raise NotFound("There is no such provider.", got=name[:40])
        return found

    def _told(self, event: str, intent: Intent, outcome: Outcome, started: float) -> Outcome:
        log.info(
            event,
            provider=str(intent.request.get("provider"))[:40],
            op=str(intent.request.get("op"))[:20],
            key=intent.key,
            step=intent.step,
            status=outcome.status,
            code=outcome.code or None,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return outcome

    def close(self) -> None:
        """End the connections. What is under way ends as `unknown`."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def provider(config: ProviderConfig, vault: Opens | None = None) -> Provider:
    """The provider that a configuration describes. Errors: `Invalid` for a secret that is none."""
    hooks = _SCHEMES[config.scheme or _OF_KIND[config.kind]](config.name, config.webhook_secrets)
    return Sandbox(config, hooks, vault) if config.kind == "sandbox" else Listening(hooks)


def _flow(found: Provider, intent: Intent) -> Flow:
    verbs = {"charge": found.charge, "refund": found.refund, "payout": found.payout}
    verb = verbs.get(str(intent.request.get("op")))
    if verb is None:
        raise Invalid("A provider was asked for something unknown.", expected=list(verbs))
    return verb(intent)


class _Line:
    """The client on its loop."""

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop, and wait for it here."""
        with self._lock:
            if self._closed:
                work.close()
                raise _Ended(busy(UNREACHABLE, "Khata is being stopped."))
            if self._loop is None:
                self._start()
            assert self._loop is not None
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def _start(self) -> None:
        # started when first needed: a server that only takes webhooks needs no loop
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="khata-providers", daemon=True
        )
        self._thread.start()

    async def drive(self, flow: Flow) -> Outcome:
        """Carry a conversation to its end."""
        sent = False
        try:
            request = next(flow)
            while True:
                sent = True
                response = await self._exchange(request)
                request = flow.send(response)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        except _Ended as end:
            return end.outcome
        except asyncio.CancelledError:
            return unknown(DROPPED, "Khata was stopped before the provider answered.")
        except Invalid:
            if sent:
                return garbage("not what the provider documents")
            raise
        except Exception as error:
            if not sent:
                raise
            # nobody foresaw it, after the request had left: it may have happened
            log.exception("provider_fault", kind=type(error).__name__)
            return unknown(FAULT, "Something went wrong here after the request was sent.")
        finally:
            flow.close()

    async def _exchange(self, request: Request) -> Response:
        if self._client is None:
            self._client = httpx.AsyncClient(follow_redirects=False)
        seconds = request.timeout_seconds
        connecting = min(_CONNECT_SECONDS, seconds * 0.8)
        patience = httpx.Timeout(seconds, connect=connecting, pool=connecting)
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream(
                    request.method,
                    request.url,
                    # compressed, a small answer could become a large one
                    headers={"Accept-Encoding": "identity", **request.headers},
                    content=request.body or None,
                    timeout=patience,
                ) as answer,
            ):
                return await _whole(answer)
        except _NEVER_SENT as error:
            reason = type(error).__name__
            raise _Ended(busy(UNREACHABLE, f"The provider cannot be reached ({reason}).")) from None
        except (TimeoutError, httpx.TimeoutException):
            raise _Ended(
                unknown(TIMEOUT, f"The provider did not answer within {seconds:g} s.")
            ) from None
        except httpx.DecodingError:
            raise _Ended(garbage("its encoding")) from None
        except httpx.HTTPError as error:
            reason = type(error).__name__
            raise _Ended(unknown(DROPPED, f"The connection broke ({reason}).")) from None

    def close(self) -> None:
        """End the loop, its client and its thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _hang_up(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()


async def _whole(answer: httpx.Response) -> Response:
    """The answer with its body, unless it is too large or not as it was asked for."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _Ended(garbage("its encoding"))
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            raise _Ended(garbage(f"more than {MOST_BYTES} bytes"))
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, headers, bytes(body))
