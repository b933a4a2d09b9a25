"""`khata reconcile …`: statements of banks and providers, compared with the book line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import ExistingFile

from khata.domain.reconciliation import (
    Adjust,
    ClosePeriod,
    DiscardImport,
    MatchLines,
    ReopenPeriod,
    ResolveException,
    Unmatch,
)
from khata.edge.cli import reconcile_shown as shown
from khata.edge.cli.reconcile_reads import app
from khata.edge.cli.screen import dump, err, progress
from khata.edge.cli.session import (
    HERE,
    SO,
    How,
    Json,
    Reason,
    Where,
    carry_out,
    command,
    looking,
    opened,
)
from khata.edge.files.statements.generating import DEFECTS, Defect, drawn, make_sample
from khata.edge.files.statements.importing import How as HowToRead
from khata.edge.files.statements.importing import import_file
from khata.edge.files.statements.mapping import read_mapping
from khata.edge.files.statements.neutral import Format
from khata.edge.files.statements.writing import sample_mapping, write_statement
from khata.edge.working.reconciling_asked import reconcile

__all__ = ["app"]

Account = Annotated[str, Parameter(help="The house account, such as bank/main.")]
Currency = Annotated[str, Parameter(help="The account's currency.")]
Dry = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Read it and let the book look, no more."),
]


# ── files ────────────────────────────────────────────────────────────────────────────


@command(
    app,
    "import",
    "khata reconcile import day.xml --account bank/main",
    "khata reconcile import day.csv --account bank/main --mapping bank.toml --opening 0",
)
def import_(
    file: Annotated[ExistingFile, Parameter(help="CSV, camt.053 or MT940.")],
    *,
    account: Account,
    mapping: Annotated[
        ExistingFile | None, Parameter(help="How CSV is to be read, as TOML or JSON.")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, Parameter(help="Left out, what the file looks like.")
    ] = None,
    encoding: Annotated[str | None, Parameter(help="Of CSV or MT940; else UTF-8.")] = None,
    opening: Annotated[str | None, Parameter(help="The opening balance, if not in it.")] = None,
    closing: Annotated[str | None, Parameter(help="The closing balance, if not in it.")] = None,
    number: Annotated[str | None, Parameter(help="The statement's number, if not in it.")] = None,
    gap: Annotated[
        str | None, Parameter(help="Why a statement before this one is missing for good.")
    ] = None,
    dry_run: Dry = False,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Take a statement in; docs/reconciliation.md says how files are read.

    The same file again changes nothing; one that was broken off goes on where it was.
    """
    how = HowToRead(
        format,
        None if mapping is None else read_mapping(Path(mapping)),
        encoding,
        opening,
        closing,
        number,
        gap,
    )
    with opened(where) as book, progress(f"Importing {file.name}") as tell:
        found = import_file(
            book,
            Path(file).read_bytes(),
            account,
            how,
            actor=where.who(),
            dry_run=dry_run,
            progress=tell,
        )
    if json:
        dump(found)
    else:
        shown.show_import(found, dry_run=dry_run)
    return 0


@command(
    app,
    "sample",
    "khata reconcile sample cash/main -o day.xml --format camt.053",
    "khata reconcile sample cash/main -o day.csv --format csv --defects 5 --seed 7",
)
def sample(
    account: Account,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), help="The file to write.")],
    format: Annotated[  # noqa: A002 - the option's name
        Format, Parameter(help="CSV comes with its mapping beside it.")
    ] = "camt.053",
    currency: Annotated[str | None, Parameter(help="Where one code has several.")] = None,
    defects: Annotated[int, Parameter(help="How many lines are to be spoiled.")] = 0,
    kinds: Annotated[
        tuple[Defect, ...], Parameter(name="--kind", help="Only these kinds of defects.")
    ] = DEFECTS,
    seed: Annotated[int, Parameter(help="What the defects are drawn from.")] = 1,
    number: Annotated[str, Parameter(help="The statement's number.")] = "1",
    since: Annotated[str | None, Parameter(help="The first day, ISO 8601.")] = None,
    until: Annotated[str | None, Parameter(help="The last day.")] = None,
    opening: Annotated[
        str | None, Parameter(help="Where the statement before it ended; else the book's.")
    ] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Write the statement that a bank would write of the book's own account, to try things with."""
    with looking(where) as view:
        made = make_sample(
            view,
            account,
            currency,
            number=number,
            since=since,
            until=until,
            opening=opening,
            defects=drawn(defects, seed, kinds),
            seed=seed,
        )
    output.write_bytes(write_statement(made.statement, format))
    if format == "csv":
        beside = output.with_suffix(".mapping.json")
        beside.write_bytes(shown.encode(sample_mapping(made.statement)))
        err().print(f"Its mapping: {beside}", soft_wrap=True)
    if json:
        for item in made.planted:
            dump(item)
    else:
        shown.show_sample(made, str(output))
    return 0


