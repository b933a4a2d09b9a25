"""The operations of other systems' exports: judged, taken over, repaired.

The rows of the four tables come as JSON objects, as the export has them; how they are read is
said by the mapping beside them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.app import Khata
from khata.base.actor import Actor
from khata.base.paging import Page
from khata.domain import legacy
from khata.domain.legacy import AuditReport, Snapshot, Taken, TakeOver, TakeoverState
from khata.edge.files.legacy import snapshot_in
from khata.edge.files.legacy_mapping import TABLES, Mapping
from khata.edge.files.legacy_taking import take_over
from khata.edge.http.operation import Operation
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, queried
from khata.edge.http.reads import Nothing, Paged, check_staff, read
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.http.write import write
from khata.settings import Settings

Rows = list[dict[str, Any]]
_encode: Final = msgspec.json.Encoder().encode
_COLUMNS: Final = {"ref": "no", "customer": "customer"}
_EXPORT: Final = {
    "mapping": {
        "name": "old-shop",
        "currency": "IQD",
        "orders": {
            "columns": {**_COLUMNS, "total": "total", "received": "came", "shown": "status"},
            "words": {"pending": "pending", "delivered": "delivered"},
        },
        "management": {
            "columns": {"ref": "no", "status": "status"},
            "words": {
                "shipped": {"finance": "paid", "warehouse": "picked", "logistics": "delivered"}
            },
        },
        "wallet_transactions": {
            "columns": {**_COLUMNS, "sort": "type", "amount": "amount"},
            "words": {"payment": "out", "refund": "in"},
        },
        "wallets": {"columns": {"customer": "customer", "balance": "balance"}},
    },
    "orders": [
        {"no": "M2511130", "customer": 94, "total": 845250.5, "came": "845250.500",
         "status": "pending"}
    ],
    "management": [{"no": "M2511130", "status": "shipped"}],
    "wallet_transactions": [],
    "wallets": [{"customer": 94, "balance": "15296775.160"}],
}  # fmt: skip
_CUSTOMER: Final = {
    "snapshot": "old-shop",
    "customer": "95",
    "currency": "IQD",
    "orders": [],
    "digest": "0" * 64,
    "reason": "The old shop closes.",
    "balance": {"amount": "10.000", "currency": "IQD"},
}


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An export of another system. `mapping`: as in docs/legacy-audit.md; its `file` names are not
    looked at. The tables: their rows, as the export has them.
    """

    mapping: Mapping
    orders: Rows
    management: Rows
    wallet_transactions: Rows
    wallets: Rows


class ExportToTake(Export, frozen=True, forbid_unknown_fields=True):
    """An export of which the customers are taken over. `reason`: why; it is kept."""

    reason: str


# numbers with a point stay texts: an amount is never a float
_export: Final = msgspec.json.Decoder(Export, float_hook=str)
_to_take: Final = msgspec.json.Decoder(ExportToTake, float_hook=str)


def legacy_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them, for staff and services."""
    customer = write(
        settings,
        "POST",
        "/v1/legacy-customers",
        TakeOver,
        name="takeOverCustomer",
        tag="legacy",
        status=201,
        example=_CUSTOMER,
    )
    listed = read(
        threads,
        "/v1/legacy-takeovers",
        legacy.takeovers,
        Paged,
        Page[TakeoverState],
        "listLegacyTakeovers",
        "legacy",
        "Customers who were taken over from another system, the latest first",
    )
    return [_audit(settings, threads), _take_over(settings, threads), customer, listed]


def _audit(settings: Settings, threads: Threads) -> Operation:
    async def run(ask: Ask) -> Reply:
        queried(Nothing, ask)
        check_staff(ask.actor)
        asked = decoded(_export, await body_of(ask, settings.max_bulk_body))
        report = await threads.carry(_report, asked, ask.book)
        return Reply(200, _encode(report), JSON)

    return Operation(
        method="POST",
        path="/v1/legacy-audits",
        name="auditLegacy",
        tag="legacy",
        summary="What is wrong with the orders of another system, and what would put it right",
        about="Judges the export by the rules that hold for orders here. Nothing is written.",
        run=run,
        gives=AuditReport,
        query=Nothing,
        body=Export,
        example=_EXPORT,
    )


def _take_over(settings: Settings, threads: Threads) -> Operation:
    async def run(ask: Ask) -> Reply:
        dry = is_dry(ask)
        asked = decoded(_to_take, await body_of(ask, settings.max_bulk_body))
        taken = await threads.carry(_taken, asked, ask.book, ask.actor, dry_run=dry)
        return Reply(200, _encode(taken), JSON)

    return Operation(
        method="POST",
        path="/v1/legacy-takeovers",
        name="takeOverLegacy",
        tag="legacy",
        summary="Take the customers of another system over, and repair what is wrong",
        about="Each customer in one command, whose key is made of what the export says; asked"
        " again it changes nothing. With `dry_run` the report is the same. Workers do the repairs.",
        run=run,
        gives=Taken,
        scope="write",
        query=WriteQuery,
        body=ExportToTake,
        example={**_EXPORT, "reason": "The old shop closes."},
    )


def _snapshot(asked: Export, book: Khata) -> Snapshot:
    tables = {table: getattr(asked, table) for table in TABLES}
    return snapshot_in(asked.mapping, tables, book.clock())


def _report(asked: Export, book: Khata) -> AuditReport:
    return legacy.audit(_snapshot(asked, book))


def _taken(asked: ExportToTake, book: Khata, who: Actor, *, dry_run: bool) -> Taken:
    check_staff(who)
    return take_over(book, _snapshot(asked, book), asked.reason, who, dry_run=dry_run)
