"""Importing CSV files of operations and of opening balances.

A second run of the same file changes nothing; a run that was broken off goes on where it was.
How lines get their keys, and what becomes of a file that was edited, is in `identity`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.edge.files import openings, operations
from khata.edge.files.feeding import CHUNK, Fed, Feed, ImportResult, OnRefusal, Progress
from khata.edge.files.identity import Identity, Known, Numbered, check_renamed, compare
from khata.edge.files.table import Row, Table
from khata.errors import AlreadyExists, InvalidFile

_EXISTS: Final = frozenset({AlreadyExists.code})


def import_operations(
    book: Khata,
    path: Path | str,
    *,
    name: str | None = None,
    actor: Actor = SYSTEM,
    on_refusal: OnRefusal = "stop",
    progress: Progress | None = None,
    chunk: int = CHUNK,
) -> ImportResult:
    """Carry out the operations of a CSV file in their order (see docs/files.md).

    `name`: what the file is known as; left out, its own name. `on_refusal`: `stop` after a line
    that the book refuses (lines already handed in, at most two chunks, are still carried out), or
    `skip` it. `chunk`: lines in one transaction. Memory does not grow with the file.

    Errors: `InvalidFile` at a line that makes no sense, with `line`, `expected`, `got` and what
    was `applied` so far; `KeyReused` when the file was changed since it was imported;
    `AlreadyExists` when it was imported under another name; `Unavailable`.
    """
    path = Path(path)
    identity = Identity("import", name or path.name)
    known = _known(book, path, identity, named=name is not None)
    result = ImportResult(replayed=known.count)
    with Table(path, operations.COLUMNS, operations.REQUIRED) as table:
        _feed(
            book,
            table,
            _operations(table, identity, known),
            result,
            progress,
            actor,
            on_refusal,
            chunk,
        )
    return result


def import_openings(
    book: Khata,
    path: Path | str,
    *,
    actor: Actor = SYSTEM,
    on_refusal: OnRefusal = "stop",
    progress: Progress | None = None,
    chunk: int = CHUNK,
) -> ImportResult:
    """Open wallets with balances computed from historical totals (see docs/files.md).

    A wallet that exists is used; one that has its opening balance already keeps it, and other
    totals for it are refused. Otherwise as `import_operations`.
    """
    result = ImportResult()
    with Table(Path(path), openings.COLUMNS, openings.REQUIRED) as table:
        _feed(book, table, _openings(table), result, progress, actor, on_refusal, chunk)
    return result


def _feed(
    book: Khata,
    table: Table,
    items: Iterator[Fed],
    result: ImportResult,
    progress: Progress | None,
    actor: Actor,
    on_refusal: OnRefusal,
    chunk: int,
) -> None:
    def tell() -> None:
        if progress is not None:
            progress(table.done, table.size)

    try:
        Feed(book, actor, on_refusal, chunk).run(items, result, tell)
    except InvalidFile as error:
        error.details |= {"applied": result.applied, "replayed": result.replayed}
        raise


def _known(book: Khata, path: Path, identity: Identity, *, named: bool) -> Known:
    """What the book has of the file already."""
    with book.view() as view:
        if not named:
            with Table(path, operations.COLUMNS, operations.REQUIRED) as table:
                check_renamed(view, identity, _numbered(table))
        with Table(path, operations.COLUMNS, operations.REQUIRED) as table:
            return compare(view, identity, _numbered(table))


def _numbered(table: Table) -> Iterator[Numbered]:
    """The lines without keys of their own, up to one that makes no sense: it was not imported."""
    try:
        for row in table:
            if operations.key_of(row.cells) is None:
                yield Numbered(row.line, operations.command_of(row.cells))
    except InvalidFile:
        return


def _operations(table: Table, identity: Identity, known: Known) -> Iterator[Fed]:
    for row in table:
        try:
            key = operations.key_of(row.cells)
            if key is not None or row.line not in known:
                yield Fed(row.line, key or identity.key(row.line), operations.command_of(row.cells))
        except InvalidFile as error:
            raise _at(row, error) from None


def _openings(table: Table) -> Iterator[Fed]:
    for row in table:
        try:
            commands = openings.commands_of(row.cells)
        except InvalidFile as error:
            raise _at(row, error) from None
        last = len(commands) - 1
        for at, (key, command) in enumerate(commands):
            settled = _EXISTS if at == 0 else frozenset()
            yield Fed(row.line, key, command, settled, counts=at == last)


def _at(row: Row, error: InvalidFile) -> InvalidFile:
    details = {"line": row.line, **error.details}
    return InvalidFile(f"Line {row.line}, {error.message}", **details)
