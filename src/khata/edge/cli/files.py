"""`khata import …` and `khata export …`: files in and out. The work is done in `edge/files`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

from cyclopts import Parameter
from cyclopts.types import ExistingFile

from khata.edge.cli.exits import DONE, EXITS
from khata.edge.cli.exporting import Tell, write_journal, write_postings
from khata.edge.cli.screen import dump, err, out, progress, row, table
from khata.edge.cli.session import HERE, Where, command, family, looking, opened
from khata.edge.files.beancount.importing import import_beancount
from khata.edge.files.beancount.writing import export_beancount
from khata.edge.files.feeding import ImportResult, OnRefusal
from khata.edge.files.importing import import_openings, import_operations
from khata.engine.database import View
from khata.errors import Refused

imports: Final = family("import", "Bring operations or books in from files.")
exports: Final = family("export", "Write the book out, for other programs.")

File = Annotated[ExistingFile, Parameter(help="The file to read.")]
Name = Annotated[
    str | None,
    Parameter(help="What the file is known as; left out, its own name. Lines are known by it."),
]
Skip = Annotated[
    bool,
    Parameter(
        name="--skip-refused",
        negative="",
        show_default=False,
        help="Go on after a line that the book refuses; left out, stop there.",
    ),
]
Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="What became of it, as one JSON object.")
]


@command(
    imports,
    "csv",
    "khata import csv day.csv",
    "khata import csv day.csv --skip-refused --json",
    "khata import csv old-balances.csv --openings",
)
def import_csv(
    file: File,
    *,
    openings: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Each line is a wallet with its historical totals, not an operation.",
        ),
    ] = False,
    name: Name = None,
    skip_refused: Skip = False,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Carry out the lines of a CSV file, in their order; docs/files.md has the columns.

    Each line happens once: a run that was broken off goes on where it was, and a second run of
    the same file changes nothing. A line that makes no sense stops the import and is named.
    """
    on_refusal: OnRefusal = "skip" if skip_refused else "stop"
    with (
        opened(where, create=True) as book,
        progress(f"Importing {file.name}", of_bytes=True) as tell,
    ):
        who = where.who()
        if openings:
            result = import_openings(book, file, actor=who, on_refusal=on_refusal, progress=tell)
        else:
            result = import_operations(
                book, file, name=name, actor=who, on_refusal=on_refusal, progress=tell
            )
    return _told(result, json=json)


@command(imports, "beancount", "khata import beancount books.beancount")
def import_ledger(file: File, *, name: Name = None, json: Json = False, where: Where = HERE) -> int:
    """Post every transaction of a Beancount file; docs/files.md says how accounts are named.

    The same file again changes nothing; transactions added at its end are posted then.
    """
    with (
        opened(where, create=True) as book,
        progress(f"Importing {file.name}") as tell,
    ):
        result = import_beancount(book, file, name=name, actor=where.who(), progress=tell)
    for failed in result.failed:
        err().print(
            f"Line {failed.line}: a balance does not hold in the file itself: {failed.message}",
            soft_wrap=True,
        )
    return _told(result, "transactions", json=json)


def _told(result: ImportResult, what: str = "lines", *, json: bool) -> int:
    """Say what became of a file; the exit code: refused when a refusal stopped it."""
    if json:
        dump(_plain(result))
    else:
        out().print(
            f"{result.lines:,} {what}: {result.applied:,} carried out, {result.replayed:,} known"
            f" before, {result.refusals:,} refused."
        )
        _show_refused(result)
    return DONE if result.stopped_at is None else EXITS[Refused]


def _plain(result: ImportResult) -> dict[str, Any]:
    return {
        "lines": result.lines,
        "applied": result.applied,
        "replayed": result.replayed,
        "refusals": result.refusals,
        "refused": [refused._asdict() for refused in result.refused],
        "stopped_at": result.stopped_at,
    }


def _show_refused(result: ImportResult) -> None:
    if not result.refused:
        return
    made = table("line>", "code", "why")
    for refused in result.refused:
        row(made, str(refused.line), refused.code, refused.message)
    err().print(made)
    if result.stopped_at is not None:
        err().print(
            f"Stopped at line {result.stopped_at}. Correct the book, or run it again with"
            " --skip-refused: what was carried out is not carried out twice.",
            soft_wrap=True,
        )


# ── out ──────────────────────────────────────────────────────────────────────────────

Output = Annotated[
    Path | None,
    Parameter(name=("--output", "-o"), help="The file to write; left out, standard output."),
]


@contextmanager
def _writing(path: Path | None) -> Iterator[TextIO]:
    """Where an export goes. A file takes its name only when it is complete."""
    if path is None:
        yield sys.stdout
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@command(
    exports,
    "beancount",
    "khata export beancount -o books.beancount && bean-check books.beancount",
    "khata export beancount | less",
)
def export_ledger(*, output: Output = None, where: Where = HERE) -> int:
    """Write the whole book as a Beancount file that bean-check accepts."""
    with (
        opened(where) as book,
        progress("Exporting") as tell,
        _writing(output) as stream,
    ):
        count = export_beancount(book, stream, actor=where.who(), progress=tell)
    return _written(count, "entries", output)


@command(exports, "csv", "khata export csv -o postings.csv", "khata export csv --book shop | head")
def export_csv(*, output: Output = None, where: Where = HERE) -> int:
    """Write every leg of every entry as a line of CSV, oldest first."""
    return _export(write_postings, "legs", output, where)


@command(
    exports,
    "journal",
    "khata export journal -o journal.jsonl",
    "khata export journal | jq -c '{seq, kind, actor}'",
)
def export_journal(*, output: Output = None, where: Where = HERE) -> int:
    """Write every command as one JSON object a line, with its result and its hash."""
    return _export(write_journal, "commands", output, where)


def _export(
    write: Callable[[View, TextIO, Tell], int], what: str, output: Path | None, where: Where
) -> int:
    with (
        looking(where) as view,
        progress("Exporting") as tell,
        _writing(output) as stream,
    ):
        count = write(view, stream, tell)
    return _written(count, what, output)


def _written(count: int, what: str, output: Path | None) -> int:
    if output is not None:
        err().print(f"{count:,} {what} written to {output}.", soft_wrap=True)
    return DONE
