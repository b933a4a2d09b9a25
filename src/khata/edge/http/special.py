"""Operations with something of their own: statements as CSV, new keys, verification."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from khata.domain import wallets
from khata.domain.access import CreateKey
from khata.edge.client.answers import DiscrepancyView, NewKey, Receipt, VerifyView
from khata.edge.http.alerts import Alerts
from khata.edge.http.operation import Operation
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, key_of, queried
from khata.edge.http.reads import Nothing, StatementAsked, check_staff, statement, viewed
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply, Stream
from khata.edge.http.write import receipt_reply, submitted
from khata.edge.security import hash_key, new_key
from khata.engine.journal import Receipt as Kept
from khata.engine.verify import verify
from khata.settings import Settings

CSV: Final = b"text/csv; charset=utf-8"
COLUMNS: Final = (
    "at", "entry", "type", "status", "source", "amount", "currency", "balance_before",
    "balance_after", "counterparty", "reference", "note",
)  # fmt: skip
_PAGE: Final = 1000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_encode: Final = msgspec.json.Encoder().encode


# ── statements ───────────────────────────────────────────────────────────────────────


def statement_operation(threads: Threads) -> Operation:
    """A statement: a page of it as JSON, or all of it as CSV when that is asked for."""

    async def run(ask: Ask) -> Reply:
        given = queried(StatementAsked, ask)
        ref = ask.param("wallet")
        if b"text/csv" not in ask.headers.get(b"accept", b""):
            found = await threads.read(_statement, ask, ref, given)
            return Reply(200, _encode(found), JSON)
        given["limit"] = _PAGE
        given.setdefault("until", ask.book.clock() + 1)
        first = await threads.read(_statement, ask, ref, given)
        disposition = (b"content-disposition", b'attachment; filename="statement.csv"')
        return Stream(_csv(threads, ask, ref, given, first), CSV, [disposition])

    return Operation(
        method="GET",
        path="/v1/wallets/{wallet}/statement",
        name="getStatement",
        tag="wallets",
        summary="A period with opening, running and closing balance",
        about="With `Accept: text/csv`: the whole period as a file, without pages.",
        run=run,
        gives=wallets.Statement,
        query=StatementAsked,
        more_media=("text/csv",),
    )


def _statement(ask: Ask, ref: str, given: dict[str, Any]) -> wallets.Statement:
    return viewed(ask.book, ask.actor, statement, ref, **given)


async def _csv(
    threads: Threads, ask: Ask, ref: str, given: dict[str, Any], page: wallets.Statement
) -> AsyncIterator[bytes]:
    """The lines of a statement, page after page; what is behind `until` cannot change."""
    yield _rows([COLUMNS, _edge(page.since, "opening", page.currency, page.opening)])
    while True:
        yield _rows([_row(item) for item in page.items])
        if page.next is None:
            break
        given["cursor"] = page.next
        page = await threads.read(_statement, ask, ref, given)
    yield _rows([_edge(page.until, "closing", page.currency, page.closing)])


def _edge(at: str, kind: str, currency: str, balance: str) -> tuple[str, ...]:
    return at, "", kind, "", "", "", currency, "", balance, "", "", ""


def _row(item: wallets.Transaction) -> tuple[str, ...]:
    return (
        item.at,
        item.id,
        item.type,
        item.status,
        item.source,
        item.amount,
        item.currency,
        item.balance_before,
        item.balance_after,
        _inert(" ".join(item.counterparty)),
        _inert(item.reference or ""),
        _inert(item.note or ""),
    )


def _inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


# ── keys ─────────────────────────────────────────────────────────────────────────────


class NewKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hash`: SHA-256, in hex, of a key that the caller made; left out, the server makes it."""

    label: str
    roles: list[str]
    scopes: list[str]
    hash: str | None = None


def create_key_operation(settings: Settings) -> Operation:
    """A new API key. A secret is shown once; so without `hash` a replay finds another body."""
    decoder = msgspec.json.Decoder(NewKeyBody)

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        asked = decoded(decoder, await body_of(ask, settings.max_body))
        secret = None if asked.hash else new_key(ask.book.book)
        hashed = asked.hash or hash_key(secret or "")
        receipt = await submitted(
            ask,
            CreateKey(asked.label, hashed, asked.roles, asked.scopes),
            key,
            dry_run=dry,
            patience=settings.timeout_seconds,
        )
        made = receipt.result
        told = NewKey(made.id, made.label, made.roles, made.scopes, made.revoked, secret)
        kept = Kept(receipt.seq, receipt.key, receipt.at, told, receipt.replayed)
        return receipt_reply(kept, key, 201)

    return Operation(
        method="POST",
        path="/v1/keys",
        name="createKey",
        tag="keys",
        summary="Let a program in",
        about="The secret is shown this once. To be able to ask again under the same key, make"
        " the key yourself and hand in its `hash`.",
        run=run,
        gives=Receipt[NewKey],
        scope="admin",
        command=CreateKey,
        status=201,
        query=WriteQuery,
        body=NewKeyBody,
        example={"label": "shop", "roles": ["service"], "scopes": ["read", "write"]},
        keyed=True,
    )


# ── verification ─────────────────────────────────────────────────────────────────────


def verify_operation(threads: Threads, alerts: Alerts) -> Operation:
    """Prove the book, or name what is wrong. Those who ask at once share one run."""
    running: dict[int, asyncio.Task[VerifyView]] = {}

    async def run(ask: Ask) -> Reply:
        queried(Nothing, ask)
        check_staff(ask.actor)
        book = ask.book
        task = running.get(book.book_id)
        if task is None:
            task = asyncio.ensure_future(threads.carry(_verify, book, alerts))
            running[book.book_id] = task
            task.add_done_callback(lambda _: running.pop(book.book_id, None))
        return Reply(200, _encode(await asyncio.shield(task)), JSON)

    return Operation(
        method="GET",
        path="/v1/verify",
        name="verify",
        tag="audit",
        summary="Prove the whole book, or name each thing that is wrong",
        about="Reads everything once, while the book goes on working.",
        run=run,
        gives=VerifyView,
        query=Nothing,
    )


def _verify(book: Any, alerts: Alerts) -> VerifyView:
    report = verify(book.database, book.book_id)
    if not report.ok:
        alerts.sound(
            "book_has_discrepancies",
            book=report.book,
            found=len(report.discrepancies) + report.omitted,
            first=report.discrepancies[0].where,
        )
    return VerifyView(
        report.ok,
        report.book,
        report.seq,
        report.head,
        report.journal,
        report.postings,
        report.accounts,
        round(report.seconds, 3),
        [
            DiscrepancyView(item.check, item.where, item.expected, item.got)
            for item in report.discrepancies
        ],
        report.omitted,
    )
