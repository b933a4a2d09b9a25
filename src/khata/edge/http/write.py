"""How a command comes in: the hot path, from bytes to `asubmit` and back to bytes.

The path's variable part is the first field of the command, the body has the others; both make
the command without anything in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from khata.app import VERBS
from khata.base.clock import to_iso
from khata.edge.client.answers import Receipt
from khata.edge.http.operation import PARAMS, Operation
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, key_of
from khata.edge.http.wire import JSON, Ask, Reply
from khata.engine.command import Command
from khata.engine.journal import Receipt as Kept
from khata.errors import Timeout
from khata.settings import Settings

_REPLAYED: Final = ((b"idempotent-replayed", b"true"),)
_RESULTS: Final = {verb.command: verb.result for verb in VERBS}
_encode: Final = msgspec.json.Encoder().encode
_astuple: Final = msgspec.structs.astuple


def write(
    settings: Settings,
    method: str,
    path: str,
    command: type[Command],
    *,
    name: str,
    tag: str,
    example: Any,
    status: int = 200,
    scope: str = "write",
    admit: Callable[[Ask, Command], Awaitable[None]] | None = None,
) -> Operation:
    """The operation that submits a command; `admit` may refuse it before."""
    params = PARAMS.findall(path)
    body = body_type(command, len(params))
    decoder = msgspec.json.Decoder(body)
    most, patience = settings.max_body, settings.timeout_seconds

    async def run(ask: Ask) -> Reply:
        key = key_of(ask)
        dry = is_dry(ask)
        asked = decoded(decoder, await body_of(ask, most))
        wanted = command(*[ask.param(name) for name in params], *_astuple(asked))
        if admit is not None:
            await admit(ask, wanted)
        receipt = await submitted(ask, wanted, key, dry_run=dry, patience=patience)
        return receipt_reply(receipt, key, status)

    summary, _, about = (command.__doc__ or "").partition("\n")
    return Operation(
        method=method,
        path=path,
        name=name,
        tag=tag,
        summary=summary.strip().rstrip("."),
        about=" ".join(about.split()),
        run=run,
        gives=_receipt_of(command),
        scope=scope,
        status=status,
        query=WriteQuery,
        body=body,
        example=example,
        keyed=True,
        command=command,
    )


def _receipt_of(command: type[Command]) -> Any:
    kinds: Any = Receipt
    return kinds[_RESULTS[command]]


def body_type(command: type[Command], skip: int) -> type[msgspec.Struct]:
    """The command's fields but for the first `skip`, which the path gives."""
    fields: list[Any] = [
        _typed(field) if field.required else (*_typed(field), _default(field))
        for field in msgspec.structs.fields(command)[skip:]
    ]
    return msgspec.defstruct(
        f"{command.__name__}Body", fields, frozen=True, forbid_unknown_fields=True
    )


def _typed(field: Any) -> tuple[str, Any]:
    return field.name, field.type


def _default(field: Any) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return field.default


async def submitted(ask: Ask, command: Command, key: str, *, dry_run: bool, patience: int) -> Kept:
    """The receipt of a command. Errors: the command's; `Timeout` after `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            kept: Kept = await ask.book.asubmit(command, key=key, actor=ask.actor, dry_run=dry_run)
    except TimeoutError:
        raise Timeout(
            f"No answer in {patience} s. The command may still be carried out: its key tells.",
            keys=[key],
        ) from None
    return kept


def receipt_reply(receipt: Kept, key: str, status: int) -> Reply:
    """The answer to a command; a replayed one says so in a header too."""
    body = _encode(Receipt(receipt.seq, to_iso(receipt.at), key, receipt.replayed, receipt.result))
    return Reply(status, body, JSON, _REPLAYED if receipt.replayed else ())
