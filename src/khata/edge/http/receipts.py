"""Receipts over HTTP: files that come in before a command names them, and go out as downloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from khata.domain import orders
from khata.domain.orders import ReceiptState
from khata.edge.client.answers import Receipt
from khata.edge.http.operation import Operation
from khata.edge.http.problems import DoorError
from khata.edge.http.reading import key_of, queried
from khata.edge.http.reads import Nothing, viewed
from khata.edge.http.threads import Threads
from khata.edge.http.wire import Ask, Reply
from khata.edge.http.write import receipt_reply, submitted
from khata.edge.receipts import KINDS, Kept, ReceiptStore, kind_of
from khata.errors.operations import ReceiptNotFound
from khata.settings import Settings

_R: Final = "/v1/orders/{order}/receipts"
_TYPES: Final = tuple(kind.media for kind in KINDS)
_ANY: Final = "application/octet-stream"
_Name = Annotated[
    str, msgspec.Meta(description="What the customer calls the file.", examples=["slip.pdf"])
]


class UploadAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name`: what the customer calls the file. `dry_run`: decide and answer, keep nothing."""

    name: _Name | None = None
    dry_run: bool = False


def upload_operation(settings: Settings, threads: Threads) -> Operation:
    """Hand in a receipt. Refusals come before the disk is touched; then the file is kept, then
    named by the command: so there is never a receipt whose file was not.
    """

    async def run(ask: Ask) -> Reply:
        key = key_of(ask)
        asked = queried(UploadAsked, ask)
        declared = _declared(ask)
        data = await ask.body(settings.max_receipt)
        if data is None:
            most = settings.max_receipt
            raise DoorError(
                413, "body_too_large", f"The file has more than {most} bytes.", expected=most
            )
        store = _store(settings, ask)
        file = data, asked.get("name"), declared
        command = upload_of(ask.param("order"), await threads.read(store.check, *file))
        patience = settings.timeout_seconds
        kept = await submitted(ask, command, key, dry_run=True, patience=patience)
        if not asked["dry_run"]:
            await threads.read(store.put, *file)
            kept = await submitted(ask, command, key, dry_run=False, patience=patience)
        return receipt_reply(kept, key, 201)

    return Operation(
        method="POST",
        path=_R,
        name="uploadReceipt",
        tag="orders",
        summary="Show a bank transfer: the body is the file",
        about="PDF, PNG, JPEG, WebP or HEIC. The type is found in the bytes, and must be the one"
        " that Content-Type and the name's ending say. The same file under the same key is the"
        " same upload.",
        run=run,
        gives=Receipt[ReceiptState],
        scope="write",
        status=201,
        query=UploadAsked,
        takes=(*_TYPES, _ANY),
        keyed=True,
    )


def upload_of(order: str, kept: Kept) -> orders.UploadReceipt:
    """The command that names a file."""
    file = orders.ReceiptFile(kept.sha256, kept.type, kept.size, kept.name)
    return orders.UploadReceipt(order, file)


def file_operation(
    settings: Settings, threads: Threads, sound: Callable[..., None] | None = None
) -> Operation:
    """A receipt's file. `sound`: tells people of one that was altered."""

    async def run(ask: Ask) -> Reply:
        queried(Nothing, ask)
        names = ask.param("order"), ask.param("receipt")
        found = await threads.read(_found, ask, *names)
        try:
            data = await threads.read(_store(settings, ask).get, found.sha256, found.size)
        except ReceiptNotFound as error:
            if sound is not None:
                reason = str(error.details.get("reason"))
                sound("receipt_file", book=ask.book.book, part=found.id, reason=reason)
            raise
        # a command may say anything of a file, its bytes do not
        kind = kind_of(data)
        return Reply(200, data, kind.media.encode(), _as_download(found.name, kind.ends[0]))

    return Operation(
        method="GET",
        path=f"{_R}/{{receipt}}",
        name="getReceiptFile",
        tag="orders",
        summary="A receipt's file, for staff and for the customer",
        about="As a download. Its hash is counted again: what was altered is not given out.",
        run=run,
        gives=None,
        query=Nothing,
        more_media=_TYPES,
    )


def _found(ask: Ask, order: str, name: str) -> ReceiptState:
    """A receipt of this very order. Errors: `ReceiptNotFound`, `NotYours`."""
    assert ask.actor is not None
    found: ReceiptState = viewed(ask.book, ask.actor, orders.receipt, name)
    if found.order != order:
        raise ReceiptNotFound(f"{order[:100]!a} has no such receipt.", got=name[:60])
    return found


def _store(settings: Settings, ask: Ask) -> ReceiptStore:
    return ReceiptStore(settings.receipts, ask.book.book, settings.max_receipt)


def _declared(ask: Ask) -> str:
    """The type that a file is sent as. Errors: `DoorError` 415 for none that a receipt may be."""
    given = ask.headers.get(b"content-type", _ANY.encode()).decode("latin-1")
    kind = given.partition(";")[0].strip().lower()
    if kind not in {*_TYPES, "image/heif", _ANY}:
        raise DoorError(
            415,
            "unsupported_media_type",
            "The body must be a file that can be a receipt.",
            expected=list(_TYPES),
            got=kind[:60],
        )
    return kind


def _as_download(name: str, ending: str) -> list[tuple[bytes, bytes]]:
    """Headers by which no browser shows it in the name of this site."""
    shown = f"attachment; filename=\"receipt{ending}\"; filename*=UTF-8''{quote(name, safe='')}"
    return [
        (b"content-disposition", shown.encode()),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
    ]
