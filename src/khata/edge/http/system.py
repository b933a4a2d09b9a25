"""What belongs to no book: health, readiness, figures, the description of the API and its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import swagger_ui_bundle

from khata.app import Khata
from khata.edge.client.answers import Health, Ready
from khata.edge.http.metrics import Metrics
from khata.edge.http.openapi import lowered
from khata.edge.http.operation import Operation
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.engine.reading import head
from khata.errors import Unavailable

_ASSETS: Final = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
_START: Final = b"""window.onload = function () {
  SwaggerUIBundle({ url: "/docs/openapi.json", dom_id: "#page", deepLinking: true });
};
"""
_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Khata: the API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"><noscript>This page needs JavaScript; /openapi.json does not.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_POLICY: Final = (
    (b"content-security-policy",
     b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"),
)  # fmt: skip


def system_operations(
    books: Mapping[str, Khata], threads: Threads, metrics: Metrics, broken: AbstractSet[str]
) -> list[Operation]:
    """Health, readiness, figures: for balancers and Prometheus, without a key.

    `broken`: the names of books that refuse to go on; a server with one is not ready.
    """

    async def health(_: Ask) -> Reply:
        return Reply(200, b'{"status":"ok"}')

    async def ready(_: Ask) -> Reply:
        if broken:
            raise Unavailable("A book is broken: run verify.", books=sorted(broken))
        heads = {name: await threads.read(_seq, book) for name, book in books.items()}
        return Reply(200, msgspec.json.encode(Ready("ok", heads)))

    async def figures(_: Ask) -> Reply:
        text = await threads.read(metrics.text)
        return Reply(200, text, b"text/plain; version=0.0.4; charset=utf-8")

    return [
        _open("/health", "health", "The process lives", Health, health),
        _open("/ready", "ready", "Its books can be read", Ready, ready),
        _open("/metrics", "metrics", "Figures for Prometheus", None, figures),
    ]


def _seq(book: Khata) -> int:
    return book.query(head).seq


def description_operations(document: dict[str, Any], *, docs: bool) -> list[Operation]:
    """The API's description, and a page that shows it with nothing from elsewhere.

    The page's library reads OpenAPI 3.0, so the page is given the same in those words.
    """
    pages = [("/openapi.json", "openapi", msgspec.json.encode(document), JSON)]
    if docs:
        pages += [
            ("/docs", "docs", _PAGE, b"text/html; charset=utf-8"),
            ("/docs/openapi.json", "docsOpenapi", msgspec.json.encode(lowered(document)), JSON),
            ("/docs/start.js", "docsStart", _START, _ASSETS["swagger-ui-bundle.js"]),
        ]
        pages += [(f"/docs/{name}", name, asset(name), kind) for name, kind in _ASSETS.items()]
    return [
        _open(path, name, "", None, _fixed(Reply(200, body, kind, _POLICY)), hidden=True)
        for path, name, body, kind in pages
    ]


@lru_cache(maxsize=8)
def asset(name: str) -> bytes:
    """A file of the page's library, out of its wheel."""
    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()


def _fixed(reply: Reply) -> Callable[[Ask], Any]:
    async def run(_: Ask) -> Reply:
        return Reply(reply.status, reply.body, reply.content_type, reply.headers)

    return run


def _open(
    path: str,
    name: str,
    summary: str,
    gives: Any,
    run: Callable[[Ask], Any],
    *,
    hidden: bool = False,
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        name=name,
        tag="system",
        summary=summary,
        run=run,
        gives=gives,
        scope=None,
        hidden=hidden,
    )
