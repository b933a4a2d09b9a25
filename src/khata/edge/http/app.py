"""The application: operations joined to routes, and what every request goes through.

Admit, run, answer, count, log. Litestar routes and sends; a failure anywhere becomes a problem.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import structlog
from litestar import Litestar, Request, route
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from khata.app import Khata
from khata.edge.http.alerts import Alerts
from khata.edge.http.approvals import approval_operations
from khata.edge.http.benefits import benefit_operations
from khata.edge.http.bulk import bulk_operation
from khata.edge.http.commissions import commission_operations
from khata.edge.http.earnings import earning_operations
from khata.edge.http.escrow import escrow_operations
from khata.edge.http.guard import Guard
from khata.edge.http.hooks import hook_operations
from khata.edge.http.inventory import stock_operations
from khata.edge.http.legacy import legacy_operations
from khata.edge.http.loans import loan_operations
from khata.edge.http.marketplace import marketplace_operations
from khata.edge.http.messaging import messaging_operations
from khata.edge.http.metrics import Metrics
from khata.edge.http.mismatches import mismatch_operations
from khata.edge.http.openapi import document
from khata.edge.http.operation import Operation
from khata.edge.http.orders import order_operations
from khata.edge.http.payments import payment_operations
from khata.edge.http.payouts import payout_operations
from khata.edge.http.problems import DoorError, problem_reply
from khata.edge.http.reads import read_operations
from khata.edge.http.reconciliation import reconciliation_operations
from khata.edge.http.relaying import Relay
from khata.edge.http.sagas import saga_operations
from khata.edge.http.shadow import shadow_operations
from khata.edge.http.solvency import solvency_operations
from khata.edge.http.special import (
    create_key_operation,
    statement_operation,
    verify_operation,
)
from khata.edge.http.squads import squad_operations
from khata.edge.http.system import description_operations, system_operations
from khata.edge.http.threads import Threads
from khata.edge.http.tokens import tokens_of
from khata.edge.http.wire import Ask, Disconnected, Reply, keep_slashes
from khata.edge.http.writes import write_operations
from khata.edge.messaging.desk import StoreDesk
from khata.edge.providers import Providers
from khata.edge.webhooks import Receiver
from khata.edge.working import Crew
from khata.engine.command import Command
from khata.errors import Broken
from khata.settings import Settings

log = structlog.get_logger("khata.http")
_REVOKES: Final = "revokeKey"
_HEARS: Final = ("receiveWebhook", "receiveWebhookOfBook")
_CLOSED_BY_CALLER: Final = 499


class Front:
    """What every HTTP door of some books has; the first is meant when a token names none.

    `offer` gives it its operations.
    """

    document: dict[str, Any]
    operations: list[Operation]

    def __init__(
        self,
        books: Mapping[str, Khata],
        settings: Settings,
        alerts: Alerts | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.threads = Threads()
        self.alerts = alerts or Alerts(settings.alert_webhook)
        self.crew = crew
        self.metrics = Metrics(books, crew.workings if crew else {})
        self.broken: set[str] = set()
        self.guard = Guard(books, self.threads, tokens_of(settings))

    def offer(self, operations: Iterable[Operation], *, docs: bool) -> None:
        """Serve these operations and their description; `docs`: a page that shows it too."""
        business = list(operations)
        self.document = document(business, version("khata"))
        self.operations = business + description_operations(self.document, docs=docs)

    def handlers(self) -> list[HTTPRouteHandler]:
        """What Litestar routes to."""
        return [self._handler(operation) for operation in self.operations]

    def _handler(self, operation: Operation) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
            return await self.answer(operation, request.scope, request.receive)

        methods = [HttpMethod(operation.method)]
        if operation.method == "GET":
            methods.append(HttpMethod.HEAD)
        made = route(
            operation.route,
            http_method=methods,
            name=operation.name,
            status_code=operation.status,
        )
        return made(handle)

    async def answer(self, operation: Operation, scope: Any, receive: Receive) -> Reply:
        """The answer to a request; never an exception, unless the server is being stopped."""
        started = time.perf_counter()
        ask = Ask(scope, receive)
        try:
            if operation.scope is not None:
                await self.guard.admit(ask, operation.scope)
            reply = await operation.run(ask)
            if operation.name == _REVOKES:
                self.guard.forget()
            elif operation.name in _HEARS and self.crew is not None:
                self.crew.heard()
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a problem, and is logged
            reply = self._failed(operation, ask, error)
        reply.request_id = ask.request_id
        reply.without_body = scope["method"] == "HEAD"
        seconds = time.perf_counter() - started
        self.metrics.observe(operation.method, operation.path, reply.status, seconds)
        log.info(
            "request",
            request_id=ask.request_id.decode(),
            operation=operation.name,
            status=reply.status,
            ms=round(seconds * 1000, 2),
            actor=str(ask.actor) if ask.actor else None,
            **({"saga": ask.params["saga"][:60]} if "saga" in ask.params else {}),
        )
        return reply

    def _failed(self, operation: Operation, ask: Ask, error: Exception) -> Reply:
        request_id = ask.request_id.decode()
        if isinstance(error, Disconnected):
            return Reply(_CLOSED_BY_CALLER, b"")
        reply = problem_reply(error, request_id)
        if isinstance(error, Broken):
            name = ask.book.book if ask.book else "?"
            self.broken.add(name)
            self.alerts.sound("book_is_broken", book=name, code=error.code, request_id=request_id)
        elif reply.status == 500:  # noqa: PLR2004 - nobody foresaw it
            log.error("fault", request_id=request_id, operation=operation.name, exc_info=error)
        return reply

    def close(self) -> None:
        """Let its threads finish."""
        self.threads.close()
        self.alerts.close()


class Door(Front):
    """The HTTP door of some books, with everything that can be asked of them."""

    def __init__(
        self,
        books: Mapping[str, Khata],
        settings: Settings,
        alerts: Alerts | None = None,
        crew: Crew | None = None,
    ) -> None:
        super().__init__(books, settings, alerts, crew)
        # it hears providers and calls none: no connection and no thread comes of it
        receiver = Receiver(Providers(settings.providers), self.alerts, settings.webhook_rate)
        self.relay = Relay(settings.messaging_url, next(iter(books)))
        self._desks = {name: StoreDesk(book, self.threads) for name, book in books.items()}
        scopes: dict[type[Command], str] = {}
        business = [
            *write_operations(settings),
            *approval_operations(settings, self.threads, scopes),
            bulk_operation(settings, self.threads, scopes),
            *read_operations(self.threads),
            *saga_operations(settings, self.threads),
            *hook_operations(settings, self.threads, books, receiver),
            *payment_operations(settings, self.threads),
            *payout_operations(settings, self.threads),
            *commission_operations(settings, self.threads),
            *loan_operations(settings, self.threads),
            *earning_operations(settings, self.threads),
            *benefit_operations(settings, self.threads),
            *escrow_operations(settings, self.threads),
            *marketplace_operations(settings, self.threads),
            *stock_operations(settings, self.threads),
            *squad_operations(settings, self.threads),
            *solvency_operations(settings, self.threads, self.alerts),
            *mismatch_operations(settings, self.threads),
            *legacy_operations(settings, self.threads),
            *order_operations(settings, self.threads, self.alerts.sound),
            *shadow_operations(settings, self.threads, books, scopes),
            *reconciliation_operations(settings, self.threads),
            *map(self.relay.passed_on, messaging_operations(self._desk)),
            statement_operation(self.threads),
            create_key_operation(settings),
            verify_operation(self.threads, self.alerts),
            *system_operations(books, self.threads, self.metrics, self.broken),
        ]
        scopes |= {one.command: one.scope for one in business if one.command and one.scope}
        self.offer(business, docs=settings.docs)

    def _desk(self, ask: Ask) -> StoreDesk:
        return self._desks[ask.book.book]


def create_app(
    books: Mapping[str, Khata] | Khata,
    settings: Settings | None = None,
    *,
    alerts: Alerts | None = None,
    crew: Crew | None = None,
    close: Callable[[], None] | None = None,
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application that serves these books, by name or just one.

    `alerts`: who tells people. `crew`: works the books' sagas off while the server runs. `close`:
    called when the server has stopped and every request is answered.
    Errors: `Invalid` for a key set that cannot be used.
    """
    served = {books.book: books} if isinstance(books, Khata) else books
    door = Door(served, settings or Settings(), alerts, crew)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if crew is not None:
            crew.start()
        yield
        if crew is not None:
            await asyncio.to_thread(crew.stop)
        await door.relay.close()
        await asyncio.to_thread(door.close)
        if close is not None:
            await asyncio.to_thread(close)

    return application(door, lifespan)


