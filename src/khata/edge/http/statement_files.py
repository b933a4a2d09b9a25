"""Statements over HTTP as their files, and running reconciliation: work that takes its time."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from khata.domain.reconciliation import RunState
from khata.edge.files.statements.importing import How, ImportedFile, import_file
from khata.edge.files.statements.mapping import mapping_of
from khata.edge.files.statements.neutral import Format
from khata.edge.http.operation import Operation
from khata.edge.http.problems import DoorError
from khata.edge.http.reading import queried
from khata.edge.http.reads import check_staff
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.working.reconciling_asked import reconcile
from khata.settings import Settings

_TYPES: Final = ("application/octet-stream", "text/csv", "application/xml", "text/xml",
                 "text/plain")  # fmt: skip
_encode: Final = msgspec.json.Encoder().encode
_Mapping = Annotated[str, msgspec.Meta(description="How CSV is to be read: the mapping as JSON.")]
_Account = Annotated[str, msgspec.Meta(description="The house account.", examples=["bank/main"])]


class FileAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`format`: left out, what it looks like. `opening`, `closing`, `number`: when the file has
    none. `gap`: why a statement before this one is missing. `dry_run`: read it, write nothing.
    """

    account: _Account
    format: Format | None = None
    mapping: _Mapping | None = None
    encoding: str | None = None
    opening: str | None = None
    closing: str | None = None
    number: str | None = None
    gap: str | None = None
    dry_run: bool = False


class RunAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`account`: only this one; left out, all that have statements."""

    account: str | None = None


def file_operation(settings: Settings, threads: Threads) -> Operation:
    """Take statements in; the body is the file."""

    async def run(ask: Ask) -> Reply:
        given = queried(FileAsked, ask)
        raw = await ask.body(settings.max_bulk_body)
        if raw is None:
            most = settings.max_bulk_body
            raise DoorError(
                413, "body_too_large", f"The file has more than {most} bytes.", expected=most
            )
        found = await threads.carry(_import, ask.book, ask.actor, raw, given)
        return Reply(200, _encode(found), JSON)

    return Operation(
        method="POST",
        path="/v1/statement-files",
        name="importStatementFile",
        tag="reconciliation",
        summary="Take statements in: the body is the file",
        about="CSV with a mapping, camt.053 or MT940. The same file again changes nothing, and one"
        " that was broken off goes on where it was; so it needs no key.",
        run=run,
        gives=ImportedFile,
        scope="write",
        query=FileAsked,
        takes=_TYPES,
    )


def _import(book: Any, actor: Any, raw: bytes, given: dict[str, Any]) -> ImportedFile:
    check_staff(actor)
    asked = {name: value for name, value in given.items() if name not in {"account", "dry_run"}}
    mapping = asked.pop("mapping", None)
    how = How(mapping=mapping_of(mapping.encode(), is_json=True) if mapping else None, **asked)
    return import_file(
        book, raw, given["account"], how, actor=actor, dry_run=given.get("dry_run", False)
    )


def run_operation(threads: Threads) -> Operation:
    """Reconcile now."""

    async def run(ask: Ask) -> Reply:
        given = queried(RunAsked, ask)
        found = await threads.carry(_run, ask.book, ask.actor, given.get("account"))
        return Reply(200, _encode(found), JSON)

    return Operation(
        method="POST",
        path="/v1/reconciliation/runs",
        name="runReconciliation",
        tag="reconciliation",
        summary="Match what is open, keep what is left over, and check the book's rooms",
        about="What is done every day at a set time, done now. Twice is as good as once.",
        run=run,
        gives=RunState,
        scope="write",
        query=RunAsked,
    )


def _run(book: Any, actor: Any, account: str | None) -> RunState:
    return reconcile(book, actor, account=account)
