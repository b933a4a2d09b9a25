"""Asking for what takes a second person, and deciding about it.

A request holds any command. So that a key does by request nothing that it may not do by itself, who
asks and who approves needs the scope that the command's own operation asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from khata.domain import access
from khata.domain.access import Approve, Reject, RequestApproval
from khata.edge.http.operation import Operation, barred, lacks_scope
from khata.edge.http.reads import viewed
from khata.edge.http.threads import Threads
from khata.edge.http.wire import Ask
from khata.edge.http.write import write
from khata.engine.command import Command
from khata.settings import Settings

_PATH: Final = "/v1/approvals"
_EXAMPLE: Final = {
    "reason": "Above the limit.",
    "command": {
        "kind": "wallets.credit",
        "wallet": "alice/personal/BDT",
        "amount": {"amount": "1000.00", "currency": "BDT"},
    },
}


def approval_operations(
    settings: Settings, threads: Threads, scopes: Mapping[type[Command], str]
) -> list[Operation]:
    """All of them but the reads. `scopes`: what a key needs for a command that has an operation of
    its own.
    """

    async def asks(ask: Ask, wanted: Command) -> None:
        if isinstance(wanted, RequestApproval) and ask.actor.owner is None:
            _admit(ask, wanted.command)

    async def approves(ask: Ask, wanted: Command) -> None:
        if isinstance(wanted, Approve) and ask.actor.owner is None:
            known = await threads.read(viewed, ask.book, ask.actor, access.approval, wanted.request)
            _admit(ask, known.command)

    def _admit(ask: Ask, asked: Mapping[str, Any]) -> None:
        command = ask.book.verbs.read(msgspec.json.encode(asked), from_outside=True)
        if type(command) in barred(scopes, ask):
            raise lacks_scope(command)

    request = write(
        settings,
        "POST",
        _PATH,
        RequestApproval,
        name="requestApproval",
        tag="approvals",
        status=201,
        example=_EXAMPLE,
        admit=asks,
    )
    approve, reject = (
        write(
            settings,
            "POST",
            f"{_PATH}/{{approval}}/{name}",
            command,
            name=name,
            tag="approvals",
            example=example,
            admit=admit,
        )
        for name, command, example, admit in (
            ("approve", Approve, {}, approves),
            ("reject", Reject, {"reason": "No receipt."}, None),
        )
    )
    return [request, approve, reject]