def application(
    door: Front, lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]]
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application of a door."""
    app = Litestar(
        door.handlers(),
        lifespan=[lifespan],
        exception_handlers={HTTPException: _astray, Exception: _astray},
        openapi_config=None,
        logging_config=None,
    )

    async def entered(scope: Scope, receive: Receive, send: Send) -> None:
        keep_slashes(scope)
        await app(scope, receive, send)

    return entered


def _astray(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer where no operation is: an unknown route, a wrong method, HTTP that is none."""
    path = request.scope["path"][:200]
    told: Exception = error
    if isinstance(error, MethodNotAllowedException):
        allow = [(b"allow", (error.headers or {}).get("allow", "").encode())]
        told = DoorError(
            405,
            "method_not_allowed",
            "This path has no such method.",
            headers=allow,
            got=request.scope["method"],
        )
    elif isinstance(error, HTTPException) and error.status_code == 404:  # noqa: PLR2004
        told = DoorError(404, "route_not_found", "There is nothing at this path.", got=path)
    elif isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004
        told = DoorError(error.status_code, "malformed_request", f"{error.detail[:200]}.")
    else:
        log.error("fault", path=path, exc_info=error)
    ask = Ask(request.scope, request.receive)
    reply = problem_reply(told, ask.request_id.decode())
    reply.request_id = ask.request_id
    headers = {name.decode(): value.decode() for name, value in reply.head()[1:]}
    return Response(
        reply.body,
        status_code=reply.status,
        media_type="application/problem+json",
        headers=headers,
    )