# ── matching ─────────────────────────────────────────────────────────────────────────


@command(app, "run", "khata reconcile run", "khata reconcile run --account bank/main --json")
def run(
    *,
    account: Annotated[
        str | None, Parameter(help="Only this account; left out, all that have statements.")
    ] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Match what is open, keep what is left over as exceptions, and check the book's rooms."""
    with opened(where) as book, progress("Reconciling") as tell:
        found = reconcile(book, where.who(), account=account, progress=tell)
    if json:
        dump(found)
    else:
        shown.show_run(found)
    return 0


@command(
    app,
    "match",
    "khata reconcile match stm_0400/7 --entry ent_0800 --reason 'Slip 12'",
    "khata reconcile match stm_0400/7 --entry ent_0800 --against expense/bank_fees --reason Fee",
)
def match(
    *lines: Annotated[str, Parameter(help="Lines, stm_…/1; several are one match.")],
    entry: Annotated[tuple[str, ...], Parameter(help="An entry, ent_…; may come again.")] = (),
    against: Annotated[
        str | None, Parameter(help="The account on which a difference is booked.")
    ] = None,
    source: Annotated[str, Parameter(help="The difference's reason.")] = "fee",
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Match lines with entries by hand; their sums are equal, or the difference is booked."""
    wanted = MatchLines(list(lines), list(entry), reason, against, source)
    return carry_out(where, how, wanted, shown.show_match)


@command(app, "unmatch", "khata reconcile unmatch mat_0c00 --reason 'It was the other one'")
def unmatch(
    match: Annotated[str, Parameter(help="The match, mat_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take a match apart; what it had booked is taken back."""
    return carry_out(where, how, Unmatch(match, reason), shown.show_match)


@command(
    app,
    "adjust",
    "khata reconcile adjust stm_0400/9 --reason 'Monthly fee'",
    "khata reconcile adjust stm_0400/9 --against revenue/interest --source fee --reason Interest",
)
def adjust(
    line: Annotated[str, Parameter(help="The line, stm_…/1.")],
    *,
    against: Annotated[str, Parameter(help="The other account.")] = "expense/bank_fees",
    source: Annotated[str, Parameter(help="The entry's reason.")] = "fee",
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Book a line that the book does not know, and match the two."""
    return carry_out(where, how, Adjust(line, reason, against, source), shown.show_match)


@command(app, "resolve", "khata reconcile resolve exc_0c00 --reason 'The bank took it back'")
def resolve(
    exception: Annotated[str, Parameter(help="The exception, exc_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Close an exception without a match; its line and entries are left out from now on."""
    return carry_out(where, how, ResolveException(exception, reason), shown.show_exception)


@command(app, "discard", "khata reconcile discard stm_0400 --reason 'Half a file'")
def discard(
    statement: Annotated[str, Parameter(help="The statement, stm_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give up a statement whose lines are not all here; its number is free again."""
    return carry_out(where, how, DiscardImport(statement, reason), shown.show_statement)


# ── periods ──────────────────────────────────────────────────────────────────────────


@command(
    app,
    "close",
    "khata reconcile close bank/main BDT 2026-01-31 --reason January",
    "khata reconcile close bank/main BDT 2026-01-31 --carry --reason January",
)
def close(
    account: Account,
    currency: Currency,
    to_on: Annotated[str, Parameter(name="DAY", help="The last day, ISO 8601.")],
    /,
    *,
    carry: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Take open exceptions along."),
    ] = False,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Close an account's days up to this one: nothing of them changes any more."""
    wanted = ClosePeriod(account, currency, to_on, reason, carry)
    return carry_out(where, how, wanted, shown.show_period)


@command(
    app, "reopen", "khata reconcile reopen per_0c00 --reason 'A late fee' --ask 'The bank erred'"
)
def reopen(
    period: Annotated[str, Parameter(help="The period, per_….")],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Open the last closed period again. It always takes a second person."""
    return carry_out(where, how, ReopenPeriod(period, reason), shown.show_period)
